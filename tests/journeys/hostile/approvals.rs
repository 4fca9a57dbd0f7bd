//! Reports of an approval that somebody else made, or that lie.

use bytes::Bytes;
use cpv_consent::emulator::Answer;
use cpv_consent::{Broker, Error, Event, Refused, ResponseMode, SentInvitation};
use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderValue, Request};

use crate::world::{
    self, MINUTE, World, accept, approve, browser_of, capture, refused, report, tampered, token_of,
};

/// The callback of an approval that was begun by an invitation.
async fn invited(world: &World, broker: &Broker) -> (SentInvitation, Request<Bytes>) {
    let sent = world.invite(broker).await;
    let pending = broker.begin_invited_approval(&token_of(&sent)).await.expect("begun");
    (sent, approve(&pending, &world.admin, Answer::Accept).await)
}

async fn is_noted(broker: &Broker, sent: &SentInvitation) -> bool {
    let kept = broker.invitations().find(sent.invitation().id()).await.expect("it is kept");
    kept.approval_reported_at().is_some()
}

/// One field of the query with another value, or left out.
fn with(request: &Request<Bytes>, name: &str, value: Option<&str>) -> Request<Bytes> {
    tampered(request, |query| {
        let others = query.split('&').filter(|field| !field.starts_with(&format!("{name}=")));
        let field = value.map(|value| format!("{name}={value}"));
        others.map(str::to_owned).chain(field).collect::<Vec<_>>().join("&")
    })
}

fn field(request: &Request<Bytes>, name: &str) -> String {
    let query = request.uri().query().expect("a query");
    let found = query.split('&').find_map(|field| field.strip_prefix(&format!("{name}=")));
    found.expect("a field").to_owned()
}

fn with_cookie(request: &Request<Bytes>, cookie: Option<&HeaderValue>) -> Request<Bytes> {
    let mut request = request.clone();
    request.headers_mut().remove(COOKIE);
    cookie.map(|cookie| request.headers_mut().insert(COOKIE, cookie.clone()));
    request
}

#[tokio::test]
async fn a_forged_report_changes_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let (sent, request) = invited(&world, &broker).await;
    let (_, others) = invited(&world, &broker).await;
    let unknown = format!("approval.{}", "A".repeat(43));
    let (state, form) = (field(&request, "state"), "application/x-www-form-urlencoded");
    let posted = Request::post("/consent/callback").header(CONTENT_TYPE, form);
    let body = request.uri().query().expect("a query").to_owned();
    let posted = posted.body(Bytes::from(body)).expect("a request");
    let before = world::raw::rows(&world.store_folder());
    for (forged, expected) in [
        (with(&request, "state", None), Refused::StateMissing),
        (with(&request, "state", Some(&unknown)), Refused::StateUnknown),
        (with(&request, "state", Some("approval.")), Refused::StateUnknown),
        (with(&request, "state", Some(&state[..state.len() - 1])), Refused::StateUnknown),
        (with(&request, "state", Some(&state["approval.".len()..])), Refused::OtherStep),
        (with_cookie(&request, None), Refused::OtherBrowser),
        (with_cookie(&request, Some(&others.headers()[COOKIE])), Refused::OtherBrowser),
        (with_cookie(&posted, Some(&request.headers()[COOKIE])), Refused::OtherResponseMode),
        (with(&request, "iss", Some("https://evil.example/v2.0")), Refused::OtherIssuer),
    ] {
        assert_eq!(refused(report(&broker, &forged).await), expected);
    }
    assert_eq!(world::raw::rows(&world.store_folder()), before);
    assert!(!is_noted(&broker, &sent).await);
    assert!(!world.events().iter().any(|event| matches!(event, Event::ApprovalReported { .. })));
    report(&broker, &request).await.expect("the right one was not harmed");
    assert!(is_noted(&broker, &sent).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_reports_at_once_are_one() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let (_sent, request) = invited(&world, &one).await;
    let tries = (0..8).map(|n| {
        let (broker, request) =
            (if n % 2 == 0 { one.clone() } else { other.clone() }, request.clone());
        tokio::spawn(async move { report(&broker, &request).await.map(drop) })
    });
    let mut reported = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.expect("no panic") {
            Ok(()) => reported += 1,
            Err(error) => assert_eq!(refused::<()>(Err(error)), Refused::StateReplayed),
        }
    }
    assert_eq!(reported, 1);
    let told = |event: &&Event| matches!(event, Event::ApprovalReported { .. });
    assert_eq!(world.events().iter().filter(told).count(), 1);
}

#[tokio::test]
async fn a_report_that_comes_too_late_is_expired_and_then_swept() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let (sent, request) = invited(&world, &broker).await;
    world.clock.advance(30 * MINUTE);
    assert_eq!(refused(report(&broker, &request).await), Refused::StateExpired);
    world.clock.advance(30 * MINUTE);
    broker.sweep().await.expect("swept");
    assert_eq!(world::rows(&world.store_folder(), "pending"), 0);
    assert_eq!(refused(report(&broker, &request).await), Refused::StateUnknown);
    assert!(!is_noted(&broker, &sent).await);
}

#[tokio::test]
async fn the_tenant_it_names_can_only_refuse() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let (litware, home) = (world.entra.add_tenant("Litware"), world.app.home());
    let (sent, request) = invited(&world, &broker).await;
    let named = with(&request, "tenant", Some(&litware.to_string()));
    let (expected, found) = (world.contoso, litware);
    let other = Refused::OtherTenant { expected, found };
    assert_eq!(refused(report(&broker, &named).await), other);
    assert!(!is_noted(&broker, &sent).await);
    let event = Event::ConsentRefused { partner: Some(expected), refused: other };
    assert!(world.events().contains(&event), "of whom was asked, not of whom it names");

    let first = async |tenant: Option<&str>| {
        let pending = broker.first_approval(world.account()).await.expect("begun");
        let request = approve(&pending, &world.admin, Answer::Accept).await;
        report(&broker, &with(&request, "tenant", tenant)).await
    };
    let own = first(Some(&home.to_string())).await;
    assert_eq!(refused(own), Refused::HomeTenant(home));
    for claimed in [Some(litware.to_string()), Some("contoso.example".to_owned()), None] {
        let reported = first(claimed.as_deref()).await.expect("nobody else is excluded by it");
        assert_eq!(reported.partner(), None, "nor bound");
    }
    let bound = broker.partner(litware).consent().await.expect("readable");
    assert!(bound.is_none());
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_report_that_lies_leads_nowhere() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let service = world.service_account();
    let sent = world.invite(&broker).await;
    let pending = broker.begin_invited_approval(&token_of(&sent)).await.expect("begun");
    let url = pending.approval_url();
    let state = url.query_pairs().find(|(name, _)| name == "state").expect("a state").1;
    let lie =
        format!("/consent/callback?admin_consent=True&tenant={}&state={state}", world.contoso);
    let cookie = pending.browser_key().set_cookie();
    let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
    let lie = Request::get(lie).header(COOKIE, pair).body(Bytes::new()).expect("a request");
    report(&broker, &lie).await.expect("it is a report, whoever wrote it");
    assert!(is_noted(&broker, &sent).await);
    world.assert_nothing_stored(&broker).await;
    let request = world::answer(&broker, &sent, &service).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::AdminApprovalNeeded);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn neither_steps_answer_is_taken_for_the_others() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let begin = async || {
        let pending = broker.partner(world.contoso).request_consent(world.account());
        pending.answered_by(ResponseMode::Query).await.expect("a flow")
    };
    let approval = world.approval(&broker).await;
    let sign_in = accept(&begin().await, &world.admin).await;
    let code = field(&sign_in, "code");
    let with_code = with(&with(&approval, "admin_consent", None), "code", Some(&code));
    let before = world::raw::rows(&world.store_folder());
    for unread in [
        capture(&broker, &approval).await.map(drop),
        capture(&broker, &with_code).await.map(drop),
        report(&broker, &sign_in).await.map(drop),
    ] {
        assert_eq!(refused(unread), Refused::OtherStep);
    }
    assert_eq!(world::raw::rows(&world.store_folder()), before, "not even looked up");
    capture(&broker, &sign_in).await.expect("the sign-in was not harmed");
    let redeemed = world.entra.ledger().len();

    let pending = begin().await;
    let cookie = browser_of(&pending).consent(pending.authorize_url(), &world.admin).await;
    let claims = with(&cookie.expect("a callback"), "code", None);
    let claims = with(&claims, "admin_consent", Some("True"));
    for outcome in [
        report(&broker, &claims).await.map(drop),
        capture(&broker, &claims).await.map(drop),
        report(&broker, &with_code).await.map(drop),
    ] {
        assert_eq!(refused(outcome), Refused::OtherStep);
    }
    assert_eq!(world.entra.ledger().len(), redeemed, "the code goes nowhere");
    assert!(!world.events().iter().any(|event| matches!(event, Event::ApprovalReported { .. })));
    let unread: Result<(), Error> = report(&broker, &approval).await.map(drop);
    assert_eq!(refused(unread), Refused::StateReplayed, "what had the code is over");
}
