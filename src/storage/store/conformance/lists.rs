//! Lists: bound to realm and kind, in order, whole, whatever happens while they are read.

use std::collections::BTreeSet;

use tokio::task::{JoinHandle, yield_now};

use crate::storage::store::conformance::trial::{Kept, Trial, at, ensure, entry, every_selection};
use crate::storage::store::{Expect, Key, Kind, Revision, Selection};

pub(super) async fn a_list_is_bound_to_its_realm_and_kind(trial: &Trial) -> Kept {
    let beside = trial.beside();
    for kind in trial.promises.kinds {
        for (realm, whose) in [(trial, "our"), (&beside, "their")] {
            let key = realm.key_of(*kind, &format!("{whose} {kind}"));
            realm.put(&key, entry("body", Some(1)), Expect::Absent).await?;
        }
    }
    for kind in trial.promises.kinds {
        for selection in every_selection() {
            let ids = trial.ids_of(*kind, selection, 10).await?;
            let ours = [format!("our {kind}")];
            ensure(ids == ours, "a list shows records of another realm or kind, or not its own")?;
        }
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
    for selection in every_selection() {
        while_others_change(&trial.beside(), selection).await?;
    }
    Ok(())
}

/// Between two pages, a record before their border goes, and another one comes.
async fn while_others_change(trial: &Trial, selection: Selection) -> Kept {
    let first = trial.new_record("a", Some(1)).await?;
    let steady: Vec<String> = ["b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
    for id in &steady {
        trial.new_record(id, Some(1)).await?;
    }
    let page = trial.page(trial.kind(), selection, None, 3).await?;
    trial.remove(&trial.key("a"), first).await?;
    trial.new_record("new", Some(1)).await?;
    let rest = trial.page(trial.kind(), selection, page.next, 10).await?;
    let read = page.records.iter().chain(&rest.records).map(|stored| stored.key.id());
    let mut read: Vec<&str> = read.filter(|id| !["a", "new"].contains(id)).collect();
    read.sort_unstable();
    ensure(read == steady, "a record that did not change is not on exactly one page")
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
    ensure(none.is_empty(), "a change is listed that came before the mark")?;
    no_change_is_missed(&trial.beside()).await
}

/// A revision that is given before its write can be seen lets a reader pass it by.
async fn no_change_is_missed(trial: &Trial) -> Kept {
    let mut writers: Vec<_> = (0..WRITERS).map(|writer| begin_writing(trial, writer)).collect();
    let (mut seen, mut mark) = (BTreeSet::new(), Revision::ZERO);
    loop {
        let finished = writers.iter().all(JoinHandle::is_finished);
        let selection = Selection::ChangedAfter(mark);
        for stored in trial.page(trial.kind(), selection, None, 100).await?.records {
            mark = stored.revision;
            seen.insert(stored.key.id().to_owned());
        }
        if finished {
            break;
        }
        yield_now().await;
    }
    for writer in &mut writers {
        writer.await.map_err(|_| "a writer panicked")??;
    }
    let written = WRITERS * WRITES;
    ensure(seen.len() == written, "a change was missed by a reader who followed the marks")
}

const WRITERS: usize = 6;
const WRITES: usize = 5;

/// Writes new records, by turns through each of the handles.
fn begin_writing(trial: &Trial, writer: usize) -> JoinHandle<Kept> {
    let trial = trial.by_turns(writer);
    tokio::spawn(async move {
        for write in 0..WRITES {
            trial.new_record(&format!("{writer} {write}"), None).await?;
        }
        Ok(())
    })
}

pub(super) async fn realms_names_every_realm_that_has_a_record(trial: &Trial) -> Kept {
    ensure(!named(trial).await?, "a realm without records is named")?;
    for kind in trial.promises.kinds {
        let key = trial.key_of(*kind, "record");
        let revision = trial.put(&key, entry("body", None), Expect::Absent).await?;
        ensure(named(trial).await?, &missing(*kind))?;
        trial.remove(&key, revision).await?;
        ensure(!named(trial).await?, "a realm is named whose records were removed")?;
    }
    let (key, beside): (Key, Trial) = (trial.key("record"), trial.beside());
    trial.put(&key, entry("body", None), Expect::Absent).await?;
    beside.new_record("record", None).await?;
    ensure(named(trial).await? && named(&beside).await?, "of two realms, one is not named")
}

fn missing(kind: Kind) -> String {
    format!("a realm that has a record, of kind {kind}, is not named")
}

/// Whether the realm of this trial is named, and no realm is named twice.
async fn named(trial: &Trial) -> Kept<bool> {
    let realms = trial.store.realms().await.map_err(|error| format!("realms failed: {error}"))?;
    let count = realms.iter().filter(|realm| **realm == trial.realm.to_string()).count();
    ensure(count <= 1, "a realm is named twice")?;
    Ok(count == 1)
}
