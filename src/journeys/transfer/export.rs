//! Consents leave, sealed to a recipient.

use std::fmt;
use std::io::Write;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Item, Manifest, Transfer, aside};
use crate::error::Error;
use crate::journeys::tally::Tally;
use crate::model::consent::StoredConsent;
use crate::model::event::Event;
use crate::storage::ledger::{DamagedRecord, Held, LedgerError, plaintext};
use crate::storage::parcel::{ExportCode, LONGEST_FRAME, ParcelWriter, Recipient};
use crate::storage::seal::Destroyed;
use crate::storage::store::{Cursor, Kind, Selection};

/// An export about to be written: [`run`](Self::run) it.
///
/// Dropping it half way leaves an export that nobody can import to its end, and changes nothing
/// else.
#[must_use = "nothing is written before it runs"]
pub struct Export<'b> {
    desk: &'b Transfer,
    recipient: &'b Recipient,
    to: Box<dyn Write + Send>,
    progress: Box<dyn FnMut(&Exported) + Send + 'b>,
}

/// What an export holds.
#[derive(Debug, Clone)]
pub struct Exported {
    code: ExportCode,
    consents: u64,
    tombstones: u64,
    left_out: Tally<DamagedRecord>,
}

impl Exported {
    /// Its code: tell it to the recipient by another way than the export itself.
    #[must_use]
    pub const fn code(&self) -> &ExportCode {
        &self.code
    }

    /// How many consents it holds.
    #[must_use]
    pub const fn consents(&self) -> u64 {
        self.consents
    }

    /// How many partners it says were withdrawn, or their keys destroyed.
    #[must_use]
    pub const fn tombstones(&self) -> u64 {
        self.tombstones
    }

    /// What is not in it, since its record is damaged: the first thousand. A damaged key with no
    /// consent beside it may hold the memory of a shredding.
    #[must_use]
    pub fn left_out(&self) -> &[DamagedRecord] {
        self.left_out.first()
    }

    /// How many are not in it.
    #[must_use]
    pub const fn left_out_in_all(&self) -> u64 {
        self.left_out.count()
    }

    fn begun(code: ExportCode) -> Self {
        Self { code, consents: 0, tombstones: 0, left_out: Tally::default() }
    }

    fn note(&mut self, item: &Item) {
        match item {
            Item::Consent(stored) if !stored.consent.is_withdrawn() => self.consents += 1,
            _ => self.tombstones += 1,
        }
    }
}

impl<'b> Export<'b> {
    pub(crate) fn new(
        desk: &'b Transfer,
        recipient: &'b Recipient,
        to: impl Write + Send + 'static,
    ) -> Self {
        Self { desk, recipient, to: Box::new(to), progress: Box::new(|_| {}) }
    }

    /// Told after each page of consents.
    pub fn progress(mut self, told: impl FnMut(&Exported) + Send + 'b) -> Self {
        self.progress = Box::new(told);
        self
    }

    /// Writes the export, page by page.
    ///
    /// Consents that change while it is written are in it as they were before or after.
    ///
    /// # Errors
    /// [`Error::Transfer`] when it cannot be written; [`Error::Store`] and [`Error::Key`] when no
    /// consent can be read, never because of one that is damaged.
    pub async fn run(mut self) -> Result<Exported, Error> {
        let (writer, code) =
            ParcelWriter::begin(self.to, self.recipient).map_err(LedgerError::from)?;
        let manifest = Manifest { realm: self.desk.ledger.realm().parts().clone() };
        let mut writer = written(writer, plaintext(&manifest), false).await?;
        let (mut exported, mut place) = (Exported::begun(code), Some(Place::Consents(None)));
        while let Some(here) = place {
            let (items, next) = self.desk.page(here, &mut exported).await?;
            let mut frames = frames(&items).into_iter().peekable();
            while let Some(text) = frames.next() {
                let last = next.is_none() && frames.peek().is_none();
                writer = written(writer, text, last).await?;
            }
            (self.progress)(&exported);
            place = next;
        }
        let (consents, tombstones) = (exported.consents, exported.tombstones);
        self.desk.observers.tell(&Event::ConsentsExported { consents, tombstones });
        Ok(exported)
    }
}

impl fmt::Debug for Export<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Export").field("recipient", self.recipient).finish_non_exhaustive()
    }
}

/// How far an export is: first the consents, then those of whom only a key remembers that they were
/// let go.
enum Place {
    Consents(Option<Cursor>),
    Departed(Option<Cursor>),
}

impl Transfer {
    async fn page(
        &self,
        place: Place,
        exported: &mut Exported,
    ) -> Result<(Vec<Item>, Option<Place>), LedgerError> {
        match place {
            Place::Consents(cursor) => {
                let (items, next) = self.consents(cursor, exported).await?;
                let next = next.map_or(Place::Departed(None), |next| Place::Consents(Some(next)));
                Ok((items, Some(next)))
            }
            Place::Departed(cursor) => {
                let (items, next) = self.departed(cursor, exported).await?;
                Ok((items, next.map(|next| Place::Departed(Some(next)))))
            }
        }
    }

    async fn departed(
        &self,
        cursor: Option<Cursor>,
        exported: &mut Exported,
    ) -> Result<(Vec<Item>, Option<Cursor>), LedgerError> {
        let departed = self.ledger.departed(cursor, KEYS).await?;
        let mut items = Vec::new();
        for one in departed.partners {
            match one {
                Ok((partner, Destroyed { generation, at })) => {
                    let item = Item::Shredded { partner, generation, at };
                    exported.note(&item);
                    items.push(item);
                }
                Err(error) => exported.left_out.note(unreadable(Kind::PartnerKey, error)?),
            }
        }
        Ok((items, departed.next))
    }

    async fn consents(
        &self,
        cursor: Option<Cursor>,
        exported: &mut Exported,
    ) -> Result<(Vec<Item>, Option<Cursor>), LedgerError> {
        let listing = self.ledger.list::<StoredConsent>(Selection::All, cursor, PAGE).await?;
        let mut items = Vec::with_capacity(listing.records.len());
        for held in listing.records {
            let item = match held {
                Ok(Held { record, .. }) => Item::Consent(Box::new(record.for_export())),
                Err(LedgerError::Shredded { partner, generation, at }) => {
                    Item::Shredded { partner, generation, at }
                }
                Err(error) => {
                    exported.left_out.note(unreadable(Kind::Consent, error)?);
                    continue;
                }
            };
            exported.note(&item);
            items.push(item);
        }
        Ok((items, listing.next))
    }
}

/// The consent or key that this error is about; the error itself, if it is about none in particular.
pub(crate) fn unreadable(kind: Kind, error: LedgerError) -> Result<DamagedRecord, LedgerError> {
    let (partner, id) = match &error {
        LedgerError::Damaged { partner, id, .. } => (*partner, id.clone()),
        LedgerError::Key { partner: Some(partner), .. } => (Some(*partner), partner.to_string()),
        _ => return Err(error),
    };
    DamagedRecord::of(kind, partner, &id, error)
}

/// The items as a frame, or as several where one would be longer than any reader takes.
fn frames<T: Serialize>(items: &[T]) -> Vec<Zeroizing<Vec<u8>>> {
    let text = plaintext(&items);
    if text.len() <= LONGEST_FRAME || items.len() < 2 {
        return vec![text];
    }
    let (first, rest) = items.split_at(items.len() / 2);
    [first, rest].into_iter().flat_map(frames).collect()
}

async fn written(
    writer: ParcelWriter,
    text: Zeroizing<Vec<u8>>,
    last: bool,
) -> Result<ParcelWriter, Error> {
    let (writer, written) = aside(writer, move |writer| writer.write(text, last)).await?;
    written?;
    Ok(writer)
}

/// Consents read at once. A refresh token has some kilobytes, so one frame mostly holds them.
const PAGE: usize = 64;
/// Partner keys read at once, of which few remember anything.
const KEYS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_frame_is_longer_than_its_reader_takes() {
        let items: Vec<String> =
            (0..PAGE).map(|number| number.to_string().repeat(200_000)).collect();
        let frames = frames(&items);
        assert!(frames.len() > 1 && frames.iter().all(|text| text.len() <= LONGEST_FRAME));
        let read = frames
            .iter()
            .flat_map(|text| -> Vec<String> { serde_json::from_slice(text).expect("a list") });
        assert!(read.eq(items), "all of them, in their order");
    }

    #[test]
    fn what_fits_is_one_frame_also_when_it_is_nothing() {
        for items in [vec![], vec!["a", "b"]] {
            assert_eq!(frames(&items).len(), 1);
        }
    }
}
