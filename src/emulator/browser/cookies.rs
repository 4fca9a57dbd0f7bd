//! A cookie jar that sends what a browser would.
//!
//! Source: RFC 6265, section 5, and its revision 6265bis for `SameSite` and the `__Host-` prefix.

use http::{HeaderValue, Method};
use url::{Host, Url};

/// Cookies by name and host.
#[derive(Default)]
pub(super) struct Jar(Vec<Cookie>);

struct Cookie {
    name: String,
    value: String,
    /// Unknown for one that the test handed over: it is the application's, wherever that is.
    host: Option<String>,
    path: String,
    secure: bool,
    same_site: SameSite,
    dead: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SameSite {
    Strict,
    Lax,
    None,
}

impl Jar {
    /// Takes a `Set-Cookie` header; one that a browser would refuse is refused.
    pub(super) fn keep(&mut self, set_cookie: &str, from: Option<&Url>) {
        let Some(cookie) = Cookie::parse(set_cookie, from) else { return };
        self.0.retain(|known| {
            (&known.name, &known.host, &known.path) != (&cookie.name, &cookie.host, &cookie.path)
        });
        if !cookie.dead {
            self.0.push(cookie);
        }
    }

    /// The `Cookie` header of a request that a page of `from` causes, or that was typed in.
    pub(super) fn header(
        &self,
        url: &Url,
        method: &Method,
        from: Option<&Url>,
    ) -> Option<HeaderValue> {
        let cross_site = from.is_some_and(|from| site(from) != site(url));
        let sent = self.0.iter().filter(|cookie| cookie.goes_to(url, method, cross_site, from));
        let pairs: Vec<_> =
            sent.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
    }
}

impl Cookie {
    fn parse(text: &str, from: Option<&Url>) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            host: from.and_then(Url::host_str).map(str::to_owned),
            path: "/".to_owned(),
            secure: false,
            same_site: SameSite::Lax,
            dead: false,
        };
        let mut has_domain = false;
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            match attribute.to_ascii_lowercase().as_str() {
                "path" => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "samesite" => cookie.same_site = SameSite::of(value),
                "max-age" => cookie.dead = value.starts_with('-') || value == "0",
                "domain" => has_domain = true,
                _ => {}
            }
        }
        let host_only = cookie.secure && cookie.path == "/" && !has_domain;
        let refused = cookie.name.starts_with("__Host-") && !host_only
            || cookie.same_site == SameSite::None && !cookie.secure;
        (!refused).then_some(cookie)
    }

    fn goes_to(&self, url: &Url, method: &Method, cross_site: bool, from: Option<&Url>) -> bool {
        let here = match &self.host {
            Some(host) => url.host_str() == Some(host),
            None => from.is_none_or(|from| from.origin() != url.origin()),
        };
        let path = url.path().strip_prefix(self.path.trim_end_matches('/'));
        let below = path.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let safely = !self.secure || is_trustworthy(url);
        let site = match self.same_site {
            SameSite::None => true,
            SameSite::Lax => !cross_site || method == Method::GET,
            SameSite::Strict => !cross_site,
        };
        here && below && safely && site
    }
}

impl SameSite {
    fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "none" => Self::None,
            "strict" => Self::Strict,
            _ => Self::Lax,
        }
    }
}

/// Scheme and registrable name; for these tests, the last two labels of a name.
fn site(url: &Url) -> (String, String) {
    let name = match url.host() {
        Some(Host::Domain(name)) => {
            let labels: Vec<_> = name.rsplit('.').take(2).collect();
            labels.join(".")
        }
        Some(address) => address.to_string(),
        None => String::new(),
    };
    (url.scheme().to_owned(), name)
}

fn is_trustworthy(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(set_cookie: &str, method: &Method) -> bool {
        let mut jar = Jar::default();
        jar.keep(set_cookie, None);
        let entra = Url::parse("http://127.0.0.1:4000/").expect("a URL");
        let panel = Url::parse("https://panel.example/consent/callback").expect("a URL");
        jar.header(&panel, method, Some(&entra)).is_some()
    }

    #[test]
    fn a_cross_site_post_carries_only_what_says_none() {
        //
        assert!(sent("__Host-k=v; Path=/; Secure; HttpOnly; SameSite=None", &Method::POST));
        assert!(!sent("k=v; Path=/; Secure; SameSite=Lax", &Method::POST));
        assert!(!sent("k=v; Path=/", &Method::POST));
        assert!(sent("k=v; Path=/", &Method::GET));
        assert!(!sent("k=v; Path=/; SameSite=Strict", &Method::GET));
    }

    #[test]
    fn cookies_that_a_browser_refuses_are_refused() {
        for text in ["__Host-k=v; Path=/", "__Host-k=v; Secure; Path=/x", "k=v; SameSite=None"] {
            assert!(!sent(text, &Method::GET), "{text}");
        }
        assert!(!sent("k=v; Path=/other", &Method::GET));
        assert!(!sent("k=v; Max-Age=0", &Method::GET));
    }
}
