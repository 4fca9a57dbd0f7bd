//! Invitations: made, listed, sent again and taken back.
//!
//! An invitation lies under the application's key, since a first contact has no partner yet, and its
//! link names none. What is begun and confirmed by one is told in `onboarding`.

use std::sync::Arc;
use std::time::SystemTime;

use url::Url;

use crate::error::Error;
use crate::model::clock::Clock;
use crate::model::event::{Event, Observers};
use crate::model::invalid::Invalid;
use crate::model::invitation::{
    Claim, Invitation, InvitationId, LinkToken, SentInvitation, StoredInvitation, Terms,
};
use crate::model::policy::Refused;
use crate::model::registration::AppRegistration;
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::{Held, Ledger, LedgerError, Record};
use crate::storage::store::Kind;

mod erasing;
mod page;

pub use self::page::{InvitationCursor, InvitationPage};

/// A writer who loses this often gives up.
const TRIES: usize = 8;

impl Record for StoredInvitation {
    const KIND: Kind = Kind::Invitation;

    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        Some(Self::due(self))
    }
}

/// Which invitations are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whose {
    /// More than one are nobody.
    pub(crate) accounts: Vec<AccountId>,
    /// Likewise.
    pub(crate) partners: Vec<TenantId>,
    /// The account in whose name the caller works, where it is not the vendor.
    pub(crate) door: Option<AccountId>,
}

impl Whose {
    pub(crate) const ANY: Self = Self { accounts: Vec::new(), partners: Vec::new(), door: None };

    fn admits(&self, invitation: &StoredInvitation) -> bool {
        self.accounts.iter().all(|account| *account == invitation.terms.account)
            && self.partners.iter().all(|partner| invitation.concerns(*partner))
    }
}

/// The invitations of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) app: AppRegistration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) observers: Observers,
    /// Where links lead to.
    pub(crate) start_page: Option<Url>,
}

impl Book {
    /// Makes an invitation on these terms.
    pub(crate) async fn make(&self, terms: Terms) -> Result<SentInvitation, Error> {
        terms.check()?;
        let token = LinkToken::drawn(&InvitationId::drawn());
        let link = self.link(&token)?;
        let (scopes, now) = (self.app.scopes().clone(), self.clock.now());
        let record = StoredInvitation::new(terms, scopes, &token, now);
        self.ledger.insert(&record).await?;
        let invitation = self.shown(&record);
        self.observers.tell(&Event::Invited {
            invitation: record.id,
            partner: record.terms.partner,
            account: record.terms.account,
        });
        Ok(SentInvitation { invitation, link })
    }

    /// The invitation whose link ends with this text.
    pub(crate) async fn by_token(&self, text: &str) -> Result<Held<StoredInvitation>, Error> {
        let token = LinkToken::parse(text).ok_or(Refused::InvitationUnknown)?;
        let held = self.by_id(&token.id).await?;
        held.record.check_link(&token.secret)?;
        Ok(held)
    }

    /// The invitation as it is: a claim on it that was decided meanwhile is seen to be.
    pub(crate) async fn by_id(&self, id: &InvitationId) -> Result<Held<StoredInvitation>, Error> {
        let held = self.ledger.load::<StoredInvitation>(None, id.as_str()).await?;
        let mut held = held.ok_or(Refused::InvitationUnknown)?;
        self.settle(&mut held.record).await?;
        Ok(held)
    }

    /// The invitation, if it is one of those.
    pub(crate) async fn find(
        &self,
        whose: &Whose,
        id: &InvitationId,
    ) -> Result<Held<StoredInvitation>, Error> {
        let held = self.by_id(id).await?;
        match whose.admits(&held.record) {
            true => Ok(held),
            false => Err(Refused::InvitationUnknown.into()),
        }
    }

    /// Takes an invitation back.
    pub(crate) async fn revoke(
        &self,
        whose: &Whose,
        id: &InvitationId,
    ) -> Result<Invitation, Error> {
        let now = self.clock.now();
        let record = self
            .change(whose, id, |record| {
                check_decided(record, now)?;
                Ok(record.revoke(now)?)
            })
            .await?;
        let (invitation, account) = (record.id.clone(), record.terms.account.clone());
        self.observers.tell(&Event::InvitationRevoked { invitation, account });
        Ok(self.shown(&record))
    }

    /// Sends an invitation once more, by another link.
    pub(crate) async fn resend(
        &self,
        whose: &Whose,
        id: &InvitationId,
    ) -> Result<SentInvitation, Error> {
        let token = LinkToken::drawn(id);
        let link = self.link(&token)?;
        let (scopes, now) = (self.app.scopes(), self.clock.now());
        let record = self
            .change(whose, id, |record| {
                if let Some(claim) = record.claim() {
                    return Err(claim.in_the_way(now));
                }
                Ok(record.resend(&token, scopes.clone(), now)?)
            })
            .await?;
        let (invitation, account) = (record.id.clone(), record.terms.account.clone());
        self.observers.tell(&Event::InvitationResent { invitation, account });
        Ok(SentInvitation { invitation: self.shown(&record), link })
    }

    /// Moves any invitation on.
    pub(crate) async fn advance(
        &self,
        id: &InvitationId,
        move_on: impl Fn(&mut StoredInvitation) -> Result<(), Error>,
    ) -> Result<StoredInvitation, Error> {
        self.change(&Whose::ANY, id, move_on).await
    }

    /// Moves an invitation on, if it is one of those, by compare-and-swap: whoever loses looks anew.
    async fn change(
        &self,
        whose: &Whose,
        id: &InvitationId,
        move_on: impl Fn(&mut StoredInvitation) -> Result<(), Error>,
    ) -> Result<StoredInvitation, Error> {
        for _ in 0..TRIES {
            let Held { mut record, revision } = self.find(whose, id).await?;
            move_on(&mut record)?;
            match self.ledger.replace(&record, revision).await {
                Err(LedgerError::Conflict) => {}
                replaced => return Ok(replaced.map(|_| record)?),
            }
        }
        Err(Error::Conflict)
    }

    pub(crate) fn shown(&self, record: &StoredInvitation) -> Invitation {
        record.shown(self.app.client_id(), self.clock.now())
    }

    /// Whoever claimed it may have died before saying what came of it: the partner's consent tells.
    async fn settle(&self, record: &mut StoredInvitation) -> Result<(), LedgerError> {
        let Some(claim) = record.claim() else { return Ok(()) };
        let standing = match self.ledger.consent(claim.partner).await {
            Err(LedgerError::Shredded { generation, .. }) => {
                record.settle(Some(("", generation)), self.clock.now());
                return Ok(());
            }
            Err(LedgerError::Damaged { .. } | LedgerError::Key { partner: Some(_), .. }) => {
                return Ok(()); // it is not known until that is mended
            }
            standing => standing?.map(|held| held.record.consent),
        };
        let standing = standing.as_ref().map(|c| (c.flow.as_str(), c.generation));
        record.settle(standing, self.clock.now());
        Ok(())
    }

    fn link(&self, token: &LinkToken) -> Result<Url, Invalid> {
        const EXPECTED: &str = "one set by BrokerBuilder::start_page";
        let page = self.start_page.as_ref();
        let mut link = page.ok_or(Invalid::new("start page", "is not set", EXPECTED))?.clone();
        let beside = |()| Invalid::new("start page", "takes no path", EXPECTED);
        link.path_segments_mut().map_err(beside)?.pop_if_empty().push(&token.text());
        Ok(link)
    }
}

impl Claim {
    /// While a flow is being confirmed nobody can tell what the invitation will be. Where nobody can once
    /// its time is over either, since the partner's record is damaged, it is sooner spent for nothing
    /// than used twice.
    pub(crate) fn in_the_way(&self, now: SystemTime) -> Error {
        if now < self.until { Error::Conflict } else { Refused::InvitationSpent.into() }
    }
}

/// Once the time of a claim is over nothing comes of it any more, whatever has: then the invitation may be
/// taken back.
fn check_decided(record: &StoredInvitation, now: SystemTime) -> Result<(), Error> {
    let open = record.claim().is_some_and(|claim| now < claim.until);
    if open { Err(Error::Conflict) } else { Ok(()) }
}
