//! Secrets: each a name with versions, deleted softly.
//!
//! Sources: "Set Secret", "Get Secret", "Update Secret", "Get Secret Versions", "Get Secrets",
//! "Delete Secret", "Get Deleted Secret", "Recover Deleted Secret", "Purge Deleted Secret" of the
//! REST API.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::transport::key_vault::error::KeyVaultError;
use crate::transport::key_vault::{Call, KeyVault, parse};

/// What is said of a version in clear: anybody who may list sees it.
pub(crate) type Tags = BTreeMap<String, String>;

/// A version with its value.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) info: SecretInfo,
    pub(crate) value: Zeroizing<String>,
}

/// A version without its value; in a list of secrets, the latest.
#[derive(Debug, Clone)]
pub(crate) struct SecretInfo {
    pub(crate) name: String,
    /// Absent in a list of secrets.
    pub(crate) version: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) tags: Tags,
}

/// What a new version says.
pub(crate) struct NewVersion<'v> {
    pub(crate) value: &'v str,
    pub(crate) content_type: &'static str,
    pub(crate) tags: &'v Tags,
}

impl KeyVault {
    /// Makes a new version, and with the first one the secret.
    pub(crate) async fn set_secret(
        &self,
        name: &str,
        new: &NewVersion<'_>,
    ) -> Result<SecretInfo, KeyVaultError> {
        let url = self.0.address.at(&["secrets", name]);
        let NewVersion { value, content_type, tags } = new;
        let body = json!({ "value": value, "contentType": content_type, "tags": tags });
        let call = Call::new("secrets/set", Method::PUT, url).with(body.to_string()).once();
        self.info(&self.call(&call).await?)
    }

    /// The latest version, with its value.
    pub(crate) async fn secret(&self, name: &str) -> Result<Option<Secret>, KeyVaultError> {
        let url = self.0.address.at(&["secrets", name]);
        match self.call(&Call::new("secrets/get", Method::GET, url)).await {
            Ok(body) => self.with_value(&body).map(Some),
            Err(KeyVaultError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Disables one version, and says so in its tags if there are any.
    pub(crate) async fn disable_version(
        &self,
        name: &str,
        version: &str,
        tags: Option<&Tags>,
    ) -> Result<(), KeyVaultError> {
        let url = self.0.address.at(&["secrets", name, version]);
        let mut body = json!({ "attributes": { "enabled": false } });
        if let Some(tags) = tags {
            body["tags"] = json!(tags);
        }
        let call = Call::new("secrets/set", Method::PATCH, url).with(body.to_string());
        self.call(&call).await.map(drop)
    }

    /// Every version of a name, in no order; none if nobody uses the name.
    pub(crate) async fn versions(&self, name: &str) -> Result<Vec<SecretInfo>, KeyVaultError> {
        self.whole_list(self.0.address.at(&["secrets", name, "versions"])).await
    }

    /// Every secret in use.
    pub(crate) async fn secrets(&self) -> Result<Vec<SecretInfo>, KeyVaultError> {
        self.whole_list(self.0.address.at(&["secrets"])).await
    }

    /// Every secret that was deleted and can still be recovered.
    pub(crate) async fn deleted_secrets(&self) -> Result<Vec<SecretInfo>, KeyVaultError> {
        self.whole_list(self.0.address.at(&["deletedsecrets"])).await
    }

    /// One page, to see whether lists may be read.
    pub(crate) async fn prove_listing(&self) -> Result<(), KeyVaultError> {
        let mut url = self.0.address.at(&["secrets"]);
        url.query_pairs_mut().append_pair("maxresults", "1");
        self.call(&Call::new("secrets/list", Method::GET, url)).await.map(drop)
    }

    /// Deletes a secret with all its versions; it goes on after the answer.
    pub(crate) async fn delete_secret(&self, name: &str) -> Result<(), KeyVaultError> {
        let url = self.0.address.at(&["secrets", name]);
        self.call(&Call::new("secrets/delete", Method::DELETE, url)).await.map(drop)
    }

    /// Whether the latest version of a deleted secret would be readable once recovered. `None`
    /// while the deletion goes on.
    pub(crate) async fn deleted_is_readable(
        &self,
        name: &str,
    ) -> Result<Option<bool>, KeyVaultError> {
        let url = self.0.address.at(&["deletedsecrets", name]);
        match self.call(&Call::new("secrets/get", Method::GET, url)).await {
            Ok(body) => self.info(&body).map(|info| Some(info.enabled)),
            Err(KeyVaultError::Disabled { .. }) => Ok(Some(false)),
            Err(KeyVaultError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings a deleted secret back; it goes on after the answer.
    pub(crate) async fn recover_secret(&self, name: &str) -> Result<(), KeyVaultError> {
        let url = self.0.address.at(&["deletedsecrets", name, "recover"]);
        self.call(&Call::new("secrets/recover", Method::POST, url)).await.map(drop)
    }

    /// Erases a deleted secret before its time; it goes on after the answer.
    pub(crate) async fn purge_secret(&self, name: &str) -> Result<(), KeyVaultError> {
        let url = self.0.address.at(&["deletedsecrets", name]);
        self.call(&Call::new("secrets/purge", Method::DELETE, url)).await.map(drop)
    }

    async fn whole_list(&self, first: Url) -> Result<Vec<SecretInfo>, KeyVaultError> {
        let (mut items, mut next) = (Vec::new(), Some(first));
        let until = self.0.clock.monotonic() + LONGEST_LIST;
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { return Ok(items) };
            if items.len() > MOST_ITEMS || self.0.clock.monotonic() >= until {
                break;
            }
            let body = self.call(&Call::new("secrets/list", Method::GET, url)).await?;
            let page: Page = parse(&body)?;
            for item in page.value {
                items.push(item.info(self)?);
            }
            next = match page.next_link.filter(|link| !link.is_empty()) {
                Some(link) => Some(self.0.address.own(&link).ok_or(AWAY)?),
                None => None,
            };
        }
        Err(KeyVaultError::BadReply("is a list without end"))
    }

    fn info(&self, body: &[u8]) -> Result<SecretInfo, KeyVaultError> {
        parse::<Bundle>(body)?.info(self)
    }

    fn with_value(&self, body: &[u8]) -> Result<Secret, KeyVaultError> {
        let mut bundle: Bundle = parse(body)?;
        let value = bundle.value.take().ok_or(KeyVaultError::BadReply("has no value"))?;
        Ok(Secret { info: bundle.info(self)?, value })
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    value: Vec<Bundle>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
}

#[derive(Deserialize)]
struct Bundle {
    id: String,
    value: Option<Zeroizing<String>>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    tags: Option<Tags>,
}

#[derive(Default, Deserialize)]
struct Attributes {
    enabled: Option<bool>,
}

impl Bundle {
    fn info(self, vault: &KeyVault) -> Result<SecretInfo, KeyVaultError> {
        let url = vault.0.address.own(&self.id).ok_or(AWAY)?;
        let mut path = url.path_segments().into_iter().flatten();
        let name = match (path.next(), path.next()) {
            (Some("secrets" | "deletedsecrets"), Some(name)) => name.to_owned(),
            _ => return Err(KeyVaultError::BadReply("names no secret")),
        };
        let version = path.next().map(str::to_owned);
        let enabled = self.attributes.enabled.unwrap_or(true);
        Ok(SecretInfo { name, version, enabled, tags: self.tags.unwrap_or_default() })
    }
}

const AWAY: KeyVaultError = KeyVaultError::BadReply("leads to another host");
const MOST_ITEMS: usize = 1_000_000;
/// With 25 in each, as a vault answers.
const MOST_PAGES: usize = MOST_ITEMS / 25;
const LONGEST_LIST: Duration = Duration::from_secs(3600);
