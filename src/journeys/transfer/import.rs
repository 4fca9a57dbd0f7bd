//! Consents arrive, to be proven.

use std::fmt;
use std::io::Read;

use tokio::task::{JoinError, JoinSet};

use super::verdict::{KeptBecause, Next, judge};
use super::{Item, Manifest, Transfer, aside};
use crate::error::Error;
use crate::journeys::lasting::lasting;
use crate::journeys::tally::Tally;
use crate::model::consent::{Consent, ConsentState, StoredConsent};
use crate::model::event::Event;
use crate::model::receipt::ConsentChange;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, LedgerError};
use crate::storage::parcel::{ExportCode, ParcelHead, ParcelReader, RecipientKey, TransferError};
use crate::storage::seal::Destroyed;

/// An import about to be made: [`run`](Self::run) it.
///
/// It may be dropped half way and begun anew: what was taken stays, and is not taken twice.
#[must_use = "nothing is imported before it runs"]
pub struct Import<'b> {
    desk: &'b Transfer,
    key: &'b RecipientKey,
    code: &'b ExportCode,
    from: Box<dyn Read + Send>,
    each: Box<dyn FnMut(TenantId, ImportOutcome, &Imported) + Send + 'b>,
}

/// What became of one partner of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportOutcome {
    /// Its consent was taken over and is unproven until it has worked once.
    Taken,
    /// Its tombstone was taken over: it is withdrawn here too.
    Withdrawn,
    /// What is here stays as it is.
    KeptBack(KeptBecause),
}

/// A partner that stays as it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptBack {
    /// The partner.
    pub partner: TenantId,
    /// Why.
    pub because: KeptBecause,
}

impl fmt::Display for KeptBack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "partner {}: {}", self.partner, self.because)
    }
}

/// What an import has done.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    taken: Tally<TenantId>,
    withdrawn: Tally<TenantId>,
    kept_back: Tally<KeptBack>,
}

impl Imported {
    /// How many consents were taken over.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken.count()
    }

    /// Whose they are: the first thousand. [`Import::each`] is told of all.
    #[must_use]
    pub fn first_taken(&self) -> &[TenantId] {
        self.taken.first()
    }

    /// How many tombstones were taken over.
    #[must_use]
    pub const fn withdrawn(&self) -> u64 {
        self.withdrawn.count()
    }

    /// Whose they are: the first thousand.
    #[must_use]
    pub fn first_withdrawn(&self) -> &[TenantId] {
        self.withdrawn.first()
    }

    /// The partners that stay as they are here, and why: the first thousand.
    #[must_use]
    pub fn kept_back(&self) -> &[KeptBack] {
        self.kept_back.first()
    }

    /// How many stay as they are here.
    #[must_use]
    pub const fn kept_back_in_all(&self) -> u64 {
        self.kept_back.count()
    }

    fn note(&mut self, partner: TenantId, outcome: ImportOutcome) {
        match outcome {
            ImportOutcome::Taken => self.taken.note(partner),
            ImportOutcome::Withdrawn => self.withdrawn.note(partner),
            ImportOutcome::KeptBack(because) => self.kept_back.note(KeptBack { partner, because }),
        }
    }
}

impl<'b> Import<'b> {
    pub(crate) fn new(
        desk: &'b Transfer,
        key: &'b RecipientKey,
        code: &'b ExportCode,
        from: impl Read + Send + 'static,
    ) -> Self {
        Self { desk, key, code, from: Box::new(from), each: Box::new(|_, _, _| {}) }
    }

    /// Told of each partner, what became of it, and how far the import is.
    pub fn each(
        mut self,
        told: impl FnMut(TenantId, ImportOutcome, &Imported) + Send + 'b,
    ) -> Self {
        self.each = Box::new(told);
        self
    }

    /// Takes over what is newer than what is here, frame by frame.
    ///
    /// # Errors
    /// [`Error::Transfer`]: another key, another code, no export, another cloud, environment or
    /// application, and nothing was written; changed or cut, and only what came before was taken.
    /// [`Error::Store`] and [`Error::Key`]: import it again, and it goes on from there.
    pub async fn run(mut self) -> Result<Imported, Error> {
        let (from, head) = aside(self.from, |from| ParcelHead::read(&mut **from)).await?;
        let mut parcel = ParcelReader::begin(from, head?, self.key, self.code)?;
        let (mut imported, mut begun) = (Imported::default(), false);
        loop {
            let (reader, frame) = aside(parcel, ParcelReader::next).await?;
            let Some(text) = frame? else { return Ok(imported) };
            let frame = reader.frames() - 1;
            let unknown = |_| TransferError::Contents { frame };
            parcel = reader;
            if !begun {
                begun = true;
                let manifest: Manifest = serde_json::from_slice(&text).map_err(unknown)?;
                self.desk.check(&manifest)?;
                continue;
            }
            let items: Vec<Item> = serde_json::from_slice(&text).map_err(unknown)?;
            self.desk.take_all(items, &mut imported, &mut *self.each).await?;
        }
    }
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Import").field("desk", self.desk).finish_non_exhaustive()
    }
}

type Taken = Result<(TenantId, ImportOutcome), Error>;

impl Transfer {
    fn check(&self, manifest: &Manifest) -> Result<(), TransferError> {
        let own = self.ledger.realm().parts();
        if manifest.realm == *own {
            return Ok(());
        }
        if !manifest.is_plain() {
            return Err(TransferError::Contents { frame: 0 });
        }
        let (found, own) = (manifest.realm.join(" "), own.join(" "));
        Err(TransferError::OtherRealm { found, own })
    }

    /// Side by side: stores put writes that arrive together into one commit.
    async fn take_all(
        &self,
        items: Vec<Item>,
        imported: &mut Imported,
        each: &mut (dyn FnMut(TenantId, ImportOutcome, &Imported) + Send),
    ) -> Result<(), Error> {
        let mut under_way = JoinSet::new();
        for item in items {
            under_way.spawn(lasting(self.clone().take(item)));
        }
        while let Some(taken) = under_way.join_next().await {
            let (partner, outcome) = landed(taken)?;
            imported.note(partner, outcome);
            each(partner, outcome, imported);
        }
        Ok(())
    }

    async fn take(self, item: Item) -> Taken {
        let partner = match &item {
            Item::Consent(theirs) => theirs.consent.partner,
            Item::Shredded { partner, .. } => *partner,
        };
        if !item.is_plausible(self.clock.now()) {
            return Ok((partner, ImportOutcome::KeptBack(KeptBecause::Implausible)));
        }
        for _ in 0..TRIES {
            let outcome = match self.try_take(partner, &item).await {
                Err(LedgerError::Conflict) => continue,
                Err(LedgerError::Damaged { .. }) => {
                    ImportOutcome::KeptBack(KeptBecause::DamagedHere)
                }
                Err(LedgerError::Shredded { .. }) => self.add_to_mark(partner, &item).await?,
                outcome => outcome?,
            };
            return Ok((partner, outcome));
        }
        Err(Error::Conflict)
    }

    async fn try_take(&self, partner: TenantId, item: &Item) -> Result<ImportOutcome, LedgerError> {
        let ours = self.ledger.consent(partner).await?;
        let standing = ours.as_ref().map(|held| &held.record);
        let let_go = self.ledger.last_let_go(partner).await?;
        let next = match judge(item, standing, let_go, &self.admission.policies, self.clock.now()) {
            Ok(Next::Record(next)) if self.admits(&next.consent) => *next,
            Ok(Next::Record(_)) => return Ok(ImportOutcome::KeptBack(KeptBecause::PolicyHere)),
            Ok(Next::Memory(mark)) => return self.remember(partner, mark).await,
            Err(why) => {
                self.note_withdrawal(standing).await?;
                return Ok(ImportOutcome::KeptBack(why));
            }
        };
        let next = self.noted(standing, next).await;
        let written = match &ours {
            None => self.ledger.insert(&next).await,
            Some(held) => self.ledger.replace(&next, held.revision).await,
        };
        self.standings.forget(partner); // also after a write of which nothing is known
        written?;
        self.note_withdrawal(Some(&next)).await?;
        self.notary.enter(&next).await;
        Ok(self.settled(ours, next))
    }

    /// The chain is this store's own, whatever lay in the export.
    async fn noted(&self, ours: Option<&StoredConsent>, mut next: StoredConsent) -> StoredConsent {
        next.chain = ours.map(|ours| ours.chain.clone()).unwrap_or_default();
        let was_withdrawn = ours.is_some_and(|ours| ours.consent.is_withdrawn());
        let change = match next.consent.is_withdrawn() {
            true if was_withdrawn => return next,
            true => ConsentChange::Withdrawn,
            false => {
                let note = self.admission.note(&next.consent, self.clock.now());
                ConsentChange::Imported(next.consent.granted(note))
            }
        };
        self.notary.noted(next, change).await
    }

    /// Whoever is let go is let go here too, whatever the policy.
    fn admits(&self, consent: &Consent) -> bool {
        if consent.is_withdrawn() {
            return true;
        }
        let admitted = self.admission.check(consent);
        if let Err(refused) = &admitted {
            let (partner, refused) = (Some(consent.partner), refused.clone());
            self.observers.tell(&Event::ConsentRefused { partner, refused });
        }
        admitted.is_ok()
    }

    async fn remember(
        &self,
        partner: TenantId,
        mark: Destroyed,
    ) -> Result<ImportOutcome, LedgerError> {
        if !self.ledger.note_shredding(partner, mark).await? {
            return Ok(ImportOutcome::KeptBack(KeptBecause::HereAlready));
        }
        let (generation, to) = (mark.generation, ConsentState::Withdrawn { at: mark.at });
        self.observers.tell(&Event::ConsentImported { partner, generation, from: None, to });
        Ok(ImportOutcome::Withdrawn)
    }

    /// A partner that was shredded here stays so, and is known to have been let go there, too.
    async fn add_to_mark(&self, partner: TenantId, item: &Item) -> Result<ImportOutcome, Error> {
        if let Some(let_go) = item.let_go() {
            self.ledger.note_shredding(partner, let_go).await?;
        }
        Ok(ImportOutcome::KeptBack(KeptBecause::ShreddedHere))
    }

    /// Also of a tombstone that stood before: the process that put it there may have ended between
    /// the two writes.
    async fn note_withdrawal(&self, stored: Option<&StoredConsent>) -> Result<(), LedgerError> {
        match stored.filter(|stored| stored.consent.is_withdrawn()) {
            Some(tombstone) => self.ledger.note_withdrawal(tombstone).await,
            None => Ok(()),
        }
    }

    fn settled(&self, before: Option<Held<StoredConsent>>, next: StoredConsent) -> ImportOutcome {
        let consent = next.consent;
        let partner = consent.partner;
        let (generation, to) = (consent.generation, consent.state.clone());
        let from = before.map(|held| held.record.consent.state);
        self.observers.tell(&Event::ConsentImported { partner, generation, from, to });
        match consent.is_withdrawn() {
            true => ImportOutcome::Withdrawn,
            false => ImportOutcome::Taken,
        }
    }
}

fn landed(taken: Result<Taken, JoinError>) -> Taken {
    taken.map_err(|_| Error::Defect("an import's write panicked"))?
}

/// A writer who loses this often gives up.
const TRIES: usize = 8;
