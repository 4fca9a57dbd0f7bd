//! Deletion, recovery and purge: each goes on after it was answered.

use std::error::Error;
use std::time::Duration;

use cpv_consent::emulator::VaultRight;
use serde_json::{Value, json};

use super::super::bench::Outcome;
use super::{Vault, fault, names};

const DAY: u64 = 24 * 3600;

/// The vendor may do everything, and the vault takes half a minute over it.
async fn slow_vault() -> Result<Vault, Box<dyn Error>> {
    let vault = Vault::new().await?;
    vault.bench.entra.vault_rights(vault.bench.app.client_id(), &VaultRight::ALL);
    vault.bench.entra.vault_deletes_take(Duration::from_secs(30));
    Ok(vault)
}

async fn fault_of(
    vault: &Vault,
    method: &str,
    path: &str,
) -> Result<(u16, String, String), Box<dyn Error>> {
    let reply = vault.call(method, path, &json!({ "value": "2" })).await?;
    let (status, code, inner) = fault(&reply);
    Ok((status, code.to_owned(), inner.to_owned()))
}

fn is(status: u16, code: &str, inner: &str) -> (u16, String, String) {
    (status, code.to_owned(), inner.to_owned())
}

#[tokio::test]
async fn a_deletion_is_answered_before_it_is_through() -> Outcome {
    let vault = slow_vault().await?;
    let version = vault.set("x", "1").await?;
    let deleted = vault.call("DELETE", "/secrets/x", &Value::Null).await?;
    let (origin, now) = (vault.bench.entra.key_vault_origin(), vault.bench.now());
    assert_eq!((deleted.status, deleted.json.get("value")), (200, None));
    assert_eq!(deleted.text("recoveryId"), format!("{origin}/deletedsecrets/x"));
    assert_eq!(deleted.text("id"), format!("{origin}/secrets/x/{version}"));
    assert_eq!(deleted.json["deletedDate"], now);
    assert_eq!(deleted.json["scheduledPurgeDate"], now + 90 * DAY);
    assert_eq!(deleted.json["attributes"]["recoveryLevel"], "Recoverable+Purgeable");

    let conflict = is(409, "Conflict", "ObjectIsBeingDeleted");
    assert_eq!(fault_of(&vault, "GET", "/secrets/x").await?, is(404, "SecretNotFound", ""));
    assert_eq!(fault_of(&vault, "DELETE", "/secrets/x").await?, is(404, "SecretNotFound", ""));
    assert_eq!(fault_of(&vault, "GET", "/deletedsecrets/x").await?, is(404, "SecretNotFound", ""));
    assert_eq!(fault_of(&vault, "PUT", "/secrets/x").await?, conflict);
    assert_eq!(fault_of(&vault, "DELETE", "/deletedsecrets/x").await?, conflict);
    assert_eq!(fault_of(&vault, "POST", "/deletedsecrets/x/recover").await?, conflict);
    assert_eq!(names(&vault.get("/secrets").await?).len(), 0);
    assert_eq!(names(&vault.get("/deletedsecrets").await?).len(), 0);

    vault.bench.clock.advance(Duration::from_secs(30));
    let found = vault.get("/deletedsecrets/X").await?;
    assert_eq!((found.status, &found.json), (200, &deleted.json));
    assert_eq!(names(&vault.get("/deletedsecrets").await?), ["x"]);
    assert_eq!(vault.bench.entra.vault_deleted_names(), ["x"]);
    let taken = is(409, "Conflict", "ObjectIsDeletedButRecoverable");
    assert_eq!(fault_of(&vault, "PUT", "/secrets/x").await?, taken);
    assert_eq!(fault_of(&vault, "PATCH", "/secrets/x").await?, is(404, "SecretNotFound", ""));
    Ok(())
}

#[tokio::test]
async fn a_recovered_secret_has_all_its_versions() -> Outcome {
    let vault = slow_vault().await?;
    let one = vault.set("x", "one").await?;
    vault.set("x", "two").await?;
    vault.call("DELETE", "/secrets/x", &Value::Null).await?;
    vault.bench.clock.advance(Duration::from_secs(30));
    let recovered = vault.call("POST", "/deletedsecrets/x/recover", &json!({})).await?;
    assert_eq!((recovered.status, recovered.json.get("value")), (200, None));
    assert_eq!(recovered.json.get("recoveryId"), None);

    let conflict = is(409, "Conflict", "ObjectIsBeingRecovered");
    assert_eq!(fault_of(&vault, "GET", "/secrets/x").await?, is(404, "SecretNotFound", ""));
    assert_eq!(fault_of(&vault, "PUT", "/secrets/x").await?, conflict);
    assert_eq!(fault_of(&vault, "DELETE", "/secrets/x").await?, conflict);
    assert_eq!(fault_of(&vault, "DELETE", "/deletedsecrets/x").await?, conflict);

    vault.bench.clock.advance(Duration::from_secs(30));
    assert_eq!(vault.get("/secrets/x").await?.text("value"), "two");
    assert_eq!(vault.get(&format!("/secrets/x/{one}")).await?.text("value"), "one");
    vault.set("x", "three").await?;
    let again = fault_of(&vault, "POST", "/deletedsecrets/x/recover").await?;
    assert_eq!(again, is(404, "SecretNotFound", ""));
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_purge_shows_only_in_that_the_name_is_free() -> Outcome {
    let vault = slow_vault().await?;
    vault.set("x", "1").await?;
    vault.call("DELETE", "/secrets/x", &Value::Null).await?;
    vault.bench.clock.advance(Duration::from_secs(30));
    let purged = vault.call("DELETE", "/deletedsecrets/x", &Value::Null).await?;
    assert_eq!((purged.status, purged.body.len()), (204, 0));

    let gone = is(404, "SecretNotFound", "");
    assert_eq!(fault_of(&vault, "GET", "/deletedsecrets/x").await?, gone);
    assert_eq!(fault_of(&vault, "DELETE", "/deletedsecrets/x").await?, gone);
    assert_eq!(fault_of(&vault, "POST", "/deletedsecrets/x/recover").await?, gone);
    assert_eq!(vault.bench.entra.vault_deleted_names().len(), 0);
    let conflict = is(409, "Conflict", "ObjectIsBeingDeleted");
    assert_eq!(fault_of(&vault, "PUT", "/secrets/x").await?, conflict);

    vault.bench.clock.advance(Duration::from_secs(30));
    vault.set("x", "2").await?;
    let versions = vault.get("/secrets/x/versions").await?;
    assert_eq!(names(&versions).len(), 1, "nothing is left of the first");
    Ok(())
}

#[tokio::test]
async fn under_purge_protection_only_time_purges() -> Outcome {
    let vault = slow_vault().await?;
    let entra = &vault.bench.entra;
    entra.purge_protection(true);
    entra.vault_retention(3);
    vault.set("x", "1").await?;
    let deleted = vault.call("DELETE", "/secrets/x", &Value::Null).await?;
    let attributes = &deleted.json["attributes"];
    assert_eq!(attributes["recoveryLevel"], "CustomizedRecoverable");
    assert_eq!(attributes["recoverableDays"], 7, "no vault keeps for less");
    assert_eq!(deleted.json["scheduledPurgeDate"], vault.bench.now() + 7 * DAY);
    vault.bench.clock.advance(Duration::from_secs(30));
    assert_eq!(fault_of(&vault, "DELETE", "/deletedsecrets/x").await?, is(403, "Forbidden", ""));

    vault.bench.clock.advance(Duration::from_secs(7 * DAY - 31));
    let token = super::own_token(&vault.bench, &vault.bench.app.home().to_string(), &[]).await?;
    let vault = Vault { token: token.text("access_token").to_owned(), ..vault };
    assert_eq!(vault.get("/deletedsecrets/x").await?.status, 200);
    vault.bench.clock.advance(Duration::from_secs(1));
    assert_eq!(vault.bench.entra.vault_deleted_names().len(), 0);
    assert_eq!(vault.get("/deletedsecrets/x").await?.status, 404);
    vault.set("x", "2").await?;
    Ok(())
}

#[tokio::test]
async fn a_disabled_secret_is_deleted_and_then_forbidden_to_look_at() -> Outcome {
    let vault = slow_vault().await?;
    vault.bench.entra.vault_deletes_take(Duration::ZERO);
    let body = json!({ "value": "1", "attributes": { "enabled": false } });
    vault.call("PUT", "/secrets/x", &body).await?;
    assert_eq!(vault.call("DELETE", "/secrets/x", &Value::Null).await?.status, 200);
    let disabled = is(403, "Forbidden", "SecretDisabled");
    assert_eq!(fault_of(&vault, "GET", "/deletedsecrets/x").await?, disabled);
    assert_eq!(names(&vault.get("/deletedsecrets").await?), ["x"]);
    assert_eq!(vault.call("DELETE", "/deletedsecrets/x", &Value::Null).await?.status, 204);
    Ok(())
}

#[tokio::test]
async fn a_deletion_may_take_for_ever() -> Outcome {
    let vault = slow_vault().await?;
    vault.bench.entra.vault_deletes_take(Duration::MAX);
    vault.set("x", "1").await?;
    assert_eq!(vault.call("DELETE", "/secrets/x", &Value::Null).await?.status, 200);
    let found = fault_of(&vault, "GET", "/deletedsecrets/x").await?;
    assert_eq!(found, is(404, "SecretNotFound", ""));
    Ok(())
}
