//! A partner is bound to one account, and no other account's door leads to it.

use cpv_consent::{Refused, Resource};

use crate::world::{World, accept, account, capture, refused};

#[tokio::test]
async fn a_first_contact_of_a_partner_bound_to_another_account_is_refused() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let outcome = refused(capture(&broker, &request).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
    let begun = broker.partner(world.contoso).request_consent(account("panel-2")).await;
    assert_eq!(refused(begun), Refused::NotYours(world.contoso));
}

#[tokio::test]
async fn a_partner_moves_to_another_account_only_when_the_host_says_so() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let request = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = request.danger_rebind().await.expect("a flow");
    let callback = accept(&pending, &world.admin).await;
    let found = capture(&broker, &callback).await.expect("everything holds");
    let consent = found.confirm().await.expect("moved");
    assert_eq!((consent.account().as_str(), consent.generation()), ("panel-2", 2));
    let former = broker.account(world.account());
    let outcome = refused(former.partner(world.contoso).token(Resource::PartnerCenter).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
}

#[tokio::test]
async fn work_in_the_name_of_another_account_is_refused_without_a_request() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    world.entra.forget_ledger();

    let stranger = broker.account(account("panel-2"));
    let partner = stranger.partner(world.contoso);
    let outcome = refused(partner.token(Resource::PartnerCenter).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
    let customer = partner.customer(world.fabrikam);
    let outcome = refused(customer.token(Resource::Graph).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
    assert_eq!(refused(partner.consent().await), Refused::NotYours(world.contoso));
    assert_eq!(refused(partner.withdraw().await), Refused::NotYours(world.contoso));
    assert_eq!(world.entra.ledger().len(), 0);

    let own = broker.account(world.account());
    own.partner(world.contoso).token(Resource::PartnerCenter).await.expect("its own partner");
}

#[tokio::test]
async fn behind_an_accounts_door_nothing_is_begun_for_another_or_moved() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let stranger = broker.account(account("panel-2"));
    let partner = stranger.partner(world.contoso);
    let not_yours = Refused::NotYours(world.contoso);
    assert_eq!(refused(partner.request_consent(world.account()).await), not_yours);
    assert_eq!(refused(partner.request_consent(account("panel-2")).await), not_yours);
    let moved = partner.request_consent(account("panel-2")).danger_rebind();
    assert_eq!(refused(moved.await), not_yours);
}
