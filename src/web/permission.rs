//! What a permission means, in plain words beside its name.
//!
//! Sources: Microsoft Graph permissions reference; Partner Center, "Enable secure application model";
//! Azure Service Management and Exchange Online, as Entra describes their delegated permissions.

use std::fmt;

use crate::model::scope::{Resource, Scope};

/// A delegated permission that control panels commonly ask for. Of any other a page shows the name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Permission {
    /// `user_impersonation` of Partner Center.
    PartnerCenter,
    /// `User.Read` of Microsoft Graph.
    UserRead,
    /// `User.Read.All` of Microsoft Graph.
    UserReadAll,
    /// `User.ReadWrite.All` of Microsoft Graph.
    UserReadWriteAll,
    /// `Directory.Read.All` of Microsoft Graph.
    DirectoryReadAll,
    /// `Directory.ReadWrite.All` of Microsoft Graph.
    DirectoryReadWriteAll,
    /// `Directory.AccessAsUser.All` of Microsoft Graph.
    DirectoryAccessAsUserAll,
    /// `Group.Read.All` of Microsoft Graph.
    GroupReadAll,
    /// `Group.ReadWrite.All` of Microsoft Graph.
    GroupReadWriteAll,
    /// `DelegatedAdminRelationship.Read.All` of Microsoft Graph.
    DelegatedAdminRead,
    /// `DelegatedAdminRelationship.ReadWrite.All` of Microsoft Graph.
    DelegatedAdminReadWrite,
    /// `Organization.Read.All` of Microsoft Graph.
    OrganizationRead,
    /// `user_impersonation` of Azure Service Management.
    AzureManagement,
    /// `Exchange.Manage` of Exchange Online.
    ExchangeManage,
    /// `openid`, which every sign-in asks for.
    SignIn,
    /// `profile`, which every sign-in asks for.
    Profile,
    /// `offline_access`, which every sign-in asks for.
    KeepAccess,
}

/// Whose permission it is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    PartnerCenter,
    Graph,
    /// By its application id URI in each cloud.
    Other(&'static [&'static str]),
    /// Nobody's: it is asked for beside all others.
    SignIn,
}

impl Permission {
    /// Each of them, for whoever translates.
    pub const ALL: [Self; 17] = [
        Self::PartnerCenter,
        Self::UserRead,
        Self::UserReadAll,
        Self::UserReadWriteAll,
        Self::DirectoryReadAll,
        Self::DirectoryReadWriteAll,
        Self::DirectoryAccessAsUserAll,
        Self::GroupReadAll,
        Self::GroupReadWriteAll,
        Self::DelegatedAdminRead,
        Self::DelegatedAdminReadWrite,
        Self::OrganizationRead,
        Self::AzureManagement,
        Self::ExchangeManage,
        Self::SignIn,
        Self::Profile,
        Self::KeepAccess,
    ];

    /// What every sign-in asks for besides: no scope names it.
    pub(super) const ALWAYS: [Self; 3] = [Self::SignIn, Self::Profile, Self::KeepAccess];

    /// The one that this scope is, where it is known.
    pub(super) fn of(scope: &Scope) -> Option<Self> {
        let is_meant = |one: &Self| {
            let (owner, name, _) = one.row();
            name == scope.permission() && owner.is(scope.resource())
        };
        Self::ALL.into_iter().find(is_meant)
    }

    pub(super) const fn english(self) -> &'static str {
        let (_, _, [english, _]) = self.row();
        english
    }

    pub(super) const fn korean(self) -> &'static str {
        let (_, _, [_, korean]) = self.row();
        korean
    }

    /// Whose it is, its name, and what it means in English and in Korean.
    const fn row(self) -> (Owner, &'static str, [&'static str; 2]) {
        match self {
            Self::PartnerCenter => (
                Owner::PartnerCenter,
                "user_impersonation",
                [
                    "work in Partner Center as this user: customers, orders, subscriptions, bills",
                    "이 사용자로서 Partner Center에서 고객, 주문, 구독, 청구를 관리합니다.",
                ],
            ),
            Self::UserRead => (
                Owner::Graph,
                "User.Read",
                [
                    "sign this user in and read their own profile",
                    "이 사용자를 로그인시키고 본인의 프로필을 읽습니다.",
                ],
            ),
            Self::UserReadAll => (
                Owner::Graph,
                "User.Read.All",
                ["read the full profiles of all users", "모든 사용자의 전체 프로필을 읽습니다."],
            ),
            Self::UserReadWriteAll => (
                Owner::Graph,
                "User.ReadWrite.All",
                [
                    "read and change the full profiles of all users, and add and delete users",
                    "모든 사용자의 전체 프로필을 읽고 변경하며, 사용자를 추가하고 삭제합니다.",
                ],
            ),
            Self::DirectoryReadAll => (
                Owner::Graph,
                "Directory.Read.All",
                [
                    "read the directory, such as users, groups and applications",
                    "사용자, 그룹, 애플리케이션 등 디렉터리의 정보를 읽습니다.",
                ],
            ),
            Self::DirectoryReadWriteAll => (
                Owner::Graph,
                "Directory.ReadWrite.All",
                [
                    "read and change the directory, such as users and groups, but neither delete \
                     them nor reset passwords",
                    "사용자와 그룹 등 디렉터리의 정보를 읽고 변경합니다. 사용자나 그룹을 삭제하거나 \
                     암호를 재설정할 수는 없습니다.",
                ],
            ),
            Self::DirectoryAccessAsUserAll => (
                Owner::Graph,
                "Directory.AccessAsUser.All",
                [
                    "do in the directory all that this user may do there",
                    "디렉터리에서 이 사용자가 할 수 있는 모든 일을 합니다.",
                ],
            ),
            Self::GroupReadAll => (
                Owner::Graph,
                "Group.Read.All",
                [
                    "read all groups and their members, and the conversations, files and calendars \
                     of those groups that this user can open",
                    "모든 그룹과 그 구성원을 읽고, 이 사용자가 열 수 있는 그룹의 대화, 파일, 일정을 \
                     읽습니다.",
                ],
            ),
            Self::GroupReadWriteAll => (
                Owner::Graph,
                "Group.ReadWrite.All",
                [
                    "read all groups and their members, create groups, and change groups and what is \
                     in them where this user may",
                    "모든 그룹과 그 구성원을 읽고 그룹을 만들며, 이 사용자의 권한 범위에서 그룹과 그 \
                     내용을 변경합니다.",
                ],
            ),
            Self::DelegatedAdminRead => (
                Owner::Graph,
                "DelegatedAdminRelationship.Read.All",
                [
                    "read the delegated administration (GDAP) of customers: relationships, roles, \
                     groups",
                    "고객에 대한 위임된 관리(GDAP)의 관계, 역할, 그룹을 읽습니다.",
                ],
            ),
            Self::DelegatedAdminReadWrite => (
                Owner::Graph,
                "DelegatedAdminRelationship.ReadWrite.All",
                [
                    "create, change and end the delegated administration (GDAP) of customers, and \
                     give its roles to groups",
                    "고객에 대한 위임된 관리(GDAP) 관계를 만들고 변경하고 종료하며, 그 역할을 그룹에 \
                     할당합니다.",
                ],
            ),
            Self::OrganizationRead => (
                Owner::Graph,
                "Organization.Read.All",
                [
                    "read what describes the organization, such as its licences and branding",
                    "라이선스와 브랜딩 등 조직의 정보를 읽습니다.",
                ],
            ),
            Self::AzureManagement => (
                Owner::Other(&[
                    "https://management.azure.com",
                    "https://management.core.windows.net",
                    "https://management.usgovcloudapi.net",
                    "https://management.chinacloudapi.cn",
                ]),
                "user_impersonation",
                [
                    "manage Azure as this user: subscriptions and what is in them",
                    "이 사용자로서 Azure의 구독과 그 안의 리소스를 관리합니다.",
                ],
            ),
            Self::ExchangeManage => (
                Owner::Other(&["https://outlook.office365.com"]),
                "Exchange.Manage",
                [
                    "manage Exchange Online as this user: mailboxes, groups, settings",
                    "이 사용자로서 Exchange Online의 사서함, 그룹, 설정을 관리합니다.",
                ],
            ),
            Self::SignIn => (
                Owner::SignIn,
                "openid",
                ["know which user signs in", "어느 사용자가 로그인하는지 확인합니다."],
            ),
            Self::Profile => (
                Owner::SignIn,
                "profile",
                ["read this user’s name and account", "이 사용자의 이름과 계정을 읽습니다."],
            ),
            Self::KeepAccess => (
                Owner::SignIn,
                "offline_access",
                [
                    "keep this access while nobody is signed in, until it is taken back",
                    "권한이 철회될 때까지, 로그인한 사람이 없을 때에도 이 권한을 유지합니다.",
                ],
            ),
        }
    }
}

/// As Microsoft names it, without whose it is.
impl fmt::Display for Permission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.row().1)
    }
}

impl Owner {
    fn is(self, resource: &Resource) -> bool {
        match (self, resource) {
            (Self::PartnerCenter, Resource::PartnerCenter) | (Self::Graph, Resource::Graph) => true,
            (Self::Other(uris), Resource::Custom(uri)) => {
                uris.contains(&uri.as_str().trim_end_matches('/'))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cloud::Cloud;
    use crate::model::scope::Scopes;

    fn known(resource: Resource, name: &str) -> Option<Permission> {
        Permission::of(&Scope::new(resource, name).expect("a scope"))
    }

    fn other(uri: &str) -> Resource {
        Resource::custom(uri).expect("a URI")
    }

    #[test]
    fn each_is_known_by_its_name_at_its_own_resource_alone() {
        for one in Permission::ALL {
            let (owner, name, _) = one.row();
            match owner {
                Owner::PartnerCenter => assert_eq!(known(Resource::PartnerCenter, name), Some(one)),
                Owner::Graph => assert_eq!(known(Resource::Graph, name), Some(one)),
                Owner::Other(uris) => {
                    for uri in uris {
                        assert_eq!(known(other(uri), name), Some(one));
                        assert_eq!(known(other(&format!("{uri}/")), name), Some(one));
                    }
                }
                Owner::SignIn => assert!(Permission::ALWAYS.contains(&one)),
            }
            assert!(one.row().2.iter().all(|words| !words.is_empty()), "{one}");
        }
        for (resource, name) in [
            (Resource::Graph, "user_impersonation"),
            (Resource::PartnerCenter, "User.Read"),
            (Resource::Graph, "user.read"),
            (Resource::Graph, "Domain.ReadWrite.All"),
            (other("https://management.azure.com.evil.example"), "user_impersonation"),
            (other("https://vault.azure.net"), "user_impersonation"),
        ] {
            assert_eq!(known(resource, name), None, "{name}");
        }
    }

    #[test]
    fn what_is_always_asked_for_is_what_a_request_says() {
        let names = Permission::ALWAYS.map(|one| one.to_string()).join(" ");
        assert_eq!(names, Scopes::default().request_value(&Cloud::Global));
    }
}
