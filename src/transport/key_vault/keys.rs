//! Keys that stay in the vault, and wrap and sign there.
//!
//! Sources: "Wrap Key", "Unwrap Key" and "Sign" of the REST API; RFC 7518, sections 4.3
//! (RSA-OAEP-256) and 3.5 (PS256).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::model::invalid::Invalid;
use crate::transport::key_vault::error::KeyVaultError;
use crate::transport::key_vault::{Call, KeyVault, parse};

/// One version of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyVersion {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wrapping {
    Wrap,
    Unwrap,
}

impl KeyVault {
    /// The version of a key that an identifier names, if it lies in this vault.
    pub(crate) fn key_version(&self, kid: &str) -> Result<KeyVersion, Invalid> {
        const EXPECTED: &str = "the identifier of a key in this vault with its version, such as \
                                https://{vault}.vault.azure.net/keys/{name}/{version}";
        let version = self.0.address.own(kid).and_then(|url| {
            let mut path = url.path_segments()?;
            let parts = [path.next()?, path.next()?, path.next()?];
            let ended = path.next().is_none() && url.query().is_none();
            version_of(parts).filter(|_| ended)
        });
        version.ok_or_else(|| Invalid::new("key identifier", "names no version here", EXPECTED))
    }

    /// Wraps or unwraps with exactly this version: an answer of another is refused.
    pub(crate) async fn wrapping(
        &self,
        how: Wrapping,
        key: &KeyVersion,
        value: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyVaultError> {
        let (operation, word) = match how {
            Wrapping::Wrap => ("keys/wrapKey", "wrapkey"),
            Wrapping::Unwrap => ("keys/unwrapKey", "unwrapkey"),
        };
        self.operate(operation, key, word, body("RSA-OAEP-256", value)).await
    }

    /// The PS256 signature of a SHA-256 digest by exactly this version.
    pub(crate) async fn signature(
        &self,
        key: &KeyVersion,
        digest: &[u8; 32],
    ) -> Result<Vec<u8>, KeyVaultError> {
        let signature = self.operate("keys/sign", key, "sign", body("PS256", digest)).await?;
        Ok(signature.to_vec())
    }

    async fn operate(
        &self,
        operation: &'static str,
        key: &KeyVersion,
        word: &str,
        body: Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, KeyVaultError> {
        let url = self.0.address.at(&["keys", &key.name, &key.version, word]);
        let reply = self.call(&Call::new(operation, Method::POST, url).with(body)).await?;
        let Outcome { kid, value } = parse(&reply)?;
        if !self.key_version(&kid).is_ok_and(|answered| answered.is(key)) {
            return Err(KeyVaultError::OtherVersion);
        }
        let value = URL_SAFE_NO_PAD.decode(value.as_bytes()).map(Zeroizing::new);
        value.map_err(|_| KeyVaultError::BadReply("is not base64url"))
    }
}

impl KeyVersion {
    /// Names differ in more than case.
    fn is(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.version == other.version
    }
}

/// The value may be a key in clear, so the text is wiped once it was sent.
fn body(algorithm: &str, value: &[u8]) -> Bytes {
    let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(value));
    let parts = [r#"{"alg":""#, algorithm, r#"","value":""#, value.as_str(), r#""}"#];
    let mut text = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
    Bytes::from_owner(text)
}

fn version_of([keys, name, version]: [&str; 3]) -> Option<KeyVersion> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let named = keys == "keys" && plain(name) && (1..=127).contains(&name.len());
    let versioned = version.len() == 32 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (name, version) = (name.to_owned(), version.to_ascii_lowercase());
    (named && versioned).then_some(KeyVersion { name, version })
}

#[derive(Deserialize)]
struct Outcome {
    kid: String,
    value: Zeroizing<String>,
}
