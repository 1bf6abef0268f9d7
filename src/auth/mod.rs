//! Floor 1: who a socket is. Tokens are JSON Web Tokens (RFC 7519); nothing here knows where they come from.

mod claims;
mod keys;
mod sign;
mod verify;

pub use claims::{ClaimNames, Claims};
pub use keys::{KeyError, KeySource, SHORTEST_SECRET};
pub use sign::{SignError, sign, sign_json};
pub use verify::{Expected, LEEWAY, TokenError, Verifier};
