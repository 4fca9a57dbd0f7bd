//! A request whose token was taken.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::fault::Fault;
use super::query::Query;
use crate::emulator::bearer::{Bearer, NoBearer};
use crate::emulator::scopes::GRAPH;
use crate::emulator::site::Site;
use crate::emulator::state::World;

pub(super) struct Call {
    pub(super) world: Arc<World>,
    pub(super) site: Site,
    pub(super) bearer: Bearer,
    pub(super) path: String,
    pub(super) query: Query,
}

impl FromRequestParts<Arc<World>> for Call {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, Fault> {
        let path = parts.uri.path().to_owned();
        if !["/v1.0/", "/beta/"].iter().any(|version| path.starts_with(version)) {
            return Err(Fault::no_version());
        }
        let bearer = Bearer::of(world, &parts.headers, GRAPH).map_err(|none| match none {
            NoBearer::Missing => Fault::invalid_token("Access token is empty."),
            NoBearer::Invalid => Fault::invalid_token("Access token validation failure."),
        })?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let site = Site::of(&parts.extensions);
        let call = Self { world: Arc::clone(world), site, bearer, path, query };
        call.check_standing()?;
        Ok(call)
    }
}

impl Call {
    /// The application must be in the tenant, and a delegated administrator must have a role there.
    fn check_standing(&self) -> Result<(), Fault> {
        let directory = self.world.directory();
        let Bearer { tid, appid, .. } = self.bearer;
        if directory.principal(tid, appid).is_none() {
            return Err(Fault::unknown_application());
        }
        let is_known = directory.account(tid, self.bearer.oid).is_some();
        if is_known || !directory.delegated_roles(self.bearer.person(), tid).is_empty() {
            return Ok(());
        }
        Err(Fault::denied())
    }

    /// The token must have one of the permissions that are enough.
    pub(super) fn needs(&self, enough: &[&str]) -> Result<(), Fault> {
        if self.may(enough) { Ok(()) } else { Err(Fault::denied()) }
    }

    pub(super) fn may(&self, enough: &[&str]) -> bool {
        enough.iter().any(|name| self.bearer.may(name))
    }

    /// What `@odata.context` says of an answer.
    pub(super) fn context(&self, of: &str) -> String {
        let version = self.path.split('/').nth(1).unwrap_or_default();
        format!("{}/{version}/$metadata#{of}", self.site.graph)
    }
}
