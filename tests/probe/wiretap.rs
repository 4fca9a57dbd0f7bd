//! HTTP that remembers everything it was told, and can answer in a server's place.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::{Http, HttpError, Reqwest};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use crate::searcher::Secret;

type Answer = dyn Fn(&Request<Bytes>) -> Option<StatusCode> + Send + Sync;

pub struct Wiretap {
    inner: Reqwest,
    answer: Box<Answer>,
    seen: Arc<Mutex<Vec<(Request<Bytes>, Response<Bytes>)>>>,
}

impl Wiretap {
    pub fn new() -> Self {
        Self::answering(|_| None)
    }

    /// Answers with a status of its own where `answer` gives one.
    pub fn answering(
        answer: impl Fn(&Request<Bytes>) -> Option<StatusCode> + Send + Sync + 'static,
    ) -> Self {
        let inner = Reqwest::new().expect("root certificates");
        Self { inner, answer: Box::new(answer), seen: Arc::default() }
    }

    pub fn seen(&self) -> Vec<(Request<Bytes>, Response<Bytes>)> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// Every value that went either way, but for those that are nobody's.
    pub fn everything_said(&self) -> Vec<Secret> {
        let mut values = Vec::new();
        for (request, reply) in self.seen() {
            of_headers(request.headers(), &mut values);
            of_headers(reply.headers(), &mut values);
            let segments = request.uri().path().split(['/', '\'']).map(str::to_owned);
            values.extend(segments.filter(|text| Uuid::try_parse(text).is_ok()));
            for body in [request.body(), reply.body()] {
                match serde_json::from_slice(body) {
                    Ok(json) => of_json(&json, &mut values),
                    Err(_) => values
                        .extend(form_urlencoded::parse(body).map(|(_, value)| value.into_owned())),
                }
            }
        }
        values.sort();
        values.dedup();
        let telling = values.iter().filter(|value| value.len() >= 12 && !is_nobodys(value));
        telling.map(|value| Secret::new("a value", value.as_bytes())).collect()
    }
}

fn of_headers(headers: &HeaderMap, values: &mut Vec<String>) {
    for name in ["authorization", "set-cookie", "ms-requestid", "request-id", "x-ms-request-id"] {
        let all = headers.get_all(name).iter();
        let texts = all.filter_map(|value| value.to_str().ok());
        values.extend(texts.map(|text| text.trim_start_matches("Bearer ").to_owned()));
    }
}

fn of_json(json: &Value, values: &mut Vec<String>) {
    match json {
        Value::String(text) => values.push(own_part(text).to_owned()),
        Value::Array(items) => items.iter().for_each(|item| of_json(item, values)),
        Value::Object(members) => members.values().for_each(|value| of_json(value, values)),
        _ => {}
    }
}

/// Without what everybody's text has: an AADSTS number in front, the end of a first domain.
fn own_part(text: &str) -> &str {
    let number = text.starts_with("AADSTS").then(|| text.split_once(": ")).flatten();
    number.map_or(text, |(_, rest)| rest).trim_end_matches(".onmicrosoft.com")
}

/// Names that Microsoft publishes and every client sends or gets.
fn is_nobodys(value: &str) -> bool {
    let word = |word: &str| {
        let resource = PUBLIC.iter().any(|public| word.starts_with(public));
        resource || word.split('.').count() > 1 && word.ends_with(".All")
    };
    let is_time = value.starts_with("20") && value.as_bytes().get(4) == Some(&b'-');
    let is_scopes = value.split(' ').all(|part| word(part) || SIGN_IN.contains(&part));
    let is_schema = value.contains("$metadata#") || value.starts_with("#microsoft.graph.");
    is_time || is_scopes || is_schema || WORDS.contains(&value)
}

const PUBLIC: [&str; 7] = [
    "/customers?size=",
    "https://api.partnercenter.microsoft.com",
    "https://graph.microsoft.com",
    "https://management.azure.com",
    "https://manage.office.com",
    "https://outlook.office365.com",
    "https://vault.azure.net",
];
const SIGN_IN: [&str; 3] = ["openid", "profile", "offline_access"];
const WORDS: [&str; 14] = [
    "AllPrincipals",
    "ApplicationConsent",
    "Authorization_IdentityNotFound",
    "CustomerCompanyProfile",
    "Permission entry already exists.",
    "Recoverable+Purgeable",
    "SecretNotFound",
    "Unauthorized",
    "consent_required",
    "invalid_client",
    "invalid_grant",
    "refresh_token",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "user_impersonation",
];

impl fmt::Debug for Wiretap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(out)
    }
}

#[async_trait]
impl Http for Wiretap {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let reply = match (self.answer)(&request) {
            Some(status) => {
                let mut reply = Response::new(Bytes::new());
                *reply.status_mut() = status;
                reply
            }
            None => self.inner.send(request.clone(), longest_body).await?,
        };
        self.seen.lock().expect("not poisoned").push((request, reply.clone()));
        Ok(reply)
    }
}
