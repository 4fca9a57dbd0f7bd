//! Consents as secrets: the contract, and what a vault can do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::emulator::{Emulator, Endpoint, Failure, Rule, VaultRight};
use cpv_consent::store::{
    Expect, Filter, Key, KeyVaultSecrets, Kind, Selection, Store, StoreError, conformance,
};
use cpv_consent::{AppRegistration, Http, HttpError, KeyVault, Reqwest, SystemClock};
use http::{Method, Request, Response};
use serde_json::json;

use crate::bench::{Bench, entry};
use crate::world::{cloud, registration};

#[tokio::test]
async fn a_vault_keeps_its_promises() {
    let entra = Emulator::builder().clock(SystemClock::new()).start().await.expect("ports");
    let app: AppRegistration = registration(cloud(&entra));
    entra.register(&app);
    entra.vault_rights(app.client_id(), &VaultRight::ALL);
    let open = || async {
        let vault = KeyVault::builder(&app, entra.key_vault_origin()).expect("a loopback origin");
        let store = KeyVaultSecrets::open(vault.connect().await.expect("a vault")).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    };
    let report = conformance::check(open).await.expect("it keeps its promises");
    assert_eq!(report.unpromised, ["one_of_many_racing_writers_wins"]);
    assert_eq!(report.kept.len(), 15, "every other promise: {report:?}");
}

pub fn all(bench: &Bench, limit: usize) -> Filter {
    let (realm, kind) = (bench.app.realm(), Kind::Consent);
    Filter { realm, kind, selection: Selection::All, cursor: None, limit }
}

#[tokio::test]
async fn revisions_grow_though_the_clock_stands_still() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let now = cpv_consent::Clock::now(&bench.clock);
    let first = bench.put(&store, "a", "a").await;
    let second = bench.put(&store, "b", "b").await;
    let third = store.put(&bench.place("a"), entry("c"), Expect::At(first)).await;
    assert!(first < second && second < third.expect("as expected"));
    assert_eq!(cpv_consent::Clock::now(&bench.clock), now);

    let after = bench.store().await;
    let revision = after.get(&bench.place("b")).await.expect("readable").expect("there").revision;
    let next = after.put(&bench.place("b"), entry("d"), Expect::At(revision)).await;
    assert!(next.expect("as expected") > second, "of another process, and of no other time");
}

#[tokio::test]
async fn other_kinds_are_not_for_a_vault() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let before = bench.entra.vault_calls().len();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Consent) {
        let key = Key::new(bench.app.realm(), kind, None, "a");
        let error = store.put(&key, entry("a"), Expect::Absent).await.expect_err("unfit");
        assert!(matches!(error, StoreError::Unfit { .. }), "{error:?}");
        assert_eq!(store.get(&key).await, Ok(None));
    }
    assert_eq!(bench.entra.vault_calls().len(), before, "nothing was asked");
}

#[tokio::test]
async fn names_and_tags_tell_whose_it_is_and_nothing_of_people() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    bench.put(&store, "72f988bf-86f1-41af-91ab-2d7cd011db47", "canary-token").await;
    let names = bench.entra.vault_secret_names();
    let (_, list) = bench.raw("GET", "/secrets", &json!({})).await;
    let text = list.to_string();
    assert_eq!(names.len(), 1);
    assert!(names[0].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    assert!(names[0].len() <= 127);
    assert!(!names[0].contains("72f988bf"), "names may be copied to anywhere");
    assert!(!text.contains("canary") && !text.contains(&crate::bench::base64("canary-token")));
    let tags: Vec<_> = list["value"][0]["tags"].as_object().expect("tags").keys().collect();
    assert_eq!(tags, ["id", "kind", "partner", "realm", "revision"]);
}

#[tokio::test]
async fn a_store_that_may_not_list_is_refused_on_opening() {
    let bench = Bench::new().await;
    bench.entra.vault_rights(bench.app.client_id(), &[VaultRight::SecretsGet]);
    let error = KeyVaultSecrets::open(bench.vault().await).await.expect_err("no right");
    let StoreError::Unusable { because } = &error else { panic!("{error:?}") };
    assert!(because.contains("forbids secrets/list: give this application"), "{error}");
    assert!(bench.entra.vault_calls().iter().all(|call| call.method == "GET"));
}

#[tokio::test]
async fn a_right_that_was_taken_away_says_which() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let revision = bench.put(&store, "a", "first").await;
    let rights = [VaultRight::SecretsGet, VaultRight::SecretsList];
    bench.entra.vault_rights(bench.app.client_id(), &rights);
    let put = store.put(&bench.place("a"), entry("second"), Expect::At(revision)).await;
    let removed = store.remove(&bench.place("a"), revision).await;
    for error in [put.map(drop).expect_err("forbidden"), removed.expect_err("forbidden")] {
        let StoreError::Unusable { because } = &error else { panic!("{error:?}") };
        assert!(because.contains("secrets/set"), "{error}");
    }
    let stored = store.get(&bench.place("a")).await.expect("readable").expect("there");
    assert_eq!((stored.entry, stored.revision), (entry("first"), revision));
}

/// A second writer, who sets the same secret right after each set while it is let loose.
#[derive(Debug)]
struct Rival {
    inner: Reqwest,
    loose: Arc<AtomicBool>,
}

#[async_trait]
impl Http for Rival {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let reply = self.inner.send(request.clone(), longest).await?;
        if request.method() == Method::PUT && self.loose.load(Ordering::Relaxed) {
            self.inner.send(request, longest).await?;
        }
        Ok(reply)
    }
}

#[tokio::test]
async fn a_foreign_version_on_reading_back_is_a_conflict() {
    let bench = Bench::new().await;
    let loose = Arc::new(AtomicBool::new(false));
    let rival = Rival { inner: Reqwest::new().expect("a client"), loose: Arc::clone(&loose) };
    let store = KeyVaultSecrets::open(bench.vault_over(rival).await).await.expect("a store");
    let revision = bench.put(&store, "a", "first").await;
    loose.store(true, Ordering::Relaxed);
    let put = store.put(&bench.place("a"), entry("second"), Expect::At(revision)).await;
    assert_eq!(put, Err(StoreError::Conflict));
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_is_there_and_says_that_nobody_knows() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let rule = Rule::at(Endpoint::Secrets).method(Method::PUT);
    bench.entra.fail(rule, Failure::lost_answer().times(1));
    let put = store.put(&bench.place("a"), entry("first"), Expect::Absent).await;
    assert!(matches!(put, Err(StoreError::Unavailable { .. })), "{put:?}");
    let stored = store.get(&bench.place("a")).await.expect("readable").expect("it happened");
    assert_eq!(stored.entry, entry("first"));
}

#[tokio::test]
async fn a_long_list_reads_the_values_of_one_page_only() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    for number in 0..60 {
        bench.put(&store, &format!("{number:02}"), "text").await;
    }
    bench.entra.forget_ledger();
    let mut filter = all(&bench, 7);
    let page = store.list(filter.clone()).await.expect("a page");
    assert_eq!(page.records.len(), 7);
    let lists = |calls: Vec<cpv_consent::emulator::VaultCall>| {
        calls.iter().filter(|call| call.path == "/secrets").count()
    };
    assert_eq!(lists(bench.entra.vault_calls()), 3, "60 secrets, 25 in a page");
    assert_eq!(bench.calls("GET", "/secrets/"), 7);
    filter.cursor = page.next;
    let next = store.list(filter).await.expect("a page");
    assert_eq!(next.records[0].key.id(), "07");
    assert_eq!(lists(bench.entra.vault_calls()), 3, "the list goes on");
    assert_eq!(bench.calls("GET", "/secrets/"), 14);
}

#[tokio::test]
async fn one_damaged_secret_hides_no_other() {
    // F-22
    let bench = Bench::new().await;
    let store = bench.store().await;
    for id in ["a", "b", "c", "d"] {
        bench.put(&store, id, id).await;
    }
    let names = bench.entra.vault_secret_names();
    let (_, secret) = bench.raw("GET", &format!("/secrets/{}", names[0]), &json!({})).await;
    let disabled = secret["tags"]["id"].as_str().expect("an id").to_owned();
    let body = json!({ "attributes": { "enabled": false } });
    bench.raw("PATCH", &format!("/secrets/{}", names[0]), &body).await;
    bench.raw("PUT", &format!("/secrets/{}", names[1]), &json!({ "value": "x" })).await;
    let page = store.list(all(&bench, 10)).await.expect("a page");
    assert_eq!(page.records.len(), 2);
    let plain = String::from_utf8({
        use base64::Engine as _;
        base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(disabled).expect("base64url")
    });
    let mut expected = vec![names[1].clone(), plain.expect("ASCII")];
    let mut damaged = page.damaged;
    damaged.sort();
    expected.sort();
    assert_eq!(damaged, expected);
    let id = expected.iter().find(|id| id.len() == 1).expect("its own id");
    let damaged = store.get(&bench.place(id)).await;
    let StoreError::Damaged { because } = damaged.expect_err("disabled") else { panic!("damaged") };
    assert!(because.contains("disabled by hand; enable it again"), "{because}");
}

#[tokio::test]
async fn other_secrets_of_the_vault_are_let_alone() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    bench.put(&store, "a", "a").await;
    let name = bench.entra.vault_secret_names().remove(0);
    let (_, ours) = bench.raw("GET", &format!("/secrets/{name}"), &json!({})).await;
    let others = [
        ("database-password", json!(null)),
        ("cpv-panel-password", json!(null)),
        ("cpv-consent-copied-by-hand", ours["tags"].clone()),
    ];
    for (other, tags) in &others {
        for value in ["x", "y"] {
            let body = json!({ "value": value, "tags": tags });
            assert_eq!(bench.raw("PUT", &format!("/secrets/{other}"), &body).await.0, 200);
        }
    }
    assert_eq!(store.realms().await.expect("realms"), [bench.app.realm().to_string()]);
    store.tidy().await.expect("tidied");
    for (other, _) in others {
        assert_eq!(bench.readable(other).await.len(), 2, "{other}");
    }
    bench.raw("DELETE", "/secrets/cpv-consent-copied-by-hand", &json!({})).await;
    assert_eq!(store.list(all(&bench, 10)).await.expect("a page").records.len(), 1);
}
