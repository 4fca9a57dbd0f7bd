//! Servers that are not who they say, or speak what is too old: nothing is said to them.

use std::fs;
use std::io;
use std::path::Path;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::Memory;
use cpv_consent::{
    Broker, Callback, Cloud, Error, HttpFault, KeyRing, LocalKey, Origins, Reqwest, TenantId,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::FAIL_SAFE;
use crate::child::Child;
use crate::tls_server::{Authority, Behind, Identity, TlsServer};
use crate::world::{account, registration};

#[tokio::test]
async fn a_server_is_believed_by_authority_name_and_dates_and_told_nothing_otherwise() {
    //
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut client = Child::with(&[("SSL_CERT_FILE", &ours.file())]);
    let named = ["localhost", "127.0.0.1"];
    let good = TlsServer::answering(ours.issue(&named, [-1, 30])).await;
    for name in named {
        assert_eq!(client.post(&format!("https://{name}:{}/token", good.port())).await, "200");
    }
    assert_eq!(good.requests(), 2);
    let refused = HttpFault::Tls.to_string();
    for (what, identity) in [
        ("signed by itself", Identity::of_its_own(&named)),
        ("of another authority", theirs.issue(&named, [-1, 30])),
        ("of another host", ours.issue(&["login.example", "localhost.example"], [-1, 30])),
        ("of a longer name", ours.issue(&["a.localhost", "127.0.0.10"], [-1, 30])),
        ("of no host", ours.issue(&[], [-1, 30])),
        ("expired", ours.issue(&named, [-30, -1])),
        ("not yet valid", ours.issue(&named, [1, 30])),
    ] {
        let server = TlsServer::answering(identity).await;
        for name in named {
            let told = client.post(&format!("https://{name}:{}/token", server.port())).await;
            assert_eq!(told, refused, "{what}, as {name}");
        }
        assert_eq!(server.requests(), 0, "{what}");
    }
}

/// A ServerHello of an older version, as a server that knows nothing newer answers.
fn server_hello(version: [u8; 2]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0xc0, 0x13, 0]); // ECDHE-RSA with AES-128-CBC, uncompressed
    let mut message = vec![2, 0, 0, u8::try_from(hello.len()).expect("short")];
    message.extend(hello);
    let mut record = vec![22, version[0], version[1], 0];
    record.push(u8::try_from(message.len()).expect("short"));
    record.extend(message);
    record
}

/// Reads a record: its type, and what is in it.
async fn record(client: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    client.read_exact(&mut head).await?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    client.read_exact(&mut body).await?;
    Ok((head[0], body))
}

/// What one client said: its greeting, and all that followed the answer.
async fn old_server(version: [u8; 2]) -> (u16, oneshot::Receiver<(Vec<u8>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, said) = oneshot::channel();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        let (_, hello) = record(&mut client).await?;
        client.write_all(&server_hello(version)).await?;
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await?;
        let _nobody_asks = tell.send((hello, rest));
        io::Result::Ok(())
    });
    (port, said)
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_is_spoken() {
    //
    let mut client = Child::with(&[]);
    for version in [[3, 0], [3, 1], [3, 2]] {
        let (port, said) = old_server(version).await;
        let told = client.post(&format!("https://localhost:{port}/token")).await;
        assert_eq!(told, HttpFault::Tls.to_string(), "{version:?}");
        let (hello, rest) = timeout(FAIL_SAFE, said).await.expect("it hangs up").expect("told");
        // supported_versions (RFC 8446, section 4.2.1): TLS 1.3 and 1.2, in either order.
        let offers = |versions: [u8; 4]| {
            let extension = [&[0, 43, 0, 5, 4][..], &versions].concat();
            hello.windows(extension.len()).any(|part| part == extension)
        };
        assert!(offers([3, 4, 3, 3]) || offers([3, 3, 3, 4]), "{hello:?}");
        // An alert: fatal, protocol version. No key, no secret.
        assert_eq!(rest, [21, 3, 3, 0, 2, 2, 70], "{version:?}");
    }
}

#[tokio::test]
async fn a_line_that_died_is_given_up_by_itself_and_the_next_request_takes_another() {
    // F-18: over HTTP/2 a request that is given up leaves the connection for the next
    let authority = Authority::new();
    let server = wiremock::MockServer::start().await;
    let any = wiremock::Mock::given(wiremock::matchers::any());
    any.respond_with(wiremock::ResponseTemplate::new(200)).mount(&server).await;
    let behind = Behind::at(*server.address());
    let front = TlsServer::before(authority.issue(&["localhost"], [-1, 30]), behind.clone()).await;
    let url = format!("https://localhost:{}/token", front.port());
    let mut client = Child::with(&[("SSL_CERT_FILE", &authority.file())]);
    for _ in 0..10 {
        assert_eq!(client.post(&url).await, "200");
    }
    assert_eq!(front.handshakes(), 1, "one connection for all");
    behind.lose_open_lines();
    let told = client.post(&url).await;
    let lost = [HttpFault::Timeout, HttpFault::Broken].map(|fault| fault.to_string());
    assert!(lost.contains(&told), "{told}");
    assert_eq!(client.post(&url).await, "200");
    assert_eq!(front.handshakes(), 2);
    assert_eq!(server.received_requests().await.expect("recorded").len(), 11, "none came twice");
}

#[tokio::test]
async fn a_login_host_whose_authority_is_unknown_gets_no_code() {
    //
    let entra = Emulator::builder().https().start().await.expect("free ports");
    let https = entra.https().expect("https");
    let origins = https.origins();
    let (login, partner_center) = (&origins.login, &origins.partner_center);
    let origins = Origins { login, partner_center, graph: &origins.graph };
    let app = registration(Cloud::danger_loopback("emulator", origins).expect("loopback"));
    entra.register(&app);
    let contoso = entra.add_tenant("Contoso");
    let admin = entra.add_user(contoso, "admin@contoso.example");
    let capture = async |http: Reqwest| {
        let keys = KeyRing::new(LocalKey::generate("test").expect("a key"));
        let builder = Broker::builder(app.clone(), Memory::new(), keys).http(http);
        let broker = builder.build().await.expect("a broker");
        found(&broker, &entra, contoso, &admin).await
    };
    let stranger = Reqwest::new().expect("root certificates");
    let error = capture(stranger).await.expect_err("an unknown authority");
    let Error::Http(error) = error else { panic!("{error:?}") };
    assert_eq!((error.fault(), error.host()), (HttpFault::Tls, "localhost"));
    assert!(entra.ledger().is_empty(), "no code was sent");

    let ca = reqwest::Certificate::from_pem(https.ca_pem().as_bytes()).expect("PEM");
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_merge([ca]).build();
    capture(Reqwest::with_client(trusting.expect("a client"))).await.expect("a known one");
}

/// A flow with the emulator's own browser, which trusts it.
async fn found(
    broker: &Broker,
    entra: &Emulator,
    partner: TenantId,
    admin: &cpv_consent::emulator::User,
) -> Result<(), Error> {
    let pending = broker.partner(partner).request_consent(account("panel-1")).await?;
    let mut browser = entra.browser();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str().expect("ASCII"));
    let request = browser.consent(pending.authorize_url(), admin).await.expect("a callback");
    broker.capture_consent(Callback::from_request(&request)?).await.map(drop)
}

#[test]
fn nothing_in_this_crate_turns_verification_off() {
    //
    fn each(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                each(&path, look);
            } else {
                look(&path, &fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut files = 0;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    each(&source, &mut |path, text| {
        files += 1;
        for door in ["danger_accept", "tls_danger"] {
            assert!(!text.contains(door), "{door} in {}", path.display());
        }
    });
    assert!(files > 100, "{files} files were read");
}
