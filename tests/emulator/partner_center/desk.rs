//! A partner's token, and the requests that it is sent with.

use cpv_consent::TenantId;
use cpv_consent::emulator::{Answer, Browser, User};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::super::bench::{Bench, FieldList, GRAPH, Outcome, REDIRECT, Reply, SECRET, VERIFIER};

pub(super) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
pub(super) const ARM_APP: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";
pub(super) const ARM: &str = "https://management.azure.com";
pub(super) const REQUEST_ID: &str = "44444444-4444-4444-8444-444444444444";

pub(super) struct Desk {
    pub(super) bench: Bench,
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Desk {
    pub(super) async fn new() -> Result<Self, Box<dyn std::error::Error>> {
        Self::of(Bench::new().await?).await
    }

    pub(super) async fn of(bench: Bench) -> Result<Self, Box<dyn std::error::Error>> {
        let reply = bench.redeem(&bench.code().await?, &[]).await?;
        let [access, refresh] = ["access_token", "refresh_token"].map(|n| reply.text(n).to_owned());
        Ok(Self { bench, access, refresh })
    }

    /// A token of another partner, who consents first.
    pub(super) async fn token_of(
        &self,
        tenant: TenantId,
        user: &User,
    ) -> Result<String, Box<dyn std::error::Error>> {
        let url = self.bench.authorize_url(&tenant.to_string(), &[]);
        let back = Browser::new().walk(&url, user, Answer::Accept).await?;
        let client_id = self.bench.app.client_id().to_string();
        let callback = FieldList::of_query(&back);
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id.as_str()),
            ("client_secret", SECRET),
            ("code", callback.code()?),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        let reply = self.bench.post(&self.bench.token_url(&tenant.to_string()), &fields).await?;
        Ok(reply.text("access_token").to_owned())
    }

    /// A request with the partner's token and these headers beside it.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        let url = format!("{}{path}", self.bench.entra.partner_center_origin());
        let mut request = self.bench.http.request(method, url);
        request = request.header(CONTENT_TYPE, "application/json").body(body.into());
        if headers.iter().all(|(name, _)| *name != AUTHORIZATION.as_str()) {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.access));
        }
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Reply::read(request.send().await?).await
    }

    pub(super) async fn read(&self, path: &str) -> Result<Reply, Box<dyn std::error::Error>> {
        self.send(Method::GET, path, &[], "").await
    }

    /// A consent of the vendor's application to these grants.
    pub(super) fn consent(&self, grants: &[(&str, &str)]) -> Value {
        let grants = grants.iter().map(|(application, scope)| {
            json!({ "enterpriseApplicationId": application, "scope": scope })
        });
        json!({
            "applicationId": self.bench.app.client_id(),
            "displayName": "Vendor Panel",
            "applicationGrants": grants.collect::<Vec<_>>(),
        })
    }

    pub(super) async fn create(
        &self,
        grants: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        let body = self.consent(grants).to_string();
        self.send(Method::POST, &consents(self.bench.fabrikam), &[], body).await
    }

    pub(super) async fn remove(&self) -> Result<Reply, Box<dyn std::error::Error>> {
        let path = format!("{}/{}", consents(self.bench.fabrikam), self.bench.app.client_id());
        self.send(Method::DELETE, &path, &[], "").await
    }

    /// What a token for a resource at the customer comes to.
    pub(super) async fn at_fabrikam(
        &self,
        resource: &str,
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        let scope = format!("{resource}/.default");
        let fabrikam = self.bench.fabrikam.to_string();
        self.bench.exchange(&fabrikam, &self.refresh, &[("scope", &scope)]).await
    }

    /// What Graph may be used for at the customer: a scope, or an AADSTS number.
    pub(super) async fn graph_at_fabrikam(
        &self,
    ) -> Result<Result<String, u64>, Box<dyn std::error::Error>> {
        let reply = self.at_fabrikam(GRAPH).await?;
        let granted = reply.status == 200;
        Ok(if granted { Ok(reply.text("scope").to_owned()) } else { Err(reply.number()) })
    }
}

pub(super) fn consents(customer: TenantId) -> String {
    format!("/v1/customers/{customer}/applicationconsents")
}

/// Status and code of an error.
pub(super) fn fault(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.text("code"))
}

/// Sends each request and compares status and code.
pub(super) async fn each_is_refused(
    desk: &Desk,
    requests: &[(&str, Method, &str, String, (u16, &str))],
) -> Outcome {
    for (name, method, path, body, expected) in requests {
        let reply = desk.send(method.clone(), path, &[], body.as_str()).await?;
        assert_eq!(fault(&reply), *expected, "{name}");
        let known = ["code", "description", "data", "source"];
        assert!(known.iter().all(|member| reply.json.get(member).is_some()), "{name}");
    }
    Ok(())
}
