//! Directory roles that nobody needs who only consents for a control panel.
//!
//! Sources: Microsoft Entra, "Built-in roles"; Partner Center, "Partner security requirements", asks
//! for a service account with the least privilege. What Partner Center itself gives (Admin agent,
//! Sales agent) are groups and no directory roles.

/// The roles among these template ids that are too powerful, by the names that people see.
pub(crate) fn powerful<'a>(ids: &'a [String]) -> impl Iterator<Item = &'static str> + use<'a> {
    let has = |id: &str| ids.iter().any(|own| own.eq_ignore_ascii_case(id));
    POWERFUL.iter().filter(move |(id, _)| has(id)).map(|(_, name)| *name)
}

/// Who may become anybody in the tenant. The last two Microsoft says not to use.
const POWERFUL: [(&str, &str); 5] = [
    ("62e90394-69f5-4237-9190-012177145e10", "Global Administrator"),
    ("e8611ab8-c189-46e8-94e1-60213ab1f814", "Privileged Role Administrator"),
    ("7be44c8a-adaf-4e2a-84d6-ab2649e08a13", "Privileged Authentication Administrator"),
    ("4ba39ca4-527c-499a-b93d-d9b492c50246", "Partner Tier1 Support"),
    ("e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8", "Partner Tier2 Support"),
];
