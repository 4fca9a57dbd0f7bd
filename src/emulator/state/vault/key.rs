//! Keys that never leave the vault.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaSignatureEncoding};
use serde_json::Value;

use super::{Attributes, Retention};

/// One version of a key. A clone is the same key.
#[derive(Clone)]
pub(crate) struct KeyVersion {
    /// The name in the spelling of this version.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) enabled: bool,
    pub(crate) created: SystemTime,
    pub(crate) updated: SystemTime,
    pub(crate) pair: Arc<Pair>,
}

/// The same RSA key, once for each use.
pub(crate) struct Pair {
    signing: KeyPair,
    wrapping: OaepPublicEncryptingKey,
    unwrapping: OaepPrivateDecryptingKey,
}
impl KeyVersion {
    /// The identifier that belongs beside whatever was wrapped with this version.
    pub(crate) fn kid(&self, origin: &str) -> String {
        format!("{origin}/keys/{}/{}", self.name, self.id)
    }

    pub(crate) fn attributes(&self, retention: &Retention) -> Value {
        let attributes = Attributes { enabled: Some(self.enabled), ..Attributes::default() };
        retention.attributes(attributes, self.created, self.updated)
    }
}

impl Pair {
    pub(crate) fn generate() -> Self {
        const MADE: &str = "the system makes an RSA key";
        let signing = KeyPair::generate(KeySize::Rsa2048).expect(MADE);
        let pkcs8: Pkcs8V1Der<'_> = signing.as_der().expect(MADE);
        let private = PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).expect(MADE);
        Self {
            signing,
            wrapping: OaepPublicEncryptingKey::new(private.public_key()).expect(MADE),
            unwrapping: OaepPrivateDecryptingKey::new(private).expect(MADE),
        }
    }

    /// The public half, as PKCS #1.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.signing.public_key().as_ref()
    }

    pub(crate) fn wrap(&self, algorithm: &'static OaepAlgorithm, plain: &[u8]) -> Option<Vec<u8>> {
        let mut wrapped = vec![0; self.wrapping.ciphertext_size()];
        let written = self.wrapping.encrypt(algorithm, plain, &mut wrapped, None).ok()?.len();
        wrapped.truncate(written);
        Some(wrapped)
    }

    pub(crate) fn unwrap(
        &self,
        algorithm: &'static OaepAlgorithm,
        wrapped: &[u8],
    ) -> Option<Vec<u8>> {
        let mut plain = vec![0; self.unwrapping.min_output_size()];
        let written = self.unwrapping.decrypt(algorithm, wrapped, &mut plain, None).ok()?.len();
        plain.truncate(written);
        Some(plain)
    }

    /// The RS256 signature of a text: the key signs its own certificate.
    pub(super) fn sign_text(&self, text: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .expect("the signature fits its buffer");
        signature
    }

    pub(crate) fn sign(
        &self,
        encoding: &'static RsaSignatureEncoding,
        digest: &[u8],
    ) -> Option<Vec<u8>> {
        let digest = Digest::import_less_safe(digest, &SHA256).ok()?;
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing.sign_digest(encoding, &digest, &mut signature).ok()?;
        Some(signature)
    }
}
