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
            .map_err(|_| wrong("is no public key"))?;
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
            .map_err(|_| wrong("is no private key"))?;
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

const EXPECTED_PUBLIC: &str = "an RSA public key of 2048 bits or more, as PEM";
const EXPECTED_PRIVATE: &str = "an RSA private key of 2048 bits or more, as PKCS #8 in PEM";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::parcel::tests::PAIR;

    #[test]
    fn only_the_right_half_of_an_rsa_pair_is_taken() {
        let curve = rcgen::KeyPair::generate().expect("a key");
        for wrong in ["", "secret", &PAIR.private, &curve.public_key_pem()] {
            let error = Recipient::from_pem(wrong).expect_err("no RSA public key").to_string();
            assert!(error.starts_with("recipient is no"), "{error}");
        }
        for wrong in ["", "secret", &PAIR.public, &curve.serialize_pem()] {
            let error = RecipientKey::from_pem(wrong).expect_err("no private key").to_string();
            assert!(error.starts_with("recipient's key is no"), "{error}");
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
