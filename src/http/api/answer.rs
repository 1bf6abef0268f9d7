use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    admission::Failed,
    hub::Position,
    store::{BroadcastError, Page, ReadError},
};

/// Up to where the stream is contained in an answer. In a header, since it moves on while the body stays what it is.
pub const OFFSET: HeaderName = HeaderName::from_static("walcast-offset");

/// What a read is answered with.
pub struct Answer {
    /// `None`: what the client holds still stands.
    body: Option<String>,
    tag: String,
    offset: String,
}

impl Answer {
    pub fn unchanged(tag: String, contained: &Position) -> Self {
        Answer { body: None, tag, offset: contained.offset.to_wire(&contained.epoch) }
    }

    pub fn page(page: Page, is_single: bool, tag: String, contained: &Position) -> Self {
        let body = if is_single {
            let version = page.version.map(|version| format!(",\"version\":{version}")).unwrap_or_default();
            format!("{{\"ok\":true,\"row\":{}{version}}}", page.rows.concat())
        } else {
            let next = json!(page.next);
            format!("{{\"ok\":true,\"rows\":[{}],\"next\":{next}}}", page.rows.join(","))
        };
        Answer { body: Some(body), ..Answer::unchanged(tag, contained) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, body) = match self.body {
            Some(body) => (StatusCode::OK, body),
            None => (StatusCode::NOT_MODIFIED, String::new()),
        };
        let mut response = respond(status, body);
        let headers = response.headers_mut();
        for (name, value) in [(header::ETAG, self.tag), (OFFSET, self.offset)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A request that failed: its code in the words of the wire contract, and the status that says the same.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        ApiError { status, code, message: message.to_owned() }
    }

    pub fn invalid(message: &str) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_payload", message)
    }

    pub fn unauthorized(message: &str) -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub fn token_expired() -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "token_expired", "the token has expired: get another")
    }

    pub fn unavailable(message: &str) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// What it is made of is for who runs the server.
    pub fn internal(what: &str, message: &str) -> Self {
        tracing::error!("a {what} failed: {message}");
        let told = format!("the {what} failed: see the server's log");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", &told)
    }

    pub fn path() -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing under this path")
    }

    pub fn method() -> Self {
        ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "see the header Allow for what is answered here",
        )
    }

    pub fn forbidden(message: &str) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub fn slow() -> Self {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "invalid_payload", "the body did not arrive in time: send it again")
    }

    pub fn too_large(message: &str) -> Self {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        match error {
            ReadError::Invalid(_) => ApiError::invalid(&message),
            ReadError::NotFound(_) => ApiError::new(StatusCode::NOT_FOUND, "not_found", &message),
            ReadError::Forbidden(_) => ApiError::new(StatusCode::FORBIDDEN, "forbidden", &message),
            ReadError::Unavailable(_) => ApiError::unavailable(&message),
            ReadError::Internal(_) => ApiError::internal("read", &message),
        }
    }
}

impl From<BroadcastError> for ApiError {
    fn from(error: BroadcastError) -> Self {
        let message = error.to_string();
        match error {
            BroadcastError::Invalid(_) => ApiError::invalid(&message),
            BroadcastError::TooLarge(_) => ApiError::too_large(&message),
            BroadcastError::Unavailable | BroadcastError::Unknown => ApiError::unavailable(&message),
            BroadcastError::Forbidden | BroadcastError::Internal(_) => ApiError::internal("broadcast", &message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "ok": false, "error": { "code": self.code, "message": self.message } });
        let mut response = respond(self.status, body.to_string());
        let more = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = more {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        // A token that has expired was a good one.
        if self.code == "unauthorized" {
            response.extensions_mut().insert(Failed);
        }
        response
    }
}

pub fn respond(status: StatusCode, body: String) -> Response {
    let fixed = [
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::VARY, HeaderValue::from_static("Authorization, Accept-Encoding, Origin")),
    ];
    let content = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match status {
        StatusCode::NOT_MODIFIED => (status, fixed, Body::empty()).into_response(),
        _ => (status, fixed, content, body).into_response(),
    }
}
