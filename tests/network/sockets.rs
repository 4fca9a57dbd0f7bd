//! Connections that are half open, reset, or answered by nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cpv_consent::emulator::{Failure, Mischief, Rule};
use cpv_consent::{Error, Http as _, HttpFault, Remedy, Reqwest};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::world::World;
use crate::{FAIL_SAFE, consent, expire_tokens, own, redemptions};

/// What a server does on a connection after its first answer, which was a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// It answers.
    Serves,
    /// It has closed the connection, while nobody used it.
    Closed,
    /// It has reset the connection, while nobody used it.
    Reset,
    /// It takes the next request and closes.
    TakesAndCloses,
}

/// A server of kept-alive connections; how the first of them ends is the test's to say.
struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    afterwards: Mutex<Afterwards>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    ended: AtomicUsize,
}

impl Server {
    async fn start(afterwards: Afterwards) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            afterwards: Mutex::new(afterwards),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = serving.clone();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ended_by_either = shared.serve(client).await;
                    shared.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    async fn ask(&self, http: &Reqwest) -> Result<u16, HttpFault> {
        let request = Request::post(format!("http://{}/token", self.address))
            .body(Bytes::from_static(b"grant_type=refresh_token"))
            .expect("a request");
        let reply = timeout(FAIL_SAFE, http.send(request, 1024)).await.expect("it hangs");
        reply.map(|reply| reply.status().as_u16()).map_err(|error| error.fault())
    }

    fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    async fn first_has_ended(&self) {
        while self.shared.ended.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl Shared {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        loop {
            read_request(&mut client).await?;
            self.requests.fetch_add(1, Ordering::SeqCst);
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await?;
            let afterwards =
                std::mem::replace(&mut *self.afterwards.lock().expect("whole"), Afterwards::Serves);
            match afterwards {
                Afterwards::Serves => {}
                Afterwards::Closed => return client.shutdown().await,
                Afterwards::Reset => return client.set_zero_linger(),
                Afterwards::TakesAndCloses => {
                    read_request(&mut client).await?;
                    self.requests.fetch_add(1, Ordering::SeqCst);
                    return client.shutdown().await;
                }
            }
        }
    }
}

async fn read_request(client: &mut TcpStream) -> io::Result<()> {
    const BODY: &[u8] = b"grant_type=refresh_token";
    let mut request = Vec::new();
    while !request.ends_with(BODY) {
        if client.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_is_kept_and_used_again() {
    // F-18
    let server = Server::start(Afterwards::Serves).await;
    let http = Reqwest::new().expect("a client");
    for _ in 0..20 {
        assert_eq!(server.ask(&http).await, Ok(200));
    }
    assert_eq!((server.connections(), server.requests()), (1, 20));
}

#[tokio::test]
async fn a_connection_that_ended_while_it_idled_costs_no_request() {
    // F-18
    for afterwards in [Afterwards::Closed, Afterwards::Reset] {
        let server = Server::start(afterwards).await;
        let http = Reqwest::new().expect("a client");
        assert_eq!(server.ask(&http).await, Ok(200));
        server.first_has_ended().await;
        assert_eq!(server.ask(&http).await, Ok(200), "{afterwards:?}: by a new connection");
        assert_eq!((server.connections(), server.requests()), (2, 2), "{afterwards:?}");
    }
}

#[tokio::test]
async fn a_request_that_the_server_took_is_not_sent_again_below_us() {
    // F-18: whether it was acted upon is not known, so that is for the flight to decide (F-02)
    let server = Server::start(Afterwards::TakesAndCloses).await;
    let http = Reqwest::new().expect("a client");
    assert_eq!(server.ask(&http).await, Ok(200));
    assert_eq!(server.ask(&http).await, Err(HttpFault::Broken));
    assert_eq!(server.requests(), 2, "sent once");
    assert_eq!(server.ask(&http).await, Ok(200), "the next healthy attempt succeeds");
}

#[tokio::test]
async fn every_way_to_lose_a_connection_is_typed_and_the_next_attempt_succeeds() {
    // F-18, F-02, R-117, I5
    for (how, faults, seen) in [
        (Failure::reset(), [HttpFault::Broken, HttpFault::Connect], false),
        (Failure::broken(Mischief::Reset), [HttpFault::Broken, HttpFault::Broken], true),
        (Failure::lost_answer(), [HttpFault::Broken, HttpFault::Broken], true),
        (Failure::truncation(100), [HttpFault::Broken, HttpFault::Broken], true),
        (Failure::truncation(0), [HttpFault::Broken, HttpFault::Broken], true),
    ] {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        expire_tokens(&world);
        let before = consent(&world, &broker).await;
        let scripted = world.entra.fail_tokens(Rule::any(), how.clone());
        let error = own(&world, &broker).await.expect_err("a lost connection");
        let Error::Http(http) = &error else { panic!("{how:?}: {error:?}") };
        assert!(faults.contains(&http.fault()), "{how:?}: {http}");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }));
        assert_eq!(scripted.hits(), 1, "{how:?}: sent once");
        assert_eq!(redemptions(&world), usize::from(seen), "{how:?}");
        assert_eq!(consent(&world, &broker).await, before, "{how:?}: the old token is kept");
        scripted.clear();
        own(&world, &broker).await.expect("the next healthy attempt succeeds");
    }
}

#[tokio::test]
async fn many_who_wait_on_a_dead_line_are_all_told_and_the_line_is_given_up() {
    // F-18, R-116
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    expire_tokens(&world);
    let hanging = world.entra.fail_tokens(Rule::any(), Failure::hang());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (broker, contoso) = (broker.clone(), world.contoso);
        asking.spawn(async move {
            broker.partner(contoso).token(cpv_consent::Resource::PartnerCenter).await
        });
    }
    while hanging.hits() == 0 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(std::time::Duration::from_secs(30));
    for outcome in timeout(FAIL_SAFE, asking.join_all()).await.expect("the deadline holds") {
        let error = outcome.expect_err("nobody answered");
        let Error::Http(http) = &error else { panic!("{error:?}") };
        assert_eq!(http.fault(), HttpFault::Timeout);
    }
    assert_eq!(hanging.hits(), 1);
    hanging.clear();
    own(&world, &broker).await.expect("by a new connection");
}
