//! A request before it has a token.
//!
//! Source: Partner Center REST, "REST headers": the same `MS-RequestId` makes a request that is sent
//! once more after no answer the same request; every other call has one of its own.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use serde::Serialize;
use uuid::{Builder, Uuid};

use crate::model::cloud::Cloud;
use crate::model::secret::{AccessToken, random};

/// What Partner Center is asked to do. As long as it is this very value, it is done once.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    method: Method,
    /// Begins with `/v1/`, and is ours: nothing that came from elsewhere but GUIDs is in it.
    path: String,
    continuation: Option<HeaderValue>,
    body: Bytes,
    request_id: Uuid,
    correlation_id: Uuid,
}

impl Order {
    pub(super) fn new(method: Method, path: String) -> Self {
        let (request_id, correlation_id) = (guid(), guid());
        let (continuation, body) = (None, Bytes::new());
        Self { method, path, continuation, body, request_id, correlation_id }
    }

    pub(super) fn with_json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).expect("plain values").into();
        self
    }

    pub(super) fn after(mut self, token: HeaderValue) -> Self {
        self.continuation = Some(token);
        self
    }

    /// The same once more, after an answer: what is done then is done anew.
    pub(crate) fn anew(self) -> Self {
        Self { request_id: guid(), ..self }
    }

    /// Whether it is of those of which Partner Center takes so many in a second and no more.
    pub(crate) fn is_for_consents(&self) -> bool {
        self.path.contains(CONSENTS)
    }

    pub(super) fn request(&self, cloud: &Cloud, token: &AccessToken) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{}{}", cloud.partner_center(), self.path))
            .header(AUTHORIZATION, token.bearer())
            .header(ACCEPT, "application/json")
            .header("MS-Contract-Version", "v1")
            .header("MS-RequestId", self.request_id.to_string())
            .header("MS-CorrelationId", self.correlation_id.to_string());
        if let Some(token) = &self.continuation {
            request = request.header(CONTINUATION, token);
        }
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(self.body.clone()).expect("an origin that was checked and a path of ours")
    }
}

fn guid() -> Uuid {
    Builder::from_random_bytes(random()).into_uuid()
}

/// In the path of every order for consents.
pub(super) const CONSENTS: &str = "/applicationconsents";
pub(super) const CONTINUATION: &str = "MS-ContinuationToken";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_unanswered_is_the_same_and_what_comes_after_an_answer_is_another() {
        let token = AccessToken::new("at").expect("plain");
        let id = |order: &Order, name: &str| {
            let request = order.request(&Cloud::Global, &token);
            request.headers()[name].to_str().expect("ASCII").to_owned()
        };
        let order = Order::new(Method::POST, "/v1/x".to_owned()).with_json(&[1]);
        let (sent, again) = (id(&order, "MS-RequestId"), id(&order, "MS-RequestId"));
        assert_eq!(sent, again);
        let anew = order.clone().anew();
        assert_ne!(id(&anew, "MS-RequestId"), sent);
        assert_eq!(id(&anew, "MS-CorrelationId"), id(&order, "MS-CorrelationId"));
    }
}
