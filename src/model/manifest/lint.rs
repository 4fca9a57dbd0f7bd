//! What is looked at, in the order of the findings.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::document::{Access, AccessKind, Credential, Document, Required};
use super::finding::ManifestFinding;
use super::permission::{self, AZURE_AD_GRAPH, PARTNER_CENTER, Permission};
use super::{redirect, writing};
use crate::model::cloud::Cloud;
use crate::model::registration::{AppRegistration, Certificate};

/// A manifest beside the registration that it should serve.
pub(super) struct Lint<'a> {
    pub(super) manifest: &'a Document,
    pub(super) app: &'a AppRegistration,
    pub(super) panel: Option<&'a str>,
    pub(super) now: SystemTime,
}

impl Lint<'_> {
    pub(super) fn findings(&self) -> Vec<ManifestFinding> {
        let mut findings = Vec::new();
        findings.extend(self.identity());
        findings.extend(self.audience());
        findings.extend(self.redirects());
        findings.extend(self.missing_permissions());
        findings.extend(self.other_permissions());
        findings.extend(self.openings());
        findings.extend(self.credentials());
        findings.extend(self.claims());
        findings.extend(self.publisher());
        findings
    }

    fn identity(&self) -> Option<ManifestFinding> {
        match self.manifest.app_id {
            None => Some(ManifestFinding::ApplicationNotNamed),
            Some(found) if found == self.app.client_id() => None,
            Some(found) => Some(ManifestFinding::OtherApplication { found }),
        }
    }

    fn audience(&self) -> Option<ManifestFinding> {
        let found = self.manifest.sign_in_audience.as_deref().unwrap_or("not set");
        (found != writing::AUDIENCE)
            .then(|| ManifestFinding::WrongAudience { found: found.to_owned() })
    }

    fn redirects(&self) -> Vec<ManifestFinding> {
        let own = self.app.redirect_uri().as_str();
        let (web, others) = (self.manifest.web_redirects(), self.manifest.other_redirects());
        let missing = !web.iter().any(|uri| redirect::serves(uri, own));
        let missing = missing.then_some(ManifestFinding::RedirectMissing);
        let others: Vec<_> = others.collect();
        let public = others.iter().filter(|(_, uri)| redirect::serves(uri, own));
        let public = public.map(|(member, _)| ManifestFinding::RedirectOfPublicClient { member });
        let refused = web.iter().enumerate().filter_map(|(index, uri)| {
            let problem = redirect::problem(uri)?;
            Some(ManifestFinding::RedirectNotTaken { index, problem })
        });
        let count = web.len() + others.len();
        let many = (count > redirect::MOST).then_some(ManifestFinding::TooManyRedirects(count));
        missing.into_iter().chain(public).chain(refused).chain(many).chain(self.host()).collect()
    }

    fn host(&self) -> Option<ManifestFinding> {
        let redirect = self.app.redirect_uri().host_str().unwrap_or_default();
        let panel = redirect::host_of(self.panel?);
        let redirect = redirect.to_owned();
        if panel == redirect {
            return None;
        }
        Some(ManifestFinding::RedirectElsewhere { redirect, panel })
    }

    fn missing_permissions(&self) -> impl Iterator<Item = ManifestFinding> {
        let scopes = self.app.scopes();
        let missing = scopes
            .iter()
            .filter(|scope| Permission::of(scope).is_some_and(|permission| !self.has(permission)));
        let sign_in = Permission::sign_in().filter(|permission| !self.has(*permission));
        let sign_in =
            sign_in.filter_map(|missing| permission::name_of(missing.resource, missing.id));
        let sign_in = sign_in.map(ManifestFinding::SignInPermissionMissing);
        let unknown = scopes.iter().filter(|scope| Permission::of(scope).is_none());
        let missing = missing.cloned().map(ManifestFinding::PermissionMissing);
        missing.chain(sign_in).chain(unknown.cloned().map(ManifestFinding::PermissionNotLookedFor))
    }

    fn has(&self, permission: Permission) -> bool {
        let mut all = self.accesses();
        all.any(|(required, access)| {
            access.kind == AccessKind::Scope && is(required, access, permission)
        })
    }

    /// Those that nobody asks for.
    fn other_permissions(&self) -> Vec<ManifestFinding> {
        let asked: Vec<_> = self.app.scopes().iter().filter_map(Permission::of).collect();
        let asked = asked.into_iter().chain(Permission::sign_in()).collect::<Vec<_>>();
        let (mut beyond, mut app_only, mut old) = (Vec::new(), Vec::new(), None);
        for (required, access) in self.accesses() {
            let is_asked = asked.iter().any(|asked| is(required, access, *asked));
            match (names(required, PARTNER_CENTER), access.kind) {
                (true, AccessKind::Role) => {
                    app_only.push(ManifestFinding::AppOnlyPartnerCenter { id: access.id.clone() })
                }
                _ if names(required, AZURE_AD_GRAPH) => old = Some(ManifestFinding::AzureAdGraph),
                (_, AccessKind::Role) => app_only.push(ManifestFinding::ApplicationPermission {
                    resource: required.resource_app_id,
                    id: access.id.clone(),
                }),
                (_, AccessKind::Scope) if is_asked => {}
                (_, AccessKind::Scope) if self.may_be_asked(required, access) => {}
                _ => beyond.push(beyond_asked(required, access)),
            }
        }
        beyond.into_iter().chain(app_only).chain(old).collect()
    }

    /// Whether it may be a permission that is asked for and whose id is not known.
    fn may_be_asked(&self, required: &Required, access: &Access) -> bool {
        let resource = required.resource_app_id.to_string();
        let mut unknown = self.app.scopes().iter().filter(|scope| Permission::of(scope).is_none());
        unknown.any(|scope| match permission::resource_of(scope) {
            Some(asked) => asked == resource && permission::name_of(asked, &access.id).is_none(),
            None => !permission::is_known(&resource),
        })
    }

    fn accesses(&self) -> impl Iterator<Item = (&Required, &Access)> {
        let required = self.manifest.required().iter();
        required.flat_map(|one| one.resource_access.iter().map(move |access| (&**one, &**access)))
    }

    /// Ways in that this work does not need.
    fn openings(&self) -> Vec<ManifestFinding> {
        let manifest = self.manifest;
        let public = manifest.is_fallback_public_client == Some(true);
        let implicit = manifest.implicit_grants();
        let implicit = implicit.map(|member| ManifestFinding::ImplicitGrant { member });
        let mapped = manifest.takes_mapped_claims().then_some(ManifestFinding::MappedClaims);
        let unlocked = (!manifest.is_locked()).then_some(ManifestFinding::Unlocked);
        let public = public.then_some(ManifestFinding::FallbackPublicClient);
        public.into_iter().chain(implicit).chain(mapped).chain(unlocked).collect()
    }

    fn credentials(&self) -> Vec<ManifestFinding> {
        let (certificates, passwords) = (self.manifest.certificates(), self.manifest.passwords());
        let better = !certificates.is_empty() || self.app.credential().is_federated();
        let beside = better && !passwords.is_empty();
        let beside = beside.then_some(ManifestFinding::SecretBesideBetter(passwords.len()));
        let all = || certificates.iter().chain(passwords);
        let ended = all().filter_map(|one| self.ended(one));
        let ending = all().filter_map(|one| self.ending(one));
        self.own_credential().into_iter().chain(beside).chain(ended).chain(ending).collect()
    }

    /// What comes from a provider or another issuer stands elsewhere.
    fn own_credential(&self) -> Option<ManifestFinding> {
        let credential = self.app.credential();
        if let Some(certificate) = credential.as_certificate() {
            let there = self.manifest.certificates().iter().any(|one| shows(one, certificate));
            return (!there).then_some(ManifestFinding::CertificateMissing);
        }
        let none = credential.as_secret().is_some() && self.manifest.passwords().is_empty();
        none.then_some(ManifestFinding::SecretMissing)
    }

    fn ended(&self, credential: &Credential) -> Option<ManifestFinding> {
        let at = credential.end().filter(|end| *end <= self.now)?;
        Some(ManifestFinding::CredentialEnded { name: credential.name().to_owned(), at })
    }

    fn ending(&self, credential: &Credential) -> Option<ManifestFinding> {
        let soon = self.now..=self.now + SOON;
        let at = credential.end().filter(|end| *end > self.now && soon.contains(end))?;
        Some(ManifestFinding::CredentialEndsSoon { name: credential.name().to_owned(), at })
    }

    fn claims(&self) -> impl Iterator<Item = ManifestFinding> {
        let lacks = |claim| !self.manifest.asks_for(claim);
        let auth_time = lacks(writing::AUTH_TIME).then_some(ManifestFinding::AuthTimeNotAsked);
        let acct = lacks(writing::ACCT).then_some(ManifestFinding::AcctNotAsked);
        let roles = !self.manifest.asks_for_roles();
        let roles = roles.then_some(ManifestFinding::RolesNotAsked);
        auth_time.into_iter().chain(acct).chain(roles)
    }

    /// Publishers are verified in the worldwide cloud alone.
    fn publisher(&self) -> Option<ManifestFinding> {
        let possible = matches!(self.app.cloud(), Cloud::Global | Cloud::Custom(_));
        (possible && !self.manifest.has_verified_publisher())
            .then_some(ManifestFinding::PublisherNotVerified)
    }
}

fn names(required: &Required, resource: &str) -> bool {
    required.resource_app_id.to_string() == resource
}

fn is(required: &Required, access: &Access, permission: Permission) -> bool {
    names(required, permission.resource) && access.id.eq_ignore_ascii_case(permission.id)
}

fn beyond_asked(required: &Required, access: &Access) -> ManifestFinding {
    let resource = required.resource_app_id;
    let name = permission::name_of(&resource.to_string(), &access.id);
    let permission = name.unwrap_or(&access.id).to_owned();
    ManifestFinding::PermissionBeyond { resource, permission }
}

/// By its bytes, or by its thumbprint: base64 of the SHA-1, or the same as the portal shows it.
fn shows(credential: &Credential, certificate: &Certificate) -> bool {
    let thumbprint = writing::thumbprint(certificate);
    let hex: String = thumbprint.iter().map(|byte| format!("{byte:02X}")).collect();
    let is = |text: &Option<String>, other: &str| text.as_deref() == Some(other);
    let shown = &credential.custom_key_identifier;
    is(&credential.key, &STANDARD.encode(certificate.der()))
        || is(shown, &STANDARD.encode(thumbprint))
        || shown.as_ref().is_some_and(|shown| shown.eq_ignore_ascii_case(&hex))
}

/// Enough to have a successor approved and brought out.
const SOON: Duration = Duration::from_secs(30 * 86_400);
