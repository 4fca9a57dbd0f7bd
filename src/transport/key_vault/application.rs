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
use crate::model::registration::AppRegistration;
use crate::model::tenant::ClientId;
use crate::transport::client_assertion::{ClientAuthentication, CredentialError};
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
            authentication: ClientAuthentication::new(app, clock.clone()),
            wire,
            clock,
        }
    }

    pub(super) async fn token(&self) -> Result<TokenReply, KeyVaultError> {
        let request = Request::post(self.token_url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form().await?)
            .expect("an authority's address and these headers make a request");
        let reply = self.wire.send(request).await?;
        if reply.status() == StatusCode::OK {
            return TokenReply::parse(reply.body());
        }
        if reply.status().is_client_error() {
            self.authentication.forget(&self.token_url);
        }
        Err(KeyVaultError::Entra(self.refused(&reply)))
    }

    async fn form(&self) -> Result<Bytes, CredentialError> {
        let proof = self.authentication.form_fields(&self.token_url).await?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id.to_string())
            .append_pair("scope", &self.scope)
            .append_pair("grant_type", "client_credentials");
        form.extend_pairs(proof.iter().map(|(name, value)| (name, value.as_str())));
        Ok(form.finish().into())
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
