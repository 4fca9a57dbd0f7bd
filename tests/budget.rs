//! A budget of an application, kept by all its processes together: counted in the emulator's ledger.

#![cfg(unix)]
#![allow(unreachable_pub)] // its modules are of one program

#[path = "budget/process.rs"]
mod process;
mod world;

use std::time::{Duration, SystemTime};

use cpv_consent::emulator::Emulator;
use cpv_consent::store::Sqlite;
use cpv_consent::{Broker, KeyRing, LocalKey, TenantId};

use process::{Order, Process};

/// Requests in a second.
const BUDGET: u32 = 100;
const PROCESSES: usize = 4;
/// Of each process.
const CUSTOMERS: usize = 25_000;
/// As many of them exist as could be reached.
const REACHED: usize = 1000;
const SECOND: Duration = Duration::from_secs(1);
/// How much later than another a request may arrive that was sent before it: no process decides that.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// Not a test: what each of the processes does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of this test, started by it"]
async fn plays_its_role() {
    process::serve().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes_killed_and_restarted_at_once_never_exceed_a_budget() {
    // F-01, F-17
    let panel = Panel::open().await;
    let processes = panel.start().await;
    panel.uses_its_budget(0).await;
    for process in processes {
        process.kill().await;
    }
    panel.arrived().await;
    let killed = panel.ledger().len();
    let processes = panel.start().await;
    panel.uses_its_budget(killed).await;
    assert_within(&panel.ledger());
    drop(processes);
}

/// No second has more than the budget and what was late.
fn assert_within(asked: &[SystemTime]) {
    let (most, budgeted) = (most_within(asked, SECOND), budgeted(SECOND + ON_THE_WAY));
    assert!(most <= budgeted, "{most} in a second");
}

fn budgeted(time: Duration) -> usize {
    BUDGET as usize * time.as_millis() as usize / 1000
}

/// The most that came within so much time, whenever it began.
fn most_within(asked: &[SystemTime], time: Duration) -> usize {
    let since = |from: usize| asked[from..].iter().take_while(move |at| **at < asked[from] + time);
    (0..asked.len()).map(|from| since(from).count()).max().unwrap_or(0)
}

/// A partner with many customers, on a store that processes share.
struct Panel {
    entra: Emulator,
    partner: TenantId,
    order: Order,
    folder: tempfile::TempDir,
}

impl Panel {
    async fn open() -> Self {
        let entra = Emulator::builder().load_mode().start().await.expect("free ports");
        let app = world::registration(world::cloud(&entra));
        entra.register(&app);
        let partner = entra.add_tenant("Contoso");
        let admin = entra.add_user(partner, "admin@contoso.example");
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let order = Order::new(&entra, partner, &store, BUDGET);
        let keys = KeyRing::new(LocalKey::from_bytes("test-1", &order.key).expect("a key"));
        let store = Sqlite::open(&store).await.expect("a store");
        let broker = Broker::builder(app, store, keys).build().await.expect("a broker");
        let pending = broker.partner(partner).request_consent(world::account("panel-1"));
        let request = world::accept(&pending.await.expect("a flow"), &admin).await;
        let found = world::capture(&broker, &request).await.expect("everything holds");
        found.confirm().await.expect("a consent");
        broker.close(SECOND).await;
        entra.forget_ledger();
        Self { entra, partner, order, folder }
    }

    /// As many processes as there are, each with its own customers, all of whom are asked for at once.
    async fn start(&self) -> Vec<Process> {
        let mut processes = Vec::new();
        for number in 0..PROCESSES {
            let customers = self.customers(number);
            let file = self.folder.path().join(format!("customers-{number}"));
            std::fs::write(&file, customers.join("\n")).expect("a file");
            processes.push(Process::start(&self.order, &file));
        }
        for process in &mut processes {
            process.asking().await;
        }
        processes
    }

    fn customers(&self, number: usize) -> Vec<String> {
        let client = world::registration(world::cloud(&self.entra)).client_id();
        let customer = |name: usize| {
            if name >= REACHED {
                return format!("72f988bf-0000-4000-8000-{:012x}", number * CUSTOMERS + name);
            }
            let customer = self.entra.add_customer(self.partner, &format!("{number}-{name}"));
            self.entra.grant(customer, client, world::GRAPH, &["Directory.Read.All"]);
            customer.to_string()
        };
        (0..CUSTOMERS).map(customer).collect()
    }

    /// Returns once nine tenths of the budget were used for two seconds, counting from this request
    /// on: what the processes before had held is theirs for some seconds yet.
    async fn uses_its_budget(&self, from: usize) {
        let used = async {
            let enough = budgeted(2 * SECOND) * 9 / 10;
            while most_within(&self.ledger()[from..], 2 * SECOND) < enough {
                tokio::time::sleep(ON_THE_WAY).await;
            }
        };
        let outcome = tokio::time::timeout(60 * SECOND, used).await;
        let most = most_within(&self.ledger()[from..], 2 * SECOND);
        outcome.unwrap_or_else(|_| panic!("no more than {most} in two seconds"));
    }

    /// Returns once what was on the way has arrived.
    async fn arrived(&self) {
        loop {
            let before = self.entra.count_tokens(|_| true);
            tokio::time::sleep(ON_THE_WAY).await;
            if self.entra.count_tokens(|_| true) == before {
                return;
            }
        }
    }

    fn ledger(&self) -> Vec<SystemTime> {
        let mut times: Vec<_> = self.entra.ledger().iter().map(|request| request.at).collect();
        times.sort();
        times
    }
}
