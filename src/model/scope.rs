//! Resources and the delegated permissions asked of them: least privilege as set inclusion.
//!
//! Source: Microsoft identity platform, "Scopes and permissions". A scope is spelled
//! `{resource}/{permission}`; `.default` is never asked for, so what was granted is always named.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::invalid::Invalid;

/// An API for which tokens are issued.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Resource {
    /// Microsoft Partner Center.
    PartnerCenter,
    /// Microsoft Graph.
    Graph,
    /// Any other, by its application id URI: see [`Resource::custom`].
    Custom(ResourceUri),
}

/// An application id URI that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceUri(Arc<str>);

impl Resource {
    /// Another API by its application id URI, such as `https://manage.office.com`.
    ///
    /// # Errors
    /// [`Invalid`] when it is neither `https://…` nor `api://…`, or has a space, query or fragment.
    pub fn custom(uri: &str) -> Result<Self, Invalid> {
        ResourceUri::try_from(uri.to_owned()).map(Self::Custom)
    }

    /// The name this resource goes by in the scopes of a cloud.
    #[must_use]
    pub fn uri<'a>(&'a self, cloud: &'a Cloud) -> &'a str {
        match self {
            Self::PartnerCenter => cloud.partner_center_audience(),
            Self::Graph => cloud.graph_audience(),
            Self::Custom(uri) => &uri.0,
        }
    }
}

impl ResourceUri {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartnerCenter => out.write_str("Partner Center"),
            Self::Graph => out.write_str("Microsoft Graph"),
            Self::Custom(uri) => out.write_str(&uri.0),
        }
    }
}

impl TryFrom<String> for ResourceUri {
    type Error = Invalid;

    fn try_from(uri: String) -> Result<Self, Invalid> {
        const EXPECTED: &str = "an application id URI such as https://manage.office.com";
        let wrong = |problem| Err(Invalid::new("resource", problem, EXPECTED));
        let known = ["https://", "api://"].iter().any(|scheme| {
            uri.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        });
        if !known || uri.len() > 255 {
            return wrong("has another shape");
        }
        if !uri.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"\\,".contains(&b)) {
            return wrong("has a character that no application id URI has");
        }
        Ok(Self(uri.into()))
    }
}

impl From<ResourceUri> for String {
    fn from(uri: ResourceUri) -> Self {
        uri.0.as_ref().to_owned()
    }
}

/// A delegated permission of a resource, such as `Directory.Read.All`.
///
/// Source: Microsoft identity platform, "Scopes and permissions".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    resource: Resource,
    permission: String,
}

impl Scope {
    /// Names one permission of a resource.
    ///
    /// # Errors
    /// [`Invalid`] for `.default`, for the sign-in scopes (`openid`, `profile`, `email`,
    /// `offline_access`, which are always asked for) and for anything that is not a name.
    pub fn new(resource: Resource, permission: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str =
            "the name of a delegated permission such as user_impersonation, never .default";
        let wrong = |problem| Err(Invalid::new("scope", problem, EXPECTED));
        let named = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if permission.is_empty() || permission.len() > 128 || !permission.chars().all(named) {
            return wrong("is not a permission's name");
        }
        if permission.starts_with('.') {
            return wrong("is .default, which asks for whatever happens to be configured");
        }
        if SIGN_IN.contains(&permission) {
            return wrong("is one of the sign-in scopes, which are always asked for");
        }
        Ok(Self { resource, permission: permission.to_owned() })
    }

    /// Whose permission it is.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Its name without the resource.
    #[must_use]
    pub fn permission(&self) -> &str {
        &self.permission
    }

    fn spelled(&self, cloud: &Cloud) -> String {
        format!("{}/{}", self.resource.uri(cloud), self.permission)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.resource, self.permission)
    }
}

/// Asked for in every request: an ID token to check whose it is, and a refresh token.
const SIGN_IN: [&str; 4] = ["openid", "profile", "offline_access", "email"];

/// A set of delegated permissions, Partner Center's first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Those of one resource.
    #[must_use]
    pub fn of(&self, resource: &Resource) -> Self {
        self.0.iter().filter(|scope| scope.resource() == resource).cloned().collect()
    }

    /// Whether every scope here is also in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Those that `other` lacks.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        self.0.difference(&other.0).cloned().collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each scope, Partner Center's first.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// The resources named, Partner Center first.
    #[must_use]
    pub fn resources(&self) -> BTreeSet<Resource> {
        self.0.iter().map(|scope| scope.resource.clone()).collect()
    }

    /// The value of `scope` in a request: the sign-in scopes, then these.
    pub(crate) fn request_value(&self, cloud: &Cloud) -> String {
        let sign_in = SIGN_IN[..3].iter().map(ToString::to_string);
        let named = self.0.iter().map(|scope| scope.spelled(cloud));
        sign_in.chain(named).collect::<Vec<_>>().join(" ")
    }

    /// Reads the `scope` of a reply to a request for `resource`. Entra spells a permission with its
    /// resource or bare; sign-in scopes and other resources' permissions say nothing here.
    pub(crate) fn granted(text: &str, resource: &Resource, cloud: &Cloud) -> Self {
        let prefix = format!("{}/", resource.uri(cloud));
        text.split_ascii_whitespace()
            .filter_map(|word| match word.strip_prefix(&prefix) {
                Some(permission) => Some(permission),
                None if word.contains('/') => None,
                None => Some(word),
            })
            .filter_map(|permission| Scope::new(resource.clone(), permission).ok())
            .collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl Extend<Scope> for Scopes {
    fn extend<I: IntoIterator<Item = Scope>>(&mut self, scopes: I) {
        self.0.extend(scopes);
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for scope in &self.0 {
            write!(out, "{separator}{scope}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(resource: Resource, permission: &str) -> Scope {
        Scope::new(resource, permission).expect("a scope")
    }

    #[test]
    fn default_and_sign_in_scopes_cannot_be_registered() {
        //
        for text in [".default", "/.default", "openid", "offline_access", "", "a b", "a,b", "a/b"] {
            assert!(Scope::new(Resource::Graph, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_names_partner_center_first() {
        let scopes: Scopes = [
            scope(Resource::Graph, "User.Read"),
            scope(Resource::PartnerCenter, "user_impersonation"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            scopes.request_value(&Cloud::Global),
            "openid profile offline_access \
             https://api.partnercenter.microsoft.com/user_impersonation \
             https://graph.microsoft.com/User.Read"
        );
    }

    #[test]
    fn granted_scopes_are_read_bare_or_spelled_and_others_are_left_out() {
        let text = "openid profile https://graph.microsoft.com/User.Read Directory.Read.All \
                    https://api.partnercenter.microsoft.com/user_impersonation";
        let granted = Scopes::granted(text, &Resource::Graph, &Cloud::Global);
        let expected: Scopes =
            [scope(Resource::Graph, "User.Read"), scope(Resource::Graph, "Directory.Read.All")]
                .into_iter()
                .collect();
        assert_eq!(granted, expected);
    }
}
