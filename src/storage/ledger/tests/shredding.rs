//! What a destroyed key takes with it, and that nothing brings it back.

use super::*;
use crate::storage::seal::Destroyed;

fn shredded(partner: TenantId, generation: u64, clock: &VirtualClock) -> LedgerError {
    LedgerError::Shredded { partner, generation, at: clock.now() }
}

/// Two processes on one store, in one time.
fn two_processes(ring: &KeyRing) -> (Arc<Memory>, VirtualClock, [Ledger; 2]) {
    let (store, clock) = (Arc::new(Memory::new()), VirtualClock::default());
    let open = || {
        let stores = Stores::new(store.clone(), None);
        Ledger::new(stores, ring.clone(), realm(), Arc::new(clock.clone()))
    };
    let ledgers = [open(), open()];
    (store, clock, ledgers)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_destroyed_key_takes_every_copy_of_its_partners_rows_along() {
    // R-129, F-24
    let ring = ring();
    let (store, clock, [here, there]) = two_processes(&ring);
    let [contoso, fabrikam] = [tenant(CONTOSO), tenant(FABRIKAM)];
    for partner in [contoso, fabrikam] {
        here.insert(&note(partner, "text")).await.expect("absent");
    }
    let backup = sealed_at(&store, &place_of(contoso)).await;
    here.shred(contoso, 1).await.expect("unmoved");
    for ledger in [&here, &there] {
        let found = loaded(ledger, contoso).await;
        assert_eq!(found, Err(shredded(contoso, 1, &clock)));
        assert_eq!(loaded(ledger, fabrikam).await, Ok(Some(note(fabrikam, "text"))));
    }
    overwrite(&store, &place_of(contoso), backup).await;
    let restarted = ledger_over(store, &ring);
    let found = loaded(&restarted, contoso).await;
    assert_eq!(found, Err(shredded(contoso, 1, &clock)));
}

#[tokio::test]
async fn a_process_that_has_the_key_in_memory_drops_it_within_seconds() {
    //
    let (_, clock, [here, there]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    here.insert(&note(contoso, "text")).await.expect("absent");
    loaded(&there, contoso).await.expect("ours");
    let destroyed = shredded(contoso, 1, &clock);
    here.shred(contoso, 1).await.expect("unmoved");
    assert_eq!(loaded(&here, contoso).await, Err(destroyed.clone()), "at once where it was done");
    clock.advance(6 * SECOND);
    assert_eq!(loaded(&there, contoso).await, Err(destroyed));
}

#[tokio::test]
async fn no_write_under_way_brings_a_shredded_partner_back() {
    //
    let (store, clock, [here, there]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    let at = here.insert(&note(contoso, "text")).await.expect("absent");
    there.shred(contoso, 1).await.expect("unmoved");
    let destroyed = || Err(shredded(contoso, 1, &clock));
    assert_eq!(here.replace(&note(contoso, "late"), at).await, destroyed());
    store.remove(&place_of(contoso), at).await.expect("unmoved");
    assert_eq!(here.insert(&note(contoso, "late")).await, destroyed());
    assert_eq!(there.insert(&note(contoso, "late")).await, destroyed());
}

#[tokio::test]
async fn only_what_began_after_the_destruction_revives() {
    //
    let (_, clock, [here, there]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    assert_eq!(here.revive(contoso, clock.now()).await, Ok(None), "nothing was ever destroyed");
    let at = here.insert(&note(contoso, "first")).await.expect("absent");
    assert_eq!(here.revive(contoso, clock.now()).await, Ok(None), "nothing was ever destroyed");
    let before = clock.now();
    clock.advance(SECOND);
    here.shred(contoso, 7).await.expect("unmoved");
    let destroyed = shredded(contoso, 7, &clock);
    let mark = Some(Destroyed { generation: 7, at: clock.now() });
    assert_eq!(there.revive(contoso, before).await, Err(destroyed.clone()));
    assert_eq!(there.revive(contoso, clock.now()).await, Err(destroyed.clone()));
    assert!(matches!(loaded(&there, contoso).await, Err(LedgerError::Shredded { .. })));
    clock.advance(SECOND);
    assert_eq!(there.revive(contoso, clock.now()).await, Ok(mark));
    assert_eq!(loaded(&there, contoso).await, Err(destroyed.clone()), "what it took stays so");
    there.replace(&note(contoso, "anew"), at).await.expect("unmoved");
    assert_eq!(loaded(&here, contoso).await, Ok(Some(note(contoso, "anew"))));
    assert_eq!(here.revive(contoso, before).await, Err(destroyed), "it is remembered");
    assert_eq!(here.revive(contoso, clock.now()).await, Ok(mark));
}

#[tokio::test]
async fn a_key_that_the_ring_cannot_read_can_be_destroyed() {
    //
    let (store, _, [lost, _]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    lost.insert(&note(contoso, "text")).await.expect("absent");
    let other = KeyRing::new(LocalKey::generate("b").expect("a key"));
    let ledger = ledger_over(store, &other);
    ledger.shred(contoso, 1).await.expect("it need not be read");
    assert!(matches!(loaded(&ledger, contoso).await, Err(LedgerError::Shredded { .. })));
}

#[tokio::test]
async fn a_mark_keeps_the_generation_that_the_key_remembered() {
    //
    let (_, clock, [here, _]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    let revived = async || {
        let mark = here.revive(contoso, clock.now()).await;
        mark.map(|mark| mark.map(|mark| mark.generation))
    };
    here.insert(&note(contoso, "text")).await.expect("absent");
    here.shred(contoso, 7).await.expect("unmoved");
    clock.advance(2 * SECOND);
    assert_eq!(revived().await, Ok(Some(7)));
    clock.advance(2 * SECOND);
    here.shred(contoso, 1).await.expect("a consent whose generation nobody can tell");
    clock.advance(2 * SECOND);
    assert_eq!(revived().await, Ok(Some(7)), "no generation is given twice");
}

#[tokio::test]
async fn destroying_twice_moves_no_mark() {
    let (store, clock, [here, there]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    here.insert(&note(contoso, "text")).await.expect("absent");
    here.shred(contoso, 3).await.expect("unmoved");
    let mark = store.get(&key_place_of(contoso)).await.expect("memory");
    clock.advance(SECOND);
    there.shred(contoso, 3).await.expect("done");
    assert_eq!(store.get(&key_place_of(contoso)).await.expect("memory"), mark);
    there.shred(contoso, 4).await.expect("a later one");
    assert_ne!(store.get(&key_place_of(contoso)).await.expect("memory"), mark);
}

#[tokio::test]
async fn of_two_memories_the_higher_generation_and_the_later_time_stay() {
    //
    let (_, clock, [here, there]) = two_processes(&ring());
    let (contoso, now) = (tenant(CONTOSO), clock.now());
    here.insert(&note(contoso, "text")).await.expect("absent");
    let told = |generation, ago: u32| Destroyed { generation, at: now - ago * SECOND };
    for (news, is_news, known) in [
        (told(3, 60), true, told(3, 60)),
        (told(3, 60), false, told(3, 60)),
        (told(5, 90), true, told(5, 60)),
        (told(2, 30), true, told(5, 30)),
        (told(4, 40), false, told(5, 30)),
    ] {
        assert_eq!(there.note_shredding(contoso, news).await, Ok(is_news), "{news:?}");
        assert_eq!(here.last_let_go(contoso).await, Ok(Some(known)));
    }
}

#[tokio::test]
async fn a_mark_remembers_what_is_told_later_and_stays_a_mark() {
    //
    let (store, clock, [here, _]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    here.insert(&note(contoso, "text")).await.expect("absent");
    here.shred(contoso, 3).await.expect("unmoved");
    let due = store.get(&key_place_of(contoso)).await.expect("memory").expect("a mark").entry.due;
    let told = Destroyed { generation: 9, at: clock.now() };
    assert_eq!(here.note_shredding(contoso, told).await, Ok(true));
    assert_eq!(loaded(&here, contoso).await, Err(shredded(contoso, 9, &clock)));
    let mark = store.get(&key_place_of(contoso)).await.expect("memory").expect("a mark");
    assert!(mark.entry.sealed.marks_destruction() && mark.entry.due == due && due.is_some());
}

#[tokio::test]
async fn who_is_not_known_here_is_remembered_and_may_come_later() {
    //
    let (_, clock, [here, _]) = two_processes(&ring());
    let contoso = tenant(CONTOSO);
    let told = Destroyed { generation: 9, at: clock.now() };
    assert_eq!(here.note_shredding(contoso, told).await, Ok(true));
    assert!(matches!(here.revive(contoso, clock.now()).await, Err(LedgerError::Shredded { .. })));
    clock.advance(SECOND);
    assert_eq!(here.revive(contoso, clock.now()).await, Ok(Some(told)));
    here.insert(&note(contoso, "text")).await.expect("absent");
}

#[tokio::test]
async fn a_row_under_another_key_was_destroyed_only_if_the_key_there_outlived_it() {
    // R-129, F-24
    let ring = ring();
    let (store, clock, [here, _]) = two_processes(&ring);
    let contoso = tenant(CONTOSO);
    let older = Destroyed { generation: 3, at: at(50) };
    here.note_shredding(contoso, older).await.expect("news");
    let older_copy = sealed_at(&store, &key_place_of(contoso)).await;
    here.shred(contoso, 5).await.expect("unmoved");
    let row = |generation| Note { generation, ..note(contoso, "text") };
    let mut revision = None;
    for (generation, outlived) in [(3, true), (4, false), (u64::MAX, false)] {
        here.revive(contoso, clock.now() + SECOND).await.expect("begun later");
        let current = sealed_at(&store, &key_place_of(contoso)).await;
        revision = Some(match revision {
            None => here.insert(&row(generation)).await.expect("absent"),
            Some(revision) => here.replace(&row(generation), revision).await.expect("unmoved"),
        });
        overwrite(&store, &key_place_of(contoso), older_copy.clone()).await;
        let restored = ledger_over(store.clone(), &ring);
        let found = loaded(&restored, contoso).await;
        let is_shredded = matches!(found, Err(LedgerError::Shredded { .. }));
        let is_gone = matches!(found, Err(LedgerError::Damaged { damage: Damage::KeyGone, .. }));
        assert_eq!((is_shredded, is_gone), (outlived, !outlived), "{generation}: {found:?}");
        overwrite(&store, &key_place_of(contoso), current).await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn no_file_keeps_a_destroyed_key() {
    //
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("it is there").join("store");
    let store = Arc::new(crate::storage::store::Sqlite::open(&path).await.expect("a store"));
    let ledger = ledger_over(store.clone(), &ring());
    let contoso = tenant(CONTOSO);
    ledger.insert(&note(contoso, "text")).await.expect("absent");
    let key = store.get(&key_place_of(contoso)).await.expect("a store").expect("a key");
    let bytes = key.entry.sealed.as_bytes();
    let proof = &bytes[bytes.len() - 48..];
    let holders = || {
        let files = super::secrecy::contents(&path);
        files.into_iter().filter(|(_, file)| super::secrecy::holds(file, proof)).count()
    };
    assert!(holders() > 0, "the search finds it while it is there");
    ledger.shred(contoso, 1).await.expect("unmoved");
    assert_eq!(holders(), 0);
}
