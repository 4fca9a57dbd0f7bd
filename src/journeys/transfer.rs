//! From one store to another: consents leave sealed to a recipient, and arrive to be proven.
//!
//! An export holds every consent with its refresh token, and every tombstone. What is taken over by
//! an import is never more than the receiving side would take itself: its own policy is asked,
//! nothing newer is overwritten, nobody who was let go comes back, and each consent is unproven until
//! it has worked once.

mod admission;
mod export;
mod import;
mod plausible;
mod verdict;

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::journeys::receipts::Notary;
use crate::journeys::standing::Standings;
use crate::model::clock::{Clock, as_seconds};
use crate::model::consent::StoredConsent;
use crate::model::event::Observers;
use crate::model::tenant::TenantId;
use crate::storage::ledger::Ledger;
use crate::storage::parcel::ParcelError;
use crate::storage::seal::Destroyed;

pub(crate) use admission::Admission;
pub(crate) use export::unreadable;
pub use export::{Export, Exported};
pub use import::{Import, ImportOutcome, Imported, KeptBack};
pub use verdict::KeptBecause;

/// The removal desk of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) standings: Arc<Standings>,
    pub(crate) notary: Notary,
    pub(crate) observers: Observers,
}

/// The first frame of an export: what it is of.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Cloud, login origin, environment, application.
    realm: [String; 4],
}

/// The other frames hold lists of these.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Item {
    /// A consent, or its tombstone.
    Consent(Box<StoredConsent>),
    /// A partner whose key was destroyed: no more is known of it.
    Shredded {
        partner: TenantId,
        /// The last generation that was destroyed.
        generation: u64,
        #[serde(with = "as_seconds")]
        at: SystemTime,
    },
}

impl Item {
    /// When the partner was let go there, if it was.
    fn let_go(&self) -> Option<Destroyed> {
        match self {
            Self::Consent(theirs) => Destroyed::told_by(&theirs.consent),
            Self::Shredded { generation, at, .. } => {
                Some(Destroyed { generation: *generation, at: *at })
            }
        }
    }
}

/// Lets `work` have `thing` on a thread where it may block, and gives both back.
async fn aside<T, R>(
    mut thing: T,
    work: impl FnOnce(&mut T) -> R + Send + 'static,
) -> Result<(T, R), Error>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let ran = tokio::task::spawn_blocking(move || {
        let done = work(&mut thing);
        (thing, done)
    });
    ran.await.map_err(|stopped| match stopped.is_panic() {
        true => Error::Defect("the host's reader or writer panicked"),
        false => Error::Closed,
    })
}

impl From<ParcelError> for Error {
    fn from(error: ParcelError) -> Self {
        match error {
            ParcelError::Transfer(error) => error.into(),
            ParcelError::Key(error) => Self::Key { partner: None, error },
        }
    }
}
