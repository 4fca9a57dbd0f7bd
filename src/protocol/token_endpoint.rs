//! The back channel: each grant a form, each reply a type. Nothing is sent twice here.
//!
//! Sources: RFC 6749, sections 4.1.3, 5 and 6; Microsoft identity platform, "OAuth 2.0
//! authorization code flow" and "Refresh tokens".

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use oauth2::AuthorizationCode;
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};
use uuid::Builder;

use crate::model::clock::Clock;
use crate::model::cloud::{Authority, Cloud, Directory};
use crate::model::entra_error::EntraError;
use crate::model::registration::{AppRegistration, CredentialError};
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::{AccessToken, RefreshToken, random};
use crate::model::tenant::ClientId;
use crate::storage::budget::Budget;
use crate::transport::client_assertion::{ClientAuthentication, Proof, Verdict};
use crate::transport::http::{HttpError, Wire};
use crate::transport::pace::{Closed, Ticket, Urgency};
use crate::transport::throttle::{Rest, Throttle};

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
    /// It is left alone for a while; nothing was sent.
    #[error("left alone for now")]
    Resting(Rest),
    /// The application is refused everywhere; nothing was sent.
    #[error("the application is refused")]
    CircuitOpen(Rest),
    /// The consent is over, or another, since it was read; nothing was sent.
    #[error("the consent is another by now")]
    Superseded,
    /// The broker gave its share of the budget back; nothing was sent.
    #[error("nothing more is sent")]
    Closed,
}

impl From<Closed> for TokenError {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
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
    /// The directories that asked to be left alone.
    throttle: Throttle<Directory>,
    /// How many requests may be sent in a second, where that is rationed.
    budget: Option<Budget>,
}

/// Tokens, as they came: whose they are is for the caller to check.
#[derive(Debug)]
pub(crate) struct TokenReply {
    pub(crate) access_token: AccessToken,
    /// How long it took to come.
    pub(crate) took: Duration,
    /// What was left of its life when it came, counted from before the request was sent.
    pub(crate) left: Duration,
    /// When that is over, by the wall clock.
    pub(crate) expires_at: SystemTime,
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
        let throttle = Throttle::new(clock.clone());
        Self { wire, authentication, cloud, client_id, clock, throttle, budget: None }
    }

    /// Sends no more than a budget allows.
    pub(crate) fn within(mut self, budget: Option<Budget>) -> Self {
        self.budget = budget;
        self
    }

    /// Leave for a person who has just signed in.
    pub(crate) async fn sign_in_ticket(&self, authority: &Authority) -> Result<Ticket, TokenError> {
        let Some(budget) = &self.budget else { return Ok(Ticket::FREE) };
        self.sign_ahead(authority).await?;
        Ok(budget.ticket(Urgency::SignIn).await?)
    }

    /// Leave to ask a directory for somebody who waits, as long as it is `wanted`. What can be signed
    /// beforehand is, so that nothing slow stands between the leave and the request.
    pub(crate) async fn ticket_at(
        &self,
        authority: &Authority,
        wanted: impl Fn() -> bool + Send,
    ) -> Result<Option<Ticket>, TokenError> {
        if self.budget.is_some() {
            self.sign_ahead(authority).await?;
        }
        self.ticket_if(wanted).await
    }

    async fn ticket_if(
        &self,
        wanted: impl Fn() -> bool + Send,
    ) -> Result<Option<Ticket>, TokenError> {
        match &self.budget {
            Some(budget) => Ok(budget.ticket_if(Urgency::Caller, wanted).await?),
            None => Ok(Some(Ticket::FREE)),
        }
    }

    async fn sign_ahead(&self, authority: &Authority) -> Result<(), TokenError> {
        Ok(self.authentication.sign_ahead(&authority.token_url()).await?)
    }

    /// Waits until nobody who waits for a token needs the leave, as long as it is `wanted`.
    pub(crate) async fn spare_ticket(&self, wanted: impl Fn() -> bool + Send) -> Option<Ticket> {
        match &self.budget {
            Some(budget) => budget.ticket_if(Urgency::Spare, wanted).await.ok().flatten(),
            None => Some(Ticket::FREE),
        }
    }

    /// Whether a directory's token endpoint may be asked now.
    pub(crate) fn check(&self, authority: &Authority) -> Result<(), TokenError> {
        let resting = self.throttle.find(&authority.directory());
        resting.map_or(Ok(()), |rest| Err(TokenError::Resting(rest)))
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
        let asking = self.asking(authority, &grant, resource, scopes)?;
        let ticket = self.sign_in_ticket(authority).await?;
        let proof = self.authentication.sure_proof(&asking.url).await?;
        self.ask(ticket, &asking, &proof).await
    }

    /// Redeems a refresh token for one resource, at the partner's tenant or a customer's.
    pub(crate) async fn redeem_refresh_token(
        &self,
        ticket: Ticket,
        authority: &Authority,
        token: &RefreshToken,
        resource: &Resource,
        scopes: &Scopes,
        claims: Option<&str>,
    ) -> Result<TokenReply, TokenError> {
        let mut grant = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        grant.extend(claims.map(|claims| ("claims", claims)));
        let asking = self.asking(authority, &grant, resource, scopes)?;
        let proof = self.authentication.proof(&asking.url).await?;
        let reply = self.ask(ticket, &asking, &proof).await;
        if !is_of_credential(&reply) || !self.authentication.has_other(&proof) {
            return reply;
        }
        // Waited for before the other is signed, which does not live long.
        let Ok(Some(ticket)) = self.ticket_if(|| true).await else { return reply };
        match self.authentication.instead_of(&proof, &asking.url).await {
            Some(other) => self.ask(ticket, &asking, &other).await,
            None => reply,
        }
    }

    /// Nothing that was signed so far is shown any more.
    pub(crate) async fn start_anew(&self) -> Result<(), CredentialError> {
        self.authentication.start_anew().await
    }

    fn asking<'a>(
        &'a self,
        authority: &'a Authority,
        grant: &'a [(&'a str, &'a str)],
        resource: &'a Resource,
        scopes: &Scopes,
    ) -> Result<Asking<'a>, TokenError> {
        let scopes = scopes.of(resource);
        if scopes.is_empty() {
            return Err(TokenError::NoScope(resource.clone()));
        }
        let (url, scope) = (authority.token_url(), scopes.request_value(&self.cloud));
        Ok(Asking { authority, url, scope, grant, resource })
    }

    /// The only place where a request is sent, so each takes a ticket.
    async fn ask(
        &self,
        _ticket: Ticket,
        asking: &Asking<'_>,
        proof: &Proof,
    ) -> Result<TokenReply, TokenError> {
        let request_id = Builder::from_random_bytes(random()).into_uuid().to_string();
        tracing::Span::current().record("correlation_id", request_id.as_str());
        let body = self.form(asking, proof);
        self.check(asking.authority)?;
        let sent_at = self.clock.monotonic();
        let reply = self.wire.send(post(&asking.url, &request_id, body)).await?;
        let received_at = self.clock.now();
        let took = self.clock.monotonic().saturating_sub(sent_at);
        let reading = reply::Reading { took, received_at, request_id: &request_id };
        let outcome = reading.read(&reply, asking.resource, &self.cloud);
        self.leave_alone(asking.authority, &outcome);
        self.authentication.learn(proof, verdict(&outcome)).await;
        outcome
    }

    /// A refusal says for how long; a success never does.
    fn leave_alone(&self, authority: &Authority, read: &Result<TokenReply, TokenError>) {
        let Err(TokenError::Entra(refusal)) = read else { return };
        if let Some(wait) = refusal.retry_after() {
            self.throttle.rest(authority.directory(), wait);
        }
    }

    fn form(&self, asking: &Asking<'_>, proof: &Proof) -> Bytes {
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(FORM));
        form.append_pair("client_id", &self.client_id.to_string());
        form.append_pair("scope", &asking.scope);
        form.extend_pairs(asking.grant);
        form.extend_pairs(proof.fields());
        form.finish().into()
    }
}

/// A request for tokens, but for the proof of who asks.
struct Asking<'a> {
    authority: &'a Authority,
    url: Url,
    scope: String,
    grant: &'a [(&'a str, &'a str)],
    resource: &'a Resource,
}

/// What an outcome says of our own credential.
fn verdict(outcome: &Result<TokenReply, TokenError>) -> Verdict {
    match outcome {
        Ok(_) => Verdict::Taken,
        Err(TokenError::Entra(refusal)) if refusal.cause().is_credential() => {
            Verdict::Refused(refusal.to_string())
        }
        Err(TokenError::Entra(refusal)) if refusal.status().is_some_and(is_client_error) => {
            Verdict::Declined
        }
        Err(_) => Verdict::Open,
    }
}

fn is_of_credential(outcome: &Result<TokenReply, TokenError>) -> bool {
    matches!(verdict(outcome), Verdict::Refused(_))
}

const fn is_client_error(status: u16) -> bool {
    status / 100 == 4
}

fn post(url: &Url, request_id: &str, body: Bytes) -> Request<Bytes> {
    Request::post(url.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .header("client-request-id", request_id)
        .body(body)
        .expect("an authority's address and these headers make a request")
}

/// Room for a form with two tokens, as long as they usually are.
const FORM: usize = 4096;
const LONGEST_ID_TOKEN: usize = 64 * 1024;

#[cfg(test)]
mod tests;
