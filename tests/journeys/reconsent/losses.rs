//! A new consent takes over only when it can do what the standing one can.

use std::time::Duration;

use cpv_consent::emulator::{Failure, Rule, User};
use cpv_consent::{Cause, ConsentState, Error, Event, Refused, Remedy, Resource};

use super::{customer, found_by, replaced, standing, successor, takes_access_from, use_customer};
use crate::door::{Person, doors, location, text};
use crate::world::{DAY, HOUR, MINUTE, World, raw, refused};

/// The administrator's consent works for the customer, where the successor may not go.
async fn scene(world: &World, broker: &cpv_consent::Broker) -> User {
    world.onboard(broker).await;
    use_customer(world, broker, world.fabrikam).await;
    let next = successor(world);
    takes_access_from(world, &next);
    world.clock.advance(MINUTE);
    next
}

#[tokio::test]
async fn customers_that_would_be_lost_stop_it_until_the_host_says_otherwise() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = customer(&world, "Litware");
    let next = scene(&world, &broker).await;
    use_customer(&world, &broker, litware).await;
    let before = standing(&world, &broker).await;
    let found = found_by(&world, &broker, &next).await;
    let lost = |losses: &[cpv_consent::Loss]| {
        let lost =
            losses.iter().map(|loss| (loss.customer(), loss.resource().clone(), loss.cause()));
        lost.collect::<Vec<_>>()
    };
    let expected = [litware, world.fabrikam];
    let expected = expected.map(|lost| (lost, Resource::Graph, Cause::RelationshipMissing));
    assert_eq!(lost(found.loses()), expected, "the last that worked comes first");

    let id = found.id().clone();
    let error = found.confirm_instead_of(world.admin.id).await.expect_err("customers are lost");
    let (tenant, why) = (world.contoso, Cause::RelationshipMissing);
    assert_eq!(error.remedy(), Remedy::AskAdministrator { tenant, why });
    assert!(error.to_string().contains(&world.fabrikam.to_string()), "{error}");
    let Error::Refused(Refused::LosesCustomers { partner, losses }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((partner, lost(&losses).as_slice()), (world.contoso, expected.as_slice()));
    let told = |event: &Event| {
        matches!(event, Event::ConsentRefused { refused: Refused::LosesCustomers { .. }, .. })
    };
    assert!(world.events().iter().any(told));
    assert_eq!(standing(&world, &broker).await, before, "what stands is as it was");
    world.clock.advance(2 * HOUR);
    use_customer(&world, &broker, litware).await;

    let found = found_by(&world, &broker, &next).await;
    assert_ne!(found.id(), &id);
    let found = found.danger_losing_customers();
    let consent = found.confirm_instead_of(world.admin.id).await.expect("the host said so");
    assert_eq!((consent.user().id(), consent.generation()), (next.id, 2));
}

#[tokio::test]
async fn it_waits_for_the_hosts_word() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = scene(&world, &broker).await;
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let request = crate::world::accept(&pending.expect("a flow"), &next).await;
    let found = crate::world::capture(&broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let outcome = found.confirm_instead_of(world.admin.id).await;
    assert!(matches!(refused(outcome), Refused::LosesCustomers { .. }));
    let again = broker.found(&id, request.headers()).await.expect("it still waits");
    assert_eq!(again.loses().len(), 1, "and says so in any process");
    let other_user = again.danger_losing_customers().confirm().await;
    assert!(matches!(refused(other_user), Refused::OtherUser { .. }), "one word is not the other");
    let again = broker.found(&id, request.headers()).await.expect("it still waits");
    let again = again.danger_losing_customers().confirm_instead_of(world.admin.id).await;
    assert_eq!(again.expect("both were said").generation(), 2);
}

#[tokio::test]
async fn who_can_do_the_same_takes_over() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = successor(&world);
    world.onboard(&broker).await;
    use_customer(&world, &broker, world.fabrikam).await;
    world.clock.advance(MINUTE);
    world.entra.forget_ledger();
    let found = found_by(&world, &broker, &next).await;
    assert_eq!(found.loses(), []);
    let at_customer = world.fabrikam.to_string();
    let tried = world.entra.count_tokens(|request| request.tenant == at_customer);
    let by_next = world.entra.count_tokens(|request| {
        request.tenant == at_customer && request.user == Some(next.id) && request.result.is_ok()
    });
    assert_eq!((tried, by_next), (1, 1), "the standing one is not asked without need");
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
}

#[tokio::test]
async fn what_does_not_answer_is_no_loss() {
    let unknown = [
        Failure::status(503),
        Failure::aadsts(90_033),
        Failure::aadsts(90_055).retry_after(Duration::from_secs(60)),
        Failure::aadsts(90_036), // a number that nobody has a word for
        Failure::reset(),
        Failure::reply(200, "text/html", "<html>"),
        Failure::aadsts(7_000_215).error("invalid_client"),
    ];
    for failure in unknown {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        use_customer(&world, &broker, world.fabrikam).await;
        let next = successor(&world);
        world.clock.advance(MINUTE);
        let told = format!("{failure:?}");
        let rule = Rule::any().tenant(world.fabrikam).user(next.id);
        let scripted = world.entra.fail_tokens(rule, failure);
        let found = found_by(&world, &broker, &next).await;
        assert_eq!((found.loses(), scripted.hits() > 0), ([].as_slice(), true), "{told}");
        found.confirm_instead_of(world.admin.id).await.expect("nobody is known to be lost");
    }
}

#[tokio::test]
async fn a_customer_that_wants_to_be_left_alone_is_not_asked_and_is_no_loss() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let next = scene(&world, &broker).await;
    world.clock.advance(2 * HOUR);
    let busy = Failure::aadsts(90_055).retry_after(Duration::from_secs(60)).times(1);
    world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), busy);
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    customer.token(Resource::Graph).await.expect_err("it asks for a pause");
    world.entra.forget_ledger();
    let found = found_by(&world, &broker, &next).await;
    assert_eq!(found.loses(), [], "it said nothing against the new one");
    let at_customer = world.fabrikam.to_string();
    assert_eq!(world.entra.count_tokens(|request| request.tenant == at_customer), 0);
    found.decline().await.expect("erased");

    world.clock.advance(2 * MINUTE);
    assert_eq!(found_by(&world, &broker, &next).await.loses().len(), 1, "once it may be asked");
}

#[tokio::test]
async fn a_pause_that_a_trial_is_asked_for_holds_for_everybody_at_that_customer_alone() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = customer(&world, "Litware");
    world.onboard(&broker).await;
    use_customer(&world, &broker, world.fabrikam).await;
    use_customer(&world, &broker, litware).await;
    let next = successor(&world);
    world.clock.advance(2 * HOUR);
    let busy = Failure::aadsts(90_055).retry_after(Duration::from_secs(60)).times(1);
    world.entra.fail_tokens(Rule::any().tenant(world.fabrikam).user(next.id), busy);
    let found = found_by(&world, &broker, &next).await;
    assert_eq!(found.loses(), []);
    world.entra.forget_ledger();
    let partner = broker.partner(world.contoso);
    let resting = partner.customer(world.fabrikam).token(Resource::Graph).await;
    resting.expect_err("it rests");
    assert_eq!(world.entra.ledger().len(), 0, "and nobody asks it");
    use_customer(&world, &broker, litware).await;
}

#[tokio::test]
async fn nobody_waits_for_a_customer_that_hangs() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    use_customer(&world, &broker, world.fabrikam).await;
    let next = successor(&world);
    world.clock.advance(MINUTE);
    let hold = world.entra.hold_tokens_of(Rule::any().tenant(world.fabrikam));
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let request = crate::world::accept(&pending.expect("a flow"), &next).await;
    let capturing = {
        let broker = broker.clone();
        tokio::spawn(async move { crate::world::capture(&broker, &request).await })
    };
    hold.waiting(1).await;
    world.clock.advance(Duration::from_secs(10));
    let found = capturing.await.expect("no panic").expect("everything else holds");
    assert_eq!(found.loses(), []);
    hold.release();
}

#[tokio::test]
async fn a_customer_that_refuses_the_standing_consent_too_is_no_loss() {
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = customer(&world, "Litware");
    let next = scene(&world, &broker).await;
    use_customer(&world, &broker, litware).await;
    world.entra.end_relationship(world.contoso, world.fabrikam);
    let before = standing(&world, &broker).await;
    let found = found_by(&world, &broker, &next).await;
    let lost: Vec<_> = found.loses().iter().map(cpv_consent::Loss::customer).collect();
    assert_eq!(lost, [litware], "Fabrikam left by itself");
    let asked = world.entra.count_tokens(|request| {
        request.tenant == world.fabrikam.to_string() && request.result == Err(50_020)
    });
    assert_eq!(asked, 2, "with either token");
    assert_eq!(standing(&world, &broker).await, before, "no state is moved by that");
    let moved = |event: &Event| matches!(event, Event::StateChanged { .. });
    assert!(!world.events().iter().any(moved));
}

#[tokio::test]
async fn a_customer_that_has_refused_since_is_out_of_the_sample() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = scene(&world, &broker).await;
    world.entra.end_relationship(world.contoso, world.fabrikam);
    world.clock.advance(8 * DAY);
    let refused = broker.partner(world.contoso).customer(world.fabrikam).token(Resource::Graph);
    refused.await.expect_err("it left");
    world.entra.forget_ledger();
    assert_eq!(found_by(&world, &broker, &next).await.loses(), []);
    let at_customer = world.fabrikam.to_string();
    assert_eq!(world.entra.count_tokens(|request| request.tenant == at_customer), 0);
}

#[tokio::test]
async fn a_consent_that_works_no_more_has_nothing_to_lose() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = scene(&world, &broker).await;
    let partner = broker.partner(world.contoso);
    world.entra.revoke_sessions(&world.admin);
    for _ in 0..2 {
        world.clock.advance(HOUR);
        partner.token(Resource::PartnerCenter).await.expect_err("revoked");
    }
    let state = standing(&world, &broker).await.state().clone();
    assert!(matches!(state, ConsentState::Ended { .. }), "{state}");
    world.entra.forget_ledger();
    let found = found_by(&world, &broker, &next).await;
    assert_eq!(found.loses(), []);
    let at_customer = world.fabrikam.to_string();
    assert_eq!(world.entra.count_tokens(|request| request.tenant == at_customer), 0);
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    assert_eq!(partner.previous_consent().await.expect("readable"), None, "nor a way back");
}

#[tokio::test]
async fn the_sample_is_kept_with_the_consent_and_never_written_for_its_own_sake() {
    let world = World::new().await;
    let next = successor(&world);
    takes_access_from(&world, &next);
    let row = || raw::row(&world.store_folder(), "consent", &world.contoso.to_string());
    {
        let broker = world.broker().await;
        world.onboard(&broker).await;
        let before = row();
        use_customer(&world, &broker, world.fabrikam).await;
        assert_eq!(row(), before, "no write of its own");
    }
    let other = world.broker().await;
    assert_eq!(found_by(&world, &other, &next).await.loses(), [], "nobody there has seen it");

    world.clock.advance(8 * DAY);
    {
        let broker = world.broker().await;
        use_customer(&world, &broker, world.fabrikam).await; // and the ageing token is replaced
        world.clock.advance(8 * DAY);
        broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a rotation");
    }
    let other = world.broker().await;
    let found = found_by(&world, &other, &next).await;
    assert_eq!(found.loses().len(), 1, "by the record alone");
    found.decline().await.expect("erased");

    world.clock.advance(31 * DAY);
    let found = found_by(&world, &other, &next).await;
    assert_eq!(found.loses(), [], "what worked a month ago says nothing");
}

#[tokio::test]
async fn no_more_than_eight_customers_are_asked() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = scene(&world, &broker).await;
    for number in 0..12 {
        let customer = customer(&world, &format!("Customer {number}"));
        use_customer(&world, &broker, customer).await;
    }
    world.entra.forget_ledger();
    let found = found_by(&world, &broker, &next).await;
    assert_eq!(found.loses().len(), 8);
    let own = world.contoso.to_string();
    let of = |user| {
        let at_customer = |request: &cpv_consent::emulator::TokenRequest| {
            request.tenant != own && request.user == Some(user)
        };
        world.entra.count_tokens(at_customer)
    };
    assert_eq!((of(next.id), of(world.admin.id)), (8, 8));
}

#[tokio::test]
async fn what_the_new_consent_was_seen_to_do_the_next_one_must_do_too() {
    let world = World::new().await;
    {
        let broker = world.broker().await;
        world.onboard(&broker).await;
        use_customer(&world, &broker, world.fabrikam).await;
        let next = successor(&world);
        world.clock.advance(MINUTE);
        let found = found_by(&world, &broker, &next).await;
        found.confirm_instead_of(world.admin.id).await.expect("both were named");
    }
    world.clock.advance(MINUTE);
    let third = world.entra.add_user(world.contoso, "third@contoso.example");
    takes_access_from(&world, &third);
    let broker = world.broker().await; // which has seen nothing
    assert_eq!(found_by(&world, &broker, &third).await.loses().len(), 1);
}

#[tokio::test]
async fn the_page_names_them_and_has_no_button_unless_the_invitation_allows_it() {
    let (world, broker, door) = doors().await;
    let next = scene(&world, &broker).await;
    let invite = || {
        let invitation = broker.partner(world.contoso).invite(world.account());
        invitation.replacing(world.admin.id)
    };
    let sent = invite().await.expect("an invitation");
    let mut person = Person::new(&door);
    let found = person.find(sent.link().path(), &next).await;
    let page = text(&person.get(&found).await);
    let fabrikam = world.fabrikam.to_string();
    for shown in ["Customers that would be lost", &fabrikam, "relationship missing"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("value=\"confirm\"") && !page.contains("value=\"replace\""), "{page}");
    for body in ["answer=confirm", "answer=replace"] {
        let response = person.post(&found, body).await;
        assert_eq!(response.status(), http::StatusCode::FORBIDDEN, "{body}");
    }
    let response = text(&person.post(&found, "answer=replace").await);
    assert!(response.contains("Customers would be lost") && response.contains(&fabrikam));
    assert_eq!(standing(&world, &broker).await.generation(), 1);

    let sent = invite().danger_losing_customers().await.expect("an invitation");
    let mut person = Person::new(&door);
    let found = person.find(sent.link().path(), &next).await;
    let page = text(&person.get(&found).await);
    assert!(page.contains(&fabrikam) && page.contains("value=\"replace\""), "{page}");
    let response = person.post(&found, "answer=replace").await;
    assert_eq!(location(&response), "/consent/done");
    assert_eq!(standing(&world, &broker).await.user().id(), next.id);
}

#[tokio::test]
async fn a_way_back_brings_the_lost_customers_back() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = replaced(&world, &broker).await;
    takes_access_from(&world, &next);
    let partner = broker.partner(world.contoso);
    partner.customer(world.fabrikam).token(Resource::Graph).await.expect_err("no access");
    partner.roll_back().await.expect("in time");
    use_customer(&world, &broker, world.fabrikam).await;
}
