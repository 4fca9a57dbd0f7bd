//! What a client sees of each mischief, and that nobody else sees anything.

use std::io::ErrorKind;

use super::*;

#[tokio::test]
async fn a_reset_is_a_reset_and_hits_one_connection() {
    let stage = Stage::new().await;
    let (mut bystander, mut victim) = (stage.plain().await, stage.plain().await);
    for line in [&mut bystander, &mut victim] {
        stage.ask(line, "/origin").await;
        until(line, &stage.http).await;
    }
    stage.ask(&mut victim, "/do/reset").await;
    let (read, end) = rest(&mut victim).await;
    assert_eq!((read.as_str(), end.expect_err("no end").kind()), ("", ErrorKind::ConnectionReset));
    stage.ask(&mut bystander, "/origin").await;
    until(&mut bystander, &stage.http).await;
    stage.end().await;
}

#[tokio::test]
async fn a_reset_under_tls_is_one_too() {
    let stage = Stage::new().await;
    let mut line = stage.secure("localhost").await.expect("trusted");
    stage.ask_secure(&mut line, "/do/reset").await;
    let (read, end) = rest(&mut line).await;
    assert_eq!((read.as_str(), end.expect_err("no end").kind()), ("", ErrorKind::ConnectionReset));
    stage.end().await;
}

#[tokio::test]
async fn a_lost_answer_is_an_end_without_a_byte() {
    let stage = Stage::new().await;
    let mut line = stage.plain().await;
    stage.ask(&mut line, "/do/lose").await;
    let (read, end) = rest(&mut line).await;
    assert_eq!((read.as_str(), end.is_ok()), ("", true));
    stage.end().await;
}

#[tokio::test]
async fn a_truncated_answer_promises_more_than_comes() {
    let stage = Stage::new().await;
    for (path, body) in [("/do/truncate", "ten "), ("/do/headers", "")] {
        let mut line = stage.plain().await;
        stage.ask(&mut line, path).await;
        assert!(until(&mut line, "\r\n\r\n").await.contains("content-length: 10\r\n"), "{path}");
        let (read, end) = rest(&mut line).await;
        assert_eq!((read.as_str(), end.is_ok()), (body, true), "{path}");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_truncation_at_the_end_cuts_nothing() {
    let stage = Stage::new().await;
    let mut line = stage.plain().await;
    for _ in 0..2 {
        stage.ask(&mut line, "/do/whole").await;
        until(&mut line, TEXT).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_truncation_under_tls_has_no_farewell() {
    let stage = Stage::new().await;
    let mut line = stage.secure("localhost").await.expect("trusted");
    stage.ask_secure(&mut line, "/do/truncate").await;
    until(&mut line, "\r\n\r\nten ").await;
    let (read, end) = rest(&mut line).await;
    assert_eq!((read.as_str(), end.expect_err("no end").kind()), ("", ErrorKind::UnexpectedEof));
    stage.end().await;
}

#[tokio::test]
async fn a_dripping_body_comes_by_the_clock_and_the_connection_lives_on() {
    let stage = Stage::new().await;
    let mut line = stage.plain().await;
    stage.ask(&mut line, "/do/drip").await;
    assert!(until(&mut line, "\r\n\r\nten ").await.contains("content-length: 10\r\n"));
    for piece in ["byte", "s!"] {
        while stage.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        let nothing = line.try_read(&mut [0; 1]).expect_err("nothing before its time");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        stage.clock.advance(SECOND);
        until(&mut line, piece).await;
    }
    stage.ask(&mut line, "/origin").await;
    until(&mut line, &stage.http).await;
    stage.end().await;
}

#[tokio::test]
async fn a_clock_that_stands_still_does_not_keep_a_drip_from_ending() {
    let stage = Stage::new().await;
    let mut line = stage.plain().await;
    stage.ask(&mut line, "/do/drip").await;
    until(&mut line, "\r\n\r\nten ").await;
    stage.end().await;
    assert_eq!(rest(&mut line).await.0, "bytes!");
}

#[tokio::test]
async fn a_hang_ends_with_the_emulator() {
    let stage = Stage::new().await;
    let (mut line, mut bystander) = (stage.plain().await, stage.plain().await);
    stage.ask(&mut line, "/do/hang").await;
    stage.ask(&mut bystander, "/origin").await;
    until(&mut bystander, &stage.http).await;
    let nothing = line.try_read(&mut [0; 1]).expect_err("nothing comes");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    stage.end().await;
    let (read, end) = rest(&mut line).await;
    assert_eq!((read.as_str(), end.is_ok()), ("", true));
}

#[tokio::test]
async fn a_hang_ends_with_its_client() {
    let mut stage = Stage::new().await;
    for path in ["/do/hang", "/do/forever"] {
        let mut line = stage.plain().await;
        stage.ask(&mut line, path).await;
        assert_eq!(stage.seen.recv().await, Some(Seen::Begun));
        drop(line);
        assert_eq!(stage.seen.recv().await, Some(Seen::Dropped));
    }
    stage.end().await;
}
