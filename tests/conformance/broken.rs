//! A store for each promise, broken in that one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cpv_consent::Sealed;
use cpv_consent::store::conformance;
use cpv_consent::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Memory, Page, Promises, Revision, Selection, Store,
    StoreError, Stored,
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ForgetsDue,
    KeepsNoPartnerKeys,
    IgnoresAbsent,
    IgnoresRevisions,
    ForgetsToRemove,
    IgnoresCase,
    CutsLongIds,
    ListsPartnerKeysToo,
    LosesRecordsBetweenPages,
    PagesByOffset,
    ListsTooEarly,
    IgnoresTheMark,
    NumbersBeforeItShows,
    NamesNoRealm,
    ChecksBeforeItWrites,
    CallsItselfShared,
    CallsItselfDurable,
    WritesInTwoSteps,
    CutsLongRecords,
    TellsWhatWasTooLong,
}

const EACH: [(Fault, &str); 20] = [
    (Fault::ForgetsDue, "a_put_is_read_back"),
    (Fault::KeepsNoPartnerKeys, "a_put_is_read_back"),
    (Fault::IgnoresAbsent, "absent_means_absent"),
    (Fault::IgnoresRevisions, "a_moved_revision_conflicts"),
    (Fault::ForgetsToRemove, "a_removed_record_is_gone"),
    (Fault::IgnoresCase, "identities_never_mix"),
    (Fault::CutsLongIds, "identities_never_mix"),
    (Fault::ListsPartnerKeysToo, "a_list_is_bound_to_its_realm_and_kind"),
    (Fault::LosesRecordsBetweenPages, "pages_return_each_record_once"),
    (Fault::PagesByOffset, "pages_return_each_record_once"),
    (Fault::ListsTooEarly, "due_records_come_oldest_first"),
    (Fault::IgnoresTheMark, "changes_come_in_order"),
    (Fault::NumbersBeforeItShows, "changes_come_in_order"),
    (Fault::NamesNoRealm, "realms_names_every_realm_that_has_a_record"),
    (Fault::ChecksBeforeItWrites, "one_of_many_racing_writers_wins"),
    (Fault::CallsItselfShared, "one_of_many_racing_writers_wins"),
    (Fault::CallsItselfDurable, "what_was_written_survives_reopening"),
    (Fault::WritesInTwoSteps, "a_dropped_call_has_happened_or_not"),
    (Fault::CutsLongRecords, "what_goes_beyond_its_promises_is_kept_whole_or_refused"),
    (Fault::TellsWhatWasTooLong, "no_error_shows_what_is_in_a_record"),
];

#[tokio::test]
async fn each_broken_promise_is_found_by_its_name() {
    for (fault, promise) in EACH {
        let shared: Arc<dyn Store> = Arc::new(Broken::new(fault));
        let open = || async {
            match fault {
                Fault::CallsItselfDurable | Fault::CallsItselfShared => {
                    Ok(Arc::new(Broken::new(fault)) as Arc<dyn Store>)
                }
                _ => Ok(Arc::clone(&shared)),
            }
        };
        let found = conformance::check(open).await.expect_err("it is broken");
        assert_eq!(found.promise, promise, "{fault:?}: {found}");
    }
}

#[tokio::test]
async fn a_handle_that_was_kept_proves_no_promise_of_a_new_one() {
    for (fault, promise, found) in [
        (Fault::CallsItselfDurable, "what_was_written_survives_reopening", "a handle was kept"),
        (Fault::CallsItselfShared, "one_of_many_racing_writers_wins", "the same handle"),
    ] {
        let kept: Arc<dyn Store> = Arc::new(Broken::new(fault));
        let broken = conformance::check(|| async { Ok(Arc::clone(&kept)) }).await;
        let broken = broken.expect_err("nobody knows what a new handle would show");
        assert_eq!(broken.promise, promise, "{broken}");
        assert!(broken.found.contains(found), "{broken}");
    }
}

#[tokio::test]
async fn revisions_that_count_each_record_alone_are_found() {
    let store: Arc<dyn Store> = Arc::new(CountsEachRecord::default());
    let found = conformance::check(|| async { Ok(Arc::clone(&store)) }).await;
    let found = found.expect_err("it is broken");
    assert_eq!(found.promise, "revisions_grow_and_are_never_reused", "{found}");
}

#[derive(Debug)]
struct Broken {
    inner: Memory,
    fault: Fault,
    /// Records that were written and do not show in lists yet.
    hidden: Mutex<HashSet<Revision>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { inner: Memory::new(), fault, hidden: Mutex::default() }
    }

    fn key(&self, key: &Key) -> Key {
        let id = match self.fault {
            Fault::IgnoresCase => key.id().to_ascii_lowercase(),
            Fault::CutsLongIds => key.id().chars().take(2000).collect(),
            _ => key.id().to_owned(),
        };
        Key::new(key.realm().clone(), key.kind(), key.partner(), id)
    }

    async fn present(&self, key: &Key) -> Result<Expect, StoreError> {
        let stored = self.inner.get(key).await?;
        Ok(stored.map_or(Expect::Absent, |stored| Expect::At(stored.revision)))
    }

    async fn forgiven(&self, key: &Key, expect: Expect) -> Result<Expect, StoreError> {
        match (self.fault, expect) {
            (Fault::IgnoresAbsent, Expect::Absent) | (Fault::IgnoresRevisions, Expect::At(_)) => {
                self.present(key).await
            }
            (Fault::ChecksBeforeItWrites, _) if self.present(key).await? == expect => {
                tokio::task::yield_now().await;
                self.present(key).await
            }
            _ => Ok(expect),
        }
    }

    /// What becomes of an entry on its way in.
    fn altered(&self, key: &Key, entry: Entry) -> Result<Entry, StoreError> {
        let bytes = entry.sealed.as_bytes();
        let longest = self.promises().longest_record;
        match self.fault {
            Fault::ForgetsDue => Ok(Entry { due: None, ..entry }),
            Fault::KeepsNoPartnerKeys if key.kind() == Kind::PartnerKey => {
                Err(StoreError::unfit("no keys here"))
            }
            Fault::CutsLongRecords if bytes.len() > longest => {
                Ok(Entry { sealed: Sealed::from_bytes(bytes[..longest].to_vec()), ..entry })
            }
            Fault::TellsWhatWasTooLong if bytes.len() > longest => {
                Err(StoreError::unfit(String::from_utf8_lossy(bytes).into_owned()))
            }
            _ => Ok(entry),
        }
    }

    async fn by_halves(
        &self,
        key: &Key,
        entry: Entry,
        expect: Expect,
    ) -> Result<Revision, StoreError> {
        let half = Entry { due: None, ..entry.clone() };
        let at = self.inner.put(key, half, expect).await?;
        tokio::task::yield_now().await;
        self.inner.put(key, entry, Expect::At(at)).await
    }

    /// Every other record shows later than the one after it.
    async fn shows_later(
        &self,
        key: &Key,
        entry: Entry,
        expect: Expect,
    ) -> Result<Revision, StoreError> {
        let revision = self.inner.put(key, entry, expect).await?;
        if revision.number() % 2 == 1 {
            self.hidden.lock().expect("no panic").insert(revision);
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            self.hidden.lock().expect("no panic").remove(&revision);
        }
        Ok(revision)
    }

    /// Pages that begin so many records after the first.
    async fn by_offset(&self, filter: Filter) -> Result<Page, StoreError> {
        let Filter { cursor, limit, .. } = filter;
        let first = cursor.map_or(0, |cursor| cursor.number as usize);
        let all = Filter { cursor: None, limit: usize::MAX, ..filter };
        let mut records = self.inner.list(all).await?.records.split_off(first);
        let more = records.len() > limit;
        records.truncate(limit);
        let next = more.then(|| Cursor { number: (first + limit) as u64, id: String::new() });
        Ok(Page { records, next, ..Page::default() })
    }
}

#[async_trait]
impl Store for Broken {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(&self.key(key)).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let key = self.key(key);
        let expect = self.forgiven(&key, expect).await?;
        let entry = self.altered(&key, entry)?;
        match self.fault {
            Fault::WritesInTwoSteps => self.by_halves(&key, entry, expect).await,
            Fault::NumbersBeforeItShows => self.shows_later(&key, entry, expect).await,
            _ => self.inner.put(&key, entry, expect).await,
        }
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        let stored = self.get(key).await?.ok_or(StoreError::Conflict)?;
        match self.fault {
            Fault::ForgetsToRemove if stored.revision == at => Ok(()),
            _ => self.inner.remove(&self.key(key), at).await,
        }
    }

    async fn list(&self, mut filter: Filter) -> Result<Page, StoreError> {
        if self.fault == Fault::PagesByOffset {
            return self.by_offset(filter).await;
        }
        let keys = Filter { kind: Kind::PartnerKey, ..filter.clone() };
        let of_keys = filter.kind == Kind::PartnerKey;
        filter.selection = match (self.fault, filter.selection) {
            (Fault::ListsTooEarly, Selection::DueBy(by)) => {
                Selection::DueBy(by + std::time::Duration::from_secs(1))
            }
            (Fault::IgnoresTheMark, Selection::ChangedAfter(_)) => {
                Selection::ChangedAfter(Revision::ZERO)
            }
            (_, selection) => selection,
        };
        let mut page = self.inner.list(filter).await?;
        if self.fault == Fault::ListsPartnerKeysToo && !of_keys {
            page.records.extend(self.inner.list(keys).await?.records);
        }
        if self.fault == Fault::LosesRecordsBetweenPages && page.next.is_some() {
            page.records.pop();
        }
        let hidden = self.hidden.lock().expect("no panic");
        page.records.retain(|stored| !hidden.contains(&stored.revision));
        Ok(page)
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        match self.fault {
            Fault::NamesNoRealm => Ok(Vec::new()),
            _ => self.inner.realms().await,
        }
    }

    fn promises(&self) -> Promises {
        Promises {
            durable: self.fault == Fault::CallsItselfDurable,
            shared_between_processes: self.fault == Fault::CallsItselfShared,
            // Memory refuses what is longer than it promises, so these promise less.
            longest_record: 100_000,
            ..self.inner.promises()
        }
    }
}

/// Numbers the writes of each record from 1.
#[derive(Debug, Default)]
struct CountsEachRecord {
    inner: Memory,
    /// Beside each record's count, the revision that the inner store gave.
    counts: Mutex<HashMap<Key, (u64, Revision)>>,
}

impl CountsEachRecord {
    fn count(&self, key: &Key) -> (u64, Revision) {
        let counts = self.counts.lock().expect("no writer panics");
        counts.get(key).copied().unwrap_or((0, Revision::ZERO))
    }

    fn inner_revision(&self, key: &Key, at: Revision) -> Result<Revision, StoreError> {
        let (count, inner) = self.count(key);
        if count == at.number() { Ok(inner) } else { Err(StoreError::Conflict) }
    }

    fn shown(&self, stored: Stored) -> Stored {
        Stored { revision: Revision::new(self.count(&stored.key).0), ..stored }
    }
}

#[async_trait]
impl Store for CountsEachRecord {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.inner.get(key).await?.map(|stored| self.shown(stored)))
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let expect = match expect {
            Expect::Absent => Expect::Absent,
            Expect::At(at) => Expect::At(self.inner_revision(key, at)?),
        };
        let inner = self.inner.put(key, entry, expect).await?;
        let count = if expect == Expect::Absent { 1 } else { self.count(key).0 + 1 };
        self.counts.lock().expect("no writer panics").insert(key.clone(), (count, inner));
        Ok(Revision::new(count))
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, self.inner_revision(key, at)?).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let page = self.inner.list(filter).await?;
        let records = page.records.into_iter().map(|stored| self.shown(stored)).collect();
        Ok(Page { records, ..page })
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}
