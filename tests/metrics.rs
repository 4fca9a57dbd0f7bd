//! What a host's exporter is told, and that no label in it can grow without bound.

mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::metrics::Meter;
use cpv_consent::{Actor, Cause, Event, FreezeScope, Observer, Purpose, Resource};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use world::{HOUR, World};

/// Keeps each metric by its name and labels, as a line that Prometheus would show.
#[derive(Debug, Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

impl Board {
    /// The sum of what was counted.
    fn read(&self, line: &str) -> f64 {
        let board = self.0.lock().expect("not poisoned");
        board.get(line).map_or(0.0, |values| values.iter().sum())
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").keys().cloned().collect()
    }

    fn slot(&self, key: &Key) -> Arc<Slot> {
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        Arc::new(Slot {
            board: self.clone(),
            line: format!("{}{{{}}}", key.name(), labels.join(",")),
        })
    }

    /// Has a meter count these events here.
    fn count(&self, events: &[Event], purposes: &[Purpose]) {
        with_local_recorder(self, || {
            let meter = Meter::new().purposes(purposes.iter().cloned());
            events.iter().for_each(|event| meter.record(event));
        });
    }
}

struct Slot {
    board: Board,
    line: String,
}

impl Slot {
    fn add(&self, value: f64) {
        let mut board = self.board.0.lock().expect("not poisoned");
        board.entry(self.line.clone()).or_default().push(value);
    }
}

impl CounterFn for Slot {
    fn increment(&self, value: u64) {
        self.add(f64::from(u32::try_from(value).expect("small")));
    }

    fn absolute(&self, _: u64) {
        unreachable!("nothing counts like that");
    }
}

impl GaugeFn for Slot {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {
        unreachable!("two brokers of a process would overwrite each other");
    }
}

impl HistogramFn for Slot {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Recorder for Board {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.slot(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.slot(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.slot(key))
    }
}

fn purpose(text: &str) -> Purpose {
    Purpose::new(text).expect("plain text")
}

#[tokio::test]
async fn exchanges_rotations_and_refusals_are_counted_with_their_motive() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    let partner = broker.partner(world.contoso);
    let actor = Actor::new("user-17").expect("plain text");
    let asked = partner.token(Resource::PartnerCenter).by(actor.clone());
    asked.for_purpose(purpose("invoices")).await.expect("a token");
    let customer = partner.customer(world.fabrikam);
    customer.token(Resource::Graph).for_purpose(purpose("a-whim")).await.expect("a token");
    let locked =
        Rule::any().tenant(world.fabrikam).resource("https://api.partnercenter.microsoft.com");
    world.entra.fail_tokens(locked, Failure::aadsts(65001));
    let refused = customer.token(Resource::PartnerCenter).by(actor.clone()).await;
    refused.expect_err("not granted");

    let by_actor = world.events().into_iter().filter(|event| match event {
        Event::Exchanged { actor: by, .. } | Event::ExchangeRefused { actor: by, .. } => {
            by.as_ref() == Some(&actor)
        }
        _ => false,
    });
    assert_eq!(by_actor.count(), 2, "one exchange, one refusal");
    let board = Board::default();
    board.count(&world.events(), &[purpose("invoices")]);
    let exchanges = |labels: &str| board.read(&format!("cpv_consent_exchanges_total{{{labels}}}"));
    assert_eq!(exchanges("purpose=invoices,resource=partner_center"), 1.0);
    assert_eq!(exchanges("purpose=other,resource=graph"), 1.0);
    assert_eq!(board.read("cpv_consent_rotations_total{}"), 1.0);
    let refused = "cause=consent_missing,purpose=none,resource=partner_center";
    assert_eq!(board.read(&format!("cpv_consent_refusals_total{{{refused}}}")), 1.0);
    assert_eq!(board.read("cpv_consent_consents_total{step=confirmed}"), 1.0);
}

#[tokio::test]
async fn an_exchange_says_how_long_entra_took() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    let hold = world.entra.hold_tokens();
    let asked = {
        let (broker, contoso) = (broker.clone(), world.contoso);
        tokio::spawn(async move { broker.partner(contoso).token(Resource::PartnerCenter).await })
    };
    hold.waiting(1).await;
    world.clock.advance(Duration::from_secs(3));
    hold.release();
    asked.await.expect("no panic").expect("a token");
    let board = Board::default();
    board.count(&world.events(), &[]);
    assert_eq!(board.read("cpv_consent_exchange_seconds{resource=partner_center}"), 3.0);
}

#[tokio::test]
async fn freezes_go_up_and_down_and_states_move() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let frozen = broker.freeze(FreezeScope::Application, "a test").await.expect("stored");
    let board = Board::default();
    board.count(&world.events(), &[]);
    assert_eq!(board.read("cpv_consent_freezes{scope=application}"), 1.0);
    broker.lift(frozen.name()).await.expect("removed");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    let board = Board::default();
    board.count(&world.events(), &[]);
    assert_eq!(board.read("cpv_consent_freezes{scope=application}"), 0.0);
    assert_eq!(board.read("cpv_consent_state_changes_total{from=live,to=withdrawn}"), 1.0);
}

#[tokio::test]
async fn what_goes_on_without_a_part_of_itself_is_counted_by_kind() {
    let world = World::new().await;
    let partner = world.contoso;
    let events = [
        Event::Unsaved { partner },
        Event::Unleased { partner },
        Event::Unannounced,
        Event::BudgetShort { budget: "tokens", waited: HOUR, waiting: 1 },
        Event::BudgetUnshared { budget: "tokens" },
        Event::StoreUnreadable { partner },
        Event::StoreUnreadable { partner },
        Event::ServedWhileFailing { partner, tenant: partner, until: std::time::UNIX_EPOCH },
        Event::UnprovenUser { partner, tenant: partner },
        Event::CircuitOpened { cause: Cause::CredentialRejected },
        Event::FleetHeld { leaving: 10, of: 100, cause: Cause::AccountLocked },
        Event::CredentialSetAside { credential: named(), because: "refused".to_owned() },
        Event::CredentialEnding { credential: named(), ends: std::time::UNIX_EPOCH },
        Event::CredentialsUnread { because: "out of reach".to_owned() },
    ];
    let board = Board::default();
    board.count(&events, &[]);
    let kind = |kind: &str| board.read(&format!("cpv_consent_degradations_total{{kind={kind}}}"));
    assert_eq!(kind("store_unreadable"), 2.0);
    for one in [
        "unsaved",
        "unleased",
        "unannounced",
        "budget_short",
        "budget_unshared",
        "served_while_failing",
        "unproven_user",
        "circuit_opened",
        "fleet_held",
        "credential_set_aside",
        "credential_ending",
        "credentials_unread",
    ] {
        assert_eq!(kind(one), 1.0, "{one}");
    }
}

fn named() -> String {
    "next.pem".to_owned()
}

#[tokio::test]
async fn a_thousand_partners_and_purposes_make_no_more_lines_than_one() {
    let world = World::new().await;
    let lines_of = |many: u32| {
        let events: Vec<Event> = (0..many).map(|number| exchanged(&world, number)).collect();
        let board = Board::default();
        board.count(&events, &[purpose("invoices")]);
        board.lines()
    };
    assert_eq!(lines_of(1000), lines_of(1));
    assert_eq!(lines_of(1).len(), 3);
}

fn exchanged(world: &World, number: u32) -> Event {
    let tenant = format!("72f988bf-0000-4000-8000-{number:012x}");
    Event::Exchanged {
        partner: world.contoso,
        tenant: tenant.parse().expect("a GUID"),
        resource: Resource::custom(&format!("https://api-{number}.example")).expect("a resource"),
        rotated: false,
        took: Duration::ZERO,
        actor: Actor::new(&format!("user-{number}")).ok(),
        purpose: Some(purpose(&format!("purpose-{number}"))),
    }
}
