//! The application ids of the resources, by which manifests and Partner Center name them.
//!
//! Sources: Microsoft Graph permissions reference; Partner Center, "Enable secure application model".
//! The others are those that public code uses.

use super::scope::Resource;
use super::tenant::ClientId;

pub(crate) const PARTNER_CENTER: &str = "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd";
pub(crate) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
pub(crate) const AZURE_SERVICE_MANAGEMENT: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";
pub(crate) const AZURE_KEY_VAULT: &str = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";

/// By URI, without a slash at its end.
const OTHERS: &[(&str, &str)] = &[
    ("https://management.azure.com", AZURE_SERVICE_MANAGEMENT),
    ("https://vault.azure.net", AZURE_KEY_VAULT),
    ("https://outlook.office365.com", "00000002-0000-0ff1-ce00-000000000000"),
    ("https://manage.office.com", "c5393580-f805-4401-95e8-94b7a6ef2fc2"),
    ("https://api.interfaces.records.teams.microsoft.com", "48ac35b8-9aa8-4d74-927d-1f4a14a0b239"),
];

/// The application id of a resource, where it is known, or stands in its URI.
pub(crate) fn of(resource: &Resource) -> Option<ClientId> {
    let id = match resource {
        Resource::PartnerCenter => PARTNER_CENTER,
        Resource::Graph => GRAPH,
        Resource::Custom(uri) => {
            let uri = uri.as_str().trim_end_matches('/');
            if let Some(own) = uri.strip_prefix("api://") {
                return ClientId::parse(own).ok();
            }
            OTHERS.iter().find(|(known, _)| *known == uri)?.1
        }
    };
    ClientId::parse(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_or_stands_in_the_uri() {
        let id = |uri: &str| of(&Resource::custom(uri).expect("a URI")).map(|id| id.to_string());
        let own = "3c9ea5f0-62a4-4d3a-8b0c-1b1f2f2f0a11";
        assert_eq!(id(&format!("api://{own}")).as_deref(), Some(own));
        assert_eq!(id("https://management.azure.com/").as_deref(), Some(AZURE_SERVICE_MANAGEMENT));
        assert_eq!(id("api://panel"), None);
        assert_eq!(id("https://api.example"), None);
        assert!(of(&Resource::Graph).is_some() && of(&Resource::PartnerCenter).is_some());
    }
}
