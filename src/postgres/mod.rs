//! Floor 1: how walcast reaches Postgres: where it is, how the way there is secured, and what its refusals mean.

mod connect_error;
mod conninfo;
mod dsn;
pub mod quote;
mod remedy;
mod tls;
mod verifier;

pub use connect_error::ConnectError;
pub use dsn::{Dsn, DsnError, RootCertificates, SslMode};
pub use remedy::{advised, remedy};
pub use tls::{TlsError, client_config, distrusted, tls};
