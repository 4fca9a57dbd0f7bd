//! Taking people out of an invitation. What was for one person ends with that: it would else be for
//! anybody.

use std::time::SystemTime;

use super::{Stage, StoredInvitation, in_seconds};
use crate::model::tenant::{TenantId, UserId};

/// Who is to be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// This person.
    One(UserId),
    /// Everybody: the partner is shredded.
    Everybody,
}

impl Whom {
    fn is(self, user: Option<UserId>) -> bool {
        match self {
            Self::One(one) => user == Some(one),
            Self::Everybody => user.is_some(),
        }
    }
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erasure {
    /// It knows nothing of them.
    Untouched,
    /// They are taken out.
    Erased,
    /// They are taken out, and it is taken back.
    Revoked,
    /// That person is confirming by it just now: nobody can tell what it will be.
    Undecided,
}

impl StoredInvitation {
    /// Takes people of this partner out: object ids, and the sign-in name that was to be filled in,
    /// unless it is somebody else's for sure. Who is shredded with the partner confirms nothing more.
    pub(crate) fn erase(&mut self, partner: TenantId, whom: Whom, now: SystemTime) -> Erasure {
        if !self.may_name(partner, whom) {
            return Erasure::Untouched;
        }
        let claims = whom.is(self.claim().map(|claim| claim.user));
        if claims && whom != Whom::Everybody {
            return Erasure::Undecided;
        }
        let was_open = self.check_stage().is_ok();
        let was_bound = self.terms.user.take_if(|user| whom.is(Some(*user))).is_some();
        let approved = self.terms.replaces.take_if(|user| whom.is(Some(*user))).is_some();
        let hinted = self.terms.user.is_none() && self.terms.login_hint.take().is_some();
        let consented = self.forget_who_consented(whom);
        if was_open && (was_bound || claims) {
            self.stage = Stage::Revoked { at: in_seconds(now) };
            return Erasure::Revoked;
        }
        let any = was_bound || approved || hinted || consented;
        if any { Erasure::Erased } else { Erasure::Untouched }
    }

    /// One that is for whoever answers first may name a person of any partner's, by an object id that no
    /// two people have.
    fn may_name(&self, partner: TenantId, whom: Whom) -> bool {
        let claimed = self.claim().is_some_and(|claim| claim.partner == partner);
        let is_named = || whom.is(self.terms.user) || whom.is(self.terms.replaces);
        let asks_anybody = self.terms.partner.is_none() && whom != Whom::Everybody;
        self.concerns(partner) || claimed || asks_anybody && is_named()
    }

    fn forget_who_consented(&mut self, whom: Whom) -> bool {
        let Stage::Confirmed { user, .. } = &mut self.stage else { return false };
        user.take_if(|user| whom.is(Some(*user))).is_some()
    }
}
