//! A partner's customers, in pages.
//!
//! Source: Partner Center REST, "Get a list of customers", "Get a list of customers filtered by a
//! search field", "Get a customer by ID".

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Office;
use super::call::{Call, text};
use super::faults::{Fault, Outcome, Reply};
use crate::emulator::state::World;
use crate::emulator::state::directory::Directory;
use crate::model::tenant::TenantId;

pub(super) async fn list(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |bearer| match call.parameter("seekOperation") {
        None => first_page(&office.world, bearer.tid, &call),
        Some(operation) => sought_page(&office.world, bearer.tid, &call, &operation),
    })
}

pub(super) async fn one(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |bearer| {
        let directory = office.world.directory();
        let customer = customer_of(&directory, bearer.tid, call.customer())?;
        let own = customers(&directory, bearer.tid).into_iter().find(|own| own.id == customer);
        Ok(Reply::ok(own.ok_or_else(Fault::not_found)?.shown()))
    })
}

/// The customer that a path names, if the partner sells to it.
pub(super) fn customer_of(
    directory: &Directory,
    partner: TenantId,
    named: &str,
) -> Result<TenantId, Fault> {
    let wrong = |_| Fault::new(400, "900118", "the customer id is no GUID");
    let customer = TenantId::parse(named).map_err(wrong)?;
    if directory.tenant_name(customer).is_none() {
        return Err(Fault::new(404, "60003", "the tenant was not found"));
    }
    if directory.sells_to(partner, customer) {
        return Ok(customer);
    }
    Err(Fault::new(403, "20002", "there is no commerce relationship with the customer"))
}

/// A customer as the list has it.
struct Customer {
    id: TenantId,
    name: String,
    domain: String,
    delegated: bool,
}

/// Every customer of a partner, by id.
fn customers(directory: &Directory, partner: TenantId) -> Vec<Customer> {
    let domain = |id| directory.domains(id).first().cloned().unwrap_or_default();
    let customers = directory.customers(partner).into_iter();
    customers
        .map(|(id, name, delegated)| Customer { id, name, domain: domain(id), delegated })
        .collect()
}

impl Customer {
    fn shown(&self) -> Value {
        let (id, own) = (self.id, format!("/customers/{}", self.id));
        json!({
            "id": id,
            "companyProfile": {
                "tenantId": id, "domain": self.domain, "companyName": self.name,
                "links": { "self": link(&format!("{own}/profiles/company")) },
                "attributes": { "objectType": "CustomerCompanyProfile" },
            },
            "relationshipToPartner": "reseller",
            "allowDelegatedAccess": self.delegated,
            "links": { "self": link(&own) },
            "attributes": { "objectType": "Customer" },
        })
    }
}

fn link(uri: &str) -> Value {
    json!({ "uri": uri, "method": "GET", "headers": [] })
}

/// Which customers are looked for: those whose name or domain begins so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Filter {
    by_domain: bool,
    begins: String,
}

impl Filter {
    fn parse(json: &str) -> Result<Self, Fault> {
        let invalid = || Fault::invalid_input("the filter is not understood");
        let filter: Value = serde_json::from_str(json).map_err(|_| invalid())?;
        let member = |name| text(&filter, name).ok_or_else(invalid);
        let by_domain = match member("Field")?.to_ascii_lowercase().as_str() {
            "companyname" => false,
            "domain" => true,
            _ => return Err(invalid()),
        };
        if !member("Operator")?.eq_ignore_ascii_case("starts_with") {
            return Err(invalid());
        }
        Ok(Self { by_domain, begins: member("Value")?.to_lowercase() })
    }

    fn finds(&self, customer: &Customer) -> bool {
        let field = if self.by_domain { &customer.domain } else { &customer.name };
        field.to_lowercase().starts_with(&self.begins)
    }
}

/// What a continuation token stands for: the page that it came with. It names customers and no
/// numbers, so that a list which changes in between neither repeats nor skips one.
#[derive(Serialize, Deserialize)]
struct Place {
    partner: TenantId,
    size: usize,
    filter: Option<Filter>,
    first: TenantId,
    last: TenantId,
    /// What the whole list was made of.
    list: String,
}

/// What is listed, and in which portions; a size of 0 is one portion.
struct Listing {
    partner: TenantId,
    size: usize,
    filter: Option<Filter>,
    found: Vec<Customer>,
    list: String,
}

fn first_page(world: &World, partner: TenantId, call: &Call) -> Outcome {
    let size = call.parameter("size").map_or(Ok(0), |size| size.parse());
    let size = size.map_err(|_| Fault::invalid_input("the size is no number"))?;
    let filter = call.parameter("filter").map(|filter| Filter::parse(&filter)).transpose()?;
    let listing = Listing::of(world, partner, size, filter);
    Ok(Reply::ok(listing.page(world, call, 0)))
}

fn sought_page(world: &World, partner: TenantId, call: &Call, operation: &str) -> Outcome {
    let invalid = || Fault::invalid_input("the continuation token is not valid");
    let token = call.header(CONTINUATION).ok_or_else(invalid)?;
    let place = world.seal.open::<Place>(SORT, token).ok_or_else(invalid)?;
    let listing = Listing::of(world, partner, place.size, place.filter.clone());
    let ended = world.script().doubts.continuation_tokens_end && place.list != listing.list;
    if place.partner != partner || ended {
        return Err(invalid());
    }
    let from = match operation.to_ascii_lowercase().as_str() {
        "next" => listing.found.partition_point(|one| one.id <= place.last),
        "previous" => listing.before(place.first),
        "first" => 0,
        "last" => listing.last_page(),
        _ => return Err(Fault::invalid_input("the seek operation is not supported")),
    };
    Ok(Reply::ok(listing.page(world, call, from)))
}

impl Listing {
    fn of(world: &World, partner: TenantId, size: usize, filter: Option<Filter>) -> Self {
        let all = customers(&world.directory(), partner);
        let ids: Vec<u8> = all.iter().flat_map(|one| one.id.as_bytes()).copied().collect();
        let list = URL_SAFE_NO_PAD.encode(digest(&SHA256, &ids));
        let wanted = |one: &Customer| filter.as_ref().is_none_or(|filter| filter.finds(one));
        let found = all.into_iter().filter(wanted).collect();
        Self { partner, size, filter, found, list }
    }

    /// Where the page before a customer begins.
    fn before(&self, first: TenantId) -> usize {
        self.found.partition_point(|one| one.id < first).saturating_sub(self.size)
    }

    fn last_page(&self) -> usize {
        let size = self.size.max(1);
        self.found.len().saturating_sub(1) / size * size
    }

    fn page(&self, world: &World, call: &Call, from: usize) -> Value {
        let length = if self.size == 0 { self.found.len() } else { self.size };
        let until = self.found.len().min(from.saturating_add(length));
        let page = &self.found[from..until];
        let asked = if call.query.is_empty() { "" } else { "?" };
        let mut links = json!({ "self": link(&format!("/customers{asked}{}", call.query)) });
        let mut body = json!({
            "totalCount": self.found.len(),
            "items": page.iter().map(Customer::shown).collect::<Vec<_>>(),
            "attributes": { "objectType": "Collection" },
        });
        if let (Some(token), true) = (self.token(world, page), until < self.found.len()) {
            links["next"] = json!({
                "uri": "/customers?seekOperation=Next", "method": "GET",
                "headers": [{ "key": CONTINUATION, "value": token }],
            });
            body["continuationToken"] = Value::from(token);
        }
        body["links"] = links;
        body
    }

    fn token(&self, world: &World, page: &[Customer]) -> Option<String> {
        let place = Place {
            partner: self.partner,
            size: self.size,
            filter: self.filter.clone(),
            first: page.first()?.id,
            last: page.last()?.id,
            list: self.list.clone(),
        };
        Some(world.seal.close(SORT, &place))
    }
}

const CONTINUATION: &str = "MS-ContinuationToken";
const SORT: &str = "continue.";
