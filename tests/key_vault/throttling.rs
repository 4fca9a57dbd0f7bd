//! A vault with too many requests is left alone for as long as it asks, and not for ever.

use std::time::Duration;

use cpv_consent::emulator::{Endpoint, Failure, Rule};
use cpv_consent::store::{Expect, Store, StoreError};
use cpv_consent::{KeyVaultError, KeyVaultKey};

use crate::bench::{Bench, entry};

#[tokio::test]
async fn a_throttled_call_waits_as_long_as_it_was_asked_to() {
    //
    let bench = Bench::new().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    bench.entra.vault_throttle(Some(1), true);
    KeyVaultKey::draw_origin(&vault, &kid).await.expect("the first within the limit");
    KeyVaultKey::draw_origin(&vault, &kid).await.expect("the second, later");
    assert_eq!(bench.clock.pauses(), [10]);
}

#[tokio::test]
async fn without_a_time_the_pauses_double_and_end() {
    //
    let bench = Bench::new().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    bench.entra.vault_throttle(Some(1), false);
    KeyVaultKey::draw_origin(&vault, &kid).await.expect("the first within the limit");
    KeyVaultKey::draw_origin(&vault, &kid).await.expect("the second, later");
    assert_eq!(bench.clock.pauses(), [1, 2, 4, 8], "until ten seconds were over");
    bench.entra.vault_throttle(Some(0), false);
    let error = KeyVaultKey::draw_origin(&vault, &kid).await.expect_err("never");
    assert_eq!(error, KeyVaultError::Throttled { retry_after: None });
    assert_eq!(bench.clock.pauses(), [1, 2, 4, 8]);
    assert!(error.may_pass());
}

#[tokio::test]
async fn nobody_waits_longer_than_makes_sense() {
    let bench = Bench::new().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    let wait = Duration::from_secs(60);
    let busy = Failure::key_vault(429, "Throttled").retry_after(wait);
    bench.entra.fail(Rule::at(Endpoint::VaultKeys), busy);
    let error = KeyVaultKey::draw_origin(&vault, &kid).await.expect_err("a minute is too long");
    assert_eq!(error, KeyVaultError::Throttled { retry_after: Some(wait) });
    assert!(bench.clock.pauses().is_empty());
}

#[tokio::test]
async fn a_store_writes_through_throttling() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    bench.entra.vault_throttle(Some(2), true);
    for id in ["a", "b", "c"] {
        bench.put(&store, id, id).await;
    }
    assert!(!bench.clock.pauses().is_empty());
    bench.entra.vault_throttle(Some(0), false);
    let error = store.get(&bench.place("a")).await.expect_err("too busy");
    assert_eq!(error, StoreError::unavailable("the Key Vault has too many requests"));
}

#[tokio::test]
async fn a_failing_service_is_asked_again_but_no_version_is_made_twice() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let rule = Rule::at(Endpoint::Secrets).method(http::Method::PUT);
    let scripted = bench.entra.fail(rule, Failure::status(503));
    let put = store.put(&bench.place("a"), entry("a"), Expect::Absent).await;
    let error = put.expect_err("nobody knows");
    assert_eq!(error, StoreError::unavailable("the Key Vault failed with status 503"));
    assert_eq!(scripted.hits(), 1);
    let rule = Rule::at(Endpoint::Secrets).method(http::Method::GET);
    bench.entra.fail(rule, Failure::status(503).times(2));
    assert_eq!(store.get(&bench.place("a")).await, Ok(None));
}
