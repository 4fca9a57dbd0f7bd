//! Partner Center refuses tokens that were made without a second factor: whose use of it ends, what
//! goes on, and how it comes back.

use cpv_consent::emulator::{Failure, MfaAnswer, MfaEnforcement, Rule};
use cpv_consent::{
    AccountId, Aspect, Broker, Clock, Error, Event, Http, MfaMissing, Refused, Remedy, Reqwest,
    Resource, Token, Verdict,
};
use http::Request;

use crate::exchange::moody::Moody;
use crate::exchange::{ask, redemptions};
use crate::world::{self, DAY, HOUR, MINUTE, World, raw};

const OFFICE: &str = "https://api.partnercenter.microsoft.com";
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(6);

/// A partner with a consent, and a broker.
async fn consented() -> (World, Broker) {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.grant(world.fabrikam, world.app.client_id(), OFFICE, &["user_impersonation"]);
    world.entra.forget_ledger();
    (world, broker)
}

/// A host's call of Partner Center with this token: `Some` if it is refused for want of a factor.
async fn call(world: &World, token: &Token) -> Option<MfaMissing> {
    let url = format!("{}/v1/customers", world.entra.partner_center_origin());
    let request = Request::get(url).header("authorization", token.bearer());
    let request = request.body(bytes::Bytes::new()).expect("a request");
    let reply = Reqwest::new().expect("a client").send(request, 1 << 16).await.expect("a reply");
    MfaMissing::in_reply(reply.status(), reply.headers(), reply.body())
}

async fn own(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).token(Resource::PartnerCenter).await
}

/// What a host does: calls, and reports until it is served or told to stop.
async fn use_partner_center(world: &World, broker: &Broker) -> Result<(), Error> {
    let mut token = own(world, broker).await?;
    while let Some(missing) = call(world, &token).await {
        token = broker.partner(world.contoso).report_mfa_missing(&token, missing).await?;
    }
    Ok(())
}

async fn suspended(world: &World, broker: &Broker) {
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let error = use_partner_center(world, broker).await.expect_err("refused twice");
    assert_suspended(Err(error));
    world.entra.forget_ledger();
}

#[track_caller]
fn assert_suspended(outcome: Result<Token, Error>) {
    let error = outcome.expect_err("suspended");
    assert!(matches!(error, Error::PartnerCenterSuspended { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None });
}

fn ups_and_downs(world: &World) -> (usize, usize) {
    let events = world.events();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    let ups = count(|event| matches!(event, Event::PartnerCenterSuspended { .. }));
    (ups, count(|event| matches!(event, Event::PartnerCenterResumed { .. })))
}

fn partner_centers_calls(world: &World) -> usize {
    world.entra.partner_center_calls().len()
}

#[tokio::test]
async fn the_second_refusal_suspends_partner_center_and_nothing_else() {
    //
    let (world, broker) = consented().await;
    let partner = broker.partner(world.contoso);
    let handle = partner.access(Resource::PartnerCenter);
    let first = handle.token().await.expect("a token");
    let graph = partner.token(Resource::Graph).await.expect("a token");
    let customers = partner.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    world.entra.forget_ledger();

    let missing = call(&world, &first).await.expect("refused");
    let second = partner.report_mfa_missing(&first, missing).await.expect("another token");
    assert_ne!(second.secret().expose(), first.secret().expose());
    assert_eq!(redemptions(&world), 1, "one forced new token");
    let same = handle.token().await.expect("the new one");
    assert_eq!(same.secret().expose(), second.secret().expose());
    assert_eq!(ups_and_downs(&world), (0, 0));

    let missing = call(&world, &second).await.expect("refused");
    assert_suspended(partner.report_mfa_missing(&second, missing).await);
    for _ in 0..3 {
        assert_suspended(own(&world, &broker).await);
        assert_suspended(handle.token().await);
        assert_suspended(partner.token(Resource::PartnerCenter).instead_of(&second).await);
    }
    assert_eq!((redemptions(&world), ups_and_downs(&world)), (1, (1, 0)));

    let after = partner.token(Resource::Graph).await.expect("goes on");
    assert_eq!(after.secret().expose(), graph.secret().expose(), "from memory");
    let after = partner.customer(world.fabrikam).token(Resource::Graph).await.expect("goes on");
    assert_eq!(after.secret().expose(), customers.secret().expose(), "from memory");
    partner.customer(world.fabrikam).token(Resource::PartnerCenter).await.expect("a customer's");
    let consent = partner.consent().await.expect("readable").expect("stored");
    assert_eq!(consent.partner_center_suspended_since(), Some(world.clock.now()));
}

#[tokio::test]
async fn however_many_report_the_same_token_it_counts_once() {
    let (world, broker) = consented().await;
    let first = own(&world, &broker).await.expect("a token");
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    world.entra.forget_ledger();
    let missing = call(&world, &first).await.expect("refused");
    let report = |token: &Token| {
        let (broker, token, contoso) = (broker.clone(), token.clone(), world.contoso);
        tokio::spawn(
            async move { broker.partner(contoso).report_mfa_missing(&token, missing).await },
        )
    };
    let mut tokens = std::collections::BTreeSet::new();
    for caller in (0..100).map(|_| report(&first)).collect::<Vec<_>>() {
        let token = caller.await.expect("no panic").expect("another token");
        tokens.insert(token.secret().expose().to_owned());
    }
    world.clock.advance(10 * MINUTE);
    report(&first).await.expect("no panic").expect("late news of the old one");
    assert_eq!((tokens.len(), redemptions(&world)), (1, 1));
    assert_eq!(ups_and_downs(&world), (0, 0));

    let second = own(&world, &broker).await.expect("the new one");
    for caller in (0..100).map(|_| report(&second)).collect::<Vec<_>>() {
        assert_suspended(caller.await.expect("no panic"));
    }
    assert_eq!((redemptions(&world), ups_and_downs(&world)), (1, (1, 0)));
}

#[tokio::test]
async fn every_process_follows_within_the_interval_and_so_does_one_that_starts() {
    let world = World::new().await;
    let open = async || {
        let builder = world.builder(world.store().await).share_access_tokens();
        builder.build().await.expect("a broker")
    };
    let (one, other) = (open().await, open().await);
    world.onboard(&one).await;
    let handle = other.partner(world.contoso).access(Resource::PartnerCenter);
    handle.token().await.expect("a token");
    let graph = other.partner(world.contoso).token(Resource::Graph).await.expect("a token");

    let shared = own(&world, &one).await.expect("the one that the other shares");
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let missing = call(&world, &shared).await.expect("refused");
    let second = one.partner(world.contoso).report_mfa_missing(&shared, missing).await;
    world.clock.advance(INTERVAL);
    let theirs = handle.token().await.expect("another");
    assert_ne!(theirs.secret().expose(), shared.secret().expose(), "not the one that was refused");

    let second = second.expect("another token");
    let missing = call(&world, &second).await.expect("refused");
    assert_suspended(one.partner(world.contoso).report_mfa_missing(&second, missing).await);
    world.clock.advance(INTERVAL);
    world.entra.forget_ledger();
    assert_suspended(own(&world, &other).await);
    assert_suspended(handle.token().await);
    let after = other.partner(world.contoso).token(Resource::Graph).await.expect("goes on");
    assert_eq!(after.secret().expose(), graph.secret().expose(), "from memory");
    drop((one, other));
    assert_suspended(own(&world, &open().await).await);
    assert_eq!((redemptions(&world), ups_and_downs(&world)), (0, (1, 0)));
}

#[tokio::test]
async fn one_caller_of_all_processes_has_partner_center_asked_and_its_yes_lifts_it() {
    let (world, one) = consented().await;
    let other = world.broker().await;
    suspended(&world, &one).await;
    let herd = async || {
        let callers = (0..50).flat_map(|_| {
            [
                ask(&world, &one, Resource::PartnerCenter),
                ask(&world, &other, Resource::PartnerCenter),
            ]
        });
        let mut served = 0;
        for caller in callers.collect::<Vec<_>>() {
            served += usize::from(caller.await.expect("no panic").is_ok());
        }
        served
    };
    let mut pause = MINUTE;
    for _ in 0..3 {
        world.entra.forget_ledger();
        world.clock.advance(pause - MINUTE / 60);
        assert_eq!((herd().await, partner_centers_calls(&world)), (0, 0), "before it is due");
        world.clock.advance(MINUTE / 60);
        assert_eq!((herd().await, partner_centers_calls(&world)), (0, 1), "after {pause:?}");
        assert_eq!(redemptions(&world), 1, "a new token is shown");
        pause *= 2;
    }
    assert_eq!(ups_and_downs(&world), (1, 0));

    world.entra.partner_center_mfa(MfaAnswer::Honest);
    world.entra.forget_ledger();
    world.clock.advance(pause);
    let taken = own(&world, &one).await.expect("it takes a new token");
    let same = own(&world, &one).await.expect("from memory");
    assert_eq!(taken.secret().expose(), same.secret().expose());
    assert_eq!((redemptions(&world), partner_centers_calls(&world)), (1, 1));
    world.clock.advance(INTERVAL);
    own(&world, &other).await.expect("the other process follows");
    assert_eq!(partner_centers_calls(&world), 1);
    assert_eq!(ups_and_downs(&world), (1, 1));
}

#[tokio::test]
async fn whatever_cannot_be_told_lifts_nothing() {
    let (world, broker) = consented().await;
    suspended(&world, &broker).await;
    for answer in [MfaAnswer::HeaderAbsent, MfaAnswer::NotCompliant, MfaAnswer::Status(500)] {
        world.entra.partner_center_mfa(answer);
        world.clock.advance(7 * HOUR);
        assert_suspended(own(&world, &broker).await);
    }
    world.entra.partner_center_mfa(MfaAnswer::Honest);
    world.clock.advance(7 * HOUR);
    let locked = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
    let error = own(&world, &broker).await.expect_err("there is no token to show");
    assert!(matches!(error, Error::Entra { .. }), "{error}");
    locked.clear();
    assert_eq!(ups_and_downs(&world), (1, 0));
}

#[tokio::test]
async fn a_try_goes_on_when_its_caller_goes_away() {
    // F-30
    let (world, broker) = consented().await;
    suspended(&world, &broker).await;
    world.entra.partner_center_mfa(MfaAnswer::Honest);
    world.clock.advance(7 * HOUR);
    let hold = world.entra.hold_tokens();
    let (asking, contoso) = (broker.clone(), world.contoso);
    let caller = tokio::spawn(async move {
        asking.partner(contoso).token(Resource::PartnerCenter).await.map(drop)
    });
    hold.waiting(1).await;
    caller.abort();
    caller.await.expect_err("gone");
    hold.release();
    while ups_and_downs(&world).1 == 0 {
        tokio::task::yield_now().await;
    }
    own(&world, &broker).await.expect("without another pause");
}

#[tokio::test]
async fn a_new_consent_lifts_it_at_once() {
    let (world, broker) = consented().await;
    suspended(&world, &broker).await;
    world.entra.partner_center_mfa(MfaAnswer::Honest);
    world.onboard(&broker).await;
    use_partner_center(&world, &broker).await.expect("it begins anew");
    assert_eq!(ups_and_downs(&world), (1, 1));
    // The count begins anew with it: one refusal suspends nothing.
    let token = own(&world, &broker).await.expect("a token");
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let missing = call(&world, &token).await.expect("refused");
    let partner = broker.partner(world.contoso);
    partner.report_mfa_missing(&token, missing).await.expect("another token");
    let consent = partner.consent().await.expect("readable").expect("stored");
    assert_eq!(consent.partner_center_suspended_since(), None);
}

#[tokio::test]
async fn what_a_check_hears_is_remembered_as_if_a_call_had_met_it() {
    let (world, broker) = consented().await;
    let partner = broker.partner(world.contoso);
    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    for _ in 0..3 {
        partner.verify().await.expect("a look");
    }
    own(&world, &broker).await.expect("it says so, and serves");

    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    partner.verify().await.expect("a look");
    own(&world, &broker).await.expect("refused once");
    partner.verify().await.expect("a look");
    assert_suspended(own(&world, &broker).await);

    world.entra.partner_center_mfa(MfaAnswer::Honest);
    let looked = partner.verify().await.expect("a look");
    assert_eq!(looked.verdict(Aspect::SecondFactor), Verdict::Passed);
    assert_suspended(own(&world, &broker).await);
    world.clock.advance(MINUTE);
    partner.verify().await.expect("a look");
    own(&world, &broker).await.expect("proven a minute after the last refusal");
    assert_eq!(ups_and_downs(&world), (1, 1));
}

#[tokio::test]
async fn an_enforcement_that_grows_never_flaps() {
    let (world, broker) = consented().await;
    let mut turns = Vec::new();
    for round in 0..=120_u8 {
        // A growing share is refused, while half of the answers to `ValidateMfa` say yes; at last all.
        world.entra.partner_center_enforces(MfaEnforcement::Progressive(round.min(100)));
        let answers = [MfaAnswer::NotCompliant, MfaAnswer::Compliant];
        world.entra.partner_center_mfa(answers[usize::from(round / 3 % 2)]);
        if round == 120 {
            world.entra.partner_center_mfa(MfaAnswer::Honest);
            world.clock.advance(7 * HOUR);
        }
        let _refused_or_not = use_partner_center(&world, &broker).await;
        let (ups, downs) = ups_and_downs(&world);
        if turns.last().is_none_or(|(_, seen)| *seen != ups + downs) {
            turns.push((world.clock.now(), ups + downs));
        }
        assert!(ups == downs || ups == downs + 1, "{ups} up, {downs} down");
        world.clock.advance(MINUTE / 4);
    }
    assert!(turns.len() > 2, "it turned: {turns:?}");
    for pair in turns[1..].windows(2) {
        assert_eq!(pair[1].1, pair[0].1 + 1, "one event a turn");
        assert!(pair[1].0.duration_since(pair[0].0).expect("later") >= MINUTE, "{turns:?}");
    }
}

#[tokio::test]
async fn within_a_minute_of_a_lift_two_refusals_ask_to_wait() {
    let (world, broker) = consented().await;
    suspended(&world, &broker).await;
    world.entra.partner_center_mfa(MfaAnswer::Honest);
    world.clock.advance(MINUTE);
    own(&world, &broker).await.expect("lifted");
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let error = use_partner_center(&world, &broker).await.expect_err("refused twice");
    assert!(matches!(error, Error::TokenRefused { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Retry { after: MINUTE });
    own(&world, &broker).await.expect("it is not suspended");
    world.clock.advance(MINUTE);
    assert_suspended(use_partner_center(&world, &broker).await.map(|()| unreachable!()));
    assert_eq!(ups_and_downs(&world), (2, 1));
}

#[tokio::test]
async fn a_rotation_under_way_does_not_undo_it_and_goes_on_while_it_lasts() {
    let world = World::new().await;
    let (one, other) = (
        crate::exchange::moody::unleased(&world).await,
        crate::exchange::moody::unleased(&world).await,
    );
    let before = world.onboard(&one).await;
    world.clock.advance(HOUR / 2);
    let token = own(&world, &one).await.expect("a token");
    world.clock.advance(HOUR / 3);
    let hold = world.entra.hold_tokens_of(Rule::any().resource(world::GRAPH));
    let rotating = ask(&world, &other, Resource::Graph);
    hold.waiting(1).await;
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let missing = call(&world, &token).await.expect("refused");
    let down = world.entra.fail_tokens(Rule::any().resource(OFFICE), Failure::status(503));
    let partner = one.partner(world.contoso);
    partner.report_mfa_missing(&token, missing).await.expect_err("noted; no other token for now");
    down.clear();
    let reported = partner.consent().await.expect("readable").expect("stored");
    hold.release();
    rotating.await.expect("no panic").expect("Graph's token");
    let rotated = partner.consent().await.expect("readable").expect("stored");
    assert!(rotated.deadline() > reported.deadline(), "nothing was written over the report");
    let second = own(&world, &one).await.expect("another");
    let missing = call(&world, &second).await.expect("refused");
    assert_suspended(partner.report_mfa_missing(&second, missing).await);

    world.clock.advance(8 * DAY);
    partner.customer(world.fabrikam).token(Resource::Graph).await.expect("goes on");
    let after = partner.consent().await.expect("readable").expect("stored");
    assert!(after.deadline() >= before.deadline() + 8 * DAY, "its token is kept young");
    assert!(after.partner_center_suspended_since().is_some());
}

#[tokio::test]
async fn a_store_that_refuses_the_report_says_so_and_a_token_in_flight_is_stopped_by_it() {
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let first = own(&world, &broker).await.expect("a token");
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let missing = call(&world, &first).await.expect("refused");
    store.refuse_consents(true);
    let error = partner.report_mfa_missing(&first, missing).await.expect_err("not stored");
    assert!(matches!(error, Error::Store(_)), "{error}");
    store.refuse_consents(false);
    let second = partner.report_mfa_missing(&first, missing).await.expect("another token");

    let hold = world.entra.hold_tokens();
    let asked = {
        let (broker, token, contoso) = (broker.clone(), second.clone(), world.contoso);
        tokio::spawn(async move {
            broker.partner(contoso).token(Resource::PartnerCenter).instead_of(&token).await
        })
    };
    hold.waiting(1).await;
    assert_suspended(partner.report_mfa_missing(&second, missing).await);
    hold.release();
    assert_suspended(asked.await.expect("no panic"));
}

#[tokio::test]
async fn only_the_partners_own_token_for_partner_center_can_be_reported_and_by_its_own_door() {
    let (world, broker) = consented().await;
    let partner = broker.partner(world.contoso);
    let before = raw::row(&world.store_folder(), "consent", &world.contoso.to_string());
    let own_token = own(&world, &broker).await.expect("a token");
    let customer = partner.customer(world.fabrikam);
    let others = [
        partner.token(Resource::Graph).await.expect("a token"),
        customer.token(Resource::Graph).await.expect("a token"),
        customer.token(Resource::PartnerCenter).await.expect("a token"),
    ];
    world.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let missing = call(&world, &own_token).await.expect("refused");
    for token in others {
        let error = partner.report_mfa_missing(&token, missing).await.expect_err("another's");
        assert!(matches!(error, Error::Setting(_)), "{error}");
    }
    let stranger = broker.account(AccountId::new("panel-2").expect("plain text"));
    let reported = stranger.partner(world.contoso).report_mfa_missing(&own_token, missing).await;
    assert_eq!(world::refused(reported), Refused::NotYours(world.contoso));
    let after = raw::row(&world.store_folder(), "consent", &world.contoso.to_string());
    assert_eq!(after, before, "nothing was written");
}

#[tokio::test]
async fn a_diagnosis_says_what_is_missing_and_blames_it_for_nothing_else() {
    let (world, broker) = consented().await;
    suspended(&world, &broker).await;
    let partner = broker.partner(world.contoso);
    let looked = partner.diagnose(Resource::PartnerCenter).await.expect("a diagnosis");
    assert_eq!(looked.missing().map(cpv_consent::Missing::as_str), Some("second_factor"));
    let customer = partner.customer(world.fabrikam);
    assert!(customer.diagnose(Resource::Graph).await.expect("a diagnosis").works());
    let locked = Failure::aadsts(50053);
    world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), locked);
    let other = world.broker().await;
    let customer = other.partner(world.contoso).customer(world.fabrikam);
    let looked = customer.diagnose(Resource::Graph).await.expect("a diagnosis");
    let failure = looked.failure().expect("locked out");
    assert!(matches!(failure, Error::Entra { .. }), "{failure}");
}
