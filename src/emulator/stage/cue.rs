//! What the script has in store for one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderMap;
use axum::http::header::{DATE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::response::Response;
use httpdate::fmt_http_date;

use super::answer;
use crate::emulator::refusal::Refusal;
use crate::emulator::script::Meant;
use crate::emulator::script::failure::{Act, Failure};
use crate::emulator::site::{Line, apply};
use crate::emulator::state::World;
use crate::model::clock::{from_unix_seconds, unix_seconds};

/// What is in store; mostly nothing. Whatever awaits it is boxed, for the future of every request has
/// room for what it may await.
#[derive(Clone, Default)]
pub(in crate::emulator) struct Cue(Option<Arc<Part>>);

/// One failure, met by one request. A part that is never played does not count.
struct Part {
    world: Arc<World>,
    id: u64,
    failure: Failure,
    played: AtomicBool,
}

impl Cue {
    /// Waits as long as the request is held, and looks up how it is to fail.
    pub(in crate::emulator) async fn of(world: &Arc<World>, meant: &Meant) -> Self {
        if world.playbook.is_empty() {
            return Self::default();
        }
        Box::pin(Self::look_up(world, meant)).await
    }

    async fn look_up(world: &Arc<World>, meant: &Meant) -> Self {
        loop {
            let gate = world.playbook.gate(meant);
            let Some(gate) = gate else { break };
            gate.pass().await;
        }
        let met = world.playbook.failure(meant, &world.chance);
        Self(met.map(|(id, failure)| {
            let world = Arc::clone(world);
            Arc::new(Part { world, id, failure, played: AtomicBool::new(false) })
        }))
    }

    /// Plays what comes before any work. An answer is all there is.
    pub(in crate::emulator) async fn before(
        &self,
        line: &Line,
        request: &HeaderMap,
    ) -> Option<Response> {
        let part = self.0.as_ref()?;
        Box::pin(part.open(line, request)).await
    }

    /// Refuses what is to be refused, now that the service knows whom it would tell.
    pub(in crate::emulator) fn check(&self) -> Result<(), Refusal> {
        let Some(part) = &self.0 else { return Ok(()) };
        let Act::Refused(refusal) = &part.failure.act else { return Ok(()) };
        part.play();
        Err(refusal.clone())
    }

    /// Plays what comes after the work, upon its answer.
    pub(in crate::emulator) async fn after(&self, response: Response, line: &Line) -> Response {
        let Some(part) = &self.0 else { return response };
        Box::pin(part.close(response, line)).await
    }
}

impl Part {
    async fn open(&self, line: &Line, request: &HeaderMap) -> Option<Response> {
        self.be_late(line).await;
        match &self.failure.act {
            Act::Answered(told) => {
                self.play();
                let answer = answer::response(&self.world, told, request);
                Some(self.dressed(answer))
            }
            Act::Unseen(how) => {
                self.play();
                Some(apply(Response::default(), line, &self.world.clock, *how).await)
            }
            Act::Refused(_) | Act::Seen | Act::Broken(_) => None,
        }
    }

    async fn close(&self, response: Response, line: &Line) -> Response {
        if matches!(self.failure.act, Act::Seen | Act::Broken(_)) {
            self.play();
        }
        if !self.was_played() {
            return response;
        }
        let response = self.dressed(response);
        match self.failure.act {
            Act::Broken(how) => apply(response, line, &self.world.clock, how).await,
            _ => response,
        }
    }

    fn play(&self) {
        self.played.store(true, Ordering::Relaxed);
    }

    fn was_played(&self) -> bool {
        self.played.load(Ordering::Relaxed)
    }

    async fn be_late(&self, line: &Line) {
        if !self.failure.late.is_zero() {
            line.pause(&*self.world.clock, self.failure.late).await;
        }
    }

    /// With the headers that are scripted.
    fn dressed(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        for (name, value) in &self.failure.headers {
            headers.insert(name, value.clone());
        }
        let now = unix_seconds(self.world.now());
        if let Some(skew) = self.failure.dates.skew {
            date(headers, DATE, now.saturating_add_signed(skew));
        }
        if let Some(wait) = self.failure.dates.retry_after {
            date(headers, RETRY_AFTER, now.saturating_add(wait.as_secs()));
        }
        response
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.was_played() {
            self.world.playbook.take_back(self.id);
        }
    }
}

fn date(headers: &mut HeaderMap, name: HeaderName, seconds: u64) {
    let date = fmt_http_date(from_unix_seconds(seconds));
    headers.insert(name, HeaderValue::try_from(date).expect("a date is ASCII"));
}
