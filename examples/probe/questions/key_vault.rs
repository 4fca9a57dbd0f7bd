//! What Key Vault leaves open.

use bytes::Bytes;
use cpv_consent::AccessToken;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::probe::{Probe, Reply, Silence, random_guid, request};
use super::super::settings::KeyVault;
use super::super::wire::{Exchange, Service};
use super::Answer;

pub(super) async fn challenge(probe: &Probe) -> Result<Answer, Silence> {
    let vault = vault(probe)?;
    let url = format!("{}/secrets/probe{VERSION}", vault.origin);
    let reply = probe.send(request(Method::GET, &url, None, None)).await?;
    let is_its = |exchange: &Exchange| exchange.request.service == Service::KeyVault;
    let noted = probe.latest(is_its).and_then(|exchange| exchange.reply);
    let header = noted.and_then(|reply| reply.headers.get("www-authenticate").cloned());
    let header = header.as_ref().and_then(Value::as_str).unwrap_or("absent").to_owned();
    Ok(Answer::new(format!("{reply}; WWW-Authenticate: {header}")))
}

/// Sets a secret that is none, deletes it, and purges it where the vault lets that be.
pub(super) async fn purge(probe: &Probe) -> Result<Answer, Silence> {
    let vault = vault(probe)?;
    let token = vault.token.as_ref();
    let token = token.ok_or_else(|| Silence::not_asked("CPV_KEY_VAULT_TOKEN is not set"))?;
    let secret = Secret { probe, vault, token, name: format!("probe-{}", random_guid().simple()) };
    let set = secret.set().await?;
    if !set.is_success() {
        return Err(Silence::not_asked(format!("no secret can be set: {set}")));
    }
    let told = secret.delete_and_purge(&set).await;
    let left =
        Some("a secret named probe-…, whose value is no secret, or its deleted form".to_owned());
    match (told, secret.is_gone().await) {
        (told, true) => told,
        (Ok(answer), false) => Ok(Answer { left, ..answer }),
        (Err(silence), false) => Err(Silence { left, ..silence }),
    }
}

fn vault(probe: &Probe) -> Result<&KeyVault, Silence> {
    let vault = probe.settings.key_vault.as_ref();
    vault.ok_or_else(|| Silence::not_asked("CPV_KEY_VAULT is not set"))
}

struct Secret<'p> {
    probe: &'p Probe,
    vault: &'p KeyVault,
    token: &'p AccessToken,
    name: String,
}

impl Secret<'_> {
    async fn set(&self) -> Result<Reply, Silence> {
        let body = json!({ "value": "nothing", "contentType": "text/plain" });
        self.call(Method::PUT, "secrets", Some(&body)).await
    }

    async fn delete_and_purge(&self, set: &Reply) -> Result<Answer, Silence> {
        let deleted = self.call(Method::DELETE, "secrets", None).await?;
        if !deleted.is_success() {
            return Err(Silence::not_answered(format!("the secret is not deleted: {deleted}")));
        }
        let level = set.body["attributes"]["recoveryLevel"].as_str().unwrap_or_default();
        if !level.contains("Purgeable") {
            return Err(Silence::not_answered("the vault is protected against purging"));
        }
        self.wait_until_deleted().await?;
        let purged = self.call(Method::DELETE, "deletedsecrets", None).await?;
        Ok(Answer::new(format!("{purged}")))
    }

    /// Deletion goes on after it was answered.
    async fn wait_until_deleted(&self) -> Result<(), Silence> {
        for _ in 0..self.probe.settings.patience.looks {
            if self.call(Method::GET, "deletedsecrets", None).await?.is_success() {
                return Ok(());
            }
            sleep(self.probe.settings.patience.pause).await;
        }
        Err(Silence::not_answered("the deletion did not come to its end"))
    }

    async fn is_gone(&self) -> bool {
        for _ in 0..self.probe.settings.patience.looks {
            let mut gone = true;
            for collection in ["secrets", "deletedsecrets"] {
                let reply = self.call(Method::GET, collection, None).await;
                gone &= reply.is_ok_and(|reply| reply.status == 404);
            }
            if gone {
                return true;
            }
            sleep(self.probe.settings.patience.pause).await;
        }
        false
    }

    async fn call(
        &self,
        method: Method,
        collection: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Silence> {
        let url = format!("{}/{collection}/{}{VERSION}", self.vault.origin, self.name);
        let request: Request<Bytes> = request(method, &url, Some(self.token.bearer()), body);
        self.probe.send(request).await
    }
}

const VERSION: &str = "?api-version=7.4";
