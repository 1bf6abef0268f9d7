//! Floor 3: what the server says over HTTP, beside Socket.IO, and TLS for both.

mod admit;
mod api;
mod demo;
mod health;
mod listener;
mod page;
mod router;
mod serve;
mod tls;
mod traced;

pub use api::Api;
pub use demo::Demo;
pub use health::{Health, State};
pub use listener::{Listener, Patience, bind};
pub use router::{Router, router};
pub use serve::serve;
pub use tls::{Tls, TlsError};
