//! What a request asks for, and how it names it.
//!
//! Source: Microsoft identity platform, "Scopes and permissions". A scope is
//! `{resource}/{permission}`; a bare name is one of Graph's.

use std::collections::BTreeSet;

use super::refusal::Refusal;

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

    /// What a v1.0 request asks for: all that was granted on a resource, and to stay signed in.
    pub(super) fn everything_of(resource: String) -> Self {
        let named = vec![(resource, ".default".to_owned())];
        Self { openid: true, offline_access: true, named, bare: false }
    }

    /// All that is registered for these resources.
    pub(super) fn default_of<'r>(resources: impl IntoIterator<Item = &'r str>) -> Self {
        let named = resources.into_iter().map(|uri| (uri.to_owned(), ".default".to_owned()));
        Self { named: named.collect(), ..Self::default() }
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
    /// `.default` is repeated, and the words of sign-in are Graph's.
    pub(super) fn reply<'g>(
        &self,
        resource: &str,
        granted: impl Iterator<Item = &'g String>,
    ) -> String {
        let bare = self.bare && resource == GRAPH;
        let mut words = String::with_capacity(256);
        let mut add = |of: &str, name: &str| {
            let gap = if words.is_empty() { "" } else { " " };
            let slash = if of.is_empty() { "" } else { "/" };
            words.extend([gap, of, slash, name]);
        };
        if self.openid && resource == GRAPH {
            add("", "openid profile");
        }
        granted.for_each(|name| add(if bare { "" } else { resource }, name));
        if self.permissions(resource).contains(".default") {
            add(resource, ".default");
        }
        words
    }
}

/// Whether only an administrator may grant it.
pub(super) fn needs_administrator(permission: &str) -> bool {
    let for_everyone = permission.ends_with(".All") || permission.contains("AccessAsUser");
    for_everyone && permission != "User.ReadBasic.All"
}

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
        let default = Asked::parse("openid https://x.example/.default").expect("well-formed");
        let expected = "https://x.example/User.Read https://x.example/.default";
        assert_eq!(default.reply("https://x.example", granted.iter()), expected);
    }
}
