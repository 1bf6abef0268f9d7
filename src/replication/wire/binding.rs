use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_cert::{
    Certificate,
    der::{Decode, Encode, asn1::ObjectIdentifier, oid::db::rfc5912 as oid},
};

/// RFC 5758; the crate's table lacks it.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

/// The channel binding `tls-server-end-point`: the hash of the server's certificate (DER) by the hash function of the
/// certificate's own signature, SHA-256 for MD5 and SHA-1. `None` where the signature names no hash (Ed25519).
///
/// Source: <https://www.rfc-editor.org/rfc/rfc5929#section-4.1>.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = Certificate::from_der(certificate).ok()?.signature_algorithm().clone();
    let mut name = algorithm.oid;
    if name == oid::ID_RSASSA_PSS {
        // The hash is a parameter, named first: SEQUENCE { [0] { SEQUENCE { hash, … } }, … }; SHA-1 where left out.
        name = pss_hash(&algorithm.parameters?.to_der().ok()?)?;
    }
    match name {
        oid::MD_5_WITH_RSA_ENCRYPTION
        | oid::SHA_1_WITH_RSA_ENCRYPTION
        | ECDSA_WITH_SHA_1
        | oid::ID_SHA_1
        | oid::SHA_256_WITH_RSA_ENCRYPTION
        | oid::ECDSA_WITH_SHA_256
        | oid::ID_SHA_256 => Some(Sha256::digest(certificate).to_vec()),
        oid::SHA_384_WITH_RSA_ENCRYPTION | oid::ECDSA_WITH_SHA_384 | oid::ID_SHA_384 => {
            Some(Sha384::digest(certificate).to_vec())
        }
        oid::SHA_512_WITH_RSA_ENCRYPTION | oid::ECDSA_WITH_SHA_512 | oid::ID_SHA_512 => {
            Some(Sha512::digest(certificate).to_vec())
        }
        _ => None,
    }
}

fn pss_hash(parameters: &[u8]) -> Option<ObjectIdentifier> {
    use x509_cert::{
        der::asn1::{AnyRef, ContextSpecific},
        spki::AlgorithmIdentifierRef,
    };
    let parts = Vec::<AnyRef<'_>>::from_der(parameters).ok()?;
    let first = parts.first().and_then(|part| part.to_der().ok());
    let hash = first.as_deref().and_then(|der| {
        ContextSpecific::<AlgorithmIdentifierRef<'_>>::from_der(der)
            .ok()
            .filter(|tagged| tagged.tag_number.value() == 0)
    });
    Some(hash.map_or(oid::ID_SHA_1, |hash| hash.value.oid))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let parameters = CertificateParams::new(vec!["db".to_owned()]).expect("parameters");
        parameters.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ECDSA_P521_SHA512, Some(64)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            assert_eq!(server_end_point(&certificate(algorithm)).map(|hash| hash.len()), length, "{algorithm:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_binds_nothing() {
        assert_eq!(server_end_point(b"0\x82"), None);
    }

    #[test]
    fn a_pss_signature_names_its_hash_in_its_parameters() {
        // RSASSA-PSS-params with [0] { SEQUENCE { OID sha384 } }, and empty: SHA-1.
        let sha384 =
            [0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
        assert_eq!(pss_hash(&sha384), Some(oid::ID_SHA_384));
        assert_eq!(pss_hash(&[0x30, 0x00]), Some(oid::ID_SHA_1));
    }
}
