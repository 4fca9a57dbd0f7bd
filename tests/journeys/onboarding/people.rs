//! Who may consent: the tenant that was asked, and nobody who is a guest, a person or the vendor.

use cpv_consent::emulator::Tampering;
use cpv_consent::{Error, Guest, Policy, Refused, Resource};

use crate::world::{World, accept, browser_of, capture, refused};

#[tokio::test]
async fn an_administrator_of_another_tenant_is_refused_by_name() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let other = world.entra.add_tenant("Attacker");
    world.entra.token_tampering(Tampering::OtherTenant(other));
    let request = world.callback(&broker).await;
    let expected = Refused::OtherTenant { expected: world.contoso, found: other };
    assert_eq!(refused(capture(&broker, &request).await), expected);
    world.assert_nothing_stored(&broker).await;
    assert!(broker.partner(other).consent().await.expect("readable").is_none());
}

#[tokio::test]
async fn a_code_of_another_tenant_is_refused_where_it_is_redeemed() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let other = world.entra.add_tenant("Attacker");
    let attacker = world.entra.add_user(other, "admin@attacker.example");
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let pending = pending.expect("a flow");
    let mut elsewhere = pending.authorize_url().clone();
    let path = elsewhere.path().replace(&world.contoso.to_string(), &other.to_string());
    elsewhere.set_path(&path);
    let request = browser_of(&pending).consent(&elsewhere, &attacker).await.expect("a callback");
    let error = capture(&broker, &request).await.expect_err("a foreign code");
    let Error::Entra { error: entra, .. } = &error else { panic!("{error:?}") };
    assert_eq!(entra.codes(), [700_005]);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_personal_account_is_no_partner() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let person = world.entra.add_personal_user("ann@outlook.example");
    let pending = broker.first_consent(world.account()).await.expect("a flow");
    let mut everywhere = pending.authorize_url().clone();
    everywhere.set_path(&everywhere.path().replace("organizations", &person.tenant.to_string()));
    let walked = browser_of(&pending).consent(&everywhere, &person).await;
    if let Ok(request) = walked {
        let outcome = capture(&broker, &request).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    world.assert_nothing_stored(&broker).await;
    let asked = broker.partner(person.tenant).request_consent(world.account()).await;
    assert_eq!(refused(asked), Refused::PersonalAccount);
}

#[tokio::test]
async fn the_vendors_own_tenant_is_never_a_partner() {
    let world = World::new().await;
    let broker = world.broker().await;
    let home = world.app.home();
    let asked = broker.partner(home).request_consent(world.account()).await;
    assert_eq!(refused(asked), Refused::HomeTenant(home));
    let token = broker.partner(home).token(Resource::PartnerCenter).await;
    assert_eq!(refused(token), Refused::HomeTenant(home));
}

#[tokio::test]
async fn a_guest_is_refused_unless_policy_says_otherwise() {
    let world = World::new().await;
    let elsewhere = world.entra.add_tenant("Elsewhere");
    let stranger = world.entra.add_user(elsewhere, "ann@elsewhere.example");
    let guest = world.entra.add_guest(&stranger, world.contoso);
    world.entra.change_user(&guest, |user| user.administrator = true);
    let strict = world.broker().await;
    let pending = strict.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &guest).await;
    assert_eq!(refused(capture(&strict, &request).await), Refused::Guest(Guest::Yes));
    world.assert_nothing_stored(&strict).await;

    let loose = world.broker_with(Policy::default().danger_guests()).await;
    let pending = loose.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &guest).await;
    let found = capture(&loose, &request).await.expect("policy takes guests");
    assert_eq!(found.user().guest(), Guest::Yes);
}
