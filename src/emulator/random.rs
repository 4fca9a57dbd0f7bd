//! Random words and identifiers from the operating system's generator.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::{Builder, Uuid};

/// 256 random bits as text that needs no escaping.
pub(super) fn word() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A GUID of version 4.
pub(super) fn guid() -> Uuid {
    Builder::from_random_bytes(bytes()).into_uuid()
}

/// Six digits, as an authenticator shows them.
pub(super) fn digits() -> String {
    format!("{:06}", u32::from_be_bytes(bytes()) % 1_000_000)
}

/// A number in a closed range; the small bias does not matter to a token's life.
pub(super) fn between(low: u64, high: u64) -> u64 {
    let span = high.saturating_sub(low).saturating_add(1);
    low + u64::from_be_bytes(bytes()) % span
}

pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system gives random numbers");
    bytes
}
