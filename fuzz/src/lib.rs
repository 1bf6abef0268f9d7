//! walcast's lowest floors by themselves. They need neither tokio nor sockets, so the fuzz targets build in seconds.

#[path = "../../src/change/mod.rs"]
pub mod change;
#[path = "../../src/decode/mod.rs"]
pub mod decode;
pub mod stream;
