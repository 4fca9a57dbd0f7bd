//! Applications, and how one proves itself at the token endpoint.
//!
//! Source: RFC 6749, section 2.3.1; RFC 7523; Microsoft identity platform, "Certificate
//! credentials".

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::assertion::{self, RegisteredCertificate};
use super::errors::Refusal;
use super::fields::Fields;
use super::state::World;
use crate::model::registration::AppRegistration;
use crate::model::secret::ClientSecret;
use crate::model::tenant::{ClientId, TenantId};

/// A registered application.
#[derive(Debug, Clone)]
pub(super) struct Application {
    pub(super) client_id: ClientId,
    pub(super) home: TenantId,
    pub(super) name: String,
    pub(super) redirect_uris: Vec<String>,
    pub(super) permissions: BTreeSet<(String, String)>,
    secrets: Vec<ClientSecret>,
    certificates: Vec<RegisteredCertificate>,
}

impl Application {
    /// What Entra would know of the registration: never its private key.
    pub(super) fn of(registration: &AppRegistration) -> Self {
        let permissions = registration.scopes().iter().map(|scope| {
            let resource = scope.resource().uri(registration.cloud());
            (resource.to_owned(), scope.permission().to_owned())
        });
        let certificate = registration.credential().as_certificate();
        let certificates = certificate.and_then(|own| RegisteredCertificate::from_der(own.der()));
        Self {
            client_id: registration.client_id(),
            home: registration.home(),
            name: "Vendor Panel".to_owned(),
            redirect_uris: vec![registration.redirect_uri().as_str().to_owned()],
            permissions: permissions.collect(),
            secrets: registration.credential().as_secret().cloned().into_iter().collect(),
            certificates: certificates.into_iter().collect(),
        }
    }

    /// Takes on another registration's credentials and addresses, as during a change-over.
    pub(super) fn merge(&mut self, other: Self) {
        self.redirect_uris.extend(other.redirect_uris);
        self.permissions.extend(other.permissions);
        self.secrets.extend(other.secrets);
        self.certificates.extend(other.certificates);
    }

    /// Exact, save that a port does not count on `localhost` ("Redirect URI restrictions").
    pub(super) fn admits_redirect(&self, asked: &str) -> bool {
        let without_port = |text: &str| {
            let mut url =
                url::Url::parse(text).ok().filter(|u| u.host_str() == Some("localhost"))?;
            url.set_port(None).ok()?;
            Some(url)
        };
        self.redirect_uris.iter().any(|known| {
            known == asked || without_port(known).is_some_and(|k| without_port(asked) == Some(k))
        })
    }
}

/// Which application sent a token request; exactly one way of proving it is taken (RFC 6749, 2.3).
pub(super) fn authenticate(
    world: &World,
    headers: &HeaderMap,
    fields: &Fields,
    token_url: &str,
) -> Result<ClientId, Refusal> {
    let basic = basic_credentials(headers)?;
    let in_body = fields.find("client_secret").or(fields.find("client_assertion"));
    if basic.is_some() && in_body.is_some() {
        return Err(Refusal::new(9_002_313).with_error("invalid_request"));
    }
    if let Some((client_id, secret)) = &basic {
        return with_secret(world, client_id, secret);
    }
    let client_id = fields.need("client_id")?;
    match (fields.find("client_secret"), fields.find("client_assertion")) {
        (Some(_), Some(_)) => Err(Refusal::new(9_002_313).with_error("invalid_request")),
        (Some(secret), None) => with_secret(world, client_id, secret),
        (None, Some(assertion)) => {
            let kind = fields.need("client_assertion_type")?;
            if kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
                return Err(Refusal::new(50_027));
            }
            with_assertion(world, client_id, assertion, token_url)
        }
        (None, None) => {
            application(world, client_id)?;
            Err(Refusal::new(7_000_218))
        }
    }
}

fn with_secret(world: &World, client_id: &str, secret: &str) -> Result<ClientId, Refusal> {
    let application = application(world, client_id)?;
    let known = application.secrets.iter().any(|known| known.expose() == secret);
    if known { Ok(application.client_id) } else { Err(Refusal::new(7_000_215)) }
}

fn with_assertion(
    world: &World,
    client_id: &str,
    text: &str,
    token_url: &str,
) -> Result<ClientId, Refusal> {
    let application = application(world, client_id)?;
    let client_id = application.client_id;
    assertion::verify(text, &application.certificates, client_id, token_url, world.now())?;
    Ok(client_id)
}

fn application(world: &World, client_id: &str) -> Result<Application, Refusal> {
    let unknown = |_| Refusal::new(700_016).about(client_id);
    let client_id = ClientId::parse(client_id).map_err(unknown)?;
    world.directory().application(client_id).cloned()
}

/// Both halves are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let malformed = || Refusal::new(9_002_313).with_error("invalid_request");
    let text = header.to_str().ok().and_then(|text| text.strip_prefix("Basic "));
    let bytes = text.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(malformed)?;
    let pair = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (client_id, secret) = pair.split_once(':').ok_or_else(malformed)?;
    Ok(Some((form_decoded(client_id), form_decoded(secret))))
}

fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        //
        let pair = STANDARD.encode("app:a%2Bb%26c%3Dd%25+e");
        let value = HeaderValue::try_from(format!("Basic {pair}")).expect("visible ASCII");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        let credentials = basic_credentials(&headers).expect("well-formed").expect("present");
        assert_eq!(credentials, ("app".to_owned(), "a+b&c=d% e".to_owned()));
    }
}
