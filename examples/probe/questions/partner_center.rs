//! What Partner Center leaves open to a reader.

use std::collections::{BTreeMap, BTreeSet};

use cpv_consent::Resource;
use http::{HeaderValue, Method};
use serde_json::Value;

use super::super::probe::{Probe, Reply, Silence};
use super::Answer;

/// The same read with each spelling, and without any.
pub(super) async fn verdict(probe: &Probe) -> Result<Answer, Silence> {
    let url = format!("{}{READ}", probe.settings.app.cloud().partner_center());
    let mut words = Vec::new();
    for spelling in [Some("true"), Some("True"), Some("1"), Some("false"), None] {
        let header = spelling.map(|value| ("validatemfa", HeaderValue::from_static(value)));
        let headers = Vec::from_iter(header);
        let reply = probe.partner_center_with(Method::GET, &url, &headers, None).await?;
        let verdict = reply.headers.get("ismfacompliant").map(|value| match value.as_bytes() {
            verdict if verdict.eq_ignore_ascii_case(b"true") => "true",
            verdict if verdict.eq_ignore_ascii_case(b"false") => "false",
            _ => "something else",
        });
        let verdict = verdict.unwrap_or("absent");
        words.push(format!("{}: {reply}, verdict {verdict}", spelling.unwrap_or("without")));
    }
    Ok(Answer::new(words.join("; ")))
}

pub(super) async fn consents_read(probe: &Probe) -> Result<Answer, Silence> {
    let list = format!("/v1/customers/{}/applicationconsents", probe.settings.customer);
    let one = format!("{list}/{}", probe.application());
    let list = probe.partner_center(Method::GET, &list, None).await?;
    let one = probe.partner_center(Method::GET, &one, None).await?;
    Ok(Answer::new(format!("the list: {list}, {}; one: {one}, {}", there(&list), there(&one))))
}

fn there(reply: &Reply) -> &'static str {
    match reply.status {
        200..=299 => "so it can be read",
        404 | 405 | 501 => "so it is not offered",
        _ => "which says nothing of whether it can be read",
    }
}

/// Every customer that is listed, beside those of every relationship in force.
pub(super) async fn customers(probe: &Probe) -> Result<Answer, Silence> {
    let readable = probe.settings.app.scopes().iter().any(|scope| {
        *scope.resource() == Resource::Graph && READ_RELATIONSHIPS.contains(&scope.permission())
    });
    if !readable {
        return Err(Silence::not_asked(
            "the registration does not name DelegatedAdminRelationship.Read.All of Graph",
        ));
    }
    let administered = administered(probe).await?;
    let listed = listed(probe).await?;
    Ok(Answer::new(compared(&administered, &listed)))
}

fn compared(administered: &BTreeSet<String>, listed: &BTreeMap<String, String>) -> String {
    let missing = administered.iter().filter(|id| !listed.contains_key(*id)).count();
    let relations = administered.iter().filter_map(|id| listed.get(id)).map(String::as_str);
    let relations: BTreeSet<&str> = relations.collect();
    let all = administered.len();
    if all == 0 {
        return "nothing can be said: no relationship is in force".to_owned();
    }
    if missing > 0 {
        return format!(
            "no: of {all} customers with a relationship in force {missing} are not listed"
        );
    }
    let relations = Vec::from_iter(relations);
    let seen = format!("each of {all} is listed, as {}", relations.join(", "));
    match relations.contains(&"none") {
        true => format!("yes: {seen}"),
        false => format!("nothing can be said: {seen}, so none is administered only"),
    }
}

/// The customers of relationships in force.
async fn administered(probe: &Probe) -> Result<BTreeSet<String>, Silence> {
    let token = probe.token(probe.settings.partner, Resource::Graph).await?;
    let graph = probe.settings.app.cloud().graph();
    let mut found = BTreeSet::new();
    let mut path = RELATIONSHIPS.to_owned();
    for _ in 0..MOST_PAGES {
        let reply = probe.graph(&token, &path).await?;
        if !reply.is_success() {
            return Err(Silence::not_answered(format!("Graph lists no relationships: {reply}")));
        }
        let relationships = reply.body["value"].as_array().into_iter().flatten();
        let customers = relationships.map(|one| &one["customer"]["tenantId"]);
        found.extend(customers.filter_map(Value::as_str).map(str::to_lowercase));
        // A page's address gets a token, so it is followed at Graph alone.
        let next = reply.body["@odata.nextLink"].as_str().and_then(|next| next.strip_prefix(graph));
        let Some(next) = next.filter(|next| next.starts_with("/v1.0/")) else { return Ok(found) };
        next.clone_into(&mut path);
    }
    Err(Silence::not_answered("Graph's list of relationships has no end"))
}

/// The customers that are listed, with their relation to the partner.
async fn listed(probe: &Probe) -> Result<BTreeMap<String, String>, Silence> {
    let base = format!("{}/v1/customers", probe.settings.app.cloud().partner_center());
    let mut found = BTreeMap::new();
    let mut token: Option<HeaderValue> = None;
    for _ in 0..MOST_PAGES {
        let query = if token.is_some() { "seekOperation=Next" } else { "size=500" };
        let headers = Vec::from_iter(token.map(|token| ("ms-continuationtoken", token)));
        let url = format!("{base}?{query}");
        let reply = probe.partner_center_with(Method::GET, &url, &headers, None).await?;
        if !reply.is_success() {
            let words = format!("Partner Center lists no customers: {reply}");
            return Err(Silence::not_answered(words));
        }
        let items = reply.body["items"].as_array().into_iter().flatten();
        found.extend(items.filter_map(customer));
        token = continuation(&reply.body);
        if token.is_none() {
            return Ok(found);
        }
    }
    Err(Silence::not_answered("Partner Center's list of customers has no end"))
}

/// A customer's tenant and its relation to the partner; a relation that is not one of the listed
/// words is not repeated.
fn customer(item: &Value) -> Option<(String, String)> {
    let id = item["id"].as_str()?.to_lowercase();
    let relation = item["relationshipToPartner"].as_str().unwrap_or("unknown");
    let known = RELATIONS.contains(&relation);
    Some((id, if known { relation.to_owned() } else { "something else".to_owned() }))
}

fn continuation(body: &Value) -> Option<HeaderValue> {
    let more = !body["links"]["next"].is_null();
    let token = body["continuationToken"].as_str().filter(|_| more)?;
    HeaderValue::try_from(token).ok()
}

/// The cheapest read that an administrator agent may make.
const READ: &str = "/v1/customers?size=1";
const RELATIONSHIPS: &str =
    "/v1.0/tenantRelationships/delegatedAdminRelationships?$filter=status%20eq%20'active'";
const READ_RELATIONSHIPS: [&str; 2] =
    ["DelegatedAdminRelationship.Read.All", "DelegatedAdminRelationship.ReadWrite.All"];
const RELATIONS: [&str; 6] =
    ["reseller", "advisor", "syndication", "none", "unknown", "MicrosoftSupport"];
const MOST_PAGES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_list_shows_is_what_can_be_said() {
        let administered = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let listed = |all: &[(&str, &str)]| {
            all.iter().map(|(id, relation)| ((*id).to_owned(), (*relation).to_owned())).collect()
        };
        let none = administered(&[]);
        let two = administered(&["a", "b"]);
        for (administered, listed, expected) in [
            (&none, listed(&[("a", "reseller")]), "nothing can be said: no relationship"),
            (&two, listed(&[("a", "reseller")]), "no: of 2 customers"),
            (
                &two,
                listed(&[("a", "reseller"), ("b", "reseller")]),
                "nothing can be said: each of 2",
            ),
            (
                &two,
                listed(&[("a", "none"), ("b", "reseller")]),
                "yes: each of 2 is listed, as none",
            ),
        ] {
            let words = compared(administered, &listed);
            assert!(words.starts_with(expected), "{words}");
        }
    }
}
