//! Redemption at the partner's own tenant, the only one that replaces the stored refresh token.
//!
//! The new refresh token is stored before the access token is handed out. Whoever loses a
//! compare-and-swap keeps the winner's, which is the fence: a process that hung for longer than its
//! lease cannot put an older token over a newer one (F-08).

use std::time::{Duration, SystemTime};

use tracing::Instrument;

use super::proving::Heard;
use super::trip::{Trip, rotation_span};
use super::unsaved::Waiting;
use super::{Desk, Exchange, is_pausing, usable};
use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::flight::Landing;
use crate::model::cloud::Authority;
use crate::model::consent::{Consent, ConsentState, StoredConsent, concerns_consent};
use crate::model::entra_error::Cause;
use crate::model::event::Event;
use crate::model::tenant::TenantId;
use crate::protocol::token_endpoint::{TokenError, TokenReply};
use crate::storage::ledger::{Held, LedgerError};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// A writer who loses this often leaves the winner's token: Entra honours both.
const TRIES: usize = 8;
/// A stored token that is younger than this is not replaced, so that several processes, or several
/// resources, that ask at the same time cause one rotation.
///
/// The new token is dropped, which costs no more than these minutes of its life: Entra does not
/// revoke a refresh token when it is used, and the stored one lives as long from its own issue.
/// Source: Microsoft identity platform, "Refresh tokens".
const FRESH: Duration = Duration::from_secs(10 * 60);

impl Exchange {
    pub(super) async fn rotate(self, trip: Trip) -> Landing {
        let desk = &self.0;
        if let Some(token) = desk.shared(&trip).await {
            return Ok(token);
        }
        desk.check_manners(&trip)?;
        let turn = desk.turn(trip.partner).await?;
        let span = rotation_span(&trip);
        let landing = self.rotate_in_turn(trip).instrument(span).await;
        turn.end().await;
        landing
    }

    async fn rotate_in_turn(&self, trip: Trip) -> Landing {
        if let Some(token) = self.0.shared(&trip).await {
            return Ok(token);
        }
        self.redeem_in_turn(trip, &Heard::new()).await
    }

    /// Redeems whatever is at hand, and lets the ID token of the reply be heard.
    pub(super) async fn redeem_in_turn(&self, trip: Trip, heard: &Heard) -> Landing {
        let desk = &self.0;
        desk.unsaved.drop_before(trip.partner, trip.generation);
        if desk.unsaved.blocks(trip.partner, desk.clock.now()) {
            return Err(Error::Unsaved { partner: trip.partner });
        }
        let (held, ticket) = desk.held_with_leave(&trip, |held| check_pause(held, desk)).await?;
        let asked_at = desk.clock.now();
        match desk.redeem(ticket, &trip, usable(&held.record)?).await {
            Ok(redeemed) => {
                redeemed.id_token.iter().for_each(|text| drop(heard.set(text.clone())));
                self.rotated(trip, held, redeemed, asked_at).await
            }
            Err(error) => {
                desk.note_failure(&trip, &held, &error).await;
                Err(desk.refused(&trip, error))
            }
        }
    }

    async fn rotated(
        &self,
        trip: Trip,
        held: Held<StoredConsent>,
        redeemed: TokenReply,
        asked_at: SystemTime,
    ) -> Landing {
        let desk = &self.0;
        desk.check_own_reply(&held, &redeemed).await?;
        desk.holds_up(&trip);
        let consent = &held.record.consent;
        let is_fresh = consent.is_younger_than(FRESH, asked_at);
        let replacement = redeemed.refresh_token.clone().filter(|_| !is_fresh);
        let has_replacement = replacement.is_some();
        let was_live = consent.state == ConsentState::Live;
        let mut kept = true;
        if has_replacement || !was_live {
            let next = desk.lately.kept_with(held.record.renewed(replacement, asked_at), asked_at);
            let next = desk.notary.moved(&held.record.consent.state, next).await;
            kept = self.save(held, next, redeemed.expires_at).await?;
        }
        desk.accept(trip, redeemed, has_replacement && kept).await
    }

    /// Stores the renewed consent, unless another process came first; a store that refuses gets it
    /// later.
    async fn save(
        &self,
        held: Held<StoredConsent>,
        next: StoredConsent,
        until: SystemTime,
    ) -> Result<bool, Error> {
        let desk = &self.0;
        let partner = next.consent.partner;
        let last = desk.unsaved.find(partner);
        let over = last.map_or(held.record.consent.token_issued_at, |waiting| waiting.over);
        match desk.ledger.replace(&next, held.revision).await {
            Ok(revision) => {
                desk.unsaved.drop(partner);
                desk.standings.moved(partner, held.revision, revision);
                desk.tell_change(&held.record.consent, &next.consent);
                desk.notary.enter_soon(&next);
                Ok(true)
            }
            Err(LedgerError::Conflict) => desk.keep_winner(next, over).await,
            Err(error @ (LedgerError::Damaged { .. } | LedgerError::Shredded { .. })) => {
                Err(error.into())
            }
            Err(LedgerError::Store(_) | LedgerError::Key { .. }) => {
                desk.observers.tell(&Event::Unsaved { partner });
                let held = Held { record: next, revision: held.revision };
                if desk.unsaved.keep(Waiting { held, over, until }) {
                    tokio::spawn(self.clone().save_later(partner));
                }
                Ok(true)
            }
        }
    }

    /// Tries again until the store takes it, or shows that somebody else's write won.
    async fn save_later(self, partner: TenantId) {
        let mut pause = FIRST_RETRY;
        loop {
            self.0.clock.sleep(pause).await;
            if self.0.save_again(partner).await {
                return;
            }
            pause = (2 * pause).min(LONGEST_RETRY);
        }
    }

    /// Returns once nothing is unsaved; whoever calls it bounds the time.
    pub(super) async fn save_all(&self) {
        loop {
            for partner in self.0.unsaved.partners() {
                self.0.save_again(partner).await;
            }
            if self.0.unsaved.partners().is_empty() {
                return;
            }
            self.0.clock.sleep(FIRST_RETRY).await;
        }
    }
}

impl Desk {
    /// True when nothing is left to save.
    async fn save_again(&self, partner: TenantId) -> bool {
        let _lane = self.lanes.lane(partner).await;
        let Some(Waiting { held, over, .. }) = self.unsaved.find(partner) else { return true };
        let next = held.record.fitting(self.clock.now()); // it may have waited for long
        let saved = match self.ledger.replace(&next, held.revision).await {
            Ok(_) => {
                self.notary.enter_soon(&next);
                Ok(())
            }
            Err(LedgerError::Conflict) => self.keep_winner(next, over).await.map(drop),
            Err(error) => Err(error.into()),
        };
        match saved {
            Ok(()) => self.observers.tell(&Event::Saved { partner }),
            Err(Error::Superseded { .. } | Error::NoConsent { .. }) => {}
            Err(_) => return false,
        }
        self.unsaved.drop(partner);
        true
    }

    /// Another process wrote first. Its consent stands, and its token if it has replaced the one that
    /// lay there when ours was asked for, issued at `over`. Entra honours both, and which is newer
    /// could be told only by comparing two machines' clocks (F-10). True if ours is stored after all.
    async fn keep_winner(&self, ours: StoredConsent, over: SystemTime) -> Result<bool, Error> {
        let partner = ours.consent.partner;
        let mut kept = false;
        for _ in 0..TRIES {
            let winner = self.ledger.consent(partner).await?;
            let same = |held: &Held<StoredConsent>| {
                held.record.consent.generation == ours.consent.generation
            };
            let Some(winner) = winner.filter(same) else {
                self.unsaved.drop(partner);
                self.forget(partner);
                return Err(Error::Superseded { partner });
            };
            if winner.record.consent.token_issued_at != over {
                break;
            }
            let ours = self.over(&winner.record, &ours).await;
            match self.ledger.replace(&ours, winner.revision).await {
                Err(LedgerError::Conflict) => continue,
                Ok(_) => {
                    self.notary.enter_soon(&ours);
                    kept = true;
                }
                Err(error) => return Err(error.into()),
            }
            break;
        }
        self.unsaved.drop(partner);
        Ok(kept)
    }

    /// Ours in the winner's place: what it knew of Partner Center, of receipts and of the past stays.
    async fn over(&self, winner: &StoredConsent, ours: &StoredConsent) -> StoredConsent {
        let mut next = ours.enforced(winner.consent.enforcement);
        (next.chain, next.past) = (winner.chain.clone(), winner.past.clone());
        self.notary.moved(&winner.consent.state, next).await
    }

    /// an answer for another tenant or user is refused, and the consent is suspect.
    async fn check_own_reply(
        &self,
        held: &Held<StoredConsent>,
        reply: &TokenReply,
    ) -> Result<(), Error> {
        let Some(id_token) = &reply.id_token else { return Ok(()) };
        let consent = &held.record.consent;
        let authority = Authority::of(self.app.cloud(), consent.partner);
        let owner = self.id_tokens.read_from_tls(id_token, &authority);
        let user = &consent.user;
        if owner.is_ok_and(|owner| owner.user == user.id && owner.subject == user.subject) {
            return Ok(());
        }
        self.suspend(held, Cause::Unknown).await;
        Err(Error::ForeignToken { partner: consent.partner, tenant: consent.partner })
    }

    /// What an API wanted proven beyond the consent speaks of that demand: the next plain redemption
    /// shows what has become of the consent itself.
    async fn note_failure(&self, key: &CacheKey, held: &Held<StoredConsent>, error: &TokenError) {
        let TokenError::Entra(refusal) = error else { return };
        let cause = refusal.cause();
        if key.claims.is_none() && concerns_consent(cause, &key.resource) {
            self.suspend(held, cause).await;
        }
    }

    /// Moves the state by compare-and-swap: if the row has moved, what we saw was of another token.
    async fn suspend(&self, held: &Held<StoredConsent>, cause: Cause) {
        if self.unsaved.find(held.record.consent.partner).is_some() {
            return;
        }
        let next = held.record.failed(cause, self.clock.now());
        if self.holds_back(&held.record.consent, &next.consent, cause) {
            return;
        }
        let next = self.notary.moved(&held.record.consent.state, next).await;
        if self.ledger.replace(&next, held.revision).await.is_ok() {
            self.notary.enter_soon(&next);
            self.tell_change(&held.record.consent, &next.consent);
            self.standings.changed(next.consent.partner, None);
        }
    }

    fn tell_change(&self, before: &Consent, after: &Consent) {
        if before.state != after.state {
            let (from, to) = (before.state.clone(), after.state.clone());
            self.observers.tell(&Event::StateChanged { partner: after.partner, from, to });
        }
    }
}

fn check_pause(consent: &Consent, desk: &Desk) -> Result<(), Error> {
    match &consent.state {
        ConsentState::Suspended(pause) if is_pausing(consent, &*desk.clock) => {
            let (cause, until) = (pause.cause(), pause.next_probe());
            Err(Error::Suspended { partner: consent.partner, cause, until })
        }
        _ => Ok(()),
    }
}
