//! What somebody would try who means harm, and what comes of it: SECURITY.md says what is promised. Bombs of compression are
//! in compression.rs, keys that are rotated in token_keys.rs, what floods in limits.rs.

mod addresses;
mod bad_handshakes;
mod guesses;
mod logs;
mod origins;
mod slow;
mod strings;
mod tokens;
