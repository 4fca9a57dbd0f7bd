//! Partner consent for Control Panel Vendors: Microsoft's Secure Application Model as a library.
//!
//! A *partner* manages its *customers'* tenants and lets a vendor's panel act there. The vendor may
//! not keep the partner's password. Instead a user of the partner *consents* once, with a second
//! factor, to the vendor's multi-tenant application; what stays is a refresh token, sealed, which is
//! *exchanged* for access tokens: application plus user, never application alone.
//!
#![doc = include_str!("../docs/first-program.md")]
//!
//! # The house
//!
//! A folder is a layer. A module imports only what stands below it, or before it in its row;
//! `tests/layers.rs` holds this picture against the code.
//!
//! ```text
//!  doors       emulator                 imports only invalid, clock, tenant, secret, registration,
//!                                       and cloud to name its own addresses
//!              metrics                  turns events into counters
//!              web                      the pages from an invitation to a consent
//!  façade      broker │ partner │ doctor     handles and wiring, no logic of their own
//!  journeys/   freezing │ standing │ offers │ token │ watch │ cache │ flight │ sharing │ tally │
//!              lasting │ lately │ receipts │ casebook │ circuit │ guard │ invitation │ onboarding │
//!              exchange │ office │ customers │ granting │ diagnosis │ offboarding │ rollback │
//!              rekeying │ sweeping │ scan │ transfer │ verification │ checkup
//!  error       Error, Remedy            gathers the narrow errors of everything below
//!  protocol/   json │ discovery │ challenge │ authorization │ token_endpoint │ id_token │
//!              partner_center
//!  storage/    keyring │ seal │ store │ ledger │ consents │ receipts │ parcel │ lease │ roll │
//!              budget
//!  transport/  throttle │ pace │ http │ client_assertion │ key_vault
//!  model/      sync │ invalid │ clock │ tenant │ cloud │ scope │ resource_id │ secret │
//!              fingerprint │ registration │ manifest │ entra_error │ mfa │ enforcement │ role │ partner_kind │
//!              receipt │ consent │ policy │ invitation │ freeze │ motive │ event
//! ```

mod broker;
mod doctor;
mod error;
mod journeys;
mod model;
mod partner;
mod protocol;
mod storage;
mod transport;

#[cfg(feature = "emulator")]
pub mod emulator;
#[cfg(feature = "measure")]
#[doc(hidden)]
pub mod measure;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "web")]
pub mod web;

pub use broker::{Broker, BrokerBuilder};
pub use doctor::Doctor;
pub use error::{Absence, Error, Party, Remedy};
pub use journeys::checkup::{Checked, Checkup, CheckupLine, Topic, Trouble};
pub use journeys::customers::Customers;
pub use journeys::diagnosis::{Basis, Diagnosis, Health, Missing, Step};
pub use journeys::exchange::{Access, Answer};
pub use journeys::granting::{CustomerGrants, Grant, GrantState};
pub use journeys::guard::FleetGuard;
pub use journeys::invitation::{InvitationCursor, InvitationPage};
pub use journeys::onboarding::{
    ApprovalReport, BrowserKey, Found, FoundId, PendingApproval, PendingConsent,
};
pub use journeys::receipts::{Audit, Checkpoint, Receipt, ReceiptFinding, ReceiptPlace, Receipts};
pub use journeys::rekeying::{KeyLeft, KeyRotated, KeyRotation, RotateKeys};
pub use journeys::scan::{Scan, Scanned};
pub use journeys::sweeping::Swept;
pub use journeys::token::Token;
pub use journeys::transfer::{
    Export, Exported, Import, ImportOutcome, Imported, KeptBack, KeptBecause,
};
pub use journeys::verification::{
    Aspect, Check, Finding, Unverified, Verdict, Verification, Verified, VerifyAll,
};
pub use model::clock::{Clock, Glance, Sleep, SystemClock, VirtualClock};
pub use model::cloud::{Cloud, CustomCloud, Environment, Origins, Realm};
pub use model::consent::{
    Consent, ConsentState, ConsentingUser, Guest, Loss, PreviousConsent, Suspension,
};
pub use model::entra_error::{Cause, EntraError, Reach};
pub use model::event::{Event, Observer};
pub use model::freeze::{Freeze, FreezeScope};
pub use model::invalid::Invalid;
pub use model::invitation::{
    Invitation, InvitationId, InvitationStatus, SentInvitation, ShownName,
};
pub use model::manifest::{Manifest, ManifestError, ManifestFinding, Severity};
pub use model::mfa::{MfaFinding, MfaProof, MfaSource, SignInTime};
pub use model::motive::{Actor, Purpose};
pub use model::partner_kind::PartnerKind;
pub use model::policy::{Policy, Refused, Warning};
pub use model::receipt::{ConsentChange, Granted};
pub use model::registration::{
    AppRegistration, AssertionSource, Certificate, ClientCredential, CredentialError,
    CredentialProvider, FederatedAssertion, SigningKey,
};
pub use model::role::DirectoryRole;
pub use model::scope::{Resource, ResourceUri, Scope, Scopes};
pub use model::secret::{AccessToken, ClientAssertion, ClientSecret, KeyText, RefreshToken};
pub use model::tenant::{AccountId, ClientId, TenantId, UserId};
pub use partner::{
    Account, ApprovalRequest, ConsentRequest, Customer, InvitationRequest, Invitations,
    InvitedConsent, Partner, TokenRequest,
};
pub use protocol::authorization::{Callback, CallbackError, ResponseMode};
pub use protocol::challenge::ClaimsChallenge;
pub use protocol::id_token::IdTokenError;
pub use protocol::partner_center::{
    CustomerProfile, MfaMissing, PartnerCenterCause, PartnerCenterError, RelationshipToPartner,
};
pub use protocol::token_endpoint::BadReply;
pub use storage::keyring::{
    DataKey, KeyError, KeyId, KeyRefusal, KeyRing, KeySourceError, KeyVaultKey, KeyWrap, LocalKey,
};
pub use storage::ledger::{DamagedRecord, LedgerError, Unreadable};
pub use storage::parcel::{ExportCode, Recipient, RecipientKey, TransferError};
pub use storage::receipts::{ReceiptKey, ReceiptKeys, ReceiptPublicKey, ReceiptSigner};
pub use storage::seal::{Damage, Sealed};
pub use storage::store;
pub use transport::http::{Http, HttpError, HttpFault, Reqwest};
pub use transport::key_vault::{KeyVault, KeyVaultBuilder, KeyVaultError, ManagedIdentity};

/// The guides' code, run as documentation tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/journeys.md")]
    struct Journeys;
    #[doc = include_str!("../docs/customers.md")]
    struct Customers;
    #[doc = include_str!("../docs/errors.md")]
    struct Errors;
    #[doc = include_str!("../docs/stores.md")]
    struct Stores;
    #[doc = include_str!("../docs/operation.md")]
    struct Operation;
    #[doc = include_str!("../docs/receipts.md")]
    struct Receipts;
    #[doc = include_str!("../docs/emulator.md")]
    struct Emulator;
    #[doc = include_str!("../docs/registration.md")]
    struct Registration;
    #[doc = include_str!("../docs/web.md")]
    struct Web;
}
