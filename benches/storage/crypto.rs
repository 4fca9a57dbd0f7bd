//! Sealing and opening, beside bare AES-256-GCM-SIV with key set-up, nonce and allocation per call.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use cpv_consent::measure::{Envelope, partner};

use crate::duel::Duel;
use crate::{Outcome, TOKEN, realm};

pub(crate) struct SealAndOpen {
    envelope: Envelope,
    text: Vec<u8>,
}

impl Duel for SealAndOpen {
    const NAME: &'static str = "seal_and_open";
    const GOAL: f64 = 2.0;

    fn prepare() -> Outcome<Self> {
        Ok(Self { envelope: Envelope::new(realm()?, partner(1))?, text: vec![b't'; TOKEN] })
    }

    fn ours(&mut self, rounds: u64) -> Outcome<Duration> {
        timed(rounds, || Ok(self.envelope.open(&self.envelope.seal(&self.text)?)?))
    }

    fn bare(&mut self, rounds: u64) -> Outcome<Duration> {
        timed(rounds, || bare(&self.text))
    }
}

fn bare(text: &[u8]) -> Outcome<usize> {
    let (mut key, mut nonce) = ([0; 32], [0; 12]);
    rand::fill(&mut key)?;
    rand::fill(&mut nonce)?;
    let nonce = || Nonce::assume_unique_for_key(nonce);
    let bound = || Aad::from(b"the place of the record");
    let mut sealed = text.to_vec();
    cipher(&key)?.seal_in_place_append_tag(nonce(), bound(), &mut sealed)?;
    let mut opened = sealed.clone();
    Ok(cipher(&key)?.open_in_place(nonce(), bound(), &mut opened)?.len())
}

fn cipher(key: &[u8; 32]) -> Outcome<LessSafeKey> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key)?))
}

fn timed<T>(rounds: u64, mut work: impl FnMut() -> Outcome<T>) -> Outcome<Duration> {
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(work()?);
    }
    Ok(begun.elapsed())
}
