//! Whether receipts are what was signed, all of it, and nothing else: a pure function of three texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::SystemTime;

use super::Receipts;
use super::checkpoint::{ChainText, Checkpoint};
use super::line::{NOTHING, RealmText, Receipt};
use crate::model::tenant::TenantId;
use crate::storage::receipts::ReceiptKeys;

/// What a verification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    receipts: usize,
    undisclosed: usize,
    findings: Vec<ReceiptFinding>,
}

impl Audit {
    /// Whether nothing was found. Erased persons are no finding.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[ReceiptFinding] {
        &self.findings
    }

    /// How many receipts hold.
    #[must_use]
    pub const fn receipts(&self) -> usize {
        self.receipts
    }

    /// How many of them know something of a person that is not beside them: it was erased, or left out
    /// of what was verified.
    #[must_use]
    pub const fn undisclosed(&self) -> usize {
        self.undisclosed
    }
}

/// What is wrong with receipts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptFinding {
    /// A line is no receipt as one is written.
    #[error("line {line} is no receipt")]
    Unreadable {
        /// Which, counted from 1.
        line: usize,
    },
    /// The signature is not one of this text: one of them was changed.
    #[error("{place} was altered, or is not signed by key {key}")]
    Altered {
        /// Which it says it is.
        place: ReceiptPlace,
        /// By whose key it says it is signed.
        key: String,
    },
    /// It is signed by a key that the verifier was not given.
    #[error("{place} is signed by key {key}, which is not among those given")]
    UnknownKey {
        /// Which it says it is.
        place: ReceiptPlace,
        /// By whose key it says it is signed.
        key: String,
    },
    /// It was made after its key was retired: by its own date, by that of a receipt before it in its
    /// chain, or since a checkpoint that is younger.
    #[error("{place} is signed by key {key} after that was retired")]
    RetiredKey {
        /// Which.
        place: ReceiptPlace,
        /// By which key.
        key: String,
    },
    /// Its key is retired, and it did not open when the checkpoint was made after that: nobody vouches that
    /// it is the one that lay there. An older checkpoint that knows it does.
    #[error(
        "{place} did not open when the checkpoint was made, and is signed by retired key {key}"
    )]
    Unvouched {
        /// Which.
        place: ReceiptPlace,
        /// By which key.
        key: String,
    },
    /// What stands beside it of a person is not what was signed for.
    #[error("{field} beside {place} is not what was signed for")]
    WrongPerson {
        /// Which.
        place: ReceiptPlace,
        /// Which field of the person's.
        field: String,
    },
    /// Receipts are missing before this one.
    #[error("receipts are missing before {place}: {missing}")]
    Gap {
        /// The one after the gap.
        place: ReceiptPlace,
        /// How many.
        missing: u64,
    },
    /// It does not follow the one that stands before it.
    #[error("{place} does not follow the one before it")]
    Unlinked {
        /// Which.
        place: ReceiptPlace,
    },
    /// Two receipts that hold have the same place, or the checkpoint knows another one there.
    #[error("there is another {place}")]
    Fork {
        /// Where they part.
        place: ReceiptPlace,
    },
    /// The checkpoint knows of more receipts.
    #[error("receipts are missing after {place}: {missing}")]
    TailMissing {
        /// The last that is there.
        place: ReceiptPlace,
        /// How many are missing at least.
        missing: u64,
    },
    /// It lay in the store when the checkpoint was made, and did not open; and it is not here.
    #[error("{place} did not open when the checkpoint was made, and is missing")]
    NotRestored {
        /// Which.
        place: ReceiptPlace,
    },
    /// The checkpoint knows of a chain that is not there.
    #[error("the chain of partner {partner} is missing; receipts in it, at least: {receipts}")]
    ChainMissing {
        /// Whose.
        partner: TenantId,
        /// How many receipts it had.
        receipts: u64,
    },
    /// The checkpoint is of another cloud, environment or application than a receipt.
    #[error("{place} is of another cloud, environment or application than the checkpoint")]
    OtherRealm {
        /// Which.
        place: ReceiptPlace,
    },
    /// The checkpoint itself does not hold: it was altered, or its key is not among those given, or was
    /// retired before. Nothing was compared with it.
    #[error("the checkpoint was altered, or is not signed by a key that could: {key}")]
    BadCheckpoint {
        /// By whose key it says it is signed.
        key: String,
    },
}

/// Where a receipt stands, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptPlace {
    /// Whose chain.
    pub partner: TenantId,
    /// Its number there.
    pub sequence: u64,
}

impl fmt::Display for ReceiptPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "receipt {} of partner {}", self.sequence, self.partner)
    }
}

/// One chain: realm, partner, and what sets it apart from others of the same.
type ChainName<'a> = (&'a RealmText, TenantId, &'a str);

/// A verification under way.
pub(super) struct Auditor<'a> {
    keys: &'a ReceiptKeys,
    /// One that holds.
    checkpoint: Option<&'a Checkpoint>,
    /// Where its chains end, by whose and which they are.
    heads: BTreeMap<(TenantId, &'a str), u64>,
    /// What did not open when it was made.
    unread: BTreeSet<(TenantId, u64)>,
    findings: Vec<ReceiptFinding>,
}

impl<'a> Auditor<'a> {
    pub(super) fn audit(
        receipts: &'a Receipts,
        keys: &'a ReceiptKeys,
        checkpoint: Option<&'a Checkpoint>,
    ) -> Audit {
        let (heads, unread) = (BTreeMap::new(), BTreeSet::new());
        let mut auditor = Self { keys, checkpoint: None, heads, unread, findings: Vec::new() };
        if let Some(checkpoint) = checkpoint.filter(|checkpoint| auditor.admits(checkpoint)) {
            auditor.compare_with(checkpoint);
        }
        let holding = auditor.holding(receipts);
        let chains = auditor.chains(&holding);
        for chain in chains.values() {
            auditor.check_chain(chain);
        }
        auditor.check_heads(&chains);
        let undisclosed = holding.iter().filter(|receipt| receipt.is_undisclosed()).count();
        Audit { receipts: holding.len(), undisclosed, findings: auditor.findings }
    }

    fn admits(&mut self, checkpoint: &Checkpoint) -> bool {
        let (text, envelope) = (&checkpoint.text, &checkpoint.envelope);
        let in_time = self.keys.retired(&text.key).is_none_or(|retired| text.at < retired);
        let signature = envelope.signature();
        let verifies =
            self.keys.find(&text.key).zip(signature).is_some_and(|(key, signature)| {
                key.verifies(envelope.signed.as_bytes(), &signature)
            });
        if !(in_time && verifies) {
            self.findings.push(ReceiptFinding::BadCheckpoint { key: text.key.clone() });
        }
        in_time && verifies
    }

    fn compare_with(&mut self, checkpoint: &'a Checkpoint) {
        let heads = checkpoint.expected();
        self.heads = heads
            .map(|chain| ((chain.partner, chain.head.chain.as_str()), chain.head.sequence))
            .collect();
        self.unread = checkpoint.unread().map(|lost| (lost.partner, lost.sequence)).collect();
        self.checkpoint = Some(checkpoint);
    }

    /// The receipts whose signatures hold.
    fn holding(&mut self, receipts: &'a Receipts) -> Vec<&'a Receipt> {
        let mut holding = Vec::new();
        for (number, line) in receipts.lines.iter().enumerate() {
            match line {
                Some(receipt) if self.holds(receipt) => holding.push(receipt),
                Some(_) => {}
                None => self.findings.push(ReceiptFinding::Unreadable { line: number + 1 }),
            }
        }
        holding
    }

    fn holds(&mut self, receipt: &Receipt) -> bool {
        let (place, key) = (place(receipt), receipt.key().to_owned());
        let Some(public) = self.keys.find(&key) else {
            self.findings.push(ReceiptFinding::UnknownKey { place, key });
            return false;
        };
        let signature = receipt.envelope.signature();
        if !signature.is_some_and(|sign| public.verifies(receipt.signed().as_bytes(), &sign)) {
            self.findings.push(ReceiptFinding::Altered { place, key });
            return false;
        }
        if let Some(field) = receipt.wrong_person() {
            let field = field.to_owned();
            self.findings.push(ReceiptFinding::WrongPerson { place, field });
        }
        true
    }

    /// In their order, each once.
    fn chains(&mut self, holding: &[&'a Receipt]) -> BTreeMap<ChainName<'a>, Vec<&'a Receipt>> {
        let mut chains: BTreeMap<ChainName<'a>, Vec<&'a Receipt>> = BTreeMap::new();
        for receipt in holding {
            let text = &receipt.text;
            let name = (&text.realm, text.partner, text.chain.as_str());
            chains.entry(name).or_default().push(receipt);
        }
        for chain in chains.values_mut() {
            chain.sort_by_key(|receipt| receipt.sequence());
            chain.dedup_by(|second, first| second.signed() == first.signed());
        }
        chains
    }

    fn check_chain(&mut self, chain: &[&Receipt]) {
        let mut last: Option<&Receipt> = None;
        let mut dates = Dates::new();
        for receipt in chain {
            self.check_link(last, receipt);
            self.check_retired(receipt, latest(&dates, receipt));
            self.check_realm(receipt);
            let newest = dates.entry(receipt.key()).or_insert(receipt.at());
            *newest = receipt.at().max(*newest);
            last = Some(receipt);
        }
    }

    fn check_link(&mut self, last: Option<&Receipt>, receipt: &Receipt) {
        let (number, place) = (last.map_or(0, Receipt::sequence), place(receipt));
        let previous = last.map_or_else(|| NOTHING.to_owned(), |last| last.head().hash);
        match receipt.sequence().checked_sub(number) {
            None | Some(0) => self.findings.push(ReceiptFinding::Fork { place }),
            Some(1) if receipt.text.previous != previous => {
                self.findings.push(ReceiptFinding::Unlinked { place });
            }
            Some(1) => {}
            Some(step) => self.findings.push(ReceiptFinding::Gap { place, missing: step - 1 }),
        }
    }

    /// Its own date says when it was made, and so does what it follows: whoever has a key that was
    /// retired can put any date, but not any place.
    fn check_retired(&mut self, receipt: &Receipt, latest: SystemTime) {
        let Some(retired) = self.keys.retired(receipt.key()) else { return };
        let (place, key) = (place(receipt), receipt.key().to_owned());
        if latest >= retired {
            self.findings.push(ReceiptFinding::RetiredKey { place, key });
        } else if self.is_beyond_checkpoint(receipt, retired) {
            let finding = match self.unread.contains(&(place.partner, place.sequence)) {
                true => ReceiptFinding::Unvouched { place, key },
                false => ReceiptFinding::RetiredKey { place, key },
            };
            self.findings.push(finding);
        }
    }

    /// Whether a checkpoint that is younger than the key's retirement does not know it.
    fn is_beyond_checkpoint(&self, receipt: &Receipt, retired: SystemTime) -> bool {
        let Some(checkpoint) = self.checkpoint.filter(|point| point.at() >= retired) else {
            return false;
        };
        let is_concerned = checkpoint.only.is_none_or(|only| only == receipt.partner());
        let chain = (receipt.partner(), receipt.text.chain.as_str());
        is_concerned && self.heads.get(&chain).is_none_or(|head| receipt.sequence() > *head)
    }

    fn check_realm(&mut self, receipt: &Receipt) {
        let other = |checkpoint: &Checkpoint| checkpoint.text.realm != receipt.text.realm;
        if self.checkpoint.is_some_and(other) {
            self.findings.push(ReceiptFinding::OtherRealm { place: place(receipt) });
        }
    }

    fn check_heads(&mut self, chains: &BTreeMap<ChainName<'_>, Vec<&Receipt>>) {
        let Some(checkpoint) = self.checkpoint else { return };
        for expected in checkpoint.expected() {
            let name = (&checkpoint.text.realm, expected.partner, expected.head.chain.as_str());
            let found = chains.get(&name).map_or(&[][..], Vec::as_slice);
            self.findings.extend(check_head(expected, found));
        }
        let here = self.places_of(chains);
        let lost =
            checkpoint.unread().filter(|lost| !here.contains(&(lost.partner, lost.sequence)));
        self.findings.extend(lost.map(|place| ReceiptFinding::NotRestored { place }));
    }

    /// The places that are taken in the chains that the checkpoint names, or in any of a partner of whom
    /// it names none.
    fn places_of(
        &self,
        chains: &BTreeMap<ChainName<'_>, Vec<&Receipt>>,
    ) -> BTreeSet<(TenantId, u64)> {
        let named: BTreeSet<TenantId> = self.heads.keys().map(|(partner, _)| *partner).collect();
        let counts = |(_, partner, chain): &ChainName<'_>| {
            self.heads.contains_key(&(*partner, *chain)) || !named.contains(partner)
        };
        let chains = chains.iter().filter(|(name, _)| counts(name));
        let receipts = chains.flat_map(|(_, chain)| chain);
        receipts.map(|receipt| (receipt.partner(), receipt.sequence())).collect()
    }
}

/// The latest date that each key has put so far.
type Dates<'a> = BTreeMap<&'a str, SystemTime>;

/// The latest date of what this receipt follows, and its own. Others of its own key do not count: a
/// clock that was far ahead once would make all that come after it too late.
fn latest(dates: &Dates<'_>, receipt: &Receipt) -> SystemTime {
    let others = dates.iter().filter(|(key, _)| **key != receipt.key());
    others.map(|(_, at)| *at).fold(receipt.at(), SystemTime::max)
}

fn check_head(expected: &ChainText, found: &[&Receipt]) -> Option<ReceiptFinding> {
    let (partner, head) = (expected.partner, &expected.head);
    let Some(last) = found.last() else {
        return Some(ReceiptFinding::ChainMissing { partner, receipts: head.sequence });
    };
    if last.sequence() < head.sequence {
        let missing = head.sequence - last.sequence();
        return Some(ReceiptFinding::TailMissing { place: place(last), missing });
    }
    let there: BTreeSet<_> = found
        .iter()
        .filter(|receipt| receipt.sequence() == head.sequence)
        .map(|receipt| receipt.head().hash)
        .collect();
    let is_other = !there.is_empty() && !there.contains(&head.hash);
    let place = ReceiptPlace { partner, sequence: head.sequence };
    is_other.then_some(ReceiptFinding::Fork { place })
}

const fn place(receipt: &Receipt) -> ReceiptPlace {
    ReceiptPlace { partner: receipt.partner(), sequence: receipt.sequence() }
}
