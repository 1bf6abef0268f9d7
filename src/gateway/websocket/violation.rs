/// Why a connection cannot go on: what its client sent is no WebSocket, or too much. It is to be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    #[error("the client broke the WebSocket protocol: {0}")]
    Protocol(&'static str),
    #[error("the client sent a text that is not UTF-8")]
    NotText,
    #[error("the client sent a message of more than {limit} bytes: send smaller ones")]
    TooBig { limit: usize },
}

impl Violation {
    /// What RFC 6455 (section 7.4.1) has for it in a close frame.
    pub fn close_code(&self) -> u16 {
        match self {
            Violation::Protocol(_) => 1002,
            Violation::NotText => 1007,
            Violation::TooBig { .. } => 1009,
        }
    }
}
