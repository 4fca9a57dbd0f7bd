//! A certificate, with its key beside it or somewhere else.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{KeyPair, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;

use super::supplier::SigningKey;
use crate::model::invalid::Invalid;

/// A certificate that belongs to its key.
pub struct Certificate {
    der: Vec<u8>,
    public_key: Vec<u8>,
    key: Key,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Where a certificate's key is.
pub(crate) enum Key {
    Here(RsaKeyPair),
    Elsewhere(Arc<dyn SigningKey>),
}

impl Certificate {
    pub(super) fn from_pem(pem: &str) -> Result<Self, Invalid> {
        let read = PublicPart::read(pem)?;
        let key = private_key(pem)?;
        if read.public_key != key.public_key().as_ref() {
            return Err(foreign_key());
        }
        Ok(read.with(Key::Here(key)))
    }

    pub(super) fn signed_elsewhere(pem: &str, key: Arc<dyn SigningKey>) -> Result<Self, Invalid> {
        Ok(PublicPart::read(pem)?.with(Key::Elsewhere(key)))
    }

    pub(crate) fn check_validity(&self, now: SystemTime) -> Result<(), Invalid> {
        if now >= self.not_after {
            return Err(wrong("has expired"));
        }
        if now < self.not_before {
            return Err(wrong("is not valid yet"));
        }
        Ok(())
    }

    /// Whether the certificate's own key signed this, by PS256.
    pub(crate) fn check_signature(&self, text: &[u8], signature: &[u8]) -> Result<(), Invalid> {
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &self.public_key);
        key.verify(text, signature).map_err(|_| foreign_key())
    }

    /// The certificate in DER, as Entra's registration holds it.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The end of its validity.
    #[must_use]
    pub const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    /// As the portal shows it, which takes SHA-1; nothing is proven by it.
    pub(super) fn thumbprint(&self) -> String {
        let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        thumbprint.as_ref().iter().fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02X}");
            text
        })
    }
}

/// What a certificate says by itself.
struct PublicPart {
    der: Vec<u8>,
    public_key: Vec<u8>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl PublicPart {
    fn read(pem: &str) -> Result<Self, Invalid> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong("has no CERTIFICATE block"))?;
        let x509 = X509::from_der(&der).map_err(|_| wrong("is not X.509"))?;
        let public = x509.tbs_certificate.subject_public_key_info.subject_public_key;
        let public_key = public.as_bytes().ok_or_else(foreign_key)?.to_vec();
        let validity = x509.tbs_certificate.validity;
        Ok(Self {
            der: der.to_vec(),
            public_key,
            not_before: validity.not_before.to_system_time(),
            not_after: validity.not_after.to_system_time(),
        })
    }

    fn with(self, key: Key) -> Certificate {
        let Self { der, public_key, not_before, not_after } = self;
        Certificate { der, public_key, key, not_before, not_after }
    }
}

fn private_key(pem: &str) -> Result<RsaKeyPair, Invalid> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| wrong("has no PRIVATE KEY block"))?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(pkcs8) => RsaKeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(pkcs1) => RsaKeyPair::from_der(pkcs1.secret_pkcs1_der()),
        _ => return Err(wrong("has a key that is not RSA")),
    };
    key.map_err(|_| wrong("has a key that is not RSA of at least 2048 bits"))
}

fn foreign_key() -> Invalid {
    wrong("does not belong to the key beside it")
}

fn wrong(problem: &'static str) -> Invalid {
    Invalid::new("certificate", problem, CERTIFICATE)
}

const CERTIFICATE: &str = "PEM with a certificate within its dates and its own RSA key of at least \
                           2048 bits";

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Certificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use x509_cert::der::Encode;

    use super::*;
    use crate::model::registration::ClientCredential;

    #[test]
    fn a_certificate_must_be_valid_and_belong_to_its_key() {
        //
        let (mine, other) = (rsa_pem(0, 4000), rsa_pem(0, 4000));
        assert!(ClientCredential::certificate(&mine.join("")).is_ok());
        let crossed = [mine[0].as_str(), other[1].as_str()].join("");
        let expired = rsa_pem(-20, -10).join("");
        let future = rsa_pem(10, 20).join("");
        for (pem, problem) in [
            (crossed.as_str(), "does not belong to the key beside it"),
            (expired.as_str(), "has expired"),
            (future.as_str(), "is not valid yet"),
            (mine[0].as_str(), "has no PRIVATE KEY block"),
            ("", "has no CERTIFICATE block"),
        ] {
            let error = ClientCredential::certificate(pem).expect_err(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    /// A certificate and its key in PEM, valid between two days relative to today.
    fn rsa_pem(from_days: i64, to_days: i64) -> [String; 2] {
        use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        let now = SystemTime::now();
        let day = |days: i64| {
            let span = std::time::Duration::from_secs(days.unsigned_abs() * 86_400);
            (if days < 0 { now - span } else { now + span }).into()
        };
        (params.not_before, params.not_after) = (day(from_days), day(to_days));
        [params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem()]
    }

    #[test]
    fn the_der_survives_as_it_was() {
        let pem = rsa_pem(0, 10);
        let credential = ClientCredential::certificate(&pem.join("")).expect("valid");
        let der = credential.as_certificate().expect("a certificate").der();
        assert_eq!(X509::from_der(der).expect("X.509").to_der().expect("DER"), der);
    }
}
