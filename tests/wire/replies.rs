//! Replies of the token endpoint that are no replies, at each place where one is read.

use std::sync::Arc;

use cpv_consent::{Cause, HttpFault};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::stage::{Odd, Place, Stage, Told, away, text, told};

/// A body made from the good one.
type Change = fn(&str) -> Vec<u8>;

/// Tells every place about every odd reply.
async fn each(cases: Vec<(String, Odd)>, expected: Told) {
    for place in Place::ALL {
        let stage = Stage::reaching(place).await;
        for (name, odd) in &cases {
            let error = stage.meet(place, odd.clone()).await;
            assert_eq!(told(&error), expected, "{name} at {place:?}: {error}");
        }
        if place.onboards() {
            stage.onboard().await;
        }
    }
}

fn case(
    name: impl Into<String>,
    odd: impl Fn(Value) -> ResponseTemplate + Send + Sync + 'static,
) -> (String, Odd) {
    (name.into(), Arc::new(odd))
}

#[tokio::test]
async fn what_is_no_json_object_is_no_reply() {
    // R-046, R-047, R-048, R-049, F-19
    let texts: [(&str, Change); 17] = [
        ("nothing", |_| Vec::new()),
        ("a page", |_| "<!doctype html><title>canary</title>".into()),
        ("cut by one", |good| good[..good.len() - 1].into()),
        ("a byte-order mark", |good| format!("\u{feff}{good}").into()),
        ("text behind it", |good| format!("{good} canary").into()),
        ("two of them", |good| format!("{good}{good}").into()),
        ("in a list", |good| format!("[{good}]").into()),
        ("as text", |good| Value::from(good).to_string().into()),
        ("UTF-16", |good| good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("not UTF-8", |good| [good.replacen('{', "{\"x\":\"", 1).as_bytes(), b"\xff\"}"].concat()),
        ("another token first", |good| before(good, r#""access_token":"canary","#)),
        ("the same type twice", |good| before(good, r#""token_type":"Bearer","#)),
        ("twice by an escape", |good| before(good, r#""\u0072efresh_token":"canary","#)),
        ("an unknown member twice", |good| before(good, r#""x":1,"x":1,"#)),
        ("twice further down", |good| before(good, r#""x":[{"y":1,"y":1}],"#)),
        ("an error as well", |good| before(good, r#""error":"invalid_grant","#)),
        ("brackets", |good| {
            let deep = format!("\"x\":{}{},", "[".repeat(100_000), "]".repeat(100_000));
            before(good, &deep)
        }),
    ];
    let cases = texts
        .map(|(name, change)| case(name, move |good: Value| text(200, change(&good.to_string()))));
    each(cases.into(), Told::Reply).await;
}

fn before(good: &str, member: &str) -> Vec<u8> {
    good.replacen('{', &format!("{{{member}"), 1).into()
}

#[tokio::test]
async fn a_member_of_the_wrong_type_or_with_an_impossible_value_is_no_reply() {
    // R-049, R-106, R-107, R-109
    let values = [
        ("token_type", vec![json!("mac"), json!(""), json!(null), json!(["Bearer"]), json!(1)]),
        ("access_token", vec![json!(null), json!(""), json!(7), json!(["a"]), json!({})]),
        ("access_token", vec![json!("a\r\nx-canary: 1"), json!("a\0b"), json!("a b"), json!("ü")]),
        ("access_token", vec![json!("x".repeat(16_385))]),
        ("refresh_token", vec![json!(7), json!(["a"]), json!(true), json!({})]),
        ("refresh_token", vec![json!("a\r\nb"), json!("a\nb"), json!("a\0b"), json!("a b")]),
        ("id_token", vec![json!(7), json!({}), json!(["a"]), json!("x".repeat(65_537))]),
        ("scope", vec![json!(["a"]), json!(7), json!({})]),
        ("expires_in", vec![json!(-1), json!("-1"), json!("soon"), json!(1.5), json!("")]),
        ("expires_in", vec![json!(null), json!(true), json!([3599]), json!(1e300), json!({})]),
    ];
    let mut cases = Vec::new();
    for (member, values) in values {
        for value in values {
            let name = format!("{member} {value:.40}");
            let change = move |mut good: Value| {
                good[member] = value.clone();
                text(200, good.to_string())
            };
            cases.push(case(name, change));
        }
    }
    for member in ["token_type", "access_token"] {
        let change = move |mut good: Value| {
            good.as_object_mut().expect("an object").remove(member);
            text(200, good.to_string())
        };
        cases.push(case(format!("without {member}"), change));
    }
    each(cases, Told::Reply).await;
}

#[tokio::test]
async fn a_success_of_another_kind_is_no_reply() {
    // R-046
    let statuses = [201, 202, 203, 204, 205, 206, 226];
    let cases = statuses
        .map(|status| case(status.to_string(), move |good: Value| text(status, good.to_string())));
    each(cases.into(), Told::Reply).await;
}

#[tokio::test]
async fn a_gateways_failure_is_a_failure_that_passes() {
    // R-046, R-115, F-17
    for (status, cause) in [
        (500, Cause::Transient),
        (502, Cause::Transient),
        (503, Cause::Transient),
        (504, Cause::Transient),
        (429, Cause::Throttled),
    ] {
        let cases = vec![
            case(format!("{status} with a page"), move |_| text(status, "<html>canary</html>")),
            case(format!("{status} with tokens"), move |good| text(status, good.to_string())),
            case(format!("{status} with a last word"), move |_| {
                text(status, r#"{"error":"invalid_grant","error_codes":[700082]}"#)
            }),
        ];
        each(cases, Told::Entra(cause)).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    // R-042: no secret, code, verifier or token reaches a second address
    let there = |stage: &Stage, status| {
        let to = stage.elsewhere.uri();
        case(format!("{status}"), move |good: Value| {
            away(status, &format!("{to}/taken?x=1")).set_body_json(good)
        })
    };
    let same_server = |status| {
        case(format!("{status} on the same server"), move |good: Value| {
            away(status, "/organizations/oauth2/v2.0/token").set_body_json(good)
        })
    };
    for place in Place::ALL {
        let stage = Stage::reaching(place).await;
        for status in [300, 301, 302, 303, 304, 305, 307, 308] {
            for (name, odd) in [there(&stage, status), same_server(status)] {
                let error = stage.meet(place, odd).await;
                let expected = Told::Http(HttpFault::Redirected);
                assert_eq!(told(&error), expected, "{name} at {place:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_reply_of_two_mebibytes_is_cut() {
    // R-044, F-19
    let padded = |good: Value| text(200, format!("{good}{}", " ".repeat(2 << 20)));
    each(vec![case("padded", padded)], Told::Http(HttpFault::TooLarge)).await;
}

#[tokio::test]
async fn a_compressed_reply_was_not_asked_for_and_is_not_unpacked() {
    // R-044: what is never unpacked is no bomb
    let zipped =
        |good: Value| text(200, good.to_string()).insert_header("content-encoding", "gzip");
    let stage = Stage::new().await;
    stage.onboard().await;
    let asked = stage.token_requests().await;
    assert!(asked.iter().all(|request| !request.headers.contains_key("accept-encoding")));
    let gzip = |_| text(200, GZIP_OF_TWO_BRACES).insert_header("content-encoding", "gzip");
    let error = stage.meet(Place::Own, Arc::new(gzip)).await;
    assert_eq!(told(&error), Told::Reply);
    let guard = stage.odd(Place::Own, Arc::new(zipped));
    stage.prepare(Place::Own).await;
    stage.own().await.expect("a body is what it is, whatever its header says");
    drop(guard);
}

/// `{}` as `gzip` makes it.
const GZIP_OF_TWO_BRACES: [u8; 22] =
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];

#[tokio::test]
async fn token_requests_say_their_secrets_in_the_body_and_nowhere_else() {
    // R-034, R-037, R-110
    let stage = Stage::new().await;
    stage.onboard().await;
    stage.customer().await.expect("a token");
    for request in stage.token_requests().await {
        assert_eq!(request.method, "POST");
        assert_eq!(request.url.query(), None);
        assert!(!request.headers.contains_key("authorization"));
        assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    }
    for request in stage.partner_center.received_requests().await.expect("recorded") {
        assert_eq!(request.headers["authorization"], "Bearer at-canary-1");
        assert!(!request.url.as_str().contains("canary"));
    }
    let all = stage.login.received_requests().await.expect("recorded");
    let mut others = all.iter().filter(|request| !request.url.path().ends_with("/token"));
    assert!(others.all(|request| request.method == "GET" && request.url.query().is_none()));
}
