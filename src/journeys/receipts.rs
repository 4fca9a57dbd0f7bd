//! Receipts: what became of each consent, signed and chained, so that it can be proven without us.
//!
//! A change and its note are one write. From the note a receipt is made: it names the one before it,
//! is signed, and is put where none is yet, so whoever comes second finds it and goes on from there.
//! A process that dies in between leaves the note; the next one that looks writes the receipt.

mod audit;
mod checkpoint;
mod entering;
mod erasing;
mod line;

use std::io::{self, Write};
use std::sync::Arc;

use self::audit::Auditor;
pub use self::audit::{Audit, ReceiptFinding, ReceiptPlace};
pub use self::checkpoint::Checkpoint;
pub use self::line::Receipt;
use crate::model::clock::Clock;
use crate::model::event::Observers;
use crate::storage::ledger::Ledger;
use crate::storage::receipts::{ReceiptKeys, ReceiptSigner};

/// Writes receipts, where there is somebody to sign them. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Notary {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observers: Observers,
    pub(crate) signer: Option<Arc<dyn ReceiptSigner>>,
}

/// Receipts of one partner or of many, from a broker or from a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Nothing for a line that is none.
    lines: Vec<Option<Receipt>>,
}

impl Receipts {
    /// Reads what [`write_to`](Self::write_to) wrote, whoever had it since: what is no receipt is found
    /// when it is [verified](Self::verify).
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.is_empty() {
            return Self::default();
        }
        let mut lines: Vec<_> = whole.split(|byte| *byte == b'\n').map(Receipt::read).collect();
        if whole.len() == bytes.len() {
            lines.push(None); // the last line has no end: something was cut off, or changed
        }
        Self { lines }
    }

    /// Writes one line for each: JSON, ended by a line feed. Several may be written one after the
    /// other into one file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_to(&self, mut to: impl Write) -> io::Result<()> {
        for receipt in self.iter() {
            writeln!(to, "{}", receipt.to_line())?;
        }
        to.flush()
    }

    /// Each receipt that could be read.
    pub fn iter(&self) -> impl Iterator<Item = &Receipt> {
        self.lines.iter().flatten()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Verifies them, without a broker or a store: each signature, each link of each chain, what stands
    /// beside them of persons, and that nothing is missing which the checkpoint knows of.
    ///
    /// Without a checkpoint a missing tail, or a chain that is missing as a whole, does not show. Whoever
    /// verifies one partner's receipts alone gives [`Checkpoint::only`] that partner.
    #[must_use]
    pub fn verify(&self, keys: &ReceiptKeys, checkpoint: Option<&Checkpoint>) -> Audit {
        Auditor::audit(self, keys, checkpoint)
    }
}

impl Extend<Self> for Receipts {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, others: I) {
        self.lines.extend(others.into_iter().flat_map(|other| other.lines));
    }
}

impl From<Vec<Receipt>> for Receipts {
    fn from(receipts: Vec<Receipt>) -> Self {
        Self { lines: receipts.into_iter().map(Some).collect() }
    }
}

#[cfg(test)]
mod tests;
