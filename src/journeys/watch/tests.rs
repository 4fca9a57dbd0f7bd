use std::sync::atomic::Ordering::SeqCst;
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::model::consent::{Consent, ConsentState, ConsentingUser, Guest, Past, StoredConsent};
use crate::model::enforcement::Enforcement;
use crate::model::event::Observers;
use crate::model::partner_kind::PartnerKind;
use crate::model::receipt::Chain;
use crate::model::scope::Scopes;
use crate::model::tenant::{AccountId, UserId};
use crate::storage::lease::tests::Fleet;
use crate::storage::ledger::Held;

struct Process {
    ledger: Ledger,
    standings: Arc<Standings>,
    roll: Roll,
    watch: Arc<Watch>,
}

/// A process that is not on the roll, and believes the mark that it is given.
fn process(fleet: &Fleet, first: Option<Revision>) -> Process {
    let (ledger, standings) = (fleet.ledger(), Arc::new(Standings::default()));
    let clock: Arc<dyn Clock> = Arc::new(fleet.clock.clone());
    let roll = Roll::new(ledger.clone(), &fleet.ring, clock.clone());
    let freezes = Freezes::new(ledger.clone(), clock.clone(), Observers::default());
    let mut watch = Watch::new(ledger.clone(), clock, standings.clone(), freezes, roll.clone());
    watch.progress.get_mut().mark = first;
    Process { ledger, standings, roll, watch: Arc::new(watch) }
}

impl Process {
    /// Reads a partner's row and keeps the view, as a hand-out does.
    async fn view(&self, partner: TenantId) {
        let moment = self.standings.moment();
        let held = self.ledger.consent(partner).await.expect("readable").expect("a consent");
        self.standings.note(&held, moment);
    }

    async fn holds(&self, partner: TenantId) -> bool {
        self.watch.look(partner).await.expect("readable");
        self.standings.holding(partner).is_some()
    }

    /// Withdraws it, and is not the process that watches.
    async fn withdraw(&self, partner: TenantId) {
        let held = self.ledger.consent(partner).await.expect("readable").expect("a consent");
        let next = held.record.withdrawn(SystemTime::now());
        self.ledger.replace(&next, held.revision).await.expect("written");
    }
}

fn numbered(number: u64) -> TenantId {
    TenantId::parse(&format!("72f988bf-0000-4000-8000-{number:012x}")).expect("a GUID")
}

fn consent(partner: TenantId) -> StoredConsent {
    let consent = Consent {
        partner,
        account: AccountId::new("panel-1").expect("plain text"),
        kind: PartnerKind::default(),
        user: ConsentingUser {
            id: UserId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID"),
            subject: "subject".to_owned(),
            name: None,
            guest: Guest::No,
            roles: None,
        },
        scopes: Scopes::default(),
        mfa: None,
        flow: "flow".to_owned(),
        begun_at: UNIX_EPOCH,
        generation: 1,
        withdrawn_at: None,
        confirmed_at: UNIX_EPOCH,
        token_issued_at: UNIX_EPOCH,
        state: ConsentState::Live,
        enforcement: Enforcement::default(),
    };
    StoredConsent { consent, token: None, chain: Chain::default(), past: Past::default() }
}

#[tokio::test]
async fn one_read_finds_every_partner_that_changed_and_leaves_the_others_alone() {
    //
    let fleet = Fleet::new();
    let other = process(&fleet, None);
    for number in 0..500 {
        other.ledger.insert(&consent(numbered(number))).await.expect("written");
    }
    let first = other.ledger.consent(numbered(0)).await.expect("readable").expect("a consent");
    let own = process(&fleet, Some(first.revision));
    for number in 0..500 {
        assert!(!own.holds(numbered(number)).await);
        own.view(numbered(number)).await;
    }
    for number in (0..500).step_by(2) {
        other.withdraw(numbered(number)).await;
    }
    assert!(own.holds(numbered(0)).await, "the interval is not over, and nothing is read");
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    for number in 0..500 {
        assert_eq!(own.holds(numbered(number)).await, number % 2 == 1, "{number}");
    }
}

#[tokio::test]
async fn without_a_mark_to_start_from_nothing_is_missed_either() {
    let fleet = Fleet::new();
    let (other, own) = (process(&fleet, None), process(&fleet, None));
    for number in 0..3 {
        other.ledger.insert(&consent(numbered(number))).await.expect("written");
    }
    for number in 0..3 {
        own.holds(numbered(number)).await;
        own.view(numbered(number)).await;
    }
    other.withdraw(numbered(1)).await;
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    own.holds(numbered(0)).await;
    assert!(!own.holds(numbered(1)).await);
}

#[tokio::test]
async fn a_row_read_before_a_change_and_noted_after_it_is_not_trusted() {
    let fleet = Fleet::new();
    let (other, own) =
        (process(&fleet, Some(Revision::ZERO)), process(&fleet, Some(Revision::ZERO)));
    other.ledger.insert(&consent(numbered(1))).await.expect("written");
    own.watch.look(numbered(1)).await.expect("readable");
    let moment = own.standings.moment();
    let held = own.ledger.consent(numbered(1)).await.expect("readable").expect("a consent");
    other.withdraw(numbered(1)).await;
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    own.watch.look(numbered(1)).await.expect("readable");
    own.standings.note(&held, moment);
    assert!(!own.holds(numbered(1)).await, "the next hand-out reads again");
}

#[tokio::test]
async fn a_row_that_is_older_than_the_view_moves_nothing() {
    let fleet = Fleet::new();
    let own = process(&fleet, Some(Revision::ZERO));
    own.ledger.insert(&consent(numbered(1))).await.expect("written");
    let moment = own.standings.moment();
    let early = own.ledger.consent(numbered(1)).await.expect("readable").expect("a consent");
    let refused = Enforcement::default().refused(UNIX_EPOCH + Duration::from_secs(60));
    let record = early.record.enforced(refused);
    let revision = own.ledger.replace(&record, early.revision).await.expect("written");
    own.standings.note(&Held { record, revision }, moment);
    let office = own.standings.last_office(numbered(1)).expect("a view");
    own.standings.note(&early, moment);
    assert_eq!(own.standings.enforcement(numbered(1)), refused);
    assert!(office.holds(), "nor does it take the tokens that were had since");
}

#[tokio::test]
async fn a_read_that_fails_is_told_and_what_changed_meanwhile_is_found_by_the_next() {
    let fleet = Fleet::new();
    let (other, own) = (process(&fleet, None), process(&fleet, Some(Revision::ZERO)));
    other.ledger.insert(&consent(numbered(1))).await.expect("written");
    own.holds(numbered(1)).await;
    own.view(numbered(1)).await;
    other.withdraw(numbered(1)).await;
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    fleet.store.refuses_lists.store(true, SeqCst);
    own.watch.look(numbered(1)).await.expect_err("the store cannot be read");
    assert!(own.standings.last(numbered(1)).is_some(), "what is known serves");
    fleet.store.refuses_lists.store(false, SeqCst);
    assert!(!own.holds(numbered(1)).await, "found at once, not an interval later");
}

#[tokio::test]
async fn a_store_that_hangs_fails_for_all_who_wait_and_is_asked_again() {
    // F-09
    let fleet = Fleet::new();
    let mut own = process(&fleet, Some(Revision::ZERO));
    Arc::get_mut(&mut own.watch).expect("one owner").patience = Duration::from_millis(50);
    fleet.store.hangs.store(true, SeqCst);
    let [one, other] = [1, 2].map(|number| {
        let watch = own.watch.clone();
        tokio::spawn(async move { watch.look(numbered(number)).await })
    });
    for waiter in [one, other] {
        let outcome = waiter.await.expect("no panic");
        assert!(matches!(outcome, Err(LedgerError::Store(_))), "{outcome:?}");
    }
    assert_eq!(own.watch.looks.load(SeqCst), 1, "they share one outcome");
    own.watch.look(numbered(1)).await.expect_err("told so at once");
    assert_eq!(own.watch.looks.load(SeqCst), 1);
    fleet.store.hangs.store(false, SeqCst);
    fleet.clock.advance(HUNG);
    own.watch.look(numbered(1)).await.expect("it answers again");
}

#[tokio::test]
async fn a_write_of_our_own_leaves_our_view_as_it_is() {
    let fleet = Fleet::new();
    let own = process(&fleet, Some(Revision::ZERO));
    own.ledger.insert(&consent(numbered(1))).await.expect("written");
    own.holds(numbered(1)).await;
    own.view(numbered(1)).await;
    let held = own.ledger.consent(numbered(1)).await.expect("readable").expect("a consent");
    let next = held.record.renewed(None, UNIX_EPOCH + Duration::from_secs(60));
    let at = own.ledger.replace(&next, held.revision).await.expect("written");
    own.standings.moved(numbered(1), held.revision, at);
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    assert!(own.holds(numbered(1)).await);
}

#[tokio::test]
async fn a_mark_that_nothing_exceeds_blinds_nobody_for_longer_than_a_mark_lives() {
    //
    let fleet = Fleet::new();
    let (other, own) = (process(&fleet, None), process(&fleet, Some(Revision::new(u64::MAX))));
    for number in 0..3 {
        other.ledger.insert(&consent(numbered(number))).await.expect("written");
        own.view(numbered(number)).await;
    }
    other.withdraw(numbered(1)).await;
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    assert!(own.holds(numbered(1)).await, "it was planted, and hides what follows");
    fleet.clock.advance(MARK_LIFE);
    assert!(!own.holds(numbered(1)).await);
    for number in 0..3 {
        own.view(numbered(number)).await;
    }
    other.withdraw(numbered(2)).await;
    fleet.clock.advance(INTERVAL + Duration::from_secs(1));
    assert!(!own.holds(numbered(2)).await, "a true mark took its place");
    assert!(own.holds(numbered(0)).await);
}

#[tokio::test]
async fn a_row_that_is_gone_is_noticed_once_the_mark_has_lived() {
    //
    let fleet = Fleet::new();
    let (other, own) = (process(&fleet, None), process(&fleet, Some(Revision::ZERO)));
    let at = other.ledger.insert(&consent(numbered(1))).await.expect("written");
    own.holds(numbered(1)).await;
    own.view(numbered(1)).await;
    let (partner, id) = (Some(numbered(1)), numbered(1).to_string());
    other.ledger.remove::<StoredConsent>(partner, &id, at).await.expect("removed");
    fleet.clock.advance(MARK_LIFE);
    assert!(!own.holds(numbered(1)).await);
}

#[tokio::test]
async fn a_new_mark_costs_no_more_than_what_others_have_changed() {
    //
    let fleet = Fleet::new();
    let (other, own) = (process(&fleet, None), process(&fleet, Some(Revision::ZERO)));
    for number in 0..50 {
        other.ledger.insert(&consent(numbered(number))).await.expect("written");
    }
    for _ in 0..3 {
        own.roll.announce().await.expect("room on the roll");
        fleet.clock.advance(MARK_LIFE);
        assert!(!own.holds(numbered(0)).await, "no view is older");
        for number in 0..50 {
            own.view(numbered(number)).await;
        }
        other.withdraw(numbered(7)).await;
        let before = fleet.store.listed.load(SeqCst);
        fleet.clock.advance(INTERVAL + Duration::from_secs(1));
        assert!(!own.holds(numbered(7)).await && own.holds(numbered(8)).await);
        assert_eq!(fleet.store.listed.load(SeqCst) - before, 1);
    }
}

#[tokio::test]
async fn the_next_look_begins_once_ahead_of_time_and_not_again_after_a_failure() {
    let fleet = Fleet::new();
    let own = process(&fleet, Some(Revision::ZERO));
    let wants = || own.watch.wants_look(own.watch.clock.glance());
    let begins = || wants() && own.watch.begins_look();
    assert!(!begins(), "who has never looked is waited for");
    for _ in 0..2 {
        own.watch.look_anew(numbered(1)).await.expect("readable");
        assert!(!begins());
        fleet.clock.advance(AHEAD);
        assert!(begins());
        assert!(!begins(), "somebody has begun");
    }
    fleet.store.refuses_lists.store(true, SeqCst);
    own.watch.look_anew(numbered(1)).await.expect_err("the store cannot be read");
    fleet.clock.advance(AHEAD);
    assert!(!begins(), "who asks later waits for the next try");
}
