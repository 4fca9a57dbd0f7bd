//! What tokens say.
//!
//! Source: Microsoft identity platform, "ID token claims reference" and "Access token claims
//! reference".

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::emulator::bearer::v1_issuer;
use crate::emulator::state::World;
use crate::emulator::state::directory::{Kind, Presence};
use crate::emulator::state::flow::SignIn;
use crate::emulator::state::record::CredentialKind;
use crate::model::tenant::{ClientId, TenantId};

mod access;
mod id;
mod lies;

pub(super) use access::Access;
pub(super) use id::Identity;

/// For whom tokens are made.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) client: ClientId,
    pub(super) credential: CredentialKind,
    pub(super) presence: Presence,
    pub(super) signed_in: SignIn,
    pub(super) profile: Profile,
}

/// What tokens tell of an account.
#[derive(Debug, Clone, Default)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) asked: Asked,
}

/// What ID tokens tell only if the application asked for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) roles: bool,
    pub(super) groups: Vec<String>,
    pub(super) email: bool,
    pub(super) upn: bool,
}

impl Subject {
    fn pairwise(&self) -> String {
        let Presence { tenant, user, .. } = self.presence;
        let ids = [*self.client.as_bytes(), *tenant.as_bytes(), *user.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &ids))
    }

    /// The directory roles in the tenant. Opaque tokens go without, so they are looked up where they
    /// are told.
    fn roles(&self, world: &World) -> Vec<String> {
        world.directory().roles(self.signed_in.person, self.presence)
    }

    fn identity_provider(&self) -> Option<String> {
        let home = self.signed_in.person.tenant;
        (self.presence.kind != Kind::Member).then(|| v1_issuer(home))
    }

    const fn factors(&self) -> &'static [&'static str] {
        if self.signed_in.mfa { &["pwd", "mfa"] } else { &["pwd"] }
    }

    /// 1 for a secret, 2 for a certificate.
    const fn client_proof(&self) -> &'static str {
        match self.credential {
            CredentialKind::AssertionPs256 | CredentialKind::AssertionRs256 => "2",
            _ => "1",
        }
    }
}

/// The issuer of v2.0 tokens.
pub(super) fn v2_issuer(login: &str, tenant: TenantId) -> String {
    format!("{login}/{tenant}/v2.0")
}
