//! The ids under which a manifest names resources and delegated permissions.
//!
//! Sources: Microsoft Graph permissions reference; Partner Center, "Enable secure application model".
//! The ids of Azure Service Management and Key Vault are those that public code uses. An application
//! permission of the same name has another id.

use crate::model::resource_id::{AZURE_KEY_VAULT, AZURE_SERVICE_MANAGEMENT};
pub(super) use crate::model::resource_id::{GRAPH, PARTNER_CENTER};
use crate::model::scope::{Resource, Scope};

pub(super) const AZURE_AD_GRAPH: &str = "00000002-0000-0000-c000-000000000000";

/// A delegated permission as a manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) resource: &'static str,
    pub(super) id: &'static str,
}

impl Permission {
    /// The ids of a scope, where they are known.
    pub(super) fn of(scope: &Scope) -> Option<Self> {
        let (resource, offered) = offered(scope.resource())?;
        let (_, id) = offered.iter().find(|(name, _)| *name == scope.permission())?;
        Some(Self { resource, id })
    }

    /// What every sign-in asks for besides: an ID token, the user's id in it, and a refresh token.
    pub(super) fn sign_in() -> impl Iterator<Item = Self> {
        SIGN_IN.into_iter().map(|id| Self { resource: GRAPH, id })
    }
}

/// The resource of a scope, where its id is known.
pub(super) fn resource_of(scope: &Scope) -> Option<&'static str> {
    offered(scope.resource()).map(|(resource, _)| resource)
}

/// Whether permissions of this resource are known.
pub(super) fn is_known(resource: &str) -> bool {
    offered_by(resource).is_some()
}

/// The name of a delegated permission, for people to read.
pub(super) fn name_of(resource: &str, id: &str) -> Option<&'static str> {
    let mut offered = offered_by(resource)?.iter();
    offered.find(|(_, known)| known.eq_ignore_ascii_case(id)).map(|(name, _)| *name)
}

fn offered_by(resource: &str) -> Option<Offered> {
    match resource {
        PARTNER_CENTER => Some(PARTNER_CENTERS),
        GRAPH => Some(GRAPHS),
        _ => OTHERS.iter().find(|(_, known, _)| *known == resource).map(|(.., offered)| *offered),
    }
}

/// The name of a resource, for people to read.
pub(super) fn name_of_resource(id: &str) -> Option<&'static str> {
    Some(match id {
        PARTNER_CENTER => "Partner Center",
        GRAPH => "Microsoft Graph",
        AZURE_SERVICE_MANAGEMENT => "Azure Service Management",
        AZURE_KEY_VAULT => "Azure Key Vault",
        _ => return None,
    })
}

fn offered(resource: &Resource) -> Option<(&'static str, Offered)> {
    match resource {
        Resource::PartnerCenter => Some((PARTNER_CENTER, PARTNER_CENTERS)),
        Resource::Graph => Some((GRAPH, GRAPHS)),
        Resource::Custom(uri) => {
            let uri = uri.as_str().trim_end_matches('/');
            let known = OTHERS.iter().find(|(known, ..)| *known == uri);
            known.map(|(_, app_id, offered)| (*app_id, *offered))
        }
    }
}

type Offered = &'static [(&'static str, &'static str)];

const PARTNER_CENTERS: Offered = &[("user_impersonation", "1cebfa2a-fb4d-419e-b5f9-839b4383e05a")];

const GRAPHS: Offered = &[
    ("User.Read", "e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
    ("Directory.Read.All", "06da0dbc-49e2-44d2-8312-53f166ab848a"),
    ("Directory.ReadWrite.All", "c5366453-9fb0-48a5-a156-24f0c49a4b84"),
    ("Directory.AccessAsUser.All", "0e263e50-5827-48a4-b97c-d940288653c7"),
    ("User.Read.All", "a154be20-db9c-4678-8ab7-66f6cc099a59"),
    ("User.ReadWrite.All", "204e0828-b5ca-4ad8-b9f3-f32a958e7cc4"),
    ("Domain.ReadWrite.All", "0b5d694c-a244-4bde-86e6-eb5cd07730fe"),
    ("Organization.Read.All", "4908d5b9-3fb2-4b1e-9336-1888b7937185"),
    ("Application.ReadWrite.All", "bdfbf15f-ee85-4955-8675-146e8e5296b5"),
    ("AppRoleAssignment.ReadWrite.All", "84bccea3-f856-4a8a-967b-dbe0a3d53a64"),
    ("DelegatedPermissionGrant.ReadWrite.All", "41ce6ca6-6826-4807-84f1-1c82854f7ee5"),
    ("DelegatedAdminRelationship.Read.All", "0c0064ea-477b-4130-82a5-4c2cc4ff68aa"),
    ("DelegatedAdminRelationship.ReadWrite.All", "885f682f-a990-4bad-a642-36736a74b0c7"),
    ("openid", OPENID),
    ("profile", PROFILE),
    ("offline_access", OFFLINE_ACCESS),
];

const OPENID: &str = "37f7f235-527c-4136-accd-4a02d197296e";
const PROFILE: &str = "14dad69e-099b-42c9-810b-d002981feec1";
const OFFLINE_ACCESS: &str = "7427e0e9-2fba-42fe-b0c0-848c9e6a8182";

const SIGN_IN: [&str; 3] = [OPENID, PROFILE, OFFLINE_ACCESS];

const OTHERS: &[(&str, &str, Offered)] = &[
    (
        "https://management.azure.com",
        AZURE_SERVICE_MANAGEMENT,
        &[("user_impersonation", "41094075-9dad-400e-a0bd-54e686782033")],
    ),
    (
        "https://vault.azure.net",
        AZURE_KEY_VAULT,
        &[("user_impersonation", "f53da476-18e3-4152-8e01-aec403e6edc0")],
    ),
];
