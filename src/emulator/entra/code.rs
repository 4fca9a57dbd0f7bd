//! Redeeming authorization codes.
//!
//! Source: RFC 6749, section 4.1.3; RFC 7636, section 4.6.

use std::time::Duration;

use super::admission::check_person;
use super::grants::{Granted, Proved};
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::Asked;
use crate::emulator::state::World;
use crate::emulator::state::application::Platform;
use crate::emulator::state::flow::{Code, Version};

impl Code {
    pub(super) fn resource(&self) -> Option<String> {
        self.request.asked.first_resource().map(str::to_owned)
    }
}

impl Proved<'_> {
    pub(super) fn redeem_code(&self) -> Result<Granted, Refusal> {
        let word = self.fields.need("code")?;
        let redirect_uri = self.fields.need("redirect_uri")?;
        let code = self.world.codes().find(word, self.world.now()).cloned();
        let code = code.ok_or_else(|| Refusal::new(70_000))?;
        self.check_code(&code, redirect_uri)?;
        check_person(self.world, &code.signed_in)?;
        let asked = self.asked_with_code(&code)?;
        let mut granted = self.granted(code.signed_in, code.presence, asked)?;
        granted.nonce.clone_from(&code.request.nonce);
        granted.is_first = true;
        spend(self.world, word)?;
        Ok(granted)
    }

    fn check_code(&self, code: &Code, redirect_uri: &str) -> Result<(), Refusal> {
        let request = &code.request;
        if request.client != self.client || request.version != self.version {
            return Err(Refusal::new(70_000));
        }
        if code.redeemed {
            return Err(Refusal::new(54_005));
        }
        if self.world.now() >= code.issued + CODE_LIFE {
            return Err(Refusal::new(70_008));
        }
        if request.authority != self.authority {
            return Err(Refusal::new(700_005));
        }
        if request.return_to.redirect_uri != redirect_uri {
            return Err(Refusal::new(50_011));
        }
        self.check_platform(redirect_uri)?;
        self.check_verifier(code)
    }

    /// Only addresses of the kind `web` belong to clients that keep a credential.
    fn check_platform(&self, redirect_uri: &str) -> Result<(), Refusal> {
        let directory = self.world.directory();
        match directory.application(self.client)?.platform_of(redirect_uri) {
            Some(Platform::Spa) => Err(Refusal::new(9_002_327)),
            Some(Platform::PublicClient) => Err(Refusal::new(700_025)),
            Some(Platform::Web) | None => Ok(()),
        }
    }

    fn check_verifier(&self, code: &Code) -> Result<(), Refusal> {
        let proved = match (&code.request.challenge, self.fields.find("code_verifier")) {
            (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
            (None, None) => true,
            // A verifier without a challenge is a downgrade (RFC 9700, section 4.8.2).
            _ => false,
        };
        let ignored = || self.world.script().ignores_pkce;
        if proved || ignored() { Ok(()) } else { Err(Refusal::new(501_481)) }
    }

    fn asked_with_code(&self, code: &Code) -> Result<Asked, Refusal> {
        match self.version {
            Version::V1 => self.resource_with_code(code),
            Version::V2 => self.scope_with_code(code),
        }
    }

    /// One resource at most; without any, what was asked for at the authorization endpoint.
    fn scope_with_code(&self, code: &Code) -> Result<Asked, Refusal> {
        let before = &code.request.asked;
        let mut asked = Asked::parse(self.fields.find("scope").unwrap_or_default())?;
        if asked.resources().len() > 1 {
            return Err(Refusal::new(28_000));
        }
        if asked.named.is_empty() {
            asked = before.clone();
        }
        asked.openid |= before.openid;
        asked.offline_access |= before.offline_access;
        Ok(asked)
    }

    /// Named here or at the authorization endpoint, and the same where it is named twice.
    fn resource_with_code(&self, code: &Code) -> Result<Asked, Refusal> {
        let named = self.named_resource()?;
        let before = code.request.resource.clone();
        if let (Some(named), Some(before)) = (&named, &before)
            && named != before
        {
            return Err(Refusal::new(70_000));
        }
        let resource = named.or(before).ok_or_else(|| Refusal::new(900_144).about("'resource'"))?;
        Ok(Asked::everything_of(resource))
    }
}

/// Marks a code as redeemed; of two requests at once, one comes second.
fn spend(world: &World, word: &str) -> Result<(), Refusal> {
    let mut codes = world.codes();
    let code = codes.find(word, world.now()).ok_or_else(|| Refusal::new(70_000))?;
    if std::mem::replace(&mut code.redeemed, true) { Err(Refusal::new(54_005)) } else { Ok(()) }
}

const CODE_LIFE: Duration = Duration::from_secs(10 * 60);
