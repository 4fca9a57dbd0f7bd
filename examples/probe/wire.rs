//! HTTP that notes each exchange, redacted before it is kept.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::{Http, HttpError};
use http::{Request, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::redaction::{Redaction, without_mark};

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Service {
    Entra,
    PartnerCenter,
    Graph,
    KeyVault,
    /// Our own redirect address, which Entra sends a browser to.
    Callback,
    Other,
}

impl Service {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::PartnerCenter => "partner-center",
            Self::Graph => "graph",
            Self::KeyVault => "key-vault",
            Self::Callback => "callback",
            Self::Other => "other",
        }
    }
}

/// A request and its reply, without anything of whose they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Exchange {
    pub(crate) request: Sent,
    /// `None`: there was none.
    pub(crate) reply: Option<Received>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) service: Service,
    pub(crate) path: String,
    pub(crate) headers: Map<String, Value>,
    pub(crate) body: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Map<String, Value>,
    pub(crate) body: Value,
    pub(crate) byte_order_mark: bool,
}

impl Exchange {
    /// Whether it is a token request.
    pub(crate) fn is_for_token(&self) -> bool {
        self.request.service == Service::Entra && self.request.path.ends_with("/token")
    }

    /// The reply of a token endpoint that refused.
    pub(crate) fn refusal(&self) -> Option<Refused<'_>> {
        let reply = self.reply.as_ref().filter(|_| self.is_for_token())?;
        let error = reply.body["error"].as_str()?;
        let numbers = reply.body["error_codes"].as_array().into_iter().flatten();
        let numbers = numbers.filter_map(|number| number.as_u64()?.try_into().ok()).collect();
        let suberror = reply.body["suberror"].as_str();
        Some(Refused { status: reply.status, error, suberror, numbers })
    }
}

/// How a token endpoint refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused<'e> {
    pub(crate) status: u16,
    pub(crate) error: &'e str,
    pub(crate) suberror: Option<&'e str>,
    pub(crate) numbers: Vec<u32>,
}

impl std::fmt::Display for Refused<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, error, suberror, numbers } = self;
        for number in numbers {
            write!(out, "AADSTS{number} ")?;
        }
        write!(out, "({status} {error}, suberror {})", suberror.unwrap_or("absent"))
    }
}

/// Sends by another [`Http`] and notes what went to and fro. Clones share the notes.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    http: Arc<dyn Http>,
    redaction: Arc<Redaction>,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    pub(crate) fn new(http: Arc<dyn Http>, redaction: Redaction) -> Self {
        Self { http, redaction: Arc::new(redaction), seen: Arc::default() }
    }

    /// Every exchange so far.
    pub(crate) fn seen(&self) -> Vec<Exchange> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, exchange: Exchange) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    pub(crate) fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    fn sent(&self, request: &Request<Bytes>) -> Option<Sent> {
        let url = Url::parse(&request.uri().to_string()).ok()?;
        Some(Sent {
            method: request.method().to_string(),
            service: self.redaction.service(&url),
            path: self.redaction.path(&url),
            headers: self.redaction.headers(request.headers()),
            body: self.redaction.body(request.headers(), request.body()),
        })
    }

    fn received(&self, reply: &Response<Bytes>) -> Received {
        let body = reply.body();
        Received {
            status: reply.status().as_u16(),
            headers: self.redaction.headers(reply.headers()),
            body: self.redaction.body(reply.headers(), body),
            byte_order_mark: without_mark(body).len() < body.len(),
        }
    }
}

#[async_trait]
impl Http for Recorder {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let sent = self.sent(&request);
        let outcome = self.http.send(request, longest_body).await;
        if let Some(request) = sent {
            let reply = outcome.as_ref().ok().map(|reply| self.received(reply));
            self.note(Exchange { request, reply });
        }
        outcome
    }
}
