//! A request that is made again under the same id is answered again, and done once.
//!
//! Source: Partner Center REST, "REST headers": `MS-RequestId` ensures idempotency; a retry after a
//! timeout has the same value, the next call another.

use std::time::Duration;

use aws_lc_rs::digest::{Context, Digest, SHA256};
use axum::http::Method;

use super::call::Call;
use super::faults::{Fault, Outcome};
use super::{Bearer, Office, lock};
use crate::emulator::state::shelf::Shelf;
use crate::model::clock::later;

pub(super) type Replays = Shelf<Replay>;

/// What was asked under an id, and what it came to.
#[derive(Debug)]
pub(super) struct Replay {
    asked: Digest,
    outcome: Outcome,
}

impl Office {
    /// Does the work of a call, or tells what it came to when it was done. Only what changes
    /// something is remembered, and only once it was let in: another token may be let in later.
    pub(super) fn once(
        &self,
        call: &Call,
        bearer: &Bearer,
        work: impl FnOnce(&Bearer) -> Outcome,
    ) -> Outcome {
        let id = call.header("MS-RequestId").filter(|_| call.method != Method::GET);
        let Some(id) = id else { return work(bearer) };
        let word = format!("{} {} {}", bearer.tid, bearer.appid, id.to_ascii_lowercase());
        let asked = digest_of(call);
        let now = self.world.now();
        // Held while the work is done, so that of two at once the second waits for the first.
        let mut replays = lock(&self.replays);
        if let Some(known) = replays.find(&word, now) {
            let same = known.asked.as_ref() == asked.as_ref();
            return if same { known.outcome.clone() } else { Err(Fault::invalid_input(REUSED)) };
        }
        let outcome = work(bearer);
        replays.put(word, later(now, KEPT), Replay { asked, outcome: outcome.clone() }, now);
        outcome
    }
}

/// In place of the request itself, whose body may be large. Neither a method nor a path has a blank.
fn digest_of(call: &Call) -> Digest {
    let mut all = Context::new(&SHA256);
    all.update(format!("{} {} ", call.method, call.path).as_bytes());
    all.update(&call.body);
    all.finish()
}

const REUSED: &str = "the request id belongs to another request";
const KEPT: Duration = Duration::from_secs(10 * 60);
