//! What reads bytes that others made, by itself: walcast's lowest floors, and its WebSockets. None of it needs tokio or
//! sockets, so the fuzz targets build in seconds.

#[path = "../../src/gateway/websocket/tests/bodies.rs"]
pub mod bodies;
#[path = "../../src/change/mod.rs"]
pub mod change;
#[path = "../../src/decode/mod.rs"]
pub mod decode;
pub mod stream;
#[path = "../../src/gateway/websocket/mod.rs"]
pub mod websocket;
