//! All that is left to chance: ids, words, passwords, lifetimes.
//!
//! From a seed they are the same in every run. What protects anything is not: signing keys and
//! sealed tokens come from the operating system, for a key that a seed yields is everybody's key.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::{Builder, Uuid};

/// Where one emulator's random bytes come from.
pub(super) struct Chance(Option<Mutex<Stream>>);

/// The bytes that a seed yields: HMAC-SHA256 under the seed of 0, 1, 2, …
struct Stream {
    key: hmac::Key,
    blocks: u64,
}

impl Chance {
    /// The operating system's generator, or a stream of its own.
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self(seed.map(|seed| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &seed.to_be_bytes());
            Mutex::new(Stream { key, blocks: 0 })
        }))
    }

    /// 256 random bits as text that needs no escaping.
    pub(super) fn word(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// A GUID of version 4.
    pub(super) fn guid(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// Six digits, as an authenticator shows them.
    pub(super) fn digits(&self) -> String {
        format!("{:06}", u32::from_be_bytes(self.bytes()) % 1_000_000)
    }

    /// A number in a closed range; the small bias does not matter to a token's life.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + u64::from_be_bytes(self.bytes()) % span
    }

    /// At most 32 bytes at a time.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Some(stream) => {
                let block = stream.lock().unwrap_or_else(PoisonError::into_inner).next();
                bytes.copy_from_slice(&block.as_ref()[..N]);
            }
            None => rand::fill(&mut bytes).expect("the operating system gives random numbers"),
        }
        bytes
    }
}

impl Stream {
    fn next(&mut self) -> hmac::Tag {
        self.blocks += 1;
        hmac::sign(&self.key, &self.blocks.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_yields_the_same_in_every_run_and_the_system_never_does() {
        let draw = |chance: &Chance| (chance.word(), chance.guid(), chance.between(10, 20));
        assert_eq!(draw(&Chance::new(Some(7))), draw(&Chance::new(Some(7))));
        assert_ne!(draw(&Chance::new(Some(7))), draw(&Chance::new(Some(8))));
        assert_ne!(draw(&Chance::new(None)), draw(&Chance::new(None)));
        let chance = Chance::new(Some(7));
        assert_ne!(chance.word(), chance.word());
    }
}
