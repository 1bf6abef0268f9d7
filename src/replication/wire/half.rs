use bytes::{BufMut, BytesMut};
use postgres_protocol::message::backend::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tracing::debug;

use super::{
    Wire,
    frame::{self, Frame},
};
use crate::replication::ReplicationError;

/// Read at least this much at a time: a walsender fills its socket faster than small reads empty it.
const READ: usize = 64 * 1024;

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Wire {
    pub(super) fn new(socket: Box<dyn Socket>) -> Wire {
        let (reader, writer) = tokio::io::split(socket);
        Wire {
            reader: Reader { socket: reader, buffer: BytesMut::new() },
            writer: Writer { socket: writer, buffer: BytesMut::new(), unsent: false },
        }
    }
}

/// The server's half of the conversation.
pub(in crate::replication) struct Reader {
    socket: ReadHalf<Box<dyn Socket>>,
    buffer: BytesMut,
}

impl Reader {
    /// The next frame that has already arrived. Notices are logged and parameter reports passed over.
    pub(in crate::replication) fn buffered(&mut self) -> Result<Option<Frame>, ReplicationError> {
        loop {
            match frame::take(&mut self.buffer)? {
                Some(Frame::Message(Message::NoticeResponse(body))) => {
                    let notice = frame::server_error(body.fields())?;
                    debug!(severity = notice.severity, "Postgres: {notice}");
                }
                Some(Frame::Message(Message::ParameterStatus(_) | Message::NotificationResponse(_))) => {}
                other => return Ok(other),
            }
        }
    }

    /// Waits until more has arrived, and says whether it was so much that some may have been left. Nothing is lost when the
    /// future is dropped.
    pub(in crate::replication) async fn fill(&mut self) -> Result<bool, ReplicationError> {
        self.buffer.reserve(READ);
        match self.socket.read_buf(&mut self.buffer).await {
            Ok(0) => Err(ReplicationError::Closed),
            Ok(bytes) => Ok(bytes >= READ),
            // Without a close_notify before it, as when a server crashes.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(ReplicationError::Closed),
            Err(error) => Err(ReplicationError::Broken(error)),
        }
    }

    pub(in crate::replication) async fn frame(&mut self) -> Result<Frame, ReplicationError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }
}

/// Our half of the conversation.
pub(in crate::replication) struct Writer {
    socket: WriteHalf<Box<dyn Socket>>,
    buffer: BytesMut,
    unsent: bool,
}

impl Writer {
    /// Puts a message in line; [`send`](Self::send) sends it.
    pub(in crate::replication) fn put(
        &mut self,
        message: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), ReplicationError> {
        self.unsent = true;
        message(&mut self.buffer).map_err(|error| ReplicationError::Protocol(format!("our own message: {error}")))
    }

    /// Puts a CopyData message in line.
    pub(in crate::replication) fn put_copy(&mut self, body: &[u8]) -> Result<(), ReplicationError> {
        self.put(|buffer| {
            let length = u32::try_from(body.len() + 4).map_err(std::io::Error::other)?;
            buffer.put_u8(b'd');
            buffer.put_u32(length);
            buffer.put_slice(body);
            Ok(())
        })
    }

    pub(in crate::replication) fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// Sends all that is in line. When the future is dropped, the next call goes on where it stopped.
    pub(in crate::replication) async fn send(&mut self) -> Result<(), ReplicationError> {
        self.socket.write_all_buf(&mut self.buffer).await.map_err(ReplicationError::Broken)?;
        self.socket.flush().await.map_err(ReplicationError::Broken)?;
        self.unsent = false;
        Ok(())
    }
}
