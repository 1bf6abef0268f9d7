//! Tokens that somebody else made, and keys that change.

use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::*;
use crate::auth::sign_json;

const SECRET: &str = "the secret that tokens of these tests are signed with";

fn ec() -> (KeyPair, EncodingKey) {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key pair");
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a private key");
    (pair, key)
}

fn signed(algorithm: Algorithm, key: &EncodingKey, id: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: id.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).expect("signs")
}

/// A public key as a set has it.
fn jwk(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).expect("a public key")).expect("JSON");
    jwk["kid"] = json!(id);
    jwk
}

fn user() -> Value {
    json!({ "sub": "u1" })
}

fn set(folder: &tempfile::TempDir, keys: &[Value]) -> std::path::PathBuf {
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, json!({ "keys": keys }).to_string()).expect("writes");
    path
}

#[test]
fn a_public_key_is_no_secret_and_no_key_serves_another_algorithm() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pair, key) = ec();
    let pem = folder.path().join("key.pem");
    std::fs::write(&pem, pair.public_key_pem()).expect("writes");
    let mut public = jwk(&key, Algorithm::ES256, "a");
    // Whoever wrote this set let an elliptic key claim to be a secret.
    let mut confused = public.clone();
    confused["alg"] = json!("HS256");
    public.as_object_mut().expect("an object").remove("alg");
    let ed = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key pair");
    let ed = EncodingKey::from_ed_pem(ed.serialize_pem().as_bytes()).expect("a private key");

    for source in [KeySource::PublicKey(pem), KeySource::JwksFile(set(&folder, &[public]))] {
        let verifier = Verifier::new(vec![source], Expected::default()).expect("a key");
        let good = signed(Algorithm::ES256, &key, Some("a"), &user());
        assert_eq!(verifier.verify(&good).expect("verifies").user_id, "u1");
        let (_, body_and_signature) = good.split_once('.').expect("a token");
        let mut refused = vec![
            // {"alg":"none"}, and the same with a signature left.
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSJ9.".to_owned(),
            format!("eyJhbGciOiJub25lIn0.{body_and_signature}"),
            signed(Algorithm::ES256, &ec().1, Some("a"), &user()),
            signed(Algorithm::EdDSA, &ed, Some("a"), &user()),
        ];
        for bytes in [pair.public_key_pem(), pair.public_key_pem().trim().to_owned()] {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                refused.push(signed(algorithm, &EncodingKey::from_secret(bytes.as_bytes()), None, &user()));
            }
        }
        refused.push(signed(Algorithm::HS256, &EncodingKey::from_secret(pair.public_key_raw()), None, &user()));
        for token in refused {
            assert!(verifier.verify(&token).is_err(), "{token} was taken");
        }
    }
    let confused = KeySource::JwksFile(set(&folder, &[confused]));
    if let Ok(verifier) = Verifier::new(vec![confused], Expected::default()) {
        let forged = signed(Algorithm::HS256, &EncodingKey::from_secret(pair.public_key_raw()), None, &user());
        assert!(verifier.verify(&forged).is_err());
    }
}

#[test]
fn a_token_that_names_its_key_is_checked_with_that_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((_, a), (_, b)) = (ec(), ec());
    let path = set(&folder, &[jwk(&a, Algorithm::ES256, "a"), jwk(&b, Algorithm::ES256, "b")]);
    let verifier = Verifier::new(vec![KeySource::JwksFile(path)], Expected::default()).expect("keys");
    for (key, id, is_taken) in [
        (&a, Some("a"), true),
        (&b, Some("b"), true),
        (&b, None, true),
        (&a, Some("b"), false),
        (&a, Some("c"), false),
        (&a, Some(""), false),
    ] {
        let token = signed(Algorithm::ES256, key, id, &user());
        assert_eq!(verifier.verify(&token).is_ok(), is_taken, "{id:?}");
    }
}

#[test]
fn audience_and_issuer_are_asked_for_where_they_are_set() {
    let of = |audience: &[&str], issuer: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected = Expected { audience: names(audience), issuer: names(issuer), ..Expected::default() };
        Verifier::new(vec![KeySource::Secret(SECRET.into())], expected).expect("a secret is a key")
    };
    let takes = |verifier: &Verifier, more: Value| {
        let mut claims = user();
        claims.as_object_mut().expect("claims").extend(more.as_object().expect("claims").clone());
        verifier.verify(&sign_json(&claims, SECRET).expect("signs")).is_ok()
    };
    let any = of(&[], &[]);
    assert!(
        takes(&any, json!({})) && takes(&any, json!({ "aud": "x", "iss": "y" })) && takes(&any, json!({ "aud": 7 }))
    );
    let one = of(&["app", "other"], &[]);
    for (aud, is_taken) in [
        (json!("app"), true),
        (json!(["x", "other"]), true),
        (json!("x"), false),
        (json!(["x"]), false),
        (json!([]), false),
        (json!(null), false),
        (json!(7), false),
        (json!("APP"), false),
        (json!("app,other"), false),
    ] {
        assert_eq!(takes(&one, json!({ "aud": aud })), is_taken, "{aud}");
    }
    assert!(!takes(&one, json!({ "iss": "app" })), "no audience");
    let issued = of(&[], &["https://id.example.com"]);
    assert!(takes(&issued, json!({ "iss": "https://id.example.com", "aud": "x" })));
    for iss in [json!("https://id.example.com/"), json!(null), json!(7), json!([])] {
        assert!(!takes(&issued, json!({ "iss": iss })), "{iss}");
    }
    assert!(!takes(&issued, json!({})), "no issuer");
}

#[test]
fn clocks_may_differ_by_the_leeway_and_no_more() {
    let now = jsonwebtoken::get_current_timestamp();
    let expected = Expected { leeway: Duration::from_secs(300), ..Expected::default() };
    let verifier = Verifier::new(vec![KeySource::Secret(SECRET.into())], expected).expect("a secret is a key");
    let takes = |claims: Value| verifier.verify(&sign_json(&claims, SECRET).expect("signs")).is_ok();
    assert!(takes(json!({ "sub": "u1", "exp": now - 200 })) && takes(json!({ "sub": "u1", "nbf": now + 200 })));
    assert!(!takes(json!({ "sub": "u1", "exp": now - 400 })) && !takes(json!({ "sub": "u1", "nbf": now + 400 })));
    assert!(!takes(json!({ "sub": "u1", "exp": "never" })), "what is no time is no time without an end");
}

#[test]
fn keys_are_read_anew_and_stay_where_the_new_ones_cannot_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((_, a), (_, b)) = (ec(), ec());
    let path = set(&folder, &[jwk(&a, Algorithm::ES256, "a")]);
    let verifier = Verifier::new(vec![KeySource::JwksFile(path.clone())], Expected::default()).expect("keys");
    let tokens = [("a", &a), ("b", &b)].map(|(id, key)| signed(Algorithm::ES256, key, Some(id), &user()));
    let taken = || tokens.each_ref().map(|token| verifier.verify(token).is_ok());
    assert_eq!((verifier.has_news(), taken()), (false, [true, false]));

    set(&folder, &[jwk(&a, Algorithm::ES256, "a"), jwk(&b, Algorithm::ES256, "b")]);
    assert!(verifier.has_news());
    verifier.reload().expect("reads");
    assert_eq!((verifier.has_news(), taken()), (false, [true, true]), "both, while they rotate");

    for broken in ["", "{", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2hvcnQ","kid":"a"}]}"#] {
        std::fs::write(&path, broken).expect("writes");
        assert!(verifier.reload().is_err(), "{broken} was taken");
        assert_eq!((verifier.has_news(), taken()), (false, [true, true]), "it is told once, and all is as it was");
    }
    std::fs::remove_file(&path).expect("removes");
    assert!(verifier.has_news() && verifier.reload().is_err());
    assert_eq!(taken(), [true, true]);

    set(&folder, &[jwk(&b, Algorithm::ES256, "b")]);
    verifier.reload().expect("reads");
    assert_eq!(taken(), [false, true]);
}
