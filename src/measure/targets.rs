//! What a network sends, read from any bytes: plain functions for property tests and fuzzers.
//!
//! Each says what was made of the bytes, so that more can be asked than that nothing panicked.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};

use crate::model::clock::{Clock, VirtualClock};
use crate::model::cloud::Authority;
use crate::model::event::Observers;
use crate::model::invitation::LinkToken;
use crate::model::registration::AppRegistration;
use crate::model::scope::Resource;
use crate::model::secret::{AccessToken, RefreshToken};
use crate::model::tenant::TenantId;
use crate::protocol::authorization::{Callback, Cookies};
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::token_endpoint::{IdTokenText, TokenEndpoint, TokenReply};
use crate::transport::client_assertion::ClientAuthentication;
use crate::transport::http::{Http, HttpError, Wire};
use crate::transport::pace::Ticket;

/// A callback, by form or by query. Whether it was read as an answer, if there can be such a request.
#[must_use]
pub fn callback(fields: &[u8], posted: bool) -> Option<bool> {
    let request = if posted {
        let form = "application/x-www-form-urlencoded";
        let body = Bytes::copy_from_slice(fields);
        Request::post("/callback").header(CONTENT_TYPE, form).body(body)
    } else {
        let address = [b"/callback?", fields].concat();
        Request::get(address).body(Bytes::new())
    };
    request.ok().map(|request| Callback::from_request(&request).is_ok())
}

/// The `Cookie` header of a callback. The value of the cookie of this name.
#[must_use]
pub fn cookie(header: &[u8], name: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_bytes(header).ok()?);
    Cookies::read(&headers).ok()?.find(name).map(str::to_owned)
}

/// The value of a `Retry-After` header. How long to wait.
#[must_use]
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_bytes(value).ok()?);
    crate::transport::http::retry_after(&headers, now)
}

/// The last part of an invitation's address. Which invitation it was read as, and by which secret,
/// in the form that a link has.
#[must_use]
pub fn invitation(text: &[u8]) -> Option<String> {
    let token = LinkToken::parse(std::str::from_utf8(text).ok()?)?;
    Some(token.text().to_string())
}

/// An application's readers at one tenant, fed by hand.
#[derive(Debug)]
pub struct Readers {
    app: AppRegistration,
    authority: Authority,
    clock: VirtualClock,
}

impl Readers {
    /// Readers whose time is told by this clock.
    #[must_use]
    pub fn new(app: AppRegistration, tenant: TenantId, clock: VirtualClock) -> Self {
        let authority = Authority::of(app.cloud(), tenant);
        Self { app, authority, clock }
    }

    /// The reply of a token endpoint. How long its access token would be used.
    pub async fn token_reply(&self, status: u16, body: &[u8]) -> Option<Duration> {
        let reply = self.read_reply(StatusCode::from_u16(status).ok()?, body).await?;
        Some(reply.left)
    }

    async fn read_reply(&self, status: StatusCode, body: &[u8]) -> Option<TokenReply> {
        let clock = self.shared_clock();
        let proof = ClientAuthentication::new(&self.app, clock.clone(), Observers::default());
        let endpoint = TokenEndpoint::new(&self.app, proof, self.wire(status, body), clock);
        let token = RefreshToken::new("token").ok()?;
        let (authority, resource, scopes) =
            (&self.authority, Resource::PartnerCenter, self.app.scopes());
        let asked =
            endpoint.redeem_refresh_token(Ticket::FREE, authority, &token, &resource, scopes, None);
        asked.await.ok()
    }

    /// An ID token that came for a code with this nonce, where these are the keys. Whether it was
    /// believed.
    pub async fn id_token(&self, token: &[u8], keys: &[u8], nonce: &str) -> bool {
        let clock = self.shared_clock();
        let wire = self.wire(StatusCode::OK, keys);
        let verifier = IdTokenVerifier::new(&self.app, wire, clock);
        let Some(token) = IdTokenText::new(String::from_utf8_lossy(token).into_owned()) else {
            return false;
        };
        let _read_without_a_signature = verifier.account_from_tls(&token, &self.authority);
        let Ok(access) = AccessToken::new("access") else { return false };
        verifier.verify(&token, &self.authority, nonce, &access).await.is_ok()
    }

    fn wire(&self, status: StatusCode, body: &[u8]) -> Wire {
        let mut reply = Response::new(Bytes::copy_from_slice(body));
        *reply.status_mut() = status;
        Wire::new(Arc::new(Fed(reply)), self.shared_clock())
    }

    fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }
}

/// Gives the same reply to all.
#[derive(Debug)]
struct Fed(Response<Bytes>);

#[async_trait]
impl Http for Fed {
    async fn send(&self, _: Request<Bytes>, _: usize) -> Result<Response<Bytes>, HttpError> {
        Ok(self.0.clone())
    }
}
