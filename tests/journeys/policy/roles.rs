//! Least privilege: warned of, refused or ignored; and what is not known is not none.

use cpv_consent::DirectoryRole::{GlobalAdministrator, GlobalReader, PrivilegedRoleAdministrator};
use cpv_consent::{
    Aspect, Broker, DirectoryRole, Error, Event, Finding, Policy, Refused, Remedy, Verdict, Warning,
};

use crate::policy::{first_grant, found, noting};
use crate::world::{World, capture, refused};

fn give(world: &World, roles: &[DirectoryRole]) {
    let ids = roles.iter().map(|role| role.template_id().to_owned());
    world.entra.change_user(&world.admin, |user| user.roles = ids.collect());
}

/// Entra says nothing of roles any more.
fn hide_roles(world: &World) {
    world.entra.doubts(|doubts| doubts.wids_name_every_user = false);
    give(world, &[]);
}

async fn refusal(world: &World, broker: &Broker) -> Refused {
    let request = world.callback(broker).await;
    let refused = refused(capture(broker, &request).await);
    world.assert_nothing_stored(broker).await;
    refused
}

#[tokio::test]
async fn a_global_administrator_is_taken_with_a_warning_that_the_receipt_keeps() {
    let world = World::new().await;
    give(&world, &[GlobalReader, PrivilegedRoleAdministrator, GlobalAdministrator]);
    let broker = noting(&world, Policy::default()).await;
    let found = found(&world, &broker).await;
    let expected = [GlobalAdministrator, PrivilegedRoleAdministrator].map(Warning::PowerfulRole);
    assert_eq!(found.warnings(), expected);
    let known = found.user().directory_roles().expect("told");
    assert!(known.contains(&GlobalReader) && known.len() == 3, "{known:?}");
    found.confirm().await.expect("a consent");
    let granted = first_grant(&broker, world.contoso).await;
    let expected =
        ["powerful_role Global Administrator", "powerful_role Privileged Role Administrator"];
    assert_eq!(granted.warnings(), expected);
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let signed = receipts.iter().next().expect("one").signed().to_owned();
    assert!(signed.contains(r#""verdict":"admitted with warnings""#), "{signed}");
}

#[tokio::test]
async fn whoever_has_no_such_role_is_taken_without_a_word() {
    let world = World::new().await;
    give(&world, &[GlobalReader]);
    let broker = noting(&world, Policy::default().refusing_powerful_roles()).await;
    let found = found(&world, &broker).await;
    assert_eq!(found.warnings(), []);
    found.confirm().await.expect("a consent");
    assert_eq!(first_grant(&broker, world.contoso).await.warnings(), [""; 0]);
}

#[tokio::test]
async fn a_global_administrator_is_refused_where_the_policy_says_so() {
    let world = World::new().await;
    give(&world, &[GlobalAdministrator]);
    let broker = world.broker_with(Policy::default().refusing_powerful_roles()).await;
    let refused = refusal(&world, &broker).await;
    assert_eq!(refused, Refused::PowerfulRoles(vec![GlobalAdministrator]));
    assert!(matches!(Error::from(refused).remedy(), Remedy::AskConsentAgain { .. }));
    let told = world.events().into_iter().any(|event| {
        matches!(event, Event::ConsentRefused { refused: Refused::PowerfulRoles(_), .. })
    });
    assert!(told, "an auditor was told");
    give(&world, &[GlobalReader]);
    world.onboard(&broker).await;
}

#[tokio::test]
async fn roles_that_entra_does_not_tell_are_warned_of_and_refused_where_power_is() {
    let world = World::new().await;
    hide_roles(&world);
    let found_by = async |policy| found(&world, &world.broker_with(policy).await).await;
    let found = found_by(Policy::default()).await;
    assert_eq!((found.warnings(), found.user().roles()), (&[Warning::RolesUnknown][..], None));
    assert_eq!(found.user().directory_roles(), None, "not known is not none");
    found.decline().await.expect("erased");
    let strict = Policy::default().refusing_powerful_roles();
    let refused = refusal(&world, &world.broker_with(strict.clone()).await).await;
    assert_eq!(refused, Refused::RolesUnknown);
    assert_eq!(Error::from(refused).remedy(), Remedy::FixRegistration);
    let found = found_by(strict.danger_unknown_roles()).await;
    assert_eq!(found.warnings(), [Warning::RolesUnknown]);
}

#[tokio::test]
async fn a_policy_that_ignores_roles_says_nothing_of_them_anywhere() {
    let world = World::new().await;
    give(&world, &[GlobalAdministrator]);
    let broker = noting(&world, Policy::default().danger_any_role()).await;
    let found = found(&world, &broker).await;
    assert_eq!(found.warnings(), []);
    found.confirm().await.expect("a consent");
    let granted = first_grant(&broker, world.contoso).await;
    assert_eq!((granted.warnings(), granted.loosened()), (&[][..], &["any_role".to_owned()][..]));
    let verification = broker.partner(world.contoso).verify().await.expect("a look");
    assert!(verification.is_sound(), "{:?}", verification.checks());
}

#[tokio::test]
async fn power_that_came_later_fails_the_policy_of_today() {
    let world = World::new().await;
    let broker = world.broker_with(Policy::default().refusing_powerful_roles()).await;
    world.onboard(&broker).await;
    give(&world, &[GlobalAdministrator]);
    let verification = broker.partner(world.contoso).verify().await.expect("a look");
    let failed = |aspect| verification.verdict(aspect) == Verdict::Failed;
    assert!(failed(Aspect::LeastPrivilege) && failed(Aspect::Policy));
    let checks = verification.checks().iter().flat_map(cpv_consent::Check::findings);
    let refused = checks.into_iter().any(|finding| {
        matches!(finding, Finding::Policy(Refused::PowerfulRoles(roles)) if *roles == [GlobalAdministrator])
    });
    assert!(refused, "{:?}", verification.checks());
    hide_roles(&world);
    let verification = broker.partner(world.contoso).verify().await.expect("a look");
    assert_eq!(verification.verdict(Aspect::LeastPrivilege), Verdict::Unknown);
    assert_eq!(verification.verdict(Aspect::Policy), Verdict::Passed, "as it was taken");
}
