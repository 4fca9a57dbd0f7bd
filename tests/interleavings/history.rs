//! What became of the partner's consent, and what may have.

use std::time::SystemTime;

use cpv_consent::store::{Expect, Kind, Stored};
use cpv_consent::{Absence, Broker, Consent, ConsentState, Error, Refused, Resource, VirtualClock};

use crate::past::Past;
use crate::stage::Stage;
use crate::stores::Stores;
use crate::{Ended, Part, act, broker};

/// What the partner's consent has been, step by step.
#[derive(Debug, Default)]
pub struct History {
    consents: Vec<Consent>,
    rows: Vec<Stored>,
}

impl History {
    pub async fn look(&mut self, past: &Past, witness: &Broker, stores: &Stores) {
        let row = stores
            .of(Kind::Consent)
            .get(&past.place(past.partner))
            .await
            .expect("the store answers");
        let row = row.expect("the consent is there at every moment");
        if self.rows.last().is_none_or(|last| last.revision != row.revision) {
            self.rows.push(row);
        }
        let consent = witness.partner(past.partner).consent().await;
        let consent = consent.expect("it opens at every moment").expect("it is there");
        if let Some(last) = self.consents.last() {
            assert_follows(last, &consent);
        }
        self.consents.push(consent);
    }

    pub fn is_withdrawn(&self) -> bool {
        self.consents.last().is_some_and(is_withdrawn)
    }

    pub fn check(&self, outcomes: &[Ended], holds: bool) {
        let partner = self.consents[0].partner();
        for outcome in outcomes {
            match outcome {
                Ended::Redeemed(Ok(())) => {}
                Ended::Redeemed(Err(error)) => assert!(
                    matches!(
                        error,
                        Error::NoConsent { absence: Absence::Withdrawn, .. }
                            | Error::Superseded { .. }
                    ),
                    "{error:?}"
                ),
                Ended::Confirmed(Ok(consent)) => assert_eq!(consent.generation(), 2),
                Ended::Confirmed(Err(error)) => assert!(
                    matches!(error, Error::Refused(Refused::Withdrawn(who)) if *who == partner)
                        || matches!(error, Error::Conflict),
                    "{error:?}"
                ),
                Ended::Withdrawn { withdrawn, over_a_write } => {
                    assert_eq!(*over_a_write, holds, "a write was under way over it");
                    let tombstone = withdrawn.as_ref().expect("it wins in the end");
                    assert!(is_withdrawn(tombstone));
                    assert!(self.is_withdrawn(), "nothing comes after it: {self:?}");
                }
                Ended::Rotated(rotated) => {
                    assert_eq!(*rotated.as_ref().expect("it ends"), 0, "nothing is damaged");
                }
                Ended::Imported(imported) => {
                    imported.as_ref().expect("it ends");
                }
            }
        }
    }

    /// Restores every row that there ever was, and imports the old export once more.
    pub async fn put_everything_back(
        &self,
        past: &'static Past,
        clock: &VirtualClock,
        stores: &Stores,
    ) {
        let restored = broker(past, clock, stores.clone(), past.ring()).await;
        let (place, store) = (past.place(past.partner), stores.of(Kind::Consent));
        for row in &self.rows {
            let present = store.get(&place).await.expect("the store answers").expect("a row");
            let put = store.put(&place, row.entry.clone(), Expect::At(present.revision));
            put.await.expect("nobody else writes");
            let consent = restored.partner(past.partner).consent().await;
            let consent = consent.expect("it opens").expect("it is there");
            assert!(is_withdrawn(&consent), "{consent:?}");
            let Ended::Imported(Ok(0)) =
                act(Part::Imports, restored.clone(), past, Stage::default()).await
            else {
                panic!("an old export was taken")
            };
            let token = restored.partner(past.partner).token(Resource::PartnerCenter).await;
            let Err(Error::NoConsent { absence: Absence::Withdrawn, .. }) = token else {
                panic!("{token:?}")
            };
        }
    }
}

fn is_withdrawn(consent: &Consent) -> bool {
    matches!(consent.state(), ConsentState::Withdrawn { .. })
}

/// Generations only grow; within one the token only gets newer, and a tombstone stays one. Every
/// flow of these plays began before every withdrawal, so nobody comes back at all.
fn assert_follows(last: &Consent, next: &Consent) {
    let order =
        |consent: &Consent| -> (u64, SystemTime) { (consent.generation(), consent.deadline()) };
    let both = || format!("{last:?}\n{next:?}");
    assert!(next.generation() >= last.generation(), "{}", both());
    if next.generation() == last.generation() {
        assert!(order(next) >= order(last), "{}", both());
    }
    assert!(is_withdrawn(next) || !is_withdrawn(last), "{}", both());
}
