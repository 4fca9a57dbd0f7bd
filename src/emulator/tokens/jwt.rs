//! RS256, spelled out: one signing key per process, its JWK, and the ways in which a token can lie.
//!
//! Source: RFC 7515, RFC 7517, RFC 7518.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};

use crate::emulator::script::Tampering;

/// A key with the id under which it is published.
pub(crate) struct Signer {
    key: KeyPair,
    kid: String,
}

/// The key of this process, made when it is first needed.
pub(crate) fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("the system makes an RSA key");
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, key.public_key().as_ref()));
        Signer { key, kid }
    })
}

impl Signer {
    /// Signs claims truly.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.seal(&json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid }), claims)
    }

    /// Signs claims in the way a test asked for.
    pub(crate) fn sign_tampered(&self, claims: &Value, how: &Tampering) -> String {
        match how {
            Tampering::AlgNone => {
                let header = json!({ "typ": "JWT", "alg": "none", "kid": self.kid });
                format!("{}.{}.", encoded(&header), encoded(claims))
            }
            Tampering::UnknownKid => {
                self.seal(&json!({ "typ": "JWT", "alg": "RS256", "kid": "unheard-of" }), claims)
            }
            Tampering::PublicKeyAsSecret => self.seal_with_public_key(claims),
            Tampering::BadSignature => {
                let other = format!("{}.{}", encoded(&json!({})), encoded(claims));
                let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid });
                let signature = URL_SAFE_NO_PAD.encode(self.signature(&other));
                format!("{}.{}.{signature}", encoded(&header), encoded(claims))
            }
            _ => self.sign(claims),
        }
    }

    /// The claims of a token that this key signed.
    pub(crate) fn read(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.public_key());
        key.verify(signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice(&claims).ok()
    }

    /// The public key as a JWK, for an issuer that may be a template.
    pub(crate) fn jwk(&self, issuer: &str) -> Value {
        let [modulus, exponent] = rsa_numbers(self.key.public_key().as_ref());
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
            "issuer": issuer,
        })
    }

    fn seal(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(&signed));
        format!("{signed}.{signature}")
    }

    /// HS256 with what everybody knows (RFC 8725, section 2.1).
    fn seal_with_public_key(&self, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "HS256", "kid": self.kid });
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.public_key().as_ref());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{tag}")
    }

    fn signature(&self, signed: &str) -> Vec<u8> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("the signature fits its buffer");
        signature
    }
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Modulus and exponent of a PKCS #1 public key.
fn rsa_numbers(der: &[u8]) -> [&[u8]; 2] {
    let read = || {
        SliceReader::new(der)?.sequence(|key| {
            Ok([UintRef::decode(key)?.as_bytes(), UintRef::decode(key)?.as_bytes()])
        })
    };
    read().expect("a public key of our own is PKCS #1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_true_signature_is_read() {
        let claims = json!({ "oid": "x" });
        let signer = signer();
        assert_eq!(signer.read(&signer.sign(&claims)), Some(claims.clone()));
        for how in [Tampering::AlgNone, Tampering::BadSignature, Tampering::PublicKeyAsSecret] {
            assert_eq!(signer.read(&signer.sign_tampered(&claims, &how)), None, "{how:?}");
        }
    }

    #[test]
    fn the_jwk_holds_a_modulus_of_2048_bits() {
        let jwk = signer().jwk("issuer");
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().expect("text")).expect("base64url");
        assert_eq!(modulus.len(), 256);
        assert_eq!(jwk["e"], "AQAB");
    }
}
