//! Each aspect by itself.

use cpv_consent::emulator::{Endpoint, Failure, Grant, MfaAnswer, MfaEnforcement, Rule};
use cpv_consent::{
    Absence, Aspect, Cause, ConsentState, DirectoryRole, Error, Finding, Guest, MfaSource, Policy,
    Refused, Remedy, Resource, Verdict,
};

use crate::verification::{
    AGAIN, DIRECTORY_READERS, GLOBAL_ADMINISTRATOR, assert_only, check, consented, give_role,
    only_finding, redemptions, verdicts, verified,
};
use crate::world::{self, DAY, GRAPH, MINUTE, World};

#[tokio::test]
async fn a_sound_consent_passes_every_check() {
    let (world, broker) = consented().await;
    world.clock.advance(3 * DAY);
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Passed, &[]);
    assert!(verification.is_sound());
    let proof = verification.mfa().expect("proven today");
    assert_eq!(proof.source(), MfaSource::PartnerCenter);
    let age = verification.mfa_age().expect("proven");
    assert!(age >= 3 * DAY && age < 3 * DAY + MINUTE, "{age:?}");
}

#[tokio::test]
async fn a_token_at_hand_proves_no_life() {
    let (world, broker) = consented().await;
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("kept in memory");
    world.entra.revoke_sessions(&world.admin);
    let verification = verified(&world, &broker).await;
    let alive = check(&verification, Aspect::Alive);
    assert_eq!((alive.verdict(), alive.remedy()), (Verdict::Failed, Some(AGAIN)), "{alive}");
    assert!(matches!(
        only_finding(&verification, Aspect::Alive),
        Finding::Met { resource: Resource::PartnerCenter, error: Error::Entra { error, .. } }
            if error.cause() == Cause::GrantRevoked
    ));
    use Verdict::{Failed, Passed, Unknown};
    // What only a token could have told is not known; today's policy would still take what stands.
    assert_eq!(verdicts(&verification), [Failed, Unknown, Unknown, Unknown, Unknown, Passed]);
    for aspect in [Aspect::SecondFactor, Aspect::LeastPrivilege, Aspect::Scopes] {
        let check = check(&verification, aspect);
        assert!(matches!(check.findings(), [Finding::NotAsked]), "{check}");
        assert_eq!(check.remedy(), None, "another check says whose turn it is: {check}");
    }
    assert!(world.entra.partner_center_calls().is_empty(), "there was nothing to ask with");
}

#[tokio::test]
async fn a_consent_that_pauses_or_is_over_is_not_redeemed() {
    let (world, broker) = consented().await;
    world.entra.revoke_sessions(&world.admin);
    verified(&world, &broker).await;
    world.entra.forget_ledger();
    let pausing = verified(&world, &broker).await;
    let met = only_finding(&pausing, Aspect::Alive);
    assert!(matches!(met, Finding::Met { error: Error::Suspended { .. }, .. }), "{met}");
    assert_eq!(check(&pausing, Aspect::Alive).verdict(), Verdict::Failed);

    broker.partner(world.contoso).withdraw().await.expect("let go");
    let over = verified(&world, &broker).await;
    let absence = Absence::Withdrawn;
    let met = only_finding(&over, Aspect::Alive);
    assert!(
        matches!(met, Finding::Met { error: Error::NoConsent { absence: found, .. }, .. } if *found == absence),
        "{met}"
    );
    assert_eq!(redemptions(&world), 0);
}

#[tokio::test]
async fn what_the_network_or_our_own_credential_meets_speaks_of_no_consent() {
    let (world, broker) = consented().await;
    let vendors = Remedy::FixRegistration;
    for (failure, remedy) in [
        (Failure::status(503), None),
        (Failure::reset(), None),
        (Failure::aadsts(90033), None),
        (Failure::aadsts(7_000_215), Some(vendors)),
    ] {
        let scripted = world.entra.fail_tokens(Rule::any(), failure);
        let verification = verified(&world, &broker).await;
        scripted.clear();
        let alive = check(&verification, Aspect::Alive);
        assert_eq!(alive.verdict(), Verdict::Unknown, "{alive}");
        match remedy {
            Some(remedy) => assert_eq!(alive.remedy(), Some(remedy), "{alive}"),
            None => assert!(matches!(alive.remedy(), Some(Remedy::Retry { .. })), "{alive}"),
        }
        let consent = broker.partner(world.contoso).consent().await.expect("readable");
        assert_eq!(consent.expect("stored").state(), &ConsentState::Live, "{alive}");
        world.clock.advance(world::HOUR);
    }
}

#[tokio::test]
async fn a_second_factor_that_partner_center_denies_is_missing() {
    //
    let (world, broker) = consented().await;
    for marked in [false, true] {
        world.entra.doubts(|doubts| doubts.partner_center_bom = marked);
        for answer in [MfaAnswer::NotCompliant, MfaAnswer::Refused900421] {
            world.entra.partner_center_mfa(answer);
            let verification = verified(&world, &broker).await;
            assert_only(&verification, Verdict::Failed, &[Aspect::SecondFactor]);
            let found = only_finding(&verification, Aspect::SecondFactor);
            assert!(matches!(found, Finding::MfaMissing(MfaSource::PartnerCenter)), "{found}");
            assert_eq!(check(&verification, Aspect::SecondFactor).remedy(), Some(AGAIN));
            assert_eq!((verification.mfa(), verification.mfa_age()), (None, None));
        }
    }
}

#[tokio::test]
async fn partner_center_that_cannot_say_leaves_the_second_factor_unknown() {
    let (world, broker) = consented().await;
    for answer in [MfaAnswer::HeaderAbsent, MfaAnswer::Status(403), MfaAnswer::Status(500)] {
        world.entra.partner_center_mfa(answer);
        let verification = verified(&world, &broker).await;
        assert_only(&verification, Verdict::Unknown, &[Aspect::SecondFactor]);
    }
    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    world.entra.partner_center_enforces(MfaEnforcement::Bare);
    let bare = verified(&world, &broker).await;
    assert_only(&bare, Verdict::Unknown, &[Aspect::SecondFactor]);
    let down = world.entra.outage(Endpoint::PartnerCenter);
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Unknown, &[Aspect::SecondFactor]);
    down.clear();
}

#[tokio::test]
async fn the_tokens_own_words_count_only_where_the_policy_believes_them() {
    //
    let (world, _) = consented().await;
    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let believing = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let broker = world.broker_with(believing).await;
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Passed, &[]);
    assert_eq!(verification.mfa().map(|proof| proof.source()), Some(MfaSource::AccessToken));
}

#[tokio::test]
async fn power_is_found_as_it_is_today() {
    let (world, broker) = consented().await;
    give_role(&world, GLOBAL_ADMINISTRATOR);
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::LeastPrivilege]);
    let found = only_finding(&verification, Aspect::LeastPrivilege);
    assert!(matches!(found, Finding::PowerfulRole(DirectoryRole::GlobalAdministrator)), "{found}");
    assert_eq!(check(&verification, Aspect::LeastPrivilege).remedy(), Some(AGAIN));
    give_role(&world, DIRECTORY_READERS);
    assert!(verified(&world, &broker).await.is_sound());
}

#[tokio::test]
async fn roles_that_entra_does_not_tell_are_unknown_and_never_none() {
    let (world, broker) = consented().await;
    world.entra.doubts(|doubts| doubts.wids_name_every_user = false);
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Unknown, &[Aspect::LeastPrivilege]);
    let found = check(&verification, Aspect::LeastPrivilege);
    assert_eq!(found.remedy(), Some(Remedy::FixRegistration));
    assert!(found.to_string().contains("groupMembershipClaims: DirectoryRole"), "{found}");
}

#[tokio::test]
async fn power_at_the_consent_speaks_against_a_user_of_whom_nothing_is_known_today() {
    let world = World::new().await;
    give_role(&world, GLOBAL_ADMINISTRATOR);
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.doubts(|doubts| doubts.wids_name_every_user = false);
    world.entra.change_user(&world.admin, |account| account.roles.clear());
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::LeastPrivilege]);
    assert_eq!(check(&verification, Aspect::LeastPrivilege).findings().len(), 2);
}

#[tokio::test]
async fn what_was_granted_beyond_the_registration_is_found() {
    let (world, broker) = consented().await;
    world.entra.grant(world.contoso, world.app.client_id(), GRAPH, &["User.ReadWrite.All"]);
    let verification = verified(&world, &broker).await;
    // The default policy would not take it either.
    assert_only(&verification, Verdict::Failed, &[Aspect::Scopes, Aspect::Policy]);
    let found = only_finding(&verification, Aspect::Scopes);
    assert!(
        matches!(found, Finding::ScopesBeyond(beyond) if beyond.to_string().contains("User.ReadWrite.All")),
        "{found}"
    );
    let found = only_finding(&verification, Aspect::Policy);
    assert!(matches!(found, Finding::Policy(Refused::ScopesBeyond(_))), "{found}");
    for aspect in [Aspect::Scopes, Aspect::Policy] {
        assert_eq!(check(&verification, aspect).remedy(), Some(AGAIN), "one fact, one remedy");
    }
}

#[tokio::test]
async fn what_is_registered_and_not_granted_is_found_for_every_api() {
    let (world, broker) = consented().await;
    world.entra.fail_tokens(
        Rule::any().grant(Grant::RefreshToken).resource(GRAPH),
        Failure::aadsts(65_001),
    );
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::Scopes]);
    let scopes = check(&verification, Aspect::Scopes);
    assert_eq!(scopes.remedy(), Some(AGAIN), "{scopes}");
    let found = only_finding(&verification, Aspect::Scopes);
    assert!(matches!(found, Finding::Met { resource: Resource::Graph, .. }), "{found}");
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(consent.expect("stored").state(), &ConsentState::Live, "Graph alone is closed");
}

#[tokio::test]
async fn a_scope_that_a_reply_leaves_out_is_missing() {
    let (world, broker) = consented().await;
    world.entra.alter_tokens(Rule::any().resource(GRAPH), |reply| {
        reply["scope"] = "https://graph.microsoft.com/User.Read".into();
    });
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::Scopes]);
    let found = only_finding(&verification, Aspect::Scopes);
    assert!(
        matches!(found, Finding::ScopesMissing(missing) if missing.to_string().contains("Directory.Read.All")),
        "{found}"
    );
}

#[tokio::test]
async fn a_guest_fails_membership_and_the_policy_of_today() {
    let world = World::new().await;
    let home = world.entra.add_tenant("Elsewhere");
    let someone = world.entra.add_user(home, "someone@elsewhere.example");
    let guest = world.entra.add_guest(&someone, world.contoso);
    world.entra.change_user(&guest, |account| {
        account.administrator = true;
        account.roles = vec![DIRECTORY_READERS.to_owned()];
    });
    let loose = world.broker_with(Policy::default().danger_guests()).await;
    let pending = loose.partner(world.contoso).request_consent(world.account()).await;
    let request = world::accept(&pending.expect("a flow"), &guest).await;
    let found = world::capture(&loose, &request).await.expect("guests are taken");
    found.confirm().await.expect("a consent");

    let verification = verified(&world, &loose).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::Membership]);
    assert_eq!(check(&verification, Aspect::Membership).remedy(), Some(AGAIN));
    let strict = world.broker().await;
    let verification = verified(&world, &strict).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::Membership, Aspect::Policy]);
    let found = only_finding(&verification, Aspect::Membership);
    assert!(matches!(found, Finding::Guest(Guest::Yes)), "{found}");
}

#[tokio::test]
async fn how_old_a_proof_may_be_is_asked_of_the_capture_and_not_of_today() {
    //
    let (world, _) = consented().await;
    let broker = world.broker_with(Policy::default().mfa_within(MINUTE)).await;
    world.clock.advance(30 * DAY);
    let verification = verified(&world, &broker).await;
    assert_only(&verification, Verdict::Passed, &[]);
    assert!(verification.mfa_age() >= Some(30 * DAY));
}

#[tokio::test]
async fn a_policy_that_became_stricter_refuses_what_stands() {
    let unproven = World::new().await;
    unproven.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    let loose = unproven.broker_with(Policy::default().danger_without_mfa()).await;
    unproven.onboard(&loose).await;
    unproven.entra.partner_center_mfa(MfaAnswer::Honest);
    let broker = unproven.broker().await;
    let verification = verified(&unproven, &broker).await;
    assert_only(&verification, Verdict::Failed, &[Aspect::Policy]);
    let found = only_finding(&verification, Aspect::Policy);
    assert!(matches!(found, Finding::Policy(Refused::MfaUnknown)), "{found}");
}
