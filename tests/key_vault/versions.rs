//! Setting a secret leaves its old versions readable: the store does not.

use cpv_consent::emulator::{Endpoint, Failure, Rule};
use cpv_consent::store::{Expect, Leftovers, Store};
use http::Method;

use crate::bench::{Bench, base64, entry};

fn patches() -> Rule {
    Rule::at(Endpoint::Secrets).method(Method::PATCH)
}

#[tokio::test]
async fn only_the_newest_version_stays_readable() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let mut revision = bench.put(&store, "a", "text 0").await;
    let name = bench.entra.vault_secret_names().remove(0);
    for number in 1..4 {
        let text = format!("text {number}");
        let put = store.put(&bench.place("a"), entry(&text), Expect::At(revision)).await;
        revision = put.expect("as expected");
        assert_eq!(bench.readable(&name).await, [base64(&text)]);
    }
    assert_eq!(store.leftovers(), Leftovers::default());
    bench.entra.forget_ledger();
    store.put(&bench.place("a"), entry("last"), Expect::At(revision)).await.expect("as expected");
    let calls: Vec<_> = bench.entra.vault_calls().into_iter().map(|call| call.method).collect();
    assert_eq!(calls, ["GET", "PUT", "GET", "PATCH"], "versions are listed once for a process");
}

#[tokio::test]
async fn what_could_not_be_disabled_is_told_and_tried_again() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let revision = bench.put(&store, "a", "first").await;
    let name = bench.entra.vault_secret_names().remove(0);
    let outage = bench.entra.fail(patches(), Failure::key_vault(403, "Forbidden"));
    let put = store.put(&bench.place("a"), entry("second"), Expect::At(revision)).await;
    let revision = put.expect("it is written, whatever becomes of the old one");
    assert_eq!(bench.readable(&name).await.len(), 2);
    assert_eq!(store.leftovers(), Leftovers { readable: 1, ..Leftovers::default() });
    let stored = store.get(&bench.place("a")).await.expect("readable").expect("there");
    assert_eq!((stored.entry, stored.revision), (entry("second"), revision));

    outage.clear();
    bench.put(&store, "b", "another record").await;
    assert_eq!(bench.readable(&name).await, [base64("second")]);
    assert_eq!(store.leftovers(), Leftovers::default());
}

#[tokio::test]
async fn what_a_killed_process_left_is_found_by_the_next_write_or_by_tidying() {
    // F-05
    for tidies in [false, true] {
        let bench = Bench::new().await;
        let before = bench.store().await;
        let revision = bench.put(&before, "a", "first").await;
        let killed = bench.entra.fail(patches(), Failure::reset());
        let put = before.put(&bench.place("a"), entry("second"), Expect::At(revision)).await;
        let revision = put.expect("written");
        killed.clear();
        drop(before);

        let after = bench.store().await;
        let name = bench.entra.vault_secret_names().remove(0);
        assert_eq!(bench.readable(&name).await.len(), 2);
        let newest = if tidies {
            assert_eq!(after.tidy().await.expect("tidied"), Leftovers::default());
            "second"
        } else {
            let put = after.put(&bench.place("a"), entry("third"), Expect::At(revision)).await;
            put.expect("as expected");
            "third"
        };
        assert_eq!(bench.readable(&name).await, [base64(newest)]);
    }
}

#[tokio::test]
async fn tidying_says_what_it_could_not() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let revision = bench.put(&store, "a", "first").await;
    bench.entra.fail(patches(), Failure::key_vault(403, "Forbidden"));
    store.put(&bench.place("a"), entry("second"), Expect::At(revision)).await.expect("written");
    let left = bench.store().await.tidy().await.expect("listed");
    assert_eq!(left, Leftovers { readable: 1, ..Leftovers::default() });
}
