//! The members of an `application` that a registration depends on. Null and absent are the same.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::SystemTime;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use x509_cert::der::DateTime;

use crate::model::tenant::ClientId;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) app_id: Option<ClientId>,
    pub(super) display_name: Option<String>,
    pub(super) sign_in_audience: Option<String>,
    pub(super) is_fallback_public_client: Option<bool>,
    web: Option<Object<Web>>,
    spa: Option<Object<Platform>>,
    public_client: Option<Object<Platform>>,
    required_resource_access: Option<Vec<Object<Required>>>,
    key_credentials: Option<Vec<Object<Credential>>>,
    password_credentials: Option<Vec<Object<Credential>>>,
    optional_claims: Option<Object<OptionalClaims>>,
    group_membership_claims: Option<String>,
    api: Option<Object<Api>>,
    service_principal_lock_configuration: Option<Object<Lock>>,
    verified_publisher: Option<Object<Publisher>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Web {
    redirect_uris: Option<Vec<String>>,
    implicit_grant_settings: Option<Object<ImplicitGrant>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImplicitGrant {
    enable_id_token_issuance: Option<bool>,
    enable_access_token_issuance: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Platform {
    redirect_uris: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Required {
    pub(super) resource_app_id: ClientId,
    pub(super) resource_access: Vec<Object<Access>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Access {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: AccessKind,
}

/// Whether a user stands behind it. A third kind could not be judged, so it is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum AccessKind {
    Scope,
    Role,
}

/// A certificate or an application password. Its text is not read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential {
    display_name: Option<String>,
    key_id: Option<String>,
    end_date_time: Option<Date>,
    pub(super) custom_key_identifier: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OptionalClaims {
    id_token: Option<Vec<Object<Claim>>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Claim {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    accept_mapped_claims: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    is_enabled: Option<bool>,
    all_properties: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Publisher {
    verified_publisher_id: Option<String>,
}

impl Document {
    pub(super) fn web_redirects(&self) -> &[String] {
        self.web.as_ref().and_then(|web| web.redirect_uris.as_deref()).unwrap_or_default()
    }

    /// Addresses of clients without a credential, by the member that they stand in.
    pub(super) fn other_redirects(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let spa = uris_of(self.spa.as_ref()).iter().map(|uri| ("spa", uri));
        let public = uris_of(self.public_client.as_ref()).iter();
        spa.chain(public.map(|uri| ("publicClient", uri)))
    }

    /// The members that turn the implicit grant on.
    pub(super) fn implicit_grants(&self) -> impl Iterator<Item = &'static str> {
        let web = self.web.as_ref();
        let settings = web.and_then(|web| web.implicit_grant_settings.as_ref());
        let set = settings.map(|set| {
            [
                (set.enable_id_token_issuance, "enableIdTokenIssuance"),
                (set.enable_access_token_issuance, "enableAccessTokenIssuance"),
            ]
        });
        set.into_iter().flatten().filter(|(on, _)| *on == Some(true)).map(|(_, name)| name)
    }

    pub(super) fn required(&self) -> &[Object<Required>] {
        self.required_resource_access.as_deref().unwrap_or_default()
    }

    pub(super) fn certificates(&self) -> &[Object<Credential>] {
        self.key_credentials.as_deref().unwrap_or_default()
    }

    pub(super) fn passwords(&self) -> &[Object<Credential>] {
        self.password_credentials.as_deref().unwrap_or_default()
    }

    pub(super) fn asks_for(&self, claim: &str) -> bool {
        let claims = self.optional_claims.as_ref().and_then(|claims| claims.id_token.as_deref());
        claims.unwrap_or_default().iter().any(|asked| asked.name == claim)
    }

    pub(super) fn asks_for_roles(&self) -> bool {
        let asked = self.group_membership_claims.as_deref().unwrap_or_default();
        asked.split(',').any(|word| ["DirectoryRole", "All"].contains(&word.trim()))
    }

    pub(super) fn takes_mapped_claims(&self) -> bool {
        self.api.as_ref().and_then(|api| api.accept_mapped_claims) == Some(true)
    }

    pub(super) fn is_locked(&self) -> bool {
        let lock = self.service_principal_lock_configuration.as_ref();
        lock.is_some_and(|lock| lock.is_enabled == Some(true) && lock.all_properties == Some(true))
    }

    pub(super) fn has_verified_publisher(&self) -> bool {
        let publisher = self.verified_publisher.as_ref();
        publisher.is_some_and(|publisher| publisher.verified_publisher_id.is_some())
    }
}

fn uris_of(platform: Option<&Object<Platform>>) -> &[String] {
    platform.and_then(|platform| platform.redirect_uris.as_deref()).unwrap_or_default()
}

impl Credential {
    /// As the portal lists it.
    pub(super) fn name(&self) -> &str {
        let name = self.display_name.as_deref().filter(|name| !name.is_empty());
        name.or(self.key_id.as_deref()).unwrap_or("without a name")
    }

    pub(super) fn end(&self) -> Option<SystemTime> {
        self.end_date_time.as_ref().map(|date| date.0)
    }
}

/// A date that was read: one that cannot be is no date.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Date(SystemTime);

impl TryFrom<String> for Date {
    type Error = &'static str;

    /// Such as `2027-01-31T00:00:00Z`, with or without a fraction.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "no date";
        let (whole, _) =
            text.split_once(['.', 'Z']).filter(|_| text.ends_with('Z')).ok_or(WRONG)?;
        let date: DateTime = format!("{whole}Z").parse().map_err(|_| WRONG)?;
        Ok(Self(date.to_system_time()))
    }
}

/// A JSON object and never a list, which a plain struct would be read from as well.
#[derive(Debug, Clone)]
pub(super) struct Object<T>(pub(super) T);

impl<T> Deref for Object<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}
