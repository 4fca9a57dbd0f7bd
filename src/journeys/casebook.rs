//! What Entra refused lately, in this process: so that an id from a log or a mail finds its story.
//!
//! A refusal costs one insert, a success nothing. The oldest is let go for the newest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::Error;
use crate::model::entra_error::EntraError;
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

/// The newest refusals. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Casebook(Arc<Mutex<VecDeque<Arc<Case>>>>);

/// One refusal.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) partner: Option<TenantId>,
    pub(crate) tenant: Option<TenantId>,
    /// Unknown where a consent was asked for: that is for all of them.
    pub(crate) resource: Option<Resource>,
    pub(crate) error: EntraError,
    pub(crate) seen_at: SystemTime,
}

impl Case {
    /// As whoever asked has met it.
    pub(crate) fn error(&self) -> Error {
        let (partner, tenant) = (self.partner, self.tenant);
        Error::Entra { partner, tenant, error: Arc::new(self.error.clone()) }
    }

    fn bears(&self, id: &str) -> bool {
        let ids = [self.error.correlation_id(), self.error.trace_id()];
        ids.into_iter().flatten().any(|own| own.eq_ignore_ascii_case(id))
    }
}

impl Casebook {
    /// Takes note of a failure, if it is Entra's refusal: nobody else names an id.
    pub(crate) fn note(&self, error: &Error, resource: Option<&Resource>, seen_at: SystemTime) {
        let Error::Entra { partner, tenant, error } = error else { return };
        let (partner, tenant, resource) = (*partner, *tenant, resource.cloned());
        let error = error.without_claims();
        let case = Arc::new(Case { partner, tenant, resource, error, seen_at });
        let mut cases = self.cases();
        if cases.len() == MOST_CASES {
            cases.pop_front();
        }
        cases.push_back(case);
    }

    /// The newest that bears this correlation or trace id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Case>> {
        self.newest(|case| case.bears(id))
    }

    /// The newest of a partner at a tenant.
    pub(crate) fn newest_at(&self, partner: TenantId, tenant: TenantId) -> Option<Arc<Case>> {
        self.newest(|case| (case.partner, case.tenant) == (Some(partner), Some(tenant)))
    }

    fn newest(&self, fits: impl Fn(&Case) -> bool) -> Option<Arc<Case>> {
        self.cases().iter().rev().find(|case| fits(case)).cloned()
    }

    fn cases(&self) -> MutexGuard<'_, VecDeque<Arc<Case>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some megabytes at the very most: what is kept of a refusal is short.
const MOST_CASES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::model::entra_error::Refusal;

    fn refusal(number: usize) -> Error {
        let error = Arc::new(EntraError::new(Refusal {
            error: "invalid_grant".to_owned(),
            claims: Some(r#"{"access_token":{}}"#.to_owned()),
            trace_id: Some(format!("trace-{number}")),
            correlation_id: Some(format!("Correlation-{number}")),
            ..Refusal::default()
        }));
        Error::Entra { partner: None, tenant: None, error }
    }

    #[test]
    fn the_newest_are_kept_and_no_more() {
        let book = Casebook::default();
        for number in 0..MOST_CASES + 3 {
            book.note(&refusal(number), None, UNIX_EPOCH);
        }
        assert_eq!(book.cases().len(), MOST_CASES);
        assert!(book.find("trace-2").is_none());
        assert!(book.find("trace-3").is_some());
        assert!(book.find(&format!("correlation-{}", MOST_CASES + 2)).is_some());
    }

    #[test]
    fn a_case_keeps_no_claims_and_nothing_but_entras_refusals_is_one() {
        let book = Casebook::default();
        book.note(&refusal(1), None, UNIX_EPOCH);
        book.note(&Error::Conflict, None, UNIX_EPOCH);
        assert_eq!(book.cases().len(), 1);
        assert_eq!(book.find("TRACE-1").expect("kept").error.claims(), None);
    }
}
