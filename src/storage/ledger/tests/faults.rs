//! Stores whose answers get lost, and processes that meet.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Barrier;

use super::*;
use crate::storage::store::{Page, Promises};

/// What becomes of a write whose answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Happens,
    DoesNotHappen,
    HappensAndIsOverwritten,
}

/// Counts reads, loses the answers to writes of consents, and lets two readers that both miss a
/// partner key meet.
#[derive(Debug)]
struct Strange {
    inner: Memory,
    gets: AtomicUsize,
    fate: Option<Fate>,
    meeting: Option<Barrier>,
}

impl Strange {
    fn new(fate: Option<Fate>, meeting: Option<Barrier>) -> Self {
        Self { inner: Memory::new(), gets: AtomicUsize::new(0), fate, meeting }
    }

    fn fate_of(&self, key: &Key) -> Option<Fate> {
        self.fate.filter(|_| key.kind() == Kind::Consent)
    }
}

fn lost<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("the answer was lost"))
}

#[async_trait]
impl Store for Strange {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let found = self.inner.get(key).await?;
        if let (None, Some(meeting)) = (&found, &self.meeting) {
            meeting.wait().await;
        }
        Ok(found)
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        match self.fate_of(key) {
            None => self.inner.put(key, entry, expect).await,
            Some(Fate::DoesNotHappen) => lost(),
            Some(Fate::Happens) => {
                self.inner.put(key, entry, expect).await?;
                lost()
            }
            Some(Fate::HappensAndIsOverwritten) => {
                let at = self.inner.put(key, entry, expect).await?;
                let other = Entry { sealed: Sealed::from_bytes(vec![1]), due: None };
                self.inner.put(key, other, Expect::At(at)).await?;
                lost()
            }
        }
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        match self.fate_of(key) {
            None => self.inner.remove(key, at).await,
            Some(Fate::DoesNotHappen) => lost(),
            Some(_) => {
                self.inner.remove(key, at).await?;
                lost()
            }
        }
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}

fn losing(fate: Fate) -> (Arc<Strange>, Ledger) {
    let store = Arc::new(Strange::new(Some(fate), None));
    let ledger = ledger_over(store.clone(), &ring());
    (store, ledger)
}

#[tokio::test]
async fn a_write_that_happened_although_its_answer_was_lost_is_recognised() {
    // F-12
    let (store, ledger) = losing(Fate::Happens);
    let contoso = tenant(CONTOSO);
    let revision = ledger.insert(&note(contoso, "text")).await.expect("it happened");
    let stored = store.get(&place_of(contoso)).await.expect("memory").expect("a record");
    assert_eq!(revision, stored.revision);
    ledger.remove::<Note>(Some(contoso), CONTOSO, revision).await.expect("it happened");
    assert_eq!(loaded(&ledger, contoso).await, Ok(None));
}

#[tokio::test]
async fn a_write_that_did_not_happen_is_told_as_such() {
    // F-12
    let (store, ledger) = losing(Fate::DoesNotHappen);
    let contoso = tenant(CONTOSO);
    let unavailable = || LedgerError::Store(StoreError::unavailable("the answer was lost"));
    assert_eq!(ledger.insert(&note(contoso, "text")).await, Err(unavailable()));
    let entry = Entry { sealed: Sealed::from_bytes(vec![1]), due: None };
    let at = store.inner.put(&place_of(contoso), entry, Expect::Absent).await.expect("memory");
    assert_eq!(ledger.replace(&note(contoso, "text"), at).await, Err(unavailable()));
    let removed = ledger.remove::<Note>(Some(contoso), CONTOSO, at).await;
    assert_eq!(removed, Err(unavailable()));
}

#[tokio::test]
async fn a_row_that_was_not_written_anew_is_not_called_so() {
    // R-129, F-12
    for (fate, happens) in [(Fate::Happens, true), (Fate::DoesNotHappen, false)] {
        let (store, ledger) = losing(fate);
        let contoso = tenant(CONTOSO);
        let entry = Entry { sealed: Sealed::from_bytes(vec![1]), due: None };
        let place = place_of(contoso);
        let before = store.inner.put(&place, entry, Expect::Absent).await.expect("memory");
        let touched = ledger.touch_consent(contoso).await;
        let after = store.get(&place).await.expect("memory").expect("a record").revision;
        assert_eq!((touched.is_ok(), after > before), (happens, happens), "{fate:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_and_another_writer_is_a_conflict() {
    // F-12
    let (_, ledger) = losing(Fate::HappensAndIsOverwritten);
    let written = ledger.insert(&note(tenant(CONTOSO), "text")).await;
    assert_eq!(written, Err(LedgerError::Conflict));
}

#[tokio::test]
async fn two_processes_that_make_a_partner_key_at_once_share_one() {
    let store = Arc::new(Strange::new(None, Some(Barrier::new(2))));
    let (ring, contoso) = (ring(), tenant(CONTOSO));
    let [here, there] = [(); 2].map(|()| ledger_over(store.clone(), &ring));
    let other = Pending(note(contoso, "there"));
    let first = note(contoso, "here");
    let (one, two) = tokio::join!(here.insert(&first), there.insert(&other));
    one.expect("its own place");
    two.expect("its own place");
    let fresh = ledger_over(store, &ring);
    assert_eq!(loaded(&fresh, contoso).await, Ok(Some(note(contoso, "here"))));
    let pending = fresh.load::<Pending>(Some(contoso), CONTOSO).await.expect("ours");
    assert_eq!(pending.expect("there").record, other);
}

/// A note at another place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending(Note);

impl Record for Pending {
    const KIND: Kind = Kind::Pending;

    fn partner(&self) -> Option<TenantId> {
        self.0.partner()
    }

    fn id(&self) -> String {
        self.0.id()
    }

    fn generation(&self) -> u64 {
        self.0.generation()
    }

    fn due(&self) -> Option<SystemTime> {
        self.0.due()
    }
}

#[tokio::test]
async fn a_load_costs_one_read_once_the_partner_key_is_known() {
    let store = Arc::new(Strange::new(None, None));
    let ledger = ledger_over(store.clone(), &ring());
    let contoso = tenant(CONTOSO);
    ledger.insert(&note(contoso, "text")).await.expect("absent");
    let before = store.gets.load(Ordering::Relaxed);
    loaded(&ledger, contoso).await.expect("ours");
    assert_eq!(store.gets.load(Ordering::Relaxed), before + 1);
}
