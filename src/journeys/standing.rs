//! What this process last knew of each partner's consent.
//!
//! Every hand-out asks here first. A view stays until its consent is seen to change: by a write of
//! this process, or by a read of what others have changed (`watch`). Each token knows the view under
//! which it was fetched, so a view that holds no longer takes all of its tokens with it.
//!
//! Partner Center's tokens have a view of their own: what Partner Center makes of them concerns no
//! other API and no customer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use crate::error::{Absence, Error};
use crate::model::consent::{Consent, ConsentState, StoredConsent};
use crate::model::enforcement::Enforcement;
use crate::model::policy::Refused;
use crate::model::sync::atomic::{AtomicU8, Ordering};
use crate::model::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::Held;
use crate::storage::store::Revision;

/// As much of a consent as a hand-out needs.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) generation: u64,
    flow: String,
    account: AccountId,
    absence: Option<Absence>,
    trust: AtomicU8,
}

/// Nothing is known to have changed since it was read.
const HOLDS: u8 = 0;
/// It may have changed: it is read again before anybody acts on it.
const DOUBTED: u8 = 1;
/// Another view has taken its place, or none. That is for good.
const GONE: u8 = 2;

impl Standing {
    fn of(consent: &Consent) -> Self {
        let (generation, account) = (consent.generation, consent.account.clone());
        let (flow, absence) = (consent.flow.clone(), absence(&consent.state));
        Self { generation, flow, account, absence, trust: AtomicU8::new(HOLDS) }
    }

    /// Whether a hand-out may act on it as it is.
    ///
    /// It is read without the views' lock. Whoever has seen that a look counts (`Watch::is_recent`)
    /// sees here what it found, since that was stored before.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.trust.load(Ordering::Acquire) == HOLDS
    }

    /// Whether what was fetched under it is of no use any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.trust.load(Ordering::Acquire) == GONE
    }

    /// Only those who hold the views' lock for writing say how far it is to be trusted.
    fn trust(&self, trust: u8) {
        self.trust.store(trust, Ordering::Release);
    }

    /// A generation alone may come again: once its row was lost, the count begins anew.
    pub(crate) fn tells_the_same(&self, other: &Self) -> bool {
        (self.generation, &self.flow, &self.account, self.absence)
            == (other.generation, &other.flow, &other.account, other.absence)
    }

    /// Whether it is bound to this account.
    #[inline]
    pub(crate) fn is_of(&self, account: &AccountId) -> bool {
        self.account == *account
    }

    /// Which account the partner is bound to.
    pub(crate) const fn account(&self) -> &AccountId {
        &self.account
    }

    /// Refuses work in the name of another account, and work without a consent.
    pub(crate) fn admit(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<(), Error> {
        if account.is_some_and(|account| !self.is_of(account)) {
            return Err(Refused::NotYours(partner).into());
        }
        match self.absence {
            Some(absence) => Err(Error::NoConsent { partner, absence }),
            None => Ok(()),
        }
    }
}

/// Why nothing can be had from a consent in this state, if so.
pub(crate) fn absence(state: &ConsentState) -> Option<Absence> {
    match state {
        ConsentState::Live | ConsentState::Unproven { .. } | ConsentState::Suspended(_) => None,
        ConsentState::Ended { cause, .. } => Some(Absence::Ended(*cause)),
        ConsentState::Withdrawn { .. } => Some(Absence::Withdrawn),
    }
}

/// The last views, by partner.
#[derive(Debug, Default)]
pub(crate) struct Standings(RwLock<Views>);

#[derive(Debug, Default)]
struct Views {
    by_partner: HashMap<TenantId, View>,
    changes: u64,
}

#[derive(Debug)]
struct View {
    standing: Arc<Standing>,
    /// As Partner Center's tokens for the partner's own tenant see it.
    office: Arc<Standing>,
    enforcement: Enforcement,
    /// The mark of the row it was taken from.
    revision: Revision,
}

impl View {
    /// What tells the same as the last view stays in place.
    fn of(held: &Held<StoredConsent>, last: Option<&Self>) -> Self {
        let consent = &held.record.consent;
        let (seen, enforcement) = (Standing::of(consent), consent.enforcement);
        let same = last.filter(|last| last.standing.tells_the_same(&seen));
        let taken = same.filter(|last| !enforcement.outdates(last.enforcement));
        let office =
            taken.map_or_else(|| Arc::new(Standing::of(consent)), |last| last.office.clone());
        let standing = same.map_or_else(|| Arc::new(seen), |last| last.standing.clone());
        Self { standing, office, enforcement, revision: held.revision }
    }

    /// Whether a row at this mark says nothing new: an older one beside a view that holds, and one
    /// that is no newer where something has changed since it was read.
    fn outweighs(&self, revision: Revision, trust: u8) -> bool {
        match trust {
            HOLDS => self.standing.holds() && revision < self.revision,
            _ => {
                self.trust(DOUBTED);
                revision <= self.revision
            }
        }
    }

    /// While Partner Center is not used, none of its tokens is handed out without asking for leave.
    fn trust(&self, trust: u8) {
        self.standing.trust(trust);
        let is_suspended = self.enforcement.suspended().is_some();
        self.office.trust(if is_suspended { DOUBTED } else { trust });
    }

    /// What does not go on in the `next` one is gone.
    fn give_way(&self, next: &Self) {
        for (last, next) in [(&self.standing, &next.standing), (&self.office, &next.office)] {
            if !Arc::ptr_eq(last, next) {
                last.trust(GONE);
            }
        }
    }

    fn end(&self) {
        self.standing.trust(GONE);
        self.office.trust(GONE);
    }
}

/// A moment between two changes: a row that was read before one may be older than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Standings {
    /// A view to act on.
    pub(crate) fn holding(&self, partner: TenantId) -> Option<Arc<Standing>> {
        self.last(partner).filter(|standing| standing.holds())
    }

    /// The last view, whether or not it holds: for when the store cannot be read.
    pub(crate) fn last(&self, partner: TenantId) -> Option<Arc<Standing>> {
        self.read().by_partner.get(&partner).map(|view| view.standing.clone())
    }

    /// The last view of Partner Center's own tokens.
    pub(crate) fn last_office(&self, partner: TenantId) -> Option<Arc<Standing>> {
        self.read().by_partner.get(&partner).map(|view| view.office.clone())
    }

    /// How Partner Center takes the partner's tokens, as far as is known.
    pub(crate) fn enforcement(&self, partner: TenantId) -> Enforcement {
        let views = self.read();
        views.by_partner.get(&partner).map(|view| view.enforcement).unwrap_or_default()
    }

    /// The moment before a row is read.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.read().changes)
    }

    /// Takes a view of a row that was read after `moment`. It holds unless something has changed
    /// since then, which the row may or may not have shown. A row that tells what was known leaves
    /// the view in place, and the tokens under it; so does one that was read too early to count.
    pub(crate) fn note(&self, held: &Held<StoredConsent>, moment: Moment) -> Arc<Standing> {
        let partner = held.record.consent.partner;
        let mut views = self.write();
        let trust = if views.changes == moment.0 { HOLDS } else { DOUBTED };
        let last = views.by_partner.get(&partner);
        if let Some(last) = last.filter(|last| last.outweighs(held.revision, trust)) {
            return last.standing.clone();
        }
        let last = views.by_partner.remove(&partner);
        let view = View::of(held, last.as_ref());
        last.inspect(|last| last.give_way(&view));
        view.trust(trust);
        let standing = view.standing.clone();
        views.by_partner.insert(partner, view);
        standing
    }

    /// This process has replaced the row and left its generation, account, state and enforcement as
    /// they were.
    pub(crate) fn moved(&self, partner: TenantId, from: Revision, to: Revision) {
        let mut views = self.write();
        let view = views.by_partner.get_mut(&partner).filter(|view| view.revision == from);
        if let Some(view) = view {
            view.revision = to;
        }
    }

    /// Somebody has written the row at this mark, or at one that cannot be told: the next hand-out
    /// reads it.
    pub(crate) fn changed(&self, partner: TenantId, at: Option<Revision>) {
        let mut views = self.write();
        views.changes += 1;
        let view = views.by_partner.get(&partner);
        if let Some(view) = view.filter(|view| at.is_none_or(|at| at > view.revision)) {
            view.trust(DOUBTED);
        }
    }

    /// Any row may have been written: the next hand-outs read theirs.
    pub(crate) fn doubt_all(&self) {
        let mut views = self.write();
        views.changes += 1;
        views.by_partner.values().for_each(|view| view.trust(DOUBTED));
    }

    /// Nothing is known of the partner any more.
    pub(crate) fn forget(&self, partner: TenantId) {
        let mut views = self.write();
        views.changes += 1;
        views.by_partner.remove(&partner).inspect(View::end);
    }

    /// Nothing is known of anybody any more: no token of before is handed out.
    pub(crate) fn forget_all(&self) {
        let mut views = self.write();
        views.changes += 1;
        views.by_partner.drain().for_each(|(_, view)| view.end());
    }

    fn read(&self) -> RwLockReadGuard<'_, Views> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Views> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A view that holds.
    pub(crate) fn standing(generation: u64) -> Arc<Standing> {
        let (flow, account) = (String::new(), AccountId::new("panel-1").expect("plain text"));
        let trust = AtomicU8::new(HOLDS);
        Arc::new(Standing { generation, flow, account, absence: None, trust })
    }
}
