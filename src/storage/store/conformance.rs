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
//! let memory: Arc<dyn Store> = Arc::new(Memory::new());
//! let report = conformance::check(|| async { Ok(memory.clone()) }).await?;
//! assert!(report.unpromised.contains(&"what_was_written_survives_reopening"));
//! # Ok(())
//! # }
//! ```

mod promises;
mod trial;

use std::future::Future;
use std::sync::Arc;

use crate::storage::store::conformance::trial::Trial;
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
/// Runs within Tokio. `open` is called several times and opens the same store each time, with
/// nothing in it at first. The records written are of realms that no application has; they are left
/// behind.
///
/// # Errors
/// [`Broken`] at the first promise that is not kept.
pub async fn check<Open, Opening>(open: Open) -> Result<Report, Broken>
where
    Open: Fn() -> Opening,
    Opening: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    let mut suite = Suite { open, report: Report::default(), number: 0 };
    suite.always().await?;
    suite.if_promised().await?;
    Ok(suite.report)
}

struct Suite<Open> {
    open: Open,
    report: Report,
    number: u32,
}

/// Runs checks, each in a realm of its own and under its own name.
macro_rules! keep {
    ($suite:expr, $($promise:ident),+ $(,)?) => {$(
        let trial = $suite.trial(stringify!($promise)).await?;
        let kept = promises::$promise(&trial).await;
        $suite.note(stringify!($promise), kept)?;
    )+};
}

impl<Open, Opening> Suite<Open>
where
    Open: Fn() -> Opening,
    Opening: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    async fn always(&mut self) -> Result<(), Broken> {
        keep!(
            self,
            a_put_is_read_back,
            absent_means_absent,
            a_moved_revision_conflicts,
            a_removed_record_is_gone,
            revisions_grow_and_are_never_reused,
            a_list_is_bound_to_its_realm_and_kind,
            pages_return_each_record_once,
            identities_never_mix,
            due_records_come_oldest_first,
            changes_come_in_order,
            realms_names_every_realm_that_has_a_record,
        );
        Ok(())
    }

    async fn if_promised(&mut self) -> Result<(), Broken> {
        const RACE: &str = "one_of_many_racing_writers_wins";
        const SURVIVAL: &str = "what_was_written_survives_reopening";
        let promises = self.trial(RACE).await?.store.promises();
        if promises.compare_and_swap {
            let trial = self.trial(RACE).await?;
            let second = if promises.shared_between_processes {
                self.opened(RACE).await?
            } else {
                Arc::clone(&trial.store)
            };
            let kept = promises::one_of_many_racing_writers_wins(&trial, second).await;
            self.note(RACE, kept)?;
        } else {
            self.report.unpromised.push(RACE);
        }
        if promises.durable {
            self.survival(SURVIVAL).await
        } else {
            self.report.unpromised.push(SURVIVAL);
            Ok(())
        }
    }

    async fn survival(&mut self, promise: &'static str) -> Result<(), Broken> {
        let before = self.trial(promise).await?;
        let written = promises::written_before_reopening(&before).await;
        let (written, realm) = (self.unbroken(promise, written)?, before.realm);
        drop(before.store);
        let after = Trial { store: self.opened(promise).await?, realm };
        let kept = promises::what_was_written_survives_reopening(&after, &written).await;
        self.note(promise, kept)
    }

    async fn trial(&mut self, promise: &'static str) -> Result<Trial, Broken> {
        self.number += 1;
        Ok(Trial { store: self.opened(promise).await?, realm: trial::realm(self.number) })
    }

    async fn opened(&self, promise: &'static str) -> Result<Arc<dyn Store>, Broken> {
        let opened = (self.open)().await;
        opened.map_err(|error| Broken { promise, found: format!("it does not open: {error}") })
    }

    fn note(&mut self, promise: &'static str, kept: Result<(), String>) -> Result<(), Broken> {
        self.unbroken(promise, kept)?;
        self.report.kept.push(promise);
        Ok(())
    }

    fn unbroken<T>(&self, promise: &'static str, kept: Result<T, String>) -> Result<T, Broken> {
        kept.map_err(|found| Broken { promise, found })
    }
}
