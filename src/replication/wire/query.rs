use postgres_protocol::message::{backend::Message, frontend};

use super::{Frame, Wire, frame};
use crate::replication::{ReplicationError, ServerError};

/// One row of text values; `None` is NULL.
pub(in crate::replication) struct Row(Vec<Option<String>>);

impl Row {
    /// The value of a column by its index.
    pub(in crate::replication) fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// A value that must be there and of a kind.
    pub(in crate::replication) fn parse<T: std::str::FromStr>(
        &self,
        column: usize,
        what: &str,
    ) -> Result<T, ReplicationError> {
        let text = self.get(column).unwrap_or("NULL");
        text.parse().map_err(|_| ReplicationError::Protocol(format!("{what} is `{text}`")))
    }

    /// A boolean; NULL is false.
    pub(in crate::replication) fn is_true(&self, column: usize) -> bool {
        self.get(column) == Some("t")
    }
}

impl Wire {
    /// Runs one SQL or replication command by the simple query protocol and returns its rows.
    pub(in crate::replication) async fn query(&mut self, command: &str) -> Result<Vec<Row>, ReplicationError> {
        self.writer.put(|buffer| frontend::query(command, buffer))?;
        self.writer.send().await?;
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.reader.frame().await {
                Ok(Frame::Message(Message::DataRow(body))) => rows.push(row(&body)?),
                Ok(Frame::Message(Message::ErrorResponse(body))) => {
                    refused = Some(error(frame::server_error(body.fields())?)?);
                }
                Ok(Frame::Message(Message::ReadyForQuery(_))) => {
                    return refused.map_or(Ok(rows), |refused| Err(ReplicationError::Server(refused)));
                }
                Ok(Frame::Message(
                    Message::RowDescription(_) | Message::CommandComplete(_) | Message::EmptyQueryResponse,
                )) => {}
                Ok(_) => return Err(ReplicationError::Protocol(format!("an unexpected answer to {command}"))),
                Err(lost) => return Err(refused.map_or(lost, ReplicationError::Server)),
            }
        }
    }

    /// Exactly one row.
    pub(in crate::replication) async fn query_one(&mut self, command: &str) -> Result<Row, ReplicationError> {
        let mut rows = self.query(command).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(ReplicationError::Protocol(format!("not one row for {command}"))),
        }
    }

    /// Starts a copy both ways. Afterwards both halves carry CopyData.
    pub(in crate::replication) async fn copy_both(&mut self, command: &str) -> Result<(), ReplicationError> {
        self.writer.put(|buffer| frontend::query(command, buffer))?;
        self.writer.send().await?;
        match self.reader.frame().await? {
            Frame::CopyBoth => Ok(()),
            Frame::Message(Message::ErrorResponse(body)) => {
                Err(ReplicationError::Server(frame::server_error(body.fields())?))
            }
            Frame::Copy(_) | Frame::Message(_) => {
                Err(ReplicationError::Protocol(format!("an unexpected answer to {command}")))
            }
        }
    }
}

/// A FATAL error ends the connection: nothing follows it.
fn error(error: ServerError) -> Result<ServerError, ReplicationError> {
    if matches!(error.severity.as_str(), "FATAL" | "PANIC") { Err(ReplicationError::Server(error)) } else { Ok(error) }
}

fn row(body: &postgres_protocol::message::backend::DataRowBody) -> Result<Row, ReplicationError> {
    use fallible_iterator::FallibleIterator as _;
    let malformed = |reason: &dyn std::fmt::Display| ReplicationError::Protocol(format!("a row: {reason}"));
    let mut values = Vec::new();
    let mut ranges = body.ranges();
    while let Some(range) = ranges.next().map_err(|error| malformed(&error))? {
        let value = range
            .map(|range| {
                let bytes = body.buffer().get(range).ok_or_else(|| malformed(&"a value past its end"))?;
                std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| malformed(&error))
            })
            .transpose()?;
        values.push(value);
    }
    Ok(Row(values))
}
