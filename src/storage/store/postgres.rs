//! The store of a fleet: a schema of its own in a PostgreSQL database.
//!
//! Every put is one statement. It advances the one row `clock` and holds its lock to the commit, so
//! that revisions are committed in the order in which they are given: whoever reads the changes after
//! a mark misses none that is committed later. Puts that wait for each other share one commit.

mod address;
mod connections;
mod failure;
mod rows;
mod schema;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::storage::store::postgres::address::Address;
use crate::storage::store::postgres::connections::Connections;
use crate::storage::store::postgres::writer::Writer;
use crate::storage::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};

/// Keeps records in PostgreSQL 13 or newer. Many processes on many machines may share it.
///
/// The tables are made by [`Postgres::migrate`], a step of its own. The role that [`connect`] uses
/// makes none: it needs `USAGE` on the schema `cpv_consent` and `SELECT`, `INSERT`, `UPDATE` and
/// `DELETE` on its tables. Partner keys lie in a table of their own, `partner_key`, which
/// `pg_dump --exclude-table-data` leaves out.
///
/// A server on another machine is spoken to by TLS only, its certificate and name verified. Each
/// call has a deadline; a write whose outcome it leaves open is [`StoreError::Unavailable`].
///
/// [`connect`]: Self::connect
pub struct Postgres {
    connections: Arc<Connections>,
    writer: Writer,
}

impl Postgres {
    /// Makes the tables in the database that `url` names, or brings them up to this version.
    ///
    /// Its role needs `CREATE` on the database the first time, and owns what it makes. Several may
    /// run at once, and any number of times. Processes of the version before go on working.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says what to put right; then nothing was changed.
    pub async fn migrate(url: &str) -> Result<(), StoreError> {
        Self::at(url).migrate().await
    }

    /// Opens the store in the database that `url` names. No table is made or changed.
    ///
    /// `postgres://role:password@host/database`; of several hosts, separated by commas, the first one
    /// that takes writes is used.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says what to put right: the tables are missing, older than this
    /// version, or two versions newer; the role lacks a right; there is no such database; role or
    /// password is wrong; the server's certificate is not trusted, or it demands or offers no TLS.
    /// [`StoreError::Unavailable`] when no server answers.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::at(url).connect().await
    }

    /// As [`connect`](Self::connect) and [`migrate`](Self::migrate), with other settings.
    #[must_use]
    pub fn at(url: &str) -> PostgresBuilder {
        PostgresBuilder {
            url: Zeroizing::new(url.to_owned()),
            roots: None,
            limits: Limits { connections: 8, wait: FIVE_SECONDS, statement: FIVE_SECONDS },
        }
    }
}

/// Settings of a [`Postgres`].
pub struct PostgresBuilder {
    url: Zeroizing<String>,
    roots: Option<Vec<u8>>,
    limits: Limits,
}

/// How much is asked of a server, and for how long.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    wait: Duration,
    statement: Duration,
}

impl PostgresBuilder {
    /// At most this many connections, at least one: 8 unless told.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.limits.connections = most.max(1);
        self
    }

    /// How long a call waits for a free connection, and a new connection for the server: 5 seconds
    /// unless told. Several hosts share that time.
    #[must_use]
    pub fn wait_at_most(mut self, wait: Duration) -> Self {
        self.limits.wait = wait;
        self
    }

    /// How long a statement may take: 5 seconds unless told. The server ends it then; a server that
    /// stays silent is given up a second later.
    #[must_use]
    pub fn statements_within(mut self, statement: Duration) -> Self {
        self.limits.statement = statement.max(Duration::from_millis(1));
        self
    }

    /// Trusts the authorities in this PEM text and no others, instead of the machine's own.
    #[must_use]
    pub fn trusting_only(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Opens the store: [`Postgres::connect`].
    ///
    /// # Errors
    /// As there.
    pub async fn connect(self) -> Result<Postgres, StoreError> {
        let address = Address::parse(&self.url, self.roots.as_deref())?;
        let connections = Arc::new(Connections::to(address, self.limits)?);
        schema::check(&connections).await?;
        let writer =
            Writer::new(Arc::clone(&connections), self.limits.wait + self.limits.statement);
        Ok(Postgres { connections, writer })
    }

    /// Makes the tables or brings them up to date: [`Postgres::migrate`].
    ///
    /// # Errors
    /// As there.
    pub async fn migrate(self) -> Result<(), StoreError> {
        let address = Address::parse(&self.url, self.roots.as_deref())?;
        let limits = Limits { connections: 1, statement: Duration::ZERO, ..self.limits };
        schema::migrate(&Connections::to(address, limits)?).await
    }
}

#[async_trait]
impl Store for Postgres {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        rows::read(&self.connections, key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.promises().admit(key, &entry)?;
        self.writer.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        rows::remove(&self.connections, key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        rows::page(&self.connections, &filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        rows::realms(&self.connections).await
    }

    fn promises(&self) -> Promises {
        Promises {
            compare_and_swap: true,
            durable: true,
            shared_between_processes: true,
            ..Promises::NONE
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Postgres").field("connections", &self.connections).finish()
    }
}

/// The address holds the password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresBuilder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

const FIVE_SECONDS: Duration = Duration::from_secs(5);
