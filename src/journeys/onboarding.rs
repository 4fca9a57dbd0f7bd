//! From a link to a consent.
//!
//! A flow begins in one browser and ends in the same one: the callback is tied to it by a cookie, so
//! that a state alone is never enough. What was redeemed is checked, then waits sealed where no
//! token path can read it, until a person has seen who gives what to whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::error::Error;
use crate::journeys::casebook::Casebook;
use crate::journeys::invitation::Book;
use crate::journeys::lately::Lately;
use crate::journeys::receipts::Notary;
use crate::journeys::sharing::Sharing;
use crate::journeys::standing::Standings;
use crate::model::clock::Clock;
use crate::model::cloud::{Authority, Directory};
use crate::model::consent::Consent;
use crate::model::entra_error::{Cause, EntraError};
use crate::model::event::{Event, Observers};
use crate::model::invitation::StoredInvitation;
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::{Policies, Refused, admit_tenant};
use crate::model::registration::AppRegistration;
use crate::model::tenant::{AccountId, TenantId, UserId};
use crate::protocol::authorization::{AuthorizationRequest, Callback, ResponseMode};
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::partner_center::PartnerCenter;
use crate::protocol::token_endpoint::TokenEndpoint;
use crate::storage::ledger::{Held, Ledger, LedgerError};

mod approval;
mod approving;
mod browser;
mod capture;
mod deciding;
mod found;
mod ground;
mod inviting;
mod judging;
mod pending;
mod taking_over;
#[cfg(feature = "web")]
mod turned_away;

pub use approval::{ApprovalReport, PendingApproval};
pub use browser::BrowserKey;
use found::FoundRecord;
pub use found::{Found, FoundId};
pub use pending::PendingConsent;
use pending::PendingRecord;

/// How long a person has from the start of a flow to its callback.
const PENDING_LIFE: Duration = Duration::from_secs(30 * 60);
/// How long what was found waits for its confirmation.
pub(crate) const FOUND_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a browser has from the start of a flow to its confirmation.
const FLOW_LIFE: Duration = PENDING_LIFE.saturating_add(FOUND_LIFE);

/// The front desk of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Onboarding(Arc<Desk>);

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) app: AppRegistration,
    pub(crate) policies: Arc<Policies>,
    pub(crate) probe_path: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) book: Book,
    pub(crate) endpoint: Arc<TokenEndpoint>,
    pub(crate) id_tokens: Arc<IdTokenVerifier>,
    pub(crate) partner_center: PartnerCenter,
    pub(crate) standings: Arc<Standings>,
    pub(crate) sharing: Sharing,
    pub(crate) casebook: Casebook,
    pub(crate) lately: Arc<Lately>,
    /// For how long a consent that was replaced can be put back.
    pub(crate) roll_back_within: Duration,
    pub(crate) notary: Notary,
    pub(crate) observers: Observers,
}

/// What a flow is begun with.
#[derive(Clone)]
pub(crate) struct Beginning {
    pub(crate) expected: Option<TenantId>,
    pub(crate) account: AccountId,
    /// What kind of partner it is, if that is said.
    pub(crate) kind: Option<PartnerKind>,
    /// The account in whose name the caller works, where it is not the vendor.
    pub(crate) door: Option<AccountId>,
    pub(crate) mode: ResponseMode,
    pub(crate) login_hint: Option<String>,
    pub(crate) claims: Option<String>,
    pub(crate) rebinds: bool,
}

/// What a confirmation may put the new consent in place of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Replacement {
    /// The consent of another user, who was named.
    pub(crate) instead_of: Option<UserId>,
    /// A record that does not open.
    pub(crate) of_damaged: bool,
    /// One by which customers work that refuse the new one.
    pub(crate) losing_customers: bool,
}

impl Replacement {
    /// With what the host has said in the invitation.
    fn under(mut self, invitation: Option<&StoredInvitation>) -> Self {
        self.losing_customers |= invitation.is_some_and(|invitation| invitation.terms.loses);
        self
    }
}

/// Neither a person's name nor what is to be proven is for a log.
impl fmt::Debug for Beginning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Beginning")
            .field("expected", &self.expected)
            .field("account", &self.account)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Beginning {
    pub(crate) const fn of(
        expected: Option<TenantId>,
        account: AccountId,
        door: Option<AccountId>,
    ) -> Self {
        let (mode, kind, login_hint, claims) = (ResponseMode::FormPost, None, None, None);
        Self { expected, account, kind, door, mode, login_hint, claims, rebinds: false }
    }

    /// Behind an account's door nothing is begun for another account, and nothing is moved.
    fn check_door(&self, partner: TenantId) -> Result<(), Refused> {
        let own = |door: &AccountId| *door == self.account && !self.rebinds;
        if self.door.as_ref().is_none_or(own) { Ok(()) } else { Err(Refused::NotYours(partner)) }
    }
}

impl Onboarding {
    pub(crate) fn new(desk: Desk) -> Self {
        Self(Arc::new(desk))
    }

    /// Begins a flow in the browser that asks.
    pub(crate) async fn begin(&self, beginning: Beginning) -> Result<PendingConsent, Error> {
        let desk = &self.0;
        let above = desk.admit_beginning(&beginning).await?;
        let (mut record, pending) = desk.prepare(&beginning);
        record.above = above;
        desk.note(&record).await?;
        Ok(pending)
    }

    /// Takes the callback of a flow: redeems its code, checks everything, and keeps what was found
    /// for a confirmation.
    pub(crate) async fn capture(&self, callback: Callback) -> Result<Found, Error> {
        let captured = self.0.capture(callback).await;
        self.0.note_denial(&captured);
        Ok(Found::new(self.clone(), self.told(captured)?))
    }

    /// What waits for confirmation, for the browser that found it, in any process.
    pub(crate) async fn found(&self, id: &FoundId, headers: &HeaderMap) -> Result<Found, Error> {
        let held = self.0.waiting(id).await?;
        self.told(self.0.check_browser(&held.record, headers).await)?;
        let ground = self.0.ground(held.record.partner).await?;
        let invitation = self.told(self.0.invitation_of(&held.record, &ground).await)?;
        Ok(Found::new(self.clone(), self.0.facts(&held.record, &ground, invitation)))
    }
}

impl Onboarding {
    /// Tells observers of a refusal.
    fn told<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Refused(refused)) = &outcome {
            self.0.tell_refusal(refused);
        }
        outcome
    }

    /// A page of somebody else's has sent what only our own may send.
    #[cfg(feature = "web")]
    pub(crate) fn refuse_foreign(&self) -> Error {
        self.0.tell_refusal(&Refused::ForeignRequest);
        Refused::ForeignRequest.into()
    }
}

impl Desk {
    /// Whether anything can come of what begins; and above which generation whatever is let go is let
    /// go later.
    async fn admit_beginning(&self, beginning: &Beginning) -> Result<Option<u64>, Error> {
        let Some(partner) = beginning.expected else { return Ok(None) };
        self.check_partner(partner)?;
        beginning.check_door(partner)?;
        let ground = self.ground(partner).await?;
        ground.check_binding(partner, &beginning.account, beginning.rebinds)?;
        Ok(ground.above())
    }

    /// A flow, with what its browser needs; nothing of it is stored yet.
    fn prepare(&self, beginning: &Beginning) -> (PendingRecord, PendingConsent) {
        let directory = beginning.expected.map_or(Directory::Organizations, Directory::Tenant);
        let authority = Authority::new(self.app.cloud(), directory);
        let request = AuthorizationRequest::new(
            &self.app,
            &authority,
            beginning.mode,
            beginning.login_hint.as_deref(),
            beginning.claims.as_deref(),
        );
        let browser = BrowserKey::new(&request.state, beginning.mode, FLOW_LIFE);
        let (redirect_uri, now) = (self.app.redirect_uri(), self.clock.now());
        let record = PendingRecord::begun(beginning, &request, redirect_uri, &browser, now);
        let pending = PendingConsent::new(request.url, browser, record.expires_at);
        (record, pending)
    }

    async fn note(&self, begun: &PendingRecord) -> Result<(), Error> {
        self.ledger.insert(begun).await?;
        let (partner, account) = (begun.expected, begun.account.clone());
        self.observers.tell(&Event::ConsentRequested { partner, account });
        Ok(())
    }

    fn check_partner(&self, partner: TenantId) -> Result<(), Refused> {
        admit_tenant(partner, self.app.home())
    }

    /// The record that waits, unless its time is over: then it is erased on sight. It ends with the
    /// partner's key, too.
    async fn waiting(&self, id: &FoundId) -> Result<Held<FoundRecord>, Error> {
        let loaded = self.ledger.load::<FoundRecord>(id.sealed_for(), &id.to_string()).await;
        let held = match loaded {
            Err(LedgerError::Shredded { partner, .. }) => {
                return Err(Refused::Withdrawn(partner).into());
            }
            held => held?.ok_or(Refused::NothingToConfirm)?,
        };
        let now = self.clock.now();
        if now >= held.record.expires_at {
            if !held.record.is_being_confirmed(now) {
                self.remove(&held).await?;
            }
            return Err(Refused::NothingToConfirm.into());
        }
        Ok(held)
    }

    fn tell_refusal(&self, refused: &Refused) {
        let (partner, refused) = (refused_partner(refused), refused.clone());
        self.observers.tell(&Event::ConsentRefused { partner, refused });
    }

    /// Keeps what Entra has said no with, and tells observers.
    fn note_denial<T>(&self, outcome: &Result<T, Error>) {
        let Err(denial @ Error::Entra { partner, error, .. }) = outcome else { return };
        self.casebook.note(denial, None, self.clock.now());
        self.observers.tell(&Event::ConsentDenied {
            partner: *partner,
            cause: error.cause(),
            number: error.number(),
            correlation_id: error.correlation_id().map(str::to_owned),
        });
    }

    fn settled(&self, consent: Consent) -> Consent {
        self.observers.tell(&Event::ConsentConfirmed {
            partner: consent.partner,
            user: consent.user.id,
            account: consent.account.clone(),
            generation: consent.generation,
        });
        consent
    }
}

const fn refused_partner(refused: &Refused) -> Option<TenantId> {
    match refused {
        Refused::OtherTenant { found, .. } => Some(*found),
        Refused::HomeTenant(partner)
        | Refused::NotYours(partner)
        | Refused::WeakerProof(partner)
        | Refused::OlderToken(partner)
        | Refused::OtherUser { partner, .. }
        | Refused::LosesCustomers { partner, .. }
        | Refused::OtherInvitee { partner, .. }
        | Refused::ConfirmedAlready(partner)
        | Refused::Withdrawn(partner) => Some(*partner),
        _ => None,
    }
}

/// What a denial in the callback means.
fn denied(error: &EntraError, partner: Option<TenantId>) -> Error {
    match error.cause() {
        Cause::Declined => Refused::Declined.into(),
        Cause::AdminApprovalRequired => Refused::AdminApprovalNeeded.into(),
        _ => Error::Entra { partner, tenant: partner, error: Arc::new(error.clone()) },
    }
}
