use std::path::PathBuf;

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{JwkSet, KeyAlgorithm},
};
use serde::{Deserialize, Deserializer};

use super::Claims;

/// Where the keys come from that tokens are checked with.
#[derive(Clone)]
pub enum KeySource {
    /// A shared secret: HS256, HS384, HS512.
    Secret(String),
    /// A PEM file with a public key: RS and PS, ES256 and ES384, EdDSA, as the key's kind has it.
    PublicKey(PathBuf),
    /// A JSON Web Key Set (RFC 7517) in a file.
    JwksFile(PathBuf),
}

/// A key that cannot be used, told with its setting.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "JWT_SECRET has {0} bytes, and with fewer than {SHORTEST_SECRET} tokens can be forged by guessing: make one with \
         openssl rand -base64 48"
    )]
    ShortSecret(usize),
    #[error("{setting} names {path}, which cannot be read: {source}")]
    Unreadable { setting: &'static str, path: PathBuf, source: std::io::Error },
    #[error("JWT_PUBLIC_KEY names {0}, which holds no PEM public key of kind RSA, EC (P-256, P-384) or Ed25519")]
    NotAPublicKey(PathBuf),
    #[error("JWT_JWKS_FILE names {path}, which is no JSON Web Key Set: {source}")]
    NotAKeySet { path: PathBuf, source: serde_json::Error },
    #[error("JWT_JWKS_FILE names {0}, which holds no key that signatures can be checked with")]
    NoUsableKey(PathBuf),
}

/// Why a token was refused. For logs: what the client hears is the wire contract's one sentence.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is no JSON Web Token, or its signature, algorithm, times or claims are refused: {0}")]
    Refused(#[from] jsonwebtoken::errors::Error),
    #[error("the token is signed with {0:?}, for which there is no key")]
    NoKey(Algorithm),
}

impl TokenError {
    /// It is a good token, but for its time.
    pub fn has_expired(&self) -> bool {
        matches!(self, TokenError::Refused(error) if *error.kind() == ErrorKind::ExpiredSignature)
    }
}

/// The fewest bytes that a shared secret may have: those of the shortest signature (RFC 7518, section 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// Seconds by which the clocks of signer and verifier may differ.
const LEEWAY: u64 = 5;

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Checks tokens. A key is tried only with its own algorithms, so a public key never serves as a shared secret.
pub struct Verifier {
    keys: Vec<Key>,
}

impl Verifier {
    /// Reads the keys. Where several sources are given, a token may be signed by any of them.
    pub fn new(sources: &[KeySource]) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for source in sources {
            match source {
                KeySource::Secret(secret) => keys.push(secret_key(secret)?),
                KeySource::PublicKey(path) => keys.push(public_key(path)?),
                KeySource::JwksFile(path) => keys.extend(key_set(path)?),
            }
        }
        Ok(Verifier { keys })
    }

    /// The claims of a token whose signature holds and which is neither expired nor early.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.verify_whole(token).map(|(claims, _)| claims)
    }

    /// The same, with all the claims that the token has, as JSON: those that policies of the database may ask for.
    pub fn verify_whole(&self, token: &str) -> Result<(Claims, String), TokenError> {
        let header = jsonwebtoken::decode_header(token)?;
        let mut refusal = TokenError::NoKey(header.alg);
        for key in self.keys.iter().filter(|key| key.algorithms.contains(&header.alg)) {
            if let (Some(wanted), Some(id)) = (&header.kid, &key.id)
                && wanted != id
            {
                continue;
            }
            match jsonwebtoken::decode::<Whole>(token, &key.key, &validation(header.alg)) {
                Ok(token) => return Ok((token.claims.known, token.claims.json)),
                Err(error) => refusal = error.into(),
            }
        }
        Err(refusal)
    }
}

struct Whole {
    known: Claims,
    json: String,
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = serde_json::Value::deserialize(deserializer)?;
        let known = Claims::deserialize(&all).map_err(serde::de::Error::custom)?;
        Ok(Whole { known, json: all.to_string() })
    }
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    // Tokens without an end are in use with the server that walcast replaces.
    validation.required_spec_claims.clear();
    validation
}

fn secret_key(secret: &str) -> Result<Key, KeyError> {
    if secret.len() < SHORTEST_SECRET {
        return Err(KeyError::ShortSecret(secret.len()));
    }
    Ok(Key {
        id: None,
        algorithms: AlgorithmFamily::Hmac.algorithms().to_vec(),
        key: DecodingKey::from_secret(secret.as_bytes()),
    })
}

fn public_key(path: &PathBuf) -> Result<Key, KeyError> {
    let pem = std::fs::read(path).map_err(|source| KeyError::Unreadable {
        setting: "JWT_PUBLIC_KEY",
        path: path.clone(),
        source,
    })?;
    let key = DecodingKey::from_rsa_pem(&pem)
        .or_else(|_| DecodingKey::from_ec_pem(&pem))
        .or_else(|_| DecodingKey::from_ed_pem(&pem))
        .map_err(|_| KeyError::NotAPublicKey(path.clone()))?;
    Ok(Key { id: None, algorithms: key.family().algorithms().to_vec(), key })
}

fn key_set(path: &PathBuf) -> Result<Vec<Key>, KeyError> {
    let text = std::fs::read(path).map_err(|source| KeyError::Unreadable {
        setting: "JWT_JWKS_FILE",
        path: path.clone(),
        source,
    })?;
    let set: JwkSet =
        serde_json::from_slice(&text).map_err(|source| KeyError::NotAKeySet { path: path.clone(), source })?;
    let keys: Vec<Key> = set
        .keys
        .iter()
        .filter_map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).ok()?;
            let algorithms = match jwk.common.key_algorithm {
                Some(algorithm) => vec![signature_algorithm(algorithm)?],
                None => key.family().algorithms().to_vec(),
            };
            Some(Key { id: jwk.common.key_id.clone(), algorithms, key })
        })
        .collect();
    if keys.is_empty() { Err(KeyError::NoUsableKey(path.clone())) } else { Ok(keys) }
}

/// A key set may also hold keys for encryption; those check no signature.
fn signature_algorithm(algorithm: KeyAlgorithm) -> Option<Algorithm> {
    algorithm.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "the secret that tokens of these tests are signed with";

    fn claims(exp: Option<u64>) -> Claims {
        Claims { user_id: "u1".into(), email: Some("u1@example.com".into()), role: None, exp }
    }

    fn verifier() -> Verifier {
        Verifier::new(&[KeySource::Secret(SECRET.into())]).expect("a secret is a key")
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
        let verifier = Verifier::new(&[KeySource::PublicKey(path)]).expect("a public key");

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
            let error = Verifier::new(&[source]).err().expect("refused").to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
