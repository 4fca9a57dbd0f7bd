//! The key that stays in the vault: what it wraps, what it refuses, and what it says when it cannot.

use cpv_consent::emulator::{Endpoint, Failure, Rule, VaultRight};
use cpv_consent::{DataKey, KeyError, KeyVaultError, KeyVaultKey, KeyWrap};
use serde_json::json;

use crate::bench::Bench;

fn data_key() -> DataKey {
    DataKey::from_slice(b"canary data key, thirty-two byte").expect("32 bytes")
}

#[tokio::test]
async fn what_one_process_wraps_another_unwraps() {
    let bench = Bench::new().await;
    let (kid, origin, key) = bench.key().await;
    let wrapped = key.wrap(&data_key()).await.expect("wrapped");
    let again = KeyVaultKey::connect(&bench.vault().await, &kid, &origin).await.expect("the same");
    let unwrapped = again.unwrap(&wrapped).await.expect("unwrapped");
    assert_eq!(unwrapped.expose(), data_key().expose());
    assert_eq!(again.id(), key.id());
    assert_eq!(again.origin().expose(), key.origin().expose());
    assert_ne!(key.wrap(&data_key()).await.expect("wrapped"), wrapped, "padded at random");
}

#[tokio::test]
async fn a_key_is_named_by_its_name_and_version() {
    let bench = Bench::new().await;
    let (kid, _, key) = bench.key().await;
    let version = kid.rsplit('/').next().expect("a version");
    assert_eq!(key.id().as_str(), format!("consents.{version}"));
    let (_, _, second) = bench.key().await;
    assert_ne!(second.id(), key.id(), "another version of the same name");
    let long = "a-name-so-long-that-it-has-to-be-cut".repeat(2);
    let kid = bench.entra.create_vault_key(&long);
    let vault = bench.vault().await;
    let origin = KeyVaultKey::draw_origin(&vault, &kid).await.expect("an origin");
    let key = KeyVaultKey::connect(&vault, &kid, &origin).await.expect("a key");
    assert_eq!(key.id().as_str().len(), 64);
}

#[tokio::test]
async fn what_another_version_wrapped_or_somebody_changed_is_refused() {
    let bench = Bench::new().await;
    let (_, _, first) = bench.key().await;
    let (_, _, second) = bench.key().await;
    let wrapped = first.wrap(&data_key()).await.expect("wrapped");
    let refused = KeyError::Refused { id: second.id().clone() };
    assert_eq!(second.unwrap(&wrapped).await.expect_err("another version's"), refused);
    let refused = KeyError::Refused { id: first.id().clone() };
    for place in [0, wrapped.len() / 2, wrapped.len() - 1] {
        let mut changed = wrapped.clone();
        changed[place] ^= 1;
        assert_eq!(first.unwrap(&changed).await.expect_err("changed"), refused);
    }
    assert_eq!(first.unwrap(&wrapped[1..]).await.expect_err("cut"), refused);
    assert_eq!(first.unwrap(&[]).await.expect_err("nothing"), refused);
}

#[tokio::test]
async fn a_wrapped_text_that_is_no_key_is_refused() {
    let bench = Bench::new().await;
    let (kid, _, key) = bench.key().await;
    let path = kid.trim_start_matches(bench.entra.key_vault_origin()).to_owned();
    let body = json!({ "alg": "RSA-OAEP-256", "value": "c2hvcnQ" });
    let (_, wrapped) = bench.raw("POST", &format!("{path}/wrapkey"), &body).await;
    let wrapped = wrapped["value"].as_str().expect("wrapped");
    let bytes = {
        use base64::Engine as _;
        base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(wrapped).expect("base64url")
    };
    let refused = KeyError::Refused { id: key.id().clone() };
    assert_eq!(key.unwrap(&bytes).await.expect_err("five bytes"), refused);
}

#[tokio::test]
async fn an_origin_is_of_one_key_and_is_drawn_at_random() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let (kid, origin, key) = bench.key().await;
    let (other_kid, other_origin, other) = bench.key().await;
    assert_ne!(key.origin().expose(), other.origin().expose());
    let drawn = KeyVaultKey::draw_origin(&vault, &kid).await.expect("another origin");
    let redrawn = KeyVaultKey::connect(&vault, &kid, &drawn).await.expect("of the same key");
    assert_ne!(redrawn.origin().expose(), key.origin().expose());
    for (kid, origin) in [
        (&kid, other_origin.as_str()),
        (&other_kid, origin.as_str()),
        (&kid, ""),
        (&kid, "not base64url!"),
        (&kid, "AAAA"),
    ] {
        let error = KeyVaultKey::connect(&vault, kid, origin).await.expect_err("no origin of it");
        let KeyVaultError::Setting(invalid) = error else { panic!("{error:?}") };
        assert_eq!(invalid.field(), "origin");
    }
}

#[tokio::test]
async fn only_a_version_of_a_key_in_this_vault_is_a_key() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let (kid, origin, _) = bench.key().await;
    let before = bench.entra.vault_calls().len();
    let host = bench.entra.key_vault_origin();
    let elsewhere = kid.replace(host, "https://evil.vault.azure.net");
    let unversioned = kid.rsplit_once('/').expect("a version").0.to_owned();
    for wrong in [
        elsewhere,
        unversioned,
        kid.replace("/keys/", "/secrets/"),
        format!("{kid}/wrapkey"),
        format!("{kid}?x=1"),
        format!("{host}/keys/a%2Fb/{}", "0".repeat(32)),
        "consents".to_owned(),
    ] {
        for outcome in [
            KeyVaultKey::connect(&vault, &wrong, &origin).await.map(drop),
            KeyVaultKey::draw_origin(&vault, &wrong).await.map(drop),
        ] {
            let error = outcome.expect_err("no key of this vault");
            let KeyVaultError::Setting(invalid) = error else { panic!("{error:?}") };
            assert_eq!(invalid.field(), "key identifier");
        }
    }
    assert_eq!(bench.entra.vault_calls().len(), before, "nothing was sent");
}

#[tokio::test]
async fn an_answer_of_another_version_is_refused() {
    // R-126, F-21
    let bench = Bench::new().await;
    let (_, _, key) = bench.key().await;
    let wrapped = key.wrap(&data_key()).await.expect("wrapped");
    let other = bench.entra.create_vault_key("consents");
    let body = json!({ "kid": other, "value": "A".repeat(43) }).to_string();
    let answer = Failure::reply(200, "application/json", body);
    let scripted = bench.entra.fail(Rule::at(Endpoint::VaultKeys), answer);
    let refused = KeyError::Refused { id: key.id().clone() };
    assert_eq!(key.wrap(&data_key()).await.expect_err("another version"), refused);
    assert_eq!(key.unwrap(&wrapped).await.expect_err("another version"), refused);
    scripted.clear();
    key.unwrap(&wrapped).await.expect("its own answer");
}

/// What stands in the way, and what it is called.
async fn faults(key: &KeyVaultKey, wrapped: &[u8]) -> [KeyError; 2] {
    [
        key.wrap(&data_key()).await.expect_err("out of order"),
        key.unwrap(wrapped).await.expect_err("out of order"),
    ]
}

#[tokio::test]
async fn each_cause_has_an_error_of_its_own_and_passes_when_it_is_mended() {
    // R-126, F-21
    let bench = Bench::new().await;
    let (kid, _, key) = bench.key().await;
    let wrapped = key.wrap(&data_key()).await.expect("wrapped");
    let unwraps = || async {
        let unwrapped = key.unwrap(&wrapped).await.expect("as before");
        assert_eq!(unwrapped.expose(), data_key().expose());
    };

    bench.entra.vault_key_enabled(&kid, false);
    for error in faults(&key, &wrapped).await {
        let KeyError::Gone { because, .. } = &error else { panic!("{error:?}") };
        assert!(because.contains("disabled"), "{error}");
    }
    bench.entra.vault_key_enabled(&kid, true);
    unwraps().await;

    let client = bench.app.client_id();
    bench.entra.vault_rights(client, &[VaultRight::KeysGet]);
    let [wrap, unwrap] = faults(&key, &wrapped).await;
    for (error, right) in [(wrap, "keys/wrapKey"), (unwrap, "keys/unwrapKey")] {
        let KeyError::Forbidden { because, .. } = &error else { panic!("{error:?}") };
        assert!(because.contains(right), "{error}");
    }
    bench.entra.vault_rights(client, &VaultRight::ALL);
    unwraps().await;

    for (failure, gone, word) in [
        (Failure::key_vault(404, "KeyNotFound"), true, "recover it"),
        (Failure::key_vault(429, "Throttled"), false, "too many requests"),
        (Failure::key_vault(503, "ServiceUnavailable"), false, "status 503"),
        (Failure::reset(), false, "connection broke"),
        (Failure::reply(200, "application/json", "{}"), false, "not what was asked for"),
    ] {
        let scripted = bench.entra.fail(Rule::at(Endpoint::VaultKeys), failure);
        for error in faults(&key, &wrapped).await {
            let because = match &error {
                KeyError::Gone { because, .. } if gone => because,
                KeyError::Unavailable { because, .. } if !gone => because,
                _ => panic!("{error:?}"),
            };
            assert!(because.contains(word), "{error}");
        }
        scripted.clear();
        unwraps().await;
    }
}

#[tokio::test]
async fn a_vault_that_hangs_is_cut_by_the_deadline() {
    // R-126, F-21
    let bench = Bench::new().await;
    let (_, _, key) = bench.key().await;
    bench.entra.fail(Rule::at(Endpoint::VaultKeys), Failure::hang());
    let clock = bench.clock.inner.clone();
    let wrapping = tokio::spawn(async move { key.wrap(&data_key()).await });
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(crate::bench::DEADLINE);
    let error = wrapping.await.expect("no panic").expect_err("cut");
    let KeyError::Unavailable { because, .. } = &error else { panic!("{error:?}") };
    assert!(because.contains("no complete reply in time"), "{error}");
}

#[tokio::test]
async fn a_key_that_cannot_work_is_refused_on_connecting() {
    // F-21
    let bench = Bench::new().await;
    let (kid, origin, _) = bench.key().await;
    let vault = bench.vault().await;
    let connect = || KeyVaultKey::connect(&vault, &kid, &origin);
    let operation = "keys/unwrapKey";
    bench.entra.vault_key_enabled(&kid, false);
    let error = connect().await.expect_err("disabled");
    assert_eq!(error, KeyVaultError::Disabled { operation });
    bench.entra.vault_key_enabled(&kid, true);
    bench.entra.vault_rights(bench.app.client_id(), &[VaultRight::KeysWrap]);
    let error = connect().await.expect_err("who can only wrap");
    assert_eq!(error, KeyVaultError::Forbidden { operation });
    bench.entra.vault_rights(bench.app.client_id(), &VaultRight::ALL);
    let nowhere = format!("{}/keys/nowhere/{}", bench.entra.key_vault_origin(), "0".repeat(32));
    let error = KeyVaultKey::connect(&vault, &nowhere, &origin).await.expect_err("no such key");
    assert_eq!(error, KeyVaultError::NotFound { operation });
    connect().await.expect("as before");
}
