//! The vendor's multi-tenant application, as a model that cannot be wrong.
//!
//! Source: Microsoft Graph's `application` resource; Microsoft identity platform, "Redirect URI
//! restrictions and limitations" and "Certificate credentials". There is no way to say app-only
//! here: everything done for a partner is delegated, application plus user.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;

use super::cloud::{Cloud, Environment, Realm, is_loopback};
use super::invalid::Invalid;
use super::scope::{Resource, Scope, Scopes};
use super::secret::ClientSecret;
use super::tenant::{ClientId, TenantId};

/// One application of the vendor in one cloud and one environment.
///
/// Source: Microsoft Graph, `application` resource.
#[derive(Debug, Clone)]
pub struct AppRegistration {
    cloud: Cloud,
    environment: Environment,
    home: TenantId,
    client_id: ClientId,
    credential: ClientCredential,
    redirect_uri: Url,
    scopes: Scopes,
}

impl AppRegistration {
    /// The application `client_id`, registered in the vendor's tenant `home`, which consents come
    /// back to at `redirect_uri`. It asks for Partner Center's `user_impersonation`; more is added
    /// by [`requesting`](Self::requesting).
    ///
    /// # Errors
    /// [`Invalid`] when the redirect address is none that Entra takes: https, or http on
    /// `localhost`; at most 256 characters, without query, fragment, wildcard or the characters
    /// `! $ ' ( ) , ;`.
    pub fn new(
        cloud: Cloud,
        home: TenantId,
        client_id: ClientId,
        credential: ClientCredential,
        redirect_uri: &str,
    ) -> Result<Self, Invalid> {
        let redirect_uri = checked_redirect(redirect_uri)?;
        let access = Scope::new(Resource::PartnerCenter, "user_impersonation")?;
        let scopes = Scopes::from_iter([access]);
        let environment = Environment::default();
        Ok(Self { cloud, environment, home, client_id, credential, redirect_uri, scopes })
    }

    /// Adds delegated permissions of a resource to those that partners are asked for.
    ///
    /// # Errors
    /// [`Invalid`] for a permission that is no name: see [`Scope::new`].
    pub fn requesting<'p>(
        mut self,
        resource: Resource,
        permissions: impl IntoIterator<Item = &'p str>,
    ) -> Result<Self, Invalid> {
        for permission in permissions {
            self.scopes.extend([Scope::new(resource.clone(), permission)?]);
        }
        Ok(self)
    }

    /// Production, unless said otherwise.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The cloud it is registered in.
    #[must_use]
    pub const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The vendor's own tenant, which is never a partner.
    #[must_use]
    pub const fn home(&self) -> TenantId {
        self.home
    }

    /// Its application id.
    #[must_use]
    pub const fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// How it proves itself to Entra.
    #[must_use]
    pub const fn credential(&self) -> &ClientCredential {
        &self.credential
    }

    /// Where consents come back to.
    #[must_use]
    pub const fn redirect_uri(&self) -> &Url {
        &self.redirect_uri
    }

    /// The delegated permissions that partners are asked for.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Where its records live.
    #[must_use]
    pub fn realm(&self) -> Realm {
        Realm::new(&self.cloud, self.environment, self.client_id)
    }
}

fn checked_redirect(text: &str) -> Result<Url, Invalid> {
    const EXPECTED: &str = "an address such as https://panel.example/consent/callback";
    let wrong = |problem| Err(Invalid::new("redirect_uri", problem, EXPECTED));
    if text.len() > 256 || text.contains(|c: char| "*!$'(),;".contains(c) || c.is_control()) {
        return wrong("is longer than 256 characters or has one that Entra forbids");
    }
    let Ok(url) = Url::parse(text) else { return wrong("is not an absolute URL") };
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
        return wrong("is neither https nor http on localhost");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return wrong("has a query, fragment or user in it");
    }
    Ok(url)
}

/// How the vendor's application proves itself to Entra.
#[derive(Clone)]
pub struct ClientCredential(Kind);

#[derive(Clone)]
enum Kind {
    Secret(ClientSecret),
    Certificate(Arc<Certificate>),
}

impl ClientCredential {
    /// An application password. A certificate is better: it never travels.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty or has characters that no Entra secret has.
    pub fn secret(text: impl Into<String>) -> Result<Self, Invalid> {
        ClientSecret::new(text).map(|secret| Self(Kind::Secret(secret)))
    }

    /// A certificate with its RSA key, both in one PEM text; its key signs a short assertion for
    /// each token endpoint (RFC 7523).
    ///
    /// # Errors
    /// [`Invalid`] when a part is missing or unreadable, the key is not RSA of at least 2048 bits,
    /// the two do not belong together, or the certificate is expired or not yet valid.
    pub fn certificate(pem: &str) -> Result<Self, Invalid> {
        let certificate = Certificate::from_pem(pem)?;
        certificate.check_validity(SystemTime::now())?;
        Ok(Self(Kind::Certificate(Arc::new(certificate))))
    }

    /// The application password, where this is one.
    #[must_use]
    pub const fn as_secret(&self) -> Option<&ClientSecret> {
        match &self.0 {
            Kind::Secret(secret) => Some(secret),
            Kind::Certificate(_) => None,
        }
    }

    /// The certificate, where this is one.
    #[must_use]
    pub fn as_certificate(&self) -> Option<&Certificate> {
        match &self.0 {
            Kind::Secret(_) => None,
            Kind::Certificate(certificate) => Some(certificate),
        }
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Secret(secret) => secret.fmt(out),
            Kind::Certificate(certificate) => certificate.fmt(out),
        }
    }
}

/// A certificate that belongs to its key.
pub struct Certificate {
    der: Vec<u8>,
    key: RsaKeyPair,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Certificate {
    fn from_pem(pem: &str) -> Result<Self, Invalid> {
        let wrong = |problem| Invalid::new("certificate", problem, CERTIFICATE);
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong("has no CERTIFICATE block"))?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong("has no PRIVATE KEY block"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(pkcs8) => RsaKeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(pkcs1) => RsaKeyPair::from_der(pkcs1.secret_pkcs1_der()),
            _ => return Err(wrong("has a key that is not RSA")),
        }
        .map_err(|_| wrong("has a key that is not RSA of at least 2048 bits"))?;
        let x509 = X509::from_der(&der).map_err(|_| wrong("is not X.509"))?;
        let public = x509.tbs_certificate.subject_public_key_info.subject_public_key;
        if public.as_bytes() != Some(key.public_key().as_ref()) {
            return Err(wrong("does not belong to the key beside it"));
        }
        let validity = x509.tbs_certificate.validity;
        let not_before = validity.not_before.to_system_time();
        let not_after = validity.not_after.to_system_time();
        Ok(Self { der: der.to_vec(), key, not_before, not_after })
    }

    pub(crate) fn check_validity(&self, now: SystemTime) -> Result<(), Invalid> {
        let wrong = |problem| Err(Invalid::new("certificate", problem, CERTIFICATE));
        if now >= self.not_after {
            return wrong("has expired");
        }
        if now < self.not_before {
            return wrong("is not valid yet");
        }
        Ok(())
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

    pub(crate) const fn key(&self) -> &RsaKeyPair {
        &self.key
    }
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

    fn with_redirect(redirect_uri: &str) -> Result<AppRegistration, Invalid> {
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111")?;
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222")?;
        let credential = ClientCredential::secret("not-a-real-secret")?;
        AppRegistration::new(Cloud::Global, home, client_id, credential, redirect_uri)
    }

    #[test]
    fn redirects_that_entra_would_refuse_are_refused() {
        //
        for text in [
            "",
            "/callback",
            "http://panel.example/callback",
            "https://panel.example/callback?x=1",
            "https://panel.example/callback#x",
            "https://*.panel.example/callback",
            "https://panel.example/(callback)",
            "https://user@panel.example/callback",
        ] {
            assert_eq!(with_redirect(text).expect_err(text).field(), "redirect_uri");
        }
        assert!(with_redirect("https://panel.example/callback").is_ok());
        assert!(with_redirect("http://localhost:8400/callback").is_ok());
    }

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
