//! The broker: one application in one cloud and environment, and all that it can do.
//!
//! What it can do for one partner stands in `partner`.

mod assembly;
mod builder;
mod chores;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::error::Error;
use crate::journeys::diagnosis::{Diagnosis, Diagnostics};
use crate::journeys::exchange::Exchange;
use crate::journeys::freezing::Freezes;
use crate::journeys::granting::Granting;
use crate::journeys::offboarding::Offboarding;
use crate::journeys::office::Office;
use crate::journeys::onboarding::{ApprovalReport, Found, FoundId, Onboarding};
use crate::journeys::receipts::{Checkpoint, Notary, Receipts};
use crate::journeys::rekeying::{Rekeying, RotateKeys};
use crate::journeys::rollback::Rollback;
use crate::journeys::scan::Scan;
use crate::journeys::sweeping::{Sweeper, Swept};
use crate::journeys::transfer::{Export, Import, Transfer};
use crate::journeys::verification::{Verifier, VerifyAll};
use crate::model::clock::Clock;
use crate::model::freeze::{Freeze, FreezeScope};
use crate::model::registration::AppRegistration;
use crate::model::tenant::{TenantId, UserId};
use crate::protocol::authorization::Callback;
use crate::storage::keyring::{KeyId, KeyRing};
use crate::storage::ledger::Ledger;
use crate::storage::parcel::{ExportCode, Recipient, RecipientKey};
use crate::storage::roll::Roll;
use crate::storage::store::Store;

pub use self::builder::BrokerBuilder;
use self::chores::Chores;

/// Keeps the consents of a vendor's partners and turns them into access tokens.
///
/// It serves one application in one cloud and environment. Clones share everything; several
/// processes may share a store. It does not survive a fork, since its runtime does not: a process that
/// goes into the background builds it afterwards.
#[derive(Debug, Clone)]
pub struct Broker {
    pub(crate) onboarding: Onboarding,
    pub(crate) exchange: Exchange,
    pub(crate) diagnostics: Diagnostics,
    freezes: Freezes,
    pub(crate) office: Office,
    pub(crate) granting: Arc<Granting>,
    pub(crate) offboarding: Offboarding,
    pub(crate) rollback: Rollback,
    pub(crate) rekeying: Rekeying,
    pub(crate) transfer: Transfer,
    pub(crate) verifier: Verifier,
    pub(crate) ledger: Ledger,
    notary: Notary,
    roll: Roll,
    clock: Arc<dyn Clock>,
    sweeper: Sweeper,
    chores: Arc<Chores>,
}

impl Broker {
    /// What a broker cannot do without: the registration, a store, and the keys that seal it.
    pub fn builder(app: AppRegistration, store: impl Store, keys: KeyRing) -> BrokerBuilder {
        BrokerBuilder::new(app, Arc::new(store), keys)
    }

    /// Takes the callback of a consent flow: redeems the code, checks tenant, second factor and
    /// scopes, and returns what was found, to be confirmed by a person.
    ///
    /// Once this has failed, nothing is left from which a token could be had. The same callback is
    /// never taken again: where the remedy is to retry, begin a new flow.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason; [`Error::Entra`], [`Error::IdToken`], [`Error::Reply`] and
    /// [`Error::Http`] for what went wrong with Entra; [`Error::Store`] and [`Error::Key`].
    pub async fn capture_consent(&self, callback: Callback) -> Result<Found, Error> {
        self.onboarding.capture(callback).await
    }

    /// Takes the callback of an administrator's approval: see
    /// [`Callback::reports_approval`]. What comes back is a report, which no later step believes, and
    /// from which no token is to be had.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason: of the callback itself, since the administrator
    /// [declined](crate::Refused::Declined), since who signed in is
    /// [no administrator](crate::Refused::AdminApprovalNeeded), or since the answer speaks of another
    /// tenant than was asked; [`Error::Entra`]; [`Error::Store`] and [`Error::Key`].
    pub async fn capture_approval(&self, callback: Callback) -> Result<ApprovalReport, Error> {
        self.onboarding.capture_approval(callback).await
    }

    /// What waits for confirmation, found again by the request that confirms it: the same browser,
    /// any process.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing waits or the cookie is of another browser.
    pub async fn found(&self, id: &FoundId, headers: &HeaderMap) -> Result<Found, Error> {
        self.onboarding.found(id, headers).await
    }

    /// Erases what nobody wants any more, and says how much of it: flows and findings whose time is
    /// over, shared access tokens that have ended, what processes that died have
    /// left behind, consents whose partner was shredded an hour ago. A consent that was replaced, and
    /// cannot be put back any more, is taken out of the record of the one that stands.
    ///
    /// The broker does so by itself every ten minutes. Any process may do it at any time, several
    /// at once too; it reads no more than a page at a time.
    ///
    /// # Errors
    /// What the store or the key ring says; what was erased stays so.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        self.sweeper.sweep().await
    }

    /// Keeps tokens back: from now on in this process, and in every other one that shares the
    /// store within five seconds of use, until it is [lifted](Self::lift) by its name. It survives
    /// restarts, and a partner's withdrawal, shredding and return. Tokens that are in the hands of
    /// callers already go on working until they end: only Entra could stop those.
    ///
    /// Consents can be asked for and confirmed meanwhile: they give no token. `reason` is shown to
    /// whoever is refused: 1 to 256 bytes, in one line. The same scope with the same reason is the
    /// same freeze: asked for again, the one that stands is returned, also while it waits to be stored.
    ///
    /// # Errors
    /// [`Error::Setting`] for such a reason as is none; [`Error::FreezeUnsaved`] when the store
    /// failed: then it holds here at once, and this process goes on trying to store it.
    pub async fn freeze(
        &self,
        scope: FreezeScope,
        reason: impl Into<String> + Send,
    ) -> Result<Freeze, Error> {
        self.freezes.freeze(scope, reason.into()).await
    }

    /// Ends the freeze of this name, in every process within five seconds. Says whether there was
    /// one: a name that nobody knows, or that was lifted before, is `false` and no error. Where several cover a partner, the others go on.
    ///
    /// # Errors
    /// What the store says; then nothing is lifted.
    pub async fn lift(&self, name: &str) -> Result<bool, Error> {
        self.freezes.lift(name).await
    }

    /// Every freeze that stands, the oldest first: read from the store, with what is not stored yet.
    ///
    /// # Errors
    /// What the store says; what was known before goes on.
    pub async fn freezes(&self) -> Result<Vec<Freeze>, Error> {
        self.freezes.all().await
    }

    /// The name that other processes know this one by: see
    /// [`KeyRefusal`](crate::KeyRefusal). It is new at each start.
    #[must_use]
    pub fn process_id(&self) -> &str {
        &self.roll.own().id
    }

    /// Puts every partner's key under the ring's primary key, while everything works: see
    /// [`RotateKeys::run`]. It may be dropped and begun again, and run twice at once.
    pub fn rotate_keys(&self) -> RotateKeys<'_> {
        RotateKeys::new(&self.rekeying)
    }

    /// Retires a key of the ring: no broker may be built any more whose primary key it is. Then it
    /// can be taken out of the rings. Where other processes share the store, this takes minutes: it
    /// looks twice which of them live. One that slept meanwhile puts no partner's key under it any
    /// more. It may be dropped, but then nothing more is wrapped under the key until it is run
    /// again, which ends it or, if that is refused, takes it back.
    ///
    /// It is retired for this application and environment; each rotates and retires for itself.
    /// Others that keep partner keys in another store are not seen.
    ///
    /// # Errors
    /// [`Error::KeyRefused`], and nothing changed, while a live process wraps under the key, or
    /// anything in the store is under it or may be: another application's partner keys too, and
    /// those that cannot be read; [`Error::Key`] when this ring has no such key.
    pub async fn retire_key(&self, key: &KeyId) -> Result<(), Error> {
        self.rekeying.retire(key).await
    }

    /// Writes every consent and every tombstone of this application into an export that only the
    /// recipient can open. `to` is used on a thread where it may block: a file, a pipe.
    pub fn export<'b>(
        &'b self,
        recipient: &'b Recipient,
        to: impl Write + Send + 'static,
    ) -> Export<'b> {
        Export::new(&self.transfer, recipient, to)
    }

    /// Takes over the consents of an export: nothing newer is overwritten, nobody who was withdrawn
    /// here comes back, and each consent is unproven until it has worked once.
    pub fn import<'b>(
        &'b self,
        key: &'b RecipientKey,
        code: &'b ExportCode,
        from: impl Read + Send + 'static,
    ) -> Import<'b> {
        Import::new(&self.transfer, key, code, from)
    }

    /// The partner's receipts, the oldest first: what became of its consents, signed and chained. Those
    /// that waited are written first. It works for partners that were let go, too.
    ///
    /// # Errors
    /// [`Error::Damaged`] when one does not open; [`Error::Store`]; [`Error::Key`] when one that waits
    /// cannot be signed.
    pub async fn receipts(&self, partner: TenantId) -> Result<Receipts, Error> {
        self.notary.receipts(partner).await
    }

    /// Where every partner's chain of receipts stands now, signed. Keep it outside the store: only beside
    /// it does it show that receipts are missing. It opens every consent and every receipt: make one a
    /// day, say. Those that waited are written first.
    ///
    /// # Errors
    /// [`Error::Setting`] without a signer; as [`receipts`](Self::receipts).
    pub async fn checkpoint_receipts(&self) -> Result<Checkpoint, Error> {
        self.notary.checkpoint().await
    }

    /// Erases what the partner's receipts know of a person who consented once; says of how many. A
    /// consent of that person that could still be put back is dropped. The partner's invitations forget
    /// the person, and the sign-in name to be filled in unless it is for somebody else; one that was for
    /// this person alone is revoked. The
    /// receipts themselves stay and verify as before. What others hold, exports and backups, is theirs to
    /// erase; [shredding](crate::Partner::shred) the partner reaches backups, too.
    ///
    /// # Errors
    /// [`Refused::StillNamed`](crate::Refused::StillNamed) while the partner's consent is this person's;
    /// [`Error::Conflict`] while this person confirms by an invitation; as [`receipts`](Self::receipts).
    /// Call it again: what was erased stays so.
    pub async fn erase_person(&self, partner: TenantId, user: UserId) -> Result<usize, Error> {
        self.offboarding.erase_person(partner, user).await
    }

    /// A refusal of Entra's, found again by its correlation or trace id, with the partner's consent as
    /// it stands now. Each process remembers its own newest 4096; `None` where it is not among them.
    pub async fn diagnosis_of(&self, id: &str) -> Option<Diagnosis> {
        self.diagnostics.of_id(id).await
    }

    /// What a pasted text is about, such as `AADSTS65001: … Trace ID: … Correlation ID: …`.
    ///
    /// An id in it that this process remembers leads to the case. Else its numbers alone say what they
    /// mean, and what to do at either tenant that may have answered so. `None` where it has neither.
    /// Only its first 64 kB are read, and nothing but numbers and ids is taken from it.
    pub async fn diagnose_text(&self, text: &str) -> Option<Diagnosis> {
        self.diagnostics.of_text(text).await
    }

    /// Opens every record of this application and names those that are damaged.
    pub fn scan(&self) -> Scan<'_> {
        Scan::new(&self.ledger)
    }

    /// To be called once the application's credential has come into wrong hands and was replaced: the
    /// provider is asked for the credentials, what was signed by the old ones is forgotten, and so is
    /// every access token, in this process and among those that processes share. Requests that were
    /// under way fail with [`Error::Superseded`], to be made again at once. A routine rotation needs
    /// none of it.
    ///
    /// Call it in each process. One that was not called yet goes on sharing what it fetches, so where
    /// tokens are shared, call it in each once more when all have returned.
    ///
    /// What an attacker got meanwhile stays valid until it ends: see
    /// [`freeze`](Self::freeze) for what you hand out yourself.
    ///
    /// # Errors
    /// Call it again: this process has forgotten its own tokens all the same. [`Error::Credential`] when
    /// the provider lists none: then the old credentials go on being used; [`Error::Store`] and
    /// [`Error::Key`] when shared tokens could not be erased.
    pub async fn credential_compromised(&self) -> Result<(), Error> {
        self.exchange.start_anew().await
    }

    /// How often a token was handed out from memory since the broker was built. It looks at every
    /// token that is held: ask now and then.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.exchange.hits()
    }

    /// Looks at every partner's consent as [`Partner::verify`](crate::Partner::verify) does, some at
    /// a time; no partner's failure stops it.
    pub fn verify_all(&self) -> VerifyAll<'_> {
        VerifyAll::new(&self.verifier)
    }

    /// Takes no new work, finishes what is under way, gives its leases back, stores what is unsaved
    /// and says good-bye to the other processes, for at most `grace`. Its last second, or its last
    /// quarter if that is less, is kept for leases and good-byes: what has not finished by then no
    /// longer holds up others.
    pub async fn close(self, grace: Duration) {
        let farewell = FAREWELL.min(grace / 4);
        let finish = async {
            self.exchange.finish().await;
            self.freezes.save_all().await;
            tokio::join!(self.office.close(), self.chores.end());
        };
        tokio::select! {
            biased;
            () = finish => return,
            () = self.clock.sleep(grace - farewell) => {}
        }
        tokio::select! {
            biased;
            _ = async { tokio::join!(self.exchange.hand_over(), self.office.close(), self.chores.end()) } => {}
            () = self.clock.sleep(farewell) => {}
        }
    }
}

const FAREWELL: Duration = Duration::from_secs(1);
