//! The vendor's multi-tenant application, as a model that cannot be wrong.
//!
//! Source: Microsoft Graph's `application` resource; Microsoft identity platform, "Redirect URI
//! restrictions and limitations" and "Certificate credentials". There is no way to say app-only
//! here: everything done for a partner is delegated, application plus user.

use std::collections::BTreeMap;

use url::Url;

use super::cloud::{Cloud, Environment, Realm, is_loopback};
use super::invalid::Invalid;
use super::resource_id;
use super::scope::{Resource, Scope, Scopes};
use super::tenant::{ClientId, TenantId};

mod certificate;
mod credential;
mod supplier;

pub use self::certificate::Certificate;
pub(crate) use self::certificate::Key;
pub use self::credential::ClientCredential;
pub(crate) use self::credential::Kind;
pub use self::supplier::{
    AssertionSource, CredentialError, CredentialProvider, FederatedAssertion, SigningKey,
};

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
    display_name: Option<String>,
    resource_ids: BTreeMap<Resource, ClientId>,
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
        let (display_name, resource_ids) = (None, BTreeMap::new());
        Ok(Self {
            cloud,
            environment,
            home,
            client_id,
            credential,
            redirect_uri,
            scopes,
            display_name,
            resource_ids,
        })
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

    /// Its name in Entra, which Partner Center is told when a customer's consent is
    /// [granted](crate::Customer::grant): at most 256 characters.
    ///
    /// # Errors
    /// [`Invalid`] for one that is empty, longer, or has a control character in it.
    pub fn display_name(mut self, name: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "1 to 256 characters, as the application is named in Entra";
        let fits = !name.trim().is_empty() && name.chars().count() <= 256;
        if !fits || name.contains(char::is_control) {
            return Err(Invalid::new("display_name", "cannot be an application's name", EXPECTED));
        }
        self.display_name = Some(name.to_owned());
        Ok(self)
    }

    /// Says under which application id Entra knows a [custom](Resource::custom) resource, to grant
    /// permissions of it to customers. Those of Microsoft's common APIs are known, and one that stands in
    /// the URI, as in `api://{id}`, is read there.
    #[must_use]
    pub fn with_resource_id(mut self, resource: Resource, id: ClientId) -> Self {
        self.resource_ids.insert(resource, id);
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

    /// Its name in Entra, where it was said.
    pub(crate) fn name(&self) -> Option<&str> {
        self.display_name.as_deref()
    }

    /// The application id of a resource, where it was said or is known.
    pub(crate) fn id_of(&self, resource: &Resource) -> Option<ClientId> {
        self.resource_ids.get(resource).copied().or_else(|| resource_id::of(resource))
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
    if url.path().contains("//") {
        return wrong("has an empty part in its path");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
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
            "https://panel.example//callback",
            "https://user@panel.example/callback",
        ] {
            assert_eq!(with_redirect(text).expect_err(text).field(), "redirect_uri");
        }
        assert!(with_redirect("https://panel.example/callback").is_ok());
        assert!(with_redirect("http://localhost:8400/callback").is_ok());
    }
}
