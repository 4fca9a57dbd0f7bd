use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::clock::VirtualClock;
use crate::model::cloud::Origins;
use crate::model::entra_error::Cause;
use crate::model::event::Observers;
use crate::model::registration::ClientCredential;
use crate::model::tenant::TenantId;
use crate::transport::client_assertion::tests::certificate;
use crate::transport::http::{HttpFault, Reqwest};

use super::*;

const TENANT: &str = "33333333-3333-4333-8333-333333333333";
const SECRET: &str = "a+b&c=d%/?:";

struct Stage {
    server: MockServer,
    clock: VirtualClock,
    endpoint: TokenEndpoint,
    app: AppRegistration,
}

impl Stage {
    async fn new() -> Self {
        Self::proving(ClientCredential::secret(SECRET).expect("plain")).await
    }

    async fn proving(credential: ClientCredential) -> Self {
        let server = MockServer::start().await;
        let uri = server.uri();
        let origins = Origins { login: &uri, partner_center: &uri, graph: &uri };
        let cloud = Cloud::danger_loopback("test", origins).expect("loopback");
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let redirect = "https://panel.example/callback";
        let app = AppRegistration::new(cloud, home, client_id, credential, redirect);
        let app = app.expect("valid");
        let clock = VirtualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let wire = Wire::new(Arc::new(Reqwest::new().expect("a client")), shared.clone());
        let authentication = ClientAuthentication::new(&app, shared.clone(), Observers::default());
        let endpoint = TokenEndpoint::new(&app, authentication, wire, shared);
        Self { server, clock, endpoint, app }
    }

    fn authority(&self) -> Authority {
        Authority::of(self.app.cloud(), TenantId::parse(TENANT).expect("a GUID"))
    }

    async fn answering(&self, reply: ResponseTemplate) -> Result<TokenReply, TokenError> {
        self.server.reset().await;
        Mock::given(any()).respond_with(reply).mount(&self.server).await;
        self.exchange(Some(r#"{"access_token":{}}"#)).await
    }

    async fn exchange(&self, claims: Option<&str>) -> Result<TokenReply, TokenError> {
        let token = RefreshToken::new("0.rt-canary").expect("plain");
        let (authority, resource) = (self.authority(), Resource::PartnerCenter);
        let (ticket, scopes) = (Ticket::FREE, self.app.scopes());
        let endpoint = &self.endpoint;
        endpoint.redeem_refresh_token(ticket, &authority, &token, &resource, scopes, claims).await
    }

    async fn with(&self, changed: impl FnOnce(&mut Value)) -> Result<TokenReply, TokenError> {
        let mut body = tokens();
        changed(&mut body);
        self.answering(ResponseTemplate::new(200).set_body_json(body)).await
    }

    async fn text(&self, status: u16, text: &str) -> TokenError {
        let reply = ResponseTemplate::new(status).set_body_string(text);
        self.answering(reply).await.expect_err(text.get(..20).unwrap_or(text))
    }

    async fn sent(&self) -> BTreeMap<String, String> {
        let requests = self.server.received_requests().await.expect("recorded");
        let [request] = requests.as_slice() else { panic!("one request") };
        assert_eq!(request.method, "POST");
        assert_eq!(request.url.path(), format!("/{TENANT}/oauth2/v2.0/token"));
        assert_eq!(request.url.query(), None);
        assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(request.headers["accept"], "application/json");
        assert_eq!(request.headers["client-request-id"].len(), 36);
        assert!(!request.headers.contains_key("authorization"));
        form_urlencoded::parse(&request.body).into_owned().collect()
    }
}

fn tokens() -> Value {
    json!({
        "token_type": "Bearer",
        "expires_in": 3599,
        "ext_expires_in": 3599,
        "scope": "openid https://api.partnercenter.microsoft.com/user_impersonation",
        "access_token": "at-canary",
        "refresh_token": "0.new-canary",
        "id_token": "a.b.c-canary",
        "foci": "1",
    })
}

#[tokio::test]
async fn a_refresh_token_is_sent_as_a_form_with_named_scopes() {
    // R-034, R-036, R-037, R-012
    let stage = Stage::new().await;
    let reply = stage.with(|_| ()).await.expect("tokens");
    let expected = [
        ("grant_type", "refresh_token"),
        ("client_id", "22222222-2222-4222-8222-222222222222"),
        ("client_secret", SECRET),
        ("refresh_token", "0.rt-canary"),
        ("claims", r#"{"access_token":{}}"#),
        (
            "scope",
            "openid profile offline_access \
             https://api.partnercenter.microsoft.com/user_impersonation",
        ),
    ];
    let expected: BTreeMap<_, _> =
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(stage.sent().await, expected);
    assert_eq!(reply.access_token.expose(), "at-canary");
    assert_eq!(reply.refresh_token.expect("one").expose(), "0.new-canary");
    assert_eq!(reply.id_token.expect("one").expose(), "a.b.c-canary");
    assert_eq!(&reply.granted.expect("stated"), stage.app.scopes());
    assert_eq!(reply.expires_at, stage.clock.now() + Duration::from_secs(3599));
}

#[tokio::test]
async fn a_code_is_sent_with_its_verifier_and_the_same_redirect() {
    // R-034, R-035
    let stage = Stage::new().await;
    let ok = ResponseTemplate::new(200).set_body_json(tokens());
    Mock::given(any()).respond_with(ok).mount(&stage.server).await;
    let code = AuthorizationCode::new("code-canary".to_owned());
    let (authority, app) = (stage.authority(), &stage.app);
    let resource = Resource::PartnerCenter;
    stage
        .endpoint
        .redeem_code(&authority, &code, "v", app.redirect_uri(), &resource, app.scopes())
        .await
        .expect("tokens");
    let sent = stage.sent().await;
    assert_eq!(sent["grant_type"], "authorization_code");
    assert_eq!(sent["code"], "code-canary");
    assert_eq!(sent["code_verifier"], "v");
    assert_eq!(sent["redirect_uri"], "https://panel.example/callback");
    assert_eq!(sent.len(), 7);
}

#[tokio::test]
async fn a_resource_without_scopes_is_not_asked_for() {
    let stage = Stage::new().await;
    let token = RefreshToken::new("0.rt").expect("plain");
    let (authority, scopes) = (stage.authority(), stage.app.scopes());
    let asked = stage.endpoint.redeem_refresh_token(
        Ticket::FREE,
        &authority,
        &token,
        &Resource::Graph,
        scopes,
        None,
    );
    assert_eq!(asked.await.expect_err("refused"), TokenError::NoScope(Resource::Graph));
    assert!(stage.server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn lifetimes_are_read_in_every_spelling_and_clamped() {
    // R-107
    let stage = Stage::new().await;
    for (value, seconds) in [
        (Some(json!("3599")), Some(3599)),
        (Some(json!(0)), Some(0)),
        (Some(json!(9_007_199_254_740_993_u64)), Some(28 * 3600)),
        (None, Some(300)),
        (Some(json!(-1)), None),
        (Some(json!("-1")), None),
        (Some(json!("1e3")), None),
        (Some(json!(1.5)), None),
        (Some(json!(null)), None),
        (Some(json!("")), None),
        (Some(json!([3599])), None),
    ] {
        let shown = format!("{value:?}");
        let reply = stage
            .with(|body| match value {
                Some(value) => body["expires_in"] = value,
                None => drop(body.as_object_mut().expect("an object").remove("expires_in")),
            })
            .await;
        let expires = reply.ok().map(|reply| reply.expires_at);
        let now = stage.clock.now();
        assert_eq!(expires, seconds.map(|s| now + Duration::from_secs(s)), "{shown}");
    }
}

#[tokio::test]
async fn a_reply_without_a_new_refresh_token_is_fine() {
    // R-101, R-077
    let stage = Stage::new().await;
    for value in [json!(null), json!("")] {
        let reply = stage
            .with(|body| {
                body["refresh_token"] = value.clone();
                body["id_token"] = value;
                body.as_object_mut().expect("an object").remove("scope");
            })
            .await
            .expect("tokens");
        assert!(reply.refresh_token.is_none() && reply.id_token.is_none());
        assert_eq!(reply.granted, None);
    }
}

#[tokio::test]
async fn token_types_other_than_bearer_are_refused() {
    // R-106
    let stage = Stage::new().await;
    assert!(stage.with(|body| body["token_type"] = json!("bearer")).await.is_ok());
    for value in [json!("mac"), json!(""), json!(null), json!(["Bearer"]), json!("Bearer ")] {
        let error = stage.with(|body| body["token_type"] = value).await.expect_err("refused");
        assert!(matches!(error, TokenError::BadReply(_)));
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_tokens_are_refused() {
    // R-049, R-109
    let stage = Stage::new().await;
    for member in ["access_token", "refresh_token"] {
        for value in [json!("a\r\nb"), json!("a b"), json!(1), json!({}), json!("x".repeat(16_385))]
        {
            let error = stage.with(|body| body[member] = value).await.expect_err("refused");
            assert!(matches!(error, TokenError::BadReply(_)), "{member}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
    for value in [json!(7), json!("ü"), json!("x".repeat(LONGEST_ID_TOKEN + 1))] {
        assert!(stage.with(|body| body["id_token"] = value).await.is_err());
    }
    assert!(stage.with(|body| body["scope"] = json!(["a"])).await.is_err());
    assert!(stage.with(|body| body["access_token"] = json!(null)).await.is_err());
}

#[tokio::test]
async fn what_is_no_token_reply_is_typed_as_such() {
    // R-046, R-047, R-048, R-049, F-19
    let stage = Stage::new().await;
    let good = tokens().to_string();
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    for text in [
        "",
        "{}",
        "[]",
        "<html>canary</html>",
        &good[..good.len() - 1],
        &format!("\u{feff}{good}"),
        &format!("{good}{good}"),
        &good.replacen('{', r#"{"access_token":"canary","#, 1),
        &good.replacen('{', r#"{"x":1,"x":1,"#, 1),
        &good.replacen('{', r#"{"error":"invalid_grant","#, 1),
        &deep,
    ] {
        let error = stage.text(200, text).await;
        assert!(matches!(error, TokenError::BadReply(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    for status in [201, 204, 206] {
        let reply = ResponseTemplate::new(status).set_body_json(tokens());
        let error = stage.answering(reply).await.expect_err("no success");
        assert!(matches!(error, TokenError::BadReply(_)), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_carries_nothing_on() {
    // R-042
    let (stage, other) = (Stage::new().await, MockServer::start().await);
    for status in [301, 302, 303, 307, 308] {
        let away = ResponseTemplate::new(status).insert_header("location", other.uri());
        let error = stage.answering(away).await.expect_err("refused");
        let TokenError::Http(error) = error else { panic!("{error}") };
        assert_eq!(error.fault(), HttpFault::Redirected);
    }
    assert!(other.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn a_refusal_keeps_its_codes_and_forgets_its_text() {
    // R-113, R-136
    let stage = Stage::new().await;
    let refusal = json!({
        "error": "invalid_grant",
        "error_description": "AADSTS50076: 0.rt-canary of ann@contoso.example",
        "error_codes": [50076, "70008"],
        "suberror": "basic_action",
        "claims": "{\"access_token\":{}}",
        "trace_id": "t-1",
        "correlation_id": "c-1",
        "timestamp": "2026-01-01 00:00:00Z",
    });
    let reply = ResponseTemplate::new(400).insert_header("retry-after", "7").set_body_json(refusal);
    let error = stage.answering(reply).await.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("canary"));
    let TokenError::Entra(error) = error else { panic!("{error}") };
    assert_eq!((error.status(), error.codes()), (Some(400), &[50076, 70008][..]));
    assert_eq!((error.error(), error.suberror()), ("invalid_grant", Some("basic_action")));
    assert_eq!((error.trace_id(), error.correlation_id()), (Some("t-1"), Some("c-1")));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.cause(), Cause::MfaRequired);
    assert_eq!(error.claims(), Some(r#"{"access_token":{}}"#));
}

#[tokio::test]
async fn an_assertion_that_was_refused_is_not_sent_again() {
    let stage = Stage::proving(certificate()).await;
    let mut seen = Vec::new();
    for status in [200, 503, 401, 200] {
        let reply = ResponseTemplate::new(status).set_body_json(tokens());
        let _ = stage.answering(reply).await;
        seen.push(stage.sent().await.remove("client_assertion").expect("one"));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
    assert_ne!(seen[2], seen[3]);
}

#[tokio::test]
async fn odd_refusals_never_end_a_consent() {
    // R-046, R-049, R-115, F-17
    let stage = Stage::new().await;
    for (status, text, cause) in [
        (503, "<html>", Cause::Transient),
        (500, "", Cause::Transient),
        (429, r#"{"statusCode":429}"#, Cause::Throttled),
        (503, r#"{"error":"invalid_grant","error_codes":[700082]}"#, Cause::Transient),
        (400, "", Cause::Unknown),
        (404, "<html>AADSTS700082</html>", Cause::Unknown),
        (400, r#"{"error":["invalid_grant"],"error_codes":[700082]}"#, Cause::Unknown),
        (400, r#"{"error":"invalid_grant","error_codes":700082}"#, Cause::InteractionRequired),
        (
            400,
            r#"{"error":"invalid_grant","error_codes":{},"error_description":"AADSTS700082"}"#,
            Cause::InteractionRequired,
        ),
        (400, r#"{"error":"invalid_grant","error":"x","error_codes":[700082]}"#, Cause::Unknown),
        (401, r#"{"error":"invalid_client"}"#, Cause::CredentialRejected),
    ] {
        let error = stage.text(status, text).await;
        let TokenError::Entra(error) = error else { panic!("{status} {text}: {error}") };
        assert_eq!(error.cause(), cause, "{status} {text}");
        assert!(error.correlation_id().is_some(), "ours, where Entra names none");
    }
    let described = r#"{"error":"invalid_grant","error_description":"AADSTS700082: old"}"#;
    let TokenError::Entra(error) = stage.text(400, described).await else { panic!("a refusal") };
    assert_eq!(error.cause(), Cause::GrantExpired);
}
