//! Where a browser may be sent back to: exactly what is registered, on `localhost` at any port.

use serde_json::json;
use url::Url;

use super::bench::{Bench, Outcome};
use super::sitting::Sitting;

/// Each is `http://localhost/cb` to whoever normalises before comparing, or looks like it.
const WRONG: [&str; 11] = [
    "http://localhost:9/x/../cb",
    "http://LOCALHOST:9/%2e/cb",
    "http://localhost:9/c\tb",
    "http://localhost\\cb",
    "http:localhost/cb",
    "https://localhost:9/cb",
    "http://localhost:9/cb/",
    "http://localhost:9/cb?x=1",
    "http://localhost:9x/cb",
    "http://localhost:9.evil.example/cb",
    "http://localhost@evil.example/cb",
];
const RIGHT: [&str; 3] =
    ["http://localhost/cb", "http://localhost:9/cb", "https://localhost.example/cb"];

#[tokio::test]
async fn only_the_port_is_free_on_localhost() -> Outcome {
    let bench = Bench::new().await?;
    let manifest = json!({
        "displayName": "Panel",
        "signInAudience": "AzureADMultipleOrgs",
        "web": { "redirectUris": ["http://localhost/cb", "https://localhost.example/cb"] },
    });
    let client = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
    let client = client.client_id.to_string();
    let opened = async |uri| {
        let changes = [("client_id", client.as_str()), ("redirect_uri", uri)];
        Sitting::open(&bench.authorize_url("organizations", &changes)).await
    };
    for uri in WRONG.iter().chain(&["https://localhost:9.example/cb"]) {
        assert_eq!(opened(uri).await?.page.refusal(), (400, Some(50_011)), "{uri:?}");
        assert_eq!(Sitting::open(&logout(&bench, uri)).await?.page.status, 200, "{uri:?}");
    }
    for uri in RIGHT {
        assert_eq!(opened(uri).await?.page.heading(), "Sign in", "{uri}");
        assert_eq!(Sitting::open(&logout(&bench, uri)).await?.page.status, 302, "{uri}");
    }
    Ok(())
}

fn logout(bench: &Bench, back: &str) -> Url {
    let url = format!("{}/common/oauth2/v2.0/logout", bench.entra.login_origin());
    Url::parse_with_params(&url, [("post_logout_redirect_uri", back)]).expect("a URL")
}
