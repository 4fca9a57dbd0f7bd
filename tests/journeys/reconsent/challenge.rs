//! What Entra demands of a person goes with the invitation to the page where it is proven.

use cpv_consent::emulator::{Answer, ConditionalAccess, MfaMethod};
use cpv_consent::web::{Brand, WebDoor};
use cpv_consent::{Policy, Remedy, Resource};

use super::standing;
use crate::door::{Person, location, text};
use crate::world::{HOUR, World};

#[tokio::test]
async fn a_demand_leads_through_the_door_to_a_consent_that_meets_it() {
    let world = World::new().await;
    let builder = world.builder(world.store().await).policy(Policy::default().danger_without_mfa());
    let builder = builder.start_page("https://panel.example/consent/invited");
    let broker = builder.build().await.expect("a broker");
    let brand = Brand::new("Example Panel").expect("plain text");
    let door = WebDoor::new(broker.clone(), brand).expect("side by side");
    world.entra.change_user(&world.admin, |account| account.mfa = MfaMethod::None);
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    let strict = ConditionalAccess { require_mfa: true, ..ConditionalAccess::default() };
    world.entra.conditional_access(world.contoso, strict);
    let partner = broker.partner(world.contoso);
    let error = partner.token(Resource::PartnerCenter).await.expect_err("a second factor");
    let Remedy::AskConsentAgain { claims: Some(claims) } = error.remedy() else {
        panic!("{error:?}")
    };

    let invitation = partner.invite(world.account()).only_for(world.admin.id);
    let sent = invitation.claims(claims.clone()).await.expect("an invitation");
    let mut person = Person::new(&door);
    assert!(
        !text(&person.get(sent.link().path()).await).contains("capolids"),
        "no person's matter"
    );
    let microsoft = person.begin(sent.link().path()).await;
    let asked = microsoft.query_pairs().find(|(name, _)| name == "claims");
    assert_eq!(asked.map(|(_, value)| value.into_owned()), Some(claims));

    world.entra.change_user(&world.admin, |account| account.mfa = MfaMethod::Authenticator);
    let callback = person.walk(&microsoft, &world.admin, Answer::Accept).await;
    let response = door.answer(callback).await;
    assert_eq!(response.status(), http::StatusCode::SEE_OTHER, "{}", text(&response));
    let found = location(&response).to_owned();
    let response = person.post(&found, "answer=confirm").await;
    assert_eq!(location(&response), "/consent/done", "{}", text(&response));
    assert_eq!(standing(&world, &broker).await.generation(), 2);
    partner.token(Resource::PartnerCenter).await.expect("what was demanded is proven");
}
