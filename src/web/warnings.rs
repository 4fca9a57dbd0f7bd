//! The policy's verdict: met, and what a person should see before confirming.

use maud::{Markup, html};

use super::pages::{Pages, kind, names};
use super::phrase::Phrase;
use crate::model::consent::Guest;
use crate::model::policy::Warning;
use crate::model::role::DirectoryRole;

impl Pages<'_> {
    pub(super) fn verdict(&self, warnings: &[Warning]) -> Markup {
        let said = self.sentences(warnings);
        if said.is_empty() {
            return html! { (self.says(Phrase::PolicyAccepts)) };
        }
        html! {
            (self.says(Phrase::PolicyWarns))
            ul .warning { @for sentence in said { li { (sentence) } } }
        }
    }

    /// One for each warning; powerful roles share theirs.
    fn sentences(&self, warnings: &[Warning]) -> Vec<Markup> {
        let roles: Vec<DirectoryRole> = warnings.iter().filter_map(powerful).collect();
        let roles = (!roles.is_empty()).then(|| self.english(&html! { (names(&roles)) }));
        let roles = roles.map(|roles| self.says_of(Phrase::WarnsPowerful, &[("roles", roles)]));
        let others = warnings.iter().filter_map(|warning| self.sentence(warning));
        roles.into_iter().chain(others).collect()
    }

    fn sentence(&self, warning: &Warning) -> Option<Markup> {
        let phrase = match warning {
            Warning::PowerfulRole(_) => return None,
            Warning::ScopesBeyond(scopes) => {
                let facts = [("scopes", self.english(&html! { (scopes) }))];
                return Some(self.says_of(Phrase::WarnsBeyond, &facts));
            }
            Warning::KindChanged { from, to } => {
                let [from, to] = [from, to].map(|one| self.says(kind(*one)));
                return Some(self.says_of(Phrase::WarnsKind, &[("from", from), ("to", to)]));
            }
            Warning::RolesUnknown => Phrase::WarnsRolesUnknown,
            Warning::Guest(Guest::Unknown) => Phrase::WarnsGuestPerhaps,
            Warning::Guest(_) => Phrase::WarnsGuest,
            Warning::MfaMissing(_) => Phrase::WarnsNoFactor,
            Warning::MfaUnknown => Phrase::WarnsFactorUnknown,
            Warning::MfaWeaker(_) => Phrase::WarnsWeaker,
            Warning::MfaExpired => Phrase::WarnsExpired,
        };
        Some(self.says(phrase))
    }
}

const fn powerful(warning: &Warning) -> Option<DirectoryRole> {
    match warning {
        Warning::PowerfulRole(role) => Some(*role),
        _ => None,
    }
}
