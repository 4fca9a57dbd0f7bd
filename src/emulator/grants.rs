//! Redeeming codes and refresh tokens: who may have a token for what, and where.
//!
//! Source: RFC 6749, sections 4.1.3 and 6; RFC 7636, section 4.6; Microsoft identity platform,
//! "Refresh tokens": one is bound to a user and a client, not to a tenant or a resource, and dies
//! ninety days after its own issue.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::authorize::Authority;
use super::errors::Refusal;
use super::fields::Fields;
use super::scopes::{Asked, GRAPH};
use super::script::Grant;
use super::state::directory::{Account, Person, Presence};
use super::state::{Code, SignIn, World};
use super::tokens::mint::Subject;
use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::ClientId;

/// A request whose client proved itself.
pub(super) struct Proved {
    pub(super) grant: Grant,
    pub(super) authority: Authority,
    pub(super) client: ClientId,
}

/// Everything that a successful reply says.
pub(super) struct Granted {
    pub(super) subject: Subject,
    pub(super) resource: String,
    pub(super) permissions: BTreeSet<String>,
    pub(super) asked: Asked,
    pub(super) nonce: Option<String>,
    /// Whether it comes from a code: the first refresh token of its line is never withheld.
    pub(super) is_first: bool,
}

/// What a refresh token means; it travels sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    client: ClientId,
    issued: u64,
    openid: bool,
    pub(super) signed_in: SignIn,
    pub(super) resource: Option<String>,
}

impl RefreshToken {
    pub(super) fn of(world: &World, granted: &Granted) -> Self {
        Self {
            client: granted.subject.client,
            issued: unix_seconds(world.now()),
            openid: granted.asked.openid,
            signed_in: granted.subject.signed_in,
            resource: Some(granted.resource.clone()),
        }
    }

    pub(super) fn close(&self, world: &World) -> String {
        world.seal.close(SORT, self)
    }

    pub(super) fn open(world: &World, text: &str) -> Option<Self> {
        world.seal.open(SORT, text)
    }

    fn has_expired(&self, now: SystemTime) -> bool {
        now >= from_unix_seconds(self.issued) + REFRESH_TOKEN_LIFE
    }

    /// What a request without a scope asks for: what the token was issued with.
    fn asked(&self) -> Asked {
        let named = self.resource.iter().map(|resource| (resource.clone(), ".default".to_owned()));
        let named = named.collect();
        Asked { openid: self.openid, offline_access: true, named, ..Asked::default() }
    }
}

impl Code {
    pub(super) fn resource(&self) -> Option<String> {
        self.request.asked.first_resource().map(str::to_owned)
    }
}

impl Proved {
    pub(super) fn redeem(&self, world: &World, fields: &Fields) -> Result<Granted, Refusal> {
        match self.grant {
            Grant::Code => self.redeem_code(world, fields),
            Grant::RefreshToken => self.redeem_refresh_token(world, fields),
        }
    }

    fn redeem_code(&self, world: &World, fields: &Fields) -> Result<Granted, Refusal> {
        let word = fields.need("code")?;
        let redirect_uri = fields.need("redirect_uri")?;
        let code = world.codes().find(word, world.now()).cloned();
        let code = code.ok_or_else(|| Refusal::new(70_000))?;
        self.check_code(world, &code, redirect_uri, fields.find("code_verifier"))?;
        let asked = self.asked_with_code(world, &code, fields.find("scope"))?;
        let mut granted = self.granted(world, code.signed_in, code.presence, asked)?;
        granted.nonce.clone_from(&code.request.nonce);
        granted.is_first = true;
        spend(world, word)?;
        Ok(granted)
    }

    fn check_code(
        &self,
        world: &World,
        code: &Code,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<(), Refusal> {
        let request = &code.request;
        if request.client != self.client {
            return Err(Refusal::new(70_000));
        }
        if code.redeemed {
            return Err(Refusal::new(54_005));
        }
        if world.now() >= code.issued + CODE_LIFE {
            return Err(Refusal::new(70_008));
        }
        if request.authority != self.authority {
            return Err(Refusal::new(700_005));
        }
        if request.return_to.redirect_uri != redirect_uri {
            return Err(Refusal::new(50_011));
        }
        let proved = match (&request.challenge, verifier) {
            (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
            (None, None) => true,
            // A verifier without a challenge is a downgrade (RFC 9700, section 4.8.2).
            _ => false,
        };
        if proved { Ok(()) } else { Err(Refusal::new(501_481)) }
    }

    /// One resource at most, and nothing that was not asked for at the authorization endpoint.
    fn asked_with_code(
        &self,
        world: &World,
        code: &Code,
        scope: Option<&str>,
    ) -> Result<Asked, Refusal> {
        let before = &code.request.asked;
        let mut asked = Asked::parse(scope.unwrap_or_default())?;
        world.directory().catalogue.check(&asked)?;
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

    fn redeem_refresh_token(&self, world: &World, fields: &Fields) -> Result<Granted, Refusal> {
        let token = RefreshToken::open(world, fields.need("refresh_token")?);
        let token = token.ok_or_else(|| Refusal::new(70_000))?;
        if token.client != self.client {
            return Err(Refusal::new(70_000).with_suberror("client_mismatch"));
        }
        check_person(world, &token)?;
        let person = token.signed_in.person;
        let tenant = self.authority.tenant_for(person)?;
        let presence = world.directory().presence(person, tenant)?;
        let asked = match fields.find("scope") {
            Some(scope) => Asked::parse(scope)?,
            None => token.asked(),
        };
        world.directory().catalogue.check(&asked)?;
        self.granted(world, token.signed_in, presence, asked)
    }

    /// Whether the application was granted what it asks for, there and for this user.
    fn granted(
        &self,
        world: &World,
        signed_in: SignIn,
        presence: Presence,
        asked: Asked,
    ) -> Result<Granted, Refusal> {
        let account = account(world, signed_in.person, presence)?;
        let resource = asked.first_resource().unwrap_or(GRAPH).to_owned();
        let permissions = world.directory().granted(presence, self.client, &resource);
        let wanted = asked.permissions(&resource);
        let granted = |name: &&str| permissions.contains(*name);
        let all = if wanted.contains(".default") {
            !permissions.is_empty()
        } else {
            wanted.iter().all(granted)
        };
        if !all {
            let what = format!("{} for {resource} in {}", self.client, presence.tenant);
            return Err(Refusal::new(65_001).about(&what));
        }
        let subject = Subject { client: self.client, presence, signed_in, account };
        Ok(Granted { subject, resource, permissions, asked, nonce: None, is_first: false })
    }
}

/// Marks a code as redeemed; of two requests at once, one comes second.
fn spend(world: &World, word: &str) -> Result<(), Refusal> {
    let mut codes = world.codes();
    let code = codes.find(word, world.now()).ok_or_else(|| Refusal::new(70_000))?;
    if std::mem::replace(&mut code.redeemed, true) { Err(Refusal::new(54_005)) } else { Ok(()) }
}

/// What has happened to the person and to the token since it was issued.
fn check_person(world: &World, token: &RefreshToken) -> Result<(), Refusal> {
    let Person { tenant, user } = token.signed_in.person;
    let directory = world.directory();
    let account = directory.account(tenant, user).ok_or_else(|| Refusal::new(50_034))?;
    if account.disabled {
        return Err(Refusal::new(50_057));
    }
    if account.revocations() != token.signed_in.revocations {
        return Err(Refusal::new(50_173));
    }
    if token.has_expired(world.now()) {
        return Err(Refusal::new(700_082));
    }
    Ok(())
}

/// The account as it is in the tenant of the token; a delegated administrator has none there.
fn account(world: &World, person: Person, presence: Presence) -> Result<Account, Refusal> {
    let directory = world.directory();
    let there = directory.account(presence.tenant, presence.user);
    let account = there.or_else(|| directory.account(person.tenant, person.user));
    let account = account.cloned().ok_or_else(|| Refusal::new(50_034))?;
    if account.disabled { Err(Refusal::new(50_057)) } else { Ok(account) }
}

const SORT: &str = "1.";
const CODE_LIFE: Duration = Duration::from_secs(10 * 60);
const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
