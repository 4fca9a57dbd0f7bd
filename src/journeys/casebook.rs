//! What Entra refused lately, in this process: so that an id from a log or a mail finds its story.
//!
//! A refusal costs one insert and, in a full book, a look at how many each partner has; a success
//! costs nothing. Who fills the book pays for it: a case is let go of the partner that has most, and
//! of the tenant that has most there. So what one partner or customer does pushes out no other's
//! cases.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::Error;
use crate::model::entra_error::EntraError;
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

/// The newest refusals. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Casebook(Arc<Mutex<Cases>>);

#[derive(Debug, Default)]
struct Cases {
    by_partner: HashMap<Option<TenantId>, Chapter>,
    /// How many there are.
    count: usize,
    /// How many there ever were.
    noted: u64,
}

/// A partner's, by tenant, the oldest first.
#[derive(Debug, Default)]
struct Chapter {
    by_tenant: HashMap<Option<TenantId>, VecDeque<Arc<Case>>>,
    count: usize,
}

/// One refusal.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) partner: Option<TenantId>,
    pub(crate) tenant: Option<TenantId>,
    /// Unknown where a consent was asked for: that is for all of them.
    pub(crate) resource: Option<Resource>,
    pub(crate) error: EntraError,
    pub(crate) seen_at: SystemTime,
    /// A later one has a higher number.
    number: u64,
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
        let mut cases = self.cases();
        let number = cases.noted;
        cases.add(Case { partner, tenant, resource, error, seen_at, number });
        if cases.count > MOST_CASES {
            cases.let_one_go();
        }
    }

    /// The newest that bears this correlation or trace id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Case>> {
        self.newest(|case| case.bears(id))
    }

    /// The newest of a partner at a tenant. What came through a browser, which anybody may have written,
    /// stands behind all that came from Entra itself.
    pub(crate) fn newest_at(&self, partner: TenantId, tenant: TenantId) -> Option<Arc<Case>> {
        self.newest(|case| (case.partner, case.tenant) == (Some(partner), Some(tenant)))
    }

    fn newest(&self, fits: impl Fn(&Case) -> bool) -> Option<Arc<Case>> {
        let cases = self.cases();
        let chapters = cases.by_partner.values();
        let all = chapters.flat_map(|chapter| chapter.by_tenant.values().flatten());
        let fitting = all.filter(|case| fits(case));
        fitting.max_by_key(|case| (case.error.status().is_some(), case.number)).cloned()
    }

    fn cases(&self) -> MutexGuard<'_, Cases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cases {
    fn add(&mut self, case: Case) {
        let chapter = self.by_partner.entry(case.partner).or_default();
        chapter.by_tenant.entry(case.tenant).or_default().push_back(Arc::new(case));
        chapter.count += 1;
        self.count += 1;
        self.noted += 1;
    }

    /// The oldest of those who have most.
    fn let_one_go(&mut self) {
        let busiest = self.by_partner.iter_mut().max_by_key(|(_, chapter)| chapter.count);
        let Some((&partner, chapter)) = busiest else { return };
        let busiest = chapter.by_tenant.iter_mut().max_by_key(|(_, cases)| cases.len());
        let Some((&tenant, cases)) = busiest else { return };
        cases.pop_front();
        if cases.is_empty() {
            chapter.by_tenant.remove(&tenant);
        }
        chapter.count -= 1;
        if chapter.count == 0 {
            self.by_partner.remove(&partner);
        }
        self.count -= 1;
    }
}

/// Some megabytes at the very most: what is kept of a refusal is short.
const MOST_CASES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

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
        assert_eq!(book.cases().count, MOST_CASES);
        assert!(book.find("trace-2").is_none());
        assert!(book.find("trace-3").is_some());
        assert!(book.find(&format!("correlation-{}", MOST_CASES + 2)).is_some());
    }

    fn id(number: usize) -> TenantId {
        TenantId::parse(&format!("11111111-1111-4111-8111-{number:012}")).expect("a GUID")
    }

    fn of(partner: usize, tenant: usize, number: usize) -> Error {
        let Error::Entra { error, .. } = refusal(number) else { unreachable!() };
        Error::Entra { partner: Some(id(partner)), tenant: Some(id(tenant)), error }
    }

    #[test]
    fn a_customer_that_fails_for_ever_pushes_out_neither_its_neighbour_nor_another_partner() {
        // R-113
        let book = Casebook::default();
        let note = |partner, tenant, number| {
            book.note(&of(partner, tenant, number), None, UNIX_EPOCH);
        };
        note(1, 1, 1);
        note(2, 20, 2);
        note(2, 21, 3);
        for number in 4..3 * MOST_CASES {
            note(2, 22, number);
        }
        for early in [1, 2, 3] {
            assert!(book.find(&format!("trace-{early}")).is_some(), "{early}");
        }
        assert!(book.newest_at(id(1), id(1)).is_some());
        assert_eq!(book.cases().count, MOST_CASES);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_one_partner_does_the_last_cases_of_every_other_stay(
            others in prop::collection::vec((2_usize..6, 0_usize..4), 0..400),
            floods in prop::collection::vec((0_usize..400, 0_usize..50, 1_usize..3000), 1..6),
        ) {
            // R-113
            let book = Casebook::default();
            let (mut number, mut noted) = (0, Vec::new());
            for step in 0..=others.len() {
                for (_, tenant, times) in floods.iter().filter(|(at, ..)| *at == step) {
                    for _ in 0..*times {
                        number += 1;
                        book.note(&of(1, 10 + tenant, number), None, UNIX_EPOCH);
                    }
                }
                if let Some((partner, tenant)) = others.get(step) {
                    number += 1;
                    book.note(&of(*partner, 10 + tenant, number), None, UNIX_EPOCH);
                    noted.push(number);
                }
            }
            // 400 cases of four others are less than four fifths of the book.
            for number in noted {
                let kept = book.find(&format!("trace-{number}"));
                prop_assert!(kept.is_some(), "{number}");
            }
            prop_assert!(book.cases().count <= MOST_CASES);
        }
    }

    #[test]
    fn a_case_keeps_no_claims_and_nothing_but_entras_refusals_is_one() {
        let book = Casebook::default();
        book.note(&refusal(1), None, UNIX_EPOCH);
        book.note(&Error::Conflict, None, UNIX_EPOCH);
        assert_eq!(book.cases().count, 1);
        assert_eq!(book.find("TRACE-1").expect("kept").error.claims(), None);
    }
}
