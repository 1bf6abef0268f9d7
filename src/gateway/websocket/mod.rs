//! The bytes of a WebSocket: frames (RFC 6455), and messages compressed by permessage-deflate (RFC 7692). No IO.
//!
//! What goes out is made by [`frame`] and [`deflate`](deflate()), once for all sockets. What comes in is read by [`Inbound`].
//! Nothing here imports from outside this folder, so the fuzz targets take it by itself.

mod deflate;
mod extension;
pub mod frame;
mod inbound;
mod violation;

#[cfg(test)]
mod tests;

pub use deflate::{deflate, inflate};
pub use extension::{ACCEPTED, offers_deflate};
pub use inbound::{Inbound, Message};
pub use violation::Violation;
