//! Https, fixed ports, and what is left when the emulator has ended.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use cpv_consent::emulator::{Browser, BrowserError, Emulator, Endpoint, Failure, Rule};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::bench::Outcome;

async fn secured() -> std::io::Result<Emulator> {
    Emulator::builder().https().start().await
}

fn discovery(origin: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{origin}/organizations/v2.0/.well-known/openid-configuration"))
}

#[tokio::test]
async fn its_own_browser_trusts_it_by_both_names_and_no_other_does() -> Outcome {
    //
    let (entra, other) = (secured().await?, secured().await?);
    let login = &entra.https().ok_or("no https")?.origins().login;
    for origin in [login.clone(), login.replace("localhost", "127.0.0.1")] {
        let url = discovery(&origin)?;
        assert_eq!(entra.browser().open(&url).await?.status(), 200, "{origin}");
        for mut stranger in [Browser::new(), other.browser()] {
            let refused = stranger.open(&url).await;
            assert!(matches!(refused, Err(BrowserError::Unreachable(_))), "{origin}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_service_listens_by_both_schemes() -> Outcome {
    let entra = secured().await?;
    let https = entra.https().ok_or("no https")?.origins();
    let mut seen = BTreeSet::new();
    for origins in [entra.origins(), https] {
        let (first, second) = (&origins.partner_center, &origins.key_vault);
        let others = [&origins.graph, &origins.identity, &origins.admin];
        seen.extend([&origins.login, first, second].into_iter().chain(others));
    }
    assert_eq!(seen.len(), 12);
    for origin in seen {
        let url = Url::parse(&format!("{origin}/nowhere"))?;
        assert!(entra.browser().open(&url).await?.status().is_client_error(), "{origin}");
    }
    assert!(Emulator::builder().start().await?.https().is_none());
    Ok(())
}

#[tokio::test]
async fn the_authority_can_be_read_from_a_file_as_long_as_the_emulator_runs() -> Outcome {
    let entra = secured().await?;
    let https = entra.https().ok_or("no https")?;
    let (file, folder) = (https.ca_path().to_owned(), https.ca_path().parent().ok_or("no folder")?);
    assert_eq!(fs::read_to_string(&file)?, https.ca_pem());
    assert!(https.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(fs::read_dir(folder)?.count(), 1, "and no key beside it");
    let (folder, clone) = (folder.to_owned(), entra.clone());
    drop(entra);
    assert!(file.exists(), "the clone keeps it");
    drop(clone);
    assert!(!folder.exists());
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_change_that_file() -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    let entra = secured().await?;
    let file = entra.https().ok_or("no https")?.ca_path();
    let mode = |path| fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    assert_eq!((mode(file)?, mode(file.parent().ok_or("no folder")?)?), (0o600, 0o700));
    Ok(())
}

#[tokio::test]
async fn fixed_ports_stand_in_their_order() -> Outcome {
    let start = |base| Emulator::builder().https().ports(base).start();
    let mut started = None;
    for base in (20_000..30_000).step_by(100) {
        match start(base).await {
            Ok(entra) => started = Some((base, entra)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => continue,
            Err(error) => return Err(error.into()),
        }
        break;
    }
    let (base, entra) = started.ok_or("no run of free ports")?;
    let (plain, https) = (entra.origins(), entra.https().ok_or("no https")?.origins());
    assert_eq!(plain.login, format!("http://127.0.0.1:{base}"));
    let follow = [&plain.partner_center, &plain.graph, &plain.key_vault, &plain.identity];
    for (port, origin) in (base + 1..).zip(follow.into_iter().chain([&plain.admin])) {
        assert_eq!(*origin, format!("http://127.0.0.1:{port}"));
    }
    assert_eq!(https.login, format!("https://localhost:{}", base + 10));
    assert_eq!(https.admin, format!("https://localhost:{}", base + 15));
    let taken = start(base).await.expect_err("they are taken");
    assert!(taken.to_string().contains(&format!("port {base} ")), "{taken}");
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() -> Outcome {
    let other = TcpListener::bind("127.0.0.1:0").await?;
    let port = other.local_addr()?.port();
    let taken = Emulator::builder().ports(port).start().await.expect_err("it is taken");
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    assert!(taken.to_string().starts_with(&format!("port {port} of 127.0.0.1: ")), "{taken}");
    let too_high = Emulator::builder().ports(65_535).start().await.expect_err("no port follows");
    assert!(matches!(too_high.kind(), ErrorKind::InvalidInput | ErrorKind::AddrInUse));
    Ok(())
}

#[tokio::test]
async fn nothing_listens_after_the_end_by_either_scheme() -> Outcome {
    let (ended, dropped) = (secured().await?, secured().await?);
    let (mut addresses, mut browsers) = (Vec::new(), Vec::new());
    for entra in [&ended, &dropped] {
        let https = entra.https().ok_or("no https")?;
        let mut browser = entra.browser();
        for origin in [&entra.origins().login, &https.origins().login] {
            assert_eq!(browser.open(&discovery(origin)?).await?.status(), 200);
            addresses.push(origin.rsplit_once('/').ok_or("no origin")?.1.to_owned());
        }
        browsers.push(browser); // with connections that idle
    }
    ended.shutdown().await;
    for address in &addresses[..2] {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
    drop(dropped);
    for address in &addresses[2..] {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_dawdles_does_not_keep_it_from_ending() -> Outcome {
    for ends in [End::Told, End::Dropped] {
        let entra = secured().await?;
        let (login, graph) = (&entra.origins().login, &entra.origins().graph);
        let https = entra.https().ok_or("no https")?;
        let huge = entra.fail(Rule::at(Endpoint::Graph), Failure::huge(HUGE));
        let mut clients = vec![
            unfinished_line(plain(login).await?).await?,
            unfinished_body(plain(login).await?, login).await?,
            unread_answer(plain(graph).await?, graph).await?,
            plain(&https.origins().login).await?, // and no handshake
        ];
        let (login, graph) = (&https.origins().login, &https.origins().graph);
        clients.extend([
            unfinished_line(secure(https.ca_pem(), login).await?).await?,
            unfinished_body(secure(https.ca_pem(), login).await?, login).await?,
            unread_answer(secure(https.ca_pem(), graph).await?, graph).await?,
        ]);
        match ends {
            End::Told => timeout(FAIL_SAFE, entra.shutdown()).await?,
            End::Dropped => drop((huge, entra)),
        }
        for mut client in clients {
            let mut rest = Vec::new();
            let end = timeout(FAIL_SAFE, client.read_to_end(&mut rest)).await?;
            assert!(end.is_err() || rest.len() < HUGE as usize, "in order, or with a reset");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_held_is_answered_before_the_end() -> Outcome {
    let entra = secured().await?;
    let hold = entra.hold(Rule::any());
    let mut client = plain(entra.login_origin()).await?;
    let host = authority(entra.login_origin());
    let request = format!("GET /nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.write_all(request.as_bytes()).await?;
    hold.waiting(1).await;
    timeout(FAIL_SAFE, entra.shutdown()).await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    Ok(())
}

enum End {
    Told,
    Dropped,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

type Client = Box<dyn Duplex>;

async fn plain(origin: &str) -> std::io::Result<Client> {
    Ok(Box::new(TcpStream::connect(authority(origin)).await?))
}

async fn secure(ca_pem: &str, origin: &str) -> Result<Client, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(authority(origin)).await?;
    let tls = TlsConnector::from(Arc::new(config));
    Ok(Box::new(tls.connect(ServerName::try_from("localhost")?, tcp).await?))
}

async fn unfinished_line(mut client: Client) -> std::io::Result<Client> {
    client.write_all(b"GET /organi").await?;
    client.flush().await?;
    Ok(client)
}

/// The interim answer says that the body is waited for.
async fn unfinished_body(mut client: Client, origin: &str) -> std::io::Result<Client> {
    let host = authority(origin);
    let head = format!(
        "POST /organizations/oauth2/v2.0/token HTTP/1.1\r\nHost: {host}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await?;
    client.flush().await?;
    first(&mut client, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    client.write_all(b"a=b").await?;
    client.flush().await?;
    Ok(client)
}

async fn unread_answer(mut client: Client, origin: &str) -> std::io::Result<Client> {
    let host = authority(origin);
    let request = format!("GET /v1.0/me HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.write_all(request.as_bytes()).await?;
    client.flush().await?;
    first(&mut client, b"HTTP/1.1 200 OK\r\n").await?;
    Ok(client)
}

async fn first(client: &mut Client, expected: &[u8]) -> std::io::Result<()> {
    let mut read = vec![0; expected.len()];
    client.read_exact(&mut read).await?;
    assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(expected));
    Ok(())
}

fn authority(origin: &str) -> &str {
    origin.rsplit_once('/').expect("an origin").1
}

/// More than the sockets of both sides take.
const HUGE: u64 = 256 << 20;

/// Never reached where the emulator ends.
const FAIL_SAFE: Duration = Duration::from_secs(30);
