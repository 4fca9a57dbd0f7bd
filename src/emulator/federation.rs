//! Another issuer that an application trusts by a federated identity credential.
//!
//! Source: Microsoft Graph, the `federatedIdentityCredential` resource; Microsoft identity platform,
//! "Workload identity federation".

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Emulator;
use super::state::World;
use super::state::application::Federated;
use super::state::signer::Signer;
use crate::model::clock::unix_seconds;
use crate::model::tenant::ClientId;

impl Emulator {
    /// An issuer with a key of its own, whose tokens for `subject` the application may show in place
    /// of a credential. `None` if there is no such application.
    pub fn federate(&self, client: ClientId, subject: &str) -> Option<FederatedIssuer> {
        let issuer = format!("https://issuer.example/{}", self.world().chance.guid());
        let (key, subject) = (Arc::new(Signer::generate()), subject.to_owned());
        let trusted = Federated { issuer, subject, key };
        let mut directory = self.world().directory();
        directory.application_mut(client)?.federated.push(trusted.clone());
        Some(FederatedIssuer { trusted, world: Arc::clone(&self.running.world) })
    }
}

/// An issuer of tokens that an application shows at Entra.
#[derive(Clone)]
pub struct FederatedIssuer {
    trusted: Federated,
    world: Arc<World>,
}

impl FederatedIssuer {
    /// A token for the subject, good for so long by the emulator's clock.
    #[must_use]
    pub fn token(&self, lifetime: Duration) -> String {
        let now = unix_seconds(self.world.now());
        self.trusted.key.sign(&json!({
            "iss": self.trusted.issuer, "sub": self.trusted.subject, "aud": [Federated::AUDIENCE],
            "jti": self.world.chance.guid().to_string(),
            "iat": now, "nbf": now, "exp": now + lifetime.as_secs(),
        }))
    }
}

impl fmt::Debug for FederatedIssuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FederatedIssuer({})", self.trusted.issuer)
    }
}
