//! What an error of PostgreSQL asks of whom. Its text may quote a row, so only its code is told.

use std::error::Error;
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::storage::store::StoreError;

/// Why a statement has no answer.
pub(super) struct Failure {
    pub(super) error: StoreError,
    pub(super) outcome: Outcome,
}

/// What became of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server undid it for the sake of others: the same statement may succeed now.
    Undone,
    /// It did not happen, and would not if it were repeated.
    Refused,
    /// It did not happen, for want of a lock or a connection: what is asked next would wait as long.
    Stuck,
    /// Nobody knows.
    Unknown,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, outcome: Outcome::Refused }
    }
}

impl Failure {
    /// What whoever asks next would be told too, after as long a wait.
    pub(super) fn of_all(&self) -> Option<StoreError> {
        let of_all = matches!(self.outcome, Outcome::Stuck | Outcome::Unknown);
        of_all.then(|| self.error.clone())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Nothing was sent.
pub(super) const fn unconnected(error: StoreError) -> Failure {
    Failure { error, outcome: Outcome::Stuck }
}

/// The server did not answer in time, so it may still be at work.
pub(super) fn silence() -> Failure {
    let error = StoreError::unavailable("the server did not answer in time");
    Failure { error, outcome: Outcome::Unknown }
}

/// Who was asked for a connection.
pub(super) struct Server {
    /// Its hosts, without anything secret.
    pub(super) name: String,
    pub(super) encrypted: bool,
}

/// Why there is no connection. No statement was sent.
pub(super) fn connecting(error: &PoolError, server: &Server) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            StoreError::unavailable("no connection became free in time; allow more of them")
        }
        PoolError::Timeout(_) => StoreError::unavailable(format!(
            "no server answered in time at {}: see that it runs and can be reached from here",
            server.name
        )),
        PoolError::Backend(error) => refused(error, server),
        _ => StoreError::unavailable("its connections have ended"),
    }
}

fn refused(error: &tokio_postgres::Error, server: &Server) -> StoreError {
    if let Some(code) = error.code() {
        return match *code {
            SqlState::INVALID_PASSWORD => StoreError::unusable(
                "the server refuses role or password: correct the URL, in whose password \
                 @ / # : % are percent-encoded",
            ),
            SqlState::INVALID_CATALOG_NAME => {
                StoreError::unusable("there is no such database: create it, or correct the URL")
            }
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION if server.encrypted => {
                StoreError::unusable("the server admits no such role from here (pg_hba.conf)")
            }
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION => StoreError::unusable(
                "the server admits no such role from here, or only by TLS (pg_hba.conf): \
                 add sslmode=require to the URL if it does",
            ),
            SqlState::INSUFFICIENT_PRIVILEGE => {
                StoreError::unusable("its role may not connect: grant connect on the database")
            }
            _ => stated(code),
        };
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return StoreError::unusable(format!(
            "the server's certificate is refused ({tls}): name the host as it does, or its \
             authority by trusting_only"
        ));
    }
    if let Some(io) = cause::<io::Error>(error) {
        if is_of_a_standby(io) {
            return StoreError::unavailable(format!("none of {} takes writes", server.name));
        }
        return StoreError::unavailable(format!(
            "no server answers at {} ({io}): start it, or correct the URL",
            server.name
        ));
    }
    if error.is_closed() {
        return StoreError::unavailable(ENDED);
    }
    // What is left are the driver's own words: what the URL lacks, or that the server has no TLS.
    let because = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if because == "password missing" {
        return StoreError::unusable(NO_PASSWORD);
    }
    StoreError::unusable(format!("there is no way to {}: {because}", server.name))
}

/// The driver's word for a server that only reads, the last of several; the system's own word that
/// something is not permitted, of a socket, has a number.
fn is_of_a_standby(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Why a statement that was sent has no answer.
pub(super) fn asking(error: &tokio_postgres::Error) -> Failure {
    let Some(code) = error.code() else {
        let error = StoreError::unavailable("the connection was lost");
        return Failure { error, outcome: Outcome::Unknown };
    };
    Failure { error: stated(code), outcome: outcome(code) }
}

/// Source: "Appendix A. PostgreSQL Error Codes",
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn outcome(code: &SqlState) -> Outcome {
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Outcome::Undone,
        // A statement prepared before the tables changed; the next connection prepares it anew.
        SqlState::FEATURE_NOT_SUPPORTED => Outcome::Undone,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Outcome::Unknown,
        SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN => Outcome::Unknown,
        _ if code.code().starts_with("08") => Outcome::Unknown,
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => Outcome::Stuck,
        _ => Outcome::Refused,
    }
}

fn stated(code: &SqlState) -> StoreError {
    let told = || format!("sqlstate {}", code.code());
    match *code {
        SqlState::DISK_FULL => StoreError::Full,
        SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadOnly,
        SqlState::INSUFFICIENT_PRIVILEGE => {
            StoreError::unusable("its role lacks a right on the schema cpv_consent")
        }
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::INVALID_SCHEMA_NAME => {
            StoreError::unusable("its tables are not those of this version: run migrate")
        }
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => {
            StoreError::unusable("a pooler in between loses prepared statements: let it keep them")
        }
        SqlState::UNIQUE_VIOLATION | SqlState::CHECK_VIOLATION | SqlState::NOT_NULL_VIOLATION => {
            StoreError::damaged(told())
        }
        // Of all numbers that are added to, the clock's alone grows, and never so far by itself.
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => StoreError::damaged("its clock is at its end"),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => StoreError::damaged(told()),
        SqlState::QUERY_CANCELED => StoreError::unavailable("the statement took too long"),
        SqlState::LOCK_NOT_AVAILABLE => {
            StoreError::unavailable("somebody else is at work on its tables: try again")
        }
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => StoreError::unavailable(ENDED),
        SqlState::TOO_MANY_CONNECTIONS => {
            StoreError::unavailable("the server has no connection left; ask for fewer of them")
        }
        SqlState::CANNOT_CONNECT_NOW => {
            StoreError::unavailable("the server is starting or stopping")
        }
        _ => StoreError::unavailable(told()),
    }
}

fn cause<E: Error + 'static>(error: &tokio_postgres::Error) -> Option<&E> {
    let mut source = error.source();
    while let Some(error) = source {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.and_then(|inner| inner.downcast_ref());
        if let Some(found) = error.downcast_ref().or(wrapped) {
            return Some(found);
        }
        source = error.source();
    }
    None
}

const NO_PASSWORD: &str = "the server wants a password and its URL has none: \
                           postgres://role:password@host/database is the form";
const ENDED: &str = "the server ended the connection";
