//! A second factor is proven, disproven or unknown.

use cpv_consent::emulator::{MfaAnswer, MfaMethod};
use cpv_consent::{Event, MfaSource, Policy, Refused};

use crate::world::{World, capture, refused};

#[tokio::test]
async fn a_consent_without_a_second_factor_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.entra.change_user(&world.admin, |user| user.mfa = MfaMethod::None);
    let request = world.callback(&broker).await;
    let outcome = refused(capture(&broker, &request).await);
    assert_eq!(outcome, Refused::MfaMissing(MfaSource::PartnerCenter));
    world.assert_nothing_stored(&broker).await;
    let told = world.events().iter().any(|event| {
        matches!(event, Event::ConsentRefused { refused: Refused::MfaMissing(_), .. })
    });
    assert!(told, "an auditor was told");
}

#[tokio::test]
async fn what_partner_center_answers_is_proven_disproven_or_unknown() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let missing = Refused::MfaMissing(MfaSource::PartnerCenter);
    for (answer, expected) in [
        (MfaAnswer::NotCompliant, missing.clone()),
        (MfaAnswer::Refused900421, missing),
        (MfaAnswer::HeaderAbsent, Refused::MfaUnknown),
        (MfaAnswer::Status(401), Refused::MfaUnknown),
        (MfaAnswer::Status(403), Refused::MfaUnknown),
        (MfaAnswer::Status(404), Refused::MfaUnknown),
        (MfaAnswer::Status(429), Refused::MfaUnknown),
        (MfaAnswer::Status(500), Refused::MfaUnknown),
    ] {
        world.entra.partner_center_mfa(answer);
        let request = world.callback(&broker).await;
        assert_eq!(refused(capture(&broker, &request).await), expected, "{answer:?}");
        world.assert_nothing_stored(&broker).await;
    }
}

#[tokio::test]
async fn a_lower_rung_counts_only_where_policy_names_it_and_the_higher_one_is_silent() {
    //
    let world = World::new().await;
    let policy = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let broker = world.broker_with(policy).await;
    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("amr says mfa");
    let source = found.mfa().proof().expect("proven").source();
    assert_eq!(source, MfaSource::AccessToken);

    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    let request = world.callback(&broker).await;
    let outcome = refused(capture(&broker, &request).await);
    assert_eq!(outcome, Refused::MfaMissing(MfaSource::PartnerCenter));

    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    world.entra.opaque_access_tokens(true);
    let request = world.callback(&broker).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::MfaUnknown);
}
