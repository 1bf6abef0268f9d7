use serde_json::{Map, Value};

use super::{
    inbound::kind,
    reply::{Code, Failure},
};
use crate::auth::{Claims, Verifier};

/// The claims of the token that `auth:refresh` shows: one of the same user.
pub fn read(verifier: &Verifier, user_id: &str, payload: &Map<String, Value>) -> Result<Claims, Failure> {
    let token = match payload.get("token") {
        Some(Value::String(token)) => token,
        other => {
            let found = other.map_or("missing", kind);
            return Err(Failure::new(Code::InvalidPayload, format!("`token` must be a text, but is {found}")));
        }
    };
    let claims = verifier.verify(token).map_err(|error| {
        tracing::debug!(%error, "a token was refused");
        match error.has_expired() {
            true => Failure::new(Code::TokenExpired, "the new token has expired as well: get another"),
            false => Failure::new(Code::InvalidPayload, "the new token is invalid"),
        }
    })?;
    if claims.user_id != user_id {
        return Err(Failure::new(Code::Forbidden, "the token is another user's: connect again with it"));
    }
    Ok(claims)
}

/// When the token expires, as times are told: ISO 8601 in UTC. Null: never, or not before the year 10,000.
pub fn expires_at(claims: &Claims) -> Value {
    let at = claims.exp.and_then(|exp| jiff::Timestamp::from_second(i64::try_from(exp).ok()?).ok());
    at.map_or(Value::Null, |at| format!("{at:.3}").into())
}
