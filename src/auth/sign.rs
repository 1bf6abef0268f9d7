use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::Claims;

/// A token that could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed: {0}")]
pub struct SignError(#[from] jsonwebtoken::errors::Error);

/// Signs a token with HS256: for trying things out (`walcast token`, `walcast dev`) and for tests. In production tokens
/// come from the application.
pub fn sign(claims: &Claims, secret: &str) -> Result<String, SignError> {
    sign_json(claims, secret)
}

/// The same for claims of any kind.
pub fn sign_json(claims: &impl Serialize, secret: &str) -> Result<String, SignError> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)?)
}
