//! Who called without a second factor, and how much of each application's traffic had one.
//!
//! Source: Partner Center REST, "Get portal requests without MFA", "Get MFA adoption status" and
//! "Partner security requirements resources".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use x509_cert::der::DateTime;

use super::call::Call;
use super::faults::Reply;
use super::{Bearer, Office, lock};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Calls with a valid token, counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    without_mfa: BTreeMap<(TenantId, UserId), (String, SystemTime)>,
    by_day: BTreeMap<(TenantId, String, ClientId), Requests>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Requests {
    with_mfa: u64,
    all: u64,
}

impl Tally {
    pub(super) fn count(&mut self, bearer: &Bearer, now: SystemTime) {
        let requests = self.by_day.entry((bearer.tid, date(now), bearer.appid)).or_default();
        requests.all += 1;
        if bearer.proved_mfa() {
            requests.with_mfa += 1;
        } else {
            self.without_mfa.insert((bearer.tid, bearer.oid), (bearer.upn.clone(), now));
        }
    }

    fn principals(&self, partner: TenantId) -> Vec<Value> {
        let own = self.without_mfa.iter().filter(|((tenant, _), _)| *tenant == partner);
        own.map(|((tenant, user), (upn, at))| {
            json!({
                "objectId": user, "tenantId": tenant, "upn": upn,
                "lastNonMfaCompliantRequestDateTime": timestamp(*at),
            })
        })
        .collect()
    }

    /// The latest day first.
    fn days(&self, partner: TenantId) -> Vec<(&str, ClientId, Requests)> {
        let own = self.by_day.iter().rev().filter(|((tenant, ..), _)| *tenant == partner);
        own.map(|((_, day, client), requests)| (day.as_str(), *client, *requests)).collect()
    }
}

pub(super) async fn principals(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |bearer| {
        let items = lock(&office.tally).principals(bearer.tid);
        Ok(Reply::ok(json!({
            "totalCount": items.len(), "items": items, "attributes": { "objectType": "Collection" },
        })))
    })
}

pub(super) async fn adoption(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |bearer| {
        let (tally, directory) = (lock(&office.tally), office.world.directory());
        let name = |client| directory.application(client).map(|found| found.name.clone()).ok();
        let days = tally.days(bearer.tid).into_iter().map(|(day, client, requests)| {
            json!({
                "loginDate": day, "applicationId": client, "applicationName": name(client),
                "mfaCompliantRequestCount": requests.with_mfa, "totalRequestCount": requests.all,
            })
        });
        Ok(Reply::ok(days.collect()))
    })
}

/// `2026-11-22`.
fn date(now: SystemTime) -> String {
    timestamp(now).chars().take_while(|c| *c != 'T').collect()
}

/// `2026-11-22T21:46:00`, without a zone, as these reports have it.
fn timestamp(now: SystemTime) -> String {
    let date = DateTime::from_system_time(now).map(|date| date.to_string());
    date.map_or_else(|_| "9999-12-31T23:59:59".to_owned(), |text| text.replace('Z', ""))
}
