//! Attackers with accounts: names that are not theirs, and links for others.

use cpv_consent::emulator::Tampering;
use cpv_consent::{Error, IdTokenError, Refused, Resource, TenantId};
use serde_json::json;

use crate::world::{World, accept, account, browser_of, capture, refused};

async fn attacker(world: &World) -> (TenantId, cpv_consent::emulator::User) {
    let tenant = world.entra.add_tenant("Attacker");
    (tenant, world.entra.add_user(tenant, "mallory@attacker.example"))
}

#[tokio::test]
async fn a_name_is_nobodys_identity() {
    // R-071, attack-noauth
    for claim in ["email", "preferred_username", "upn", "name", "unique_name"] {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        let (theirs, mallory) = attacker(&world).await;
        world.entra.token_tampering(Tampering::With(claim.into(), json!(world.admin.name)));
        let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
        let request = accept(&pending, &mallory).await;
        let found = capture(&broker, &request).await.expect("a consent of the attacker's own");
        assert_eq!((found.tenant(), found.user().id()), (theirs, mallory.id), "{claim}");
        assert!(found.replaces().is_none());
        let consent = found.confirm().await.expect("a consent of the attacker's own");
        assert_eq!((consent.partner(), consent.user().id()), (theirs, mallory.id), "{claim}");
        world.entra.token_tampering(Tampering::None);

        let victim = broker.partner(world.contoso).consent().await.expect("readable");
        let victim = victim.expect("it stands");
        assert_eq!((victim.user().id(), victim.generation()), (world.admin.id, 1));
        let account = broker.account(account("panel-2"));
        let stolen = account.partner(world.contoso).token(Resource::PartnerCenter).await;
        assert_eq!(refused(stolen), Refused::NotYours(world.contoso));
        let own = account.partner(theirs).token(Resource::PartnerCenter).await;
        assert_eq!(own.expect("the attacker's own").tenant(), theirs);
    }
}

#[tokio::test]
async fn another_users_name_does_not_replace_a_consent() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let name = json!(world.admin.name);
    world.entra.token_tampering(Tampering::With("preferred_username".into(), name));
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &intern).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    assert_eq!(found.user().name(), Some(world.admin.name.as_str()));
    assert_eq!(found.replaces().expect("the administrator").id(), world.admin.id);
    let outcome = refused(found.confirm().await);
    assert!(matches!(outcome, Refused::OtherUser { .. }), "{outcome:?}");
}

#[tokio::test]
async fn the_link_of_an_attackers_consent_binds_nobody_else() {
    // attack-consent-csrf, attack-reverse-csrf
    let world = World::new().await;
    let broker = world.broker().await;
    let (theirs, mallory) = attacker(&world).await;
    // The attacker consents and stops at the callback; the victim opens the link in a browser of
    // its own, which has a flow of its own.
    let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
    let link = accept(&pending, &mallory).await;
    let own = broker.first_consent(world.account()).await.expect("a flow");
    let mut victims = accept(&own, &world.admin).await;
    *victims.body_mut() = link.body().clone();
    assert_eq!(refused(capture(&broker, &victims).await), Refused::OtherBrowser);
    // The reverse: the victim's administrator signs in at an address that the attacker began.
    let begun = broker.first_consent(account("panel-2")).await.expect("a flow");
    let mut stranger = browser_of(&own);
    let lured = stranger.consent(begun.authorize_url(), &world.admin).await.expect("a callback");
    assert_eq!(refused(capture(&broker, &lured).await), Refused::OtherBrowser);
    assert_eq!(world.entra.ledger().len(), 0, "no code was redeemed");
    for tenant in [theirs, world.contoso] {
        let token = broker.partner(tenant).token(Resource::PartnerCenter).await;
        assert!(matches!(token, Err(Error::NoConsent { .. })), "{token:?}");
    }
}

#[tokio::test]
async fn a_code_of_another_flow_is_worth_nothing() {
    // R-035, attack-code-injection
    let world = World::new().await;
    let broker = world.broker().await;
    let (_, mallory) = attacker(&world).await;
    let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
    let theirs = accept(&pending, &mallory).await;
    let mut own = world.callback(&broker).await;
    let field = |request: &http::Request<bytes::Bytes>, name: &str| {
        let fields = std::str::from_utf8(request.body()).expect("a form").to_owned();
        let field = fields.split('&').find(|field| field.starts_with(name)).map(str::to_owned);
        field.expect("a field")
    };
    let injected = format!("{}&{}", field(&theirs, "code="), field(&own, "state="));
    *own.body_mut() = injected.into();
    let error = capture(&broker, &own).await.expect_err("another flow's code");
    assert!(matches!(error, Error::Entra { .. }), "the verifier does not fit: {error:?}");
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn one_partners_consent_opens_no_customer_of_another() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    let customer = |partner: TenantId| broker.partner(partner).customer(world.fabrikam);
    let token = customer(world.contoso).token(Resource::Graph).await.expect("its own customer");
    let error = customer(litware).token(Resource::Graph).await.expect_err("another's customer");
    assert!(matches!(error, Error::Entra { .. }), "{error:?}");
    let again = customer(world.contoso).token(Resource::Graph).await.expect("from memory");
    assert_eq!(again.secret().expose(), token.secret().expose());
}

#[tokio::test]
async fn a_key_that_is_another_tenants_own_signs_for_nobody_else() {
    // attack-key-scope: the published keys hold it, and it says whose it is
    let world = World::new().await;
    let broker = world.broker().await;
    let (theirs, mallory) = attacker(&world).await;
    world.entra.sign_with_own_key(theirs);
    world.entra.token_tampering(Tampering::KeyOfAnotherTenant);
    for first in [false, true] {
        let partner = broker.partner(world.contoso);
        let pending = match first {
            true => broker.first_consent(world.account()).await,
            false => partner.request_consent(world.account()).await,
        };
        let request = accept(&pending.expect("a flow"), &world.admin).await;
        let error = capture(&broker, &request).await.expect_err("signed by the attacker's key");
        let unknown = matches!(error, Error::IdToken(IdTokenError::UnknownKey));
        assert!(unknown, "{error:?}");
        world.assert_nothing_stored(&broker).await;
    }
    world.entra.token_tampering(Tampering::None);
    world.onboard(&broker).await;
    let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
    let own = capture(&broker, &accept(&pending, &mallory).await).await;
    assert_eq!(own.expect("its own tenant's").tenant(), theirs);
}
