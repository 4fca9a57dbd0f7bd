//! Whether somebody who signed in once may still have tokens: the account, the sessions, and what
//! Conditional Access demands.
//!
//! Source: Microsoft identity platform, "Refresh tokens"; Microsoft Entra, "Conditional Access".

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Builder;

use super::tokens::{Asked, Profile};
use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::application::AskedClaims;
use crate::emulator::state::conditional_access::ConditionalAccess;
use crate::emulator::state::directory::{Directory, Person, Presence};
use crate::emulator::state::flow::SignIn;
use crate::model::clock::age;
use crate::model::tenant::{ClientId, TenantId};

/// What has become of the person and of the session since the sign-in.
pub(super) fn check_person(world: &World, signed_in: &SignIn) -> Result<(), Refusal> {
    let sign_in_must_work = world.script().doubts.sign_in_blocks_redemption;
    let Person { tenant, user } = signed_in.person;
    let directory = world.directory();
    let account = directory.account(tenant, user).ok_or_else(|| Refusal::new(50_034))?;
    if account.disabled {
        return Err(Refusal::new(50_057));
    }
    if sign_in_must_work && account.locked {
        return Err(Refusal::new(50_053));
    }
    if sign_in_must_work && account.must_change_password {
        return Err(Refusal::new(50_055));
    }
    if account.revocations() != signed_in.revocations {
        return Err(Refusal::new(50_173));
    }
    Ok(())
}

/// What tokens tell of the account as it is in their tenant; a delegated administrator has none
/// there, so it is told as at home.
pub(super) fn profile(
    world: &World,
    person: Person,
    presence: Presence,
    client: ClientId,
) -> Result<Profile, Refusal> {
    let directory = world.directory();
    let there = directory.account(presence.tenant, presence.user);
    let account = there.or_else(|| directory.account(person.tenant, person.user));
    let account = account.ok_or_else(|| Refusal::new(50_034))?;
    if account.disabled {
        return Err(Refusal::new(50_057));
    }
    Ok(Profile {
        name: account.name().to_owned(),
        display_name: account.display_name.clone(),
        asked: asked(&directory, presence, &directory.application(client)?.claims),
    })
}

fn asked(directory: &Directory, presence: Presence, claims: &AskedClaims) -> Asked {
    let groups = claims.groups.then(|| directory.groups_of(presence.tenant, presence.user));
    let names = |name: &str| claims.id_token.iter().any(|asked| asked == name);
    Asked {
        roles: claims.roles,
        groups: groups.iter().flatten().map(|group| group.id.to_string()).collect(),
        email: names("email"),
        upn: names("upn"),
    }
}

/// What the tenant of a token demands of the sign-in.
pub(super) fn check_policy(
    world: &World,
    tenant: TenantId,
    resource: &str,
    signed_in: &SignIn,
) -> Result<(), Refusal> {
    let policy = world.conditional_access(tenant);
    if !policy.is_about(resource) {
        return Ok(());
    }
    if policy.blocked {
        return Err(Refusal::new(53_003).with_claims(demand(tenant)));
    }
    if policy.require_mfa && !signed_in.mfa {
        return Err(Refusal::new(50_076).with_claims(demand(tenant)));
    }
    if is_too_old(&policy, signed_in, world.now()) {
        return Err(Refusal::new(70_043));
    }
    Ok(())
}

fn is_too_old(policy: &ConditionalAccess, signed_in: &SignIn, now: SystemTime) -> bool {
    policy.sign_in_frequency.is_some_and(|longest| age(now, signed_in.at) > longest)
}

/// The tenant's policy, as a refusal names it and a sign-in is asked to satisfy it.
fn demand(tenant: TenantId) -> String {
    let hash = digest(&SHA256, &[b"policy", tenant.as_bytes().as_slice()].concat());
    let bytes = hash.as_ref()[..16].try_into().expect("a SHA-256 hash is longer");
    let policy = Builder::from_random_bytes(bytes).into_uuid();
    format!(r#"{{"access_token":{{"capolids":{{"essential":true,"values":["{policy}"]}}}}}}"#)
}
