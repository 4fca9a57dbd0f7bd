//! The back channel: each grant a form, each reply a type. Nothing is sent twice here.
//!
//! Sources: RFC 6749, sections 4.1.3, 5 and 6; Microsoft identity platform, "OAuth 2.0
//! authorization code flow" and "Refresh tokens".

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response};
use oauth2::AuthorizationCode;
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};
use uuid::Builder;

use crate::model::clock::Clock;
use crate::model::cloud::{Authority, Cloud};
use crate::model::entra_error::EntraError;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::{AccessToken, RefreshToken, random};
use crate::model::tenant::ClientId;
use crate::transport::client_assertion::{ClientAuthentication, CredentialError};
use crate::transport::http::{HttpError, Wire};

mod reply;

/// Why there is no token. Nothing was retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TokenError {
    /// No reply. Whether the server saw the request is not known.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Entra refused.
    #[error(transparent)]
    Entra(#[from] EntraError),
    /// A reply that no token endpoint gives.
    #[error(transparent)]
    BadReply(#[from] BadReply),
    /// Our own application could not prove itself; nothing was sent.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The registration names no scope of this resource; nothing was sent.
    #[error("the registration requests no scope of {0}")]
    NoScope(Resource),
}

/// What is wrong with a reply that is neither tokens nor a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token endpoint's reply {0}")]
pub struct BadReply(&'static str);

impl BadReply {
    pub(crate) const NO_ID_TOKEN: Self = Self("has no ID token");
    pub(crate) const NO_REFRESH_TOKEN: Self = Self("has no refresh token");
    pub(crate) const NO_LIFE: Self = Self("has an access token that is over already");
}

/// A token endpoint of one cloud, as one application speaks to it.
#[derive(Debug)]
pub(crate) struct TokenEndpoint {
    wire: Wire,
    authentication: ClientAuthentication,
    cloud: Cloud,
    client_id: ClientId,
    clock: Arc<dyn Clock>,
}

/// Tokens, as they came: whose they are is for the caller to check.
#[derive(Debug)]
pub(crate) struct TokenReply {
    pub(crate) access_token: AccessToken,
    /// Counted from before the request was sent, so never too late.
    pub(crate) expires_at: SystemTime,
    /// It was said to have no life at all.
    pub(crate) is_over: bool,
    /// `None`: keep the old one.
    pub(crate) refresh_token: Option<RefreshToken>,
    pub(crate) id_token: Option<IdTokenText>,
    /// `None`: as asked (RFC 6749, section 5.1).
    pub(crate) granted: Option<Scopes>,
}

/// An ID token that nobody has verified yet. It holds a name, so it is kept out of logs.
#[derive(Clone)]
pub(crate) struct IdTokenText(SecretString);

impl IdTokenText {
    pub(crate) fn new(text: String) -> Option<Self> {
        let wellformed = text.len() <= LONGEST_ID_TOKEN && text.is_ascii();
        wellformed.then(|| Self(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for IdTokenText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("IdTokenText([redacted])")
    }
}

impl TokenEndpoint {
    pub(crate) fn new(
        app: &AppRegistration,
        authentication: ClientAuthentication,
        wire: Wire,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (cloud, client_id) = (app.cloud().clone(), app.client_id());
        Self { wire, authentication, cloud, client_id, clock }
    }

    /// Redeems a code at the authority that its request was sent to. A code is good for one try.
    pub(crate) async fn redeem_code(
        &self,
        authority: &Authority,
        code: &AuthorizationCode,
        verifier: &str,
        redirect_uri: &Url,
        resource: &Resource,
        scopes: &Scopes,
    ) -> Result<TokenReply, TokenError> {
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code.secret()),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri.as_str()),
        ];
        self.redeem(authority, &grant, resource, scopes).await
    }

    /// Redeems a refresh token for one resource, at the partner's tenant or a customer's.
    pub(crate) async fn redeem_refresh_token(
        &self,
        authority: &Authority,
        token: &RefreshToken,
        resource: &Resource,
        scopes: &Scopes,
        claims: Option<&str>,
    ) -> Result<TokenReply, TokenError> {
        let mut grant = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        grant.extend(claims.map(|claims| ("claims", claims)));
        self.redeem(authority, &grant, resource, scopes).await
    }

    async fn redeem(
        &self,
        authority: &Authority,
        grant: &[(&str, &str)],
        resource: &Resource,
        scopes: &Scopes,
    ) -> Result<TokenReply, TokenError> {
        let scopes = scopes.of(resource);
        if scopes.is_empty() {
            return Err(TokenError::NoScope(resource.clone()));
        }
        let (url, scope) = (authority.token_url(), scopes.request_value(&self.cloud));
        let request_id = Builder::from_random_bytes(random()).into_uuid().to_string();
        let body = self.form(&url, grant, &scope).await?;
        let sent_at = self.clock.now();
        let reply = self.wire.send(post(&url, &request_id, body)).await?;
        let received_at = self.clock.now();
        self.forget_if_refused(&url, &reply);
        let reading = reply::Reading { sent_at, received_at, request_id: &request_id };
        reading.read(&reply, resource, &self.cloud)
    }

    async fn form(
        &self,
        url: &Url,
        grant: &[(&str, &str)],
        scope: &str,
    ) -> Result<Bytes, CredentialError> {
        let proof = self.authentication.form_fields(url).await?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id.to_string()).append_pair("scope", scope);
        form.extend_pairs(grant);
        form.extend_pairs(proof.iter().map(|(name, value)| (name, value.as_str())));
        Ok(form.finish().into())
    }

    fn forget_if_refused(&self, url: &Url, reply: &Response<Bytes>) {
        if reply.status().is_client_error() {
            self.authentication.forget(url);
        }
    }
}

fn post(url: &Url, request_id: &str, body: Bytes) -> Request<Bytes> {
    Request::post(url.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .header("client-request-id", request_id)
        .body(body)
        .expect("an authority's address and these headers make a request")
}

const LONGEST_ID_TOKEN: usize = 64 * 1024;

#[cfg(test)]
mod tests;
