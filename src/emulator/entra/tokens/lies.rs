//! How the claims of an ID token lie, where a test asked for it.

use serde_json::{Value, json};

use super::v2_issuer;
use crate::emulator::script::Tampering;
use crate::emulator::state::World;

/// Changes one thing and leaves all others right, so that only one check can catch it.
pub(super) fn tamper(world: &World, login: &str, claims: &mut Value, how: &Tampering) {
    let now = claims["iat"].as_u64().unwrap_or_default();
    match how {
        Tampering::WrongIssuer => claims["iss"] = json!("https://login.example/v2.0"),
        Tampering::WrongAudience => claims["aud"] = json!(world.chance.guid().to_string()),
        Tampering::WrongNonce => claims["nonce"] = json!(world.chance.word()),
        Tampering::MissingNonce => leave_out(claims, "nonce"),
        Tampering::Expired => claims["exp"] = json!(now.saturating_sub(3600)),
        Tampering::NotYetValid => claims["nbf"] = json!(now + 3600),
        Tampering::OtherTenant(tenant) => {
            claims["tid"] = json!(tenant);
            claims["iss"] = json!(v2_issuer(login, *tenant));
        }
        Tampering::Without(claim) => leave_out(claims, claim),
        Tampering::With(claim, value) => claims[claim] = value.clone(),
        _ => {}
    }
}

fn leave_out(claims: &mut Value, claim: &str) {
    if let Some(claims) = claims.as_object_mut() {
        claims.remove(claim);
    }
}
