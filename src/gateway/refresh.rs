use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    inbound::kind,
    reply::{Code, Failure},
};
use crate::{
    auth::{Claims, Verifier},
    store::Identity,
};

/// Who a socket's token says it is. Kept as long as the socket is.
#[derive(Clone)]
pub struct Bearer {
    pub identity: Arc<Identity>,
    /// When the token expires, in seconds since 1970; `None`: never.
    pub exp: Option<u64>,
}

impl Bearer {
    /// Of the claims that walcast knows, and all of them as JSON.
    pub fn new(claims: Claims, all: Arc<str>) -> Self {
        Bearer { exp: claims.exp, identity: Arc::new(Identity { user_id: claims.user_id, claims: all }) }
    }
}

/// The bearer of the token that `auth:refresh` shows, which must be the same user, and the email that others are told.
pub fn read(
    verifier: &Verifier,
    user_id: &str,
    payload: &Map<String, Value>,
) -> Result<(Bearer, Option<Arc<str>>), Failure> {
    let token = match payload.get("token") {
        Some(Value::String(token)) => token,
        other => {
            let found = other.map_or("missing", kind);
            return Err(Failure::new(Code::InvalidPayload, format!("`token` must be a text, but is {found}")));
        }
    };
    let (mut claims, all) = verifier.verify_whole(token).map_err(|error| {
        tracing::debug!(%error, "a token was refused");
        match error.has_expired() {
            true => Failure::new(Code::TokenExpired, "the new token has expired as well: get another"),
            false => Failure::new(Code::InvalidPayload, "the new token is invalid"),
        }
    })?;
    if claims.user_id != user_id {
        return Err(Failure::new(Code::Forbidden, "the token is another user's: connect again with it"));
    }
    let email = claims.email.take().map(Into::into);
    Ok((Bearer::new(claims, all.into()), email))
}

/// When the token expires, as times are told: ISO 8601 in UTC. Null: never, or not before the year 10,000.
pub fn expires_at(exp: Option<u64>) -> Value {
    let at = exp.and_then(|exp| jiff::Timestamp::from_second(i64::try_from(exp).ok()?).ok());
    at.map_or(Value::Null, |at| format!("{at:.3}").into())
}
