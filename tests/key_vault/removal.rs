//! A removed consent does not come back: not by soft deletion, not by recovery, not by hand.

use std::time::Duration;

use cpv_consent::emulator::{Endpoint, Failure, Rule, VaultRight};
use cpv_consent::store::{Expect, KeyVaultSecrets, Leftovers, Revision, Store, StoreError};
use http::Method;
use serde_json::json;

use crate::bench::{Bench, base64, entry};

const LEFT: Leftovers = unpurged(1);

const fn unpurged(count: usize) -> Leftovers {
    let mut left = NONE;
    left.unpurged = count;
    left
}

const NONE: Leftovers = Leftovers { readable: 0, unpurged: 0 };

async fn removed(bench: &Bench, store: &KeyVaultSecrets) -> Revision {
    let revision = bench.put(store, "a", "first").await;
    store.remove(&bench.place("a"), revision).await.expect("removed");
    assert_eq!(store.get(&bench.place("a")).await, Ok(None));
    assert_eq!(store.realms().await.expect("realms"), Vec::<String>::new());
    revision
}

#[tokio::test]
async fn a_removed_record_is_purged_where_the_right_exists() {
    //
    let bench = Bench::new().await;
    bench.entra.vault_rights(bench.app.client_id(), &VaultRight::ALL);
    bench.entra.vault_deletes_take(Duration::from_secs(3));
    let store = bench.store().await;
    removed(&bench, &store).await;
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(bench.entra.vault_deleted_names(), Vec::<String>::new());
    assert_eq!(store.leftovers(), NONE);
    assert_eq!(bench.clock.pauses(), [1, 2], "until the deletion was through");
}

#[tokio::test]
async fn without_the_right_or_with_protection_what_stays_is_told() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    removed(&bench, &store).await;
    assert_eq!(bench.entra.vault_deleted_names().len(), 1);
    assert_eq!(store.leftovers(), LEFT);
    bench.entra.forget_ledger();
    let revision = bench.put(&store, "b", "another").await;
    store.remove(&bench.place("b"), revision).await.expect("removed");
    assert_eq!(bench.calls("DELETE", "/deletedsecrets/"), 0, "it knows that it may not");
    assert_eq!(store.leftovers(), unpurged(2));

    bench.entra.vault_rights(bench.app.client_id(), &VaultRight::ALL);
    bench.entra.purge_protection(true);
    assert_eq!(store.tidy().await.expect("listed"), unpurged(2));
    bench.entra.purge_protection(false);
    assert_eq!(store.tidy().await.expect("listed"), NONE);
    assert_eq!(bench.entra.vault_deleted_names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_place_can_be_taken_again_after_soft_deletion() {
    let bench = Bench::new().await;
    bench.entra.purge_protection(true);
    bench.entra.vault_deletes_take(Duration::from_secs(5));
    let store = bench.store().await;
    let first = removed(&bench, &store).await;
    let second = bench.put(&store, "a", "second").await;
    assert!(second > first);
    let stored = store.get(&bench.place("a")).await.expect("readable").expect("there");
    assert_eq!((stored.entry, stored.revision), (entry("second"), second));
    let name = bench.entra.vault_secret_names().remove(0);
    assert_eq!(bench.readable(&name).await, [base64("second")], "the first did not come back");
    assert_eq!(store.leftovers(), NONE);
}

#[tokio::test]
async fn a_recovery_that_ends_half_way_revives_nothing() {
    // F-24
    let bench = Bench::new().await;
    bench.entra.purge_protection(true);
    let store = bench.store().await;
    removed(&bench, &store).await;
    let rule = Rule::at(Endpoint::Secrets).method(Method::PUT);
    // The name is taken, so the first set is a conflict; after the recovery the process is gone.
    let gone = bench.entra.fail(rule, Failure::reset().after(1));
    let put = store.put(&bench.place("a"), entry("second"), Expect::Absent).await;
    assert!(matches!(put, Err(StoreError::Unavailable { .. })), "{put:?}");
    assert_eq!(bench.entra.vault_secret_names().len(), 1, "the secret was recovered");
    for store in [store, bench.store().await] {
        assert_eq!(store.get(&bench.place("a")).await, Ok(None));
        assert_eq!(store.realms().await.expect("realms"), Vec::<String>::new());
    }
    gone.clear();
    let store = bench.store().await;
    bench.put(&store, "a", "third").await;
}

#[tokio::test]
async fn enabling_a_removed_version_by_hand_revives_nothing() {
    let bench = Bench::new().await;
    bench.entra.purge_protection(true);
    let store = bench.store().await;
    removed(&bench, &store).await;
    let name = bench.entra.vault_deleted_names().remove(0);
    bench.raw("POST", &format!("/deletedsecrets/{name}/recover"), &json!({})).await;
    let body = json!({ "attributes": { "enabled": true } });
    bench.raw("PATCH", &format!("/secrets/{name}"), &body).await;
    assert_eq!(bench.readable(&name).await, [base64("first")]);
    assert_eq!(store.get(&bench.place("a")).await, Ok(None));
    assert_eq!(store.tidy().await.expect("listed"), LEFT);
    assert_eq!(bench.entra.vault_secret_names(), Vec::<String>::new(), "deleted again");
}

#[tokio::test]
async fn a_secret_deleted_by_hand_is_not_recovered_behind_its_owners_back() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    bench.put(&store, "a", "first").await;
    let name = bench.entra.vault_secret_names().remove(0);
    bench.raw("DELETE", &format!("/secrets/{name}"), &json!({})).await;
    assert_eq!(store.get(&bench.place("a")).await, Ok(None));
    let put = store.put(&bench.place("a"), entry("second"), Expect::Absent).await;
    let StoreError::Unusable { because } = put.expect_err("deleted by hand") else { panic!("?") };
    assert!(because.contains("purge it, or recover it"), "{because}");
    assert_eq!(bench.entra.vault_deleted_names(), [name], "nothing was changed");
    store.tidy().await.expect("listed");
    assert_eq!(bench.entra.vault_deleted_names().len(), 1, "nor is it purged");
}

#[tokio::test]
async fn a_record_that_may_not_be_deleted_is_disabled_and_told() {
    let bench = Bench::new().await;
    let rights = [VaultRight::SecretsGet, VaultRight::SecretsList, VaultRight::SecretsSet];
    bench.entra.vault_rights(bench.app.client_id(), &rights);
    let store = bench.store().await;
    removed(&bench, &store).await;
    let name = bench.entra.vault_secret_names().remove(0);
    assert_eq!(bench.readable(&name).await, Vec::<String>::new());
    assert_eq!(store.leftovers(), LEFT);
    bench.put(&store, "a", "second").await;
    assert_eq!(bench.readable(&name).await, [base64("second")]);
}
