//! What is begun and confirmed by an invitation.
//!
//! The consent and the invitation are two records, which no store writes at once. So a confirmation
//! claims the invitation first, by compare-and-swap, then writes the consent, then says that it did.
//! Where the last is missing, the partner's consent tells whether the claim has come true.

use std::time::SystemTime;

use super::browser::cookie_name;
use super::deciding::LONGEST_WRITE;
use super::found::FoundRecord;
use super::ground::Ground;
use super::{Beginning, Desk, FLOW_LIFE, Onboarding, PendingConsent, ResponseMode};
use crate::error::Error;
use crate::journeys::invitation::{Book, Whose};
use crate::model::clock::later;
use crate::model::consent::Consent;
use crate::model::event::Event;
use crate::model::invitation::{
    Claim, Invitation, InvitationId, InvitedFlow, LiveFlow, SentInvitation, StoredInvitation, Terms,
};
use crate::model::policy::Refused;
#[cfg(feature = "web")]
use crate::model::registration::AppRegistration;
use crate::model::secret::random;
use crate::model::tenant::AccountId;
use crate::protocol::authorization::Cookies;

impl Onboarding {
    #[cfg(feature = "web")]
    pub(crate) fn app(&self) -> &AppRegistration {
        &self.0.app
    }

    pub(crate) fn book(&self) -> &Book {
        &self.0.book
    }

    /// Invites on these terms, behind this account's door where there is one.
    pub(crate) async fn invite(
        &self,
        terms: Terms,
        door: Option<AccountId>,
    ) -> Result<SentInvitation, Error> {
        if let Some(partner) = terms.partner {
            let beginning = Beginning { door, ..Beginning::invited(&terms) };
            beginning.check_door(partner)?;
        }
        self.0.admit_terms(&terms, self.0.clock.now()).await?;
        self.0.book.make(terms).await
    }

    /// Sends an invitation once more, if it could be made today.
    pub(crate) async fn resend(
        &self,
        whose: &Whose,
        id: &InvitationId,
    ) -> Result<SentInvitation, Error> {
        let held = self.0.book.find(whose, id).await?;
        let terms = &held.record.terms;
        if whose.door.is_some() && terms.rebinds {
            let moves = |partner| Error::from(Refused::NotYours(partner));
            return Err(terms.partner.map_or(Refused::InvitationUnknown.into(), moves));
        }
        self.0.admit_terms(terms, self.0.clock.now()).await?;
        self.0.book.resend(whose, id).await
    }

    /// What the start page shows. Nothing is written.
    pub(crate) async fn open_invitation(&self, token: &str) -> Result<Invitation, Error> {
        let held = self.told(self.0.book.by_token(token).await)?;
        self.0.admit_invitation(&held.record).await?;
        Ok(self.0.book.shown(&held.record))
    }

    /// Begins a flow in the browser that has these cookies.
    pub(crate) async fn begin_invited(
        &self,
        token: &str,
        cookies: &Cookies,
        mode: ResponseMode,
    ) -> Result<PendingConsent, Error> {
        self.told(self.begin_by(token, cookies, mode).await)
    }

    async fn begin_by(
        &self,
        token: &str,
        cookies: &Cookies,
        mode: ResponseMode,
    ) -> Result<PendingConsent, Error> {
        let desk = &self.0;
        let held = desk.book.by_token(token).await?;
        let above = desk.admit_invitation(&held.record).await?;
        let beginning = Beginning { mode, ..Beginning::invited(&held.record.terms) };
        let (mut record, pending) = desk.prepare(&beginning);
        let (browser, until) = (record.browser.clone(), record.begun_at + FLOW_LIFE);
        let live = LiveFlow { flow: record.id.clone(), browser, until };
        let invitation = desk.start_invitation(&held.record, live, cookies).await?;
        (record.invited, record.above) = (Some(invitation.flow()), above);
        desk.note(&record).await?;
        Ok(pending.ending(invitation.link.expires_at))
    }
}

impl Beginning {
    fn invited(terms: &Terms) -> Self {
        Self {
            expected: terms.partner,
            account: terms.account.clone(),
            kind: terms.kind,
            door: None,
            mode: ResponseMode::default(),
            login_hint: terms.login_hint.clone(),
            claims: terms.claims.clone(),
            rebinds: terms.rebinds,
        }
    }
}

impl Desk {
    /// Whether anything can come of an invitation on these terms that was sent then, as for
    /// `admit_beginning`.
    async fn admit_terms(&self, terms: &Terms, sent_at: SystemTime) -> Result<Option<u64>, Error> {
        let Some(partner) = terms.partner else { return Ok(None) };
        self.check_partner(partner)?;
        let ground = self.ground(partner).await?;
        ground.check_binding(partner, &terms.account, terms.rebinds)?;
        ground.check_tombstone(partner, sent_at, None)?;
        Ok(ground.above())
    }

    pub(super) async fn admit_invitation(
        &self,
        invitation: &StoredInvitation,
    ) -> Result<Option<u64>, Error> {
        invitation.admit(self.app.scopes(), self.clock.now())?;
        self.admit_terms(&invitation.terms, invitation.link.sent_at).await
    }

    /// Counts a start of the invitation by the link that was opened.
    async fn start_invitation(
        &self,
        opened: &StoredInvitation,
        live: LiveFlow,
        cookies: &Cookies,
    ) -> Result<StoredInvitation, Error> {
        let now = self.clock.now();
        let is_same_browser =
            |other: &LiveFlow| other.browser.matches(cookies.find(&cookie_name(&other.flow)));
        let started = self.book.advance(&opened.id, |record| {
            record.check_same_link(opened)?;
            record.admit(self.app.scopes(), now)?;
            Ok(record.start(live.clone(), is_same_browser, now)?)
        });
        let started = started.await?;
        self.observers.tell(&Event::InvitationStarted {
            invitation: started.id.clone(),
            account: started.terms.account.clone(),
            times: started.starts(),
        });
        Ok(started)
    }

    /// The invitation of a flow that comes back, unless it says no by now.
    pub(super) async fn invitation(
        &self,
        invited: Option<&InvitedFlow>,
        flow: &str,
    ) -> Result<Option<StoredInvitation>, Error> {
        let Some(invited) = invited else { return Ok(None) };
        let invitation = self.book.by_id(&invited.id).await?.record;
        invitation.admit(self.app.scopes(), self.clock.now())?;
        invitation.check_flow(invited, flow)?;
        Ok(Some(invitation))
    }

    /// The invitation of a finding, to be shown with it.
    pub(super) async fn invitation_of(
        &self,
        found: &FoundRecord,
        ground: &Ground,
    ) -> Result<Option<Invitation>, Error> {
        let Some(invited) = &found.invited else { return Ok(None) };
        // It was confirmed before, and only its erasure is missing.
        if ground.consent().is_some_and(|standing| found.became(standing)) {
            let spent = self.book.by_id(&invited.id).await?;
            return Ok(Some(self.book.shown(&spent.record)));
        }
        let invitation = self.invitation(Some(invited), &found.id).await?;
        Ok(invitation.map(|invitation| self.book.shown(&invitation)))
    }

    /// Keeps every other flow of the invitation out, if this one may still be confirmed.
    pub(super) async fn claim_invitation(
        &self,
        found: &FoundRecord,
        ground: &Ground,
    ) -> Result<(), Error> {
        let Some(invited) = &found.invited else { return Ok(()) };
        let (now, user) = (self.clock.now(), found.user.id);
        let claim = Claim {
            flow: found.id.clone(),
            partner: found.partner,
            user,
            above: ground.generation(),
            at: now,
            mark: u64::from_ne_bytes(random()),
            until: later(found.expires_at, LONGEST_WRITE),
        };
        let claimed = self.book.advance(&invited.id, |record| {
            record.admit(self.app.scopes(), now)?;
            record.check_flow(invited, &found.id)?;
            record.check_user(found.partner, user)?;
            if let Some(other) = record.claim().filter(|claim| claim.flow != found.id) {
                return Err(other.in_the_way(now));
            }
            record.claim_by(claim.clone());
            Ok(())
        });
        claimed.await.map(drop)
    }

    /// The consent stands. Where this cannot be written now, it is seen from the consent later.
    pub(super) async fn spend_invitation(&self, found: &FoundRecord, consent: &Consent) {
        let Some(invited) = &found.invited else { return };
        let spent = self.book.advance(&invited.id, |record| {
            record.confirm(
                &found.id,
                invited,
                (found.partner, found.user.id, consent.confirmed_at),
            );
            Ok(())
        });
        if let Err(error) = spent.await {
            tracing::debug!(%error, "an invitation is not marked as confirmed yet");
        }
        self.observers.tell(&Event::InvitationConfirmed {
            invitation: invited.id.clone(),
            partner: found.partner,
            account: found.account.clone(),
        });
    }

    /// The mark of the claim that this flow has on its invitation.
    pub(super) async fn claim_of(&self, found: &FoundRecord) -> Option<u64> {
        let invited = found.invited.as_ref()?;
        let held = self.book.by_id(&invited.id).await.ok()?;
        held.record.claim().filter(|claim| claim.flow == found.id).map(|claim| claim.mark)
    }

    /// The consent does not stand, so that others may try; if the claim is still the one with this mark.
    pub(super) async fn release_invitation(&self, found: &FoundRecord, mark: Option<u64>) {
        let (Some(invited), Some(mark)) = (&found.invited, mark) else { return };
        let released = self.book.advance(&invited.id, |record| {
            record.release(&found.id, mark);
            Ok(())
        });
        if let Err(error) = released.await {
            tracing::debug!(%error, "an invitation stays claimed until the finding ends");
        }
    }
}
