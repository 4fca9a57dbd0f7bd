//! By which address a client came, and how it got in.

use super::*;
use crate::emulator::site::listener::Bounds;

#[tokio::test]
async fn a_client_is_told_the_addresses_that_it_uses() {
    let stage = Stage::new().await;
    for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
        let port = stage.host().rsplit(':').next().expect("a port");
        let mut line = stage.plain().await;
        say(&mut line, &format!("GET /origin HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")).await;
        until(&mut line, &format!("http://{}:{port}", host.to_ascii_lowercase())).await;
    }
    for host in ["127.0.0.1", "localhost"] {
        let origin = stage.https.origins().login.replace("localhost", host);
        let mut line = stage.secure(host).await.expect("trusted");
        let host = authority_of(&origin);
        say(&mut line, &format!("GET /origin HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        until(&mut line, &origin).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused() {
    //
    let stage = Stage::new().await;
    let (ours, secure) = (stage.host(), authority_of(&stage.https.origins().login));
    let forged = [
        ("GET /origin", "Host: evil.example".to_owned(), 421),
        ("GET /origin", "Host: 127.0.0.1".to_owned(), 421),
        ("GET /origin", format!("Host: {ours}.evil.example"), 421),
        ("GET /origin", format!("Host: {secure}"), 421), // another listener's
        ("GET /nowhere", "Host: evil.example".to_owned(), 421),
        ("GET http://evil.example/origin", format!("Host: {ours}"), 421),
        ("GET /origin", format!("Host: evil.example\r\nX-Forwarded-Host: {ours}"), 421),
        ("GET /origin", format!("Host: {ours}\r\nHost: {ours}"), 400),
        ("GET /origin", "Accept: */*".to_owned(), 400),
        ("GET /origin", format!("Host: {ours}\r\nX-Forwarded-Host: evil.example"), 200),
        ("GET /nowhere", format!("Host: {ours}"), 404),
    ];
    for (request, headers, status) in forged {
        let mut line = stage.plain().await;
        say(&mut line, &format!("{request} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n"))
            .await;
        let (reply, _) = rest(&mut line).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {headers}: {reply}");
        assert!(!reply.contains("evil"), "{request} {headers}: {reply}");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_handshake_that_dawdles_keeps_nobody_waiting() {
    let stage = Stage::new().await;
    let secure = authority_of(&stage.https.origins().login).to_owned();
    let mut silent = TcpStream::connect(&secure).await.expect("it listens");
    let mut wrong = TcpStream::connect(&secure).await.expect("it listens");
    say(&mut wrong, "GET / HTTP/1.1\r\n\r\n").await;
    let mut line = stage.secure("localhost").await.expect("trusted");
    stage.ask_secure(&mut line, "/origin").await;
    until(&mut line, &stage.https.origins().login).await;
    stage.end().await;
    assert!(rest(&mut silent).await.0.is_empty(), "it ends with the listener");
}

#[tokio::test]
async fn a_crowd_that_dawdles_is_bounded_and_sent_away() {
    let tcp = bind(0).await.expect("a free port");
    let at = tcp.local_addr().expect("it listens");
    let authority = Authority::new();
    let (_stop, never) = watch::channel(false);
    let tls = tls::acceptor(&authority, &[LOCALHOST]);
    let mut door = Door::new(tcp, Some(tls), never.clone(), never);
    let each = std::time::Duration::from_millis(500);
    door.bounds = Bounds { at_once: 2, each };
    let served = tokio::spawn(async move { axum::serve::Listener::accept(&mut door).await });
    let mut crowd = Vec::new();
    for _ in 0..2 {
        crowd.push(TcpStream::connect(at).await.expect("it listens"));
    }
    let tcp = TcpStream::connect(at).await.expect("it listens");
    let name = ServerName::try_from(LOCALHOST).expect("a name");
    let _line = trusting(authority.pem()).connect(name, tcp).await.expect("its turn comes");
    let sent_away = crowd.remove(0).into_std().expect("a socket");
    let end = std::io::Read::read(&mut &sent_away, &mut [0]);
    assert_eq!(end.expect("it had to go first"), 0);
    served.await.expect("the third client");
}
