//! Every host name and address of every cloud, as data.
//!
//! Sources: Microsoft's "National clouds" (Entra), "Partner Center REST URLs" and "Developing for
//! national clouds" (Partner Center), "National cloud deployments" (Graph).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::invalid::Invalid;
use super::tenant::{ClientId, TenantId};

/// One of Microsoft's clouds, or one that stands in for them.
///
/// An application is registered separately in each cloud and a confidential client cannot cross
/// them, so a record made in one never opens in another.
///
/// Source: Microsoft Entra, "National clouds".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cloud {
    /// The worldwide cloud, GCC included.
    Global,
    /// US Government L4 (GCC High).
    UsGovernment,
    /// US Government L5 (Department of Defense). Microsoft does not state its Partner Center host;
    /// the global one is assumed.
    UsGovernmentDod,
    /// Operated by 21Vianet in China.
    China,
    /// Another set of origins: see [`Cloud::custom`].
    Custom(Arc<CustomCloud>),
}

/// The origins of a cloud that is none of Microsoft's: a regional proxy, a test double.
#[derive(Debug, Clone, Copy)]
pub struct Origins<'a> {
    /// Where people sign in and tokens are issued.
    pub login: &'a str,
    /// Partner Center's REST API.
    pub partner_center: &'a str,
    /// Microsoft Graph's REST API.
    pub graph: &'a str,
}

/// A cloud made from [`Origins`] that were checked.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomCloud {
    name: String,
    login: String,
    partner_center: String,
    graph: String,
    loopback: bool,
}

impl Cloud {
    /// A cloud of its own with https origins, such as `https://login.example`.
    ///
    /// # Errors
    /// [`Invalid`] naming the origin that is not https, or has a path, query or user in it.
    pub fn custom(name: &str, origins: Origins<'_>) -> Result<Self, Invalid> {
        Self::checked(name, origins, false)
    }

    /// A cloud whose origins may also be plain http on this machine, for an emulator.
    ///
    /// A broker with such a cloud refuses a store that holds records of any other.
    ///
    /// # Errors
    /// [`Invalid`] naming the origin that is neither https nor http on a loopback address.
    pub fn danger_loopback(name: &str, origins: Origins<'_>) -> Result<Self, Invalid> {
        Self::checked(name, origins, true)
    }

    fn checked(name: &str, origins: Origins<'_>, loopback: bool) -> Result<Self, Invalid> {
        let wellformed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(wellformed) {
            const EXPECTED: &str = "1 to 32 of a to z, 0 to 9 and hyphen";
            return Err(Invalid::new("cloud name", "has another shape", EXPECTED));
        }
        Ok(Self::Custom(Arc::new(CustomCloud {
            name: format!("custom:{name}"),
            login: origin("login origin", origins.login, loopback)?,
            partner_center: origin("partner center origin", origins.partner_center, loopback)?,
            graph: origin("graph origin", origins.graph, loopback)?,
            loopback,
        })))
    }

    /// The name under which records of this cloud are kept.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Global => "global",
            Self::UsGovernment => "us-government",
            Self::UsGovernmentDod => "us-government-dod",
            Self::China => "china",
            Self::Custom(custom) => &custom.name,
        }
    }

    /// Where people sign in and tokens are issued, without a slash at the end.
    #[must_use]
    pub fn login(&self) -> &str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGovernment | Self::UsGovernmentDod => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Custom(custom) => &custom.login,
        }
    }

    /// Partner Center's REST API, without a slash at the end.
    #[must_use]
    pub fn partner_center(&self) -> &str {
        match self {
            Self::Global | Self::UsGovernment | Self::UsGovernmentDod => PARTNER_CENTER,
            Self::China => PARTNER_CENTER_CHINA,
            Self::Custom(custom) => &custom.partner_center,
        }
    }

    /// Microsoft Graph's REST API, without a slash at the end.
    #[must_use]
    pub fn graph(&self) -> &str {
        match self {
            Self::Custom(custom) => &custom.graph,
            _ => self.graph_audience(),
        }
    }

    /// The name that Partner Center goes by in scopes. A custom cloud uses the global one.
    pub(crate) const fn partner_center_audience(&self) -> &str {
        match self {
            Self::China => PARTNER_CENTER_CHINA,
            _ => PARTNER_CENTER,
        }
    }

    /// The name that Graph goes by in scopes. A custom cloud uses the global one.
    pub(crate) const fn graph_audience(&self) -> &str {
        match self {
            Self::Global | Self::Custom(_) => "https://graph.microsoft.com",
            Self::UsGovernment => "https://graph.microsoft.us",
            Self::UsGovernmentDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// The domain in which the Key Vaults of this cloud are, which is also what their tokens are for.
    pub(crate) const fn key_vault_domain(&self) -> &'static str {
        match self {
            Self::Global | Self::Custom(_) => "vault.azure.net",
            Self::UsGovernment | Self::UsGovernmentDod => "vault.usgovcloudapi.net",
            Self::China => "vault.azure.cn",
        }
    }

    /// Whether plain http on this machine was allowed by name.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self, Self::Custom(custom) if custom.loopback)
    }
}

const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
const PARTNER_CENTER_CHINA: &str = "https://partner.partnercenterapi.microsoftonline.cn";

pub(crate) fn origin(field: &'static str, text: &str, loopback: bool) -> Result<String, Invalid> {
    const EXPECTED: &str = "an https origin such as https://login.example";
    let wrong = |problem| Invalid::new(field, problem, EXPECTED);
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    if !(url.scheme() == "https" || loopback && url.scheme() == "http" && is_loopback(&url)) {
        return Err(wrong("is not https"));
    }
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has more than scheme, host and port"));
    }
    Ok(url.origin().ascii_serialization())
}

/// Whether a URL points at this machine by an address or name that never leaves it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Partner Center's two worlds: real customers, or the integration sandbox.
///
/// They share addresses and differ by the account that consents, so records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Environment {
    /// Real customers and real bills.
    #[default]
    Production,
    /// Partner Center's integration sandbox.
    Sandbox,
}

impl Environment {
    const ALL: [Self; 2] = [Self::Production, Self::Sandbox];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }
}

/// Whose directory an authority speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Directory {
    /// Any work or school account: right only for a first contact.
    Organizations,
    /// One tenant.
    Tenant(TenantId),
}

impl fmt::Display for Directory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organizations => out.write_str("organizations"),
            Self::Tenant(tenant) => tenant.fmt(out),
        }
    }
}

/// One directory at one cloud's login host: the only maker of identity URLs.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    cloud: Cloud,
    directory: Directory,
}

impl Authority {
    pub(crate) fn new(cloud: &Cloud, directory: Directory) -> Self {
        Self { cloud: cloud.clone(), directory }
    }

    pub(crate) fn of(cloud: &Cloud, tenant: TenantId) -> Self {
        Self::new(cloud, Directory::Tenant(tenant))
    }

    pub(crate) const fn directory(&self) -> Directory {
        self.directory
    }

    pub(crate) fn authorize_url(&self) -> Url {
        self.at("oauth2/v2.0/authorize")
    }

    pub(crate) fn token_url(&self) -> Url {
        self.at("oauth2/v2.0/token")
    }

    /// Where an administrator approves for a whole tenant. It knows no `common`, and neither do we.
    pub(crate) fn approval_url(&self) -> Url {
        self.at("v2.0/adminconsent")
    }

    pub(crate) fn keys_url(&self) -> Url {
        self.at("discovery/v2.0/keys")
    }

    /// Where it describes itself (OpenID Connect Discovery 1.0, section 4).
    pub(crate) fn metadata_url(&self) -> Url {
        self.at("v2.0/.well-known/openid-configuration")
    }

    /// The exact `iss` of a v2.0 ID token of `tenant` (no template is ever compared).
    pub(crate) fn issuer(&self, tenant: TenantId) -> String {
        format!("{}/{tenant}/v2.0", self.cloud.login())
    }

    fn at(&self, path: &str) -> Url {
        Url::parse(&format!("{}/{}/{path}", self.cloud.login(), self.directory))
            .expect("an origin that was checked, a directory and a path make a URL")
    }
}

/// Where a record lives: cloud, login origin, environment and application.
///
/// Several brokers may share a store; every record and every list is bound to one realm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Realm(Arc<Named>);

/// Written out once, for every record that is read names it.
#[derive(PartialEq, Eq, Hash)]
struct Named {
    parts: [String; 4],
    whole: String,
}

impl Realm {
    pub(crate) fn new(cloud: &Cloud, environment: Environment, application: ClientId) -> Self {
        let [cloud, login] = [cloud.name(), cloud.login()].map(str::to_owned);
        Self::of([cloud, login, environment.name().to_owned(), application.to_string()])
    }

    /// The realm that prints itself so.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: [&str; 4] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let [_, _, environment, application] = parts;
        Environment::ALL.into_iter().find(|known| known.name() == environment)?;
        let canonical = ClientId::parse(application).ok()?.to_string();
        (canonical == application).then(|| Self::of(parts.map(str::to_owned)))
    }

    fn of(parts: [String; 4]) -> Self {
        let whole = parts.join(" ");
        Self(Arc::new(Named { parts, whole }))
    }

    /// The parts that name this realm, in the order in which they are bound into each record:
    /// cloud, login origin, environment, application.
    #[must_use]
    pub fn parts(&self) -> &[String; 4] {
        &self.0.parts
    }

    /// The parts as one text, each set apart by a space.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.whole
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Realm({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_login(login: &str) -> Origins<'_> {
        Origins { login, partner_center: "https://pc.example", graph: "https://graph.example" }
    }

    #[test]
    fn plain_http_is_refused_unless_it_is_loopback_and_asked_for_by_name() {
        //
        assert!(Cloud::custom("x", with_login("http://login.example")).is_err());
        assert!(Cloud::custom("x", with_login("http://127.0.0.1:8080")).is_err());
        assert!(Cloud::danger_loopback("x", with_login("http://login.example")).is_err());
        assert!(Cloud::danger_loopback("x", with_login("http://127.0.0.1.evil.example")).is_err());
        assert!(Cloud::danger_loopback("x", with_login("http://127.0.0.1:8080")).is_ok());
        assert!(Cloud::danger_loopback("x", with_login("http://localhost:8080/")).is_ok());
    }

    #[test]
    fn an_origin_is_only_an_origin() {
        //
        for text in
            ["https://u@login.example", "https://login.example/x", "https://login.example?x"]
        {
            assert_eq!(
                Cloud::custom("x", with_login(text)).expect_err(text).field(),
                "login origin"
            );
        }
    }

    #[test]
    fn a_realm_is_read_back_from_what_it_prints() {
        //
        let application = ClientId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let custom = Cloud::custom("x", with_login("https://login.example:8443")).expect("https");
        for cloud in [Cloud::Global, Cloud::UsGovernmentDod, Cloud::China, custom] {
            for environment in Environment::ALL {
                let realm = Realm::new(&cloud, environment, application);
                assert_eq!(Realm::parse(&realm.to_string()), Some(realm));
            }
        }
        let printed = Realm::new(&Cloud::Global, Environment::Sandbox, application).to_string();
        for other in [String::new(), printed.to_uppercase(), format!("{printed} x"), "a b".into()] {
            assert_eq!(Realm::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn authorities_are_spelled_per_cloud_and_tenant() {
        let tenant = TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID");
        let authority = Authority::of(&Cloud::China, tenant);
        assert_eq!(
            authority.token_url().as_str(),
            "https://login.partner.microsoftonline.cn/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token"
        );
        let first = Authority::new(&Cloud::Global, Directory::Organizations);
        assert_eq!(
            first.authorize_url().as_str(),
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize"
        );
        assert_eq!(
            first.approval_url().as_str(),
            "https://login.microsoftonline.com/organizations/v2.0/adminconsent"
        );
    }
}
