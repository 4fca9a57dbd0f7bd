//! What a vault says to a caller without a token: whom it believes. It is compared, never followed.
//!
//! Source: Key Vault, "Authentication, requests and responses"; RFC 6750, section 3.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use url::Url;

use crate::model::cloud::Cloud;
use crate::model::tenant::TenantId;

/// Whom a vault of the vendor's own tenant believes, and for what.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    cloud: Cloud,
    home: TenantId,
}

impl Expected {
    pub(super) const fn new(cloud: Cloud, home: TenantId) -> Self {
        Self { cloud, home }
    }

    /// What tokens for a vault are for.
    pub(super) fn resource(&self) -> String {
        format!("https://{}", self.cloud.key_vault_domain())
    }

    /// Whether a challenge names our tenant and our cloud's vaults.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        let bearer = challenges.find_map(|value| bearer(value.to_str().ok()?));
        bearer.is_some_and(|text| self.named_by(text))
    }

    fn named_by(&self, text: &str) -> bool {
        let Some(authority) = parameter(text, "authorization") else { return false };
        let resource = parameter(text, "resource").unwrap_or_default();
        self.is_authority(authority) && resource.trim_end_matches('/') == self.resource()
    }

    fn is_authority(&self, text: &str) -> bool {
        let Ok(url) = Url::parse(text) else { return false };
        let known = self.logins().any(|login| login == url.origin().ascii_serialization());
        let tenant = url.path().trim_matches('/').to_ascii_lowercase();
        known && tenant == self.home.to_string()
    }

    /// The names that this cloud's login host has had.
    fn logins(&self) -> impl Iterator<Item = &str> {
        let older = match &self.cloud {
            Cloud::Global => Some("https://login.windows.net"),
            Cloud::China => Some("https://login.chinacloudapi.cn"),
            _ => None,
        };
        older.into_iter().chain([self.cloud.login()])
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, rest) = text.trim_start().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(rest)
}

/// A parameter that is there once; what is there twice can be read in two ways.
fn parameter<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let mut values = pairs
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim().trim_matches('"'));
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    fn believes(cloud: Cloud, challenge: &str) -> bool {
        let home = TenantId::parse(HOME).expect("a GUID");
        let value = challenge.parse().expect("plain");
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]);
        Expected::new(cloud, home).is_in(&headers)
    }

    #[test]
    fn a_vault_of_our_own_tenant_is_known_by_its_challenge() {
        for (cloud, login, resource) in [
            (Cloud::Global, "login.microsoftonline.com", "vault.azure.net"),
            (Cloud::Global, "login.windows.net", "vault.azure.net"),
            (Cloud::China, "login.chinacloudapi.cn", "vault.azure.cn"),
            (Cloud::UsGovernment, "login.microsoftonline.us", "vault.usgovcloudapi.net"),
        ] {
            let challenge = format!(
                r#"Bearer authorization="https://{login}/{HOME}", resource="https://{resource}""#
            );
            assert!(believes(cloud, &challenge), "{challenge}");
        }
    }

    #[test]
    fn any_other_challenge_is_foreign() {
        let login = "https://login.microsoftonline.com";
        for text in [
            String::new(),
            "Basic realm=x".to_owned(),
            format!(r#"Bearer authorization="{login}/common", resource="https://vault.azure.net""#),
            format!(r#"Bearer authorization="{login}/{HOME}""#),
            format!(r#"Bearer authorization="{login}/{HOME}", resource="https://evil.example""#),
            format!(
                r#"Bearer authorization="https://evil.example/{HOME}", resource="https://vault.azure.net""#
            ),
            format!(
                r#"Bearer authorization="{login}.evil.example/{HOME}", resource="https://vault.azure.net""#
            ),
            format!(
                r#"Bearer authorization="{login}/{HOME}", authorization="https://evil.example/{HOME}", resource="https://vault.azure.net""#
            ),
        ] {
            assert!(!believes(Cloud::Global, &text), "{text}");
        }
    }
}
