//! What Partner Center says of a token's second factor.
//!
//! Source: Microsoft Partner Center, "Mandating MFA for your partner tenant" and the notices of 2025
//! and 2026 on enforcement: a request with `ValidateMfa: true` is answered with `isMfaCompliant`.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, Request, Response, StatusCode};

use super::PartnerCenter;
use crate::model::mfa::MfaAnswer;
use crate::model::secret::AccessToken;
use crate::protocol::json::{Members, as_whole};

/// What Partner Center said of a call that it refused: its token was made without a second factor.
///
/// A new token of the same consent may be taken, since enforcement comes bit by bit; if not, the
/// partner must consent again.
///
/// ```
/// use cpv_consent::MfaMissing;
/// use http::{HeaderMap, StatusCode};
///
/// let body = br#"{"code":"900421","description":"MFA is required"}"#;
/// let missing = MfaMissing::in_reply(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body);
/// assert!(missing.is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MfaMissing;

impl MfaMissing {
    /// Reads a reply of Partner Center to a call of yours: status, headers, body. It is a 401 whose
    /// code is 900421, or one that denies `isMfaCompliant`, for a call that asked (`ValidateMfa`).
    ///
    /// Any other 401 speaks of the token and not of the second factor, the bare one of 2019 included.
    /// The shape of the body is not documented, so the code may lie in it, or in its `error`.
    #[must_use]
    pub fn in_reply(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let says = || code_is_mfa_missing(body) || statement(headers) == Some(false);
        (status == StatusCode::UNAUTHORIZED && says()).then_some(Self)
    }
}

impl PartnerCenter {
    /// Asks whether the user behind `token` proved a second factor. `probe_path` begins with `/`.
    pub(crate) async fn mfa_verdict(&self, token: &AccessToken, probe_path: &str) -> MfaVerdict {
        let Some(request) = self.probe(token, probe_path) else {
            return MfaVerdict::NONE;
        };
        match self.wire.send(request).await {
            Ok(reply) => MfaVerdict::of(&reply),
            Err(_) => MfaVerdict::NONE,
        }
    }

    fn probe(&self, token: &AccessToken, path: &str) -> Option<Request<Bytes>> {
        let path = path.starts_with('/').then_some(path)?;
        Request::get(format!("{}{path}", self.cloud.partner_center()))
            .header(AUTHORIZATION, token.bearer())
            .header(ACCEPT, "application/json")
            .header("ValidateMfa", "true")
            .body(Bytes::new())
            .ok()
    }
}

/// What Partner Center says of the second factor behind a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MfaVerdict {
    pub(crate) answer: MfaAnswer,
    /// Whether it refused the call for want of one. It may say that there was none, and serve.
    pub(crate) refused: bool,
}

impl MfaVerdict {
    const NONE: Self = Self { answer: MfaAnswer::Unknown, refused: false };

    fn of(reply: &Response<Bytes>) -> Self {
        let refusal = MfaMissing::in_reply(reply.status(), reply.headers(), reply.body());
        let refused = refusal.is_some();
        let answer = match (statement(reply.headers()), reply.status().is_success()) {
            _ if refused => MfaAnswer::Disproven,
            (Some(false), _) => MfaAnswer::Disproven,
            (Some(true), true) => MfaAnswer::Proven,
            (None, true) => MfaAnswer::Unknown,
            (_, false) => MfaAnswer::Unknown,
        };
        Self { answer, refused }
    }
}

/// `isMfaCompliant`, where it is there once and clear.
fn statement(headers: &HeaderMap) -> Option<bool> {
    let mut values = headers.get_all("isMfaCompliant").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    match value.to_str().ok()?.trim() {
        yes if yes.eq_ignore_ascii_case("true") => Some(true),
        no if no.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A `code` is a number, mostly spelled as text. Some replies begin with a byte order mark.
fn code_is_mfa_missing(body: &[u8]) -> bool {
    let Some(members) = Members::parse_marked(body) else { return false };
    let mut inner = members.spelled("error").filter_map(Members::from_value);
    names_mfa_missing(&members) || inner.any(|inner| names_mfa_missing(&inner))
}

fn names_mfa_missing(members: &Members<'_>) -> bool {
    members.spelled("code").any(|code| as_whole(&code) == Some(MFA_MISSING))
}

const MFA_MISSING: u64 = 900_421;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wiremock::matchers::{header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use crate::model::clock::VirtualClock;
    use crate::model::cloud::{Cloud, Origins};
    use crate::transport::http::{Reqwest, Wire};

    use super::*;

    fn partner_center(server: &str) -> PartnerCenter {
        let login = "http://localhost:1";
        let origins = Origins { login, partner_center: server, graph: login };
        let cloud = Cloud::danger_loopback("test", origins).expect("loopback");
        let http = Arc::new(Reqwest::new().expect("a client"));
        PartnerCenter::new(Wire::new(http, Arc::new(VirtualClock::default())), cloud)
    }

    async fn answer(reply: ResponseTemplate) -> MfaVerdict {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/v1/customers"))
            .and(query_param("size", "1"))
            .and(header("authorization", "Bearer at-canary"))
            .and(header("validatemfa", "true"))
            .respond_with(reply)
            .expect(1)
            .mount(&server)
            .await;
        let token = AccessToken::new("at-canary").expect("plain");
        partner_center(&server.uri()).mfa_verdict(&token, PartnerCenter::PROBE).await
    }

    fn saying(status: u16, value: &str) -> ResponseTemplate {
        ResponseTemplate::new(status).insert_header("isMfaCompliant", value)
    }

    #[tokio::test]
    async fn only_a_clear_statement_proves_or_disproves() {
        // R-095, R-098
        let missing = r#"{"code":"900421","description":"MFA required"}"#;
        let status = ResponseTemplate::new;
        for (reply, expected) in [
            (saying(200, "true"), Some(true)),
            (saying(200, "True"), Some(true)),
            (saying(200, "false"), Some(false)),
            (saying(401, "false"), Some(false)),
            (status(401).set_body_string(missing), Some(false)),
            (status(401).set_body_string(r#"{"code":900421}"#), Some(false)),
            (status(401).set_body_string(format!("\u{feff}{missing}")), Some(false)),
            (saying(401, "true").set_body_string(missing), Some(false)),
            (saying(403, "true"), None),
            (saying(200, "yes"), None),
            (saying(200, "true, false"), None),
            (saying(200, "true").append_header("isMfaCompliant", "false"), None),
            (status(200), None),
            (status(200).set_body_string(missing), None),
            (status(401), None),
            (status(401).set_body_string(r#"{"code":"800001"}"#), None),
            (status(403).set_body_string(missing), None),
            (status(404), None),
            (status(429), None),
            (status(500), None),
            (status(302).insert_header("location", "/v1/customers?size=1"), None),
        ] {
            let shown = format!("{reply:?}");
            let verdict = answer(reply).await;
            let answer = match verdict.answer {
                MfaAnswer::Proven => Some(true),
                MfaAnswer::Disproven => Some(false),
                MfaAnswer::Unknown => None,
            };
            assert_eq!(answer, expected, "{shown}");
            assert!(!verdict.refused || answer == Some(false), "{shown}");
        }
    }

    #[tokio::test]
    async fn what_is_served_is_not_refused_whatever_is_said_of_it() {
        let missing = ResponseTemplate::new(401).set_body_string(r#"{"code":"900421"}"#);
        assert!(answer(missing).await.refused);
        assert!(answer(saying(401, "false")).await.refused);
        for reply in [saying(200, "false"), saying(403, "false"), ResponseTemplate::new(401)] {
            assert!(!answer(reply).await.refused);
        }
    }

    #[test]
    fn a_hosts_reply_says_whether_the_second_factor_is_missing() {
        // R-098
        let says = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            MfaMissing::in_reply(status, &HeaderMap::new(), body.as_bytes()).is_some()
        };
        for body in [
            r#"{"code":"900421","description":"MFA required","data":[],"source":"x"}"#,
            r#"{"Code":900421}"#,
            r#"{"error":{"code":"900421","message":"x"}}"#,
            "\u{feff}{\"code\":\"900421\"}\r\n",
        ] {
            assert!(says(401, body), "{body}");
            assert!(!says(400, body) && !says(403, body) && !says(200, body), "{body}");
        }
        for body in [
            "",
            "900421",
            "[900421]",
            r#"{"code":"800001","description":"900421"}"#,
            r#"{"code":"9004210"}"#,
            r#"{"code":900421.0}"#,
            r#"{"code":["900421"]}"#,
            r#"{"code":"900421","code":"1"}"#,
            r#"{"data":[{"code":"900421"}]}"#,
            "<html>900421</html>",
        ] {
            assert!(!says(401, body), "{body}");
        }
    }

    #[test]
    fn a_statement_counts_in_a_refusal_only_and_only_when_it_denies() {
        let says = |status, value: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("ismfacompliant"),
                http::HeaderValue::from_static(value),
            )]);
            MfaMissing::in_reply(status, &headers, b"").is_some()
        };
        assert!(says(StatusCode::UNAUTHORIZED, "False"));
        assert!(!says(StatusCode::UNAUTHORIZED, "true"));
        assert!(!says(StatusCode::OK, "false"), "it was served all the same");
    }

    #[tokio::test]
    async fn no_reply_is_no_verdict() {
        let token = AccessToken::new("at").expect("plain");
        let nobody = partner_center("http://127.0.0.1:1");
        let verdict = nobody.mfa_verdict(&token, PartnerCenter::PROBE).await;
        assert_eq!(verdict, MfaVerdict::NONE);
    }

    #[tokio::test]
    async fn a_probe_cannot_leave_partner_center() {
        // R-110
        let nobody = partner_center("http://127.0.0.1:1");
        let token = AccessToken::new("at").expect("plain");
        for path in ["@evil.example/", ".evil.example/", "", "v1"] {
            assert!(nobody.probe(&token, path).is_none());
        }
        let request = nobody.probe(&token, "//evil.example/x").expect("a path");
        assert_eq!(request.uri().host(), Some("127.0.0.1"));
    }
}
