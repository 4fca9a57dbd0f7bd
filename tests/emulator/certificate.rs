//! Certificates and assertions made by hand.

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd};
use serde_json::{Value, json};

/// A certificate with its key.
pub(crate) struct Signer {
    pub(crate) pem: String,
    key: RsaKeyPair,
    der: Vec<u8>,
}

impl Signer {
    pub(crate) fn new() -> Self {
        Self::ending(3000)
    }

    /// Whose certificate ends with the beginning of a year.
    pub(crate) fn ending(year: i32) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
            key: RsaKeyPair::from_pkcs8(&key.serialize_der()).expect("a PKCS #8 key"),
            der: certificate.der().to_vec(),
        }
    }

    /// As Python's libraries write it: a thumbprint keeps its padding.
    pub(crate) fn sign_padded(&self, thumbprint: &str, claims: &Value) -> String {
        let (alg, encoding): (_, &'static dyn RsaEncoding) = match thumbprint {
            "x5t" => ("RS256", &RSA_PKCS1_SHA256),
            _ => ("PS256", &RSA_PSS_SHA256),
        };
        self.sign_as(alg, encoding, thumbprint, &URL_SAFE.encode(self.hash(thumbprint)), claims)
    }

    fn hash(&self, thumbprint: &str) -> Digest {
        digest(if thumbprint == "x5t" { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 }, &self.der)
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
        let named = URL_SAFE_NO_PAD.encode(of.hash(thumbprint));
        self.sign_as(alg, encoding, thumbprint, &named, claims)
    }

    fn sign_as(
        &self,
        alg: &str,
        encoding: &'static dyn RsaEncoding,
        thumbprint: &str,
        named: &str,
        claims: &Value,
    ) -> String {
        let mut header = json!({ "typ": "JWT", "alg": alg });
        header[thumbprint] = named.into();
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
