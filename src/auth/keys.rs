use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm, PublicKeyUse},
};

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
    #[error(
        "JWT_JWKS_FILE names {0}, which holds a shared secret of fewer than {SHORTEST_SECRET} bytes, with which tokens can be \
         forged by guessing: make a longer one"
    )]
    ShortKey(PathBuf),
    #[error("JWT_JWKS_FILE names {0}, which holds no key that signatures can be checked with")]
    NoUsableKey(PathBuf),
}

/// The fewest bytes that a shared secret may have: those of the shortest signature (RFC 7518, section 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// A key, and the only algorithms that it is tried with: a public key never serves as a shared secret.
pub(super) struct Key {
    pub id: Option<String>,
    pub algorithms: Vec<Algorithm>,
    pub key: DecodingKey,
}

/// Reads the keys of all sources.
pub(super) fn read(sources: &[KeySource]) -> Result<Vec<Key>, KeyError> {
    let mut keys = Vec::new();
    for source in sources {
        match source {
            KeySource::Secret(secret) => keys.push(secret_key(secret)?),
            KeySource::PublicKey(path) => keys.push(public_key(path)?),
            KeySource::JwksFile(path) => keys.extend(key_set(path)?),
        }
    }
    Ok(keys)
}

/// Tells a file from what it was before; `None` where there is none.
pub(super) type Mark = Option<(SystemTime, u64, u64)>;

/// Looks at the files of the sources without reading them.
pub(super) fn marks(sources: &[KeySource]) -> Vec<Mark> {
    let mark = |path: &Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len(), file.ino()))
    };
    let path = |source: &KeySource| match source {
        KeySource::Secret(_) => None,
        KeySource::PublicKey(path) | KeySource::JwksFile(path) => mark(path),
    };
    sources.iter().map(path).collect()
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
    // Base64 without padding has four characters for three bytes.
    let is_short = |secret: &str| secret.trim_end_matches('=').len() * 3 / 4 < SHORTEST_SECRET;
    if set.keys.iter().any(|jwk| matches!(&jwk.algorithm, AlgorithmParameters::OctetKey(key) if is_short(&key.value))) {
        return Err(KeyError::ShortKey(path.clone()));
    }
    let keys: Vec<Key> = set
        .keys
        .iter()
        .filter(|jwk| jwk.common.public_key_use != Some(PublicKeyUse::Encryption))
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
