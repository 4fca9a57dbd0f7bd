//! Names that do not resolve, resolve slowly, wrongly or anew, and addresses where nobody is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpv_consent::emulator::Endpoint;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, Cloud, Error, HttpFault, Origins, Remedy, Reqwest,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::world::{SECRET, World, registration_proving};
use crate::{FAIL_SAFE, consent, expire_tokens, own, redemptions};

/// What a name stands for, as the test says.
#[derive(Debug, Clone)]
enum Answer {
    /// There is no such name.
    Nothing,
    /// No answer comes.
    Never,
    /// These addresses, the first of them first.
    Addresses(Vec<IpAddr>),
}

/// A resolver that keeps nothing, and counts.
#[derive(Debug, Clone)]
struct Names {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn saying(answer: Answer) -> Self {
        Self { answer: Arc::new(Mutex::new(answer)), asked: Arc::default() }
    }

    fn say(&self, answer: Answer) {
        *self.answer.lock().expect("not poisoned") = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().expect("not poisoned").clone();
        Box::pin(async move {
            match answer {
                Answer::Nothing => Err("no such name".into()),
                Answer::Never => std::future::pending().await,
                Answer::Addresses(all) => {
                    let all = all.into_iter().map(|address| SocketAddr::new(address, 0));
                    Ok(Box::new(all) as Addrs)
                }
            }
        })
    }
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Of this machine too, but nothing of the emulator's listens there.
const WRONG: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

/// A broker that reaches the emulator by name. Each request looks the name up, for no connection is
/// kept.
struct Stage {
    world: World,
    names: Names,
    broker: Broker,
}

impl Stage {
    async fn new() -> Self {
        let mut world = World::new().await;
        world.app = by_name(&world);
        world.entra.register(&world.app);
        let names = Names::saying(Answer::Addresses(vec![HERE]));
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(names.clone()))
            .build()
            .expect("a client");
        let builder = world.builder(world.store().await).http(Reqwest::with_client(client));
        let broker = builder.build().await.expect("a broker");
        Self { world, names, broker }
    }

    /// The same, with a consent whose tokens have ended.
    async fn onboarded() -> Self {
        let stage = Self::new().await;
        stage.world.onboard(&stage.broker).await;
        expire_tokens(&stage.world);
        stage
    }

    /// What callers are told of a name that leads nowhere, once the clock has moved so far.
    async fn fault_after(&self, wait: Duration) -> HttpFault {
        let before = consent(&self.world, &self.broker).await;
        let asking = tokio::spawn({
            let (broker, contoso) = (self.broker.clone(), self.world.contoso);
            async move { broker.partner(contoso).token(cpv_consent::Resource::PartnerCenter).await }
        });
        let asked = self.names.asked();
        while self.names.asked() == asked {
            tokio::task::yield_now().await;
        }
        self.world.clock.advance(wait);
        let outcome = timeout(FAIL_SAFE, asking).await.expect("the deadline holds");
        let error = outcome.expect("no panic").expect_err("nobody is there");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{error:?}");
        assert_eq!(consent(&self.world, &self.broker).await, before);
        match error {
            Error::Http(error) => {
                assert_eq!(error.host(), "localhost");
                error.fault()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Nothing of what went wrong is remembered.
    async fn assert_well_again(&self) {
        self.names.say(Answer::Addresses(vec![HERE]));
        let token = timeout(FAIL_SAFE, own(&self.world, &self.broker)).await.expect("it hangs");
        token.expect("the next attempt looks again");
        assert_eq!(redemptions(&self.world), 1);
    }
}

/// The emulator under the name that every machine has.
fn by_name(world: &World) -> AppRegistration {
    let [login, partner_center, graph] = [
        world.entra.login_origin(),
        world.entra.partner_center_origin(),
        world.entra.graph_origin(),
    ]
    .map(|origin| origin.replace("127.0.0.1", "localhost"));
    let origins = Origins { login: &login, partner_center: &partner_center, graph: &graph };
    let cloud = Cloud::danger_loopback("emulator", origins).expect("loopback");
    registration_proving(cloud, ClientCredential::secret(SECRET).expect("plain text"))
}

#[tokio::test]
async fn a_name_that_is_nobodys_for_a_while_is_asked_for_again() {
    // F-20
    let stage = Stage::onboarded().await;
    stage.names.say(Answer::Nothing);
    for _ in 0..3 {
        assert_eq!(stage.fault_after(Duration::ZERO).await, HttpFault::Unresolved);
    }
    stage.assert_well_again().await;
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_cut_by_the_deadline() {
    // F-20
    let stage = Stage::onboarded().await;
    stage.names.say(Answer::Never);
    assert_eq!(stage.fault_after(Duration::from_secs(30)).await, HttpFault::Timeout);
    stage.assert_well_again().await;
}

#[tokio::test]
async fn a_wrong_address_is_left_as_soon_as_the_name_says_another() {
    // F-20
    let stage = Stage::onboarded().await;
    stage.names.say(Answer::Addresses(vec![WRONG]));
    assert_eq!(stage.fault_after(Duration::ZERO).await, HttpFault::Connect);
    stage.names.say(Answer::Addresses(Vec::new()));
    let fault = stage.fault_after(Duration::ZERO).await;
    assert!(matches!(fault, HttpFault::Connect | HttpFault::Unresolved), "{fault}");
    stage.assert_well_again().await;
}

#[tokio::test]
async fn an_address_that_is_dead_does_not_keep_us_from_the_one_that_lives() {
    // F-20
    let stage = Stage::onboarded().await;
    stage.names.say(Answer::Addresses(vec![WRONG, HERE]));
    own(&stage.world, &stage.broker).await.expect("by the second address");
    assert_eq!(redemptions(&stage.world), 1);
}

/// An address that takes connections into a queue that is full: nothing ever comes back.
struct BlackHole {
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    async fn at(address: IpAddr, port: u16) -> Self {
        let socket = match address {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        socket.bind(SocketAddr::new(address, port)).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let mut queued = Vec::new();
        // Too short a time would leave room in the queue; then too nothing is ever answered.
        let full = Duration::from_millis(500);
        let address = listener.local_addr().expect("bound");
        while let Ok(Ok(client)) = timeout(full, TcpStream::connect(address)).await {
            queued.push(client);
        }
        Self { _listener: listener, _queued: queued }
    }
}

#[tokio::test]
async fn a_black_hole_is_cut_by_the_deadline() {
    // F-20, F-18
    let stage = Stage::onboarded().await;
    let port = port_of(stage.world.entra.login_origin());
    let _hole = BlackHole::at(WRONG, port).await;
    stage.names.say(Answer::Addresses(vec![WRONG]));
    assert_eq!(stage.fault_after(Duration::from_secs(30)).await, HttpFault::Timeout);
    stage.assert_well_again().await;
}

#[tokio::test]
async fn a_black_hole_of_the_newer_protocol_is_passed_by() {
    // F-20: IPv6 leads nowhere, IPv4 works
    let stage = Stage::onboarded().await;
    let port = port_of(stage.world.entra.login_origin());
    let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
    if TcpListener::bind((six, 0)).await.is_err() {
        eprintln!("a_black_hole_of_the_newer_protocol_is_passed_by: no IPv6 on this machine");
        return;
    }
    let _hole = BlackHole::at(six, port).await;
    stage.names.say(Answer::Addresses(vec![six, HERE]));
    let token = timeout(FAIL_SAFE, own(&stage.world, &stage.broker)).await.expect("it hangs");
    token.expect("by the older protocol");
    assert_eq!(redemptions(&stage.world), 1);
}

#[tokio::test]
async fn a_service_that_moves_is_found_at_its_new_address() {
    // F-20
    let stage = Stage::onboarded().await;
    own(&stage.world, &stage.broker).await.expect("a token");
    let gone = stage.world.entra.outage(Endpoint::Token);
    expire_tokens(&stage.world);
    assert!(own(&stage.world, &stage.broker).await.is_err());
    gone.clear();
    let asked = stage.names.asked();
    own(&stage.world, &stage.broker).await.expect("a token");
    assert!(stage.names.asked() > asked, "the name is looked up anew");
}

fn port_of(origin: &str) -> u16 {
    origin.rsplit_once(':').expect("a port").1.parse().expect("a number")
}
