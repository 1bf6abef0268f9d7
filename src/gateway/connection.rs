use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP connection that can be ended from outside, whatever its reader and writer wait for.
///
/// The library has no such thing: it cannot disconnect a socket whose peer takes nothing, and what it calls disconnecting
/// tells stock clients never to come back. A connection that breaks off is one that they reconnect.
pub struct Connection {
    stream: TcpStream,
    cut: Cut,
}

/// Ends one [`Connection`]. Cheap to clone.
#[derive(Clone, Default)]
pub struct Cut(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Connection { stream, cut: Cut::default() }
    }

    pub fn cut(&self) -> Cut {
        self.cut.clone()
    }
}

impl Cut {
    /// The reader sees the end of the stream, the writer an error, at once.
    pub fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Whether it is cut; if not, the task is woken when it is.
    fn is_cut(&self, waker: impl Fn(&Inner) -> &AtomicWaker, context: &Context<'_>) -> bool {
        // Registered before it is asked: a cut in between must not be missed.
        waker(&self.0).register(context.waker());
        self.0.is_cut.load(Ordering::Acquire)
    }

    fn broken<T>() -> Poll<io::Result<T>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.is_cut(|inner| &inner.reader, context) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut.is_cut(|inner| &inner.writer, context) {
            return Cut::broken();
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.cut.is_cut(|inner| &inner.writer, context) {
            return Cut::broken();
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.is_cut(|inner| &inner.writer, context) {
            return Cut::broken();
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_a_reader_and_a_writer_that_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let _silent = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
        let connection = Connection::new(listener.accept().await.expect("accepts").0);
        let cut = connection.cut();
        let (mut reader, mut writer) = tokio::io::split(connection);
        let reading = tokio::spawn(async move { reader.read(&mut [0; 16]).await });
        // More than any buffer between the two holds: the writer waits, since nobody reads.
        let writing = tokio::spawn(async move { writer.write_all(&vec![0; 64 << 20]).await });
        tokio::task::yield_now().await;
        cut.cut();
        assert_eq!(reading.await.expect("no panic").expect("ends"), 0);
        assert_eq!(writing.await.expect("no panic").expect_err("breaks").kind(), io::ErrorKind::BrokenPipe);
    }
}
