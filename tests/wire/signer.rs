//! Keys that sign as Entra's do, or as nobody's should.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};

/// An RSA key with a name.
pub struct Signer {
    id: &'static str,
    key: KeyPair,
}

impl Signer {
    pub fn new(id: &'static str) -> Self {
        Self { id, key: KeyPair::generate(KeySize::Rsa2048).expect("a key") }
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": "RS256", "kid": self.id })
    }

    /// Its public half. The server at this origin may sign with it for every tenant.
    pub fn jwk(&self, origin: &str) -> Value {
        let [modulus, exponent] = rsa_numbers(self.public());
        json!({
            "kty": "RSA", "use": "sig", "kid": self.id, "n": modulus, "e": exponent,
            "issuer": format!("{origin}/{{tenantid}}/v2.0"),
        })
    }

    /// Its public half, as PKCS #1 has it.
    pub fn public(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_under(&self.header(), claims)
    }

    /// RS256, whatever the header says.
    pub fn sign_under(&self, header: &Value, claims: &Value) -> String {
        self.sign_bytes(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// The same of bytes that need not be JSON.
    pub fn sign_bytes(&self, header: &[u8], claims: &[u8]) -> String {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("a signature");
        signed(&text, &signature)
    }
}

/// Header and claims, as a signature is made over them.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |part: &Value| encoded(part.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

fn encoded(part: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

pub fn signed(text: &str, signature: &[u8]) -> String {
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What a token says, whoever signed it.
pub fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    serde_json::from_slice(&claims).expect("JSON")
}

/// Modulus and exponent of a PKCS #1 public key, as a JWK has them.
fn rsa_numbers(der: &[u8]) -> [String; 2] {
    let read = || {
        SliceReader::new(der)?.sequence(|key| {
            Ok([UintRef::decode(key)?.as_bytes(), UintRef::decode(key)?.as_bytes()])
        })
    };
    let numbers: x509_cert::der::Result<[&[u8]; 2]> = read();
    numbers.expect("PKCS #1").map(|number| URL_SAFE_NO_PAD.encode(number))
}
