//! Rotations that are broken off, that meet others, and that must not begin.

mod double;
mod retiring;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use self::double::{Fate, Stage};
use super::*;
use crate::model::clock::VirtualClock;
use crate::model::cloud::{Cloud, Environment, Realm};
use crate::model::tenant::ClientId;
use crate::storage::keyring::{KeyRing, LocalKey};
use crate::storage::ledger::{Record, Stores};
use crate::storage::seal::Sealed;
use crate::storage::store::{Entry, Expect, Memory, Revision, Selection, Store};

/// Something sealed for a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    partner: TenantId,
    number: u64,
}

impl Record for Note {
    const KIND: Kind = Kind::Consent;

    fn partner(&self) -> Option<TenantId> {
        Some(self.partner)
    }

    fn id(&self) -> String {
        self.partner.to_string()
    }

    fn generation(&self) -> u64 {
        1
    }

    fn due(&self) -> Option<SystemTime> {
        None
    }
}

fn partner(number: u64) -> TenantId {
    TenantId::parse(&format!("72f988bf-0000-4000-8000-{number:012x}")).expect("a GUID")
}

fn note(number: u64) -> Note {
    Note { partner: partner(number), number }
}

fn realm() -> Realm {
    let application = ClientId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
    Realm::new(&Cloud::Global, Environment::Production, application)
}

fn id(name: &str) -> KeyId {
    KeyId::new(name).expect("an id")
}

/// The key of that name, the same each time.
fn key(name: &str) -> LocalKey {
    let mut bytes = [7; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    LocalKey::from_bytes(name, &bytes).expect("a key")
}

/// The first goes first.
fn ring(names: &[&str]) -> KeyRing {
    let mut keys = names.iter().map(|name| key(name));
    let primary = KeyRing::new(keys.next().expect("a name"));
    keys.fold(primary, |ring, key| ring.readable(key).expect("another name"))
}

/// A process on a store.
struct Process {
    clock: VirtualClock,
    ledger: Ledger,
    rekeying: Rekeying,
}

impl Process {
    fn with(store: Arc<dyn Store>, ring: &KeyRing, clock: &VirtualClock) -> Self {
        Self::made(realm(), store, ring, clock)
    }

    fn of(realm: Realm, store: Arc<dyn Store>, ring: &KeyRing) -> Self {
        Self::made(realm, store, ring, &VirtualClock::default())
    }

    fn made(realm: Realm, store: Arc<dyn Store>, ring: &KeyRing, clock: &VirtualClock) -> Self {
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let stores = Stores::new(store, None);
        let ledger = Ledger::new(stores, ring.clone(), realm, Arc::clone(&time));
        let roll = Roll::new(ledger.clone(), ring, Arc::clone(&time));
        let observers = Observers::default();
        let rekeying = Rekeying { clock: time, ledger: ledger.clone(), roll, observers };
        Self { clock: clock.clone(), ledger, rekeying }
    }

    fn on(store: Arc<dyn Store>, names: &[&str]) -> Self {
        Self::with(store, &ring(names), &VirtualClock::default())
    }

    async fn write(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.ledger.insert(&note(number)).await.expect("absent");
        }
    }

    async fn read(&self, number: u64) -> Result<Note, LedgerError> {
        let partner = partner(number);
        let held = self.ledger.load::<Note>(Some(partner), &partner.to_string()).await?;
        Ok(held.expect("there").record)
    }

    async fn assert_reads(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            assert_eq!(self.read(number).await, Ok(note(number)), "{number}");
        }
    }

    /// How many rows of its realm are under that key.
    async fn keys_under(&self, name: &str) -> u64 {
        let uses = self.ledger.uses_of(&id(name)).await.expect("memory");
        let own = uses.into_iter().find(|found| found.realm == *self.ledger.realm());
        own.map_or(0, |found| found.under)
    }

    async fn rotate(&self) -> Result<KeyRotated, Error> {
        self.rekeying.rotate(Box::new(|_| {})).await
    }
}

const ROWS: u64 = 10;

/// Rows under the old key, and one for the application's own.
async fn under_the_old_key() -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let before = Process::on(store.clone(), &["old"]);
    before.ledger.prove_ring().await.expect("a first key");
    before.write(0..ROWS).await;
    store
}

#[tokio::test]
async fn everything_is_under_the_new_key_then_and_records_are_left_alone() {
    //
    let store = under_the_old_key().await;
    let process = Process::on(store.clone(), &["new", "old"]);
    let shredded = partner(3);
    process.ledger.shred(shredded, 1).await.expect("a key");
    let page = async || {
        process.ledger.page(Kind::Consent, Selection::All, None, 100).await.expect("memory").records
    };
    let (before, mut seen) = (page().await, Vec::new());
    let told = Box::new(|rotation: &KeyRotation| seen.push((rotation.done(), rotation.total())));
    let rotated = process.rekeying.rotate(told).await.expect("a rotation");
    // The mark was made under the new key already.
    assert_eq!((rotated.rewrapped(), rotated.left(), rotated.key()), (ROWS, 0, &id("new")));
    assert_eq!(seen, (0..=ROWS).map(|done| (done, ROWS)).collect::<Vec<_>>());
    assert_eq!(page().await, before);
    let after = Process::on(store, &["new"]);
    after.assert_reads(0..3).await;
    after.assert_reads(4..ROWS).await;
    after.ledger.prove_ring().await.expect("the application's own key, too");
    assert_eq!(process.keys_under("old").await, 0);
    let again = process.rotate().await.expect("nothing to do");
    assert_eq!((again.rewrapped(), again.left()), (0, 0));
}

#[tokio::test]
async fn a_mark_under_the_old_key_moves_along_with_its_time() {
    //
    let store = under_the_old_key().await;
    let before = Process::on(store.clone(), &["old"]);
    let (gone, begun_at) = (partner(3), before.clock.now());
    before.clock.advance(Duration::from_secs(1));
    before.ledger.shred(gone, 5).await.expect("a key");
    let destroyed = before.read(3).await.expect_err("shredded");
    Process::on(store.clone(), &["new", "old"]).rotate().await.expect("a rotation");
    let after = Process::on(store, &["new"]);
    assert_eq!(after.read(3).await, Err(destroyed.clone()));
    assert_eq!(after.ledger.revive(gone, begun_at).await, Err(destroyed));
    let tomorrow = begun_at + Duration::from_secs(86_400);
    let mark = after.ledger.revive(gone, tomorrow).await.expect("it began later");
    assert_eq!(mark.expect("it is remembered").generation, 5);
}

#[tokio::test]
async fn broken_off_at_every_row_it_leaves_all_readable_and_goes_on_from_there() {
    // R-125, F-25
    for fate in [Fate::HangsBefore, Fate::HangsAfter] {
        for row in 0..=ROWS {
            let store = under_the_old_key().await;
            let stage = Arc::new(Stage::over(store.clone()).at_put(row, fate));
            let broken = Process::on(stage.clone(), &["new", "old"]);
            tokio::select! {
                rotated = broken.rotate() => panic!("{rotated:?}"),
                () = stage.hung() => {}
            }
            let restarted = Process::on(store.clone(), &["new", "old"]);
            restarted.assert_reads(0..ROWS).await;
            let old = restarted.keys_under("old").await;
            let rotated = restarted.rotate().await.expect("a rotation");
            assert_eq!(rotated.rewrapped(), old, "{fate:?} at row {row}");
            Process::on(store, &["new"]).assert_reads(0..ROWS).await;
        }
    }
}

#[tokio::test]
async fn a_put_of_unknown_outcome_is_found_out_at_every_row() {
    // F-12, F-25
    for fate in [Fate::LostBefore, Fate::LostAfter] {
        for row in 0..=ROWS {
            let store = under_the_old_key().await;
            let stage = Arc::new(Stage::over(store.clone()).at_put(row, fate));
            let process = Process::on(stage, &["new", "old"]);
            let rotated = process.rotate().await;
            match (fate, rotated) {
                (Fate::LostAfter, Ok(rotated)) => assert_eq!(rotated.rewrapped(), ROWS + 1),
                (Fate::LostBefore, Err(Error::Store(_))) => {
                    process.rotate().await.expect("the next one ends it");
                }
                (fate, other) => panic!("{fate:?}: {other:?}"),
            }
            Process::on(store, &["new"]).assert_reads(0..ROWS).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_rotations_at_once_share_the_work() {
    // R-125, F-25
    const MANY: u64 = 700;
    let store = Arc::new(Memory::new());
    Process::on(store.clone(), &["old"]).write(0..MANY).await;
    let [one, two] = [(); 2].map(|()| Process::on(store.clone(), &["new", "old"]));
    let (one, two) = tokio::join!(one.rotate(), two.rotate());
    let [one, two] = [one, two].map(|rotated| rotated.expect("a rotation"));
    assert_eq!(one.rewrapped() + two.rewrapped(), MANY, "each row once");
    assert_eq!((one.left(), two.left()), (0, 0));
    Process::on(store, &["new"]).assert_reads(0..MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_and_no_writer_fails_while_keys_rotate() {
    //
    const PARTNERS: u64 = 40;
    let store = Arc::new(Memory::new());
    let names: [&[&str]; 2] = [&["a", "b"], &["b", "a"]];
    Process::on(store.clone(), names[0]).write(0..PARTNERS).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut work = JoinSet::new();
    for worker in 0..4 {
        let (store, over) = (store.clone(), over.clone());
        // Nothing is cached: each read asks the ring.
        let ring = ring(names[worker % 2]).cached_for(Duration::ZERO);
        let process = Process::with(store, &ring, &VirtualClock::default());
        work.spawn(async move {
            let (mut turn, mut done) = (worker as u64, 0_u64);
            while !over.load(Ordering::Relaxed) {
                turn = (turn + 7) % PARTNERS;
                let id = partner(turn);
                let held = process.ledger.load::<Note>(Some(id), &id.to_string()).await;
                let held = held.expect("readable at every moment").expect("there");
                assert_eq!(held.record, note(turn));
                match process.ledger.replace(&held.record, held.revision).await {
                    Ok(_) | Err(LedgerError::Conflict) => done += 1,
                    Err(error) => panic!("{error}"),
                }
                tokio::task::yield_now().await;
            }
            done
        });
    }
    for turn in 0..20 {
        let process = Process::on(store.clone(), names[(turn + 1) % 2]);
        let rotated = process.rotate().await.expect("a rotation");
        assert_eq!((rotated.rewrapped(), rotated.left()), (PARTNERS, 0));
    }
    over.store(true, Ordering::Relaxed);
    let done = work.join_all().await;
    assert!(done.iter().all(|done| *done > 0), "{done:?}");
    Process::on(store, &["a"]).assert_reads(0..PARTNERS).await;
}

#[tokio::test]
async fn two_that_rotate_against_each_other_both_end() {
    // F-25
    let store = under_the_old_key().await;
    let there = Process::on(store.clone(), &["new", "old"]);
    let back = Process::on(store.clone(), &["old", "new"]);
    let both = async { tokio::join!(there.rotate(), back.rotate()) };
    let both = tokio::time::timeout(std::time::Duration::from_secs(60), both).await;
    let (there, back) = both.expect("neither waits for the other");
    assert_eq!((there.expect("a rotation").left(), back.expect("a rotation").left()), (0, 0));
    Process::on(store, &["old", "new"]).assert_reads(0..ROWS).await;
}

#[tokio::test]
async fn a_new_key_that_vanishes_half_way_loses_nothing() {
    // R-126, F-25
    let store = under_the_old_key().await;
    let fading = double::Fading::new(key("new"), 9);
    let ring = || KeyRing::new(fading.clone()).readable(key("old")).expect("two names");
    let process = |ring: &KeyRing| Process::with(store.clone(), ring, &VirtualClock::default());
    let gone = process(&ring()).rotate().await.expect_err("it vanished");
    assert!(
        matches!(&gone, Error::Key { error: KeyError::Gone { id, .. }, .. } if id.as_str() == "new"),
        "{gone:?}"
    );
    let mixed = process(&ring());
    let mut unread = 0;
    for number in 0..ROWS {
        match mixed.read(number).await {
            Ok(read) => assert_eq!(read, note(number)),
            Err(LedgerError::Key { error: KeyError::Gone { .. }, .. }) => unread += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((1..ROWS).contains(&unread), "{unread} of {ROWS} are under it");
    fading.comes_back();
    process(&ring()).assert_reads(0..ROWS).await;
    process(&ring()).rotate().await.expect("a rotation");
    Process::on(store, &["new"]).assert_reads(0..ROWS).await;
}

#[tokio::test]
async fn a_new_key_that_does_not_unwrap_what_it_wrapped_takes_no_row() {
    //
    for sound in [0, 1, 5] {
        let store = under_the_old_key().await;
        let forgetful = double::Forgetful::after(sound, key("new"));
        let ring = KeyRing::new(forgetful).readable(key("old")).expect("two names");
        let process = Process::with(store.clone(), &ring, &VirtualClock::default());
        let refused = process.rotate().await.expect_err("it does not unwrap");
        let new = id("new");
        assert!(
            matches!(&refused, Error::Key { error: KeyError::Refused { id }, .. } if *id == new),
            "{refused:?}"
        );
        let moved = process.keys_under("new").await;
        assert_eq!(moved, sound.saturating_sub(1), "one was wrapped to try it");
        Process::on(store, &["new", "old"]).assert_reads(0..ROWS).await;
    }
}

#[tokio::test]
async fn nothing_is_sealed_under_a_key_that_the_ring_could_not_open_again() {
    //
    let store = under_the_old_key().await;
    let forgetful = double::Forgetful::after(0, key("new"));
    let ring = KeyRing::new(forgetful).readable(key("old")).expect("two names");
    let process = Process::with(store.clone(), &ring, &VirtualClock::default());
    let refused = LedgerError::Key {
        partner: Some(partner(ROWS)),
        error: KeyError::Refused { id: id("new") },
    };
    assert_eq!(process.ledger.insert(&note(ROWS)).await, Err(refused));
    assert_eq!(process.ledger.has_key_of(partner(ROWS)).await, Ok(false));
    let sound = Process::on(store, &["new", "old"]);
    sound.write(ROWS..ROWS + 1).await;
    sound.assert_reads(0..ROWS + 1).await;
}

#[tokio::test]
async fn what_cannot_be_rewrapped_is_named_and_stops_nothing() {
    // F-22
    let store = under_the_old_key().await;
    let lost = Process::on(store.clone(), &["lost"]);
    lost.ledger.insert(&note(ROWS)).await.expect("absent");
    let place = |number: u64| {
        let partner = partner(number);
        Key::new(realm(), Kind::PartnerKey, Some(partner), partner.to_string())
    };
    let put = async |number: u64, change: fn(&mut Vec<u8>)| {
        let stored = store.get(&place(number)).await.expect("memory").expect("a key");
        let mut bytes = stored.entry.sealed.as_bytes().to_vec();
        change(&mut bytes);
        let entry = Entry { sealed: Sealed::from_bytes(bytes), due: None };
        let at = Expect::At(stored.revision);
        store.put(&place(number), entry, at).await.expect("memory");
    };
    put(2, |bytes| bytes[0] = b'X').await;
    put(4, |bytes| *bytes.last_mut().expect("some") ^= 1).await;
    let process = Process::on(store.clone(), &["new", "old"]);
    let rotated = process.rotate().await.expect("a rotation");
    assert_eq!((rotated.rewrapped(), rotated.left()), (ROWS + 1 - 2, 3));
    let named: Vec<_> =
        rotated.named().iter().map(|left| (left.partner(), left.because())).collect();
    let about = |number, error| LedgerError::Key { partner: Some(partner(number)), error };
    let refused = about(4, KeyError::Refused { id: id("old") });
    let unknown = about(ROWS, KeyError::Unknown { id: id("lost") });
    for (number, because) in [(4, &refused), (ROWS, &unknown)] {
        assert!(named.contains(&(Some(partner(number)), because)), "{named:?}");
    }
    let shapeless = named.iter().find(|(whose, _)| *whose == Some(partner(2))).expect("named");
    assert!(matches!(shapeless.1, LedgerError::Damaged { damage: Damage::Shape, .. }));
    let again = process.rotate().await.expect("a rotation");
    assert_eq!((again.rewrapped(), again.left()), (0, 3), "named again each time");
    let shown = rotated.named()[0].to_string();
    assert!(shown.starts_with("partner key 72f988bf-"), "{shown}");
}

#[tokio::test]
async fn a_panic_in_the_store_is_an_error() {
    // F-31
    let store = under_the_old_key().await;
    let stage = Arc::new(Stage::over(store.clone()).at_put(3, Fate::Panics));
    let rotated = Process::on(stage, &["new", "old"]).rotate().await;
    assert!(matches!(rotated, Err(Error::Store(_) | Error::Defect(_))), "{rotated:?}");
    Process::on(store, &["new", "old"]).assert_reads(0..ROWS).await;
}
