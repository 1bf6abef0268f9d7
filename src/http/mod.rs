//! Floor 3: what the server says over HTTP, beside Socket.IO, and TLS for both.

mod api;
mod health;
mod listener;
mod page;
mod router;
mod tls;
mod traced;

pub use api::Api;
pub use health::{Health, State};
pub use listener::{Listener, bind};
pub use router::{Router, router};
pub use tls::{Tls, TlsError};
