//! Kinds of partners: each is recorded, and held against its own policy.

use std::time::Duration;

use cpv_consent::PartnerKind::{Direct, IndirectProvider, IndirectReseller};
use cpv_consent::emulator::{Endpoint, Failure, Rule, Scripted, User};
use cpv_consent::store::Memory;
use cpv_consent::{
    Aspect, Broker, BrokerBuilder, Event, KeptBecause, KeyRing, LocalKey, MfaSource, Policy,
    Refused, TenantId, Verdict, Warning,
};

use crate::door::{Person, doors, text};
use crate::policy::{answer, consent, first_grant};
use crate::receipts::Notary;
use crate::transfer::{export, import};
use crate::world::{MINUTE, World, accept, account, capture, refused, start};

/// A partner whose people reach nothing in Partner Center.
struct Reseller {
    tenant: TenantId,
    admin: User,
    _closed: Scripted,
}

impl Reseller {
    fn of(world: &World) -> Self {
        let tenant = world.entra.add_tenant("Reseller");
        let admin = world.entra.add_user(tenant, "admin@reseller.example");
        let rule = Rule::at(Endpoint::PartnerCenter).tenant(tenant);
        let _closed = world.entra.fail(rule, Failure::status(403));
        Self { tenant, admin, _closed }
    }
}

fn amr() -> Policy {
    Policy::default().danger_also_believing(MfaSource::AccessToken)
}

fn for_resellers(builder: BrokerBuilder) -> BrokerBuilder {
    builder.policy_for(IndirectReseller, amr())
}

async fn with_resellers(world: &World) -> Broker {
    let builder = for_resellers(world.builder(world.store().await)).receipts(Notary::new());
    builder.build().await.expect("a broker")
}

#[tokio::test]
async fn a_reseller_is_held_against_its_own_policy_and_a_direct_partner_is_not() {
    //
    let world = World::new().await;
    let (broker, reseller) = (with_resellers(&world).await, Reseller::of(&world));
    let unsaid = answer(&broker, reseller.tenant, &reseller.admin, None).await;
    assert_eq!(refused(capture(&broker, &unsaid).await), Refused::MfaUnknown, "a direct one");
    let provider = answer(&broker, reseller.tenant, &reseller.admin, Some(IndirectProvider)).await;
    assert_eq!(refused(capture(&broker, &provider).await), Refused::MfaUnknown, "as all others");

    let said = answer(&broker, reseller.tenant, &reseller.admin, Some(IndirectReseller)).await;
    let found = capture(&broker, &said).await.expect("its own policy");
    assert_eq!(found.kind(), IndirectReseller);
    assert_eq!(found.warnings(), [Warning::MfaWeaker(MfaSource::AccessToken)]);
    let confirmed = found.confirm().await.expect("a consent");
    assert_eq!(confirmed.kind(), IndirectReseller);
    assert_eq!(confirmed.mfa().map(|proof| proof.source()), Some(MfaSource::AccessToken));
    let granted = first_grant(&broker, reseller.tenant).await;
    assert_eq!(granted.partner_kind(), Some("indirect_reseller"));
    assert_eq!(granted.loosened(), ["also_believing access_token"]);
    assert_eq!(granted.warnings(), ["mfa_weaker access_token"]);

    let direct = world.onboard(&broker).await;
    assert_eq!(direct.kind(), Direct);
    assert_eq!(direct.mfa().map(|proof| proof.source()), Some(MfaSource::PartnerCenter));
    let granted = first_grant(&broker, world.contoso).await;
    assert_eq!((granted.partner_kind(), granted.loosened()), (Some("direct"), &[][..]));
}

#[tokio::test]
async fn a_stricter_policy_for_one_kind_holds_for_that_kind_alone() {
    let world = World::new().await;
    let strict = Policy::default().mfa_within(Duration::ZERO);
    let builder = world.builder(world.store().await).policy_for(IndirectProvider, strict);
    let broker = builder.build().await.expect("a broker");
    let request = answer(&broker, world.contoso, &world.admin, Some(IndirectProvider)).await;
    world.clock.advance(MINUTE);
    assert_eq!(refused(capture(&broker, &request).await), Refused::MfaTooLongAgo);
    let request = answer(&broker, world.contoso, &world.admin, Some(IndirectReseller)).await;
    world.clock.advance(MINUTE);
    let found = capture(&broker, &request).await.expect("the usual policy");
    assert_eq!(found.kind(), IndirectReseller);
}

#[tokio::test]
async fn whoever_does_not_say_keeps_the_kind_that_is_known() {
    let world = World::new().await;
    let (broker, reseller) = (with_resellers(&world).await, Reseller::of(&world));
    let again = async |kind| {
        let request = answer(&broker, reseller.tenant, &reseller.admin, kind).await;
        let found = capture(&broker, &request).await.expect("its own policy");
        found.confirm().await.expect("a consent").kind()
    };
    assert_eq!(again(Some(IndirectReseller)).await, IndirectReseller);
    assert_eq!(again(None).await, IndirectReseller, "as it stood");
    world.clock.advance(MINUTE);
    broker.partner(reseller.tenant).withdraw().await.expect("a tombstone");
    assert_eq!(consent(&broker, reseller.tenant).await.kind(), IndirectReseller);
    world.clock.advance(MINUTE);
    assert_eq!(again(None).await, IndirectReseller, "as its tombstone remembers");
    // A direct one by now: the usual policy, which believes Partner Center alone.
    let request = answer(&broker, reseller.tenant, &reseller.admin, Some(Direct)).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::MfaUnknown);
}

#[tokio::test]
async fn a_change_of_kind_is_seen_before_it_counts_and_stays_in_the_receipt() {
    let world = World::new().await;
    let broker = with_resellers(&world).await;
    let found = async |kind| {
        world.clock.advance(MINUTE);
        let request = answer(&broker, world.contoso, &world.admin, kind).await;
        let found = capture(&broker, &request).await.expect("everything holds");
        (found, request)
    };
    world.onboard(&broker).await;
    for same in [None, Some(Direct)] {
        assert_eq!(found(same).await.0.warnings(), [], "{same:?}");
    }
    let (first, request) = found(Some(IndirectReseller)).await;
    let changes = [Warning::KindChanged { from: Direct, to: IndirectReseller }];
    assert_eq!(first.warnings(), changes);
    let beside = with_resellers(&world).await;
    let again = beside.found(first.id(), request.headers()).await.expect("it waits");
    assert_eq!(again.warnings(), changes, "in any process");
    let said = changes[0].to_string();
    assert_eq!(said, "the kind of partner changes from direct partner to indirect reseller");
    assert_eq!(again.confirm().await.expect("a consent").kind(), IndirectReseller);
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let noted: Vec<_> = receipts.iter().filter_map(|one| one.change().granted()).collect();
    let warnings: Vec<_> = noted.iter().map(|granted| granted.warnings()).collect();
    assert_eq!(warnings, [&[][..], &["kind_changed direct indirect_reseller".to_owned()][..]]);

    assert_eq!(found(None).await.0.warnings(), [], "it is one by now");
    let (back, _) = found(Some(Direct)).await;
    assert_eq!(back.warnings(), [Warning::KindChanged { from: IndirectReseller, to: Direct }]);
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(found(Some(Direct)).await.0.warnings(), [], "nothing stands that it would change");
}

#[tokio::test]
async fn the_page_says_that_the_kind_changes() {
    let (world, broker, door) = doors().await;
    world.onboard(&broker).await;
    world.clock.advance(MINUTE);
    let sent = broker.partner(world.contoso).invite(world.account()).kind(IndirectProvider);
    let sent = sent.await.expect("an invitation");
    let mut person = Person::new(&door);
    let found = person.find(sent.link().path(), &world.admin).await;
    let page = text(&person.get(&found).await);
    let warned = "another kind of partner: direct partner. It becomes: indirect provider.";
    assert!(page.contains("class=\"warning\"") && page.contains(warned), "{page}");
    assert!(page.contains("value=\"confirm\""), "and it may be: {page}");
}

#[tokio::test]
async fn an_invitation_says_the_kind_and_a_process_that_confirms_knows_it() {
    let world = World::new().await;
    let (broker, reseller) = (with_resellers(&world).await, Reseller::of(&world));
    let sent = broker.partner(reseller.tenant).invite(account("panel-1")).kind(IndirectReseller);
    let sent = sent.await.expect("an invitation");
    assert_eq!(sent.invitation().kind(), Some(IndirectReseller));
    let pending = start(&broker, &sent).await.expect("a flow");
    let request = accept(&pending, &reseller.admin).await;
    let id = capture(&broker, &request).await.expect("its own policy").id().clone();
    let beside = with_resellers(&world).await;
    let found = beside.found(&id, request.headers()).await.expect("it waits");
    assert_eq!(found.kind(), IndirectReseller);
    assert_eq!(found.warnings(), [Warning::MfaWeaker(MfaSource::AccessToken)]);
    assert_eq!(found.confirm().await.expect("a consent").kind(), IndirectReseller);
    let shown = broker.invitations().find(sent.invitation().id()).await.expect("listed");
    assert_eq!(shown.kind(), Some(IndirectReseller));
    let plain = broker.partner(world.contoso).invite(world.account()).await.expect("sent");
    assert_eq!(plain.invitation().kind(), None);
}

#[tokio::test]
async fn a_look_at_a_reseller_goes_by_its_policy() {
    let world = World::new().await;
    let (broker, reseller) = (with_resellers(&world).await, Reseller::of(&world));
    let request = answer(&broker, reseller.tenant, &reseller.admin, Some(IndirectReseller)).await;
    let found = capture(&broker, &request).await.expect("its own policy");
    found.confirm().await.expect("a consent");
    let verification = broker.partner(reseller.tenant).verify().await.expect("a look");
    assert!(verification.is_sound(), "{:?}", verification.checks());
    assert_eq!(verification.mfa().map(|proof| proof.source()), Some(MfaSource::AccessToken));
    let usual = world.broker().await.partner(reseller.tenant).verify().await.expect("a look");
    assert_eq!(usual.verdict(Aspect::SecondFactor), Verdict::Unknown);
    assert_eq!(usual.verdict(Aspect::Policy), Verdict::Failed);
}

#[tokio::test]
async fn an_import_meets_the_policy_of_its_kind() {
    //
    let world = World::new().await;
    let (here, reseller) = (with_resellers(&world).await, Reseller::of(&world));
    let request = answer(&here, reseller.tenant, &reseller.admin, Some(IndirectReseller)).await;
    let found = capture(&here, &request).await.expect("its own policy");
    found.confirm().await.expect("a consent");
    let parcel = export(&here).await;

    let there = site(&world, |builder| builder.policy_for(IndirectProvider, amr())).await;
    let report = import(&there, &parcel).await.expect("an import");
    assert_eq!(report.kept_back()[0].because, KeptBecause::PolicyHere);
    let told = world.events().into_iter().any(|event| {
        matches!(event, Event::ConsentRefused { refused: Refused::MfaUnknown, partner }
            if partner == Some(reseller.tenant))
    });
    assert!(told, "the proof is not believed there");

    let strict = |builder: BrokerBuilder| {
        builder.policy(amr()).policy_for(IndirectReseller, Policy::default())
    };
    let report = import(&site(&world, strict).await, &parcel).await.expect("an import");
    assert_eq!((report.taken(), report.kept_back_in_all()), (0, 1), "loose to all but resellers");

    let there = site(&world, for_resellers).await;
    assert_eq!(import(&there, &parcel).await.expect("an import").taken(), 1);
    assert_eq!(consent(&there, reseller.tenant).await.kind(), IndirectReseller);
    let granted = first_grant(&there, reseller.tenant).await;
    assert_eq!(granted.partner_kind(), Some("indirect_reseller"));
    assert_eq!(granted.loosened(), ["also_believing access_token"]);
    assert_eq!(granted.warnings(), ["mfa_weaker access_token"]);
}

/// Another site, with a key of its own.
async fn site(world: &World, set: impl FnOnce(BrokerBuilder) -> BrokerBuilder) -> Broker {
    let keys = KeyRing::new(LocalKey::generate("elsewhere").expect("a key"));
    let events = world.events.clone();
    let told = move |event: &Event| events.lock().expect("events").push(event.clone());
    let builder = Broker::builder(world.app.clone(), Memory::new(), keys).observer(told);
    let builder = set(builder.clock(world.clock.clone()).receipts(Notary::new()));
    builder.build().await.expect("a broker")
}
