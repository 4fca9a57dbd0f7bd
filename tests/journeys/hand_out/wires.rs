//! Connections are made once and used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cpv_consent::measure::{customer, partner, plant};
use cpv_consent::store::Memory;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, KeyRing, LocalKey, Origins,
    Resource, TenantId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Callers at a time.
const CALLERS: u64 = 16;

/// A token endpoint that keeps its connections, and how many were made.
async fn token_endpoint() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://localhost:{}", listener.local_addr().expect("bound").port());
    let counted = Arc::new(AtomicUsize::new(0));
    let count = counted.clone();
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answer(wire));
        }
    });
    (origin, counted)
}

/// One answer for each request, whose end is the end of what was written at once.
async fn answer(mut wire: TcpStream) {
    let body = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"token"}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let reply = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut request = vec![0; 1 << 16];
    let mut length = 0;
    while let Ok(read @ 1..) = wire.read(&mut request[length..]).await {
        length += read;
        if is_whole(&request[..length]) {
            length = 0;
            if wire.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
    lengths.map(|length| length.parse::<usize>().expect("a number")).eq([body.len()])
}

async fn broker(origin: &str) -> Broker {
    let origins = Origins { login: origin, partner_center: origin, graph: origin };
    let cloud = Cloud::danger_loopback("bare", origins).expect("loopback");
    let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
    let client_id = ClientId::parse("c11e0700-2222-4222-8222-222222222222").expect("a GUID");
    let secret = ClientCredential::secret("only-here").expect("plain text");
    let redirect = "https://panel.example/callback";
    let app = AppRegistration::new(cloud, home, client_id, secret, redirect).expect("valid");
    let keys = KeyRing::new(LocalKey::generate("wires").expect("random bytes"));
    Broker::builder(app, Memory::new(), keys).build().await.expect("a broker")
}

async fn round(broker: &Broker, number: u64) {
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (broker, tenant) = (broker.clone(), customer(0, number * CALLERS + caller));
            tokio::spawn(async move {
                let customer = broker.partner(partner(0)).customer(tenant);
                customer.token(Resource::PartnerCenter).await.map(drop)
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic").expect("a token");
    }
}

#[tokio::test]
async fn who_has_connected_as_often_as_callers_ask_at_once_connects_no_more() {
    let (origin, connections) = token_endpoint().await;
    let broker = broker(&origin).await;
    plant(&broker, 1, 0, 1).await.expect("a partner");
    for number in 0..10 {
        round(&broker, number).await;
    }
    let first = connections.load(Ordering::SeqCst);
    // One more than callers: the partner's own token was renewed beside them.
    assert!((1..=17).contains(&first), "{first}");
    for number in 10..100 {
        round(&broker, number).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), first);
}
