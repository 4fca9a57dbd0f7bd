//! A server that rotates strictly: a refresh token is refused once a newer one was had for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cpv_consent::emulator::{Emulator, Failure, Grant, Rule};
use cpv_consent::store::Sqlite;
use cpv_consent::{
    Absence, Broker, Cause, Clock, ConsentState, Error, Event, Remedy, Resource, Token,
    VirtualClock,
};

use crate::child::Child;
use crate::life::{closed, copy};
use crate::scene::{Scene, assert_sealed, secrets_of};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A strict server, and a partner who consented there two hours ago.
struct Strict {
    entra: Emulator,
    clock: VirtualClock,
    scene: Scene,
    parent: tempfile::TempDir,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Strict {
    async fn new() -> Self {
        let clock = VirtualClock::starting_at(SystemTime::now() - 2 * HOUR);
        let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
        entra.doubts(|doubts| doubts.redemption_ends_refresh_token = true);
        let scene = Scene::on(&entra);
        let parent = tempfile::tempdir().expect("a folder");
        let strict = Self { entra, clock, scene, parent, events: Arc::default() };
        let broker = strict.broker(&strict.folder("onboarded")).await;
        let secrets = secrets_of(&strict.folder("onboarded"));
        strict.scene.onboard(&broker, &secrets).await.expect("a consent");
        closed(broker, &strict.folder("onboarded")).await;
        strict.clock.advance(2 * HOUR);
        strict.entra.forget_ledger();
        strict
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.parent.path().canonicalize().expect("it is there").join(name)
    }

    /// A broker of this process, whose time only the test moves.
    async fn broker(&self, folder: &Path) -> Broker {
        let (store, events) = (Sqlite::open(folder).await.expect("a store"), self.events.clone());
        let builder = self.scene.builder(store).clock(self.clock.clone());
        let tell = move |event: &Event| events.lock().expect("no panic").push(event.clone());
        builder.observer(tell).build().await.expect("a broker")
    }

    fn child(&self, folder: &Path, edge: usize) -> Child {
        let child = Child::playing("life", folder).told(&self.scene.0);
        child.tell("PART", "own token").tell("EDGE", edge)
    }

    fn redemptions(&self) -> usize {
        self.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
    }

    async fn token(&self, broker: &Broker) -> Result<Token, Error> {
        // A lease that nobody moves is waited for.
        let partner = broker.partner(self.scene.partner());
        let asked = partner.token(Resource::PartnerCenter).into_future();
        tokio::pin!(asked);
        loop {
            tokio::select! {
                token = &mut asked => return token,
                () = tokio::time::sleep(Duration::from_millis(5)) => {
                    self.clock.advance(Duration::from_millis(100));
                }
            }
        }
    }

    /// Nothing but a new consent helps, and everybody is told so without asking Entra for ever.
    async fn assert_ended(&self, folder: &Path) {
        let broker = self.broker(folder).await;
        let began = self.clock.now();
        let first = self.token(&broker).await.expect_err("the token was replaced");
        let Error::Entra { error, .. } = &first else { panic!("{first:?}") };
        assert_eq!(error.codes(), [70_000]);
        assert_eq!(first.remedy(), Remedy::AskConsentAgain { claims: None });
        for _ in 0..100 {
            let error = self.token(&broker).await.expect_err("no token");
            assert!(matches!(error, Error::Suspended { cause: Cause::GrantRevoked, .. }));
            assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None });
        }
        assert_eq!(self.redemptions(), 1, "no loop");
        for _ in 0..24 * 60 {
            self.clock.advance(MINUTE);
            let error = self.token(&broker).await.expect_err("no token");
            assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None }, "{error:?}");
        }
        assert!(self.redemptions() <= 6, "{} requests in a day", self.redemptions());
        let absent = self.token(&broker).await.expect_err("it is over");
        let ended = Absence::Ended(Cause::GrantRevoked);
        let is_over = matches!(absent, Error::NoConsent { absence, .. } if absence == ended);
        assert!(is_over, "{absent:?}");
        self.assert_evidence(&broker, began).await;
        self.scene.onboard(&broker, &secrets_of(folder)).await.expect("a new consent");
        self.token(&broker).await.expect("which works");
        broker.close(MINUTE).await;
        assert_sealed(folder);
    }

    /// What was tried when, and what Entra said.
    async fn assert_evidence(&self, broker: &Broker, began: SystemTime) {
        let consent = broker.partner(self.scene.partner()).consent().await;
        let consent = consent.expect("readable").expect("kept");
        let ConsentState::Ended { cause: Cause::GrantRevoked, since } = consent.state() else {
            panic!("{}", consent.state())
        };
        assert!(*since >= began + 15 * MINUTE && *since <= began + HOUR, "seen twice");
        let events = self.events.lock().expect("no panic");
        let refused = events.iter().filter(|event| {
            let Event::ExchangeRefused { cause, correlation_id, .. } = event else { return false };
            *cause == Cause::GrantRevoked && correlation_id.is_some()
        });
        assert_eq!(refused.count(), self.redemptions(), "each refusal is told, and can be quoted");
        let first = events.iter().find_map(|event| match event {
            Event::StateChanged {
                from: ConsentState::Live,
                to: ConsentState::Suspended(pause),
                ..
            } => Some(pause.since()),
            _ => None,
        });
        let first = first.expect("a first failure");
        assert!(first >= began && first <= began + MINUTE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_before_the_answer_of_a_strict_server_ends_in_a_new_consent() {
    // F-02, F-35, R-117, R-118
    let strict = Strict::new().await;
    let folder = strict.folder("onboarded");
    let answer = Failure::drip(1, 1000 * HOUR).times(1);
    let dripping = strict.entra.fail_tokens(Rule::any(), answer);
    let mut process = strict.child(&folder, usize::MAX).command().spawn().expect("a process");
    while strict.entra.count_tokens(|request| request.issued.refresh_token.is_some()) == 0 {
        tokio::task::yield_now().await;
    }
    process.start_kill().expect("it waits for the answer");
    process.wait().await.expect("it has ended");
    dripping.clear();
    strict.entra.forget_ledger();
    strict.assert_ended(&folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_edge_before_a_strict_server_leaves_a_good_token_or_says_so() {
    // F-01, F-02, F-03, F-05, F-35
    let (mut lost, mut kept) = (0, 0);
    for edge in 1.. {
        let strict = Strict::new().await;
        let folder = strict.folder(&format!("killed-{edge}"));
        copy(&strict.folder("onboarded"), &folder);
        let ended = strict.child(&folder, edge).run().await;
        assert!(ended.killed || ended.well, "at edge {edge}: {}", ended.complaint);
        let before = strict.redemptions();
        let broker = strict.broker(&folder).await;
        strict.clock.advance(HOUR);
        match strict.token(&broker).await {
            Ok(_) => {
                kept += 1;
                strict.clock.advance(HOUR);
                strict.token(&broker).await.expect("and the next is stored");
                broker.close(MINUTE).await;
            }
            Err(error) => {
                lost += 1;
                assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None }, "{error:?}");
                assert_eq!((before, strict.redemptions()), (1, 2), "one was spent, one refused");
            }
        }
        assert_sealed(&folder);
        if ended.well {
            break;
        }
    }
    // Between the answer and the commit lies one read: whether the partner's key is still good.
    assert_eq!(lost, 4);
    assert!(kept > 10, "{kept} kept");
}
