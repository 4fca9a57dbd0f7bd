//! The browser against a panel that listens.

use axum::Router;
use axum::routing::get;
use cpv_consent::emulator::Browser;
use http::HeaderMap;
use http::header::COOKIE;
use tokio::net::TcpListener;
use url::Url;

use super::bench::Outcome;

#[tokio::test]
async fn cookies_that_a_panel_sets_are_sent_back_to_it() -> Outcome {
    let seen = |headers: HeaderMap| async move {
        let cookie = headers.get(COOKIE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        ([("set-cookie", "a=b; Path=/")], cookie.unwrap_or_default())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
    let routes = Router::new().route("/", get(seen));
    let panel = tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut browser = Browser::new();
    let (first, second) = (browser.open(&url).await?, browser.open(&url).await?);
    assert_eq!((first.body().as_ref(), second.body().as_ref()), (&b""[..], &b"a=b"[..]));
    panel.abort();
    Ok(())
}
