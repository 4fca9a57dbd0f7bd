//! A proof of a second factor that has expired stops no token, and keeps no new consent out.

use cpv_consent::emulator::MfaAnswer;
use cpv_consent::{
    Aspect, Broker, Check, Error, Finding, Health, MfaProof, MfaSource, Party, Policy, Refused,
    Remedy, Resource, Verdict, Warning,
};

use crate::policy::{consent, first_grant, found, noting};
use crate::world::{DAY, MINUTE, World, capture, refused};

fn lasting() -> Policy {
    Policy::default().mfa_lasts(30 * DAY).danger_also_believing(MfaSource::AccessToken)
}

/// Another consent of the same user, which Partner Center says nothing of.
async fn weaker(world: &World, broker: &Broker) -> Result<cpv_consent::Consent, Error> {
    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let request = world.callback(broker).await;
    world.clock.advance(MINUTE);
    let found = capture(broker, &request).await.expect("amr says mfa");
    let confirmed = found.confirm().await;
    world.entra.partner_center_mfa(MfaAnswer::Honest);
    confirmed
}

#[tokio::test]
async fn a_proof_says_until_when_it_lasts_wherever_it_is_shown() {
    //
    let world = World::new().await;
    let broker = noting(&world, lasting()).await;
    let found = found(&world, &broker).await;
    let proof = *found.mfa().proof().expect("proven");
    let end = proof.signed_in().earliest() + 30 * DAY;
    assert_eq!(proof.expires_at(), Some(end));
    assert_eq!(found.warnings(), []);
    let confirmed = found.confirm().await.expect("a consent");
    assert_eq!(confirmed.mfa().and_then(MfaProof::expires_at), Some(end));
    let stored = consent(&broker, world.contoso).await;
    assert_eq!(stored.mfa().and_then(MfaProof::expires_at), Some(end));
    let granted = first_grant(&broker, world.contoso).await;
    assert_eq!(granted.second_factor_expires_at(), Some(end));

    let endless = World::new().await;
    let broker = endless.broker().await;
    let confirmed = endless.onboard(&broker).await;
    assert_eq!(confirmed.mfa().and_then(MfaProof::expires_at), None, "unless the policy says so");
}

#[tokio::test]
async fn an_expired_proof_stops_no_token_and_asks_for_a_new_consent() {
    //
    let world = World::new().await;
    let broker = world.broker_with(lasting()).await;
    let end = world.onboard(&broker).await.mfa().and_then(MfaProof::expires_at).expect("it ends");
    let partner = broker.partner(world.contoso);
    world.clock.advance(30 * DAY - MINUTE);
    assert!(partner.verify().await.expect("a look").is_sound());
    let before = partner.diagnose(Resource::Graph).await.expect("a diagnosis");
    assert_eq!((before.steps().len(), before.whose_turn()), (0, Some(Party::Nobody)), "{before}");

    world.clock.advance(2 * MINUTE);
    partner.token(Resource::PartnerCenter).await.expect("a token");
    partner.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    let verification = partner.verify().await.expect("a look");
    for check in verification.checks() {
        let failed = check.aspect() == Aspect::SecondFactor;
        let expected = if failed { Verdict::Failed } else { Verdict::Passed };
        assert_eq!(check.verdict(), expected, "{check}");
    }
    let findings: Vec<_> = verification.checks().iter().flat_map(Check::findings).collect();
    let [Finding::MfaExpired { at }] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(*at, end);
    assert_eq!(findings[0].remedy(), Some(Remedy::AskConsentAgain { claims: None }));
    let today = verification.mfa().expect("Partner Center takes the token");
    assert_eq!(today.expires_at(), Some(end));
    let everybody = broker.verify_all().run().await.expect("a look at all");
    assert_eq!(everybody.count(Aspect::SecondFactor, Verdict::Failed), 1);

    let found = partner.diagnose(Resource::Graph).await.expect("a diagnosis");
    assert!(found.works(), "{found}");
    assert_eq!(found.whose_turn(), Some(Party::Partner), "{found}");
    assert_eq!(found.steps()[0].remedy(), Remedy::AskConsentAgain { claims: None }.as_str());
    let Health::Known { proof_expired, .. } = found.health() else { panic!("{found}") };
    assert_eq!((*proof_expired, found.health().is_healthy()), (Some(end), Some(true)));
    assert!(found.to_string().contains("its proof of a second factor expired at"), "{found}");
    let members = serde_json::to_value(&found).expect("JSON");
    assert!(members["consent"]["proof_expired_at"].is_string(), "{members}");

    world.onboard(&broker).await;
    assert!(partner.verify().await.expect("a look").is_sound(), "proven anew");
}

#[tokio::test]
async fn an_expired_proof_counts_as_none_where_a_weaker_one_comes() {
    //
    let world = World::new().await;
    let broker = world.broker_with(lasting()).await;
    world.onboard(&broker).await;
    world.clock.advance(29 * DAY);
    let kept = refused(weaker(&world, &broker).await);
    assert_eq!(kept, Refused::WeakerProof(world.contoso));
    world.clock.advance(DAY);
    let taken = weaker(&world, &broker).await.expect("nothing stronger lasts");
    assert_eq!(taken.mfa().map(MfaProof::source), Some(MfaSource::AccessToken));
    assert_eq!(taken.generation(), 2);
}

#[tokio::test]
async fn a_policy_of_today_speaks_of_what_was_taken_before_it() {
    let world = World::new().await;
    let endless = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let before = world.broker_with(endless).await;
    world.onboard(&before).await;
    world.clock.advance(31 * DAY);
    assert!(before.partner(world.contoso).verify().await.expect("a look").is_sound());
    let kept = refused(weaker(&world, &before).await);
    assert_eq!(kept, Refused::WeakerProof(world.contoso));
    let today = world.broker_with(lasting()).await;
    let verification = today.partner(world.contoso).verify().await.expect("a look");
    assert_eq!(verification.verdict(Aspect::SecondFactor), Verdict::Failed);
    weaker(&world, &today).await.expect("nothing stronger lasts");
}

#[tokio::test]
async fn a_finding_whose_proof_expires_while_it_waits_says_so() {
    let world = World::new().await;
    let broker = noting(&world, Policy::default().mfa_lasts(5 * MINUTE)).await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    assert_eq!(found.warnings(), []);
    world.clock.advance(6 * MINUTE);
    let found = broker.found(found.id(), request.headers()).await.expect("it waits");
    assert_eq!(found.warnings(), [Warning::MfaExpired]);
    found.confirm().await.expect("no token depends on it");
    assert_eq!(first_grant(&broker, world.contoso).await.warnings(), ["mfa_expired"]);
}
