//! Proxies that the environment names: used for what is far, never for this machine, and told
//! nothing but where to.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::child::Child;
use crate::tls_server::{Authority, TlsServer};

/// A proxy that remembers what it was told, and leads every tunnel to one server, or nowhere.
struct Proxy {
    url: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn leading_to(server: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let told = Arc::<Mutex<Vec<String>>>::default();
        let telling = told.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let told = telling.clone();
                // A client that hangs up is no fault of the proxy's.
                tokio::spawn(async move { serve(client, &told, server).await.ok() });
            }
        });
        Self { url, told }
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().expect("not poisoned"))
    }
}

async fn serve(
    mut client: TcpStream,
    told: &Mutex<Vec<String>>,
    server: Option<SocketAddr>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    told.lock().expect("not poisoned").push(String::from_utf8_lossy(&head).into_owned());
    let Some(server) = server else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut server = TcpStream::connect(server).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Variables that name a proxy for https.
const NAMES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

#[tokio::test]
async fn a_far_host_is_asked_through_the_proxy_which_learns_its_name_alone() {
    //
    let authority = Authority::new();
    let file = authority.file();
    let far = TlsServer::answering(authority.issue(&["login.example"], [-1, 30])).await;
    for name in NAMES {
        let proxy = Proxy::leading_to(Some(far.address)).await;
        let mut client = Child::with(&[(name, &proxy.url), ("SSL_CERT_FILE", &file)]);
        assert_eq!(client.post("https://login.example/token?x=1").await, "200", "{name}");
        let told = proxy.told();
        let [head] = told.as_slice() else { panic!("{name}: {told:?}") };
        assert!(head.starts_with("CONNECT login.example:443 HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains("canary") && !head.contains("token"), "{head}");
    }
    assert_eq!(far.requests(), NAMES.len());
}

#[tokio::test]
async fn a_proxy_that_leads_to_another_server_gains_nothing() {
    //
    let (authority, other) = (Authority::new(), Authority::new());
    let file = authority.file();
    for identity in [
        authority.issue(&["elsewhere.example"], [-1, 30]),
        other.issue(&["login.example"], [-1, 30]),
    ] {
        let stranger = TlsServer::answering(identity).await;
        let proxy = Proxy::leading_to(Some(stranger.address)).await;
        let mut client = Child::with(&[("HTTPS_PROXY", &proxy.url), ("SSL_CERT_FILE", &file)]);
        let told = client.post("https://login.example/token").await;
        assert_eq!(told, cpv_consent::HttpFault::Tls.to_string());
        assert_eq!(stranger.requests(), 0);
        assert_eq!(proxy.told().len(), 1);
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_no_connection() {
    //
    let proxy = Proxy::leading_to(None).await;
    let mut client = Child::with(&[("HTTPS_PROXY", &proxy.url)]);
    let told = client.post("https://login.example/token").await;
    assert_eq!(told, cpv_consent::HttpFault::Connect.to_string());
    assert_eq!(proxy.told().len(), 1);
}

#[tokio::test]
async fn a_host_that_is_excepted_is_asked_without_the_proxy() {
    //
    for name in ["NO_PROXY", "no_proxy"] {
        let proxy = Proxy::leading_to(None).await;
        let mut client = Child::with(&[("HTTPS_PROXY", &proxy.url), (name, "login.invalid")]);
        let told = client.post("https://login.invalid/token").await;
        assert_ne!(told, "200");
        assert!(proxy.told().is_empty(), "{name}");
        client.post("https://graph.invalid/token").await;
        assert_eq!(proxy.told().len(), 1, "the other is asked by it");
    }
}

#[tokio::test]
async fn this_machine_is_never_asked_through_a_proxy() {
    //
    let authority = Authority::new();
    let file = authority.file();
    let here = TlsServer::answering(authority.issue(&["localhost", "127.0.0.1"], [-1, 30])).await;
    let plain = wiremock::MockServer::start().await;
    let any = wiremock::Mock::given(wiremock::matchers::any());
    any.respond_with(wiremock::ResponseTemplate::new(200)).mount(&plain).await;
    for name in NAMES.into_iter().chain(["HTTP_PROXY", "http_proxy"]) {
        let proxy = Proxy::leading_to(None).await;
        let mut client = Child::with(&[(name, &proxy.url), ("SSL_CERT_FILE", &file)]);
        for url in [
            format!("https://localhost:{}/token", here.port()),
            format!("https://127.0.0.1:{}/token", here.port()),
            format!("{}/token", plain.uri()),
            format!("http://localhost:{}/token", plain.address().port()),
        ] {
            assert_eq!(client.post(&url).await, "200", "{name}: {url}");
        }
        assert!(proxy.told().is_empty(), "{name}");
    }
}
