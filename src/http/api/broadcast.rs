//! Events from services that have a token and no connection to the database.

use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Api, answer::ApiError, answer::respond, authenticate};

/// In bytes: a payload of the size that the database takes, however it is spaced and escaped.
const LARGEST_BODY: usize = 1 << 20;

#[derive(Deserialize)]
struct Asked<'a> {
    room: String,
    event: String,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// `POST {room, event, payload}`, for who shows a token with the claim `broadcast: true`.
pub async fn broadcast(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let claims = authenticate(&api, request.headers())?;
    if !may_broadcast(&claims) {
        return Err(ApiError::forbidden(
            "the token does not let its bearer broadcast: it needs the claim broadcast: true",
        ));
    }
    let body = tokio::time::timeout(api.body, to_bytes(request.into_body(), LARGEST_BODY))
        .await
        .map_err(|_| ApiError::slow())?
        .map_err(|_| ApiError::too_large(&format!("the body breaks off, or has more than {LARGEST_BODY} bytes")))?;
    let Asked { room, event, payload } = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(&format!("the body must be {{room, event, payload}}: {error}")))?;
    if room.contains('\0') || event.contains('\0') {
        return Err(ApiError::invalid("room or event holds a NUL"));
    }
    api.broadcasts.broadcast(&room, &event, payload.map_or("{}", RawValue::get)).await?;
    Ok(respond(StatusCode::ACCEPTED, r#"{"ok":true}"#.to_owned()))
}

/// Only the word itself: no text, and nothing that counts as true elsewhere.
fn may_broadcast(claims: &str) -> bool {
    let claims: Value = serde_json::from_str(claims).unwrap_or_default();
    claims.get("broadcast") == Some(&Value::Bool(true))
}
