//! TLS for the emulator's listeners: rustls with aws-lc, named so that no other default counts.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::authority::Authority;

/// Speaks TLS 1.2 and 1.3, and HTTP/1.1 inside, as one of `names`.
pub(super) fn acceptor(authority: &Authority, names: &[&str]) -> TlsAcceptor {
    let (certificate, key) = authority.issue_der(names);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a key of our own fits its certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
