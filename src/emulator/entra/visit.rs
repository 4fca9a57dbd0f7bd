//! A browser's request as it came.

use std::sync::Arc;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::pages;
use crate::emulator::fields::Fields;
use crate::emulator::refusal::Trace;
use crate::emulator::site::Site;
use crate::emulator::stage::Cue;
use crate::emulator::state::World;
use crate::emulator::state::flow::Version;

/// A browser's request: what its path names, and its query or form.
pub(super) struct Visit {
    /// The first segment of the path.
    pub(super) tenant: String,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) site: Site,
    pub(super) fields: Fields,
    pub(super) cue: Cue,
}

impl FromRequest<Arc<World>> for Visit {
    type Rejection = Response;

    async fn from_request(mut request: Request, world: &Arc<World>) -> Result<Self, Response> {
        let path = request.uri().path().to_ascii_lowercase();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let site = request.extract_parts::<Site>().await.map_err(|e| e.into_response())?;
        let cue = request.extensions().get::<Cue>().cloned().unwrap_or_default();
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let body = Bytes::from_request(request, world).await.map_err(|e| e.into_response())?;
        let fields = if method == Method::POST {
            Fields::of_form(&headers, &body)
        } else {
            Fields::parse(query.as_bytes())
        };
        let fields = fields.map_err(|refusal| pages::refusal(&world.trace(), &refusal))?;
        let tenant = path.split('/').nth(1).unwrap_or_default().to_owned();
        let version = if path.contains("/v2.0/") { Version::V2 } else { Version::V1 };
        Ok(Self { tenant, version, headers, site, fields, cue })
    }
}

impl Visit {
    /// The id under which the application files its request, if it gives one.
    pub(super) fn correlation(&self) -> Option<Uuid> {
        let header = self.headers.get(CORRELATION).and_then(|id| id.to_str().ok());
        Uuid::try_parse(self.fields.find(CORRELATION).or(header)?).ok()
    }

    pub(super) fn trace(&self, world: &World) -> Trace {
        trace(world, self.correlation())
    }
}

pub(super) fn trace(world: &World, correlation: Option<Uuid>) -> Trace {
    let correlation = correlation.map(|id| id.to_string());
    Trace::new(&world.chance, world.now(), correlation.as_deref())
}

const CORRELATION: &str = "client-request-id";
