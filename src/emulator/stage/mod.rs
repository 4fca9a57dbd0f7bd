//! Where the script is played: in front of every service, before its work and after it.
//!
//! The token endpoint plays its own cues, for only there it is known what a request means before it
//! is answered; so do the pages that tell an application of a refusal. All else is played here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tower_service::Service;

use super::refusal::Refusal;
use super::script::{Endpoint, Meant};
use super::site::{Line, Site};
use super::state::World;

mod answer;
mod cue;
mod meant;

pub(super) use cue::Cue;

/// A service's routes, with the script played in front of them.
#[derive(Clone)]
pub(super) struct Staged {
    stage: Option<Stage>,
    routes: Router,
}

#[derive(Clone)]
struct Stage {
    world: Arc<World>,
    service: Endpoint,
}

impl Staged {
    pub(super) fn around(world: &Arc<World>, service: Endpoint, routes: Router) -> Self {
        Self { stage: Some(Stage { world: Arc::clone(world), service }), routes }
    }

    /// Routes that no script reaches.
    pub(super) const fn alone(routes: Router) -> Self {
        Self { stage: None, routes }
    }
}

impl Service<Request> for Staged {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // as a router always is
    }

    /// As long as nothing is scripted, the script costs one load and nothing else.
    fn call(&mut self, mut request: Request) -> Self::Future {
        DefaultBodyLimit::max(LARGEST_BODY).apply(&mut request);
        match &self.stage {
            Some(stage) if !stage.world.playbook.is_empty() => {
                let (stage, routes) = (stage.clone(), self.routes.clone());
                Box::pin(async move { Ok(stage.play(request, routes).await) })
            }
            _ => Box::pin(self.routes.call(request)),
        }
    }
}

impl Stage {
    async fn play(&self, request: Request, routes: Router) -> Response {
        let endpoint = Endpoint::of(self.service, request.uri().path());
        if endpoint == Endpoint::Token && request.method() == Method::POST {
            return answer(routes, request).await;
        }
        match self.read(request).await {
            Ok((meant, line, request)) => self.play_for(&meant, &line, request, routes).await,
            Err(status) => status.into_response(),
        }
    }

    async fn play_for(
        &self,
        meant: &Meant,
        line: &Line,
        mut request: Request,
        routes: Router,
    ) -> Response {
        let cue = Cue::of(&self.world, meant).await;
        if let Some(answer) = cue.before(line, request.headers()).await {
            return answer;
        }
        let verdict = if tells_itself(meant) { Ok(()) } else { cue.check() };
        let response = match verdict {
            Ok(()) => {
                request.extensions_mut().insert(cue.clone());
                answer(routes, request).await
            }
            Err(refusal) => self.refuse(refusal, request.extensions().get()),
        };
        cue.after(response, line).await
    }

    fn refuse(&self, refusal: Refusal, site: Option<&Site>) -> Response {
        let login = site.map_or(&self.world.origins.login, |site| &site.login);
        self.world.spelled(refusal).into_reply(&self.world.trace(), login)
    }

    /// What a request means. A form is read for that, and put back.
    async fn read(&self, request: Request) -> Result<(Meant, Line, Request), StatusCode> {
        let (mut parts, body) = request.into_parts();
        let line = Line::from_request_parts(&mut parts, &()).await?;
        let (form, body) = if self.reads_forms(&parts) {
            let form = to_bytes(body, LARGEST_BODY).await;
            let form = form.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
            (form.clone(), Body::from(form))
        } else {
            (Bytes::new(), body)
        };
        let meant = meant::meant(&self.world, self.service, &parts, &form);
        Ok((meant, line, Request::from_parts(parts, body)))
    }

    fn reads_forms(&self, parts: &Parts) -> bool {
        self.service == Endpoint::Entra && parts.method == Method::POST
    }
}

async fn answer(mut routes: Router, request: Request) -> Response {
    let Ok(response) = routes.call(request).await;
    response
}

/// Whether the endpoint itself makes the refusals that the script has for it.
fn tells_itself(meant: &Meant) -> bool {
    let told = [Endpoint::Authorize, Endpoint::AdminConsent, Endpoint::SignIn];
    meant.endpoint.is_some_and(|endpoint| told.contains(&endpoint))
}

/// What any body may have.
pub(super) const LARGEST_BODY: usize = 1024 * 1024;
