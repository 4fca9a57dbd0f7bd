//! Rules and failures as JSON: each member bears the name of the method that it stands for.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use url::Url;

use super::forms::duration;
use crate::emulator::script::failure::is_framing;
use crate::emulator::{Endpoint, Failure, Grant, Rule};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Which requests are meant.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RuleForm {
    endpoint: Option<Endpoint>,
    method: Option<String>,
    tenant: Option<TenantId>,
    customer: Option<TenantId>,
    application: Option<ClientId>,
    user: Option<UserId>,
    grant: Option<String>,
    resource: Option<String>,
}

/// What becomes of them. Times are in seconds, and may be fractions.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FailureForm {
    // One kind.
    aadsts: Option<u32>,
    status: Option<u16>,
    partner_center: Option<ErrorForm>,
    graph: Option<ErrorForm>,
    key_vault: Option<ErrorForm>,
    redirect: Option<String>,
    huge: Option<u64>,
    huge_unannounced: Option<u64>,
    reset: bool,
    hang: bool,
    latency: Option<f64>,
    content_type: Option<String>,
    clock_skew: Option<i64>,
    lost_answer: bool,
    truncation: Option<usize>,
    drip: Option<DripForm>,
    truth: bool,
    // When and how often.
    times: Option<u32>,
    after: Option<u32>,
    percent: Option<u8>,
    late: Option<f64>,
    // In detail.
    body: Option<String>,
    error: Option<String>,
    suberror: Option<String>,
    claims: Option<String>,
    retry_after: Option<u64>,
    retry_after_date: Option<u64>,
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorForm {
    status: u16,
    code: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DripForm {
    bytes: usize,
    every: f64,
}

impl DripForm {
    fn read(&self) -> Result<Failure, String> {
        Ok(Failure::drip(self.bytes, duration(self.every)?))
    }
}

impl RuleForm {
    pub(super) fn read(self) -> Result<Rule, String> {
        let method = self.method.map(|text| Method::try_from(text.as_str())).transpose();
        Ok(Rule {
            endpoint: self.endpoint,
            method: method.map_err(|error| error.to_string())?,
            tenant: self.tenant,
            customer: self.customer,
            application: self.application,
            user: self.user,
            grant: self.grant.as_deref().map(grant).transpose()?,
            resource: self.resource,
        })
    }
}

fn grant(name: &str) -> Result<Grant, String> {
    match name {
        "authorization_code" => Ok(Grant::Code),
        "refresh_token" => Ok(Grant::RefreshToken),
        "client_credentials" => Ok(Grant::ClientCredentials),
        other => {
            let known = "authorization_code, refresh_token, client_credentials";
            Err(format!("grant is one of {known}, not {other}"))
        }
    }
}

impl FailureForm {
    pub(super) fn read(self) -> Result<Failure, String> {
        let mut kinds = self.answers()?;
        kinds.extend(self.spoilt()?);
        let (Some(mut failure), true) = (kinds.pop(), kinds.is_empty()) else {
            return Err("a failure has one kind, such as aadsts or status".to_owned());
        };
        if let (Some(status), Some(_)) = (self.status, self.aadsts) {
            failure = failure.with_status(status);
        }
        self.detailed(self.limited(failure)?)
    }

    /// What the service would not say.
    fn answers(&self) -> Result<Vec<Failure>, String> {
        let redirect =
            self.redirect.as_deref().map(|to| Url::parse(to).map(|to| Failure::redirect(&to)));
        let redirect = redirect.transpose().map_err(|error| error.to_string())?;
        let partner_center = |error: &ErrorForm| {
            Failure::partner_center(error.status, &error.code, &error.description)
        };
        let graph = |error: &ErrorForm| Failure::graph(error.status, &error.code);
        let key_vault = |error: &ErrorForm| Failure::key_vault(error.status, &error.code);
        let answers = [
            self.aadsts.map(Failure::aadsts),
            self.status.filter(|_| self.aadsts.is_none()).map(|status| self.reply(status)),
            self.partner_center.as_ref().map(partner_center),
            self.graph.as_ref().map(graph),
            self.key_vault.as_ref().map(key_vault),
            redirect,
            self.huge.map(Failure::huge),
            self.huge_unannounced.map(Failure::huge_unannounced),
            self.reset.then(Failure::reset),
            self.hang.then(Failure::hang),
        ];
        Ok(answers.into_iter().flatten().collect())
    }

    fn reply(&self, status: u16) -> Failure {
        let kind = self.content_type.as_deref().unwrap_or("text/html");
        Failure::reply(status, kind, self.body.clone().unwrap_or_default())
    }

    /// What comes of a true answer.
    fn spoilt(&self) -> Result<Vec<Failure>, String> {
        let drip = self.drip.as_ref().map(DripForm::read).transpose()?;
        let latency = self.latency.map(duration).transpose()?;
        let content_type = self.content_type.as_deref().filter(|_| self.status.is_none());
        let spoilt = [
            latency.map(Failure::latency),
            content_type.map(Failure::content_type),
            self.clock_skew.map(Failure::clock_skew),
            self.lost_answer.then(Failure::lost_answer),
            self.truncation.map(Failure::truncation),
            drip,
            self.truth.then(Failure::truth),
        ];
        Ok(spoilt.into_iter().flatten().collect())
    }

    fn limited(&self, mut failure: Failure) -> Result<Failure, String> {
        if let Some(times) = self.times {
            failure = failure.times(times);
        }
        if let Some(requests) = self.after {
            failure = failure.after(requests);
        }
        if let Some(percent) = self.percent {
            failure = failure.percent(percent);
        }
        Ok(match self.late {
            Some(late) => failure.late(duration(late)?),
            None => failure,
        })
    }

    fn detailed(&self, mut failure: Failure) -> Result<Failure, String> {
        if let Some(error) = &self.error {
            failure = failure.error(error);
        }
        if self.suberror.is_some() {
            failure = failure.suberror(self.suberror.as_deref());
        }
        if let Some(claims) = &self.claims {
            failure = failure.claims(claims);
        }
        if let Some(seconds) = self.retry_after {
            failure = failure.retry_after(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.retry_after_date {
            failure = failure.retry_after_date(Duration::from_secs(seconds));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            if is_framing(&name) {
                return Err(format!("{name} is the connection's to say"));
            }
            let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
            failure = failure.header(name, value);
        }
        Ok(failure)
    }
}
