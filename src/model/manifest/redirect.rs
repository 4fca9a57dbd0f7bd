//! What Entra takes as an address to come back to.
//!
//! Source: Microsoft identity platform, "Redirect URI restrictions and limitations".

use std::net::Ipv4Addr;

use url::{Host, Url};

/// How many addresses an application for work and school accounts may have.
pub(super) const MOST: usize = 256;

/// Whether Entra sends a code for `own` by an address that is registered: letter by letter, but for
/// the port of this machine's own name.
pub(super) fn serves(registered: &str, own: &str) -> bool {
    let without_port = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let is_local = matches!(url.host(), Some(Host::Domain("localhost")));
        is_local.then(|| url.set_port(None).ok())??;
        Some(url)
    };
    let local = || without_port(own).is_some_and(|own| without_port(registered) == Some(own));
    registered == own || local()
}

/// The host that somebody has written as a name, with a port, or as an address; as a browser spells
/// it. What is none stays as it is.
pub(super) fn host_of(text: &str) -> String {
    let parsed = |text: &str| Some(Url::parse(text).ok()?.host_str()?.to_owned());
    let host = parsed(text).or_else(|| parsed(&format!("https://{text}/")));
    host.unwrap_or_else(|| text.to_owned())
}

/// What is wrong with an address of a web application. Looser than what an
/// [`AppRegistration`](crate::AppRegistration) takes: others may stand beside its own.
pub(super) fn problem(text: &str) -> Option<&'static str> {
    if text.len() > 256 {
        return Some("is longer than 256 characters");
    }
    if text.contains('*') {
        return Some("has a wildcard");
    }
    if text.contains(|c: char| "!$'(),;".contains(c) || c.is_control()) {
        return Some("has a character that Entra forbids");
    }
    let Ok(url) = Url::parse(text) else { return Some("is not absolute") };
    match (url.scheme(), url.host()) {
        (_, Some(Host::Ipv6(_))) => Some("has an IPv6 address"),
        ("https", Some(_)) => None,
        ("http", Some(Host::Domain("localhost") | Host::Ipv4(Ipv4Addr::LOCALHOST))) => None,
        ("http", _) => Some("is http elsewhere than on localhost"),
        _ => Some("is neither https nor http on localhost"),
    }
}
