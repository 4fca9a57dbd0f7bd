//! A ring whose keys are slow, refuse, panic or are away.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::storage::keyring::KeyWrap;
use crate::storage::seal::Destroyed;

/// How a provider answers.
#[derive(Debug, Clone)]
enum Mood {
    Well,
    Hangs,
    Panics,
    Says(KeyError),
}

/// A local key behind a provider with moods. Clones are one provider.
#[derive(Debug, Clone)]
struct Moody {
    key: Arc<LocalKey>,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<usize>>,
}

impl Moody {
    fn new() -> Self {
        let key = Arc::new(LocalKey::generate("moody").expect("a key"));
        Self { key, mood: Arc::new(Mutex::new(Mood::Well)), asked: Arc::default() }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().expect("not poisoned") = mood;
    }

    fn asked(&self) -> usize {
        *self.asked.lock().expect("not poisoned")
    }

    async fn answer(&self) -> Result<(), KeyError> {
        *self.asked.lock().expect("not poisoned") += 1;
        let mood = self.mood.lock().expect("not poisoned").clone();
        match mood {
            Mood::Well => Ok(()),
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("on purpose"),
            Mood::Says(error) => Err(error),
        }
    }
}

#[async_trait]
impl KeyWrap for Moody {
    fn id(&self) -> &KeyId {
        self.key.id()
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        self.answer().await?;
        self.key.wrap(key).await
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        self.answer().await?;
        self.key.unwrap(wrapped).await
    }

    fn origin(&self) -> &DataKey {
        if matches!(*self.mood.lock().expect("not poisoned"), Mood::Panics) {
            panic!("on purpose");
        }
        self.key.origin()
    }
}

/// A note of Contoso's under a provider that is well so far.
async fn scene(cached_for: Duration) -> (Moody, VirtualClock, Ledger) {
    let (moody, clock) = (Moody::new(), VirtualClock::default());
    let stores = Stores::new(Arc::new(Memory::new()), None);
    let ring = KeyRing::new(moody.clone()).cached_for(cached_for);
    let ledger = Ledger::new(stores, ring, realm(), Arc::new(clock.clone()));
    ledger.insert(&note(tenant(CONTOSO), "text")).await.expect("absent");
    (moody, clock, ledger)
}

fn id() -> KeyId {
    KeyId::new("moody").expect("an id")
}

fn moods() -> [KeyError; 4] {
    let because = || "status 4xx".into();
    [
        KeyError::Unavailable { id: id(), because: because() },
        KeyError::Forbidden { id: id(), because: because() },
        KeyError::Gone { id: id(), because: because() },
        KeyError::Refused { id: id() },
    ]
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_in_memory_serves_for_the_stated_time_and_no_longer() {
    // R-126, F-21
    let contoso = tenant(CONTOSO);
    for error in moods() {
        let (moody, clock, ledger) = scene(15 * MINUTE).await;
        moody.is(Mood::Says(error.clone()));
        for _ in 0..14 {
            clock.advance(MINUTE);
            assert_eq!(loaded(&ledger, contoso).await, Ok(Some(note(contoso, "text"))));
        }
        clock.advance(MINUTE);
        assert_eq!(loaded(&ledger, contoso).await, Err(about(contoso, error)));
        moody.is(Mood::Well);
        assert_eq!(loaded(&ledger, contoso).await, Ok(Some(note(contoso, "text"))));
    }
}

#[tokio::test]
async fn nothing_is_stored_weakly_while_the_provider_is_away() {
    // R-126, F-21
    let (moody, _, ledger) = scene(15 * MINUTE).await;
    for error in moods() {
        moody.is(Mood::Says(error.clone()));
        let written = ledger.insert(&note(tenant(FABRIKAM), "text")).await;
        assert_eq!(written, Err(about(tenant(FABRIKAM), error)));
        assert_eq!(loaded(&ledger, tenant(FABRIKAM)).await, Ok(None));
    }
}

#[tokio::test]
async fn a_ring_may_be_asked_each_time() {
    //
    let (moody, _, ledger) = scene(Duration::ZERO).await;
    let before = moody.asked();
    for _ in 0..3 {
        loaded(&ledger, tenant(CONTOSO)).await.expect("ours");
    }
    assert_eq!(moody.asked(), before + 3);
}

#[tokio::test]
async fn a_provider_that_hangs_is_out_of_reach_after_half_a_minute() {
    // R-126, F-21
    let (moody, clock, ledger) = scene(Duration::ZERO).await;
    moody.is(Mood::Hangs);
    let task = tokio::spawn(async move { loaded(&ledger, tenant(CONTOSO)).await });
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(29 * Duration::from_secs(1));
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    clock.advance(Duration::from_secs(1));
    let found = task.await.expect("it ends");
    assert!(
        matches!(found, Err(LedgerError::Key { error: KeyError::Unavailable { .. }, .. })),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_panic_in_a_provider_is_an_error_like_others() {
    // F-31
    let (moody, _, ledger) = scene(Duration::ZERO).await;
    let contoso = tenant(CONTOSO);
    moody.is(Mood::Panics);
    let panicked = KeyError::Panicked { id: id() };
    assert_eq!(loaded(&ledger, contoso).await, Err(about(contoso, panicked.clone())));
    let written = ledger.insert(&note(tenant(FABRIKAM), "text")).await;
    assert_eq!(written, Err(about(tenant(FABRIKAM), panicked)));
    moody.is(Mood::Well);
    assert_eq!(loaded(&ledger, contoso).await, Ok(Some(note(contoso, "text"))));
}

#[tokio::test]
async fn many_who_miss_one_key_ask_the_ring_once() {
    let (moody, clock, ledger) = scene(15 * MINUTE).await;
    clock.advance(16 * MINUTE);
    let before = moody.asked();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ledger = ledger.clone();
        callers.spawn(async move { loaded(&ledger, tenant(CONTOSO)).await.expect("ours") });
    }
    assert_eq!(callers.join_all().await.len(), 100);
    assert_eq!(moody.asked(), before + 1);
}

#[tokio::test]
async fn a_key_that_replaces_a_refused_one_keeps_its_memory() {
    //
    let (moody, clock, store) = (Moody::new(), VirtualClock::default(), Arc::new(Memory::new()));
    let old = ledger_over(store.clone(), &KeyRing::new(moody.clone()));
    let (contoso, begun_early) = (tenant(CONTOSO), clock.now());
    old.insert(&note(contoso, "text")).await.expect("absent");
    clock.advance(MINUTE);
    let told = Destroyed { generation: 7, at: clock.now() };
    assert_eq!(old.note_shredding(contoso, told).await, Ok(true));

    moody.is(Mood::Says(KeyError::Refused { id: id() }));
    let new = LocalKey::generate("new").expect("a key");
    let ring = KeyRing::new(new).readable(moody).expect("two keys");
    let ledger = ledger_over(store, &ring);
    let refused = about(contoso, KeyError::Refused { id: id() });
    assert_eq!(loaded(&ledger, contoso).await, Err(refused));
    ledger.replace_damaged_key(contoso).await.expect("it is refused");
    assert_eq!(ledger.last_let_go(contoso).await, Ok(Some(told)));
    let revived = ledger.revive(contoso, begun_early).await;
    assert!(matches!(revived, Err(LedgerError::Shredded { .. })), "{revived:?}");
}
