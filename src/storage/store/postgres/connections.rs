//! A bounded number of connections, lent out one call at a time.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::iter::once;
use std::ops::{Deref, DerefMut};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::storage::store::StoreError;
use crate::storage::store::postgres::Limits;
use crate::storage::store::postgres::address::Address;
use crate::storage::store::postgres::failure::{self, Failure, Outcome, Server};

/// The way to a server.
pub(super) struct Connections {
    pool: Pool,
    server: Server,
    /// How long the whole of an answer may take.
    patience: Duration,
}

/// A statement with what is bound to it.
pub(super) struct Question {
    pub(super) sql: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

/// Something that is bound to a statement.
pub(super) type Value = Box<dyn ToSql + Sync + Send>;

impl Question {
    /// A statement that nothing is bound to.
    pub(super) const fn plain(sql: &'static str) -> Self {
        Self { sql: Cow::Borrowed(sql), values: Vec::new() }
    }
}

impl Connections {
    /// Connects to nobody yet.
    pub(super) fn to(address: Address, limits: Limits) -> Result<Self, StoreError> {
        let Address { mut config, server, tls } = address;
        set_up_sessions(&mut config, limits);
        let server = Server { name: server, encrypted: tls.is_some() };
        // A connection that ended is noticed without asking it; one that failed is not kept.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match tls {
            Some(tls) => Manager::from_config(config, tls, recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(limits.connections)
            .wait_timeout(Some(limits.wait))
            .create_timeout(Some(limits.wait))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| StoreError::unusable("no runtime to be had"))?;
        Ok(Self { pool, server, patience: limits.statement + A_SECOND })
    }

    /// The rows of a statement that only reads: asked again once if the connection is lost.
    pub(super) async fn read(&self, question: &Question) -> Result<Vec<Row>, StoreError> {
        match self.ask(question).await {
            Err(Failure { outcome: Outcome::Unknown, .. }) => self.ask(question).await,
            answer => answer,
        }
        .map_err(StoreError::from)
    }

    /// The rows of a statement that writes and commits: repeated, a few times, only where the server
    /// says that it undid it.
    pub(super) async fn write(&self, question: &Question) -> Result<Vec<Row>, Failure> {
        for _ in 1..MOST_ATTEMPTS {
            match self.ask(question).await {
                Err(Failure { outcome: Outcome::Undone, .. }) => {}
                answer => return answer,
            }
        }
        self.ask(question).await
    }

    /// The rows of several statements that write, in one transaction and one round trip: all of it
    /// happened, or nothing.
    pub(super) async fn write_together(
        &self,
        questions: &[Question],
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let [begin, commit] = ["BEGIN", "COMMIT"].map(Question::plain);
        let all: Vec<&Question> = once(&begin).chain(questions).chain(once(&commit)).collect();
        let mut rows = self.answers(&all).await?;
        rows.pop();
        Ok(rows.split_off(1))
    }

    async fn ask(&self, question: &Question) -> Result<Vec<Row>, Failure> {
        let rows = self.answers(&[question]).await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn answers(&self, questions: &[&Question]) -> Result<Vec<Vec<Row>>, Failure> {
        let connection = self.borrow().await.map_err(failure::unconnected)?;
        let answers = timeout(self.patience, connection.answers(questions)).await;
        let rows = answers.map_err(|_| failure::silence())?.map_err(|e| failure::asking(&e))?;
        connection.give_back();
        Ok(rows)
    }

    /// A connection for one call. It must be given back to be used again.
    pub(super) async fn borrow(&self) -> Result<Borrowed, StoreError> {
        let object = self.pool.get().await;
        let object = object.map_err(|error| failure::connecting(&error, &self.server))?;
        Ok(Borrowed { object: Some(object) })
    }
}

/// A connection that is closed, unless it is given back: whoever dropped a call half way, or met a
/// failure, left it in the middle of something.
pub(super) struct Borrowed {
    object: Option<Object>,
}

impl Borrowed {
    pub(super) fn give_back(mut self) {
        drop(self.object.take());
    }

    /// Sends all at once and waits for all: where one fails, so does what comes after it.
    async fn answers(
        &self,
        questions: &[&Question],
    ) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
        let mut statements = Vec::with_capacity(questions.len());
        for question in questions {
            statements.push(self.prepare_cached(&question.sql).await?);
        }
        let answers = statements.iter().zip(questions).map(|(statement, question)| async move {
            let values = question.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value });
            self.query(statement, &values.collect::<Vec<_>>()).await
        });
        side_by_side(answers.collect()).await.into_iter().collect()
    }
}

/// Waits for all of them, each polled first in its turn.
async fn side_by_side<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        for (future, output) in waiting.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        let is_done = waiting.iter().all(|(_, output)| output.is_some());
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}

impl Deref for Borrowed {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.object.as_ref().expect("it is given back by value")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Object {
        self.object.as_mut().expect("it is given back by value")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        drop(self.object.take().map(Object::take));
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        write!(out, "{} of {}", status.size, status.max_size)
    }
}

/// What must hold in every session, whatever the server, the database or the role would have.
///
/// Operators are looked up in no schema that others may write to (CVE-2018-1058).
fn set_up_sessions(config: &mut tokio_postgres::Config, limits: Limits) {
    let own = format!(
        "-c statement_timeout={} -c search_path=pg_catalog \
         -c default_transaction_isolation=read\\ committed",
        limits.statement.as_millis().min(MOST_MILLISECONDS)
    );
    let options = match config.get_options() {
        Some(theirs) => format!("{theirs} {own}"),
        None => own,
    };
    config.options(options);
    if config.get_application_name().is_none() {
        config.application_name("cpv-consent");
    }
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    if hosts > 1 {
        // A standby may be behind, and a store that forgets is worse than one that waits.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        share_among_hosts(config, hosts, limits.wait);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(limits.wait);
    }
    // A server that vanished without a word is noticed within a minute, not within two hours.
    config.keepalives_idle(Duration::from_secs(30));
    config.keepalives_interval(Duration::from_secs(10));
    config.keepalives_retries(3);
}

/// A machine that does not answer leaves time for the next one.
fn share_among_hosts(config: &mut tokio_postgres::Config, hosts: usize, wait: Duration) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(wait / u32::try_from(hosts).unwrap_or(u32::MAX));
    }
}

/// What the server's setting can hold.
const MOST_MILLISECONDS: u128 = i32::MAX as u128;
const MOST_ATTEMPTS: u32 = 4;
const A_SECOND: Duration = Duration::from_secs(1);
