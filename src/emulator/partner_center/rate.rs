//! How many requests pass in a second of the emulator's clock.
//!
//! Source: "Get customer consent as Control Panel Vendor": 50 requests a second for each application
//! id; "API throttling guidance": by partner tenant, and every request counts, refused ones too.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::call::Call;
use super::faults::Fault;
use super::{Bearer, Office, lock};
use crate::model::tenant::{ClientId, TenantId};

/// The latest requests of each application and tenant, as many as its limit.
#[derive(Debug, Default)]
pub(super) struct Meter(HashMap<Payer, VecDeque<Duration>>);

/// On whose account a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Payer {
    Application(ClientId),
    Tenant(TenantId),
}

impl Meter {
    /// Counts a request in; false if it is one too many within the last second.
    fn admits(&mut self, payer: Payer, limit: u32, now: Duration) -> bool {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let latest = self.0.entry(payer).or_default();
        latest.truncate(limit);
        let is_recent = |at: &Duration| now < at.saturating_add(SECOND);
        let crowded = latest.len() == limit && latest.back().is_none_or(is_recent);
        latest.push_front(now);
        latest.truncate(limit);
        !crowded
    }
}

impl Office {
    pub(super) fn throttle(&self, call: &Call, bearer: &Bearer) -> Result<(), Fault> {
        let now = self.world.monotonic();
        let (by_application, by_tenant) = {
            let script = &self.world.script().partner_center;
            (script.consent_rate.filter(|_| call.is_for_consents()), script.tenant_rate)
        };
        let mut meter = lock(&self.meter);
        let mut admits =
            |payer, limit: Option<u32>| limit.is_none_or(|limit| meter.admits(payer, limit, now));
        let passes = admits(Payer::Application(bearer.appid), by_application)
            & admits(Payer::Tenant(bearer.tid), by_tenant);
        if passes { Ok(()) } else { Err(Fault::Throttled) }
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn payer(digit: char) -> Payer {
        let id = format!("{digit}0000000-0000-4000-8000-000000000000");
        Payer::Application(ClientId::parse(&id).expect("a GUID"))
    }

    #[test]
    fn a_second_slides_and_each_payer_has_their_own() {
        let mut meter = Meter::default();
        let mut admits = |who, millis| meter.admits(payer(who), 2, Duration::from_millis(millis));
        assert!(admits('1', 0));
        assert!(admits('1', 600));
        assert!(admits('2', 600));
        assert!(admits('1', 1000), "the first is a second ago");
        assert!(!admits('1', 1500), "those of 600 and 1000 are not");
    }

    #[test]
    fn what_was_refused_counts_as_well() {
        let mut meter = Meter::default();
        let mut admits = |millis| meter.admits(payer('1'), 1, Duration::from_millis(millis));
        assert!(admits(0));
        assert!(!admits(900));
        assert!(!admits(1800));
        assert!(admits(2800));
    }

    #[test]
    fn a_limit_may_be_nothing_and_may_change() {
        let mut meter = Meter::default();
        let now = Duration::ZERO;
        assert!(!meter.admits(payer('1'), 0, now));
        assert!((0..3).all(|_| meter.admits(payer('1'), 3, now)));
        assert!(!meter.admits(payer('1'), 2, now));
    }
}
