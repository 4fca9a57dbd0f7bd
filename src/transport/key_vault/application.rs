//! The vendor's own application as the vault's caller.
//!
//! This is the only place where the crate uses the client credentials grant (RFC 6749, section
//! 4.4): for the vendor's own vault, in the vendor's own tenant. For a partner's or a customer's
//! data it would be a way around the partner's consent.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::model::clock::Clock;
use crate::model::cloud::Authority;
use crate::model::entra_error::{EntraError, Refusal};
use crate::model::event::Observers;
use crate::model::registration::AppRegistration;
use crate::model::tenant::ClientId;
use crate::transport::client_assertion::{ClientAuthentication, Proof, Verdict};
use crate::transport::http::{Wire, retry_after};
use crate::transport::key_vault::error::KeyVaultError;
use crate::transport::key_vault::token_reply::TokenReply;

/// An application that asks in its own name, at its home tenant only.
#[derive(Debug)]
pub(super) struct Application {
    token_url: Url,
    client_id: ClientId,
    scope: String,
    authentication: ClientAuthentication,
    wire: Wire,
    clock: Arc<dyn Clock>,
}

impl Application {
    pub(super) fn new(
        app: &AppRegistration,
        resource: &str,
        wire: Wire,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            token_url: Authority::of(app.cloud(), app.home()).token_url(),
            client_id: app.client_id(),
            scope: format!("{resource}/.default"),
            authentication: ClientAuthentication::new(app, clock.clone(), Observers::default()),
            wire,
            clock,
        }
    }

    pub(super) async fn token(&self) -> Result<TokenReply, KeyVaultError> {
        let proof = self.authentication.proof(&self.token_url).await?;
        match self.ask(&proof).await {
            Err(KeyVaultError::Entra(refusal)) if refusal.cause().is_credential() => {
                let other = self.authentication.instead_of(&proof, &self.token_url).await;
                let other = other.ok_or(KeyVaultError::Entra(refusal))?;
                self.ask(&other).await
            }
            outcome => outcome,
        }
    }

    async fn ask(&self, proof: &Proof) -> Result<TokenReply, KeyVaultError> {
        let request = Request::post(self.token_url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form(proof))
            .expect("an authority's address and these headers make a request");
        let reply = self.wire.send(request).await?;
        if reply.status() == StatusCode::OK {
            self.authentication.learn(proof, Verdict::Taken).await;
            return TokenReply::parse(reply.body());
        }
        let refusal = self.refused(&reply);
        let verdict = match reply.status() {
            _ if refusal.cause().is_credential() => Verdict::Refused(refusal.to_string()),
            status if status.is_client_error() => Verdict::Declined,
            _ => Verdict::Open,
        };
        self.authentication.learn(proof, verdict).await;
        Err(KeyVaultError::Entra(refusal))
    }

    fn form(&self, proof: &Proof) -> Bytes {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id.to_string())
            .append_pair("scope", &self.scope)
            .append_pair("grant_type", "client_credentials");
        form.extend_pairs(proof.fields());
        form.finish().into()
    }

    fn refused(&self, reply: &Response<Bytes>) -> EntraError {
        let said: Said = serde_json::from_slice(reply.body()).unwrap_or_default();
        EntraError::new(Refusal {
            status: Some(reply.status().as_u16()),
            error: said.error,
            codes: said.error_codes,
            trace_id: said.trace_id,
            correlation_id: said.correlation_id,
            timestamp: said.timestamp,
            retry_after: retry_after(reply.headers(), self.clock.now()),
            ..Refusal::default()
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    error: String,
    error_codes: Vec<u32>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
    timestamp: Option<String>,
}
