//! One of each error, and of each refusal, in the order of their declaration.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::error::{Absence, Error};
use crate::model::consent::{ConsentingUser, Guest, Loss};
use crate::model::entra_error::{Cause, EntraError, Refusal};
use crate::model::freeze::{Freeze, FreezeScope};
use crate::model::invalid::Invalid;
use crate::model::mfa::MfaSource;
use crate::model::policy::Refused;
use crate::model::registration::CredentialError;
use crate::model::role::DirectoryRole;
use crate::model::scope::{Resource, Scopes};
use crate::model::tenant::{TenantId, UserId};
use crate::protocol::authorization::CallbackError;
use crate::protocol::id_token::IdTokenError;
use crate::protocol::partner_center::PartnerCenterError;
use crate::protocol::token_endpoint::BadReply;
use crate::storage::keyring::{KeyError, KeyId, KeyRefusal};
use crate::storage::parcel::TransferError;
use crate::storage::store::StoreError;
use crate::transport::http::{HttpError, HttpFault};

pub(crate) fn partner() -> TenantId {
    TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID")
}

pub(super) fn customer() -> TenantId {
    TenantId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID")
}

/// Where several of a variant differ in their remedy, each says when it is it.
pub(super) fn errors() -> Vec<(&'static str, Error)> {
    let (partner, customer) = (partner(), customer());
    let key = KeyId::new("2026-11").expect("a key's name");
    let lacks = |tenant| {
        let (resource, missing) = (Resource::Graph, Scopes::default());
        Error::ScopesMissing { partner, tenant, resource, missing }
    };
    let damaged = |kind| Error::Damaged { kind, partner: Some(partner) };
    let of_key = |error| Error::Key { partner: None, error };
    let until = UNIX_EPOCH;
    vec![
        ("`error.cause()` says which kind", refused_by_entra()),
        (
            "`error.cause()` says which kind",
            refused_by_office(Some(customer), 403, r#"{"code":"20002"}"#),
        ),
        ("", Error::PartnerCenterReply { partner }),
        ("", Error::Refused(Refused::Declined)),
        (
            "it never consented, its consent ended, or it was withdrawn",
            Error::NoConsent { partner, absence: Absence::Never },
        ),
        ("", Error::Suspended { partner, cause: Cause::AccountLocked, until }),
        ("", Error::PartnerCenterSuspended { partner, since: until, until }),
        ("", Error::Frozen { freeze: frozen() }),
        (
            "the remedy is that of the store's failure",
            Error::FreezeUnsaved { freeze: frozen(), error: Box::new(Error::Busy { partner }) },
        ),
        (
            "it sent a `Retry-After`",
            Error::Resting {
                partner: Some(partner),
                tenant: Some(partner),
                cause: Cause::Throttled,
                after: Duration::from_secs(120),
            },
        ),
        (
            "it refuses what only the vendor can mend",
            Error::Resting {
                partner: Some(partner),
                tenant: Some(partner),
                cause: Cause::RegistrationIncomplete,
                after: Duration::from_secs(60),
            },
        ),
        (
            "",
            Error::CircuitOpen { cause: Cause::CredentialRejected, after: Duration::from_secs(30) },
        ),
        ("look at your store", Error::Unsaved { partner }),
        ("", Error::Busy { partner }),
        ("", Error::Superseded { partner }),
        ("at the partner's own tenant", lacks(partner)),
        ("at a customer, where its grant is too small", lacks(customer)),
        ("", Error::ForeignToken { partner, tenant: partner }),
        (
            "its own reasons decide, not the token's",
            Error::TokenRefused {
                partner,
                tenant: partner,
                resource: Resource::Graph,
                left: Duration::from_secs(300),
            },
        ),
        ("nothing was spent", Error::Callback(CallbackError::Method)),
        ("the code is spent", Error::IdToken(IdTokenError::Malformed)),
        ("", Error::Reply(BadReply::NO_ID_TOKEN)),
        (
            "no connection, no TLS, no complete reply in time, too large, a redirect",
            Error::Http(HttpError::new(HttpFault::Timeout, "login.microsoftonline.com")),
        ),
        (
            "the certificate is out of its dates, or its key did not sign",
            Error::Credential(CredentialError::Signing),
        ),
        ("it does not answer", Error::Store(StoreError::unavailable("it is down"))),
        ("it is full, read only, damaged, or set up wrong", Error::Store(StoreError::Full)),
        ("it lacks a key, or a key refuses", of_key(KeyError::Unknown { id: key.clone() })),
        (
            "it is out of reach for now",
            of_key(KeyError::Unavailable { id: key.clone(), because: "no network".into() }),
        ),
        ("", Error::KeyRefused(KeyRefusal::InUse { key, rows: 1 })),
        ("a `consent` or `partner-key`; every other record is served", damaged("consent")),
        (
            "a `pending`, `found` or `invitation`: nothing is lost, the person is asked again",
            damaged("found"),
        ),
        ("", Error::Conflict),
        ("", Error::Transfer(TransferError::NotAnExport)),
        (
            "`Invalid` names it, what is wrong, and what is expected",
            Error::Setting(Invalid::new("resource", "is wrong", "another")),
        ),
        ("", Error::Closed),
        ("", Error::Defect("a sample")),
    ]
}

fn refused_by_entra() -> Error {
    let error = Arc::new(EntraError::new(Refusal::default()));
    Error::Entra { partner: Some(partner()), tenant: Some(partner()), error }
}

fn refused_by_office(customer: Option<TenantId>, status: u16, body: &'static str) -> Error {
    let mut reply = http::Response::new(body.into());
    *reply.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    let error = PartnerCenterError::read(&reply, UNIX_EPOCH);
    Error::PartnerCenter { partner: partner(), customer, error }
}

pub(crate) fn refusals() -> Vec<Refused> {
    let (partner, found) = (partner(), customer());
    vec![
        Refused::StateMissing,
        Refused::StateUnknown,
        Refused::StateReplayed,
        Refused::StateExpired,
        Refused::OtherBrowser,
        Refused::OtherResponseMode,
        Refused::OtherStep,
        Refused::OtherIssuer,
        Refused::Declined,
        Refused::AdminApprovalNeeded,
        Refused::OtherTenant { expected: partner, found },
        Refused::HomeTenant(partner),
        Refused::PersonalAccount,
        Refused::Guest(Guest::Yes),
        Refused::PowerfulRoles(vec![DirectoryRole::GlobalAdministrator]),
        Refused::RolesUnknown,
        Refused::MfaMissing(MfaSource::PartnerCenter),
        Refused::MfaUnknown,
        Refused::MfaTooLongAgo,
        Refused::ScopesMissing(Scopes::default()),
        Refused::ScopesBeyond(Scopes::default()),
        Refused::NotYours(partner),
        Refused::OtherUser { partner, standing: user(), found: user() },
        Refused::LosesCustomers { partner, losses: [loss()].into() },
        Refused::WeakerProof(partner),
        Refused::OlderToken(partner),
        Refused::Withdrawn(partner),
        Refused::StillNamed(partner),
        Refused::NothingToRollBack(partner),
        Refused::RollBackOver(partner),
        Refused::InvitationUnknown,
        Refused::InvitationReplaced,
        Refused::InvitationExpired,
        Refused::InvitationRevoked,
        Refused::InvitationSpent,
        Refused::InvitationExhausted,
        Refused::InvitationOutgrown(Scopes::default()),
        Refused::OtherInvitee { partner, invited: invitee(), found: invitee() },
        Refused::BegunAnew,
        Refused::ConfirmedAlready(partner),
        Refused::ForeignRequest,
        Refused::NothingToConfirm,
    ]
}

fn loss() -> Loss {
    let (resource, cause) = (Resource::Graph, Cause::RelationshipMissing);
    Loss { customer: customer(), resource, cause }
}

fn invitee() -> UserId {
    UserId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID")
}

fn user() -> Box<ConsentingUser> {
    let (id, subject) = (invitee(), "subject".to_owned());
    Box::new(ConsentingUser { id, subject, name: None, guest: Guest::No, roles: None })
}

fn frozen() -> Arc<Freeze> {
    let scope = FreezeScope::Partner(partner());
    Arc::new(Freeze::new(scope, "a sample".to_owned(), UNIX_EPOCH, [0; 6]).expect("plain text"))
}
