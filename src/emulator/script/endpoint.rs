//! The places at which something can be scripted.

use serde::Deserialize;

/// A part of a service, or all of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Endpoint {
    /// All of Entra.
    Entra,
    /// Where an application sends a browser.
    Authorize,
    /// The pages between: sign-in, second factor, consent.
    SignIn,
    /// Where codes and refresh tokens are redeemed.
    Token,
    /// Where an administrator is sent to approve.
    AdminConsent,
    /// Where a browser is signed out.
    Logout,
    /// The OpenID Connect document.
    Discovery,
    /// The signing keys.
    Keys,
    /// All of Partner Center.
    PartnerCenter,
    /// Customers, all or one.
    Customers,
    /// Application consents in a customer's tenant.
    ApplicationConsents,
    /// All of Microsoft Graph.
    Graph,
    /// The signed-in user, and their memberships.
    Me,
    /// The organization.
    Organization,
    /// Service principals.
    ServicePrincipals,
    /// Delegated permission grants.
    PermissionGrants,
    /// Delegated administration relationships.
    Relationships,
    /// All of the Key Vault.
    KeyVault,
    /// Secrets, in use or deleted.
    Secrets,
    /// Keys that never leave the vault.
    VaultKeys,
    /// The managed identity endpoint.
    ManagedIdentity,
}

impl Endpoint {
    /// The service that it is a part of.
    const fn service(self) -> Self {
        match self {
            Self::Entra
            | Self::Authorize
            | Self::SignIn
            | Self::Token
            | Self::AdminConsent
            | Self::Logout
            | Self::Discovery
            | Self::Keys => Self::Entra,
            Self::PartnerCenter | Self::Customers | Self::ApplicationConsents => {
                Self::PartnerCenter
            }
            Self::Graph
            | Self::Me
            | Self::Organization
            | Self::ServicePrincipals
            | Self::PermissionGrants
            | Self::Relationships => Self::Graph,
            Self::KeyVault | Self::Secrets | Self::VaultKeys => Self::KeyVault,
            Self::ManagedIdentity => Self::ManagedIdentity,
        }
    }

    /// Whether a rule for this place is about that one as well.
    pub(super) fn includes(self, place: Self) -> bool {
        self == place || self == place.service()
    }

    /// The part of a service that a path leads to; what has no name is the service's own.
    pub(crate) fn of(service: Self, path: &str) -> Self {
        let path = path.to_ascii_lowercase();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let named = match service {
            Self::Entra => of_entra(&parts),
            Self::PartnerCenter => of_partner_center(&parts),
            Self::Graph => of_graph(&parts),
            Self::KeyVault => of_key_vault(&parts),
            _ => None,
        };
        named.unwrap_or(service)
    }
}

fn of_entra(path: &[&str]) -> Option<Endpoint> {
    match path {
        ["signin", ..] => Some(Endpoint::SignIn),
        [_, "oauth2", "v2.0", last] | [_, "oauth2", last] => match *last {
            "authorize" => Some(Endpoint::Authorize),
            "token" => Some(Endpoint::Token),
            "logout" => Some(Endpoint::Logout),
            _ => None,
        },
        [_, .., "adminconsent"] => Some(Endpoint::AdminConsent),
        [.., ".well-known", "openid-configuration"] | [_, "discovery", "instance"] => {
            Some(Endpoint::Discovery)
        }
        [_, "discovery", .., "keys"] => Some(Endpoint::Keys),
        _ => None,
    }
}

fn of_partner_center(path: &[&str]) -> Option<Endpoint> {
    match path {
        [_, "customers", _, "applicationconsents", ..] => Some(Endpoint::ApplicationConsents),
        [_, "customers"] | [_, "customers", _] => Some(Endpoint::Customers),
        _ => None,
    }
}

fn of_graph(path: &[&str]) -> Option<Endpoint> {
    match path {
        [_, .., "oauth2permissiongrants"] | [_, "oauth2permissiongrants", ..] => {
            Some(Endpoint::PermissionGrants)
        }
        [_, "me", ..] => Some(Endpoint::Me),
        [_, "organization", ..] => Some(Endpoint::Organization),
        [_, "tenantrelationships", ..] => Some(Endpoint::Relationships),
        [_, one, ..] if one.starts_with("serviceprincipals") => Some(Endpoint::ServicePrincipals),
        _ => None,
    }
}

fn of_key_vault(path: &[&str]) -> Option<Endpoint> {
    match path {
        ["secrets" | "deletedsecrets", ..] => Some(Endpoint::Secrets),
        ["keys", ..] => Some(Endpoint::VaultKeys),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_places() {
        let sheet = [
            (Endpoint::Entra, "/common/oauth2/v2.0/authorize", Endpoint::Authorize),
            (Endpoint::Entra, "/common/oauth2/authorize", Endpoint::Authorize),
            (Endpoint::Entra, "/Contoso.example/oauth2/v2.0/TOKEN", Endpoint::Token),
            (Endpoint::Entra, "/common/oauth2/token", Endpoint::Token),
            (Endpoint::Entra, "/common/oauth2/v2.0/logout", Endpoint::Logout),
            (Endpoint::Entra, "/organizations/v2.0/adminconsent", Endpoint::AdminConsent),
            (Endpoint::Entra, "/organizations/adminconsent", Endpoint::AdminConsent),
            (Endpoint::Entra, "/common/v2.0/.well-known/openid-configuration", Endpoint::Discovery),
            (Endpoint::Entra, "/common/.well-known/openid-configuration", Endpoint::Discovery),
            (Endpoint::Entra, "/common/discovery/instance", Endpoint::Discovery),
            (Endpoint::Entra, "/common/discovery/v2.0/keys", Endpoint::Keys),
            (Endpoint::Entra, "/common/discovery/keys", Endpoint::Keys),
            (Endpoint::Entra, "/signin", Endpoint::SignIn),
            (Endpoint::Entra, "/", Endpoint::Entra),
            (Endpoint::PartnerCenter, "/v1/customers", Endpoint::Customers),
            (Endpoint::PartnerCenter, "/v1/customers/x", Endpoint::Customers),
            (
                Endpoint::PartnerCenter,
                "/v1/customers/x/applicationConsents/y",
                Endpoint::ApplicationConsents,
            ),
            (Endpoint::PartnerCenter, "/v1/customers/x/users", Endpoint::PartnerCenter),
            (Endpoint::Graph, "/v1.0/me/memberOf", Endpoint::Me),
            (Endpoint::Graph, "/beta/organization", Endpoint::Organization),
            (Endpoint::Graph, "/v1.0/servicePrincipals(appId='x')", Endpoint::ServicePrincipals),
            (
                Endpoint::Graph,
                "/v1.0/servicePrincipals/x/oauth2PermissionGrants",
                Endpoint::PermissionGrants,
            ),
            (Endpoint::Graph, "/v1.0/oauth2PermissionGrants/x", Endpoint::PermissionGrants),
            (
                Endpoint::Graph,
                "/v1.0/tenantRelationships/delegatedAdminRelationships",
                Endpoint::Relationships,
            ),
            (Endpoint::KeyVault, "/deletedsecrets/x", Endpoint::Secrets),
            (Endpoint::KeyVault, "/keys/x/y/sign", Endpoint::VaultKeys),
            (Endpoint::KeyVault, "/certificates", Endpoint::KeyVault),
            (
                Endpoint::ManagedIdentity,
                "/metadata/identity/oauth2/token",
                Endpoint::ManagedIdentity,
            ),
        ];
        for (service, path, place) in sheet {
            assert_eq!(Endpoint::of(service, path), place, "{path}");
            assert!(service.includes(place), "{path}");
        }
    }

    #[test]
    fn a_part_includes_nothing_else() {
        assert!(Endpoint::Token.includes(Endpoint::Token));
        assert!(!Endpoint::Token.includes(Endpoint::Entra));
        assert!(!Endpoint::Token.includes(Endpoint::Keys));
        assert!(!Endpoint::Graph.includes(Endpoint::Customers));
    }
}
