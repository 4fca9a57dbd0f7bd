//! What the token endpoint leaves open.

use std::time::Duration;

use cpv_consent::{Error, Resource, TenantId};
use serde_json::Value;

use super::super::probe::{Probe, Silence};
use super::super::wire::Exchange;
use super::Answer;

/// One redemption at the partner's tenant, member by member.
pub(super) async fn reply(probe: &Probe) -> Result<Answer, Silence> {
    probe.token(probe.settings.partner, Resource::PartnerCenter).await?;
    let reply = latest_reply(probe)?;
    let members =
        reply.as_object().ok_or_else(|| Silence::not_answered("the reply is no object"))?;
    let extra = members.keys().filter(|name| !DOCUMENTED.contains(&name.as_str()));
    let extra: Vec<_> = extra.map(String::as_str).collect();
    Ok(Answer::new(match extra.as_slice() {
        [] => "none: only documented members came".to_owned(),
        names => format!("beside the documented members: {}", names.join(", ")),
    }))
}

fn latest_reply(probe: &Probe) -> Result<Value, Silence> {
    let exchange = probe.latest(Exchange::is_for_token).and_then(|exchange| exchange.reply);
    Ok(exchange.ok_or_else(|| Silence::not_answered("no reply was seen"))?.body)
}

pub(super) async fn unconsented_at_partner(probe: &Probe) -> Result<Answer, Silence> {
    unconsented(probe, probe.settings.partner).await
}

pub(super) async fn unconsented_at_customer(probe: &Probe) -> Result<Answer, Silence> {
    unconsented(probe, probe.settings.customer).await
}

/// Asks for APIs that hardly any panel uses, until one is refused.
async fn unconsented(probe: &Probe, tenant: TenantId) -> Result<Answer, Silence> {
    for (uri, permission) in SELDOM_USED {
        if let Some(refusal) = refusal(probe, tenant, uri, permission).await? {
            return Ok(Answer::new(format!("{uri}: {refusal}")));
        }
    }
    Err(Silence::not_asked("there are tokens for everything that could be asked for"))
}

/// How a token for a resource is refused, or nothing where it was issued.
async fn refusal(
    probe: &Probe,
    tenant: TenantId,
    uri: &str,
    permission: &str,
) -> Result<Option<String>, Silence> {
    let resource = Resource::custom(uri).map_err(Error::from)?;
    let app = probe.settings.app.clone().requesting(resource.clone(), [permission]);
    match probe.token_as(&app.map_err(Error::from)?, tenant, resource).await {
        Ok(_) | Err(Error::ScopesMissing { .. }) => Ok(None),
        Err(Error::Entra { .. }) => Ok(Some(latest_refusal(probe)?)),
        Err(error) => Err(error.into()),
    }
}

/// The token endpoint's latest word, if it was a refusal.
pub(super) fn latest_refusal(probe: &Probe) -> Result<String, Silence> {
    let latest = probe.latest(Exchange::is_for_token);
    let refusal = latest.as_ref().and_then(Exchange::refusal).map(|refusal| refusal.to_string());
    refusal.ok_or_else(|| Silence::not_answered("the refusal is no JSON of an error"))
}

pub(super) async fn outlook(probe: &Probe) -> Result<Answer, Silence> {
    name_of(probe, "https://outlook.office365.com", "Exchange.Manage").await
}

pub(super) async fn manage(probe: &Probe) -> Result<Answer, Silence> {
    name_of(probe, "https://manage.office.com", "ActivityFeed.Read").await
}

/// Entra tells a resource that it does not know (AADSTS500011, 50001) from one that nothing is
/// granted for, at the customer's tenant, which has the products.
async fn name_of(probe: &Probe, uri: &str, permission: &str) -> Result<Answer, Silence> {
    let Some(refusal) = refusal(probe, probe.settings.customer, uri, permission).await? else {
        return Ok(Answer::new("known: a token was issued"));
    };
    let latest = probe.latest(Exchange::is_for_token);
    let refused = latest.as_ref().and_then(Exchange::refusal);
    let numbers = refused.map(|refused| refused.numbers).unwrap_or_default();
    let is_unknown = numbers.iter().any(|number| UNKNOWN_RESOURCE.contains(number));
    let verdict = if is_unknown { "not known in that tenant" } else { "known" };
    Ok(Answer::new(format!("{verdict}: {refusal}")))
}

/// Brokers whose clocks are ahead: their assertions begin one minute before what they take for now.
pub(super) async fn clock_tolerance(probe: &Probe) -> Result<Answer, Silence> {
    if probe.settings.app.credential().as_certificate().is_none() {
        return Err(Silence::not_asked("the application proves itself by a secret"));
    }
    let mut words = Vec::new();
    for minutes in MINUTES_AHEAD {
        let outcome = match assertion_ahead(probe, minutes).await? {
            None => "taken".to_owned(),
            Some(refusal) => format!("refused with {refusal}"),
        };
        words.push(format!("{} minutes: {outcome}", minutes - 1));
    }
    Ok(Answer::new(words.join("; ")))
}

/// How an assertion is refused; whatever comes after the assertion counts for nothing.
async fn assertion_ahead(probe: &Probe, minutes: u64) -> Result<Option<String>, Silence> {
    let ahead = Duration::from_secs(60 * minutes);
    let broker = probe.broker_ahead(&probe.settings.app, ahead).await?;
    let customer = broker.partner(probe.settings.partner).customer(probe.settings.customer);
    let resource = graph_if_registered(probe);
    match customer.token(resource).await {
        Ok(_) | Err(Error::ScopesMissing { .. }) => Ok(None),
        Err(Error::Entra { error, .. }) if error.error() == "invalid_client" => {
            latest_refusal(probe).map(Some)
        }
        Err(Error::Entra { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn graph_if_registered(probe: &Probe) -> Resource {
    let resources = probe.settings.app.scopes().resources();
    if resources.contains(&Resource::Graph) { Resource::Graph } else { Resource::PartnerCenter }
}

pub(super) async fn v1_claims() -> Result<Answer, Silence> {
    Err(Silence::not_asked(
        "a request there takes the refresh token itself, which a broker hands to nobody",
    ))
}

/// The members that "OAuth 2.0 authorization code flow" names.
const DOCUMENTED: [&str; 7] = [
    "access_token",
    "token_type",
    "expires_in",
    "ext_expires_in",
    "scope",
    "refresh_token",
    "id_token",
];

const SELDOM_USED: [(&str, &str); 3] = [
    ("https://management.azure.com", "user_impersonation"),
    ("https://vault.azure.net", "user_impersonation"),
    ("https://manage.office.com", "ActivityFeed.Read"),
];

const UNKNOWN_RESOURCE: [u32; 2] = [500_011, 50_001];
const MINUTES_AHEAD: [u64; 4] = [1, 3, 6, 10];
