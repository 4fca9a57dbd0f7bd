//! What resources there are: their applications, and the delegated permissions that each offers.
//!
//! Source: Microsoft Graph permissions reference; Partner Center, "Enable secure application model";
//! the manifests that vendors have published.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use uuid::{Builder, Uuid};

use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::{Asked, GRAPH};
use crate::model::tenant::ClientId;

mod offered;

use offered::{OFFERED, OPENID};

/// Every resource with its permissions: the table's, and those that registrations brought.
#[derive(Debug)]
pub(crate) struct Catalogue {
    resources: HashMap<String, Offer>,
    by_app_id: HashMap<String, String>,
}

/// A resource's application and its delegated permissions, each with its id.
#[derive(Debug)]
struct Offer {
    app_id: String,
    name: String,
    permissions: BTreeMap<String, String>,
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let mut catalogue = Self { resources: HashMap::new(), by_app_id: HashMap::new() };
        for (app_id, uri, name, permissions) in OFFERED {
            let named = permissions.iter().map(|(name, id)| ((*name).into(), (*id).into()));
            catalogue.add(uri, app_id, name, named.collect());
        }
        catalogue
    }

    fn add(&mut self, uri: &str, app_id: &str, name: &str, permissions: BTreeMap<String, String>) {
        let offer = Offer { app_id: app_id.to_owned(), name: name.to_owned(), permissions };
        self.by_app_id.insert(app_id.to_owned(), uri.to_owned());
        self.resources.insert(uri.to_owned(), offer);
    }

    /// Adds a permission that a test's own resource, or one of Microsoft's, offers as well.
    pub(crate) fn offer(&mut self, app_id: &str, uri: &str, permission: &str, id: &str) {
        if !self.resources.contains_key(uri) {
            self.add(uri, &app_id.to_ascii_lowercase(), uri, BTreeMap::new());
        }
        let Some(offer) = self.resources.get_mut(uri) else { return };
        offer.permissions.insert(permission.to_owned(), id.to_ascii_lowercase());
    }

    /// Takes note of a permission that a registration names. What is in no table gets ids of its
    /// own, the same in every emulator.
    pub(crate) fn learn(&mut self, uri: &str, permission: &str) {
        if !self.resources.contains_key(uri) {
            self.add(uri, &made_up_id(&[uri]), uri, BTreeMap::new());
        }
        let Some(offer) = self.resources.get_mut(uri) else { return };
        let id = || made_up_id(&[uri, permission]);
        offer.permissions.entry(permission.to_owned()).or_insert_with(id);
    }

    /// The resource whose application has this id.
    pub(crate) fn resource_of(&self, app_id: &str) -> Option<&str> {
        self.by_app_id.get(&app_id.to_ascii_lowercase()).map(String::as_str)
    }

    /// The application id of a resource.
    pub(crate) fn app_id(&self, uri: &str) -> Option<&str> {
        Some(&self.resources.get(uri)?.app_id)
    }

    /// The same, as a service principal names it.
    pub(crate) fn client_id(&self, uri: &str) -> Option<ClientId> {
        ClientId::parse(self.app_id(uri)?).ok()
    }

    /// The name that people see.
    pub(crate) fn name(&self, uri: &str) -> Option<&str> {
        Some(&self.resources.get(uri)?.name)
    }

    /// Whether a resource has a permission of that name; OpenID Connect's scopes are none.
    pub(crate) fn offers(&self, uri: &str, name: &str) -> bool {
        self.resources.get(uri).is_some_and(|offer| offer.permissions.contains_key(name))
    }

    /// The id of a permission. OpenID Connect's scopes have one each at Graph.
    pub(crate) fn permission_id(&self, uri: &str, name: &str) -> Option<&str> {
        let openid = OPENID.iter().find(|(known, _)| uri == GRAPH && *known == name);
        let offered = || self.resources.get(uri)?.permissions.get(name).map(String::as_str);
        openid.map(|(_, id)| *id).or_else(offered)
    }

    /// The name of a permission.
    pub(crate) fn permission_named(&self, uri: &str, id: &str) -> Option<&str> {
        let openid =
            OPENID.iter().find(|(_, known)| uri == GRAPH && known.eq_ignore_ascii_case(id));
        if let Some((name, _)) = openid {
            return Some(name);
        }
        let mut permissions = self.resources.get(uri)?.permissions.iter();
        let (name, _) = permissions.find(|(_, known)| known.eq_ignore_ascii_case(id))?;
        Some(name)
    }

    /// Every permission that a resource offers, with its id.
    pub(crate) fn permissions(&self, uri: &str) -> impl Iterator<Item = (&str, &str)> {
        let offers = self.resources.get(uri).into_iter();
        offers.flat_map(|offer| offer.permissions.iter().map(|(name, id)| (&**name, &**id)))
    }

    /// The application ids of every resource.
    pub(crate) fn client_ids(&self) -> impl Iterator<Item = ClientId> {
        self.resources.values().filter_map(|offer| ClientId::parse(&offer.app_id).ok())
    }

    /// Refuses resources and permissions that do not exist.
    pub(crate) fn check(&self, asked: &Asked) -> Result<(), Refusal> {
        for (resource, permission) in &asked.named {
            let Some(offered) = self.resources.get(resource) else {
                return Err(Refusal::new(500_011).about(resource));
            };
            if permission != ".default" && !offered.permissions.contains_key(permission) {
                return Err(Refusal::new(650_053).about(&format!("'{permission}' on {resource}")));
            }
        }
        Ok(())
    }
}

fn made_up_id(of: &[&str]) -> String {
    derived(of.iter().map(|part| part.as_bytes())).to_string()
}

/// A GUID that the same parts always yield, so that it need not be remembered.
pub(super) fn derived<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Uuid {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(part);
        text.push(0);
    }
    let hash = digest(&SHA256, &text);
    let bytes = hash.as_ref()[..16].try_into().expect("a SHA-256 hash is longer");
    Builder::from_random_bytes(bytes).into_uuid()
}
