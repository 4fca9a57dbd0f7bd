//! HTTP/2, which production speaks and loopback does not: its libraries log every frame.

use bytes::Bytes;
use cpv_consent::{AccessToken, Http as _, Reqwest};
use http::Request;
use http::header::AUTHORIZATION;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::logs;
use crate::searcher::{Searcher, Secret};

#[tokio::test]
async fn frames_are_logged_without_their_secrets() {
    //
    logs::listen();
    let server = MockServer::start().await;
    let reply = ResponseTemplate::new(200).set_body_string("{\"access_token\":\"at-h2-canary-1\"}");
    Mock::given(any()).respond_with(reply).mount(&server).await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    let bearer = AccessToken::new("bearer-h2-canary-2").expect("visible ASCII").bearer();
    let request = Request::post(format!("{}/token", server.uri()))
        .header(AUTHORIZATION, bearer)
        .body(Bytes::from_static(b"refresh_token=rt-h2-canary-3&client_secret=cs-h2-canary-4"))
        .expect("a request");
    let reply = Reqwest::with_client(client).send(request, 1024).await.expect("a reply");
    assert_eq!(reply.status(), 200);
    let secrets = ["at-h2-canary-1", "bearer-h2-canary-2", "rt-h2-canary-3", "cs-h2-canary-4"];
    let secrets = secrets.map(|secret| Secret::new(&secret[..2], secret));
    let lines = logs::lines();
    assert_eq!(Searcher::for_all(&secrets).find(&lines), None);
    assert!(String::from_utf8_lossy(&lines).contains("h2::"), "HTTP/2 said something");
}
