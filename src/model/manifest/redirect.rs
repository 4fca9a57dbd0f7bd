//! What Entra takes as an address to come back to.
//!
//! Source: Microsoft identity platform, "Redirect URI restrictions and limitations".

use std::net::Ipv4Addr;

use url::{Host, Url};

/// How many addresses an application for work and school accounts may have.
pub(super) const MOST: usize = 256;

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
