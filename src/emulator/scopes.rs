//! What resources offer and how a request names it.
//!
//! Source: Microsoft identity platform, "Scopes and permissions", and the Graph permissions
//! reference. A scope is `{resource}/{permission}`; a bare name is one of Graph's.

use std::collections::{BTreeSet, HashMap};

use super::errors::Refusal;

pub(super) const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
pub(super) const GRAPH: &str = "https://graph.microsoft.com";

/// The words of a `scope` parameter, sorted out.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) openid: bool,
    pub(super) offline_access: bool,
    pub(super) named: Vec<(String, String)>,
    /// Entra repeats Graph's permissions bare, unless they were asked for with their resource.
    pub(super) bare: bool,
}

impl Asked {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        for word in text.split_ascii_whitespace() {
            match word {
                "openid" => asked.openid = true,
                "offline_access" => asked.offline_access = true,
                "profile" | "email" => {}
                _ => asked.name(word)?,
            }
        }
        if asked.mixes_default() {
            return Err(Refusal::new(70_011).about("'.default' stands beside named scopes"));
        }
        Ok(asked)
    }

    fn name(&mut self, word: &str) -> Result<(), Refusal> {
        let (resource, permission) = match word.rsplit_once('/') {
            Some(parts) => parts,
            None => {
                self.bare = true;
                (GRAPH, word)
            }
        };
        if resource.is_empty() || permission.is_empty() {
            return Err(Refusal::new(70_011).about(&format!("'{word}'")));
        }
        self.named.push((resource.to_owned(), permission.to_owned()));
        Ok(())
    }

    fn mixes_default(&self) -> bool {
        let defaults = self.named.iter().filter(|(_, name)| name == ".default");
        defaults.map(|(resource, _)| self.permissions(resource)).any(|names| names.len() > 1)
    }

    /// The resource a token would be for.
    pub(super) fn first_resource(&self) -> Option<&str> {
        self.named.first().map(|(resource, _)| resource.as_str())
    }

    pub(super) fn resources(&self) -> BTreeSet<&str> {
        self.named.iter().map(|(resource, _)| resource.as_str()).collect()
    }

    pub(super) fn permissions(&self, resource: &str) -> BTreeSet<&str> {
        let of = self.named.iter().filter(|(known, _)| known == resource);
        of.map(|(_, permission)| permission.as_str()).collect()
    }

    /// The `scope` of a reply: what was granted on the resource, in the spelling it was asked in.
    pub(super) fn reply<'g>(
        &self,
        resource: &str,
        granted: impl Iterator<Item = &'g String>,
    ) -> String {
        let bare = self.bare && resource == GRAPH;
        let mut words: Vec<String> = granted
            .map(|name| if bare { name.clone() } else { format!("{resource}/{name}") })
            .collect();
        if self.openid {
            words.insert(0, "openid profile".to_owned());
        }
        words.join(" ")
    }
}

/// Every resource with its permissions: the table's, and those that registrations brought.
#[derive(Debug)]
pub(super) struct Catalogue(HashMap<String, BTreeSet<String>>);

impl Catalogue {
    pub(super) fn new() -> Self {
        let mut catalogue = Self(HashMap::new());
        for (resource, permissions) in OFFERED {
            permissions.iter().for_each(|permission| catalogue.learn(resource, permission));
        }
        catalogue
    }

    pub(super) fn learn(&mut self, resource: &str, permission: &str) {
        self.0.entry(resource.to_owned()).or_default().insert(permission.to_owned());
    }

    /// Refuses resources and permissions that do not exist.
    pub(super) fn check(&self, asked: &Asked) -> Result<(), Refusal> {
        for (resource, permission) in &asked.named {
            let Some(offered) = self.0.get(resource) else {
                return Err(Refusal::new(500_011).about(resource));
            };
            if permission != ".default" && !offered.contains(permission) {
                return Err(Refusal::new(650_053).about(&format!("'{permission}' on {resource}")));
            }
        }
        Ok(())
    }
}

/// Whether only an administrator may grant it.
pub(super) fn needs_administrator(permission: &str) -> bool {
    let for_everyone = permission.ends_with(".All") || permission.contains("AccessAsUser");
    for_everyone && permission != "User.ReadBasic.All"
}

const OFFERED: [(&str, &[&str]); 4] = [
    (PARTNER_CENTER, &["user_impersonation"]),
    (
        GRAPH,
        &[
            "User.Read",
            "User.ReadBasic.All",
            "User.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
            "Directory.AccessAsUser.All",
            "Domain.ReadWrite.All",
            "Organization.Read.All",
            "Application.ReadWrite.All",
            "AppRoleAssignment.ReadWrite.All",
            "DelegatedPermissionGrant.ReadWrite.All",
            "DelegatedAdminRelationship.Read.All",
            "DelegatedAdminRelationship.ReadWrite.All",
        ],
    ),
    ("https://management.azure.com", &["user_impersonation"]),
    ("https://vault.azure.net", &["user_impersonation"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_by_resource_and_default_stands_alone() {
        let text = "openid profile offline_access User.Read https://vault.azure.net/.default";
        let asked = Asked::parse(text).expect("well-formed");
        assert!(asked.openid && asked.offline_access);
        assert_eq!(asked.first_resource(), Some(GRAPH));
        assert_eq!(asked.permissions("https://vault.azure.net"), BTreeSet::from([".default"]));
        let mixed = format!("{GRAPH}/.default {GRAPH}/User.Read");
        assert_eq!(Asked::parse(&mixed).expect_err("mixed").number, 70_011);
        assert_eq!(Asked::parse("https://x.example/").expect_err("no name").number, 70_011);
    }

    #[test]
    fn granted_scopes_come_back_in_the_spelling_that_was_asked() {
        let granted = ["User.Read".to_owned()];
        let bare = Asked::parse("User.Read").expect("well-formed");
        assert_eq!(bare.reply(GRAPH, granted.iter()), "User.Read");
        let full =
            Asked::parse("openid https://graph.microsoft.com/User.Read").expect("well-formed");
        let expected = "openid profile https://graph.microsoft.com/User.Read";
        assert_eq!(full.reply(GRAPH, granted.iter()), expected);
    }
}
