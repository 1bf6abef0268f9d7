use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use serde_json::Value;

use super::{
    ClaimNames, Claims, KeyError, KeySource,
    keys::{self, Key, Mark},
};

/// Why a token was refused. For logs: what the client hears is the wire contract's one sentence.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is no JSON Web Token, or its signature, algorithm, times or claims are refused: {0}")]
    Refused(#[from] jsonwebtoken::errors::Error),
    #[error("the token is signed with {0:?}, for which there is no key")]
    NoKey(Algorithm),
    #[error("the token does not say whose it is: {0}")]
    Claims(String),
    #[error("the token is good, and not an admin's")]
    NotAdmin,
}

impl TokenError {
    /// It is a good token, but for its time.
    pub fn has_expired(&self) -> bool {
        matches!(self, TokenError::Refused(error) if *error.kind() == ErrorKind::ExpiredSignature)
    }
}

/// By how much clocks may differ unless it is said otherwise.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// What a token must say besides being signed and in time, and how it says who its bearer is.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Of these audiences a token must name one; none: whatever it names is ignored.
    pub audience: Vec<String>,
    /// By one of these it must be issued; none: by anybody who has the key.
    pub issuer: Vec<String>,
    /// By how much the clocks of signer and verifier may differ; whole seconds count.
    pub leeway: Duration,
    pub names: ClaimNames,
}

impl Default for Expected {
    fn default() -> Self {
        Expected { audience: Vec::new(), issuer: Vec::new(), leeway: LEEWAY, names: ClaimNames::default() }
    }
}

/// Checks tokens, with keys that may be replaced while it does.
pub struct Verifier {
    sources: Vec<KeySource>,
    expected: Expected,
    keys: RwLock<Arc<[Key]>>,
    /// The files as they were when they were read last, or could not be.
    seen: Mutex<Vec<Mark>>,
}

impl Verifier {
    /// Reads the keys. Where several sources are given, a token may be signed by any of them.
    pub fn new(sources: Vec<KeySource>, expected: Expected) -> Result<Self, KeyError> {
        // Looked at before they are read: a change in between is then seen as one.
        let seen = Mutex::new(keys::marks(&sources));
        let keys = RwLock::new(keys::read(&sources)?.into());
        Ok(Verifier { sources, expected, keys, seen })
    }

    /// Reads the keys anew, for the tokens to come. After an error all is as it was.
    pub fn reload(&self) -> Result<(), KeyError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = keys::marks(&self.sources);
        let keys = keys::read(&self.sources)?.into();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Whether a file of keys is another than when it was looked at last, by [`reload`](Self::reload).
    pub fn has_news(&self) -> bool {
        keys::marks(&self.sources) != *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The claims of a token whose signature holds and which is neither expired nor early, nor of others than expected.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.verify_whole(token).map(|(claims, _)| claims)
    }

    /// The same, with all the claims that the token has, as JSON: those that policies of the database may ask for.
    pub fn verify_whole(&self, token: &str) -> Result<(Claims, String), TokenError> {
        self.read(token).map(|(claims, all)| (claims, all.to_string()))
    }

    /// The same for a token that must be an admin's.
    pub fn verify_admin(&self, token: &str) -> Result<Claims, TokenError> {
        let (claims, all) = self.read(token)?;
        self.expected.names.is_admin(&all).then_some(claims).ok_or(TokenError::NotAdmin)
    }

    fn read(&self, token: &str) -> Result<(Claims, Value), TokenError> {
        let header = jsonwebtoken::decode_header(token)?;
        let mut refusal = TokenError::NoKey(header.alg);
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        for key in keys.iter().filter(|key| key.algorithms.contains(&header.alg)) {
            if let (Some(wanted), Some(id)) = (&header.kid, &key.id)
                && wanted != id
            {
                continue;
            }
            match jsonwebtoken::decode::<Value>(token, &key.key, &self.validation(header.alg)) {
                Ok(token) => {
                    let claims = self.expected.names.read(&token.claims).map_err(TokenError::Claims)?;
                    return Ok((claims, token.claims));
                }
                Err(error) => refusal = error.into(),
            }
        }
        Err(refusal)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let Expected { audience, issuer, leeway, .. } = &self.expected;
        let mut validation = Validation::new(algorithm);
        validation.leeway = leeway.as_secs();
        validation.validate_nbf = true;
        // Tokens without an end are in use with the server that walcast replaces.
        validation.required_spec_claims.clear();
        // The library checks what is there; that it is there has to be asked for.
        validation.validate_aud = !audience.is_empty();
        if !audience.is_empty() {
            validation.set_audience(audience);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if !issuer.is_empty() {
            validation.set_issuer(issuer);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod attacks;

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "the secret that tokens of these tests are signed with";

    fn claims(exp: Option<u64>) -> Claims {
        Claims { user_id: "u1".into(), email: Some("u1@example.com".into()), role: None, exp }
    }

    fn verifier() -> Verifier {
        Verifier::new(vec![KeySource::Secret(SECRET.into())], Expected::default()).expect("a secret is a key")
    }

    #[test]
    fn takes_what_it_signed() {
        let token = super::super::sign(&claims(None), SECRET).expect("signs");
        assert_eq!(verifier().verify(&token).expect("verifies"), claims(None));
    }

    #[test]
    fn all_claims_are_handed_on() {
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let claims = serde_json::json!({ "sub": 7, "org": { "id": "o1" }, "exp": 4_102_444_800_u64 });
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("signs");
        let (known, json) = verifier().verify_whole(&token).expect("verifies");
        assert_eq!(known.user_id, "7");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON"), claims);
    }

    #[test]
    fn refuses_another_secret_an_expired_token_and_no_token_at_all() {
        let other = super::super::sign(&claims(None), "another secret").expect("signs");
        let expired = super::super::sign(&claims(Some(1_000_000)), SECRET).expect("signs");
        for token in [other.as_str(), expired.as_str(), "", "a.b.c", "{}"] {
            let error = verifier().verify(token).err().unwrap_or_else(|| panic!("{token:?} was taken"));
            assert_eq!(error.has_expired(), token == expired, "{error}");
        }
    }

    #[test]
    fn refuses_an_unsigned_token() {
        // {"alg":"none","typ":"JWT"} . {"userId":"u1"} .
        let token = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ1c2VySWQiOiJ1MSJ9.";
        assert!(verifier().verify(token).is_err());
    }

    #[test]
    fn a_public_key_never_serves_as_a_shared_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key pair");
        std::fs::write(&path, pair.public_key_pem()).expect("writes");
        let verifier = Verifier::new(vec![KeySource::PublicKey(path)], Expected::default()).expect("a public key");

        let forged = super::super::sign(&claims(None), &pair.public_key_pem()).expect("signs");
        assert!(matches!(verifier.verify(&forged), Err(TokenError::NoKey(Algorithm::HS256))));

        let key = jsonwebtoken::EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a private key");
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::ES256), &claims(None), &key);
        assert_eq!(verifier.verify(&token.expect("signs")).expect("verifies"), claims(None));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_told_with_its_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        let junk = folder.path().join("junk");
        std::fs::write(&junk, "junk").expect("writes");
        let empty = folder.path().join("empty.json");
        std::fs::write(&empty, r#"{"keys":[]}"#).expect("writes");
        for (source, word) in [
            (KeySource::Secret(String::new()), "JWT_SECRET has 0 bytes"),
            (KeySource::Secret("x".repeat(31)), "openssl rand"),
            (KeySource::PublicKey(folder.path().join("absent")), "JWT_PUBLIC_KEY"),
            (KeySource::PublicKey(junk.clone()), "JWT_PUBLIC_KEY"),
            (KeySource::JwksFile(junk), "JWT_JWKS_FILE"),
            (KeySource::JwksFile(empty), "JWT_JWKS_FILE"),
        ] {
            let error = Verifier::new(vec![source], Expected::default()).err().expect("refused").to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
