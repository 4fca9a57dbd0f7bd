//! From a note to a receipt in the chain.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::checkpoint::{ChainText, Checkpoint, CheckpointText, PlaceText};
use super::line::{Receipt, Text};
use super::{Notary, Receipts};
use crate::error::Error;
use crate::model::consent::{ConsentState, StoredConsent};
use crate::model::event::Event;
use crate::model::invalid::Invalid;
use crate::model::receipt::{Chain, ConsentChange, Note, Personal, hex, unhex_all};
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, LedgerError, Part, plaintext};
use crate::storage::receipts::{EntryRecord, ReceiptSigner, signed_by};
use crate::storage::seal::{Damage, Sealed};
use crate::storage::store::Selection;

impl Notary {
    /// The consent as it is to be written, with a note of what it has become. Notes whose receipts are
    /// seen to be written leave it.
    pub(crate) async fn noted(
        &self,
        mut next: StoredConsent,
        change: ConsentChange,
    ) -> StoredConsent {
        if self.signer.is_some() {
            let partner = next.consent.partner;
            if let Err(error) = self.look(partner, &mut next.chain).await {
                tracing::debug!(%error, "which receipts are written is not known");
            }
            next.noting(change, self.clock.now());
        }
        next.fitting(self.clock.now())
    }

    /// The same for a move from one state to another, if that is one to be proven.
    pub(crate) async fn moved(&self, before: &ConsentState, next: StoredConsent) -> StoredConsent {
        match before.change_to(&next.consent.state) {
            Some(change) => self.noted(next, change).await,
            None => next.fitting(self.clock.now()),
        }
    }

    /// Writes the receipts that wait in a consent that was stored. What cannot be written goes on
    /// waiting there.
    pub(crate) async fn enter(&self, stored: &StoredConsent) {
        let partner = stored.consent.partner;
        if self.signer.is_none() || stored.chain.waiting.is_empty() {
            return;
        }
        let written = self.write(partner, stored.chain.clone()).await;
        self.settle(partner, written.map(drop));
    }

    /// The same while the caller goes on: no token waits for a receipt.
    pub(crate) fn enter_soon(&self, stored: &StoredConsent) {
        if self.signer.is_some() && !stored.chain.waiting.is_empty() {
            let (desk, stored) = (self.clone(), stored.clone());
            tokio::spawn(async move { desk.enter(&stored).await });
        }
    }

    /// Writes whatever waits for the partner: in its consent, or as the mark of its destroyed key.
    pub(crate) async fn enter_all_of(&self, partner: TenantId) -> Result<(), Error> {
        if self.signer.is_none() {
            return Ok(());
        }
        match self.ledger.consent(partner).await {
            Ok(None) => self.write_mark(partner).await,
            read => self.enter_read(read).await,
        }
    }

    /// Writes the receipt of a shredding whose mark stands. If that cannot be done, the mark waits.
    pub(crate) async fn enter_mark(&self, partner: TenantId) {
        if self.signer.is_some() {
            self.settle(partner, self.write_mark(partner).await);
        }
    }

    /// The same before the mark goes: where its receipt cannot be written yet, it must stay. One behind a
    /// damaged record can never be.
    pub(crate) async fn enter_mark_first(&self, partner: TenantId) -> Result<(), Error> {
        if self.signer.is_none() {
            return Ok(());
        }
        match self.write_mark(partner).await {
            Err(error @ (Error::Damaged { .. } | Error::Key { partner: Some(_), .. })) => {
                self.settle(partner, Err(error));
                Ok(())
            }
            written => written,
        }
    }

    async fn write_mark(&self, partner: TenantId) -> Result<(), Error> {
        match self.ledger.mark_of(partner).await? {
            Some(mark) => self.enter_shredding(partner, mark.generation, mark.at).await,
            None => Ok(()),
        }
    }

    fn settle(&self, partner: TenantId, written: Result<(), Error>) {
        if let Err(error) = written {
            tracing::warn!(%error, "a receipt waits to be written");
            self.observers.tell(&Event::ReceiptWaiting { partner });
        }
    }

    /// A receipt for the destruction of the partner's key, once. The mark stands before it is written,
    /// so it says nothing that has not happened.
    async fn enter_shredding(
        &self,
        partner: TenantId,
        generation: u64,
        at: SystemTime,
    ) -> Result<(), Error> {
        let mut chain = Chain::default();
        chain.note(Note::of_shredding(generation, at));
        self.write(partner, chain).await.map(drop)
    }

    /// The partner's receipts, with those that waited.
    pub(crate) async fn receipts(&self, partner: TenantId) -> Result<Receipts, Error> {
        self.enter_all_of(partner).await?;
        let (mut receipts, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.ledger.receipts(Some(partner), cursor).await?;
            for (_, read) in page.entries {
                let Held { record, .. } = read?;
                let person = self.person(&record).await?;
                receipts.push(Receipt::stored(record, person)?);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(receipts.into());
            }
        }
    }

    /// Writes what waits for anybody, and signs where every chain stands then.
    pub(crate) async fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let signer = self.signer()?;
        self.enter_everything().await?;
        let (at, key) = (self.clock.now(), signer.public().id().as_str());
        let (chains, unreadable) = self.heads().await?;
        let text = CheckpointText::new(self.ledger.realm(), at, key, chains, unreadable);
        let signed = serde_json::to_string(&text).expect("plain structs are JSON");
        let signature = self.signature(signer, &signed).await?;
        Ok(Checkpoint::signed(text, signed, &signature))
    }

    pub(super) fn signer(&self) -> Result<&dyn ReceiptSigner, Invalid> {
        const EXPECTED: &str = "one, given by BrokerBuilder::receipts";
        let missing = || Invalid::new("receipt signer", "is missing", EXPECTED);
        self.signer.as_deref().ok_or_else(missing)
    }

    /// What is known of a person, as far as it opens.
    pub(super) async fn person(&self, entry: &EntryRecord) -> Result<Vec<Personal>, LedgerError> {
        let Some(sealed) = entry.person.as_deref().map(unhex_all) else { return Ok(Vec::new()) };
        let part = part(entry.partner, &entry.note);
        let sealed = Sealed::from_bytes(sealed.ok_or_else(|| part.damaged(Damage::Contents))?);
        match self.ledger.open_beside(&part, &sealed).await? {
            Some(opened) => serde_json::from_slice(&opened.plaintext)
                .map_err(|_| part.damaged(Damage::Contents)),
            None => Ok(Vec::new()),
        }
    }

    /// Writes a receipt for each note that waits, each in the first place that is free. Of several who
    /// do so at once one writes it, and the others find it.
    pub(super) async fn write(&self, partner: TenantId, mut chain: Chain) -> Result<Chain, Error> {
        let signer = self.signer()?;
        for _ in 0..MOST_WRITTEN {
            self.look(partner, &mut chain).await?;
            let Some(note) = chain.waiting.first() else { return Ok(chain) };
            let last = chain.head.as_ref();
            let realm = self.ledger.realm();
            let text = Text::after(last, note, partner, realm, signer.public().id().as_str());
            let entry = self.entry(signer, &text, note).await?;
            match self.ledger.insert(&entry).await {
                Ok(_) => chain.wrote(&entry.note, entry.head()),
                Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict)
    }

    async fn entry(
        &self,
        signer: &dyn ReceiptSigner,
        text: &Text,
        note: &Note,
    ) -> Result<EntryRecord, Error> {
        let signed = serde_json::to_string(text).expect("plain structs are JSON");
        let signature = self.signature(signer, &signed).await?;
        let person = self.sealed_person(text.partner, note).await?;
        Ok(text.entry(signed, &signature, person))
    }

    async fn signature(&self, signer: &dyn ReceiptSigner, text: &str) -> Result<[u8; 64], Error> {
        let signed = signed_by(signer, &*self.clock, text.as_bytes()).await;
        signed.map_err(|error| Error::Key { partner: None, error })
    }

    /// Nothing where the partner was shredded meanwhile.
    async fn sealed_person(
        &self,
        partner: TenantId,
        note: &Note,
    ) -> Result<Option<String>, LedgerError> {
        if note.person.is_empty() {
            return Ok(None);
        }
        let text = plaintext(&note.person);
        let part = part(partner, &note.id);
        let sealed = self.ledger.seal_beside(&part, note.generation, text).await?;
        Ok(sealed.map(|sealed| hex(sealed.as_bytes())))
    }

    /// Goes to the end of the chain, from where it was last seen to end.
    async fn look(&self, partner: TenantId, chain: &mut Chain) -> Result<(), LedgerError> {
        while let Some(Held { record, .. }) = self.ledger.receipt(partner, chain.next()).await? {
            chain.wrote(&record.note, record.head());
        }
        Ok(())
    }

    async fn enter_everything(&self) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let page = self.ledger.list::<StoredConsent>(Selection::All, cursor, PAGE).await?;
            for read in page.records {
                match self.enter_read(read.map(Some)).await {
                    // It is named; behind it nothing can be written until it is restored.
                    Err(Error::Damaged { kind: "receipt", .. }) => {}
                    written => written?,
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// A consent that does not open has nothing that could be written.
    async fn enter_read(
        &self,
        read: Result<Option<Held<StoredConsent>>, LedgerError>,
    ) -> Result<(), Error> {
        match read {
            Ok(Some(held)) if !held.record.chain.waiting.is_empty() => {
                let (partner, chain) = (held.record.consent.partner, held.record.chain);
                self.write(partner, chain).await.map(drop)
            }
            Ok(_) => Ok(()),
            Err(error) if error.is_of_one_record() => Ok(()),
            Err(LedgerError::Shredded { partner, generation, at }) => {
                self.enter_shredding(partner, generation, at).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The last receipt of every chain, of those that open; and the places of those that do not.
    async fn heads(&self) -> Result<(Vec<ChainText>, Vec<PlaceText>), Error> {
        let (mut heads, mut unreadable, mut cursor) = (BTreeMap::new(), Vec::new(), None);
        loop {
            let page = self.ledger.receipts(None, cursor).await?;
            for (at, read) in page.entries {
                match (at, read) {
                    (_, Ok(held)) => drop(heads.insert(held.record.partner, held.record.head())),
                    (Some(at), Err(LedgerError::Damaged { .. })) => unreadable.push(at.into()),
                    (_, Err(error)) => return Err(error.into()),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                let heads = heads.into_iter();
                let chains = heads.map(|(partner, head)| ChainText { partner, head });
                return Ok((chains.collect(), unreadable));
            }
        }
    }
}

const fn part(partner: TenantId, note: &str) -> Part<'_> {
    Part { what: "receipt person", partner, id: note }
}

/// Consents read at once.
const PAGE: usize = 64;
/// Far more than wait in one consent, even if every place is taken by another first.
const MOST_WRITTEN: usize = 256;
