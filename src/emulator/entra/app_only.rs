//! Tokens that an application has in its own name, for the vendor's own vault and nothing else.
//!
//! Source: Microsoft identity platform, "OAuth 2.0 client credentials flow" and "Access token
//! claims reference". Elsewhere the grant would be a way around the partner's consent, which the
//! Secure Application Model rules out; the emulator has no other use for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::grants::Proved;
use crate::emulator::app_token;
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::Asked;
use crate::emulator::state::flow::Version;

impl Proved<'_> {
    pub(super) fn own_token(&self) -> Result<Value, Refusal> {
        let resource = self.own_resource()?;
        let tenant = self.authority.named_tenant().ok_or_else(|| Refusal::new(50_059))?;
        let home = self.world.directory().application(self.client)?.home;
        let principal = self.world.directory().principal(tenant, self.client);
        let absent = || Refusal::new(7_000_229).about(&self.client.to_string());
        let principal = principal.filter(|_| home == tenant).ok_or_else(absent)?;
        if resource != KEY_VAULT {
            return Err(Refusal::new(500_011).about(&resource));
        }
        let life = Duration::from_secs(LIFE);
        let access_token =
            app_token::mint(self.world, (self.client, principal), tenant, KEY_VAULT, life);
        Ok(json!({
            "token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE,
            "access_token": access_token,
        }))
    }

    /// The one resource of which `/.default` is asked for.
    fn own_resource(&self) -> Result<String, Refusal> {
        if self.version == Version::V1 {
            return self.fields.need("resource").map(str::to_owned);
        }
        let asked = Asked::parse(self.fields.need("scope")?)?;
        match asked.named.as_slice() {
            [(resource, permission)] if permission == ".default" => Ok(resource.clone()),
            _ => Err(Refusal::new(1_002_012)),
        }
    }
}

const KEY_VAULT: &str = "https://vault.azure.net";
const LIFE: u64 = 3599;
