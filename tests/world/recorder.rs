//! HTTP that remembers what went over the wire.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::{Http, HttpError, Reqwest};
use http::{Request, Response};
use url::form_urlencoded;

/// The crate's own client, with a memory that it does not show. Clones share it.
#[derive(Clone)]
pub struct Recorder {
    inner: Reqwest,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request and what was answered; an empty body where nothing was.
#[derive(Clone)]
pub struct Seen {
    pub request: Request<Bytes>,
    pub reply: Bytes,
}

impl Recorder {
    pub fn new() -> Self {
        Self { inner: Reqwest::new().expect("root certificates"), seen: Arc::default() }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

impl Seen {
    /// A field of the form that was sent.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut fields = form_urlencoded::parse(self.request.body());
        fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(out)
    }
}

#[async_trait]
impl Http for Recorder {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.inner.send(request.clone(), longest_body).await;
        let reply = outcome.as_ref().map(|reply| reply.body().clone()).unwrap_or_default();
        self.seen.lock().expect("not poisoned").push(Seen { request, reply });
        outcome
    }
}
