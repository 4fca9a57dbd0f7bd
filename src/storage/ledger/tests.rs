//! What the ledger gives back, and everything it must notice.

mod faults;
mod ring;
#[cfg(feature = "sqlite")]
mod secrecy;
mod shredding;

use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;

use super::*;
use crate::model::clock::VirtualClock;
use crate::model::cloud::{Cloud, Environment};
use crate::model::tenant::ClientId;
use crate::storage::keyring::{DataKey, KeyId, LocalKey};
use crate::storage::seal::Sealed;
use crate::storage::seal::tests::PublicWrap;
use crate::storage::store::Memory;
use crate::storage::store::Store;

const CONTOSO: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const FABRIKAM: &str = "33333333-3333-4333-8333-333333333333";

/// A record that says one thing about a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    partner: TenantId,
    text: String,
    generation: u64,
    due: Option<u64>,
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
        self.generation
    }

    fn due(&self) -> Option<SystemTime> {
        self.due.map(at)
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).expect("a GUID")
}

fn numbered(number: u64) -> TenantId {
    tenant(&format!("72f988bf-0000-4000-8000-{number:012x}"))
}

fn note(partner: TenantId, text: &str) -> Note {
    Note { partner, text: text.to_owned(), generation: 1, due: None }
}

fn realm() -> Realm {
    let application = ClientId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
    Realm::new(&Cloud::Global, Environment::Production, application)
}

fn ring() -> KeyRing {
    KeyRing::new(LocalKey::generate("a").expect("a key"))
}

fn ledger_over(store: Arc<dyn Store>, ring: &KeyRing) -> Ledger {
    let clock = Arc::new(VirtualClock::default());
    Ledger::new(Stores::new(store, None), ring.clone(), realm(), clock)
}

fn memory() -> (Arc<Memory>, Ledger) {
    let store = Arc::new(Memory::new());
    let ledger = ledger_over(store.clone(), &ring());
    (store, ledger)
}

fn place_of(partner: TenantId) -> Key {
    Key::new(realm(), Kind::Consent, Some(partner), partner.to_string())
}

fn key_place_of(partner: TenantId) -> Key {
    Key::new(realm(), Kind::PartnerKey, Some(partner), partner.to_string())
}

async fn loaded(ledger: &Ledger, partner: TenantId) -> Result<Option<Note>, LedgerError> {
    let held = ledger.load::<Note>(Some(partner), &partner.to_string()).await?;
    Ok(held.map(|held| held.record))
}

async fn damage(ledger: &Ledger, partner: TenantId) -> Damage {
    match loaded(ledger, partner).await.expect_err("it must not open") {
        LedgerError::Damaged { kind, partner: whose, id, damage, .. } => {
            assert_eq!((kind, whose, id), (Kind::Consent, Some(partner), partner.to_string()));
            damage
        }
        other => panic!("{other}"),
    }
}

/// Writes bytes as someone would who can write into the store and has no key.
async fn overwrite(store: &Memory, key: &Key, sealed: Sealed) {
    let stored = store.get(key).await.expect("memory").expect("a record");
    let entry = Entry { sealed, due: stored.entry.due };
    store.put(key, entry, Expect::At(stored.revision)).await.expect("memory");
}

const fn about(partner: TenantId, error: KeyError) -> LedgerError {
    LedgerError::Key { partner: Some(partner), error }
}

async fn sealed_at(store: &Memory, key: &Key) -> Sealed {
    store.get(key).await.expect("memory").expect("a record").entry.sealed
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_written() {
    let (_, ledger) = memory();
    let contoso = tenant(CONTOSO);
    assert_eq!(loaded(&ledger, contoso).await, Ok(None));
    let first = ledger.insert(&note(contoso, "first")).await.expect("absent");
    assert_eq!(loaded(&ledger, contoso).await, Ok(Some(note(contoso, "first"))));
    let second = ledger.replace(&note(contoso, "second"), first).await.expect("unmoved");
    let held = ledger.load::<Note>(Some(contoso), CONTOSO).await.expect("ours").expect("there");
    assert_eq!((held.record, held.revision), (note(contoso, "second"), second));
    ledger.remove::<Note>(Some(contoso), CONTOSO, second).await.expect("unmoved");
    assert_eq!(loaded(&ledger, contoso).await, Ok(None));
}

#[tokio::test]
async fn a_record_that_moved_is_not_overwritten() {
    let (_, ledger) = memory();
    let contoso = tenant(CONTOSO);
    let first = ledger.insert(&note(contoso, "first")).await.expect("absent");
    ledger.replace(&note(contoso, "second"), first).await.expect("unmoved");
    let again = ledger.insert(&note(contoso, "late")).await;
    assert_eq!(again, Err(LedgerError::Conflict));
    let late = ledger.replace(&note(contoso, "late"), first).await;
    assert_eq!(late, Err(LedgerError::Conflict));
    let late = ledger.remove::<Note>(Some(contoso), CONTOSO, first).await;
    assert_eq!(late, Err(LedgerError::Conflict));
    assert_eq!(loaded(&ledger, contoso).await, Ok(Some(note(contoso, "second"))));
}

#[tokio::test]
async fn swapped_rows_do_not_open() {
    // R-122, F-23
    let (store, ledger) = memory();
    let pair = [tenant(CONTOSO), tenant(FABRIKAM)];
    for partner in pair {
        ledger.insert(&note(partner, "text")).await.expect("absent");
    }
    let [first, second] = pair.map(place_of);
    let [of_first, of_second] = [sealed_at(&store, &first).await, sealed_at(&store, &second).await];
    overwrite(&store, &first, of_second).await;
    overwrite(&store, &second, of_first).await;
    assert_eq!(damage(&ledger, pair[0]).await, Damage::KeyGone);
    assert_eq!(damage(&ledger, pair[1]).await, Damage::KeyGone);
}

#[tokio::test]
async fn a_row_taken_along_with_its_partner_key_does_not_open() {
    //
    let (store, ledger) = memory();
    let [contoso, fabrikam] = [tenant(CONTOSO), tenant(FABRIKAM)];
    for partner in [contoso, fabrikam] {
        ledger.insert(&note(partner, "text")).await.expect("absent");
    }
    for place in [place_of, key_place_of] {
        let theirs = sealed_at(&store, &place(fabrikam)).await;
        overwrite(&store, &place(contoso), theirs).await;
    }
    let refused = KeyError::Refused { id: KeyId::new("a").expect("an id") };
    assert_eq!(loaded(&ledger, contoso).await, Err(about(contoso, refused)));
    assert_eq!(loaded(&ledger, fabrikam).await, Ok(Some(note(fabrikam, "text"))));
}

#[tokio::test]
async fn a_row_whose_partner_was_edited_opens_for_neither() {
    //
    let (store, ledger) = memory();
    let [contoso, fabrikam] = [tenant(CONTOSO), tenant(FABRIKAM)];
    ledger.insert(&note(contoso, "text")).await.expect("absent");
    ledger.insert(&note(fabrikam, "text")).await.expect("absent");
    let stored = store.get(&place_of(contoso)).await.expect("memory").expect("a record");
    let edited = Key::new(realm(), Kind::Consent, Some(fabrikam), CONTOSO);
    let put = store.put(&edited, stored.entry, Expect::At(stored.revision)).await;
    put.expect("partners are no part of a store's identity");
    assert!(ledger.load::<Note>(Some(fabrikam), CONTOSO).await.is_err());
    let listing = ledger.list::<Note>(Selection::All, None, 10).await.expect("a page");
    let opened: Vec<_> = listing.records.into_iter().flatten().map(|held| held.record).collect();
    assert_eq!(opened, [note(fabrikam, "text")]);
}

#[tokio::test]
async fn one_damaged_row_hides_no_other() {
    // F-22
    let (store, ledger) = memory();
    for number in 0..6 {
        let due = Note { due: Some(number), ..note(numbered(number), "text") };
        ledger.insert(&due).await.expect("absent");
    }
    for number in [0, 1, 3] {
        overwrite(&store, &place_of(numbered(number)), Sealed::from_bytes(vec![0; 200])).await;
    }
    let due = ledger.list::<Note>(Selection::DueBy(at(5)), None, 10).await.expect("a list");
    let (opened, damaged): (Vec<_>, Vec<_>) = due.records.into_iter().partition(Result::is_ok);
    let opened: Vec<_> = opened.into_iter().flatten().map(|held| held.record.partner).collect();
    assert_eq!(opened, [2, 4, 5].map(numbered));
    assert_eq!(damaged.len(), 3);
    let named = damaged.into_iter().filter_map(|damaged| match damaged {
        Err(LedgerError::Damaged { id, damage: Damage::Shape, .. }) => Some(id),
        _ => None,
    });
    assert_eq!(named.collect::<Vec<_>>(), [0, 1, 3].map(|number| numbered(number).to_string()));
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let (_, ledger) = memory();
    for number in 0..5 {
        ledger.insert(&note(numbered(number), "text")).await.expect("absent");
    }
    let (mut cursor, mut sizes) = (None, Vec::new());
    loop {
        let listing = ledger.list::<Note>(Selection::All, cursor, 2).await.expect("a page");
        sizes.push(listing.records.into_iter().flatten().count());
        cursor = listing.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn a_ring_with_another_key_of_the_same_name_is_refused() {
    let (store, ledger) = memory();
    let contoso = tenant(CONTOSO);
    ledger.insert(&note(contoso, "text")).await.expect("absent");
    let wrong = ledger_over(store.clone(), &ring());
    let refused = KeyError::Refused { id: KeyId::new("a").expect("an id") };
    assert_eq!(loaded(&wrong, contoso).await, Err(about(contoso, refused.clone())));
    let replaced = wrong.insert(&note(tenant(CONTOSO), "text")).await;
    assert_eq!(replaced, Err(about(contoso, refused)));
}

#[tokio::test]
async fn an_older_key_of_the_ring_still_reads_and_a_missing_one_is_named() {
    //
    let store = Arc::new(Memory::new());
    let contoso = tenant(CONTOSO);
    let old = LocalKey::generate("old").expect("a key");
    let saved = old.to_base64();
    let before = ledger_over(store.clone(), &KeyRing::new(old));
    before.insert(&note(contoso, "text")).await.expect("absent");
    let unknown = KeyError::Unknown { id: KeyId::new("old").expect("an id") };
    let without = loaded(&ledger_over(store.clone(), &ring()), contoso).await;
    assert_eq!(without, Err(about(contoso, unknown)));
    let old = LocalKey::from_base64("old", saved.expose()).expect("as saved");
    let rotated = ring().readable(old).expect("another name");
    assert_eq!(
        loaded(&ledger_over(store, &rotated), contoso).await,
        Ok(Some(note(contoso, "text")))
    );
}

#[tokio::test]
async fn a_row_and_partner_key_forged_with_a_public_key_do_not_open() {
    let store = Arc::new(Memory::new());
    let contoso = tenant(CONTOSO);
    let secret = || DataKey::generate().expect("random");
    let forger = KeyRing::new(PublicWrap::held_by(secret()));
    let holder = KeyRing::new(PublicWrap::held_by(secret()));
    ledger_over(store.clone(), &forger).insert(&note(contoso, "forged")).await.expect("absent");
    let refused = KeyError::Refused { id: KeyId::new("public").expect("an id") };
    let loaded = loaded(&ledger_over(store, &holder), contoso).await;
    assert_eq!(loaded, Err(about(contoso, refused)));
}

#[tokio::test]
async fn contents_of_another_kind_or_generation_are_damage() {
    /// Forgets its generation on the way.
    #[derive(Serialize, Deserialize)]
    struct Forgetful {
        #[serde(skip)]
        generation: u64,
    }

    impl Record for Forgetful {
        const KIND: Kind = Kind::Consent;

        fn partner(&self) -> Option<TenantId> {
            Some(tenant(CONTOSO))
        }

        fn id(&self) -> String {
            CONTOSO.to_owned()
        }

        fn generation(&self) -> u64 {
            self.generation
        }

        fn due(&self) -> Option<SystemTime> {
            None
        }
    }

    let (_, ledger) = memory();
    ledger.insert(&Forgetful { generation: 7 }).await.expect("absent");
    let found = ledger.load::<Forgetful>(Some(tenant(CONTOSO)), CONTOSO).await.map(|_| ());
    let damaged = damaged(&place_of(tenant(CONTOSO)), Revision::new(2), Damage::Contents);
    assert_eq!(found, Err(damaged));
    assert_eq!(damage(&ledger, tenant(CONTOSO)).await, Damage::Contents);
}

#[test]
fn the_plaintext_is_written_without_growing_its_buffer() {
    //
    let text = plaintext(&note(tenant(CONTOSO), &"x".repeat(5000)));
    assert_eq!(text.len(), text.capacity());
    let read: Note = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(read.text.len(), 5000);
}
