//! What can only be read off the exchanges of the other questions.

use cpv_consent::Cloud;
use serde_json::{Map, Value, json};

use super::super::probe::{Probe, Silence};
use super::super::wire::{Exchange, Received, Service};
use super::Answer;

/// Each refusal of the token endpoint by its number.
pub(super) async fn pairings(probe: &Probe) -> Result<Answer, Silence> {
    let mut pairings = Map::new();
    let mut evidence = Vec::new();
    let mut words = Vec::new();
    for exchange in probe.recorder.seen() {
        let Some(refused) = exchange.refusal() else { continue };
        let Some(number) = refused.numbers.first().map(u32::to_string) else { continue };
        let pairing = json!([refused.status, refused.error, refused.suberror]);
        if pairings.get(&number) == Some(&pairing) {
            continue;
        }
        words.push(refused.to_string());
        evidence.push(exchange.clone());
        pairings.insert(number, pairing);
    }
    if pairings.is_empty() {
        return Err(Silence::not_asked("no token was refused"));
    }
    Ok(Answer::new(words.join("; ")).doubt("pairings", pairings).shown_by(evidence))
}

pub(super) async fn step_up(probe: &Probe) -> Result<Answer, Silence> {
    let is_step_up = |exchange: &Exchange| {
        exchange.refusal().is_some_and(|refused| refused.numbers.contains(&50_076))
    };
    let evidence = met(probe, is_step_up, "it was not met: no tenant demanded a second factor")?;
    let words = evidence.first().and_then(Exchange::refusal).map(|refused| refused.to_string());
    Ok(Answer::new(words.unwrap_or_default()).shown_by(evidence))
}

pub(super) async fn mfa_refusal(probe: &Probe) -> Result<Answer, Silence> {
    let is_refusal = |exchange: &Exchange| {
        let reply = from_partner_center(exchange);
        reply.is_some_and(|reply| code(reply).as_deref() == Some("900421"))
    };
    let evidence = met(probe, is_refusal, "it was not met: Partner Center refused no token")?;
    let reply = evidence.first().and_then(from_partner_center);
    let words = reply.map(|reply| {
        let members = reply.body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let challenge = reply.headers.get("www-authenticate").and_then(Value::as_str);
        format!(
            "{} with members {}; WWW-Authenticate: {}",
            reply.status,
            Vec::from_iter(members).join(", "),
            challenge.unwrap_or("absent"),
        )
    });
    Ok(Answer::new(words.unwrap_or_default()).shown_by(evidence))
}

fn code(reply: &Received) -> Option<String> {
    let code = &reply.body["code"];
    code.as_str().map(str::to_owned).or_else(|| code.as_u64().map(|code| code.to_string()))
}

/// The exchanges that fit, or why nothing can be said.
fn met(
    probe: &Probe,
    fits: impl Fn(&Exchange) -> bool,
    otherwise: &str,
) -> Result<Vec<Exchange>, Silence> {
    let mut found: Vec<_> = probe.recorder.seen().into_iter().filter(fits).collect();
    found.truncate(1);
    if found.is_empty() { Err(Silence::not_asked(otherwise)) } else { Ok(found) }
}

fn from_partner_center(exchange: &Exchange) -> Option<&Received> {
    let is_its = exchange.request.service == Service::PartnerCenter;
    exchange.reply.as_ref().filter(|_| is_its)
}

pub(super) async fn new_token_required(probe: &Probe) -> Result<Answer, Silence> {
    let seen = probe.recorder.seen();
    let replies = seen.iter().filter(|exchange| from_partner_center(exchange).is_some());
    let (all, mut evidence) = (replies.clone().count(), Vec::new());
    if all == 0 {
        return Err(Silence::not_asked("Partner Center answered nothing"));
    }
    let has = |exchange: &&Exchange| {
        let reply = from_partner_center(exchange);
        reply.is_some_and(|reply| reply.headers.contains_key("x-newtokenrequired"))
    };
    evidence.extend(replies.filter(has).cloned());
    let words = format!("in {} of {all} replies", evidence.len());
    evidence.truncate(1);
    Ok(Answer::new(words).shown_by(evidence))
}

pub(super) async fn byte_order_mark(probe: &Probe) -> Result<Answer, Silence> {
    let seen = probe.recorder.seen();
    let mut bodies = seen.iter().filter_map(from_partner_center).filter(|it| !it.body.is_null());
    let Some(first) = bodies.next().map(|reply| reply.byte_order_mark) else {
        return Err(Silence::not_asked("Partner Center sent no JSON"));
    };
    if bodies.any(|reply| reply.byte_order_mark != first) {
        return Ok(Answer::new("some of it does, some does not").shown_by(Vec::new()));
    }
    let answer = Answer::new(if first { "yes" } else { "no" });
    Ok(answer.doubt("partner_center_bom", first).shown_by(Vec::new()))
}

pub(super) async fn dod_host(probe: &Probe) -> Result<Answer, Silence> {
    if *probe.settings.app.cloud() != Cloud::UsGovernmentDod {
        return Err(Silence::not_asked("CPV_CLOUD is another cloud"));
    }
    let answered = |exchange: &Exchange| {
        from_partner_center(exchange).is_some_and(|reply| reply.status / 100 == 2)
    };
    let evidence = met(probe, answered, "that host answered no call with success")?;
    Ok(Answer::new("yes: it takes this cloud's tokens").shown_by(evidence))
}

pub(super) async fn documents() -> Result<Answer, Silence> {
    Err(Silence::not_asked("no service answers it; it takes somebody who reads them"))
}
