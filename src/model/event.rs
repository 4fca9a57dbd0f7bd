//! What happened, in words that can hold no secret.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::consent::ConsentState;
use super::entra_error::Cause;
use super::freeze::FreezeScope;
use super::invitation::InvitationId;
use super::motive::{Actor, Purpose};
use super::policy::Refused;
use super::scope::Resource;
use super::tenant::{AccountId, TenantId, UserId};

/// Something an operator or an auditor may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A consent flow began.
    ConsentRequested {
        /// The tenant asked, or none at a first contact.
        partner: Option<TenantId>,
        /// In whose name.
        account: AccountId,
    },
    /// A person consented and the proof held; it waits for confirmation.
    ConsentFound {
        /// The partner.
        partner: TenantId,
        /// Who signed in.
        user: UserId,
    },
    /// An administrator's approval for the whole tenant was begun.
    ApprovalRequested {
        /// The tenant asked, or none at a first contact.
        partner: Option<TenantId>,
        /// In whose name.
        account: AccountId,
        /// The invitation that it was begun by.
        invitation: Option<InvitationId>,
    },
    /// A browser came back and says that an administrator has approved. Nothing proves it before
    /// somebody signs in.
    ApprovalReported {
        /// The tenant that was asked, or none at a first contact.
        partner: Option<TenantId>,
        /// In whose name.
        account: AccountId,
        /// The invitation that it was begun by.
        invitation: Option<InvitationId>,
    },
    /// A consent, or an administrator's approval, was refused; nothing is stored.
    ConsentRefused {
        /// The partner, where it is known.
        partner: Option<TenantId>,
        /// Why.
        refused: Refused,
    },
    /// Entra refused a consent, or an administrator's approval: in the answer that a browser brought, or
    /// when its code was redeemed. Nothing is stored.
    ConsentDenied {
        /// The partner, where it is known.
        partner: Option<TenantId>,
        /// Why.
        cause: Cause,
        /// Entra's AADSTS number, if it gave one.
        number: Option<u32>,
        /// Entra's name for this answer, to quote to its support; what a browser brings has none.
        correlation_id: Option<String>,
    },
    /// A consent was confirmed and stands.
    ConsentConfirmed {
        /// The partner.
        partner: TenantId,
        /// Who consented.
        user: UserId,
        /// In whose name.
        account: AccountId,
        /// Its generation.
        generation: u64,
    },
    /// The consent that another had taken the place of was put back, and stands.
    ConsentRolledBack {
        /// The partner.
        partner: TenantId,
        /// Who had given it.
        user: UserId,
        /// In whose name.
        account: AccountId,
        /// Its generation now.
        generation: u64,
    },
    /// The consent that another had taken the place of was given up: it cannot be put back any more. The
    /// one that stands goes on.
    PreviousConsentForgotten {
        /// The partner.
        partner: TenantId,
        /// Who had given the one that is gone.
        user: UserId,
        /// In whose name.
        account: AccountId,
    },
    /// Somebody was invited to consent.
    Invited {
        /// The invitation.
        invitation: InvitationId,
        /// The tenant asked, or none at a first contact.
        partner: Option<TenantId>,
        /// In whose name.
        account: AccountId,
    },
    /// An invitation was sent once more: its older links are dead.
    InvitationResent {
        /// The invitation.
        invitation: InvitationId,
        /// In whose name.
        account: AccountId,
    },
    /// A flow was begun by an invitation.
    InvitationStarted {
        /// The invitation.
        invitation: InvitationId,
        /// In whose name.
        account: AccountId,
        /// How often its link was begun by.
        times: u32,
    },
    /// A consent was confirmed by an invitation, which is spent.
    InvitationConfirmed {
        /// The invitation.
        invitation: InvitationId,
        /// The partner.
        partner: TenantId,
        /// In whose name.
        account: AccountId,
    },
    /// An invitation was taken back.
    InvitationRevoked {
        /// The invitation.
        invitation: InvitationId,
        /// In whose name.
        account: AccountId,
    },
    /// Every consent was written into an export, refresh tokens included.
    ConsentsExported {
        /// How many consents.
        consents: u64,
        /// How many tombstones.
        tombstones: u64,
    },
    /// A consent, or a tombstone, was taken over from an export.
    ConsentImported {
        /// The partner.
        partner: TenantId,
        /// Its generation.
        generation: u64,
        /// How the partner stood here, if it was known here.
        from: Option<ConsentState>,
        /// How it stands now.
        to: ConsentState,
    },
    /// A refresh token was exchanged for an access token.
    Exchanged {
        /// The partner whose consent was used.
        partner: TenantId,
        /// The tenant the access token is for.
        tenant: TenantId,
        /// The API it is for.
        resource: Resource,
        /// Whether the stored refresh token was replaced.
        rotated: bool,
        /// How long Entra took to answer.
        took: Duration,
        /// For whom the host asked. Who joined a request that was under way caused none.
        actor: Option<Actor>,
        /// What for.
        purpose: Option<Purpose>,
    },
    /// An exchange was refused by Entra.
    ExchangeRefused {
        /// The partner whose consent was used.
        partner: TenantId,
        /// The tenant asked.
        tenant: TenantId,
        /// The API asked for.
        resource: Resource,
        /// Why.
        cause: Cause,
        /// Entra's name for this answer, to quote to its support.
        correlation_id: Option<String>,
        /// For whom the host asked.
        actor: Option<Actor>,
        /// What for.
        purpose: Option<Purpose>,
    },
    /// A consent's state moved.
    StateChanged {
        /// The partner.
        partner: TenantId,
        /// Before.
        from: ConsentState,
        /// After.
        to: ConsentState,
    },
    /// Partner Center refused two tokens of this partner for want of a second factor: it is not used
    /// for the partner any more. Tokens for other APIs and for customers go on.
    PartnerCenterSuspended {
        /// The partner.
        partner: TenantId,
    },
    /// Partner Center is used again for this partner: it took a new token as one that was made with a
    /// second factor, or the partner consented anew.
    PartnerCenterResumed {
        /// The partner.
        partner: TenantId,
    },
    /// The store refused a rotated token: it is kept in memory and its write is retried.
    Unsaved {
        /// The partner.
        partner: TenantId,
    },
    /// A token that was unsaved is stored now.
    Saved {
        /// The partner.
        partner: TenantId,
    },
    /// A lease could not be written, so the work went on without it: another process may do the same
    /// at the same time, which costs a request and loses nothing.
    Unleased {
        /// The partner.
        partner: TenantId,
    },
    /// This process could not be put on the roll of those at work. Until it is, a key that only it
    /// needs could be retired.
    Unannounced,
    /// Somebody had to wait for longer than a second before a request could be sent within a budget
    /// of the application. It is said once in ten seconds at most.
    BudgetShort {
        /// Which: `tokens` is that of [`BrokerBuilder::token_budget`](crate::BrokerBuilder::token_budget).
        budget: &'static str,
        /// How long that one has waited.
        waited: Duration,
        /// How many still wait for their callers' sake.
        waiting: usize,
    },
    /// This process could not keep its share of a budget in the store: until it can, it goes on with
    /// a tenth of it.
    BudgetUnshared {
        /// Which.
        budget: &'static str,
    },
    /// The store could not be read; what is known from before is used.
    StoreUnreadable {
        /// The partner.
        partner: TenantId,
    },
    /// A renewal failed while a valid access token is held; that one was handed out.
    ServedWhileFailing {
        /// The partner whose consent is used.
        partner: TenantId,
        /// The tenant the access token is for.
        tenant: TenantId,
        /// Until when it is valid.
        until: SystemTime,
    },
    /// Entra refuses the application itself: nobody is asked until one probe succeeds, and valid
    /// tokens are served. No consent is touched.
    CircuitOpened {
        /// Why.
        cause: Cause,
    },
    /// The application works again.
    CircuitClosed,
    /// More partners fail at once than can be their own fault: no consent's state is written until
    /// that is over, and valid tokens are served.
    FleetHeld {
        /// How many would have left `live`.
        leaving: usize,
        /// How many partners this process has used within a day.
        of: usize,
        /// What the last of them met.
        cause: Cause,
    },
    /// Fewer than half as many fail by now: states are written again.
    FleetReleased,
    /// A partner's key was destroyed: no copy of its records opens any more.
    Shredded {
        /// The partner.
        partner: TenantId,
    },
    /// A receipt could not be written: it waits in its consent, and is written with the next one, with
    /// the next checkpoint, or when the partner's receipts are asked for.
    ReceiptWaiting {
        /// The partner.
        partner: TenantId,
    },
    /// Partner keys were put under the ring's primary key.
    KeysRotated {
        /// That key's name.
        key: String,
        /// How many.
        rewrapped: u64,
        /// How many could not be.
        left: u64,
    },
    /// A key of the ring was retired: nothing is under it, and nothing may be wrapped under it.
    KeyRetired {
        /// Its name.
        key: String,
    },
    /// This process hands out no more tokens of this scope. Each process says so when it learns of
    /// it: the one that froze at once, the others within five seconds of use, and at their start.
    Frozen {
        /// The name of the freeze.
        name: String,
        /// Whose tokens it keeps back.
        scope: FreezeScope,
        /// Why, in the words of whoever froze.
        reason: String,
    },
    /// A freeze is over in this process.
    Lifted {
        /// Its name.
        name: String,
        /// Whose tokens it kept back.
        scope: FreezeScope,
    },
    /// A credential of the application that was new, or set aside, was taken by Entra: it is used
    /// from now on.
    CredentialProven {
        /// Its name.
        credential: String,
    },
    /// A credential of the application was refused, twice in a row where it had worked before, or cannot
    /// be used. Another is used, if there is
    /// one; this one is tried again later, by one request.
    CredentialSetAside {
        /// Its name.
        credential: String,
        /// What Entra, or who keeps it, says.
        because: String,
    },
    /// The certificate in use ends soon: said once when 30, 7 and 1 days are left.
    CredentialEnding {
        /// Its name.
        credential: String,
        /// When it ends.
        ends: SystemTime,
    },
    /// The provider did not list the application's credentials; those it listed before are used.
    CredentialsUnread {
        /// What it says.
        because: String,
    },
    /// The application was granted permissions in a customer's tenant, and a token shows it.
    CustomerGranted {
        /// The partner whose consent did so.
        partner: TenantId,
        /// The customer.
        customer: TenantId,
        /// Of which API.
        resource: Resource,
    },
    /// All that the application was granted in a customer's tenant was withdrawn.
    CustomerWithdrawn {
        /// The partner whose consent did so.
        partner: TenantId,
        /// The customer.
        customer: TenantId,
    },
    /// A customer-tenant reply came without an ID token, or with another user's object id.
    UnprovenUser {
        /// The partner.
        partner: TenantId,
        /// The tenant asked.
        tenant: TenantId,
    },
}

/// Told of every event, on the task that caused it.
///
/// It must be quick, and it can neither fail nor stall a token: a panic in it is caught.
pub trait Observer: Send + Sync + 'static {
    /// Takes note of an event.
    fn record(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn record(&self, event: &Event) {
        self(event);
    }
}

/// Everybody who is told.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self(observers.into())
    }

    pub(crate) fn tell(&self, event: &Event) {
        tracing::debug!(?event, "consent event");
        for observer in self.0.iter() {
            let told = catch_unwind(AssertUnwindSafe(|| observer.record(event)));
            if told.is_err() {
                tracing::error!("an observer panicked");
            }
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Observers({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_event_stands_on_the_page_and_nothing_that_is_none() {
        let page = include_str!("../../docs/operation.md");
        let (tables, _) = page.split_once("### On whose behalf").expect("its end");
        let cells = tables.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        let spans = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let names = spans.filter(|span| span.starts_with(char::is_uppercase));
        let told: BTreeSet<_> =
            names.filter_map(|name| name.split(' ').next()).map(str::to_owned).collect();

        let file = syn::parse_file(include_str!("event.rs")).expect("Rust");
        let variants = file.items.into_iter().filter_map(|item| match item {
            syn::Item::Enum(item) if item.ident == "Event" => Some(item.variants),
            _ => None,
        });
        let events = variants.flatten().map(|variant| variant.ident.to_string());
        assert_eq!(told, events.collect::<BTreeSet<_>>(), "docs/operation.md, events");
    }

    #[test]
    fn a_panicking_observer_silences_nobody() {
        let heard = Arc::new(Mutex::new(0));
        let counter = heard.clone();
        let broken = |_: &Event| panic!("on purpose");
        let working = move |_: &Event| *counter.lock().expect("not poisoned") += 1;
        let observers = Observers::new(vec![Arc::new(broken), Arc::new(working)]);
        let partner = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        observers.tell(&Event::Saved { partner });
        assert_eq!(*heard.lock().expect("not poisoned"), 1);
    }
}
