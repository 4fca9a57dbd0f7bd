//! What a policy does about a user with more power than this work needs.

use super::{Policy, Refused};
use crate::model::consent::ConsentingUser;
use crate::model::role::DirectoryRole;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Privilege {
    #[default]
    Warned,
    Refused,
    Ignored,
}

impl Policy {
    /// Refuses the consent of a Global Administrator, or of a user with another role that
    /// [is powerful](DirectoryRole::is_powerful). By default it is taken with a
    /// [warning](crate::Warning).
    ///
    /// It refuses as well where Entra does not tell the roles: have the manifest ask for them by
    /// `groupMembershipClaims: DirectoryRole`.
    #[must_use]
    pub fn refusing_powerful_roles(mut self) -> Self {
        self.privilege = Privilege::Refused;
        self
    }

    /// Takes the consent of a user whose directory roles Entra does not tell, with a warning, also
    /// where powerful roles are refused.
    #[must_use]
    pub fn danger_unknown_roles(mut self) -> Self {
        self.unknown_roles = true;
        self
    }

    /// Takes the consent of a user with any role, and says nothing of it.
    #[must_use]
    pub fn danger_any_role(mut self) -> Self {
        self.privilege = Privilege::Ignored;
        self
    }

    pub(crate) fn ignores_roles(&self) -> bool {
        self.privilege == Privilege::Ignored
    }

    pub(super) fn admit_roles(&self, user: &ConsentingUser) -> Result<(), Refused> {
        if self.privilege != Privilege::Refused {
            return Ok(());
        }
        let Some(roles) = user.roles() else {
            return if self.unknown_roles { Ok(()) } else { Err(Refused::RolesUnknown) };
        };
        let powerful = DirectoryRole::powerful(roles);
        if powerful.is_empty() { Ok(()) } else { Err(Refused::PowerfulRoles(powerful)) }
    }
}

/// The names of roles, one after the other.
pub(super) fn listed(roles: &[DirectoryRole]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}
