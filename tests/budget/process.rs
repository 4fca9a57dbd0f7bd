//! A process of the panel: this test program, run again.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::Sqlite;
use cpv_consent::{Broker, Cloud, KeyRing, LocalKey, Origins, Resource, TenantId};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::world;

const ORDER: &str = "CPV_BUDGET";
const CUSTOMERS: &str = "CPV_CUSTOMERS";
const ASKING: &str = "ASKING";
/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub key: [u8; 32],
    store: PathBuf,
    login: String,
    partner_center: String,
    graph: String,
    partner: String,
    per_second: NonZeroU32,
}

impl Order {
    pub fn new(entra: &Emulator, partner: TenantId, store: &Path, per_second: u32) -> Self {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).expect("random bytes");
        Self {
            key,
            store: store.to_owned(),
            login: entra.login_origin().to_owned(),
            partner_center: entra.partner_center_origin().to_owned(),
            graph: entra.graph_origin().to_owned(),
            partner: partner.to_string(),
            per_second: NonZeroU32::new(per_second).expect("not zero"),
        }
    }
}

/// A process, killed when dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(order: &Order, customers: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a program"))
            .args(["plays_its_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ORDER, serde_json::to_string(order).expect("plain values"))
            .env(CUSTOMERS, customers)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// Returns once it has asked for everything.
    pub async fn asking(&mut self) {
        let said = async {
            while let Some(line) = self.lines.next_line().await.expect("readable") {
                if line.contains(ASKING) {
                    return;
                }
            }
            panic!("the process has ended");
        };
        tokio::time::timeout(PATIENCE, said).await.expect("it hangs");
    }

    pub async fn kill(mut self) {
        self.child.kill().await.expect("it ran");
    }
}

/// What a process does: it asks for all its customers' tokens at once, and waits to be killed. Without
/// an order it does nothing: somebody runs ignored tests.
pub async fn serve() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).expect("an order");
    let customers = std::env::var(CUSTOMERS).expect("a file");
    let customers = std::fs::read_to_string(customers).expect("customers");
    let broker = broker(&order).await;
    let partner = TenantId::parse(&order.partner).expect("a GUID");
    let mut asks = tokio::task::JoinSet::new();
    for customer in customers.lines() {
        let customer = TenantId::parse(customer).expect("a GUID");
        let access = broker.partner(partner).customer(customer).access(Resource::Graph);
        asks.spawn(async move { access.token().await.is_ok() });
    }
    println!("\n{ASKING}");
    while asks.join_next().await.is_some() {}
}

async fn broker(order: &Order) -> Broker {
    let Order { login, partner_center, graph, .. } = order;
    let origins = Origins { login, partner_center, graph };
    let cloud = Cloud::danger_loopback("emulator", origins).expect("loopback origins");
    let keys = KeyRing::new(LocalKey::from_bytes("test-1", &order.key).expect("a random key"));
    let store = Sqlite::open(&order.store).await.expect("a store");
    let builder = Broker::builder(world::registration(cloud), store, keys);
    builder.token_budget(order.per_second).build().await.expect("a broker")
}
