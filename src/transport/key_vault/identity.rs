//! The identity that Azure gives to a machine, in place of a credential that somebody keeps.
//!
//! Sources: "How to use managed identities for Azure resources on an Azure VM to acquire an access
//! token"; "How to use managed identities for App Service and Azure Functions". The headers that
//! both want are what a request that somebody was tricked into sending does not have.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use url::{Host, Url};

use crate::model::cloud::{is_loopback, origin};
use crate::model::invalid::Invalid;
use crate::model::tenant::ClientId;
use crate::transport::http::Wire;
use crate::transport::key_vault::error::KeyVaultError;
use crate::transport::key_vault::token_reply::TokenReply;

/// A managed identity: where to ask for it, and which one if there are several.
///
/// Source: Microsoft Entra, "Managed identities for Azure resources".
#[derive(Clone)]
pub struct ManagedIdentity {
    endpoint: Url,
    variant: Variant,
    client_id: Option<ClientId>,
}

#[derive(Clone)]
enum Variant {
    Machine,
    AppService(HeaderValue),
}

impl ManagedIdentity {
    /// The identity of this virtual machine, container or scale set (IMDS).
    #[must_use]
    pub fn of_machine() -> Self {
        Self::at_machine(IMDS)
    }

    /// The identity of this App Service, Function or Container App, from the variables
    /// `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` that it finds in its environment.
    ///
    /// # Errors
    /// [`Invalid`] when one is missing, or when the endpoint is not on this machine.
    pub fn of_app_service() -> Result<Self, Invalid> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self::app_service(&variable("IDENTITY_ENDPOINT"), &variable("IDENTITY_HEADER"))
    }

    /// As [`of_app_service`](Self::of_app_service), from values of your own.
    ///
    /// # Errors
    /// [`Invalid`] when one is empty, or when the endpoint is not on this machine.
    pub fn app_service(endpoint: &str, header: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "the values of IDENTITY_ENDPOINT and IDENTITY_HEADER";
        let wrong = |problem| Invalid::new("managed identity", problem, EXPECTED);
        let url = Url::parse(endpoint).map_err(|_| wrong("has no endpoint"))?;
        if !is_near(&url) {
            return Err(wrong("has an endpoint that is not on this machine"));
        }
        let value = HeaderValue::try_from(header).ok().filter(|value| !value.is_empty());
        let mut value = value.ok_or_else(|| wrong("has no header"))?;
        value.set_sensitive(true);
        Ok(Self { endpoint: url, variant: Variant::AppService(value), client_id: None })
    }

    /// An identity endpoint of a cloud on this machine, such as the emulator's.
    ///
    /// # Errors
    /// [`Invalid`] when it is not a loopback origin.
    pub fn danger_loopback(at: &str) -> Result<Self, Invalid> {
        let text = origin("managed identity", at, true)?;
        if !Url::parse(&text).is_ok_and(|url| is_loopback(&url)) {
            const EXPECTED: &str = "an origin on this machine";
            return Err(Invalid::new("managed identity", "is elsewhere", EXPECTED));
        }
        Ok(Self::at_machine(&text))
    }

    /// Which of several identities, by its client id.
    #[must_use]
    pub const fn client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }

    fn at_machine(origin: &str) -> Self {
        let mut endpoint = Url::parse(origin).expect("an origin that was checked");
        endpoint.set_path("/metadata/identity/oauth2/token");
        Self { endpoint, variant: Variant::Machine, client_id: None }
    }

    fn request(&self, resource: &str) -> Request<Bytes> {
        let (version, name, value) = match &self.variant {
            Variant::Machine => ("2018-02-01", "Metadata", HeaderValue::from_static("true")),
            Variant::AppService(header) => ("2019-08-01", "X-IDENTITY-HEADER", header.clone()),
        };
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(client_id) = self.client_id {
            url.query_pairs_mut().append_pair("client_id", &client_id.to_string());
        }
        let request = Request::get(url.as_str()).header(name, value);
        request.body(Bytes::new()).expect("a URL and a header make a request")
    }
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.endpoint.host_str().unwrap_or_default();
        out.debug_struct("ManagedIdentity")
            .field("host", &host)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Such an endpoint is plain http, so it must not be further away than this machine.
fn is_near(url: &Url) -> bool {
    let link_local = matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local());
    matches!(url.scheme(), "http" | "https") && (is_loopback(url) || link_local)
}

/// A managed identity as a vault's caller.
#[derive(Debug)]
pub(super) struct IdentityEndpoint {
    identity: ManagedIdentity,
    resource: String,
    wire: Wire,
}

impl IdentityEndpoint {
    pub(super) const fn new(identity: ManagedIdentity, resource: String, wire: Wire) -> Self {
        Self { identity, resource, wire }
    }

    pub(super) async fn token(&self) -> Result<TokenReply, KeyVaultError> {
        let reply = self.wire.send(self.identity.request(&self.resource)).await?;
        if reply.status() != StatusCode::OK {
            return Err(KeyVaultError::Identity { status: reply.status().as_u16() });
        }
        TokenReply::parse(reply.body())
    }
}

const IMDS: &str = "http://169.254.169.254";

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "https://vault.azure.net";

    #[test]
    fn a_machine_is_asked_with_the_header_that_guards_it() {
        let client = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let request = ManagedIdentity::of_machine().client_id(client).request(RESOURCE);
        assert_eq!(
            request.uri(),
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
             &resource=https%3A%2F%2Fvault.azure.net&client_id=22222222-2222-4222-8222-222222222222"
        );
        assert_eq!(request.headers()["Metadata"], "true");
    }

    #[test]
    fn an_app_service_is_asked_with_its_own_header() {
        let endpoint = "http://127.0.0.1:41741/msi/token/";
        let identity = ManagedIdentity::app_service(endpoint, "canary-header").expect("near");
        let request = identity.request(RESOURCE);
        assert_eq!(
            request.uri(),
            "http://127.0.0.1:41741/msi/token/?api-version=2019-08-01\
             &resource=https%3A%2F%2Fvault.azure.net"
        );
        assert_eq!(request.headers()["X-IDENTITY-HEADER"], "canary-header");
        assert!(request.headers().get("Metadata").is_none());
        assert!(!format!("{identity:?} {request:?}").contains("canary"));
    }

    #[test]
    fn an_identity_endpoint_elsewhere_is_refused() {
        for (endpoint, header) in [
            ("", "x"),
            ("http://10.0.0.1/msi/token", "x"),
            ("http://evil.example/msi/token", "x"),
            ("https://evil.example/msi/token", "x"),
            ("ftp://127.0.0.1/msi/token", "x"),
            ("http://127.0.0.1/msi/token", ""),
            ("http://127.0.0.1/msi/token", "a\nb"),
        ] {
            assert!(ManagedIdentity::app_service(endpoint, header).is_err(), "{endpoint}");
        }
        assert!(ManagedIdentity::app_service("http://169.254.130.3:8081/msi/token", "x").is_ok());
        assert!(ManagedIdentity::danger_loopback("http://127.0.0.1:8404").is_ok());
        for at in ["http://169.254.169.254", "https://evil.example", "http://127.0.0.1/x"] {
            assert!(ManagedIdentity::danger_loopback(at).is_err(), "{at}");
        }
    }
}
