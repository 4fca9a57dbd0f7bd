//! What this process last knew of each partner's consent.
//!
//! Every hand-out asks here first. A view stays until its consent is seen to change: by a write of
//! this process, or by a read of what others have changed (`watch`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Absence, Error};
use crate::model::consent::{Consent, ConsentState, StoredConsent};
use crate::model::policy::Refused;
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
}

impl Standing {
    fn of(consent: &Consent) -> Self {
        let (generation, account) = (consent.generation, consent.account.clone());
        let (flow, absence) = (consent.flow.clone(), absence(&consent.state));
        Self { generation, flow, account, absence }
    }

    /// A generation alone may come again: once its row was lost, the count begins anew.
    pub(crate) fn is_of_the_same_consent(&self, other: &Self) -> bool {
        (self.generation, &self.flow) == (other.generation, &other.flow)
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
        if account.is_some_and(|account| *account != self.account) {
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
    /// The mark of the row it was taken from.
    revision: Revision,
    /// Whether nothing is known to have changed since.
    holds: bool,
}

/// A moment between two changes: a row that was read before one may be older than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Standings {
    /// A view to act on.
    pub(crate) fn holding(&self, partner: TenantId) -> Option<Arc<Standing>> {
        let views = self.read();
        let view = views.by_partner.get(&partner).filter(|view| view.holds)?;
        Some(view.standing.clone())
    }

    /// The last view, whether or not it holds: for when the store cannot be read.
    pub(crate) fn last(&self, partner: TenantId) -> Option<Arc<Standing>> {
        self.read().by_partner.get(&partner).map(|view| view.standing.clone())
    }

    /// The moment before a row is read.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.read().changes)
    }

    /// Takes a view of a row that was read after `moment`. It holds unless something has changed
    /// since then, which the row may or may not have shown.
    pub(crate) fn note(&self, held: &Held<StoredConsent>, moment: Moment) -> Arc<Standing> {
        let consent = &held.record.consent;
        let standing = Arc::new(Standing::of(consent));
        let mut views = self.write();
        let holds = views.changes == moment.0;
        let view = View { standing: standing.clone(), revision: held.revision, holds };
        views.by_partner.insert(consent.partner, view);
        standing
    }

    /// This process has replaced the row and left its generation, account and state as they were.
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
        if let Some(view) = views.by_partner.get_mut(&partner) {
            view.holds &= at.is_some_and(|at| at <= view.revision);
        }
    }

    /// Any row may have been written: the next hand-outs read theirs.
    pub(crate) fn doubt_all(&self) {
        let mut views = self.write();
        views.changes += 1;
        views.by_partner.values_mut().for_each(|view| view.holds = false);
    }

    /// Nothing is known of the partner any more.
    pub(crate) fn forget(&self, partner: TenantId) {
        let mut views = self.write();
        views.changes += 1;
        views.by_partner.remove(&partner);
    }

    fn read(&self) -> RwLockReadGuard<'_, Views> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Views> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
