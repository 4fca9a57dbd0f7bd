//! Single records: put, read, removed, and never mixed up.

use crate::storage::seal::Sealed;
use crate::storage::store::conformance::trial::{
    Kept, Trial, at, ensure, ensure_conflict, entry, every_selection, noise, partner,
};
use crate::storage::store::{Entry, Expect, Key, Revision, Selection, Stored};

pub(super) async fn a_put_is_read_back(trial: &Trial) -> Kept {
    ensure(!trial.promises.kinds.is_empty(), "it promises to keep nothing at all")?;
    let length = trial.promises.longest_record.min(100_000);
    let every_byte: Vec<u8> = (0..=255).cycle().take(length).collect();
    let written = Entry { sealed: Sealed::from_bytes(every_byte), due: Some(at(7)) };
    for kind in trial.promises.kinds {
        let key = Key::new(trial.realm.clone(), *kind, Some(partner()), "record");
        let revision = trial.put(&key, written.clone(), Expect::Absent).await?;
        let expected = Stored { key: key.clone(), entry: written.clone(), revision };
        ensure(trial.present(&key).await? == expected, "a new record is not as it was put")?;
        let listed = trial.page(*kind, Selection::All, None, 10).await?.records;
        ensure(listed.contains(&expected), "a list does not show a new record as it was put")?;
    }
    let key = trial.key("replaced");
    let first = trial.new_record("replaced", Some(1)).await?;
    let written = entry("later", None);
    let revision = trial.put(&key, written.clone(), Expect::At(first)).await?;
    let expected = Stored { key: key.clone(), entry: written, revision };
    ensure(trial.present(&key).await? == expected, "a replaced record is not as it was put")?;
    let page = trial.page(trial.kind(), Selection::All, None, 10).await?;
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

pub(super) async fn a_removed_record_is_gone(trial: &Trial) -> Kept {
    for kind in trial.promises.kinds {
        let key = trial.key_of(*kind, "record");
        let revision = trial.put(&key, entry("body", Some(1)), Expect::Absent).await?;
        trial.remove(&key, revision).await?;
        trial.absent(&key).await?;
        ensure_conflict(trial.store.remove(&key, revision).await, "a second removal")?;
        trial.put(&key, entry("next", None), Expect::Absent).await?;
        let next = trial.present(&key).await?;
        ensure(next.entry == entry("next", None), "the old record came back")?;
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

pub(super) async fn revisions_grow_and_are_never_reused(trial: &Trial) -> Kept {
    let mut last = Revision::ZERO;
    let beside = trial.beside();
    for kind in trial.promises.kinds {
        for realm in [trial, &beside, trial] {
            let key = realm.key_of(*kind, "record");
            let put = realm.put(&key, entry("first", None), Expect::Absent).await?;
            ensure(put > last, "a revision is not greater than all before it")?;
            last = realm.put(&key, entry("second", None), Expect::At(put)).await?;
            ensure(last > put, "a revision is not greater than all before it")?;
            realm.remove(&key, last).await?;
        }
    }
    Ok(())
}

/// Ids that SQL, a path, a pattern, a C string, a collation or a person may take for others.
const UNUSUAL: [&str; 27] = [
    "",
    " ",
    "a",
    "A",
    "a ",
    "a\n",
    "a\0",
    "a\0b",
    "\u{430}",  // a Cyrillic a
    "\u{ff41}", // a wide a
    "\u{200b}a",
    "\u{202e}a",
    "\u{e9}",
    "e\u{301}",
    "ss",
    "\u{df}",
    "K",
    "\u{212a}", // the sign of the kelvin
    "'; DROP TABLE record; --",
    "\"",
    "\\",
    "%",
    "_",
    "*",
    "../a",
    "a/b?c#d",
    "\u{1f5dd}",
];

pub(super) async fn identities_never_mix(trial: &Trial) -> Kept {
    let (ids, beside) = (unusual_ids(trial), trial.beside());
    beside.new_record("a", None).await?;
    for kind in trial.promises.kinds {
        for (number, id) in ids.iter().enumerate() {
            let body = entry(&format!("{kind} {number}"), None);
            trial.put(&trial.key_of(*kind, id), body, Expect::Absent).await?;
        }
    }
    for kind in trial.promises.kinds {
        for (number, id) in ids.iter().enumerate() {
            let stored = trial.present(&trial.key_of(*kind, id)).await?;
            let body = entry(&format!("{kind} {number}"), None);
            ensure(stored.entry == body, "one record was found at another's place")?;
        }
    }
    let theirs = beside.present(&beside.key("a")).await?;
    ensure(theirs.entry == entry("a", None), "one record was found at another realm's place")?;
    let mut expected = ids;
    expected.sort();
    for limit in [1, 7, 100] {
        let mut listed = trial.ids(Selection::All, limit).await?;
        listed.sort();
        ensure(listed == expected, "a list of unusual ids is not complete")?;
    }
    Ok(())
}

/// Two that differ in their last character are as long as ids may be.
fn unusual_ids(trial: &Trial) -> Vec<String> {
    let longest = trial.promises.longest_id.min(10_000);
    let long = noise(longest.saturating_sub(1));
    let short = UNUSUAL.iter().filter(|id| id.len() < longest).map(|id| (*id).to_owned());
    short.chain([format!("{long}x"), format!("{long}y")]).collect()
}
