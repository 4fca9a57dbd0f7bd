//! Asked now: each kind of answer, and whose turn it is.

use async_trait::async_trait;
use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{
    Basis, Cause, ClientCredential, ConsentState, CredentialError, CredentialProvider, Diagnosis,
    Error, FreezeScope, Health, Missing, Party, Refused, Remedy, Resource,
};

use crate::diagnosis::{customer, json, lines, partner, redemptions_at};
use crate::world::{HOUR, World, account, refused, registration_proving};

#[tokio::test]
async fn what_works_is_said_with_nothing_to_do() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for diagnosis in
        [partner(&broker, &world).await, customer(&broker, &world, world.fabrikam).await]
    {
        assert!(diagnosis.works(), "{diagnosis}");
        assert_eq!(
            (diagnosis.basis(), diagnosis.health().is_healthy()),
            (Basis::Asked, Some(true))
        );
        assert_eq!((diagnosis.remedy(), diagnosis.whose_turn()), (None, Some(Party::Nobody)));
        assert!(diagnosis.steps().is_empty());
        assert_eq!(json(&diagnosis)["works"], true);
        assert!(lines(&diagnosis)[0].ends_with("works"), "{diagnosis}");
    }
}

#[tokio::test]
async fn a_customer_without_a_grant_or_a_relationship_is_told_from_a_healthy_partner() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let bare = world.entra.add_customer(world.contoso, "Bare");
    let stranger = world.entra.add_tenant("Stranger");
    let graph = crate::world::GRAPH;
    world.entra.grant(stranger, world.app.client_id(), graph, &["Directory.Read.All"]);
    let relationship = Remedy::FixRelationship { customer: stranger };
    for (tenant, party, remedy, missing) in [
        (bare, Party::Vendor, Remedy::GrantInCustomer, Missing::CustomerGrant),
        (stranger, Party::Customer, relationship, Missing::Relationship),
    ] {
        let found = customer(&broker, &world, tenant).await;
        assert_eq!((found.whose_turn(), found.remedy()), (Some(party), Some(remedy)));
        assert_eq!((found.missing(), found.tenant()), (Some(&missing), Some(tenant)));
        assert_eq!(found.health().is_healthy(), Some(true), "{found}");
        assert!(found.correlation_id().is_some() && found.trace_id().is_some());
        let members = json(&found);
        assert_eq!(members["whose_turn"], party.as_str());
        assert_eq!(members["partner"], world.contoso.to_string());
        assert_eq!(members["scopes"][0], "Directory.Read.All");
        assert_eq!(members["missing"], missing.as_str());
        assert_eq!(members["consent"]["state"], "live");
        assert_eq!(members["aadsts"].as_u64(), found.number().map(Into::into));
        let shown = lines(&found).join("\n");
        for told in [found.meaning(), found.trace_id(), found.correlation_id()] {
            assert!(shown.contains(told.expect("told")), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_customers_answer_never_moves_the_partner_and_the_partner_is_asked_first() {
    // the blast radius
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for number in [65001, 50020, 53003, 50173, 700_082, 50053, 7_000_215, 4_242_424] {
        world.clock.advance(2 * HOUR);
        world.entra.forget_ledger();
        let rule = Rule::any().tenant(world.fabrikam);
        let scripted = world.entra.fail_tokens(rule, Failure::aadsts(number));
        let found = customer(&broker, &world, world.fabrikam).await;
        scripted.clear();
        assert_eq!((found.works(), found.number()), (false, Some(number)), "{found}");
        let Health::Known { state, .. } = found.health() else { panic!("{found}") };
        assert_eq!(*state, ConsentState::Live, "{number}");
        let asked: Vec<_> = world.entra.ledger().into_iter().map(|asked| asked.tenant).collect();
        assert_eq!(asked, [world.contoso.to_string(), world.fabrikam.to_string()], "{number}");
    }
}

#[tokio::test]
async fn where_the_partner_fails_too_it_is_the_partners_turn() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    world.entra.fail_tokens(Rule::any(), Failure::aadsts(50173));
    let found = customer(&broker, &world, world.fabrikam).await;
    let remedy = Remedy::AskConsentAgain { claims: None };
    assert_eq!((found.whose_turn(), found.remedy()), (Some(Party::Partner), Some(remedy)));
    assert!(
        matches!(found.failure(), Some(Error::Entra { tenant, .. }) if *tenant == Some(world.contoso))
    );
    assert_eq!(
        (found.cause(), found.missing()),
        (Some(Cause::GrantRevoked), Some(&Missing::PartnerConsent))
    );
    assert_eq!(found.health().is_healthy(), Some(false), "{found}");
    assert_eq!(json(&found)["consent"]["state"], "suspended");
}

#[tokio::test]
async fn a_customer_that_lacks_its_own_grant_is_told_so_also_while_the_partner_fails() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let bare = world.entra.add_customer(world.contoso, "Bare");
    world.clock.advance(2 * HOUR);
    world.entra.fail_tokens(Rule::any().tenant(world.contoso), Failure::aadsts(50053));
    let found = customer(&broker, &world, bare).await;
    assert_eq!(found.remedy(), Some(Remedy::GrantInCustomer), "{found}");
    assert_eq!(found.health().is_healthy(), Some(false), "both are said: {found}");
}

#[tokio::test]
async fn a_suspended_partner_is_told_with_the_ids_of_the_answer_that_suspended_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
    let first = partner(&broker, &world).await;
    world.entra.forget_ledger();
    let again = partner(&broker, &world).await;
    assert_eq!(redemptions_at(&world, world.contoso), 0, "it is not asked again so soon");
    assert!(matches!(again.failure(), Some(Error::Suspended { .. })), "{again}");
    assert_eq!((again.cause(), again.number()), (Some(Cause::AccountLocked), Some(50053)));
    assert_eq!(
        (again.trace_id(), again.correlation_id()),
        (first.trace_id(), first.correlation_id())
    );
    let why = Cause::AccountLocked;
    assert_eq!(again.remedy(), Some(Remedy::AskAdministrator { tenant: world.contoso, why }));
    assert_eq!(again.whose_turn(), Some(Party::Partner));
}

/// What a support person, a program and a log are shown.
fn shown(diagnosis: &Diagnosis) -> String {
    format!("{diagnosis}\n{diagnosis:?}\n{}", json(diagnosis))
}

#[tokio::test]
async fn a_freeze_is_named_and_its_reason_is_not_told() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let reason = "canary is under suspicion";
    let freeze = broker.freeze(FreezeScope::Application, reason).await.expect("frozen");
    for found in [partner(&broker, &world).await, customer(&broker, &world, world.fabrikam).await] {
        let shown = shown(&found);
        assert!(shown.contains(freeze.name()) && !shown.contains("canary"), "{shown}");
        assert!(json(&found)["happened"].as_str().expect("told").contains(freeze.name()));
        assert!(found.failure().expect("frozen").to_string().contains("canary"), "for the host");
    }
}

#[derive(Debug)]
struct Talkative;

#[async_trait]
impl CredentialProvider for Talkative {
    async fn credentials(&self) -> Result<Vec<ClientCredential>, CredentialError> {
        Err(CredentialError::withheld("canary says no"))
    }
}

#[tokio::test]
async fn what_a_hosts_own_code_says_is_not_told() {
    //
    let mut world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    drop(broker);
    world.app =
        registration_proving(world.app.cloud().clone(), ClientCredential::from_provider(Talkative));
    let broker = world.broker().await;
    let found = partner(&broker, &world).await;
    assert!(matches!(found.failure(), Some(Error::Credential(_))), "{found}");
    let shown = shown(&found);
    assert!(shown.contains("credential is withheld") && !shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn no_consent_a_withdrawn_one_and_a_resource_that_is_not_registered_are_told_apart() {
    let world = World::new().await;
    let broker = world.broker().await;
    let never = partner(&broker, &world).await;
    assert_eq!((never.missing(), never.health()), (Some(&Missing::PartnerConsent), &Health::Never));
    world.onboard(&broker).await;
    let other = Resource::custom("https://manage.office.com").expect("a resource");
    let found = broker.partner(world.contoso).diagnose(other).await.expect("a diagnosis");
    assert_eq!((found.whose_turn(), found.scopes().is_empty()), (Some(Party::Vendor), true));
    assert!(found.to_string().contains("not registered"), "{found}");
    broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    let found = partner(&broker, &world).await;
    assert_eq!(
        (found.whose_turn(), found.health().is_healthy()),
        (Some(Party::Partner), Some(false))
    );
    assert_eq!(json(&found)["consent"]["state"], "withdrawn");
}

#[tokio::test]
async fn what_may_pass_is_nobodys_turn() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), Failure::status(503));
    let found = customer(&broker, &world, world.fabrikam).await;
    assert_eq!((found.whose_turn(), found.works()), (Some(Party::Nobody), false), "{found}");
    assert!(matches!(found.remedy(), Some(Remedy::Retry { .. })));
}

#[tokio::test]
async fn another_accounts_door_tells_nothing() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.forget_ledger();
    let door = broker.account(account("panel-2")).partner(world.contoso);
    let not_yours = Refused::NotYours(world.contoso);
    assert_eq!(refused(door.diagnose(Resource::Graph).await), not_yours);
    let customer = door.customer(world.fabrikam);
    assert_eq!(refused(customer.diagnose(Resource::Graph).await), not_yours);
    assert_eq!(world.entra.ledger().len(), 0);
}
