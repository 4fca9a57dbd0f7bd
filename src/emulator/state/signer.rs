//! RS256, spelled out: a signing key, its JWK, and the ways in which a signature can lie.
//!
//! Source: RFC 7515, RFC 7517, RFC 7518.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};

use crate::emulator::script::Tampering;

/// A key with the id under which it is published.
pub(crate) struct Signer {
    key: KeyPair,
    kid: String,
}

impl Signer {
    /// Of the operating system's making.
    pub(crate) fn generate() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("the system makes an RSA key");
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, key.public_key().as_ref()));
        Self { key, kid }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs claims truly.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> String {
        self.seal(&Header::of("RS256", &self.kid), claims)
    }

    /// Signs claims in the way a test asked for.
    pub(crate) fn sign_tampered(&self, claims: &Value, how: &Tampering) -> String {
        match how {
            Tampering::AlgNone => {
                format!("{}.{}.", encoded(&Header::of("none", &self.kid)), encoded(claims))
            }
            Tampering::UnknownKid => self.seal(&Header::of("RS256", "unheard-of"), claims),
            Tampering::PublicKeyAsSecret => self.seal_with_public_key(claims),
            Tampering::BadSignature => {
                let other = format!("{}.{}", encoded(&json!({})), encoded(claims));
                let signature = URL_SAFE_NO_PAD.encode(self.signature(&other));
                let header = Header::of("RS256", &self.kid);
                format!("{}.{}.{signature}", encoded(&header), encoded(claims))
            }
            _ => self.sign(claims),
        }
    }

    /// The claims of a token that this key signed.
    pub(crate) fn verified<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.public_key());
        key.verify(signed.as_bytes(), &signature).ok()?;
        decoded(signed.split_once('.')?.1)
    }

    /// The public key as a JWK; keys of the v2.0 endpoint name the issuer that they sign for.
    pub(crate) fn jwk(&self, issuer: Option<String>) -> Value {
        let [modulus, exponent] = rsa_numbers(self.key.public_key().as_ref());
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
        });
        if let Some(issuer) = issuer {
            jwk["issuer"] = Value::from(issuer);
        }
        jwk
    }

    fn seal(&self, header: &Header<'_>, claims: &impl Serialize) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(&signed));
        format!("{signed}.{signature}")
    }

    /// HS256 with what everybody knows (RFC 8725, section 2.1).
    fn seal_with_public_key(&self, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(&Header::of("HS256", &self.kid)), encoded(claims));
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

#[derive(Serialize)]
struct Header<'h> {
    typ: &'h str,
    alg: &'h str,
    kid: &'h str,
}

impl<'h> Header<'h> {
    const fn of(alg: &'h str, kid: &'h str) -> Self {
        Self { typ: "JWT", alg, kid }
    }
}

/// A token that nobody signed, and that says so (RFC 7519, section 6).
pub(crate) fn unsigned(claims: &impl Serialize) -> String {
    format!("{}.{}.", encoded(&json!({ "typ": "JWT", "alg": "none" })), encoded(claims))
}

/// The key that a token says it was signed with.
pub(crate) fn kid_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        kid: String,
    }
    decoded::<Named>(token.split_once('.')?.0).map(|named| named.kid)
}

fn encoded(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).expect("claims are plain data"))
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Modulus and exponent of a PKCS #1 public key.
pub(crate) fn rsa_numbers(der: &[u8]) -> [&[u8]; 2] {
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
        let signer = Signer::generate();
        assert_eq!(signer.verified(&signer.sign(&claims)), Some(claims.clone()));
        assert_eq!(signer.verified::<Value>(&unsigned(&claims)), None);
        for how in [Tampering::AlgNone, Tampering::BadSignature, Tampering::PublicKeyAsSecret] {
            let lie = signer.sign_tampered(&claims, &how);
            assert_eq!(signer.verified::<Value>(&lie), None, "{how:?}");
        }
    }

    #[test]
    fn the_jwk_holds_a_modulus_of_2048_bits() {
        let jwk = Signer::generate().jwk(None);
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().expect("text")).expect("base64url");
        assert_eq!(modulus.len(), 256);
        assert_eq!((&jwk["e"], jwk.get("issuer")), (&json!("AQAB"), None));
    }
}
