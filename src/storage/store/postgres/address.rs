//! Where the server is, and whether what is said to it may be read on the way.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::storage::store::StoreError;

/// A server, a database and a role, with the way to speak to them.
pub(super) struct Address {
    pub(super) config: Config,
    /// The hosts, as they may be told.
    pub(super) server: String,
    /// `None` within this machine, unless the URL asks for TLS there too.
    pub(super) tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Reads a URL; `roots` are the authorities to trust, as PEM, instead of the machine's own.
    pub(super) fn parse(url: &str, roots: Option<&[u8]>) -> Result<Self, StoreError> {
        // Behind the first one the driver reads a host, and that is told: not half a password.
        if url.matches('@').count() > 1 {
            return Err(StoreError::unusable(AT_SIGN));
        }
        let (url, mode) = without_ssl_mode(url)?;
        // What is wrong is not told: the text around it may be the password.
        let mut config: Config = url.parse().map_err(|_| StoreError::unusable(NO_URL))?;
        let server = server(&config);
        let encrypted = is_encrypted(mode, is_on_this_machine(&config))?;
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        let tls = encrypted.then(|| connector(roots)).transpose()?;
        Ok(Self { config, server, tls })
    }
}

/// The hosts with their ports.
fn server(config: &Config) -> String {
    let mut ports = config.get_ports().iter();
    let named = |host: &Host| match (host, ports.next().unwrap_or(&5432)) {
        (Host::Tcp(name), port) => format!("{name}:{port}"),
        #[cfg(unix)]
        (Host::Unix(folder), _) => folder.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().map(named).collect();
    let plain = |sign: &char| sign.is_ascii_graphic() || *sign == ' ';
    hosts.join(" or ").chars().filter(plain).take(LONGEST_NAME).collect()
}

/// What `sslmode` says, and the URL without it: the driver does not know `verify-full`, and would
/// take silence for "by plain text if need be".
fn without_ssl_mode(url: &str) -> Result<(String, Option<&str>), StoreError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::unusable(NO_URL));
    }
    let Some((address, query)) = url.rsplit_once('?') else { return Ok((url.to_owned(), None)) };
    let of_mode = |option: &&str| option.starts_with("sslmode=");
    let (modes, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(of_mode);
    let mode = modes.last().and_then(|mode| mode.strip_prefix("sslmode="));
    Ok((format!("{address}?{}", others.join("&")), mode))
}

fn is_encrypted(mode: Option<&str>, on_this_machine: bool) -> Result<bool, StoreError> {
    match mode {
        None => Ok(!on_this_machine),
        Some("require" | "verify-ca" | "verify-full") => Ok(true),
        Some("disable" | "allow" | "prefer") if on_this_machine => Ok(false),
        Some("disable" | "allow" | "prefer") => Err(StoreError::unusable(PLAIN_TEXT)),
        Some(_) => Err(StoreError::unusable("its URL has an sslmode that PostgreSQL has not")),
    }
}

/// Whether every address that may be used never leaves this machine.
fn is_on_this_machine(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) if name == "localhost" => true,
        Host::Tcp(name) => name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    });
    // An address given beside a name is the one that is used.
    hosts && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn connector(roots: Option<&[u8]>) -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match roots {
        Some(pem) => trusting_only(pem, &provider)?,
        None => Arc::new(Verifier::new(Arc::clone(&provider)).map_err(|_| {
            StoreError::unusable("this machine has no root certificates: install some, or name one")
        })?),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| StoreError::unusable("no version of TLS is to be had"))?
        .dangerous() // Both verifiers check chain and name.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn trusting_only(
    pem: &[u8],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, StoreError> {
    let wrong = || StoreError::unusable("the authorities to trust are no certificates as PEM");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| wrong())?).map_err(|_| wrong())?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|_| wrong())
}

const NO_URL: &str = "its URL is not understood: postgres://role:password@host/database is the \
                      form, with @ / # : % percent-encoded in the password";

const AT_SIGN: &str = "its URL has two @: write the one in the password as %40";

/// How much of the hosts is told.
const LONGEST_NAME: usize = 255;

const PLAIN_TEXT: &str = "its URL allows plain text to another machine: take sslmode out of it";

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, StoreError> {
        Address::parse(url, None).map(|address| {
            assert_eq!(address.tls.is_some(), address.config.get_ssl_mode() != SslMode::Disable);
            address.config.get_ssl_mode()
        })
    }

    #[test]
    fn another_machine_is_spoken_to_by_tls_only() {
        //
        for host in ["db.example", "10.0.0.1", "127.0.0.1.example", "localhost,db.example", "[::2]"]
        {
            assert_eq!(mode(&format!("postgres://a@{host}/b")), Ok(SslMode::Require), "{host}");
            for weak in ["disable", "allow", "prefer"] {
                let refused = mode(&format!("postgres://a@{host}/b?sslmode={weak}"));
                assert_eq!(refused, Err(StoreError::unusable(PLAIN_TEXT)), "{host} {weak}");
            }
        }
        let elsewhere = "postgres://a@localhost/b?hostaddr=10.0.0.1";
        assert_eq!(mode(elsewhere), Ok(SslMode::Require));
        for hidden in ["?ssl%6dode=disable", "?options=%3F?sslmode=disable", "?sslmode=require&x"] {
            let plain = mode(&format!("postgres://a@db.example/b{hidden}"));
            assert_ne!(plain, Ok(SslMode::Disable), "{hidden}");
        }
    }

    #[test]
    fn within_this_machine_plain_text_is_enough() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "%2Frun%2Fpostgresql"] {
            assert_eq!(mode(&format!("postgres://a@{host}/b")), Ok(SslMode::Disable), "{host}");
            for strong in ["require", "verify-ca", "verify-full"] {
                let url = format!("postgres://a@{host}/b?connect_timeout=3&sslmode={strong}");
                assert_eq!(mode(&url), Ok(SslMode::Require), "{host} {strong}");
            }
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        for url in [
            "",
            "host=localhost password=canary",
            "mysql://a:canary@b/c",
            "postgres://a:canary@localhost:x/b",
            "postgres://a:canary@localhost/b?canary=1",
            "postgres://a:canary@localhost/b?sslmode=canary",
            "postgres://a:pass@canary@localhost/b",
            "postgres://a:pass@canary/word@localhost/b",
            "postgres://a:pass@canary?word@localhost/b",
        ] {
            let refused = mode(url).expect_err("it is no URL").to_string();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
