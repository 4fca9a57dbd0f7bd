//! Processes of a fleet: this test program, run again as often as is wanted.
//!
//! A test program that uses them has a test `fleet_process`, ignored, that calls [`serve`].

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cpv_consent::store::{Filter, Kind, Postgres, Selection, Sqlite, Store};
use cpv_consent::{
    Absence, Access, Broker, ClientCredential, Clock, Cloud, Error, Event, KeyRing, LocalKey,
    Origins, Resource, Sleep, SystemClock, TenantId, Token, VirtualClock,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{HOUR, SECRET, World};

/// The test that a process of a fleet is.
const ENTRY: &str = "fleet_process";
const ORDER: &str = "CPV_FLEET";
/// What a process says stands behind this word, since the test harness writes to the same place.
const WORD: &str = "FLEET ";
/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    store: String,
    key: [u8; 32],
    login: String,
    partner_center: String,
    graph: String,
    partner: String,
    customer: String,
    callers: usize,
    shares: bool,
    /// By how many seconds its date is wrong.
    wrong_by: i64,
    connections: usize,
}

/// What a process has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many callers got a token.
    pub tokens: usize,
    /// How many different ones.
    pub distinct: usize,
    /// How many were told that others were at work for too long.
    pub busy: usize,
    /// How many were told that the partner was let go.
    pub withdrawn: usize,
    /// What the others got.
    pub errors: Vec<String>,
    /// How many exchanges it made.
    pub exchanges: usize,
    /// How many of them replaced the stored refresh token.
    pub rotations: usize,
}

/// Opens a store by its description: `sqlite:/folder` or `postgres:URL`.
pub async fn open(description: &str) -> Arc<dyn Store> {
    open_with(8, description).await
}

/// With at most so many connections to a server.
async fn open_with(connections: usize, description: &str) -> Arc<dyn Store> {
    match description.split_once(':') {
        Some(("sqlite", folder)) => Arc::new(Sqlite::open(folder).await.expect("a store")),
        Some(("postgres", url)) => {
            let opening = Postgres::at(url).connections(connections);
            Arc::new(opening.connect().await.expect("a store"))
        }
        _ => panic!("no such store: {description}"),
    }
}

/// A fleet with a partner whose stored token is two hours old, and who has no access token left.
pub struct Fleet {
    pub world: World,
    pub store: String,
    /// How many connections to a server each process may have.
    pub connections: usize,
}

impl Fleet {
    /// `store` describes the store to use; without it, a folder of SQLite files.
    pub async fn new(store: Option<String>) -> Self {
        let start = std::time::SystemTime::now() - 2 * HOUR;
        let credential = ClientCredential::secret(SECRET).expect("plain text");
        let world = World::told_by(VirtualClock::starting_at(start), credential).await;
        let folder = world.store_folder();
        let store = store.unwrap_or_else(|| format!("sqlite:{}", folder.display()));
        let fleet = Self { world, store, connections: 8 };
        fleet.world.onboard(&fleet.broker().await).await;
        fleet.world.clock.advance(2 * HOUR);
        fleet.world.entra.forget_ledger();
        fleet
    }

    /// A broker of this process on the same store.
    pub async fn broker(&self) -> Broker {
        self.world.builder(open(&self.store).await).build().await.expect("a broker")
    }

    /// A process, which waits to be told to begin.
    pub async fn process(&self, callers: usize, shares: bool) -> Process {
        self.process_wrong_by(0, callers, shares).await
    }

    /// A process on a machine whose date is wrong by so many seconds.
    pub async fn process_wrong_by(&self, wrong_by: i64, callers: usize, shares: bool) -> Process {
        let entra = &self.world.entra;
        let order = Order {
            store: self.store.clone(),
            key: *self.world.sealing_key(),
            login: entra.login_origin().to_string(),
            partner_center: entra.partner_center_origin().to_string(),
            graph: entra.graph_origin().to_string(),
            partner: self.world.contoso.to_string(),
            customer: self.world.fabrikam.to_string(),
            callers,
            shares,
            wrong_by,
            connections: self.connections,
        };
        let mut child = Command::new(std::env::current_exe().expect("a program"))
            .args([ENTRY, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ORDER, serde_json::to_string(&order).expect("plain values"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let tell = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut process = Process { child, tell, lines };
        assert_eq!(process.said().await, "ready");
        process
    }

    /// How many refresh tokens were redeemed, by whomever.
    pub fn redemptions(&self) -> usize {
        use cpv_consent::emulator::Grant;
        self.world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
    }

    /// How many requests began while another one at the same tenant was under way.
    pub fn overlapping(&self) -> usize {
        self.world.entra.count_tokens(|request| request.beside > 0)
    }

    /// Removes every lease from the store, as a restore of its table would; returns how many.
    pub async fn lose_leases(&self) -> usize {
        let store = open(&self.store).await;
        let (realm, selection) = (self.world.app.realm(), Selection::All);
        let (kind, cursor, limit) = (Kind::Lease, None, usize::MAX);
        let filter = Filter { realm, kind, selection, cursor, limit };
        let leases = store.list(filter).await.expect("readable").records;
        for lease in &leases {
            store.remove(&lease.key, lease.revision).await.expect("unmoved");
        }
        leases.len()
    }

    /// When the stored refresh token dies: it tells one stored token from another.
    pub async fn deadline(&self) -> std::time::SystemTime {
        let broker = self.broker().await;
        let consent = broker.partner(self.world.contoso).consent().await.expect("readable");
        consent.expect("stored").deadline()
    }
}

/// A process of the fleet, killed when dropped.
pub struct Process {
    child: Child,
    tell: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Its callers ask now.
    pub async fn go(&mut self) {
        self.tell.write_all(b"go\n").await.expect("it listens");
    }

    /// What it did, once it has done it.
    pub async fn report(mut self) -> Report {
        serde_json::from_str(&self.said().await).expect("a report")
    }

    /// It asks by every way that a process has, once more each time.
    pub async fn ask(&mut self) -> Report {
        self.tell.write_all(b"ask\n").await.expect("it listens");
        serde_json::from_str(&self.said().await).expect("a report")
    }

    /// So many seconds have passed there.
    pub async fn later(&mut self, seconds: u64) {
        self.tell.write_all(format!("{seconds}\n").as_bytes()).await.expect("it listens");
        assert_eq!(self.said().await, "later");
    }

    pub async fn kill(mut self) {
        self.child.kill().await.expect("it ran");
    }

    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("the program kill").success());
    }

    async fn said(&mut self) -> String {
        let next = async {
            while let Some(line) = self.lines.next_line().await.expect("readable") {
                if let Some((_, said)) = line.split_once(WORD) {
                    return said.to_owned();
                }
            }
            panic!("the process has ended");
        };
        tokio::time::timeout(PATIENCE, next).await.expect("it hangs")
    }
}

/// What a process of a fleet does. Without an order it does nothing: somebody runs ignored tests.
pub async fn serve() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).expect("an order");
    let (events, passed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let broker = broker(&order, &events, &passed).await;
    println!("\n{WORD}ready");
    let mut hands = None;
    loop {
        match told().await.as_str() {
            "go" => break,
            "ask" => {
                let hands = hands.get_or_insert_with(|| Hands::new(&broker, &order));
                let report = hands.ask().await;
                println!("\n{WORD}{}", serde_json::to_string(&report).expect("plain values"));
            }
            "" => return,
            seconds => {
                let seconds = seconds.parse().expect("an order");
                passed.fetch_add(seconds, Ordering::SeqCst);
                println!("\n{WORD}later");
            }
        }
    }
    let mut report = ask(&broker, &order).await;
    for event in events.lock().expect("events").iter() {
        if let Event::Exchanged { rotated, .. } = event {
            report.exchanges += 1;
            report.rotations += usize::from(*rotated);
        }
    }
    println!("\n{WORD}{}", serde_json::to_string(&report).expect("plain values"));
    broker.close(Duration::from_secs(10)).await;
}

/// The next line that this process is told; empty once nobody tells it anything any more.
async fn told() -> String {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line.trim().to_owned())
    });
    line.await.expect("no panic").expect("text")
}

/// What a process has resolved, and was handed last.
struct Hands {
    broker: Broker,
    partner: TenantId,
    customer: TenantId,
    handles: [Access; 2],
    last: Option<Token>,
}

impl Hands {
    fn new(broker: &Broker, order: &Order) -> Self {
        let partner = TenantId::parse(&order.partner).expect("a GUID");
        let customer = TenantId::parse(&order.customer).expect("a GUID");
        let door = broker.partner(partner);
        let handles =
            [door.access(Resource::PartnerCenter), door.customer(customer).access(Resource::Graph)];
        Self { broker: broker.clone(), partner, customer, handles, last: None }
    }

    async fn ask(&mut self) -> Report {
        let door = self.broker.partner(self.partner);
        let mut answers = Vec::new();
        for handle in &self.handles {
            answers.push(handle.token().await);
        }
        answers.push(door.token(Resource::PartnerCenter).await);
        answers.push(door.token(Resource::Graph).await);
        answers.push(door.customer(self.customer).token(Resource::Graph).await);
        if let Some(last) = &self.last {
            answers.push(door.token(Resource::PartnerCenter).instead_of(last).await);
        }
        self.last = answers[0].as_ref().ok().cloned().or(self.last.take());
        let mut report = Report::default();
        for answer in answers {
            match answer {
                Ok(_) => report.tokens += 1,
                Err(Error::NoConsent { absence: Absence::Withdrawn, .. }) => report.withdrawn += 1,
                Err(error) => report.errors.push(error.to_string()),
            }
        }
        report
    }
}

async fn broker(order: &Order, events: &Arc<Mutex<Vec<Event>>>, passed: &Arc<AtomicU64>) -> Broker {
    let Order { login, partner_center, graph, .. } = order;
    let origins = Origins { login, partner_center, graph };
    let cloud = Cloud::danger_loopback("emulator", origins).expect("loopback origins");
    let keys = KeyRing::new(LocalKey::from_bytes("test-1", &order.key).expect("a random key"));
    let store = open_with(order.connections, &order.store).await;
    let events = events.clone();
    let builder = Broker::builder(super::registration(cloud), store, keys)
        .clock(WrongBy { inner: SystemClock::new(), by: order.wrong_by, passed: passed.clone() })
        .observer(move |event: &Event| events.lock().expect("events").push(event.clone()));
    let builder = if order.shares { builder.share_access_tokens() } else { builder };
    builder.build().await.expect("a broker")
}

/// The machine's clock, were its date wrong by so many seconds; and others have passed at once.
#[derive(Debug)]
struct WrongBy {
    inner: SystemClock,
    by: i64,
    passed: Arc<AtomicU64>,
}

impl WrongBy {
    fn passed(&self) -> Duration {
        Duration::from_secs(self.passed.load(Ordering::SeqCst))
    }
}

impl Clock for WrongBy {
    fn now(&self) -> SystemTime {
        let (now, by) =
            (self.inner.now() + self.passed(), Duration::from_secs(self.by.unsigned_abs()));
        if self.by < 0 { now - by } else { now + by }
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic() + self.passed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.inner.sleep(duration)
    }
}

async fn ask(broker: &Broker, order: &Order) -> Report {
    let partner = TenantId::parse(&order.partner).expect("a GUID");
    let callers: Vec<_> = (0..order.callers)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(
                async move { broker.partner(partner).token(Resource::PartnerCenter).await },
            )
        })
        .collect();
    let (mut report, mut secrets) = (Report::default(), std::collections::BTreeSet::new());
    for caller in callers {
        match caller.await.expect("no panic") {
            Ok(token) => {
                report.tokens += 1;
                secrets.insert(token.secret().expose().to_owned());
            }
            Err(Error::Busy { .. }) => report.busy += 1,
            Err(error) => report.errors.push(error.to_string()),
        }
    }
    report.distinct = secrets.len();
    report
}
