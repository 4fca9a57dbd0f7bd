//! What the application may do in the customer's tenant: seen before it is changed, and put back.

use std::collections::{BTreeMap, BTreeSet};

use cpv_consent::{Resource, Token};
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::probe::{Probe, Reply, Silence};
use super::Answer;

/// Permissions by the application id of the resource that offers them.
type Grants = BTreeMap<String, BTreeSet<String>>;

/// The consent as it was before a question, with a token from that time.
pub(super) struct Standing<'p> {
    probe: &'p Probe,
    graph: Token,
    /// What the application is called there.
    name: String,
    grants: Grants,
}

/// The application's service principal in the customer's tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Principal {
    There,
    Gone,
    Unseen(u16),
}

impl<'p> Standing<'p> {
    /// Asks something that may change the consent, and puts back whatever it changed, however the
    /// question ended.
    pub(super) async fn guard(
        probe: &'p Probe,
        ask: impl AsyncFnOnce(&Self) -> Result<Answer, Silence>,
    ) -> Result<Answer, Silence> {
        let standing = Self::read(probe).await?;
        let told = ask(&standing).await;
        let back = standing.put_back().await;
        match (told, back) {
            (Ok(answer), Ok(created)) => Ok(answer.put_back(created)),
            (Ok(answer), Err(left)) => Ok(Answer { left: Some(left), ..answer }),
            (Err(silence), Ok(_)) => Err(silence),
            (Err(silence), Err(left)) => Err(Silence { left: Some(left), ..silence }),
        }
    }

    async fn read(probe: &'p Probe) -> Result<Self, Silence> {
        let graph =
            probe.token(probe.settings.customer, Resource::Graph).await.map_err(|error| {
                let aloud = Some(error.to_string());
                Silence { aloud, ..Silence::not_asked(UNREADABLE) }
            })?;
        let (name, grants) = (String::new(), Grants::new());
        let mut standing = Self { probe, graph, name, grants };
        standing.grants = match standing.now().await? {
            Some(grants) if !grants.is_empty() => grants,
            _ => {
                return Err(Silence::not_asked(
                    "the application has no consent there to begin with",
                ));
            }
        };
        let principal = probe.graph(&standing.graph, &standing.principal_path()).await?;
        let name = principal.body["displayName"].as_str();
        standing.name = name.ok_or_else(|| Silence::not_asked(UNREADABLE))?.to_owned();
        Ok(standing)
    }

    /// What is granted now; `None` where the service principal is gone.
    async fn now(&self) -> Result<Option<Grants>, Silence> {
        let path = format!("{}/oauth2PermissionGrants", self.principal_path());
        let reply = self.probe.graph(&self.graph, &path).await?;
        match seen(&reply) {
            Principal::There => {}
            Principal::Gone => return Ok(None),
            Principal::Unseen(_) => return Err(Silence::not_asked(UNREADABLE)),
        }
        if !reply.body["@odata.nextLink"].is_null() {
            return Err(Silence::not_asked("more is granted there than one page of Graph holds"));
        }
        let mut grants = Grants::new();
        for grant in reply.body["value"].as_array().into_iter().flatten() {
            if grant["consentType"] != "AllPrincipals" {
                return Err(Silence::not_asked(
                    "a single user's grant is there, which could not be put back",
                ));
            }
            let resource = self.application_of(&grant["resourceId"]).await?;
            let scope = grant["scope"].as_str().unwrap_or_default().split_ascii_whitespace();
            grants.entry(resource).or_default().extend(scope.map(str::to_owned));
        }
        Ok(Some(grants))
    }

    /// The application id of a resource's service principal.
    async fn application_of(&self, principal: &Value) -> Result<String, Silence> {
        let id =
            principal.as_str().filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'));
        let id = id.ok_or_else(|| Silence::not_asked(UNREADABLE))?;
        let path = format!("/v1.0/servicePrincipals/{id}");
        let reply = self.probe.graph(&self.graph, &path).await?;
        let application = reply.body["appId"].as_str().map(str::to_lowercase);
        application.ok_or_else(|| Silence::not_asked(UNREADABLE))
    }

    fn principal_path(&self) -> String {
        format!("/v1.0/servicePrincipals(appId='{}')", self.probe.application())
    }

    /// The service principal by the token from before, once it is gone or patience is at its end.
    pub(super) async fn principal_after(&self) -> Result<Principal, Silence> {
        let mut last = Principal::There;
        for _ in 0..self.probe.settings.patience.looks {
            last = seen(&self.probe.graph(&self.graph, &self.principal_path()).await?);
            if last == Principal::Gone {
                break;
            }
            sleep(self.probe.settings.patience.pause).await;
        }
        Ok(last)
    }

    pub(super) async fn create(&self) -> Result<Reply, Silence> {
        let path = self.consents_path();
        self.probe.partner_center(Method::POST, &path, Some(&self.consent())).await
    }

    pub(super) async fn delete(&self) -> Result<Reply, Silence> {
        let path = format!("{}/{}", self.consents_path(), self.probe.application());
        self.probe.partner_center(Method::DELETE, &path, None).await
    }

    pub(super) async fn change(&self) -> Result<Reply, Silence> {
        let path = format!("{}/{}", self.consents_path(), self.probe.application());
        self.probe.partner_center(Method::PATCH, &path, Some(&self.consent())).await
    }

    fn consents_path(&self) -> String {
        format!("/v1/customers/{}/applicationconsents", self.probe.settings.customer)
    }

    /// The consent as Partner Center's `applicationconsents` takes it.
    fn consent(&self) -> Value {
        let grants = self.grants.iter().map(|(resource, permissions)| {
            let scope = Vec::from_iter(permissions.iter().map(String::as_str)).join(",");
            json!({ "enterpriseApplicationId": resource, "scope": scope })
        });
        json!({
            "applicationId": self.probe.application(),
            "displayName": self.name,
            "applicationGrants": grants.collect::<Vec<_>>(),
        })
    }

    /// Makes the consent what it was, and says how its creation was answered if there was one.
    async fn put_back(&self) -> Result<Option<u16>, String> {
        match self.now().await {
            Ok(Some(grants)) if grants == self.grants => return Ok(None),
            Ok(Some(grants)) if !grants.is_empty() => {
                self.delete().await.map_err(|silence| left(&silence))?;
            }
            _ => {} // gone, empty or not to be seen: creating it does no harm
        }
        let created = self.create_again().await.map_err(|silence| left(&silence))?;
        for _ in 0..self.probe.settings.patience.looks {
            if self.now().await.is_ok_and(|now| now.as_ref() == Some(&self.grants)) {
                return Ok(Some(created.status));
            }
            sleep(self.probe.settings.patience.pause).await;
        }
        Err(format!("the customer's consent (its creation was answered {created})"))
    }

    /// A deletion that still spreads may stand in the way for a while.
    async fn create_again(&self) -> Result<Reply, Silence> {
        for _ in 1..self.probe.settings.patience.looks {
            if let Ok(reply) = self.create().await
                && reply.is_success()
            {
                return Ok(reply);
            }
            sleep(self.probe.settings.patience.pause).await;
        }
        self.create().await
    }
}

fn left(silence: &Silence) -> String {
    format!("the customer's consent ({})", silence.words)
}

/// Graph says it of the caller itself where the caller's own principal is gone.
fn seen(reply: &Reply) -> Principal {
    match reply.status {
        200 => Principal::There,
        404 => Principal::Gone,
        _ if reply.code().as_deref() == Some("Authorization_IdentityNotFound") => Principal::Gone,
        status => Principal::Unseen(status),
    }
}

impl Answer {
    fn put_back(mut self, created: Option<u16>) -> Self {
        let Some(status) = created else { return self };
        self.words.push_str(&format!("; put back: {status}"));
        self.doubt("consent_created_status", status)
    }
}

const UNREADABLE: &str =
    "what is granted in the customer's tenant cannot be read, so it could not be put back";
