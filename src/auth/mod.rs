//! Floor 1: who a socket is. Tokens are JSON Web Tokens (RFC 7519); nothing here knows where they come from.

mod claims;
mod sign;
mod verify;

pub use claims::Claims;
pub use sign::{SignError, sign, sign_json};
pub use verify::{KeyError, KeySource, SHORTEST_SECRET, TokenError, Verifier};
