//! Directory roles of the person who consents, and which of them are more than this work needs.
//!
//! Sources: Microsoft Entra, "Built-in roles"; Partner Center, "Partner security requirements", asks
//! for a service account with the least privilege. What Partner Center itself gives (Admin agent,
//! Sales agent) are groups and no directory roles.

use std::fmt;

/// A built-in directory role, as far as it is known here by name. A token names roles by their
/// template ids (`wids`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DirectoryRole {
    /// May do everything in the tenant.
    GlobalAdministrator,
    /// May give every role, also to itself.
    PrivilegedRoleAdministrator,
    /// May reset how anybody signs in, a Global Administrator too.
    PrivilegedAuthenticationAdministrator,
    /// Not for use, says Microsoft: may reset passwords.
    PartnerTier1Support,
    /// Not for use, says Microsoft: may reset everybody's passwords.
    PartnerTier2Support,
    /// May register applications and approve most of what they ask for.
    ApplicationAdministrator,
    /// The same without the application proxy.
    CloudApplicationAdministrator,
    /// May make and change users.
    UserAdministrator,
    /// May reset the passwords of users without power.
    HelpdeskAdministrator,
    /// May change security settings.
    SecurityAdministrator,
    /// May buy and pay.
    BillingAdministrator,
    /// May give licences.
    LicenseAdministrator,
    /// May change the tenant's domain names.
    DomainNameAdministrator,
    /// May write to the directory.
    DirectoryWriters,
    /// May read the directory.
    DirectoryReaders,
    /// May read everything.
    GlobalReader,
}

impl DirectoryRole {
    /// Each of them, the powerful ones first.
    pub const ALL: [Self; 16] = [
        Self::GlobalAdministrator,
        Self::PrivilegedRoleAdministrator,
        Self::PrivilegedAuthenticationAdministrator,
        Self::PartnerTier1Support,
        Self::PartnerTier2Support,
        Self::ApplicationAdministrator,
        Self::CloudApplicationAdministrator,
        Self::UserAdministrator,
        Self::HelpdeskAdministrator,
        Self::SecurityAdministrator,
        Self::BillingAdministrator,
        Self::LicenseAdministrator,
        Self::DomainNameAdministrator,
        Self::DirectoryWriters,
        Self::DirectoryReaders,
        Self::GlobalReader,
    ];

    /// The role with this template id, if it is one of these.
    #[must_use]
    pub fn of(template_id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.template_id().eq_ignore_ascii_case(template_id))
    }

    /// The id that it has in every tenant.
    #[must_use]
    pub const fn template_id(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "62e90394-69f5-4237-9190-012177145e10",
            Self::PrivilegedRoleAdministrator => "e8611ab8-c189-46e8-94e1-60213ab1f814",
            Self::PrivilegedAuthenticationAdministrator => "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
            Self::PartnerTier1Support => "4ba39ca4-527c-499a-b93d-d9b492c50246",
            Self::PartnerTier2Support => "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8",
            Self::ApplicationAdministrator => "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
            Self::CloudApplicationAdministrator => "158c047a-c907-4556-b7ef-446551a6b5f7",
            Self::UserAdministrator => "fe930be7-5e62-47db-91af-98c3a49a38b1",
            Self::HelpdeskAdministrator => "729827e3-9c14-49f7-bb1b-9608f156bbb8",
            Self::SecurityAdministrator => "194ae4cb-b126-40b2-bd5b-6091b380977d",
            Self::BillingAdministrator => "b0f54661-2d74-4c50-afa3-1ec803f12efe",
            Self::LicenseAdministrator => "4d6ac14f-3453-41d0-bef9-a3e0c569773a",
            Self::DomainNameAdministrator => "8329153b-31d0-4727-b945-745eb3bc5f31",
            Self::DirectoryWriters => "9360feb5-f418-4baa-8175-e2a00bac4301",
            Self::DirectoryReaders => "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
            Self::GlobalReader => "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
        }
    }

    /// The name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "Global Administrator",
            Self::PrivilegedRoleAdministrator => "Privileged Role Administrator",
            Self::PrivilegedAuthenticationAdministrator => {
                "Privileged Authentication Administrator"
            }
            Self::PartnerTier1Support => "Partner Tier1 Support",
            Self::PartnerTier2Support => "Partner Tier2 Support",
            Self::ApplicationAdministrator => "Application Administrator",
            Self::CloudApplicationAdministrator => "Cloud Application Administrator",
            Self::UserAdministrator => "User Administrator",
            Self::HelpdeskAdministrator => "Helpdesk Administrator",
            Self::SecurityAdministrator => "Security Administrator",
            Self::BillingAdministrator => "Billing Administrator",
            Self::LicenseAdministrator => "License Administrator",
            Self::DomainNameAdministrator => "Domain Name Administrator",
            Self::DirectoryWriters => "Directory Writers",
            Self::DirectoryReaders => "Directory Readers",
            Self::GlobalReader => "Global Reader",
        }
    }

    /// Whether nobody needs it who only consents for a control panel: who has it may become anybody
    /// in the tenant, or it is one that Microsoft says not to use.
    #[must_use]
    pub const fn is_powerful(self) -> bool {
        matches!(
            self,
            Self::GlobalAdministrator
                | Self::PrivilegedRoleAdministrator
                | Self::PrivilegedAuthenticationAdministrator
                | Self::PartnerTier1Support
                | Self::PartnerTier2Support
        )
    }

    /// The powerful roles among these template ids, each once.
    pub(crate) fn powerful(template_ids: &[String]) -> Vec<Self> {
        let has = |role: &Self| template_ids.iter().any(|id| Self::of(id) == Some(*role));
        Self::ALL.into_iter().filter(|role| role.is_powerful()).filter(has).collect()
    }
}

impl fmt::Display for DirectoryRole {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_own_id_in_any_case() {
        for role in DirectoryRole::ALL {
            let id = role.template_id();
            assert_eq!(DirectoryRole::of(id), Some(role), "{role}");
            assert_eq!(DirectoryRole::of(&id.to_uppercase()), Some(role), "{role}");
            assert_eq!(id.len(), 36, "{role}");
        }
        assert_eq!(DirectoryRole::of("b79fbf4d-3ef9-4689-8143-76b194e85509"), None, "every user");
        assert_eq!(DirectoryRole::of(""), None);
    }

    #[test]
    fn just_those_are_powerful_who_may_become_anybody() {
        let ids: Vec<String> = DirectoryRole::ALL
            .iter()
            .rev()
            .chain(&DirectoryRole::ALL)
            .map(|role| role.template_id().to_owned())
            .collect();
        let powerful = DirectoryRole::powerful(&ids);
        let names: Vec<_> = powerful.iter().map(ToString::to_string).collect();
        let expected = [
            "Global Administrator",
            "Privileged Role Administrator",
            "Privileged Authentication Administrator",
            "Partner Tier1 Support",
            "Partner Tier2 Support",
        ];
        assert_eq!(names, expected, "each once");
        assert_eq!(DirectoryRole::powerful(&["unheard of".to_owned()]), []);
    }
}
