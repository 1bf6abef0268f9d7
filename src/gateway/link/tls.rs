use std::io::{self, IoSlice, Read, Write};

use rustls::ServerConnection;
use tokio::net::TcpStream;

/// The TLS of a connection, between the link and the kernel. It never waits, so whoever has the link may send.
///
/// What the kernel does not take stays here, encrypted, and goes before all else: about 64 KiB at most, which is where rustls
/// stops to take.
pub struct Tls(Box<ServerConnection>);

impl Tls {
    pub fn new(session: ServerConnection) -> Self {
        Tls(Box::new(session))
    }

    /// How many bytes of `slices` were taken; not all: the kernel takes no more. `WouldBlock`: none were.
    pub fn try_write(&mut self, tcp: &TcpStream, mut slices: &mut [IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            match self.try_flush(tcp) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => return Ok(taken),
                flushed => flushed?,
            }
            let more = self.0.writer().write_vectored(slices)?;
            if more == 0 {
                return Ok(taken);
            }
            taken += more;
            IoSlice::advance_slices(&mut slices, more);
        }
    }

    /// Sends what is encrypted already.
    pub fn try_flush(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.waits() {
            if self.0.write_tls(&mut NonBlocking(tcp))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Something is encrypted and not sent.
    pub fn waits(&self) -> bool {
        self.0.wants_write()
    }

    /// Zero bytes at the end of the stream. `WouldBlock`: nothing came.
    pub fn try_read(&mut self, tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Cut off without a goodbye, as many clients are: whether a message is whole, its frame says.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.0.read_tls(&mut NonBlocking(tcp))?;
            if let Err(error) = self.0.process_new_packets() {
                // The client is told what was wrong, as well as can be.
                let _ = self.try_flush(tcp);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// Something can be read that the kernel no longer has.
    pub fn has_arrived(&self) -> bool {
        !self.0.wants_read()
    }

    /// Tells the client that nothing comes any more, as far as that can be sent at once.
    pub fn close(&mut self, tcp: &TcpStream) {
        self.0.send_close_notify();
        let _ = self.try_flush(tcp);
    }
}

/// A connection as rustls takes it.
struct NonBlocking<'a>(&'a TcpStream);

impl Read for NonBlocking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
