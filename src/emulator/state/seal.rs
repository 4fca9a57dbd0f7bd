//! Opaque tokens: their meaning sealed under a key of this emulator, so that none is remembered.
//!
//! A million refresh tokens cost no memory, and one made by another emulator does not open.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) struct Seal {
    key: LessSafeKey,
    /// How often the key was used: each nonce counts one further, so that none comes twice.
    used: AtomicU64,
}

impl Seal {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).expect("the operating system gives random numbers");
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes are a key of AES-256");
        Self { key: LessSafeKey::new(key), used: AtomicU64::new(0) }
    }

    /// `kind` keeps one sort of token from passing for another.
    pub(crate) fn close(&self, kind: &'static str, meaning: &impl Serialize) -> String {
        let mut text = Vec::with_capacity(512);
        serde_json::to_writer(&mut text, meaning).expect("a token's meaning is plain data");
        self.close_bytes(kind, text)
    }

    pub(crate) fn close_bytes(&self, kind: &'static str, mut meaning: Vec<u8>) -> String {
        let mut nonce = [0; NONCE_LEN];
        let used = self.used.fetch_add(1, Ordering::Relaxed);
        nonce[..8].copy_from_slice(&used.to_be_bytes());
        let once = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(once, Aad::from(kind), &mut meaning)
            .expect("a token is far shorter than the cipher's limit");
        meaning.extend_from_slice(&nonce);
        let mut token = String::with_capacity(kind.len() + meaning.len() * 4 / 3 + 4);
        token.push_str(kind);
        URL_SAFE_NO_PAD.encode_string(meaning, &mut token);
        token
    }

    pub(crate) fn open<T: DeserializeOwned>(&self, kind: &'static str, token: &str) -> Option<T> {
        serde_json::from_slice(&self.open_bytes(kind, token)?).ok()
    }

    pub(crate) fn open_bytes(&self, kind: &'static str, token: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(kind)?).ok()?;
        let nonce = sealed.split_off(sealed.len().checked_sub(NONCE_LEN)?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let length = self.key.open_in_place(nonce, Aad::from(kind), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_whole_as_its_kind_and_with_its_own_seal_only() {
        let seal = Seal::new();
        let token = seal.close("a.", &"meaning");
        assert_eq!(seal.open::<String>("a.", &token).as_deref(), Some("meaning"));
        assert_ne!(token, seal.close("a.", &"meaning"));
        assert_eq!(Seal::new().open::<String>("a.", &token), None);
        assert_eq!(seal.open::<String>("b.", &token.replace("a.", "b.")), None);
        for cut in 0..token.len() {
            assert_eq!(seal.open::<String>("a.", &token[..cut]), None);
        }
    }
}
