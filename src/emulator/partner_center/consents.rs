//! What a partner grants an application in a customer's tenant.
//!
//! Source: Partner Center, "Get customer consent as Control Panel Vendor"; "Enable secure
//! application model"; "GDAP role guidance". What clients report beyond that is in the switches of
//! [`Doubts`](crate::emulator::Doubts).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::call::{Call, member, text};
use super::customers::customer_of;
use super::faults::{Fault, Outcome, Reply};
use super::{Bearer, Office};
use crate::emulator::script::doubts::Doubts;
use crate::emulator::state::directory::{Directory, Person, role};
use crate::model::tenant::{ClientId, TenantId};

/// What an application may do for everybody in a customer's tenant, spread or not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplicationConsent {
    /// The application.
    pub application: ClientId,
    /// The permissions of each resource, by the resource's URI.
    pub grants: BTreeMap<String, BTreeSet<String>>,
}

/// The applications that everybody in a customer's tenant consents to.
pub(in crate::emulator) fn application_consents(
    directory: &Directory,
    customer: TenantId,
) -> Vec<ApplicationConsent> {
    let consent = |application| {
        let grants = granted(directory, customer, application);
        (!grants.is_empty()).then_some(ApplicationConsent { application, grants })
    };
    directory.grantees(customer).filter_map(consent).collect()
}

pub(super) async fn create(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |bearer| {
        let doubts = office.world.script().doubts.clone();
        let mut directory = office.world.directory();
        let customer = administered(&directory, bearer, call.customer())?;
        let asked = Asked::read(&directory, bearer, &call.json()?, &doubts)?;
        asked.grant(&mut directory, customer, &doubts)?;
        Ok(Reply { status: doubts.consent_created_status, body: Some(asked.shown()) })
    })
}

pub(super) async fn remove(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |bearer| delete(&office, &call, bearer))
}

fn delete(office: &Office, call: &Call, bearer: &Bearer) -> Outcome {
    let doubts = office.world.script().doubts.clone();
    let mut directory = office.world.directory();
    let customer = administered(&directory, bearer, call.customer())?;
    let application = own_application(bearer, call.application())?;
    if granted(&directory, customer, application).is_empty() {
        let status = doubts.consent_delete_unknown_status;
        return Err(Fault::new(status, "1000", "there is no such consent"));
    }
    if doubts.consent_delete_removes_principal {
        directory.remove_principal(customer, application);
    } else {
        directory.withdraw(customer, application);
    }
    Ok(Reply { status: doubts.consent_deleted_status, body: None })
}

/// The customer in a path, if the user may consent for it: as one of `AdminAgents`, with a role
/// that can, by a relationship in force.
fn administered(directory: &Directory, bearer: &Bearer, named: &str) -> Result<TenantId, Fault> {
    let customer = customer_of(directory, bearer.tid, named)?;
    let person = Person { tenant: bearer.tid, user: bearer.oid };
    let roles = directory.delegated_roles(person, customer);
    if !CONSENTING.iter().any(|role| roles.contains(*role)) {
        return Err(Fault::access_denied());
    }
    let mut groups = directory.groups_of(bearer.tid, bearer.oid).into_iter();
    if groups.any(|group| group.name == "AdminAgents") {
        return Ok(customer);
    }
    Err(Fault::new(403, "900150", "the user's role lacks the rights"))
}

/// An application can be given consent by nobody but itself.
fn own_application(bearer: &Bearer, named: &str) -> Result<ClientId, Fault> {
    let wrong = |_| Fault::invalid_property("the applicationId is no GUID");
    let application = ClientId::parse(named).map_err(wrong)?;
    if application == bearer.appid { Ok(application) } else { Err(Fault::access_denied()) }
}

/// What is granted for everybody, as whoever writes it sees it.
fn granted(
    directory: &Directory,
    customer: TenantId,
    application: ClientId,
) -> BTreeMap<String, BTreeSet<String>> {
    let grants = directory.grants_as_written(customer, application).into_iter();
    let everyone = grants.filter(|grant| grant.user.is_none());
    everyone.map(|grant| (grant.resource, grant.permissions)).collect()
}

/// A consent that is asked for.
struct Asked {
    application: ClientId,
    display_name: Option<String>,
    wanted: Vec<Wanted>,
}

/// Permissions of one resource, which is an "enterprise application" here.
struct Wanted {
    enterprise_application: String,
    resource: String,
    permissions: Vec<String>,
}

impl Asked {
    fn read(
        directory: &Directory,
        bearer: &Bearer,
        body: &Value,
        doubts: &Doubts,
    ) -> Result<Self, Fault> {
        let missing = |what: &str| Fault::invalid_property(&format!("{what} is missing"));
        let application = text(body, "applicationId").ok_or_else(|| missing("applicationId"))?;
        let application = own_application(bearer, application)?;
        let display_name = text(body, "displayName").map(str::to_owned);
        let name = directory.application(application).map(|found| found.name.as_str()).ok();
        if doubts.consent_display_name_checked && display_name.as_deref() != name {
            return Err(Fault::invalid_property("the displayName is not the application's"));
        }
        let grants = member(body, "applicationGrants").and_then(Value::as_array);
        let grants = grants.filter(|grants| !grants.is_empty());
        let grants = grants.ok_or_else(|| missing("applicationGrants"))?;
        let wanted = grants.iter().map(|grant| Wanted::read(directory, grant));
        Ok(Self { application, display_name, wanted: wanted.collect::<Result<_, _>>()? })
    }

    /// Grants each resource's permissions, or names the first that cannot be granted.
    fn grant(
        &self,
        directory: &mut Directory,
        customer: TenantId,
        doubts: &Doubts,
    ) -> Result<(), Fault> {
        let known = granted(directory, customer, self.application);
        let check = |wanted: &Wanted| {
            if known.contains_key(&wanted.resource) {
                return Err(exists(doubts));
            }
            wanted.check_principal(directory, customer)
        };
        let checked: Vec<_> = self.wanted.iter().map(|wanted| (wanted, check(wanted))).collect();
        let fault = checked.iter().find_map(|(_, check)| check.clone().err());
        if fault.is_none() || doubts.consents_in_part {
            for (wanted, _) in checked.iter().filter(|(_, check)| check.is_ok()) {
                let place = (customer, self.application, wanted.resource.as_str());
                directory.provision(place, wanted.permissions.iter().map(String::as_str));
            }
        }
        fault.map_or(Ok(()), Err)
    }

    fn shown(&self) -> Value {
        let grants = self.wanted.iter().map(|wanted| {
            json!({
                "enterpriseApplicationId": wanted.enterprise_application,
                "scope": wanted.permissions.join(","),
            })
        });
        json!({
            "applicationId": self.application,
            "displayName": self.display_name,
            "applicationGrants": grants.collect::<Vec<_>>(),
            "attributes": { "objectType": "ApplicationConsent" },
        })
    }
}

impl Wanted {
    fn read(directory: &Directory, grant: &Value) -> Result<Self, Fault> {
        let id = text(grant, "enterpriseApplicationId").unwrap_or_default();
        let resource = directory
            .catalogue
            .resource_of(id)
            .ok_or_else(|| Fault::invalid_property("the enterpriseApplicationId is not known"))?;
        let scope = text(grant, "scope").unwrap_or_default();
        let words = scope.split(|c: char| c == ',' || c.is_whitespace());
        let permissions: Vec<String> =
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let offered = |name: &String| directory.catalogue.permission_id(resource, name).is_some();
        if permissions.is_empty() || !permissions.iter().all(offered) {
            return Err(Fault::invalid_property("the scope is not known"));
        }
        let (enterprise_application, resource) = (id.to_owned(), resource.to_owned());
        Ok(Self { enterprise_application, resource, permissions })
    }

    fn check_principal(&self, directory: &Directory, customer: TenantId) -> Result<(), Fault> {
        if directory.has_resource(customer, &self.resource) {
            return Ok(());
        }
        let what = format!("no service principal of {} is there", self.enterprise_application);
        Err(Fault::invalid_property(&what))
    }
}

fn exists(doubts: &Doubts) -> Fault {
    let status = doubts.consent_exists_status;
    Fault::new(status, &status.to_string(), "Permission entry already exists.")
}

const CONSENTING: [&str; 3] = [
    role::GLOBAL_ADMINISTRATOR,
    role::PRIVILEGED_ROLE_ADMINISTRATOR,
    role::CLOUD_APPLICATION_ADMINISTRATOR,
];
