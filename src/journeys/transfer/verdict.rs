//! Whether a consent of an export may take the place of what is here.

use std::cmp::Ordering;
use std::time::SystemTime;

use crate::model::consent::{Consent, StoredConsent};
use crate::model::mfa::MfaProof;
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

/// What to write here for a consent of an export: the same rules by which a new consent replaces the
/// standing one, seen from the other side.
pub(super) fn judge(
    ours: Option<&StoredConsent>,
    let_go: Option<Destroyed>,
    theirs: &StoredConsent,
    now: SystemTime,
) -> Result<StoredConsent, KeptBecause> {
    let ours = ours.map(|ours| &ours.consent);
    if let Some(ours) = ours {
        judge_standing(ours, &theirs.consent)?;
    }
    let let_go = let_go.filter(|_| !theirs.consent.is_withdrawn());
    if let_go.is_some_and(|mark| is_outlived(&theirs.consent, mark)) {
        return Err(KeptBecause::WithdrawnHere);
    }
    Ok(theirs.imported(ours, now))
}

/// What to write here for a partner whose key was destroyed there: a tombstone, if it is known here.
pub(super) fn judge_shredded(
    ours: Option<&StoredConsent>,
    generation: u64,
    at: SystemTime,
) -> Result<StoredConsent, KeptBecause> {
    let ours = ours.filter(|ours| !ours.consent.is_withdrawn()).ok_or(KeptBecause::HereAlready)?;
    if ours.consent.generation > generation {
        return Err(KeptBecause::NewerHere);
    }
    Ok(ours.withdrawn_as(generation.saturating_add(1), at))
}

/// Whether the partner was let go after this consent, whatever came here since.
fn is_outlived(theirs: &Consent, mark: Destroyed) -> bool {
    mark.overtook(theirs.begun_at) || theirs.generation <= mark.generation
}

fn judge_standing(ours: &Consent, theirs: &Consent) -> Result<(), KeptBecause> {
    if ours.account != theirs.account {
        return Err(KeptBecause::OtherAccountHere);
    }
    if ours.was_withdrawn_since(theirs.begun_at) && !theirs.is_withdrawn() {
        return Err(KeptBecause::WithdrawnHere);
    }
    match theirs.generation.cmp(&ours.generation) {
        Ordering::Less => Err(KeptBecause::NewerHere),
        Ordering::Equal => judge_same_generation(ours, theirs),
        Ordering::Greater => judge_next_generation(ours, theirs),
    }
}

/// One consent in two places: the newer token is the better one. Two consents that came to the same
/// number: the one that is here stays.
fn judge_same_generation(ours: &Consent, theirs: &Consent) -> Result<(), KeptBecause> {
    if ours.flow != theirs.flow || ours.is_withdrawn() != theirs.is_withdrawn() {
        return Err(KeptBecause::NewerHere);
    }
    let newer = !ours.is_withdrawn() && theirs.token_issued_at > ours.token_issued_at;
    if newer { Ok(()) } else { Err(KeptBecause::HereAlready) }
}

fn judge_next_generation(ours: &Consent, theirs: &Consent) -> Result<(), KeptBecause> {
    if theirs.is_withdrawn() || ours.is_withdrawn() {
        return Ok(());
    }
    if theirs.token_issued_at < ours.confirmed_at {
        return Err(KeptBecause::NewerHere);
    }
    if theirs.user.id != ours.user.id {
        return Err(KeptBecause::OtherUserHere);
    }
    let strength = |consent: &Consent| consent.mfa().map(MfaProof::source);
    if strength(theirs) < strength(ours) {
        return Err(KeptBecause::BetterProvenHere);
    }
    Ok(())
}
