//! The promises of [`Store`](crate::store::Store), each under its own name.

use std::sync::Arc;

use crate::storage::seal::Sealed;
use crate::storage::store::conformance::trial::{
    Kept, Trial, at, ensure, ensure_conflict, entry, partner, realm,
};
use crate::storage::store::{
    Entry, Expect, Key, Kind, Revision, Selection, Store, StoreError, Stored,
};

pub(super) async fn a_put_is_read_back(trial: &Trial) -> Kept {
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let written = Entry { sealed: Sealed::from_bytes(every_byte), due: Some(at(7)) };
    for kind in [Kind::Consent, Kind::Pending, Kind::Found, Kind::PartnerKey] {
        let key = Key::new(trial.realm.clone(), kind, Some(partner()), "record");
        let revision = trial.put(&key, written.clone(), Expect::Absent).await?;
        let expected = Stored { key: key.clone(), entry: written.clone(), revision };
        ensure(trial.present(&key).await? == expected, "a new record is not as it was put")?;
    }
    let key = trial.key("replaced");
    let first = trial.new_record("replaced", Some(1)).await?;
    let written = entry("later", None);
    let revision = trial.put(&key, written.clone(), Expect::At(first)).await?;
    let expected = Stored { key: key.clone(), entry: written, revision };
    ensure(trial.present(&key).await? == expected, "a replaced record is not as it was put")?;
    let page = trial.page(Selection::All, None, 10).await?;
    ensure(page.records.contains(&expected), "a list does not show a record as it was put")
}

pub(super) async fn absent_means_absent(trial: &Trial) -> Kept {
    let key = trial.key("record");
    trial.new_record("record", None).await?;
    let before = trial.present(&key).await?;
    let second = trial.store.put(&key, entry("other", None), Expect::Absent).await;
    ensure_conflict(second, "a put over a record that was expected absent")?;
    ensure(trial.present(&key).await? == before, "a put that conflicted changed the record")
}

pub(super) async fn a_moved_revision_conflicts(trial: &Trial) -> Kept {
    let key = trial.key("record");
    let old = trial.new_record("record", None).await?;
    trial.put(&key, entry("newer", None), Expect::At(old)).await?;
    let before = trial.present(&key).await?;
    let future = Revision::new(before.revision.number() + 1);
    for wrong in [old, future, Revision::ZERO] {
        let put = trial.store.put(&key, entry("late", None), Expect::At(wrong)).await;
        ensure_conflict(put, "a put at another revision")?;
        ensure_conflict(trial.store.remove(&key, wrong).await, "a removal at another revision")?;
    }
    ensure(trial.present(&key).await? == before, "a write that conflicted changed the record")?;
    let nothing = trial.key("nothing");
    let put = trial.store.put(&nothing, entry("late", None), Expect::At(old)).await;
    ensure_conflict(put, "a put over no record, at a revision")?;
    ensure_conflict(trial.store.remove(&nothing, old).await, "a removal of no record")?;
    trial.absent(&nothing).await
}

pub(super) async fn revisions_grow_and_are_never_reused(trial: &Trial) -> Kept {
    let mut last = Revision::ZERO;
    for kind in [Kind::Consent, Kind::PartnerKey, Kind::Pending, Kind::PartnerKey, Kind::Found] {
        let key = trial.key_of(kind, "record");
        for _ in 0..2 {
            let put = trial.put(&key, entry("first", None), Expect::Absent).await?;
            ensure(put > last, "a revision is not greater than all before it")?;
            last = trial.put(&key, entry("second", None), Expect::At(put)).await?;
            ensure(last > put, "a revision is not greater than all before it")?;
            trial.remove(&key, last).await?;
        }
    }
    Ok(())
}

pub(super) async fn identities_never_mix(trial: &Trial) -> Kept {
    let long = "x".repeat(10_000);
    let ids = [
        "",
        " ",
        "a",
        "A",
        "a ",
        "a\0",
        "a\0b",
        "é",
        "e\u{301}",
        "'; DROP TABLE record; --",
        "\"",
        "%",
        "_",
        "*",
        "../a",
        "\u{202e}a",
        "\u{1f5dd}",
        &long,
    ];
    for kind in [Kind::Consent, Kind::Pending, Kind::PartnerKey] {
        for id in ids {
            let body = format!("{kind} {id}");
            trial.put(&trial.key_of(kind, id), entry(&body, None), Expect::Absent).await?;
        }
    }
    for kind in [Kind::Consent, Kind::Pending, Kind::PartnerKey] {
        for id in ids {
            let stored = trial.present(&trial.key_of(kind, id)).await?;
            let body = format!("{kind} {id}");
            ensure(stored.entry == entry(&body, None), "one record was found at another's place")?;
        }
    }
    for limit in [1, 7, 100] {
        let mut listed = trial.ids(Selection::All, limit).await?;
        listed.sort();
        let mut expected = ids.map(str::to_owned).to_vec();
        expected.sort();
        ensure(listed == expected, "a list of unusual ids is not complete")?;
    }
    Ok(())
}

pub(super) async fn a_list_is_bound_to_its_realm_and_kind(trial: &Trial) -> Kept {
    let beside = Trial { store: Arc::clone(&trial.store), realm: realm(9_001) };
    trial.new_record("ours", Some(1)).await?;
    beside.new_record("of another realm", Some(1)).await?;
    for kind in [Kind::Pending, Kind::Found, Kind::PartnerKey] {
        let key = trial.key_of(kind, "of another kind");
        trial.put(&key, entry("body", Some(1)), Expect::Absent).await?;
    }
    for selection in every_selection() {
        let ids = trial.ids(selection, 10).await?;
        ensure(ids == ["ours"], "a list shows records of another realm or kind, or not its own")?;
    }
    Ok(())
}

pub(super) async fn pages_return_each_record_once(trial: &Trial) -> Kept {
    for number in 0..23 {
        // Several are due at one time, so that pages end among equals.
        trial.new_record(&format!("{number:02}"), Some(number / 5)).await?;
    }
    let expected: Vec<String> = (0..23).map(|number| format!("{number:02}")).collect();
    for selection in every_selection() {
        for limit in [1, 4, 22, 23, 24] {
            let ids = trial.ids(selection, limit).await?;
            ensure(ids == expected, "pages skip or repeat a record, or are out of order")?;
        }
    }
    Ok(())
}

pub(super) async fn due_records_come_oldest_first(trial: &Trial) -> Kept {
    for (id, due) in
        [("d", Some(30)), ("c", Some(10)), ("never", None), ("a", Some(20)), ("late", Some(31))]
    {
        trial.new_record(id, due).await?;
    }
    let due = trial.ids(Selection::DueBy(at(30)), 2).await?;
    ensure(due == ["c", "a", "d"], "what is due is not exactly what is listed, oldest first")?;
    let key = trial.key("c");
    let stored = trial.present(&key).await?;
    trial.put(&key, entry("c", Some(90)), Expect::At(stored.revision)).await?;
    let due = trial.ids(Selection::DueBy(at(30)), 2).await?;
    ensure(due == ["a", "d"], "a list does not follow a due time that was moved")?;
    let none = trial.ids(Selection::DueBy(at(19)), 2).await?;
    ensure(none.is_empty(), "a record is listed before it is due")
}

pub(super) async fn changes_come_in_order(trial: &Trial) -> Kept {
    let first = trial.new_record("first", None).await?;
    let second = trial.new_record("second", None).await?;
    trial.new_record("third", None).await?;
    let all = trial.ids(Selection::ChangedAfter(Revision::ZERO), 2).await?;
    ensure(all == ["first", "second", "third"], "changes are not in the order of writing")?;
    let again = trial.put(&trial.key("first"), entry("again", None), Expect::At(first)).await?;
    let later = trial.ids(Selection::ChangedAfter(second), 1).await?;
    ensure(later == ["third", "first"], "changes after a mark are not those made after it")?;
    let none = trial.ids(Selection::ChangedAfter(again), 1).await?;
    ensure(none.is_empty(), "a change is listed that came before the mark")
}

pub(super) async fn realms_names_every_realm_that_has_a_record(trial: &Trial) -> Kept {
    let key = trial.key("record");
    ensure(!named(trial).await?, "a realm without records is named")?;
    let revision = trial.new_record("record", None).await?;
    ensure(named(trial).await?, "a realm with a record is not named")?;
    trial.remove(&key, revision).await?;
    let key = trial.key_of(Kind::PartnerKey, "record");
    trial.put(&key, entry("body", None), Expect::Absent).await?;
    ensure(named(trial).await?, "a realm with a partner key only is not named")
}

/// Whether the realm of this trial is named, and no realm is named twice.
async fn named(trial: &Trial) -> Kept<bool> {
    let realms = trial.store.realms().await.map_err(|error| format!("realms failed: {error}"))?;
    let count = realms.iter().filter(|realm| **realm == trial.realm.to_string()).count();
    ensure(count <= 1, "a realm is named twice")?;
    Ok(count == 1)
}

pub(super) async fn a_removed_record_is_gone(trial: &Trial) -> Kept {
    for kind in [Kind::Consent, Kind::PartnerKey] {
        let key = trial.key_of(kind, "record");
        let revision = trial.put(&key, entry("body", Some(1)), Expect::Absent).await?;
        trial.remove(&key, revision).await?;
        trial.absent(&key).await?;
        ensure_conflict(trial.store.remove(&key, revision).await, "a second removal")?;
        trial.put(&key, entry("next", None), Expect::Absent).await?;
        ensure(
            trial.present(&key).await?.entry == entry("next", None),
            "the old record came back",
        )?;
    }
    let key = trial.key("listed");
    let revision = trial.new_record("listed", Some(1)).await?;
    trial.remove(&key, revision).await?;
    for selection in every_selection() {
        let ids = trial.ids(selection, 10).await?;
        ensure(!ids.contains(&"listed".to_owned()), "a removed record is listed")?;
    }
    Ok(())
}

pub(super) async fn one_of_many_racing_writers_wins(trial: &Trial, second: Arc<dyn Store>) -> Kept {
    let key = trial.key("record");
    let mut expect = Expect::Absent;
    for _ in 0..5 {
        let winners = race(&[Arc::clone(&trial.store), Arc::clone(&second)], &key, expect).await?;
        ensure(winners.len() == 1, "not exactly one of several racing writers won")?;
        let (revision, body) = &winners[0];
        let stored = trial.present(&key).await?;
        let theirs = stored.revision == *revision && stored.entry == entry(body, None);
        ensure(theirs, "the record is not the winner's")?;
        expect = Expect::At(*revision);
    }
    Ok(())
}

/// Lets writers loose at once, by turns through each of the stores, and returns those that won.
async fn race(
    stores: &[Arc<dyn Store>],
    key: &Key,
    expect: Expect,
) -> Kept<Vec<(Revision, String)>> {
    let mut writers = Vec::new();
    for (number, store) in stores.iter().cycle().take(16).enumerate() {
        let (store, key, body) = (Arc::clone(store), key.clone(), format!("writer {number}"));
        writers.push(tokio::spawn(async move {
            (store.put(&key, entry(&body, None), expect).await, body)
        }));
    }
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.map_err(|_| "a writer panicked")? {
            (Ok(revision), body) => winners.push((revision, body)),
            (Err(StoreError::Conflict), _) => {}
            (Err(error), _) => return Err(format!("a racing writer failed: {error}")),
        }
    }
    Ok(winners)
}

/// What is in the store when it is closed, and the greatest revision it has issued.
pub(super) struct Written {
    kept: Vec<Stored>,
    removed: Key,
    last: Revision,
}

pub(super) async fn written_before_reopening(trial: &Trial) -> Kept<Written> {
    let mut kept = Vec::new();
    for kind in [Kind::Consent, Kind::PartnerKey] {
        let key = trial.key_of(kind, "kept");
        trial.put(&key, entry("body", Some(3)), Expect::Absent).await?;
        kept.push(trial.present(&key).await?);
    }
    let removed = trial.key_of(Kind::PartnerKey, "removed");
    let last = trial.put(&removed, entry("body", None), Expect::Absent).await?;
    trial.remove(&removed, last).await?;
    Ok(Written { kept, removed, last })
}

pub(super) async fn what_was_written_survives_reopening(trial: &Trial, written: &Written) -> Kept {
    for stored in &written.kept {
        let found = trial.present(&stored.key).await?;
        ensure(found == *stored, "a record is not as it was before the store was reopened")?;
    }
    trial.absent(&written.removed).await?;
    let next = trial.new_record("next", None).await?;
    ensure(next > written.last, "a revision was issued again after the store was reopened")
}

fn every_selection() -> [Selection; 3] {
    [Selection::All, Selection::DueBy(at(1_000_000)), Selection::ChangedAfter(Revision::ZERO)]
}
