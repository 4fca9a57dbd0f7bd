//! Opaque tokens: their meaning sealed under a key of this emulator, so that none is remembered.
//!
//! A million refresh tokens cost no memory, and one made by another emulator does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::emulator::random;

pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    pub(crate) fn new() -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &random::bytes::<32>());
        Self(key.expect("32 bytes are a key of AES-256"))
    }

    /// `kind` keeps one sort of token from passing for another.
    pub(crate) fn close(&self, kind: &'static str, meaning: &impl Serialize) -> String {
        let mut text = serde_json::to_vec(meaning).expect("a token's meaning is plain data");
        let nonce = self.0.seal_in_place_append_tag(Aad::from(kind), &mut text);
        let nonce = nonce.expect("a token is far shorter than the cipher's limit");
        let sealed = [nonce.as_ref().as_slice(), &text].concat();
        format!("{kind}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    pub(crate) fn open<T: DeserializeOwned>(&self, kind: &'static str, token: &str) -> Option<T> {
        let mut sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(kind)?).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(kind), text).ok()?;
        serde_json::from_slice(opened).ok()
    }
}
