//! Which records do not open.

use std::fmt;

use crate::error::Error;
use crate::journeys::tally::Tally;
use crate::model::consent::StoredConsent;
use crate::model::freeze::Freeze;
use crate::storage::ledger::{DamagedRecord, Ledger, LedgerError, Record};
use crate::storage::receipts::EntryRecord;
use crate::storage::seal::Opened;
use crate::storage::store::{Kind, StoreError};

/// A look at every record of a broker's realm: [`run`](Self::run) it.
///
/// Nothing is written. It can be dropped at any time.
#[must_use = "nothing is read before it runs"]
pub struct Scan<'b> {
    ledger: &'b Ledger,
    progress: Box<dyn FnMut(&Scanned) + Send + 'b>,
    damaged: Box<dyn FnMut(&DamagedRecord) + Send + 'b>,
}

/// What a scan has found.
#[derive(Debug, Clone, Default)]
pub struct Scanned {
    records: u64,
    damaged: Tally<DamagedRecord>,
    unlisted: Vec<(Kind, StoreError)>,
}

impl Scanned {
    /// How many records were looked at.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Those that do not open: the first thousand. [`Scan::each_damaged`] is told of all.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedRecord] {
        self.damaged.first()
    }

    /// How many do not open.
    #[must_use]
    pub const fn damaged_in_all(&self) -> u64 {
        self.damaged.count()
    }

    /// The kinds that the store could not list to their end, and what it said: its own index is
    /// damaged. Their records may well be served one by one.
    #[must_use]
    pub fn unlisted(&self) -> &[(Kind, StoreError)] {
        &self.unlisted
    }

    /// Whether all could be looked at, and all opened.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged_in_all() == 0 && self.unlisted.is_empty()
    }
}

impl<'b> Scan<'b> {
    pub(crate) fn new(ledger: &'b Ledger) -> Self {
        Self { ledger, progress: Box::new(|_| {}), damaged: Box::new(|_| {}) }
    }

    /// Told after each page of records.
    pub fn progress(mut self, told: impl FnMut(&Scanned) + Send + 'b) -> Self {
        self.progress = Box::new(told);
        self
    }

    /// Told of each damaged record.
    pub fn each_damaged(mut self, told: impl FnMut(&DamagedRecord) + Send + 'b) -> Self {
        self.damaged = Box::new(told);
        self
    }

    /// Opens every record, page by page.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::Key`] when no record could be looked at, never because of one.
    pub async fn run(mut self) -> Result<Scanned, Error> {
        let mut scanned = Scanned::default();
        for kind in Kind::ALL {
            match self.scan(kind, &mut scanned).await {
                Err(LedgerError::Store(error @ StoreError::Damaged { .. })) => {
                    scanned.unlisted.push((kind, error));
                }
                ended => ended?,
            }
        }
        Ok(scanned)
    }

    async fn scan(&mut self, kind: Kind, scanned: &mut Scanned) -> Result<(), LedgerError> {
        let mut cursor = None;
        loop {
            let examined = self.ledger.examine(kind, cursor, PAGE, fits).await?;
            scanned.records += examined.sound + examined.damaged.len() as u64;
            for record in examined.damaged {
                (self.damaged)(&record);
                scanned.damaged.note(record);
            }
            (self.progress)(scanned);
            cursor = examined.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for Scan<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Scan").field("ledger", self.ledger).finish_non_exhaustive()
    }
}

/// The working kinds are read where they are used; a consent and a receipt must be one for years, and
/// a freeze that is none stops everybody.
fn fits(kind: Kind, opened: &Opened) -> bool {
    match kind {
        Kind::Consent => is_a::<StoredConsent>(opened),
        Kind::Freeze => is_a::<Freeze>(opened),
        Kind::Receipt => is_a::<EntryRecord>(opened),
        _ => true,
    }
}

fn is_a<R: Record>(opened: &Opened) -> bool {
    serde_json::from_slice::<R>(&opened.plaintext)
        .is_ok_and(|record| record.generation() == opened.generation)
}

/// Records read at once.
const PAGE: usize = 256;
