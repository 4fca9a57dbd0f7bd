//! Whether a consent of an export may take the place of what is here.

use std::time::SystemTime;

use super::Item;
use crate::model::consent::{Consent, ConsentState, StoredConsent};
use crate::model::mfa::MfaSource;
use crate::model::policy::Policies;
use crate::model::tenant::AccountId;
use crate::storage::seal::Destroyed;

/// Why what is here stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeptBecause {
    /// It is here already, as new or newer.
    #[error("it is here already")]
    HereAlready,
    /// What is here replaced it.
    #[error("what is here is newer")]
    NewerHere,
    /// The partner was withdrawn here after the consent's flow began.
    #[error("the partner was withdrawn here since")]
    WithdrawnHere,
    /// The partner's key was destroyed here: only a new consent brings it back.
    #[error("the partner was shredded here")]
    ShreddedHere,
    /// The partner is bound to another account here: move it by a new consent.
    #[error("the partner is bound to another account here")]
    OtherAccountHere,
    /// Another user's consent stands here: only a person who is shown both replaces it.
    #[error("another user's consent stands here")]
    OtherUserHere,
    /// It had ended there, and what is here has not.
    #[error("it had ended there, and what is here has not")]
    EndedThere,
    /// The policy here does not admit it; [`Event::ConsentRefused`](crate::Event::ConsentRefused)
    /// says why. Have the partner consent anew.
    #[error("the policy here does not admit it")]
    PolicyHere,
    /// What is here has the stronger proof of a second factor.
    #[error("what is here is better proven")]
    BetterProvenHere,
    /// What is here does not open: have the partner consent anew.
    #[error("the partner's record here is damaged")]
    DamagedHere,
    /// The export says what cannot be true: a date more than an hour ahead, a generation that no
    /// store counts to, a tombstone with a token.
    #[error("what the export says of it cannot be true: compare the clocks of both sites")]
    Implausible,
}

/// What an item of an export becomes here.
#[derive(Debug)]
pub(super) enum Next {
    /// The partner's record.
    Record(Box<StoredConsent>),
    /// No more than a memory, since nothing is known here of a partner that was shredded there.
    Memory(Destroyed),
}

impl Next {
    fn record(stored: StoredConsent) -> Self {
        Self::Record(Box::new(stored))
    }
}

/// What becomes of an item beside what is here, and beside the last time that its partner was let go
/// here.
pub(super) fn judge(
    item: &Item,
    ours: Option<&StoredConsent>,
    let_go: Option<Destroyed>,
    policies: &Policies,
    now: SystemTime,
) -> Result<Next, KeptBecause> {
    let theirs = match item {
        Item::Consent(theirs) => theirs,
        Item::Shredded { generation, at, .. } => {
            let mark = Destroyed { generation: *generation, at: *at };
            let beside = |ours| judge_let_go(ours, None, mark).map(Next::record);
            return ours.map_or(Ok(Next::Memory(mark)), beside);
        }
    };
    match (Destroyed::told_by(&theirs.consent), ours) {
        (Some(mark), Some(ours)) => {
            judge_let_go(ours, Some(&theirs.consent.account), mark).map(Next::record)
        }
        (Some(_), None) => Ok(Next::record(theirs.imported(None, now))),
        (None, ours) => {
            let past = ours.map(|ours| &ours.past);
            let ours = ours.map(|ours| &ours.consent);
            let strength = |consent: &Consent| policies.strength(consent.kind, consent.mfa(), now);
            judge_consent(ours, let_go, &theirs.consent, strength)?;
            let is_same = ours.is_some_and(|ours| ours.flow == theirs.consent.flow);
            let undone =
                past.is_some_and(|past| past.was_rolled_back_since(theirs.consent.begun_at));
            if undone && !is_same {
                return Err(KeptBecause::NewerHere);
            }
            let mut next = theirs.imported(ours, now);
            next.past = past.map(|past| past.beside_import(is_same)).unwrap_or_default();
            Ok(Next::record(next))
        }
    }
}

/// Whether a consent takes the place of what is here: the first line that holds says why not. They
/// are the rules by which a new consent replaces the standing one, seen from the other side. Two
/// sites count and tell time each for itself, so that it must be newer in every respect.
fn judge_consent(
    ours: Option<&Consent>,
    let_go: Option<Destroyed>,
    theirs: &Consent,
    strength: impl Fn(&Consent) -> Option<MfaSource>,
) -> Result<(), KeptBecause> {
    let outlived = let_go.is_some_and(|mark| is_outlived(theirs, mark));
    let Some(ours) = ours else { return first(&[(outlived, KeptBecause::WithdrawnHere)]) };
    let stands = !ours.is_withdrawn();
    let same_number = theirs.generation == ours.generation;
    let same = stands && same_number && theirs.flow == ours.flow;
    let newest = ours.token_issued_at.max(ours.confirmed_at);
    first(&[
        (theirs.account != ours.account, KeptBecause::OtherAccountHere),
        (ours.was_withdrawn_since(theirs.begun_at), KeptBecause::WithdrawnHere),
        (theirs.generation < ours.generation, KeptBecause::NewerHere),
        (same_number && !same, KeptBecause::NewerHere),
        (stands && theirs.confirmed_at < ours.confirmed_at, KeptBecause::NewerHere),
        (same && theirs.token_issued_at <= ours.token_issued_at, KeptBecause::HereAlready),
        (stands && theirs.token_issued_at < newest, KeptBecause::NewerHere),
        (stands && has_ended(theirs) && !has_ended(ours), KeptBecause::EndedThere),
        (stands && theirs.user.id != ours.user.id, KeptBecause::OtherUserHere),
        (stands && strength(theirs) < strength(ours), KeptBecause::BetterProvenHere),
        (outlived, KeptBecause::WithdrawnHere),
    ])
}

/// What is here, let go as it was there: of what stands here, only what began before. Of two
/// tombstones both memories stay, the higher generation and the later time.
fn judge_let_go(
    ours: &StoredConsent,
    account: Option<&AccountId>,
    theirs: Destroyed,
) -> Result<StoredConsent, KeptBecause> {
    let consent = &ours.consent;
    let known = Destroyed::told_by(consent);
    let overtaken = Destroyed { generation: consent.generation, at: theirs.at };
    let both = known.unwrap_or(overtaken).with(theirs);
    first(&[
        (account.is_some_and(|theirs| *theirs != consent.account), KeptBecause::OtherAccountHere),
        (known == Some(both), KeptBecause::HereAlready),
        (known.is_none() && !theirs.overtook(consent.begun_at), KeptBecause::NewerHere),
    ])?;
    Ok(ours.withdrawn_as(both.generation.saturating_add(1), both.at))
}

fn first(lines: &[(bool, KeptBecause)]) -> Result<(), KeptBecause> {
    lines.iter().find(|(holds, _)| *holds).map_or(Ok(()), |(_, why)| Err(*why))
}

/// Whether the partner was let go after this consent, whatever came here since.
fn is_outlived(theirs: &Consent, mark: Destroyed) -> bool {
    mark.overtook(theirs.begun_at) || theirs.generation <= mark.generation
}

const fn has_ended(consent: &Consent) -> bool {
    matches!(consent.state, ConsentState::Ended { .. })
}

#[cfg(test)]
mod tests;
