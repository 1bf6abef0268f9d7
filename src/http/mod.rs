//! Floor 3: what the server says over plain HTTP, beside Socket.IO.

mod health;
mod listener;
mod router;

pub use health::{Health, State};
pub use listener::{Listener, bind};
pub use router::{Router, router};
