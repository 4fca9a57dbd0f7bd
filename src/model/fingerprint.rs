//! What is kept of a secret that somebody else holds.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The hash of a secret that somebody must bring again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(secret: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compared in constant time.
    pub(crate) fn matches(&self, brought: Option<&str>) -> bool {
        brought.is_some_and(|brought| {
            let brought = Self::of(brought);
            verify_slices_are_equal(self.0.as_bytes(), brought.0.as_bytes()).is_ok()
        })
    }
}
