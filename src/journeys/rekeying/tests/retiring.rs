//! What stands in the way of a rotation, and of retiring a key.

use super::*;

/// Several processes on one store, in one time.
struct Fleet {
    store: Arc<Stage>,
    clock: VirtualClock,
}

impl Fleet {
    fn over(store: Arc<Memory>) -> Self {
        Self { store: Arc::new(Stage::over(store)), clock: VirtualClock::default() }
    }

    fn process(&self, names: &[&str]) -> Process {
        Process::with(self.store.clone(), &ring(names), &self.clock)
    }

    /// A process that has announced itself.
    async fn joins(&self, names: &[&str]) -> Process {
        let process = self.process(names);
        process.rekeying.roll.announce().await.expect("room on the roll");
        process
    }

    /// Does the work while time goes by, in which those who live announce themselves again.
    async fn while_alive<T>(
        &self,
        alive: &[&Process],
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let beats = async {
            loop {
                while self.clock.sleepers() == 0 {
                    tokio::task::yield_now().await;
                }
                for process in alive {
                    process.rekeying.roll.announce().await.expect("room on the roll");
                }
                self.clock.advance(Duration::from_secs(90));
            }
        };
        tokio::select! {
            done = work => done,
            () = beats => unreachable!("it has no end"),
        }
    }
}

fn own_id(process: &Process) -> String {
    process.rekeying.roll.own().id.clone()
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> KeyRefusal {
    match outcome {
        Err(Error::KeyRefused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_are_not_rotated_to_one_that_a_live_process_cannot_read() {
    // F-25
    let fleet = Fleet::over(under_the_old_key().await);
    let behind = fleet.joins(&["old"]).await;
    let ahead = fleet.joins(&["new", "old"]).await;
    let refused = fleet.while_alive(&[&behind, &ahead], ahead.rotate()).await;
    let (key, process) = (id("new"), own_id(&behind));
    assert_eq!(refusal(refused), KeyRefusal::UnreadableBy { key, process });
    assert_eq!(ahead.keys_under("new").await, 0, "nothing was changed");
    let rotated = fleet.while_alive(&[&ahead], ahead.rotate()).await.expect("it is dead");
    assert_eq!(rotated.rewrapped(), ROWS + 1);
}

#[tokio::test]
async fn keys_are_rotated_once_every_process_can_read_the_new_one() {
    let fleet = Fleet::over(under_the_old_key().await);
    let prepared = fleet.joins(&["old", "new"]).await;
    let ahead = fleet.joins(&["new", "old"]).await;
    let alive = [&prepared, &ahead];
    let rotated = fleet.while_alive(&alive, ahead.rotate()).await.expect("all can read it");
    assert_eq!(rotated.rewrapped(), ROWS + 1);
    prepared.assert_reads(0..ROWS).await;
}

#[tokio::test]
async fn a_key_in_use_is_not_retired() {
    // R-125, F-25
    let fleet = Fleet::over(under_the_old_key().await);
    let own = fleet.joins(&["new", "old"]).await;
    let (old, new) = (id("old"), id("new"));
    let refused = refusal(own.rekeying.retire(&old).await);
    assert_eq!(refused, KeyRefusal::InUse { key: old.clone(), rows: ROWS + 1 });
    assert_eq!(refused.to_string(), "11 partner keys are under key old: rotate the keys first");
    own.rotate().await.expect("a rotation");
    let refused = refusal(own.rekeying.retire(&new).await);
    assert_eq!(refused, KeyRefusal::PrimaryOf { key: new.clone(), process: own_id(&own) });
    own.rekeying.retire(&old).await.expect("nothing is under it");
    own.rekeying.retire(&old).await.expect("it was done");
    for key in [&old, &new] {
        assert_eq!(own.ledger.retired(key).await, Ok(*key == old));
    }
}

#[tokio::test]
async fn a_key_that_a_live_process_wraps_under_is_not_retired() {
    // F-25
    let fleet = Fleet::over(under_the_old_key().await);
    let own = fleet.joins(&["new", "old"]).await;
    own.rotate().await.expect("a rotation");
    let other = fleet.joins(&["old", "new"]).await;
    let refused = fleet.while_alive(&[&own, &other], own.rekeying.retire(&id("old"))).await;
    let (key, process) = (id("old"), own_id(&other));
    assert_eq!(refusal(refused), KeyRefusal::PrimaryOf { key: key.clone(), process });
    assert_eq!(own.ledger.retired(&key).await, Ok(false), "nothing was changed");
    let retired = fleet.while_alive(&[&own], own.rekeying.retire(&key)).await;
    retired.expect("it is dead");
    assert_eq!(own.ledger.retired(&key).await, Ok(true));
}

#[tokio::test]
async fn a_process_that_begins_while_its_key_is_retired_is_seen() {
    // F-25
    let store = under_the_old_key().await;
    Process::on(store.clone(), &["new", "old"]).rotate().await.expect("a rotation");
    // The put of the note waits, and the other process joins before it.
    let stage = Arc::new(Stage::over(store.clone()).at_put(1, Fate::Waits));
    let clock = VirtualClock::default();
    let own = Process::with(stage.clone(), &ring(&["new", "old"]), &clock);
    own.rekeying.roll.announce().await.expect("room on the roll");
    let late = Process::with(stage.clone(), &ring(&["old", "new"]), &clock);
    let fleet = Fleet { store: stage.clone(), clock };
    let joins = async {
        stage.hung().await;
        late.ledger.prove_ring().await.expect("not retired yet");
        late.rekeying.roll.announce().await.expect("room on the roll");
        stage.go_on();
        std::future::pending::<()>().await;
    };
    let (alive, old) = ([&own, &late], id("old"));
    let retired = tokio::select! {
        retired = fleet.while_alive(&alive, own.rekeying.retire(&old)) => retired,
        () = joins => unreachable!("it has no end"),
    };
    let (key, process) = (id("old"), own_id(&late));
    assert_eq!(refusal(retired), KeyRefusal::PrimaryOf { key: key.clone(), process });
    assert_eq!(own.ledger.retired(&key).await, Ok(false), "taken back");
}

/// Leaves the caller's second look half way.
async fn gives_up_retiring(fleet: &Fleet, process: &Process, alive: &Process, key: &KeyId) {
    let noted = async {
        while process.ledger.retired(key).await == Ok(false) {
            tokio::task::yield_now().await;
        }
    };
    alive.rekeying.roll.announce().await.expect("room on the roll");
    let both = [process, alive];
    tokio::select! {
        biased;
        () = noted => {}
        done = fleet.while_alive(&both, process.rekeying.retire(key)) => {
            panic!("it has not looked again: {done:?}")
        }
    }
}

#[tokio::test]
async fn a_retirement_that_was_dropped_is_taken_back_or_finished_by_the_next() {
    // F-25, F-30
    let fleet = Fleet::over(under_the_old_key().await);
    let own = fleet.joins(&["new", "old"]).await;
    own.rotate().await.expect("a rotation");
    let (bystander, old) = (fleet.joins(&["new", "old"]).await, id("old"));
    let late = fleet.process(&["old", "new"]);
    late.ledger.prove_ring().await.expect("not retired yet");
    gives_up_retiring(&fleet, &own, &bystander, &old).await;
    late.rekeying.roll.announce().await.expect("room on the roll");
    let refused = fleet.while_alive(&[&own, &late], own.rekeying.retire(&old)).await;
    let (key, process) = (old.clone(), own_id(&late));
    assert_eq!(refusal(refused), KeyRefusal::PrimaryOf { key, process });
    assert_eq!(own.ledger.retired(&old).await, Ok(false), "nothing was changed");
    late.ledger.prove_ring().await.expect("it begins again");
    late.rekeying.roll.leave().await.expect("it ends");

    gives_up_retiring(&fleet, &own, &bystander, &old).await;
    let retired = fleet.while_alive(&[&own, &bystander], own.rekeying.retire(&old)).await;
    retired.expect("nothing is under it");
    assert_eq!(own.ledger.finish_retiring(&old).await, Ok(false), "it is done");
}

#[tokio::test]
async fn a_retirement_that_is_done_is_not_taken_back() {
    // F-25
    let fleet = Fleet::over(under_the_old_key().await);
    let own = fleet.joins(&["new", "old"]).await;
    own.rotate().await.expect("a rotation");
    let (sleeper, old) = (fleet.joins(&["old", "new"]).await, id("old"));
    let retired = fleet.while_alive(&[&own], own.rekeying.retire(&old)).await;
    retired.expect("it seems dead");
    sleeper.rekeying.roll.announce().await.expect("its beat is taken");
    let refused = fleet.while_alive(&[&own, &sleeper], own.rekeying.retire(&old)).await;
    let (key, process) = (old.clone(), own_id(&sleeper));
    assert_eq!(refusal(refused), KeyRefusal::PrimaryOf { key, process });
    assert_eq!(own.ledger.retired(&old).await, Ok(true), "the others may have taken it out");
}

#[tokio::test]
async fn of_two_retirements_at_once_none_says_more_than_it_has_seen() {
    // F-25
    let fleet = Fleet::over(under_the_old_key().await);
    let own = fleet.joins(&["new", "old"]).await;
    own.rotate().await.expect("a rotation");
    let (late, old) = (fleet.joins(&["old", "new"]).await, id("old"));
    // The first has noted it, and looks again.
    own.ledger.begin_retiring(&old, fleet.clock.now()).await.expect("noted");
    let second = fleet.joins(&["new", "old"]).await;
    let refused = fleet.while_alive(&[&own, &late, &second], second.rekeying.retire(&old)).await;
    let (key, process) = (old.clone(), own_id(&late));
    assert_eq!(refusal(refused), KeyRefusal::PrimaryOf { key, process });
    let taken_back = own.ledger.finish_retiring(&old).await;
    assert_eq!(taken_back, Err(LedgerError::Conflict), "the first may not say that it is done");
}

#[tokio::test]
async fn a_retired_key_wraps_for_nobody_any_more() {
    //
    let store = under_the_old_key().await;
    let process = Process::on(store.clone(), &["new", "old"]);
    process.rotate().await.expect("a rotation");
    process.rekeying.retire(&id("old")).await.expect("nothing is under it");
    let retired = KeyError::Retired { id: id("old") };
    let proven = Process::on(store.clone(), &["old", "new"]).ledger.prove_ring().await;
    assert_eq!(proven, Err(retired.into()));
    Process::on(store.clone(), &["new", "old"]).ledger.prove_ring().await.expect("it reads only");
    Process::on(store, &["new"]).ledger.prove_ring().await.expect("it can be taken out");
}

#[tokio::test]
async fn a_key_that_another_realm_of_the_store_needs_is_not_retired() {
    //
    let [one, two] =
        ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]
            .map(|text| ClientId::parse(text).expect("a GUID"));
    for (environment, application) in [(Environment::Sandbox, one), (Environment::Production, two)]
    {
        let store = under_the_old_key().await;
        let realm = Realm::new(&Cloud::Global, environment, application);
        let open = |names| Process::of(realm.clone(), store.clone(), &ring(names));
        open(&["old"]).write(0..2).await;
        let own = Process::on(store.clone(), &["new", "old"]);
        own.rotate().await.expect("a rotation");
        let (old, rows) = (id("old"), 2);
        let needed =
            KeyRefusal::InUseElsewhere { key: old.clone(), realm: realm.to_string(), rows };
        assert_eq!(refusal(own.rekeying.retire(&old).await), needed);
        assert_eq!(own.ledger.retired(&old).await, Ok(false), "nothing was changed");
        open(&["new", "old"]).rotate().await.expect("a rotation");
        own.rekeying.retire(&old).await.expect("nothing is under it");
        open(&["new"]).assert_reads(0..2).await;
    }
}

#[tokio::test]
async fn no_key_is_retired_while_a_row_may_be_under_it_unread() {
    // R-125, F-22
    for damaged_there in [false, true] {
        let store = under_the_old_key().await;
        let stage = Arc::new(Stage::over(store.clone()).damaged(damaged_there));
        let own = Process::on(stage, &["new", "old"]);
        if !damaged_there {
            let place =
                Key::new(realm(), Kind::PartnerKey, Some(partner(4)), partner(4).to_string());
            let stored = store.get(&place).await.expect("memory").expect("a key");
            let entry = Entry { sealed: Sealed::from_bytes(b"torn".to_vec()), due: None };
            store.put(&place, entry, Expect::At(stored.revision)).await.expect("memory");
        }
        let rotated = own.rotate().await.expect("a rotation");
        assert_eq!(rotated.left(), 1);
        let (key, realm) = (id("old"), realm().to_string());
        let refused = refusal(own.rekeying.retire(&key).await);
        assert_eq!(refused, KeyRefusal::Unreadable { key, realm, rows: 1 });
        assert_eq!(own.ledger.retired(&id("old")).await, Ok(false), "nothing was changed");
    }
}

#[tokio::test]
async fn a_process_that_slept_puts_nothing_under_a_key_that_was_retired_meanwhile() {
    // F-25
    let fleet = Fleet::over(under_the_old_key().await);
    let own = fleet.joins(&["new", "old"]).await;
    own.rotate().await.expect("a rotation");
    let sleeper = fleet.joins(&["old", "new"]).await;
    let retired = fleet.while_alive(&[&own], own.rekeying.retire(&id("old"))).await;
    retired.expect("it seems dead");
    let retired = |number| LedgerError::Key {
        partner: Some(partner(number)),
        error: KeyError::Retired { id: id("old") },
    };
    // Before its next beat and after it.
    for _ in 0..2 {
        assert_eq!(sleeper.ledger.insert(&note(ROWS)).await, Err(retired(ROWS)));
        assert_eq!(sleeper.ledger.shred(partner(3), 1).await, Err(retired(3)));
        sleeper.rekeying.roll.announce().await.expect("its beat is taken");
    }
    let rotated = fleet.while_alive(&[&own, &sleeper], sleeper.rotate()).await;
    assert!(matches!(&rotated, Err(Error::Key { error, .. }) if error.key() == Some(&id("old"))));
    // What it wrote under a partner's key is everybody's.
    let held = sleeper.ledger.load::<Note>(Some(partner(3)), &partner(3).to_string()).await;
    let held = held.expect("readable").expect("there");
    sleeper
        .ledger
        .replace(&held.record, held.revision)
        .await
        .expect("its key is under the new one");
    let without = fleet.process(&["new"]);
    without.assert_reads(0..ROWS).await;
    assert_eq!(own.keys_under("old").await, 0);
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_not_retired() {
    //
    let process = Process::on(under_the_old_key().await, &["new", "old"]);
    let retired = process.rekeying.retire(&id("odl")).await;
    let Err(Error::Key { error, .. }) = retired else { panic!("{retired:?}") };
    assert_eq!(error, KeyError::Unknown { id: id("odl") });
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_refused_at_the_start_and_nothing_is_changed() {
    //
    let store = under_the_old_key().await;
    let before = format!("{:?}", rows(&store).await);
    let wrong = KeyRing::new(LocalKey::generate("old").expect("a key"));
    let wrong = Process::with(store.clone(), &wrong, &VirtualClock::default());
    let refused = KeyError::Refused { id: id("old") };
    assert_eq!(wrong.ledger.prove_ring().await, Err(about_none(refused)));
    let missing = Process::on(store.clone(), &["new"]).ledger.prove_ring().await;
    assert_eq!(missing, Err(about_none(KeyError::Unknown { id: id("old") })));
    assert_eq!(format!("{:?}", rows(&store).await), before);
}

const fn about_none(error: KeyError) -> LedgerError {
    LedgerError::Key { partner: None, error }
}

async fn rows(store: &Arc<Memory>) -> Vec<Stored> {
    let process = Process::on(store.clone(), &["old"]);
    process.ledger.key_page(None).await.expect("memory").records
}
