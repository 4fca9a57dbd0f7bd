//! The registration: the doctor's lines about it, and what was written, registered and used.

use cpv_consent::emulator::role;
use cpv_consent::{
    AppRegistration, Checked, ClientCredential, Guest, Manifest, ManifestFinding, Topic, Trouble,
};
use serde_json::{Value, json};

use super::bench::{builder, changed, look, only, outcome};
use crate::world::{GRAPH, REDIRECT, World};

#[tokio::test]
async fn everything_in_order_has_no_failure_and_says_what_nobody_saw() {
    let world = World::new().await;
    let checkup = look(&world, &builder(&world).await).await;
    assert!(checkup.is_healthy(), "{checkup}");
    let said = checkup.lines().iter().map(|line| {
        let passed = match line.outcome() {
            Checked::Passed => true,
            Checked::NotChecked(why) if !why.is_empty() => false,
            other => panic!("{other:?}"),
        };
        (line.topic(), passed)
    });
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            (Topic::Settings, true),
            (Topic::Manifest, true),
            (Topic::Addresses, true),
            (Topic::Authority, true),
            (Topic::PartnerCenter, true),
            (Topic::Clock, true),
            (Topic::CredentialShown, true),
            (Topic::CredentialTaken, false),
            (Topic::Keys, true),
            (Topic::Store, true),
            (Topic::PartnerCenterRegistration, false),
            (Topic::CpvEnrolment, false),
        ]
    );
}

#[tokio::test]
async fn a_manifest_that_was_not_given_was_not_looked_at() {
    let world = World::new().await;
    let checkup = builder(&world).await.doctor().await;
    assert!(checkup.is_healthy());
    let Checked::NotChecked(why) = outcome(&checkup, Topic::Manifest) else { panic!("{checkup}") };
    assert!(why.contains("GET /applications/{id}"), "{why}");
}

#[tokio::test]
async fn each_finding_has_a_line_and_advice_is_no_failure() {
    let world = World::new().await;
    let manifest = changed(&world, |all| {
        all["signInAudience"] = json!("AzureADMyOrg");
        all["verifiedPublisher"] = Value::Null;
    });
    let checkup = builder(&world).await.doctor().manifest(&manifest).await;
    let found = "AzureADMyOrg".to_owned();
    let wrong = ManifestFinding::WrongAudience { found };
    assert_eq!(only(&checkup, Topic::Manifest), Trouble::Manifest(wrong));
    let advice = checkup.lines().iter().filter(|line| {
        matches!(line.outcome(), Checked::Advised(ManifestFinding::PublisherNotVerified))
    });
    assert_eq!(advice.count(), 1);
    let page = checkup.to_string();
    assert!(page.contains("set signInAudience to AzureADMultipleOrgs"), "{page}");

    let manifest = changed(&world, |all| all["verifiedPublisher"] = Value::Null);
    assert!(builder(&world).await.doctor().manifest(&manifest).await.is_healthy());
}

#[tokio::test]
async fn a_weakness_is_called_one_and_is_no_failure() {
    let world = World::new().await;
    let manifest = changed(&world, |all| all["isFallbackPublicClient"] = json!(true));
    let checkup = builder(&world).await.doctor().manifest(&manifest).await;
    let weak = ManifestFinding::FallbackPublicClient;
    assert!(matches!(outcome(&checkup, Topic::Manifest), Checked::Weak(found) if *found == weak));
    assert!(checkup.is_healthy(), "{checkup}");
    let page = checkup.to_string();
    assert!(page.contains("weakness     manifest          isFallbackPublicClient"), "{page}");
    assert!(!page.contains("FAILED"), "{page}");
}

#[tokio::test]
async fn the_panel_is_compared_where_it_is_named() {
    let world = World::new().await;
    let builder = builder(&world).await;
    let manifest = changed(&world, |_| {});
    let checkup = builder.doctor().manifest(&manifest).panel("other.example").await;
    let trouble = only(&checkup, Topic::Manifest);
    assert!(matches!(
        trouble,
        Trouble::Manifest(ManifestFinding::RedirectElsewhere { panel, .. }) if panel == "other.example"
    ));
}

/// The emulator reads manifests on its own.
#[tokio::test]
async fn what_was_written_is_registered_and_serves_a_partner() {
    let mut world = World::new().await;
    let written = Manifest::of(&world.app, "Vendor Panel").to_json();
    let registered = world.entra.register_manifest(world.app.home(), &written).expect("taken");
    assert_eq!(registered.client_id, world.app.client_id());
    let secret = world.entra.add_secret(registered.client_id).expect("an application");
    world.app = showing(&world.app, secret.expose());
    world.entra.grant(world.fabrikam, registered.client_id, GRAPH, &["Directory.Read.All"]);
    let reader = role::GLOBAL_READER.to_owned();
    world.entra.change_user(&world.admin, |user| user.roles = vec![reader.clone()]);
    let broker = world.broker().await;
    let consent = world.onboard(&broker).await;
    assert_eq!(consent.user().guest(), Guest::No);
    let roles = consent.user().roles().expect("wids were asked for");
    assert!(roles.contains(&reader), "{roles:?}");
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    customer.token(cpv_consent::Resource::Graph).await.expect("a token");
}

fn showing(app: &AppRegistration, secret: &str) -> AppRegistration {
    let secret = ClientCredential::secret(secret).expect("plain text");
    AppRegistration::new(app.cloud().clone(), app.home(), app.client_id(), secret, REDIRECT)
        .and_then(|app| app.requesting(cpv_consent::Resource::Graph, ["Directory.Read.All"]))
        .expect("a registration")
}
