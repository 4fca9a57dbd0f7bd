//! A request to every place at which something can be scripted.

use std::error::Error;
use std::io;

use bytes::Bytes;
use cpv_consent::emulator::Endpoint;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use reqwest::RequestBuilder;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::bench::{Bench, FORM, GRAPH, REDIRECT, SECRET};

pub(super) const PLACES: [Endpoint; 16] = [
    Endpoint::Authorize,
    Endpoint::SignIn,
    Endpoint::Token,
    Endpoint::AdminConsent,
    Endpoint::Logout,
    Endpoint::Discovery,
    Endpoint::Keys,
    Endpoint::Customers,
    Endpoint::ApplicationConsents,
    Endpoint::Me,
    Endpoint::Organization,
    Endpoint::ServicePrincipals,
    Endpoint::PermissionGrants,
    Endpoint::Relationships,
    Endpoint::VaultKeys,
    Endpoint::ManagedIdentity,
];

/// A bench, and tokens for everything on it.
pub(super) struct Places {
    pub(super) bench: Bench,
    http: reqwest::Client,
    refresh: String,
    partner: String,
    graph: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Bytes, reqwest::Error>,
}

impl Places {
    pub(super) async fn new() -> Result<Self, Box<dyn Error>> {
        Self::on(Bench::new().await?).await
    }

    pub(super) async fn on(bench: Bench) -> Result<Self, Box<dyn Error>> {
        let reply = bench.redeem(&bench.code().await?, &[]).await?;
        let (refresh, partner) = (reply.text("refresh_token"), reply.text("access_token"));
        let scope = format!("{GRAPH}/Directory.Read.All");
        let graph = bench.exchange("organizations", refresh, &[("scope", &scope)]).await?;
        let graph = graph.text("access_token").to_owned();
        let (refresh, partner) = (refresh.to_owned(), partner.to_owned());
        bench.entra.forget_ledger();
        // A connection for each request: what breaks one leaves the others alone.
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        let http = http.pool_max_idle_per_host(0).build()?;
        Ok(Self { bench, http, refresh, partner, graph })
    }

    /// A request that a place answers by itself, if only with an error.
    pub(super) fn request(&self, at: Endpoint) -> RequestBuilder {
        let (bench, origins) = (&self.bench, self.bench.entra.origins());
        let login = format!("{}/{}", origins.login, bench.contoso);
        let get = |url: String| self.http.get(url);
        let graph =
            |path: &str| get(format!("{}/v1.0/{path}", origins.graph)).bearer_auth(&self.graph);
        match at {
            Endpoint::Authorize => get(bench.authorize_url(&bench.contoso.to_string(), &[]).into()),
            Endpoint::SignIn => self.form(&format!("{}/signin", origins.login), &[("flow", "x")]),
            Endpoint::Token => self.token(),
            Endpoint::AdminConsent => get(self.admin_consent_url()),
            Endpoint::Logout => get(format!("{login}/oauth2/v2.0/logout")),
            Endpoint::Discovery => get(format!("{login}/v2.0/.well-known/openid-configuration")),
            Endpoint::Keys => get(format!("{login}/discovery/v2.0/keys")),
            Endpoint::Customers => get(bench.customers_url()).bearer_auth(&self.partner),
            Endpoint::ApplicationConsents => self.consent(&json!({})),
            Endpoint::Me => graph("me"),
            Endpoint::Organization => graph("organization"),
            Endpoint::ServicePrincipals => graph("servicePrincipals"),
            Endpoint::PermissionGrants => graph("oauth2PermissionGrants"),
            Endpoint::Relationships => graph("tenantRelationships/delegatedAdminRelationships"),
            Endpoint::VaultKeys => get(format!("{}/keys/x?api-version=7.4", origins.key_vault)),
            Endpoint::ManagedIdentity => {
                get(format!("{}/metadata/identity/oauth2/token", origins.identity))
            }
            other => panic!("{other:?} is no single place"),
        }
    }

    /// A consent in Fabrikam's tenant.
    pub(super) fn consent(&self, body: &Value) -> RequestBuilder {
        let consents = format!("{}/applicationconsents", self.bench.fabrikam);
        let url = format!("{}/{consents}", self.bench.customers_url());
        self.http.post(url).bearer_auth(&self.partner).body(body.to_string())
    }

    fn token(&self) -> RequestBuilder {
        let client = self.bench.app.client_id().to_string();
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &client),
            ("client_secret", SECRET),
            ("refresh_token", &self.refresh),
        ];
        self.form(&self.bench.token_url(&self.bench.contoso.to_string()), &fields)
    }

    pub(super) fn admin_consent_url(&self) -> String {
        let client = self.bench.app.client_id().to_string();
        let scope = format!("{GRAPH}/.default");
        let fields = [
            ("client_id", client.as_str()),
            ("redirect_uri", REDIRECT),
            ("state", "the-state"),
            ("scope", &scope),
        ];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = self.bench.entra.login_origin();
        format!("{origin}/{}/v2.0/adminconsent?{query}", self.bench.contoso)
    }

    fn form(&self, url: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.http.request(Method::POST, url).header(CONTENT_TYPE, FORM).body(body)
    }

    pub(super) async fn ask(&self, at: Endpoint) -> Result<Heard, reqwest::Error> {
        Heard::of(self.request(at)).await
    }

    /// The status of a place, where there is an answer.
    pub(super) async fn status(&self, at: Endpoint) -> Option<u16> {
        Some(self.ask(at).await.ok()?.status)
    }
}

impl Heard {
    pub(super) async fn of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let reply = request.send().await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        Ok(Self { status, headers, body: reply.bytes().await })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn length(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }

    pub(super) fn json(&self) -> Value {
        let body = self.body.as_ref().map(Bytes::as_ref).unwrap_or_default();
        serde_json::from_slice(body).unwrap_or_default()
    }
}

/// Another place of another service than this.
pub(super) fn elsewhere(at: Endpoint) -> Endpoint {
    if matches!(at, Endpoint::Customers | Endpoint::ApplicationConsents) {
        return Endpoint::Me;
    }
    Endpoint::Customers
}

/// Another place of the same service, where it has one.
pub(super) fn beside(at: Endpoint) -> Endpoint {
    match at {
        Endpoint::Customers => Endpoint::ApplicationConsents,
        Endpoint::ApplicationConsents => Endpoint::Customers,
        Endpoint::Me => Endpoint::Organization,
        Endpoint::Organization
        | Endpoint::ServicePrincipals
        | Endpoint::PermissionGrants
        | Endpoint::Relationships => Endpoint::Me,
        Endpoint::VaultKeys => Endpoint::ManagedIdentity,
        Endpoint::ManagedIdentity => Endpoint::VaultKeys,
        Endpoint::Keys => Endpoint::Discovery,
        _ => Endpoint::Keys,
    }
}

/// What the system said of a connection.
pub(super) fn fault(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}
