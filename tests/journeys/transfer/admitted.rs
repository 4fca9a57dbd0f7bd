//! An import takes what this side's own policy would have taken.

use cpv_consent::emulator::{MfaAnswer, MfaMethod};
use cpv_consent::store::Memory;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, Event, Guest, KeptBecause, KeyRing, LocalKey,
    MfaSource, Policy, Refused, Resource,
};

use crate::transfer::{Parcel, export, import, kept_back};
use crate::world::{HOUR, MINUTE, REDIRECT, SECRET, World, accept, capture};

const KEY: [u8; 32] = *b"\x85another site's key, 32 bytes...";

async fn site(world: &World, app: &AppRegistration, policy: Policy) -> Broker {
    let keys = KeyRing::new(LocalKey::from_bytes("elsewhere", &KEY).expect("a random key"));
    let builder = Broker::builder(app.clone(), Memory::new(), keys).clock(world.clock.clone());
    let events = world.events.clone();
    let told = move |event: &Event| events.lock().expect("events").push(event.clone());
    builder.policy(policy).observer(told).build().await.expect("a broker")
}

/// What a site with this policy says of an export, and that it stores nothing of it.
async fn refusal(world: &World, app: &AppRegistration, policy: Policy, parcel: &Parcel) -> Refused {
    let there = site(world, app, policy).await;
    world.events.lock().expect("events").clear();
    let report = import(&there, parcel).await.expect("an import");
    assert_eq!((report.taken(), kept_back(&report)), (0, vec![KeptBecause::PolicyHere]));
    assert!(there.partner(world.contoso).consent().await.expect("readable").is_none());
    let events = world.events();
    let [Event::ConsentRefused { partner, refused }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(*partner, Some(world.contoso));
    refused.clone()
}

async fn takes(world: &World, app: &AppRegistration, policy: Policy, parcel: &Parcel) -> bool {
    let there = site(world, app, policy).await;
    import(&there, parcel).await.expect("an import").taken() == 1
}

/// The same application, of which this side asks for less.
fn without_graph(app: &AppRegistration) -> AppRegistration {
    let (cloud, home, client_id) = (app.cloud().clone(), app.home(), app.client_id());
    let credential = ClientCredential::secret(SECRET).expect("plain text");
    AppRegistration::new(cloud, home, client_id, credential, REDIRECT).expect("valid")
}

#[tokio::test]
async fn a_guests_consent_stays_out_where_no_guest_is_admitted() {
    let world = World::new().await;
    let tenant = world.entra.add_tenant("Elsewhere");
    let stranger = world.entra.add_user(tenant, "ann@elsewhere.example");
    let guest = world.entra.add_guest(&stranger, world.contoso);
    world.entra.change_user(&guest, |user| user.administrator = true);
    let loose = Policy::default().danger_guests();
    let here = site(&world, &world.app, loose.clone()).await;
    let pending = here.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &guest).await;
    let found = capture(&here, &request).await.expect("policy takes guests");
    found.confirm().await.expect("a consent");
    let parcel = export(&here).await;
    let refused = refusal(&world, &world.app, Policy::default(), &parcel).await;
    assert_eq!(refused, Refused::Guest(Guest::Yes));
    assert!(takes(&world, &world.app, loose, &parcel).await);
}

#[tokio::test]
async fn a_consent_without_a_proof_that_is_believed_here_stays_out() {
    //
    let world = World::new().await;
    let amr = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let here = site(&world, &world.app, amr.clone()).await;
    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    world.onboard(&here).await;
    let parcel = export(&here).await;
    let refused = refusal(&world, &world.app, Policy::default(), &parcel).await;
    assert_eq!(refused, Refused::MfaUnknown);
    assert!(takes(&world, &world.app, amr, &parcel).await);

    let none = Policy::default().danger_without_mfa();
    let here = site(&world, &world.app, none.clone()).await;
    world.entra.change_user(&world.admin, |user| user.mfa = MfaMethod::None);
    world.onboard(&here).await;
    let parcel = export(&here).await;
    let refused = refusal(&world, &world.app, Policy::default(), &parcel).await;
    assert_eq!(refused, Refused::MfaUnknown);
    assert!(takes(&world, &world.app, none, &parcel).await);
}

#[tokio::test]
async fn how_long_ago_the_sign_in_was_is_asked_of_the_day_of_the_consent() {
    //
    let world = World::new().await;
    let here = world.broker_with(Policy::default().mfa_within(9 * MINUTE)).await;
    let request = world.callback(&here).await;
    world.clock.advance(9 * MINUTE);
    let found = capture(&here, &request).await.expect("everything holds");
    world.clock.advance(9 * MINUTE);
    found.confirm().await.expect("a consent");
    world.clock.advance(HOUR);
    let parcel = export(&here).await;
    let within = |limit| Policy::default().mfa_within(limit);
    let refused = refusal(&world, &world.app, within(7 * MINUTE), &parcel).await;
    assert_eq!(refused, Refused::MfaTooLongAgo);
    assert!(takes(&world, &world.app, within(9 * MINUTE), &parcel).await, "as it would have then");
}

#[tokio::test]
async fn a_consent_may_grant_less_than_is_registered_here_and_not_more() {
    let world = World::new().await;
    let here = world.broker().await;
    let consent = world.onboard(&here).await;
    let parcel = export(&here).await;
    let more = world.app.clone().requesting(Resource::Graph, ["User.Read.All"]).expect("valid");
    assert!(takes(&world, &more, Policy::default(), &parcel).await, "registered since");
    let less = without_graph(&world.app);
    let refused = refusal(&world, &less, Policy::default(), &parcel).await;
    let Refused::ScopesBeyond(beyond) = refused else { panic!("{refused:?}") };
    assert!(beyond.is_within(consent.scopes()));
    assert!(beyond.iter().all(|scope| *scope.resource() == Resource::Graph));
    let loose = Policy::default().danger_scopes_beyond();
    assert!(takes(&world, &less, loose, &parcel).await);
}

#[tokio::test]
async fn who_was_let_go_is_let_go_here_whatever_the_policy() {
    //
    let world = World::new().await;
    let none = Policy::default().danger_without_mfa();
    let here = site(&world, &world.app, none.clone()).await;
    world.entra.change_user(&world.admin, |user| user.mfa = MfaMethod::None);
    world.onboard(&here).await;
    here.partner(world.contoso).withdraw().await.expect("withdrawn");
    let there = site(&world, &world.app, Policy::default()).await;
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(report.first_withdrawn(), [world.contoso]);
}
