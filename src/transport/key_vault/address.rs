//! Where a vault is.

use url::Url;

use crate::model::cloud::{Cloud, is_loopback, origin};
use crate::model::invalid::Invalid;

/// The origin of one vault of one cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    origin: Url,
}

impl Address {
    /// A vault's name or address in a cloud of Microsoft's; its origin in a cloud of one's own.
    pub(super) fn parse(cloud: &Cloud, text: &str) -> Result<Self, Invalid> {
        match cloud {
            Cloud::Custom(_) => Self::of_own_cloud(cloud, text),
            _ => Self::of_microsoft(cloud.key_vault_domain(), text),
        }
    }

    fn of_microsoft(domain: &str, text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "a name such as contoso-consents, or its address in this cloud";
        let host = text.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let name = match host {
            Some(host) => host.strip_suffix(domain).and_then(|name| name.strip_suffix('.')),
            None => Some(text),
        };
        let name = name.filter(|name| is_name(name)).map(|name| name.to_ascii_lowercase());
        let name = name.ok_or_else(|| Invalid::new("key vault", "is no vault's name", EXPECTED))?;
        let origin = Url::parse(&format!("https://{name}.{domain}")).expect("a name and a domain");
        Ok(Self { origin })
    }

    fn of_own_cloud(cloud: &Cloud, text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "the origin of a vault on this machine, as the cloud is";
        let origin = origin("key vault", text, cloud.is_loopback())?;
        let origin = Url::parse(&origin).expect("an origin that was checked");
        if cloud.is_loopback() && !is_loopback(&origin) {
            return Err(Invalid::new("key vault", "is elsewhere", EXPECTED));
        }
        Ok(Self { origin })
    }

    /// Its host, as errors name it.
    pub(super) fn host(&self) -> &str {
        self.origin.host_str().unwrap_or_default()
    }

    /// The address of something in this vault.
    pub(super) fn at(&self, path: &[&str]) -> Url {
        let mut url = self.origin.clone();
        url.path_segments_mut().expect("an origin is a base").clear().extend(path);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        url
    }

    /// An address that the vault itself gave, if it leads back to it.
    pub(super) fn own(&self, text: &str) -> Option<Url> {
        let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
        let url = Url::parse(text).ok()?;
        (url.origin() == self.origin.origin() && plain(&url)).then_some(url)
    }
}

/// 3 to 24 letters, digits and hyphens; a letter first, no hyphen last or beside another.
fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    plain && first && (3..=24).contains(&name.len()) && !name.ends_with('-') && !name.contains("--")
}

/// The oldest that has all that is needed, and is spoken in every cloud.
const API_VERSION: &str = "7.4";

#[cfg(test)]
mod tests {
    use crate::model::cloud::Origins;

    use super::*;

    fn own(loopback: bool) -> Cloud {
        let origins = |origin| Origins { login: origin, partner_center: origin, graph: origin };
        match loopback {
            true => Cloud::danger_loopback("x", origins("http://127.0.0.1:1")).expect("loopback"),
            false => Cloud::custom("x", origins("https://x.example")).expect("https"),
        }
    }

    #[test]
    fn a_vault_is_of_its_cloud() {
        for (cloud, text, host) in [
            (Cloud::Global, "contoso-1", "contoso-1.vault.azure.net"),
            (Cloud::Global, "https://Contoso.vault.azure.net/", "contoso.vault.azure.net"),
            (Cloud::UsGovernment, "contoso", "contoso.vault.usgovcloudapi.net"),
            (Cloud::UsGovernmentDod, "contoso", "contoso.vault.usgovcloudapi.net"),
            (Cloud::China, "https://contoso.vault.azure.cn", "contoso.vault.azure.cn"),
            (own(false), "https://vault.example:8443", "vault.example"),
            (own(true), "http://127.0.0.1:8403", "127.0.0.1"),
            (own(true), "https://localhost:8413", "localhost"),
        ] {
            assert_eq!(Address::parse(&cloud, text).expect(text).host(), host);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "ab",
            "1contoso",
            "contoso-",
            "con--toso",
            "a-name-of-25-letters-inall",
            "contoso.evil",
            "contoso/x",
            "contoso@evil",
            "http://contoso.vault.azure.net",
            "https://contoso.vault.azure.net.evil.example",
            "https://contoso.vault.azure.cn",
            "https://evil.example/contoso.vault.azure.net",
            "https://contoso.vault.azure.net:444",
            "https://contoso.vault.azure.net/x",
            "http://127.0.0.1:8403",
            "https://127.0.0.1:8413",
        ] {
            assert!(Address::parse(&Cloud::Global, text).is_err(), "{text}");
        }
        for text in ["http://127.0.0.1:1", "http://vault.example", "contoso"] {
            assert!(Address::parse(&own(false), text).is_err(), "{text}");
        }
        for text in ["https://contoso.vault.azure.net", "http://vault.example"] {
            assert!(Address::parse(&own(true), text).is_err(), "{text}");
        }
    }

    #[test]
    fn links_lead_back_or_nowhere() {
        let vault = Address::parse(&Cloud::Global, "contoso").expect("a name");
        let link = "https://contoso.vault.azure.net/secrets?api-version=7.4&$skiptoken=x";
        assert_eq!(vault.own(link).expect("its own").as_str(), link);
        for text in [
            "/secrets",
            "https://evil.vault.azure.net/secrets",
            "http://contoso.vault.azure.net/secrets",
            "https://contoso.vault.azure.net:444/secrets",
            "https://u:p@contoso.vault.azure.net/secrets",
        ] {
            assert_eq!(vault.own(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_cannot_be_left() {
        let vault = Address::parse(&Cloud::Global, "contoso").expect("a name");
        let url = vault.at(&["secrets", "a/../b?c"]);
        assert_eq!(
            url.as_str(),
            "https://contoso.vault.azure.net/secrets/a%2F..%2Fb%3Fc?api-version=7.4"
        );
    }
}
