//! The fleet's store, beside a bare update by tokio-postgres over the same kind of connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, Statement};

use crate::Outcome;
use crate::duel::{self, Duel};
use crate::server;
use crate::sqlite::{Puts, SEALED, body};

/// Needs a server; without one it is passed over.
pub(crate) fn single_put() -> Outcome<()> {
    match server::shared() {
        Some(_) => duel::run::<SinglePut>(),
        None => Ok(()),
    }
}

pub(crate) struct SinglePut {
    runtime: Runtime,
    puts: Puts,
    client: Client,
    update: Statement,
}

impl Duel for SinglePut {
    const NAME: &'static str = "postgres_single_put";
    const GOAL: f64 = 1.2;

    fn prepare() -> Outcome<Self> {
        let runtime = Runtime::new()?;
        let server = server::shared().ok_or("no PostgreSQL server on this machine")?;
        let (puts, client, update) = runtime.block_on(async {
            let database = server.database().await;
            let puts = Puts::new(Arc::new(database.open().await), 1).await?;
            let client = database.superuser().await;
            let table = "CREATE TABLE bare (id text PRIMARY KEY, sealed bytea NOT NULL)";
            client.batch_execute(table).await?;
            client.execute("INSERT INTO bare VALUES ('one', $1)", &[&body(0, SEALED)]).await?;
            let update = client.prepare("UPDATE bare SET sealed = $2 WHERE id = $1").await?;
            Outcome::Ok((puts, client, update))
        })?;
        Ok(Self { runtime, puts, client, update })
    }

    fn ours(&mut self, rounds: u64) -> Outcome<Duration> {
        self.runtime.block_on(self.puts.one_after_another(rounds))
    }

    fn bare(&mut self, rounds: u64) -> Outcome<Duration> {
        self.runtime.block_on(async {
            let begun = Instant::now();
            for round in 0..rounds {
                let row = body(round, SEALED);
                let changed = self.client.execute(&self.update, &[&"one", &row]).await?;
                assert_eq!(changed, 1);
            }
            Ok(begun.elapsed())
        })
    }
}
