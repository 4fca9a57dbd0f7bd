//! Where each service is.

/// How many services there are, each with a port of its own.
pub(in crate::emulator) const SERVICES: usize = 6;

/// Where each service is reached, such as `https://localhost:41234`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origins {
    /// Where people sign in and tokens are issued.
    pub login: String,
    /// Partner Center's REST API.
    pub partner_center: String,
    /// Microsoft Graph's REST API.
    pub graph: String,
    /// Key Vault's REST API.
    pub key_vault: String,
    /// The managed identity endpoint.
    pub identity: String,
    /// The admin endpoint.
    pub admin: String,
}

impl Origins {
    /// The ports stand in the order of the members.
    pub(in crate::emulator) fn new(scheme: &str, host: &str, ports: &[u16; SERVICES]) -> Self {
        let [login, partner_center, graph, key_vault, identity, admin] =
            ports.map(|port| format!("{scheme}://{host}:{port}"));
        Self { login, partner_center, graph, key_vault, identity, admin }
    }
}
