//! For whom an export is sealed: an RSA key pair of the receiving side.
//!
//! Source: RSAES-OAEP with SHA-256 (RFC 8017, section 7.1).

use std::fmt;

use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use zeroize::Zeroizing;

use crate::model::invalid::Invalid;
use crate::storage::keyring::{DataKey, KeyError};
use crate::storage::parcel::TransferError;

/// Whom an export is for, by its public key.
///
/// The receiving side makes the pair: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072
/// -out recipient.pem`, then `openssl pkey -in recipient.pem -pubout`.
pub struct Recipient(OaepPublicEncryptingKey);

impl Recipient {
    /// An RSA public key of 2048 to 8192 bits, as PEM (`BEGIN PUBLIC KEY`, RFC 7468, section 13).
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, Invalid> {
        let wrong = |problem| Invalid::new("recipient", problem, EXPECTED_PUBLIC);
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong(no_public_key(pem)))?;
        PublicEncryptingKey::from_der(&der)
            .ok()
            .and_then(|key| OaepPublicEncryptingKey::new(key).ok())
            .map(Self)
            .ok_or_else(|| wrong("is no RSA key of a fitting size"))
    }

    pub(super) fn seal(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        let mut sealed = vec![0; self.0.ciphertext_size()];
        self.0
            .encrypt(&OAEP_SHA256_MGF1SHA256, key.expose(), &mut sealed, None)
            .map_err(|_| KeyError::NoRandomness)?;
        Ok(sealed)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Recipient(RSA {})", self.0.key_size_bits())
    }
}

/// The recipient's private key. It is needed once, for the import: destroy it then.
pub struct RecipientKey(OaepPrivateDecryptingKey);

impl RecipientKey {
    /// An RSA private key of 2048 to 8192 bits, as PEM (`BEGIN PRIVATE KEY`, RFC 7468, section 10).
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, Invalid> {
        let wrong = |problem| Invalid::new("recipient's key", problem, EXPECTED_PRIVATE);
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong(no_private_key(pem)))?;
        PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der())
            .ok()
            .and_then(|key| OaepPrivateDecryptingKey::new(key).ok())
            .map(Self)
            .ok_or_else(|| wrong("is no RSA key of a fitting size"))
    }

    pub(super) fn open(&self, sealed: &[u8]) -> Result<DataKey, TransferError> {
        let mut text = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let key = self.0.decrypt(&OAEP_SHA256_MGF1SHA256, sealed, &mut text, None);
        let key = key.ok().and_then(|key| DataKey::from_slice(key).ok());
        key.ok_or(TransferError::OtherKey)
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RecipientKey([redacted])")
    }
}

/// What was given instead, told by the label alone.
fn no_public_key(pem: &str) -> &'static str {
    match () {
        () if !pem.contains("-----BEGIN ") => {
            "is no PEM text: give what is in the file, not its name"
        }
        () if pem.contains("PRIVATE KEY-----") => {
            "is the private half, which stays where it was made"
        }
        () if pem.contains("BEGIN RSA PUBLIC KEY") => "is a public key in the older form, PKCS #1",
        () if pem.contains("BEGIN CERTIFICATE") => "is a certificate",
        () => "is no public key, or not all of one",
    }
}

fn no_private_key(pem: &str) -> &'static str {
    match () {
        () if !pem.contains("-----BEGIN ") => {
            "is no PEM text: give what is in the file, not its name"
        }
        () if pem.contains("PUBLIC KEY-----") => "is the public half, which opens nothing",
        () if pem.contains("BEGIN ENCRYPTED") => "is encrypted: take the passphrase off",
        () if pem.contains("BEGIN RSA PRIVATE KEY") => {
            "is a private key in the older form, PKCS #1"
        }
        () => "is no private key, or not all of one",
    }
}

const EXPECTED_PUBLIC: &str =
    "an RSA public key of 2048 to 8192 bits, as `openssl pkey -in recipient.pem -pubout` prints it";
const EXPECTED_PRIVATE: &str =
    "an RSA private key of 2048 to 8192 bits, as `openssl pkey -in recipient.pem` prints it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::parcel::tests::PAIR;

    #[test]
    fn only_the_right_half_of_an_rsa_pair_is_taken() {
        let curve = rcgen::KeyPair::generate().expect("a key");
        let older = |key: &str, kind| key.replace(kind, &format!("RSA {kind}"));
        let encrypted = PAIR.private.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE");
        for (wrong, why) in [
            ("", "is no PEM text"),
            ("recipient-public.pem", "is no PEM text"),
            (&PAIR.private, "is the private half"),
            (&older(&PAIR.public, "PUBLIC KEY"), "is a public key in the older form"),
            (&PAIR.public[..200], "is no public key, or not all of one"),
            (&curve.public_key_pem(), "is no RSA key of a fitting size"),
        ] {
            let error = Recipient::from_pem(wrong).expect_err("no RSA public key").to_string();
            assert!(error.starts_with(&format!("recipient {why}")), "{error}");
            assert!(error.contains("as `openssl pkey -in recipient.pem -pubout` prints it"));
        }
        for (wrong, why) in [
            ("", "is no PEM text"),
            ("recipient.pem", "is no PEM text"),
            (&PAIR.public, "is the public half"),
            (&older(&PAIR.private, "PRIVATE KEY"), "is a private key in the older form"),
            (&encrypted, "is encrypted"),
            (&PAIR.private[..200], "is no private key, or not all of one"),
            (&curve.serialize_pem(), "is no RSA key of a fitting size"),
        ] {
            let error = RecipientKey::from_pem(wrong).expect_err("no private key").to_string();
            assert!(error.starts_with(&format!("recipient's key {why}")), "{error}");
            assert!(error.contains("as `openssl pkey -in recipient.pem` prints it"), "{error}");
        }
    }

    #[test]
    fn keys_show_no_more_than_their_size() {
        //
        let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
        assert_eq!(format!("{recipient:?}"), "Recipient(RSA 2048)");
        let key = RecipientKey::from_pem(&PAIR.private).expect("a key");
        assert_eq!(format!("{key:?}"), "RecipientKey([redacted])");
    }
}
