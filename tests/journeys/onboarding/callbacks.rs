//! A callback counts once, in time, in its own browser and as it was sent.

use bytes::Bytes;
use cpv_consent::emulator::Grant;
use cpv_consent::{Callback, CallbackError, Error, Refused};

use crate::world::{self, MINUTE, World, capture, refused, tampered};

#[tokio::test]
async fn a_state_that_is_missing_unknown_altered_or_empty_is_refused() {
    //
    // fapi2-client-test-ensure-authorization-response-with-invalid-state-fails
    // fapi2-client-test-ensure-authorization-response-with-invalid-missing-state-fails
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let with_state = |state: Option<&str>| {
        tampered(&request, |form| {
            let mut fields: Vec<String> = form
                .split('&')
                .filter(|field| !field.starts_with("state="))
                .map(str::to_owned)
                .collect();
            fields.extend(state.map(|state| format!("state={state}")));
            fields.join("&")
        })
    };
    let missing = refused(capture(&broker, &with_state(None)).await);
    assert_eq!(missing, Refused::StateMissing);
    let unknown = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(refused(capture(&broker, &with_state(Some(unknown))).await), Refused::StateUnknown);
    assert_eq!(refused(capture(&broker, &with_state(Some("x"))).await), Refused::StateUnknown);
    let empty = capture(&broker, &with_state(Some(""))).await;
    assert!(matches!(
        empty,
        Err(Error::Refused(Refused::StateMissing | Refused::StateUnknown) | Error::Callback(_))
    ));
    assert_eq!(world.entra.ledger().len(), 0, "no token request left the machine");
    capture(&broker, &request).await.expect("the flow itself was not harmed");
}

#[tokio::test]
async fn a_replayed_callback_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("the first one");
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    found.confirm().await.expect("the first one is untouched");
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_callbacks_at_once_redeem_one_code() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let request = world.callback(&one).await;
    let tries = (0..8).map(|n| {
        let (broker, request) =
            (if n % 2 == 0 { one.clone() } else { other.clone() }, request.clone());
        tokio::spawn(async move { capture(&broker, &request).await.map(|found| found.tenant()) })
    });
    let mut captured = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.expect("no panic") {
            Ok(tenant) => captured += usize::from(tenant == world.contoso),
            Err(error) => assert_eq!(refused::<()>(Err(error)), Refused::StateReplayed),
        }
    }
    assert_eq!(captured, 1);
    let codes = world.entra.count_tokens(|request| request.grant == Some(Grant::Code));
    assert_eq!(codes, 1);
}

#[tokio::test]
async fn a_callback_that_comes_too_late_is_refused_as_expired() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    world.clock.advance(30 * MINUTE);
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateExpired);
    let flows = || world::rows(&world.store_folder(), "pending");
    broker.sweep().await.expect("swept");
    assert_eq!(flows(), 1, "kept for a while, to tell it apart");
    world.clock.advance(30 * MINUTE);
    broker.sweep().await.expect("swept");
    assert_eq!(flows(), 0);
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateUnknown);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn the_right_state_in_another_browser_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let mut elsewhere = request.clone();
    elsewhere.headers_mut().remove(http::header::COOKIE);
    assert_eq!(refused(capture(&broker, &elsewhere).await), Refused::OtherBrowser);

    let other = world.callback(&broker).await;
    let cookie = other.headers()[http::header::COOKIE].clone();
    elsewhere.headers_mut().insert(http::header::COOKIE, cookie);
    assert_eq!(refused(capture(&broker, &elsewhere).await), Refused::OtherBrowser);

    assert_eq!(world.entra.ledger().len(), 0);
    capture(&broker, &request).await.expect("the flow itself was not harmed");
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let first = world.callback(&broker).await;
    let second = world.callback(&broker).await;
    let both = [&first, &second]
        .map(|request| request.headers()[http::header::COOKIE].to_str().expect("ASCII").to_owned());
    let cookies = http::HeaderValue::try_from(both.join("; ")).expect("ASCII");
    for mut request in [second, first] {
        request.headers_mut().insert(http::header::COOKIE, cookies.clone());
        capture(&broker, &request).await.expect("its own flow");
    }
}

#[tokio::test]
async fn an_answer_in_another_mode_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let form = world.callback(&broker).await;
    let query = std::str::from_utf8(form.body()).expect("a form").to_owned();
    let mut as_query = http::Request::get(format!("/consent/callback?{query}"))
        .body(Bytes::new())
        .expect("a request");
    let cookie = form.headers()[http::header::COOKIE].clone();
    as_query.headers_mut().insert(http::header::COOKIE, cookie);
    assert_eq!(refused(capture(&broker, &as_query).await), Refused::OtherResponseMode);
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_doubled_parameter_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let doubled = tampered(&request, |form| format!("{form}&state=x"));
    let error = capture(&broker, &doubled).await.expect_err("doubled");
    assert!(matches!(error, Error::Callback(_)), "{error:?}");
    let _: CallbackError = Callback::from_request(&doubled).expect_err("doubled");
}
