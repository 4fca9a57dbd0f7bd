//! Stores that are shared, and stores that must not be.

use cpv_consent::store::Memory;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, Environment, Error, FoundId,
    KeyRing, LocalKey, Origins, Refused, Resource,
};

use crate::world::{REDIRECT, SECRET, World, capture, raw, refused};

fn other_application(world: &World) -> AppRegistration {
    let client_id = ClientId::parse("c11e0700-9999-4222-8222-222222222222").expect("a GUID");
    let credential = ClientCredential::secret(SECRET).expect("plain text");
    let (cloud, home) = (world.app.cloud().clone(), world.app.home());
    AppRegistration::new(cloud, home, client_id, credential, REDIRECT)
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a valid registration")
}

async fn broker_for(world: &World, app: AppRegistration) -> Result<Broker, Error> {
    let builder = Broker::builder(app, world.store().await, world.keys());
    builder.clock(world.clock.clone()).build().await
}

#[tokio::test]
async fn brokers_that_share_a_store_and_keys_never_see_each_others_records() {
    //
    let world = World::new().await;
    let (app, other_app) = (world.app.clone(), other_application(&world));
    world.entra.register(&other_app);
    let sandbox = app.clone().environment(Environment::Sandbox);
    let one = broker_for(&world, app).await.expect("an empty store");
    for other in [other_app, sandbox] {
        for kind in ["consent", "partner-key"] {
            raw::execute(&world.store_folder(), kind, "DELETE FROM record");
        }
        let other = broker_for(&world, other).await.expect("an empty store");
        let request = world.callback(&one).await;
        assert_eq!(refused(capture(&other, &request).await), Refused::StateUnknown);
        let found = capture(&one, &request).await.expect("its own flow");
        let id = FoundId::parse(&found.id().to_string()).expect("an id");
        let elsewhere = other.found(&id, request.headers()).await;
        assert_eq!(refused(elsewhere), Refused::NothingToConfirm);
        found.confirm().await.expect("a consent");
        world.clock.advance(2 * crate::world::HOUR);
        assert_eq!(
            other.sweep().await.expect("swept").total(),
            0,
            "another's flows are not its own"
        );

        let partner = other.partner(world.contoso);
        assert!(partner.consent().await.expect("readable").is_none());
        let token = partner.token(Resource::PartnerCenter).await;
        assert!(matches!(token, Err(Error::NoConsent { .. })), "{token:?}");
        let withdrawn = partner.withdraw().await;
        assert!(matches!(withdrawn, Err(Error::NoConsent { .. })), "{withdrawn:?}");
        one.partner(world.contoso).token(Resource::PartnerCenter).await.expect("untouched");

        world.onboard(&other).await;
        partner.withdraw().await.expect("its own consent");
        one.partner(world.contoso).token(Resource::Graph).await.expect("untouched");
        one.partner(world.contoso).withdraw().await.expect("its own consent");
    }
}

#[tokio::test]
async fn a_row_moved_to_another_application_does_not_open() {
    //
    let world = World::new().await;
    let other_app = other_application(&world);
    world.entra.register(&other_app);
    let one = world.broker().await;
    for kind in ["consent", "partner-key"] {
        raw::execute(&world.store_folder(), kind, "DELETE FROM record");
    }
    let other = broker_for(&world, other_app).await.expect("an empty store");
    world.onboard(&one).await;
    world.onboard(&other).await;
    world.entra.forget_ledger();
    let folder = world.store_folder();
    for kind in ["consent", "partner-key"] {
        let swap = format!("UPDATE record SET realm = 3 - realm WHERE kind = '{kind}'");
        let aside = "UPDATE record SET realm = realm + 100";
        raw::execute(&folder, kind, aside);
        raw::execute(&folder, kind, &swap.replace("3 - realm", "103 - realm"));
        raw::execute(&folder, kind, "UPDATE record SET realm = realm - 100 WHERE realm > 100");
        let restarted = Broker::builder(world.app.clone(), world.store().await, world.keys());
        let refusal = restarted.clock(world.clock.clone()).build().await;
        assert!(matches!(refusal, Err(Error::Setting(_))), "a loopback cloud shares no store");
        let token = one.partner(world.contoso).token(Resource::PartnerCenter).await;
        let error = token.expect_err("another application's");
        assert!(matches!(error, Error::Damaged { .. } | Error::Key { .. }), "{kind}: {error:?}");
    }
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_cloud_on_this_machine_refuses_a_store_with_records_of_another_realm() {
    //
    let world = World::new().await;
    world.onboard(&world.broker().await).await;
    let origins = Origins {
        login: world.entra.login_origin(),
        partner_center: world.entra.partner_center_origin(),
        graph: world.entra.graph_origin(),
    };
    let renamed = Cloud::danger_loopback("another", origins).expect("loopback");
    let moved = Origins { login: "http://127.0.0.1:1", ..origins };
    let moved = Cloud::danger_loopback("emulator", moved).expect("loopback");
    for app in [
        other_application(&world),
        world.app.clone().environment(Environment::Sandbox),
        crate::world::registration(renamed),
        crate::world::registration(moved),
    ] {
        let refusal = broker_for(&world, app).await.expect_err("another realm's records");
        let Error::Setting(invalid) = refusal else { panic!("{refusal:?}") };
        assert_eq!(invalid.field(), "store");
    }
    broker_for(&world, world.app.clone()).await.expect("its own records");
    let real = crate::world::registration(Cloud::Global);
    broker_for(&world, real).await.expect("a real cloud may share a store");
}

#[tokio::test]
async fn without_the_ring_or_with_another_of_its_name_a_store_gives_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    broker.close(crate::world::MINUTE).await;
    world.entra.forget_ledger();
    for id in ["test-1", "test-2"] {
        let ring = KeyRing::new(LocalKey::generate(id).expect("a key"));
        let builder = Broker::builder(world.app.clone(), world.store().await, ring);
        let before = raw::rows(&world.store_folder());
        let refused = builder.clock(world.clock.clone()).build().await;
        assert!(matches!(refused, Err(Error::Key { .. })), "{refused:?}");
        assert_eq!(raw::rows(&world.store_folder()), before, "nothing is sealed under a wrong key");
    }
    assert_eq!(world.entra.ledger().len(), 0);
    let broker = world.builder(Memory::new()).build().await.expect("a broker");
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { .. })), "the ring alone gives nothing either");
}
