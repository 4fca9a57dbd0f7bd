//! The Key Vault and the managed identity endpoint.

use std::error::Error;

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::bench::{Bench, Reply, SECRET};

mod access;
mod deleted;
mod identity;
mod keys;
mod secrets;

const RESOURCE: &str = "https://vault.azure.net";

/// The vendor's vault, and the vendor's own token for it.
struct Vault {
    bench: Bench,
    token: String,
}

impl Vault {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let bench = Bench::new().await?;
        let reply = own_token(&bench, &bench.app.home().to_string(), &[]).await?;
        let token = reply.text("access_token").to_owned();
        Ok(Self { bench, token })
    }

    /// A call with the vendor's token; one without a query names the older API version.
    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Reply, Box<dyn Error>> {
        self.call_as(&self.token, method, path, body).await
    }

    async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Reply, Box<dyn Error>> {
        let origin = self.bench.entra.key_vault_origin();
        let query = if path.contains('?') { "" } else { "?api-version=7.4" };
        let url = format!("{origin}{path}{query}");
        let request = self.bench.http.request(Method::from_bytes(method.as_bytes())?, url);
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        Reply::read(request.body(body.to_string()).send().await?).await
    }

    async fn get(&self, path: &str) -> Result<Reply, Box<dyn Error>> {
        self.call("GET", path, &Value::Null).await
    }

    /// Makes a new version and tells its id.
    async fn set(&self, name: &str, value: &str) -> Result<String, Box<dyn Error>> {
        let body = serde_json::json!({ "value": value });
        let reply = self.call("PUT", &format!("/secrets/{name}"), &body).await?;
        assert_eq!(reply.status, 200, "{name}: {}", reply.json);
        Ok(reply.text("id").rsplit('/').next().unwrap_or_default().to_owned())
    }
}

/// A client_credentials request of the vendor, with some fields replaced, added or left out.
async fn own_token(
    bench: &Bench,
    tenant: &str,
    changes: &[(&str, &str)],
) -> Result<Reply, Box<dyn Error>> {
    let client_id = bench.app.client_id().to_string();
    let scope = format!("{RESOURCE}/.default");
    let right = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
        ("client_secret", SECRET),
        ("scope", scope.as_str()),
    ];
    let kept = right.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let fields: Vec<_> = kept.chain(changes).copied().filter(|(_, v)| !v.is_empty()).collect();
    bench.post(&bench.token_url(tenant), &fields).await
}

/// Status, code and inner code.
fn fault(reply: &Reply) -> (u16, &str, &str) {
    let error = &reply.json["error"];
    let code = error["code"].as_str().unwrap_or_default();
    (reply.status, code, error["innererror"]["code"].as_str().unwrap_or_default())
}

/// The last part of each identifier on a page.
fn names(reply: &Reply) -> Vec<&str> {
    let items = reply.json["value"].as_array().into_iter().flatten();
    let ids = items.filter_map(|item| item["id"].as_str().or(item["kid"].as_str()));
    ids.filter_map(|id| id.rsplit('/').next()).collect()
}
