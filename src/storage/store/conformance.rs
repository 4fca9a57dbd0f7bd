//! Checks that a store keeps what the contract of [`Store`] promises.
//!
//! A new store is five lines away from its proof: give [`check`] a way to open it.
//!
//! ```
//! use std::sync::Arc;
//! use cpv_consent::store::{Memory, Store, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let open = || async { Ok(Arc::new(Memory::new()) as Arc<dyn Store>) };
//! let report = conformance::check(open).await?;
//! assert!(report.unpromised.contains(&"what_was_written_survives_reopening"));
//! # Ok(())
//! # }
//! ```

mod interruption;
mod limits;
mod lists;
mod races;
mod records;
mod secrecy;
mod survival;
mod trial;

use std::future::Future;
use std::sync::Arc;

use crate::storage::store::conformance::trial::{Handles, Kept, Trial, ensure};
use crate::storage::store::{Store, StoreError};

/// What a store was found to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The promises that were put to the test and kept.
    pub kept: Vec<&'static str>,
    /// Those not tested, for the store does not make them.
    pub unpromised: Vec<&'static str>,
}

/// A promise that a store did not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {found}")]
pub struct Broken {
    /// Which one, by its name in the contract of [`Store`].
    pub promise: &'static str,
    /// What was seen instead.
    pub found: String,
}

/// Tests every promise that the store makes.
///
/// Runs within Tokio. `open` is called once, once more beside the first if the store promises to be
/// shared, and once more after both were dropped if it promises to be durable; it opens the same
/// store each time, and anew: a handle that it has kept proves neither, and is refused. What hides
/// behind a new handle the suite cannot see. It makes some 1500 calls for all kinds, far fewer for one, with records
/// of up to 4 MiB where the store promises such. What it writes is of realms of this run alone, so
/// the store may hold other records, and it is left behind.
///
/// # Errors
/// [`Broken`] at the first promise that is not kept.
pub async fn check<Open, Opening>(open: Open) -> Result<Report, Broken>
where
    Open: Fn() -> Opening,
    Opening: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    let mut suite = Suite { handles: opened(&open).await?, report: Report::default() };
    suite.records().await?;
    suite.races().await?;
    suite.lists().await?;
    suite.rest().await?;
    let Suite { handles, mut report } = suite;
    if handles.promises().durable {
        survival(&open, handles).await?;
        report.kept.push(SURVIVAL);
    } else {
        report.unpromised.push(SURVIVAL);
    }
    Ok(report)
}

struct Suite {
    handles: Handles,
    report: Report,
}

/// Runs checks, each in a realm of its own and under its own name.
macro_rules! keep {
    ($suite:expr, $subject:ident: $($promise:ident),+ $(,)?) => {$(
        let kept = $subject::$promise(&$suite.handles.trial()).await;
        $suite.report.kept.push(unbroken(stringify!($promise), kept)?.0);
    )+};
}

impl Suite {
    async fn records(&mut self) -> Result<(), Broken> {
        keep!(self, records:
            a_put_is_read_back,
            absent_means_absent,
            a_moved_revision_conflicts,
            a_removed_record_is_gone,
            revisions_grow_and_are_never_reused,
        );
        Ok(())
    }

    async fn races(&mut self) -> Result<(), Broken> {
        if self.handles.promises().compare_and_swap {
            keep!(self, races: one_of_many_racing_writers_wins);
        } else {
            self.report.unpromised.push(RACES);
        }
        Ok(())
    }

    async fn lists(&mut self) -> Result<(), Broken> {
        keep!(self, lists:
            a_list_is_bound_to_its_realm_and_kind,
            pages_return_each_record_once,
            due_records_come_oldest_first,
            changes_come_in_order,
            realms_names_every_realm_that_has_a_record,
        );
        Ok(())
    }

    async fn rest(&mut self) -> Result<(), Broken> {
        keep!(self, records: identities_never_mix);
        keep!(self, limits: what_goes_beyond_its_promises_is_kept_whole_or_refused);
        keep!(self, secrecy: no_error_shows_what_is_in_a_record);
        keep!(self, interruption: a_dropped_call_has_happened_or_not);
        Ok(())
    }
}

const RACES: &str = "one_of_many_racing_writers_wins";
const SURVIVAL: &str = "what_was_written_survives_reopening";
const ONE_HANDLE: &str = "opened twice, it was the same handle: open it anew each time";
const KEPT_OPEN: &str = "a handle was kept by whoever opened it: open it anew each time";

/// Every handle is dropped before the store is opened again.
async fn survival<Open, Opening>(open: &Open, handles: Handles) -> Result<(), Broken>
where
    Open: Fn() -> Opening,
    Opening: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    let trial = handles.trial();
    let (_, written) = unbroken(SURVIVAL, survival::written(&trial).await)?;
    let realm = trial.realm.clone();
    drop(trial);
    let closed = handles.close().iter().all(|handle| handle.upgrade().is_none());
    unbroken(SURVIVAL, ensure(closed, KEPT_OPEN))?;
    let reopened = Trial { realm, ..Handles::new(one(open, SURVIVAL).await?, None).trial() };
    let kept = survival::what_was_written_survives_reopening(&reopened, &written).await;
    unbroken(SURVIVAL, kept).map(drop)
}

async fn opened<Open, Opening>(open: &Open) -> Result<Handles, Broken>
where
    Open: Fn() -> Opening,
    Opening: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    let first = one(open, "a_put_is_read_back").await?;
    if !first.promises().shared_between_processes {
        return Ok(Handles::new(first, None));
    }
    let second = one(open, RACES).await?;
    unbroken(RACES, ensure(!Arc::ptr_eq(&first, &second), ONE_HANDLE))?;
    Ok(Handles::new(first, Some(second)))
}

async fn one<Open, Opening>(open: &Open, promise: &'static str) -> Result<Arc<dyn Store>, Broken>
where
    Open: Fn() -> Opening,
    Opening: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    let opened = open().await;
    opened.map_err(|error| Broken { promise, found: format!("it does not open: {error}") })
}

fn unbroken<T>(promise: &'static str, kept: Kept<T>) -> Result<(&'static str, T), Broken> {
    kept.map(|found| (promise, found)).map_err(|found| Broken { promise, found })
}
