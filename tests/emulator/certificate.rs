//! Certificates and assertions made by hand.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

/// A certificate with its key.
pub(crate) struct Signer {
    pub(crate) pem: String,
    key: RsaKeyPair,
    der: Vec<u8>,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        let params = CertificateParams::new(vec![]).expect("no names");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
            key: RsaKeyPair::from_pkcs8(&key.serialize_der()).expect("a PKCS #8 key"),
            der: certificate.der().to_vec(),
        }
    }

    /// Signs claims under a header that names `of` by its thumbprint.
    pub(crate) fn sign(
        &self,
        alg: &str,
        encoding: &'static dyn RsaEncoding,
        thumbprint: &str,
        of: &Self,
        claims: &Value,
    ) -> String {
        let hash = if thumbprint == "x5t" { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
        let mut header = json!({ "typ": "JWT", "alg": alg });
        header[thumbprint] = URL_SAFE_NO_PAD.encode(digest(hash, &of.der)).into();
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Claims as Microsoft asks for them.
pub(crate) fn assertion(client: &str, audience: &str, now: u64) -> Value {
    json!({
        "aud": audience, "iss": client, "sub": client, "jti": "9b1f…unique",
        "nbf": now, "iat": now, "exp": now + 300,
    })
}
