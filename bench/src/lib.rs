//! What the measuring programs share.

pub mod client;
pub mod database;
pub mod frame;
pub mod load;
pub mod mark;
pub mod process;
pub mod reader;
pub mod report;
pub mod server;
pub mod token;
pub mod workload;

pub type Failure = Box<dyn std::error::Error>;
