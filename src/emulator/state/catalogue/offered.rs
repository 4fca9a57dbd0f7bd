//! The table of Microsoft's resources.
//!
//! Source: Microsoft Graph permissions reference; Partner Center, "Enable secure application model".
//! An id that is missing here is added by `Emulator::offer_permission`.

use crate::emulator::scopes::{GRAPH, PARTNER_CENTER};

type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Application id, URI, name, and the delegated permissions with their ids.
pub(super) const OFFERED: [Row; 8] = [
    (
        "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd",
        PARTNER_CENTER,
        "Microsoft Partner Center",
        &[("user_impersonation", "1cebfa2a-fb4d-419e-b5f9-839b4383e05a")],
    ),
    (
        "00000003-0000-0000-c000-000000000000",
        GRAPH,
        "Microsoft Graph",
        &[
            ("User.Read", "e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
            ("User.ReadWrite", "b4e74841-8e56-480b-be8b-910348b18b4c"),
            ("User.ReadBasic.All", "b340eb25-3456-403f-be2f-af7a0d370277"),
            ("User.Read.All", "a154be20-db9c-4678-8ab7-66f6cc099a59"),
            ("User.ReadWrite.All", "204e0828-b5ca-4ad8-b9f3-f32a958e7cc4"),
            ("Directory.Read.All", "06da0dbc-49e2-44d2-8312-53f166ab848a"),
            ("Directory.ReadWrite.All", "c5366453-9fb0-48a5-a156-24f0c49a4b84"),
            ("Directory.AccessAsUser.All", "0e263e50-5827-48a4-b97c-d940288653c7"),
            ("Domain.Read.All", "2f9ee017-59c1-4f1d-9472-bd5529a7b311"),
            ("Domain.ReadWrite.All", "0b5d694c-a244-4bde-86e6-eb5cd07730fe"),
            ("Organization.Read.All", "4908d5b9-3fb2-4b1e-9336-1888b7937185"),
            ("Organization.ReadWrite.All", "46ca0847-7e6b-426e-9775-ea810a948356"),
            ("Group.Read.All", "5f8c59db-677d-491f-a6b8-5f174b11ec1d"),
            ("Group.ReadWrite.All", "4e46008b-f24c-477d-8fff-7bb4ec7aafe0"),
            ("GroupMember.Read.All", "bc024368-1153-4739-b217-4326f2e966d0"),
            ("GroupMember.ReadWrite.All", "f81125ac-d3b7-4573-a3b2-7099cc39df9e"),
            ("RoleManagement.Read.Directory", "741c54c3-0c1e-44a1-818b-3f97ab4e8c83"),
            ("RoleManagement.ReadWrite.Directory", "d01b97e9-cbc0-49fe-810a-750afd5527a3"),
            ("Application.Read.All", "c79f8feb-a9db-4090-85f9-90d820caa0eb"),
            ("Application.ReadWrite.All", "bdfbf15f-ee85-4955-8675-146e8e5296b5"),
            ("AppRoleAssignment.ReadWrite.All", "84bccea3-f856-4a8a-967b-dbe0a3d53a64"),
            ("AuditLog.Read.All", "e4c9e354-4dc5-45b8-9e7c-e1393b0b1a20"),
            ("CrossTenantInformation.ReadBasic.All", "81594d25-e88e-49cf-ac8c-fecbff49f994"),
            ("DelegatedPermissionGrant.ReadWrite.All", "41ce6ca6-6826-4807-84f1-1c82854f7ee5"),
            ("DelegatedAdminRelationship.Read.All", "0c0064ea-477b-4130-82a5-4c2cc4ff68aa"),
            ("DelegatedAdminRelationship.ReadWrite.All", "885f682f-a990-4bad-a642-36736a74b0c7"),
        ],
    ),
    (
        "00000002-0000-0000-c000-000000000000",
        "https://graph.windows.net",
        "Windows Azure Active Directory",
        &[("User.Read", "311a71cc-e848-46a1-bdf8-97ff7156d8e6")],
    ),
    (
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "https://management.azure.com",
        "Windows Azure Service Management API",
        &[("user_impersonation", "41094075-9dad-400e-a0bd-54e686782033")],
    ),
    (
        "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "https://vault.azure.net",
        "Azure Key Vault",
        &[("user_impersonation", "f53da476-18e3-4152-8e01-aec403e6edc0")],
    ),
    (
        "00000002-0000-0ff1-ce00-000000000000",
        "https://outlook.office365.com",
        "Office 365 Exchange Online",
        &[("Exchange.Manage", "ab4f2b77-0b06-4fc1-a9de-02113fc2ab7c")],
    ),
    (
        "c5393580-f805-4401-95e8-94b7a6ef2fc2",
        "https://manage.office.com",
        "Office 365 Management APIs",
        &[("ActivityFeed.Read", "594c1fb6-4f81-4475-ae41-0c394909246c")],
    ),
    (
        "48ac35b8-9aa8-4d74-927d-1f4a14a0b239",
        "https://api.interfaces.records.teams.microsoft.com",
        "Skype and Teams Tenant Admin API",
        &[("user_impersonation", "e60370c1-e451-437e-aa6e-d76df38e5f15")],
    ),
];

/// OpenID Connect's scopes, which manifests list among Graph's.
pub(super) const OPENID: [(&str, &str); 4] = [
    ("openid", "37f7f235-527c-4136-accd-4a02d197296e"),
    ("profile", "14dad69e-099b-42c9-810b-d002981feec1"),
    ("email", "64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0"),
    ("offline_access", "7427e0e9-2fba-42fe-b0c0-848c9e6a8182"),
];
