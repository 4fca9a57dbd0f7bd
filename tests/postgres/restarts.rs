//! A server that crashes under processes at work, and comes back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use cpv_consent::store::{Expect, Kind, Postgres, Store, StoreError};

use crate::server::{self, Database};
use crate::{entry, key};

const ADDRESS: &str = "CPV_TEST_POSTGRES_WRITER";

#[tokio::test]
async fn a_crash_of_the_server_loses_no_acknowledged_write() {
    // F-12, F-13
    const CRASHES: usize = 4;
    let Some(server) = server::own() else { return };
    let database = server.database().await;
    let (mut children, heard) = writers(&database, 3);
    let mut ledger = Ledger::default();
    for _ in 0..CRASHES {
        let enough = ledger.acknowledged() + 60;
        while ledger.acknowledged() < enough {
            ledger.note(&heard.recv().expect("the children write"));
        }
        server.stop_at_once();
        server.start_again();
    }
    let enough = ledger.acknowledged() + 60;
    while ledger.acknowledged() < enough {
        ledger.note(&heard.recv().expect("the children write"));
    }
    for child in &mut children {
        child.kill().expect("ours");
        child.wait().expect("ours");
    }
    heard.iter().for_each(|line| ledger.note(&line));
    ledger.compare(&database).await;
    assert!(ledger.unknown > 0, "no crash met a write");
}

/// Processes that write one record after the other, and say what became of each.
fn writers(database: &Database<'_>, count: usize) -> (Vec<Child>, Receiver<String>) {
    let (tell, heard) = mpsc::channel();
    let children = (0..count).map(|number| {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", "restarts::writer", "--ignored", "--nocapture"]);
        child.env(ADDRESS, format!("{number} {}", database.url("panel")));
        let mut child = child.stdout(Stdio::piped()).spawn().expect("this program");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let tell = tell.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        child
    });
    (children.collect(), heard)
}

/// What the processes said of each record: the text that was acknowledged last.
#[derive(Default)]
struct Ledger {
    last: BTreeMap<String, u64>,
    begun: BTreeMap<String, u64>,
    acknowledgements: usize,
    unknown: usize,
}

impl Ledger {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [what @ ("begun" | "written" | "unknown"), id, number] = words[..] else { return };
        let (id, number) = (id.to_owned(), number.parse().expect("a number"));
        match what {
            "begun" => drop(self.begun.insert(id, number)),
            "unknown" => self.unknown += 1,
            _ => {
                self.last.insert(id, number);
                self.acknowledgements += 1;
            }
        }
    }

    const fn acknowledged(&self) -> usize {
        self.acknowledgements
    }

    /// Every record is at what was acknowledged last, or at what was begun after that.
    async fn compare(&self, database: &Database<'_>) {
        let store = database.open().await;
        for (id, last) in &self.last {
            let stored = store.get(&key(Kind::Consent, id)).await.expect("readable");
            let text = stored.expect("it was acknowledged").entry;
            let begun = self.begun[id].max(*last);
            let possible = [*last, begun].map(|number| entry(&number.to_string()));
            assert!(possible.contains(&text), "{id}: {last} or {begun}, not {text:?}");
        }
    }
}

/// Not a test: what the processes of the test above do, until they are killed.
#[tokio::test]
#[ignore = "it is started by another test"]
async fn writer() {
    let Ok(told) = std::env::var(ADDRESS) else { return };
    let (number, url) = told.split_once(' ').expect("a number and an address");
    let store = Postgres::connect(url).await.expect("a store");
    for record in 0_u64.. {
        let id = format!("{number}-{}", record % 20);
        write(&store, &id, record).await;
    }
}

/// Writes until it is known to be written: what is there tells whose write it was.
async fn write(store: &Postgres, id: &str, number: u64) {
    let (place, text) = (key(Kind::Consent, id), entry(&number.to_string()));
    println!("begun {id} {number}");
    loop {
        let Ok(stored) = store.get(&place).await else { continue };
        if stored.as_ref().is_some_and(|stored| stored.entry == text) {
            break;
        }
        let expect = stored.map_or(Expect::Absent, |stored| Expect::At(stored.revision));
        match store.put(&place, text.clone(), expect).await {
            Ok(_) => break,
            Err(StoreError::Unavailable { .. }) => println!("unknown {id} {number}"),
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
    println!("written {id} {number}");
}
