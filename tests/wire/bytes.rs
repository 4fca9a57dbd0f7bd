//! Replies that no HTTP library sends, and replies that never end.

use std::sync::Arc;
use std::time::Duration;

use cpv_consent::{Error, HttpFault};

use crate::front::{Act, Front};
use crate::stage::{Place, Stage, Told, cut, told};

const SECOND: Duration = Duration::from_secs(1);

async fn stage_for(place: Place) -> Stage {
    let stage = Stage::behind_a_front().await;
    if !place.onboards() {
        stage.onboard().await;
    }
    stage
}

fn front(stage: &Stage) -> &Front {
    stage.front.as_ref().expect("a front")
}

fn means(place: Place) -> impl Fn(&str) -> bool {
    move |request| place.means(request, request)
}

/// As [`Stage::meet`], for what the front does.
async fn meet(stage: &Stage, place: Place, act: Act) -> Error {
    stage.prepare(place).await;
    let before = stage.consent_rows();
    front(stage).act(means(place), act);
    let error = stage.go(place).await.expect_err("an odd reply");
    assert_eq!(front(stage).meant(), 1, "asked once");
    front(stage).behave();
    stage.check_harmless(place, &before, &error).await;
    error
}

/// Raw bytes in place of a good body.
type Change = fn(&[u8]) -> Vec<u8>;

/// A head and a body.
fn reply(head: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nconnection: close\r\n", head.as_bytes(), b"\r\n\r\n", body].concat()
}

fn with_length(body: &[u8], length: usize) -> Vec<u8> {
    reply(&format!("content-length: {length}"), body)
}

fn chunked(body: &[u8], end: &str) -> Vec<u8> {
    let size = format!("{:x}\r\n", body.len());
    reply("transfer-encoding: chunked", &[size.as_bytes(), body, end.as_bytes()].concat())
}

#[tokio::test]
async fn what_breaks_off_or_is_no_http_is_no_reply() {
    // R-046, F-18, F-19
    let broken = Told::Http(HttpFault::Broken);
    let cases: [(&str, Change, Told); 12] = [
        ("nothing at all", |_| Vec::new(), broken),
        ("another protocol", |_| b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), broken),
        ("half a head", |_| b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(), broken),
        ("a body without a head", |good| good.to_vec(), broken),
        ("an impossible status", |_| b"HTTP/1.1 99999 OK\r\n\r\n".to_vec(), broken),
        ("longer by its own word", |good| with_length(good, good.len() + 1), broken),
        ("shorter by its own word", |good| with_length(good, good.len() - 1), Told::Reply),
        ("of no length by its own word", |good| with_length(good, 0), Told::Reply),
        (
            "of two lengths",
            |good| {
                let head = format!("content-length: {}\r\ncontent-length: 2", good.len());
                reply(&head, good)
            },
            broken,
        ),
        ("a chunk cut short", |good| chunked(&good[..good.len() - 1], ""), broken),
        ("no last chunk", |good| chunked(good, "\r\n"), broken),
        (
            "a head of two mebibytes",
            |good| reply(&format!("x-pad: {}", "x".repeat(2 << 20)), good),
            broken,
        ),
    ];
    for place in Place::ALL {
        let stage = stage_for(place).await;
        for (name, mangle, expected) in cases {
            let error = meet(&stage, place, Act::Mangle(Arc::new(mangle))).await;
            assert_eq!(told(&error), expected, "{name} at {place:?}: {error}");
        }
        let whole = Act::Mangle(Arc::new(|good| chunked(good, "\r\n0\r\n\r\n")));
        front(&stage).act(means(place), whole);
        stage.prepare(place).await;
        stage.go(place).await.expect("the same bytes, whole");
        assert_eq!(front(&stage).meant(), 1);
    }
}

#[tokio::test]
async fn what_never_ends_is_cut() {
    // R-044, F-19
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).into_bytes();
    let body = Act::Endless(reply("transfer-encoding: chunked", b""), chunk);
    let head = Act::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-pad: canary\r\n".repeat(4096));
    for place in Place::ALL {
        let stage = stage_for(place).await;
        let error = meet(&stage, place, body.clone()).await;
        assert_eq!(told(&error), Told::Http(HttpFault::TooLarge), "{place:?}");
        let error = meet(&stage, place, head.clone()).await;
        assert_eq!(told(&error), Told::Http(HttpFault::Broken), "{place:?}");
        let sent = front(&stage).sent();
        assert!(sent < 32 << 20, "{sent} bytes were taken, most of them by the sockets");
    }
}

#[tokio::test]
async fn a_byte_a_second_is_cut_by_the_deadline_for_the_whole() {
    // R-045, F-18
    for place in Place::ALL {
        let stage = Arc::new(stage_for(place).await);
        stage.prepare(place).await;
        let before = stage.consent_rows();
        front(&stage).act(means(place), Act::Drip);
        let asking = {
            let stage = stage.clone();
            tokio::spawn(async move { stage.go(place).await })
        };
        for second in 0..30 {
            assert!(!asking.is_finished(), "cut at second {second}");
            front(&stage).drip().await;
            stage.clock.advance(SECOND);
        }
        let error = cut(asking).await.expect_err("cut");
        assert_eq!(told(&error), Told::Http(HttpFault::Timeout), "{place:?}");
        assert_eq!(front(&stage).meant(), 1, "asked once");
        front(&stage).behave();
        stage.check_harmless(place, &before, &error).await;
    }
}

#[tokio::test]
async fn silence_is_cut_by_the_deadline() {
    // R-045, F-18
    for place in Place::ALL {
        let stage = Arc::new(stage_for(place).await);
        stage.prepare(place).await;
        let before = stage.consent_rows();
        front(&stage).act(means(place), Act::Drip);
        let asking = {
            let stage = stage.clone();
            tokio::spawn(async move { stage.go(place).await })
        };
        while front(&stage).meant() == 0 {
            tokio::task::yield_now().await;
        }
        stage.clock.advance(29 * SECOND);
        tokio::task::yield_now().await;
        assert!(!asking.is_finished(), "{place:?}");
        stage.clock.advance(SECOND);
        let error = cut(asking).await.expect_err("cut");
        assert_eq!(told(&error), Told::Http(HttpFault::Timeout), "{place:?}");
        front(&stage).behave();
        stage.check_harmless(place, &before, &error).await;
    }
}
