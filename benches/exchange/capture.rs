//! Codes redeemed at once, each with an ID token whose signature is checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cpv_consent::measure::partner;
use cpv_consent::{AccountId, Broker, Callback, ResponseMode, TenantId};
use http::Request;
use http::header::COOKIE;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use tokio::task::JoinSet;

use crate::bare::Plain;
use crate::{Duel, Outcome, Stage};

const AT_ONCE: u64 = 16;
const SAMPLES: u64 = 41;

/// A callback, with what the bare side needs to do the same.
struct Flow {
    partner: TenantId,
    code: String,
    id_token: String,
    request: Request<Bytes>,
}

pub(crate) fn captures(stage: &Stage) -> Outcome {
    let broker = stage.runtime.block_on(stage.broker(Stage::memory()))?;
    let key = Arc::new(stage.entra.decoding_key()?);
    let mut duel = Duel::default();
    // The first finds no keys of the cloud at hand.
    let first = stage.runtime.block_on(flows(stage, &broker, 0, 1))?;
    stage.on_worker(ours(broker.clone(), first))?;
    for sample in 0..SAMPLES {
        let from = 1 + sample * AT_ONCE;
        let flows = stage.runtime.block_on(flows(stage, &broker, from, AT_ONCE))?;
        let jobs = jobs(stage, &flows);
        let bare = || bare(stage, &jobs, &key);
        let first = if duel.is_ours_first() { None } else { Some(bare()?) };
        let ours = stage.on_worker(ours(broker.clone(), flows))?;
        duel.note(ours, first.map_or_else(bare, Ok)?);
    }
    duel.report("capture_16_at_once", 1.3, u32::try_from(AT_ONCE)?);
    Ok(())
}

/// Flows whose people have signed in.
async fn flows(stage: &Stage, broker: &Broker, from: u64, many: u64) -> Outcome<Vec<Flow>> {
    let mut flows = Vec::new();
    for number in from..from + many {
        let (partner, account) = (partner(number), AccountId::new("panel")?);
        let pending = broker.partner(partner).request_consent(account);
        let pending = pending.answered_by(ResponseMode::Query).await?;
        let field = |name: &str| {
            let mut fields = pending.authorize_url().query_pairs();
            let found =
                fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
            found.ok_or_else(|| format!("no {name}"))
        };
        let (state, nonce, code) = (field("state")?, field("nonce")?, format!("code-{number}"));
        let id_token = stage.entra.give_code(&code, partner, &nonce)?;
        let cookie = pending.browser_key().set_cookie();
        let cookie = cookie.to_str()?.split(';').next().ok_or("no cookie")?;
        let request = Request::get(format!("{}?code={code}&state={state}", crate::REDIRECT));
        let request = request.header(COOKIE, cookie).body(Bytes::new())?;
        flows.push(Flow { partner, code, id_token, request });
    }
    Ok(flows)
}

async fn ours(broker: Broker, flows: Vec<Flow>) -> Outcome<Duration> {
    let mut callers = JoinSet::new();
    let begun = Instant::now();
    for flow in flows {
        let broker = broker.clone();
        callers.spawn(async move {
            let callback = Callback::from_request(&flow.request)?;
            Outcome::Ok(broker.capture_consent(callback).await?)
        });
    }
    while let Some(done) = callers.join_next().await {
        std::hint::black_box(done??);
    }
    Ok(begun.elapsed())
}

/// What the bare side does for one callback: where to, which code, what to verify.
type Job = (String, String, String);

fn jobs(stage: &Stage, flows: &[Flow]) -> Vec<Job> {
    let job = |flow: &Flow| {
        (stage.entra.token_url(flow.partner), flow.code.clone(), flow.id_token.clone())
    };
    flows.iter().map(job).collect()
}

/// The sum of the parts: the codes, the question to Partner Center, the signatures.
fn bare(stage: &Stage, jobs: &[Job], key: &Arc<DecodingKey>) -> Outcome<Duration> {
    let (plain, origin) = (stage.plain.clone(), stage.entra.origin.clone());
    let asked = stage.on_worker(ask(plain, origin, jobs.to_vec()))?;
    Ok(asked + stage.on_worker(verify(jobs.to_vec(), Arc::clone(key)))?)
}

async fn ask(plain: Plain, origin: String, jobs: Vec<Job>) -> Outcome<Duration> {
    let mut callers = JoinSet::new();
    let begun = Instant::now();
    for (url, code, _) in jobs {
        let (plain, origin) = (plain.clone(), origin.clone());
        callers.spawn(async move {
            let reply = plain.redeem_code(&url, &code).await?;
            plain.probe(&origin, &reply.access_token).await
        });
    }
    while let Some(done) = callers.join_next().await {
        std::hint::black_box(done??);
    }
    Ok(begun.elapsed())
}

async fn verify(jobs: Vec<Job>, key: Arc<DecodingKey>) -> Outcome<Duration> {
    let mut callers = JoinSet::new();
    let begun = Instant::now();
    for (_, _, token) in jobs {
        let key = Arc::clone(&key);
        callers.spawn(async move {
            let (signed, signature) = token.rsplit_once('.').ok_or("not signed")?;
            Outcome::Ok(crypto::verify(signature, signed.as_bytes(), &key, Algorithm::RS256)?)
        });
    }
    while let Some(done) = callers.join_next().await {
        assert!(done??, "a signature does not hold");
    }
    Ok(begun.elapsed())
}
