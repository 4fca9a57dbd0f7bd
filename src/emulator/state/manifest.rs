//! An application's registration as Microsoft Graph writes it.
//!
//! Properties that do not matter here are accepted, those of the older Azure AD Graph format are
//! refused by name, and what Entra would not store is refused too.
//!
//! Source: Microsoft identity platform, "App manifest (Microsoft Graph app resource)" and "Redirect
//! URI restrictions".

use std::collections::BTreeSet;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};
use x509_cert::der::DateTime;

use super::application::{
    Application, AskedClaims, Platform, Redirect, RegisteredCertificate, Secret,
};
use super::catalogue::Catalogue;
use crate::model::secret::ClientSecret;
use crate::model::tenant::{ClientId, TenantId};

/// Why a manifest was not taken. It never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no JSON, or a property has another type than Graph gives it.
    #[error("the manifest is not of Graph's form at line {line}, column {column}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A property of the older format.
    #[error("property {0} belongs to the Azure AD Graph format")]
    OldFormat(&'static str),
    /// A property that must be there is not.
    #[error("property {0} is missing")]
    Missing(&'static str),
    /// A property has a value that it cannot have.
    #[error("property {place} {problem}")]
    Invalid {
        /// Where it stands, as in `web.redirectUris[1]`.
        place: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A resource that is not known.
    #[error("no resource has the application id {0}")]
    UnknownResource(String),
    /// A delegated permission that its resource does not offer.
    #[error("resource {resource} has no delegated permission {id}")]
    UnknownPermission {
        /// The resource's application id.
        resource: String,
        /// The permission's id.
        id: String,
    },
}

fn invalid(place: impl Into<String>, problem: &'static str) -> ManifestError {
    ManifestError::Invalid { place: place.into(), problem }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    app_id: Option<String>,
    display_name: Option<String>,
    sign_in_audience: Option<String>,
    web: Option<Addresses>,
    spa: Option<Addresses>,
    public_client: Option<Addresses>,
    required_resource_access: Option<Vec<RequiredResource>>,
    key_credentials: Option<Vec<KeyCredential>>,
    password_credentials: Option<Vec<PasswordCredential>>,
    optional_claims: Option<OptionalClaims>,
    group_membership_claims: Option<String>,
    api: Option<Api>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addresses {
    redirect_uris: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequiredResource {
    resource_app_id: String,
    resource_access: Vec<Access>,
}

#[derive(Deserialize)]
struct Access {
    id: String,
    #[serde(rename = "type")]
    kind: AccessKind,
}

#[derive(Deserialize, PartialEq)]
enum AccessKind {
    Scope,
    /// An application permission: there is no app-only access here, so none is ever granted.
    Role,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyCredential {
    #[serde(rename = "type")]
    kind: Option<String>,
    usage: Option<String>,
    key: Option<String>,
    end_date_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PasswordCredential {
    secret_text: Option<String>,
    end_date_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OptionalClaims {
    id_token: Option<Vec<Claim>>,
}

#[derive(Deserialize)]
struct Claim {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    requested_access_token_version: Option<u8>,
}

/// Reads a manifest of an application that is registered in `home`. One without an application id
/// is given a `fresh` one.
pub(crate) fn read(
    text: &str,
    home: TenantId,
    catalogue: &Catalogue,
    fresh: ClientId,
) -> Result<Application, ManifestError> {
    let all: Value = serde_json::from_str(text).map_err(malformed)?;
    refuse_old_format(&all)?;
    if entries(&all) > MOST_ENTRIES {
        return Err(invalid("*", "has more than 1200 entries in all collections together"));
    }
    let manifest: Manifest = serde_json::from_str(text).map_err(malformed)?;
    let name = manifest.display_name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or(ManifestError::Missing("displayName"))?;
    let client_id = manifest.client_id()?.unwrap_or(fresh);
    let audience = Audience::of(manifest.sign_in_audience.as_deref())?;
    Ok(Application {
        redirects: manifest.redirects(audience)?,
        permissions: manifest.permissions(catalogue)?,
        secrets: manifest.secrets()?,
        certificates: manifest.certificates()?,
        multi_tenant: audience != Audience::OwnTenant,
        access_token_version: manifest.access_token_version()?,
        claims: manifest.claims()?,
        ..Application::bare(client_id, home, name)
    })
}

/// Reads a certificate in PEM or DER.
pub(crate) fn certificate(bytes: &[u8]) -> Result<RegisteredCertificate, ManifestError> {
    let pem = CertificateDer::from_pem_slice(bytes).ok();
    let der = pem.as_ref().map_or(bytes, |pem| pem.as_ref());
    let certificate = RegisteredCertificate::from_der(der);
    certificate.ok_or_else(|| invalid("keyCredentials", "has a key that is not X.509"))
}

/// The parser's own words could repeat a secret.
fn malformed(error: serde_json::Error) -> ManifestError {
    ManifestError::Malformed { line: error.line(), column: error.column() }
}

fn refuse_old_format(all: &Value) -> Result<(), ManifestError> {
    if all["publicClient"].is_boolean() {
        return Err(ManifestError::OldFormat("publicClient"));
    }
    match OLD_FORMAT.into_iter().find(|property| all.get(*property).is_some()) {
        Some(property) => Err(ManifestError::OldFormat(property)),
        None => Ok(()),
    }
}

/// How many entries the collections of a manifest have together.
fn entries(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len() + items.iter().map(entries).sum::<usize>(),
        Value::Object(members) => members.values().map(entries).sum(),
        _ => 0,
    }
}

/// Who may sign in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    OwnTenant,
    EveryTenant,
    PersonalToo,
}

impl Audience {
    fn of(text: Option<&str>) -> Result<Self, ManifestError> {
        match text {
            None | Some("AzureADMyOrg") => Ok(Self::OwnTenant),
            Some("AzureADMultipleOrgs") => Ok(Self::EveryTenant),
            Some("AzureADandPersonalMicrosoftAccount") => Ok(Self::PersonalToo),
            Some("PersonalMicrosoftAccount") => {
                Err(invalid("signInAudience", "leaves out every tenant"))
            }
            Some(_) => Err(invalid("signInAudience", "is none that Entra knows")),
        }
    }

    const fn most_redirects(self) -> usize {
        match self {
            Self::OwnTenant | Self::EveryTenant => 256,
            Self::PersonalToo => 100,
        }
    }
}

impl Manifest {
    fn client_id(&self) -> Result<Option<ClientId>, ManifestError> {
        let parsed = self.app_id.as_deref().map(ClientId::parse).transpose();
        parsed.map_err(|_| invalid("appId", "is not a GUID"))
    }

    fn redirects(&self, audience: Audience) -> Result<Vec<Redirect>, ManifestError> {
        let platforms = [
            ("web", Platform::Web, &self.web),
            ("spa", Platform::Spa, &self.spa),
            ("publicClient", Platform::PublicClient, &self.public_client),
        ];
        let mut redirects = Vec::new();
        for (name, platform, addresses) in platforms {
            let uris = addresses.as_ref().and_then(|addresses| addresses.redirect_uris.as_ref());
            for (index, uri) in uris.into_iter().flatten().enumerate() {
                let wrong = |problem| invalid(format!("{name}.redirectUris[{index}]"), problem);
                check_redirect(uri, platform, audience).map_err(wrong)?;
                redirects.push(Redirect { platform, uri: uri.clone() });
            }
        }
        if redirects.len() > audience.most_redirects() {
            return Err(invalid("redirectUris", "are more than the audience allows"));
        }
        Ok(redirects)
    }

    fn permissions(
        &self,
        catalogue: &Catalogue,
    ) -> Result<BTreeSet<(String, String)>, ManifestError> {
        let mut permissions = BTreeSet::new();
        for required in self.required_resource_access.iter().flatten() {
            let app_id = &required.resource_app_id;
            let unknown = || ManifestError::UnknownResource(app_id.clone());
            let resource = catalogue.resource_of(app_id).ok_or_else(unknown)?;
            let delegated =
                required.resource_access.iter().filter(|access| access.kind == AccessKind::Scope);
            for Access { id, .. } in delegated {
                let (resource_id, id) = (app_id.clone(), id.clone());
                let name = catalogue
                    .permission_named(resource, &id)
                    .ok_or(ManifestError::UnknownPermission { resource: resource_id, id })?;
                if catalogue.offers(resource, name) {
                    permissions.insert((resource.to_owned(), name.to_owned()));
                }
            }
        }
        Ok(permissions)
    }

    /// The passwords whose text is given: an exported manifest never has it.
    fn secrets(&self) -> Result<Vec<Secret>, ManifestError> {
        let mut secrets = Vec::new();
        for (index, credential) in self.password_credentials.iter().flatten().enumerate() {
            let place = || format!("passwordCredentials[{index}]");
            let Some(text) = &credential.secret_text else { continue };
            let value = ClientSecret::new(text.as_str());
            let value = value.map_err(|_| invalid(place(), "has a text that is no secret"))?;
            let ends = date(credential.end_date_time.as_deref());
            let ends = ends.ok_or_else(|| invalid(place(), "ends at no date"))?;
            secrets.push(Secret { value, ends });
        }
        Ok(secrets)
    }

    /// The certificates that are given in full: an exported manifest has their thumbprints only.
    fn certificates(&self) -> Result<Vec<RegisteredCertificate>, ManifestError> {
        let mut certificates = Vec::new();
        for (index, credential) in self.key_credentials.iter().flatten().enumerate() {
            let wrong = |problem| invalid(format!("keyCredentials[{index}]"), problem);
            let Some(key) = &credential.key else { continue };
            if credential.kind.as_deref() != Some("AsymmetricX509Cert") {
                return Err(wrong("is not of type AsymmetricX509Cert"));
            }
            if credential.usage.as_deref() != Some("Verify") {
                return Err(wrong("has another usage than Verify"));
            }
            let der = STANDARD.decode(key).map_err(|_| wrong("has a key that is not base64"))?;
            let certificate = RegisteredCertificate::from_der(&der);
            let certificate = certificate.ok_or_else(|| wrong("has a key that is not X.509"))?;
            let ends = date(credential.end_date_time.as_deref());
            let ends = ends.ok_or_else(|| wrong("ends at no date"))?;
            certificates.push(match ends {
                Some(ends) => certificate.ending_by(ends),
                None => certificate,
            });
        }
        Ok(certificates)
    }

    fn access_token_version(&self) -> Result<u8, ManifestError> {
        match self.api.as_ref().and_then(|api| api.requested_access_token_version) {
            None | Some(1) => Ok(1),
            Some(2) => Ok(2),
            Some(_) => Err(invalid("api.requestedAccessTokenVersion", "is neither 1 nor 2")),
        }
    }

    fn claims(&self) -> Result<AskedClaims, ManifestError> {
        let mut claims = AskedClaims::default();
        let asked = self.group_membership_claims.as_deref().unwrap_or("None");
        for word in asked.split(',').map(str::trim) {
            match word {
                "None" | "ApplicationGroup" => {}
                "DirectoryRole" => claims.roles = true,
                "SecurityGroup" | "All" => (claims.roles, claims.groups) = (true, true),
                _ => return Err(invalid("groupMembershipClaims", "is none that Entra knows")),
            }
        }
        if let Some(optional) = &self.optional_claims {
            claims.id_token = names(optional.id_token.as_deref());
        }
        Ok(claims)
    }
}

fn names(claims: Option<&[Claim]>) -> Vec<String> {
    claims.unwrap_or_default().iter().map(|claim| claim.name.clone()).collect()
}

fn check_redirect(text: &str, platform: Platform, audience: Audience) -> Result<(), &'static str> {
    if text.len() > 256 {
        return Err("is longer than 256 characters");
    }
    if text.contains('*') {
        return Err("has a wildcard");
    }
    if text.contains(|c: char| "!$'(),;\\".contains(c) || c.is_control() || c.is_whitespace()) {
        return Err("has a character that Entra forbids");
    }
    let url = Url::parse(text).map_err(|_| "is not absolute")?;
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if url.query().is_some() && audience == Audience::PersonalToo {
        return Err("has a query, which personal accounts forbid");
    }
    match (url.scheme(), url.host()) {
        (_, Some(Host::Ipv6(_))) => Err("has an IPv6 address"),
        ("https", Some(_)) => Ok(()),
        ("http", Some(Host::Domain("localhost"))) => Ok(()),
        ("http", Some(Host::Ipv4(address))) if address.is_loopback() => Ok(()),
        ("http", _) => Err("is http elsewhere than on localhost"),
        _ if platform == Platform::PublicClient => Ok(()),
        _ => Err("is neither https nor http on localhost"),
    }
}

/// Reads `2027-01-31T00:00:00Z`, with or without a fraction; the outer `None` is for other text.
fn date(text: Option<&str>) -> Option<Option<SystemTime>> {
    let Some(text) = text else { return Some(None) };
    let whole = text.strip_suffix('Z')?.split('.').next()?;
    let date: DateTime = format!("{whole}Z").parse().ok()?;
    Some(Some(date.to_system_time()))
}

const MOST_ENTRIES: usize = 1200;

const OLD_FORMAT: [&str; 18] = [
    "accessTokenAcceptedVersion",
    "allowPublicClient",
    "availableToOtherTenants",
    "errorUrl",
    "homepage",
    "informationalUrls",
    "knownClientApplications",
    "logoUrl",
    "logoutUrl",
    "name",
    "oauth2AllowIdTokenImplicitFlow",
    "oauth2AllowImplicitFlow",
    "oauth2AllowUrlPathMatching",
    "oauth2Permissions",
    "preAuthorizedApplications",
    "replyUrls",
    "replyUrlsWithType",
    "signInUrl",
];
