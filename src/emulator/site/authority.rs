//! A certificate authority made at start. Its key comes from the operating system, lives in this
//! process and is never written down.
//!
//! Source: RFC 5280, section 4.2, as strictly as OpenSSL's `X509_V_FLAG_X509_STRICT` reads it.

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::model::clock::unix_seconds;
use crate::model::invalid::Invalid;

/// A certificate and its private key, both as PEM.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertifiedKeyPem {
    /// The certificate, without the authority's.
    pub certificate: String,
    /// The private key, as PKCS #8.
    pub key: String,
}

impl fmt::Debug for CertifiedKeyPem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CertifiedKeyPem").finish_non_exhaustive()
    }
}

/// Issues certificates that last as long as itself.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = params(Vec::new()).expect("no name is no wrong name");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "cpv-consent emulator CA");
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a key of our own signs");
        Self { pem: issuer.pem(), issuer }
    }

    /// The authority's own certificate.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server of these names and addresses.
    pub(super) fn issue(&self, names: Vec<String>) -> Result<CertifiedKeyPem, Invalid> {
        let (certificate, key) = self.certify(names)?;
        Ok(CertifiedKeyPem { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// The same for a listener of our own, whose names are right.
    pub(super) fn issue_der(
        &self,
        names: &[&str],
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let names = names.iter().map(ToString::to_string).collect();
        let (certificate, key) = self.certify(names).expect("our own names are right");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (certificate.der().clone(), key.into())
    }

    fn certify(&self, names: Vec<String>) -> Result<(Certificate, KeyPair), Invalid> {
        let wrong = |problem| Invalid::new("names", problem, "DNS names or IP addresses");
        if names.is_empty() {
            return Err(wrong("are missing"));
        }
        let mut params = params(names).ok_or_else(|| wrong("cannot be certified"))?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "cpv-consent emulator");
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a key of our own signs");
        Ok((certificate, key))
    }
}

/// An ECDSA key on P-256: it costs nothing to make, and every client can verify with it.
fn key() -> KeyPair {
    KeyPair::generate().expect("the operating system gives random numbers")
}

/// Valid by the machine's clock, which TLS clients go by, whatever the emulator's clock says.
fn params(names: Vec<String>) -> Option<CertificateParams> {
    let mut params = CertificateParams::new(names).ok()?;
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_seconds(SystemTime::now()));
    (params.not_before, params.not_after) = (now - DAY, now + 30 * DAY);
    params.distinguished_name = DistinguishedName::new();
    Some(params)
}

const DAY: Duration = Duration::from_secs(86_400);
