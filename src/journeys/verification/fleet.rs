//! Every partner looked at, some at a time, in the order of their ids.

use std::collections::VecDeque;
use std::fmt;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Aspect, Verdict, Verification, Verifier};
use crate::error::{Absence, Error};
use crate::journeys::tally::Tally;
use crate::journeys::transfer::unreadable;
use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{DamagedRecord, Held, LedgerError};
use crate::storage::store::{Cursor, Kind, Selection};
use crate::transport::pace::Urgency;

/// A look at every partner's consent: [`run`](Self::run) it.
///
/// It is a read as [`Partner::verify`](crate::Partner::verify) is. It can be dropped at any time and
/// taken up again [after](Self::after) the last partner that was looked at.
#[must_use = "nobody is asked before it runs"]
pub struct VerifyAll<'b> {
    verifier: &'b Verifier,
    after: Option<TenantId>,
    at_once: usize,
    progress: Box<dyn FnMut(&Verified) + Send + 'b>,
    each: Box<dyn FnMut(&Verification) + Send + 'b>,
}

/// What a look at every partner has found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    partners: u64,
    overall: Counts,
    by_aspect: [Counts; Aspect::ALL.len()],
    unsound: Tally<Verification>,
    unverified: Tally<Unverified>,
    damaged: Tally<DamagedRecord>,
    last: Option<TenantId>,
}

impl Verified {
    /// How many partners were looked at, whatever came of it. Those who were let go are left out.
    #[must_use]
    pub const fn partners(&self) -> u64 {
        self.partners
    }

    /// How many partners there are of whom this is the worst verdict.
    #[must_use]
    pub fn overall(&self, verdict: Verdict) -> u64 {
        self.overall.of(verdict)
    }

    /// How many partners there are with this verdict on one aspect.
    #[must_use]
    pub fn count(&self, aspect: Aspect, verdict: Verdict) -> u64 {
        let place = Aspect::ALL.iter().position(|known| *known == aspect);
        place.map_or(0, |place| self.by_aspect[place].of(verdict))
    }

    /// Those of whom not every check passed: the first thousand. [`VerifyAll::each`] is told of all
    /// partners.
    #[must_use]
    pub fn unsound(&self) -> &[Verification] {
        self.unsound.first()
    }

    /// Those who could not be looked at: the first thousand.
    #[must_use]
    pub fn unverified(&self) -> &[Unverified] {
        self.unverified.first()
    }

    /// How many could not be looked at.
    #[must_use]
    pub const fn unverified_in_all(&self) -> u64 {
        self.unverified.count()
    }

    /// Consents that do not open: the first thousand.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedRecord] {
        self.damaged.first()
    }

    /// How many consents do not open.
    #[must_use]
    pub const fn damaged_in_all(&self) -> u64 {
        self.damaged.count()
    }

    /// The last partner: all before it were looked at, too. See [`VerifyAll::after`].
    #[must_use]
    pub const fn last(&self) -> Option<TenantId> {
        self.last
    }

    /// Whether all could be looked at, and every check passed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.overall(Verdict::Passed) == self.partners && self.damaged_in_all() == 0
    }

    fn note(&mut self, verification: Verification) {
        let overall = verification.overall();
        self.overall.add(overall);
        for (counts, aspect) in self.by_aspect.iter_mut().zip(Aspect::ALL) {
            counts.add(verification.verdict(aspect));
        }
        if overall != Verdict::Passed {
            self.unsound.note(verification);
        }
    }
}

/// A partner who could not be looked at.
#[derive(Debug, Clone)]
pub struct Unverified {
    partner: TenantId,
    error: Error,
}

impl Unverified {
    /// The partner.
    #[must_use]
    pub const fn partner(&self) -> TenantId {
        self.partner
    }

    /// What stood in the way.
    #[must_use]
    pub const fn error(&self) -> &Error {
        &self.error
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    passed: u64,
    unknown: u64,
    failed: u64,
}

impl Counts {
    const fn of(self, verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Passed => self.passed,
            Verdict::Unknown => self.unknown,
            Verdict::Failed => self.failed,
        }
    }

    const fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Failed => &mut self.failed,
        } += 1;
    }
}

impl<'b> VerifyAll<'b> {
    pub(crate) fn new(verifier: &'b Verifier) -> Self {
        let (progress, each) = (Box::new(|_: &_| {}), Box::new(|_: &_| {}));
        Self { verifier, after: None, at_once: AT_ONCE, progress, each }
    }

    /// Begins behind this partner, which an earlier look ended with: see [`Verified::last`].
    pub const fn after(mut self, partner: TenantId) -> Self {
        self.after = Some(partner);
        self
    }

    /// How many partners are looked at side by side; eight unless said otherwise, and one at least.
    pub const fn at_once(mut self, partners: usize) -> Self {
        self.at_once = if partners == 0 { 1 } else { partners };
        self
    }

    /// Told after each partner.
    pub fn progress(mut self, told: impl FnMut(&Verified) + Send + 'b) -> Self {
        self.progress = Box::new(told);
        self
    }

    /// Told of each partner, in the order of their ids.
    pub fn each(mut self, told: impl FnMut(&Verification) + Send + 'b) -> Self {
        self.each = Box::new(told);
        self
    }

    /// Looks at all of them.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::Key`] when the consents cannot be listed, never because of one
    /// partner.
    pub async fn run(mut self) -> Result<Verified, Error> {
        let mut round = Round::default();
        let mut cursor = self.after.map(|partner| Cursor { number: 0, id: partner.to_string() });
        loop {
            let (partners, next) = self.page(cursor, &mut round.verified).await?;
            for partner in partners {
                if round.under_way.len() >= self.at_once {
                    self.land(&mut round).await;
                }
                round.begin(self.verifier, partner);
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        while !round.under_way.is_empty() {
            self.land(&mut round).await;
        }
        Ok(round.verified)
    }

    /// The partners of a page who were not let go. Their secrets are read and dropped.
    async fn page(
        &self,
        cursor: Option<Cursor>,
        verified: &mut Verified,
    ) -> Result<(Vec<TenantId>, Option<Cursor>), LedgerError> {
        let ledger = &self.verifier.ledger;
        let listing = ledger.list::<StoredConsent>(Selection::All, cursor, PAGE).await?;
        let mut partners = Vec::with_capacity(listing.records.len());
        for held in listing.records {
            match held {
                Ok(Held { record, .. }) if record.consent.is_withdrawn() => {}
                Ok(Held { record, .. }) => partners.push(record.consent.partner),
                Err(LedgerError::Shredded { .. }) => {}
                Err(error) => verified.damaged.note(unreadable(Kind::Consent, error)?),
            }
        }
        Ok((partners, listing.next))
    }

    /// Waits for the first that was begun, and counts it.
    async fn land(&mut self, round: &mut Round) {
        let Some((partner, landing)) = round.under_way.pop_front() else { return };
        let lost = || Err(Error::Defect("a verification was lost"));
        let outcome = landing.await.unwrap_or_else(|_| lost());
        while round.tasks.try_join_next().is_some() {}
        let verified = &mut round.verified;
        verified.last = Some(partner);
        match outcome {
            Ok(verification) => {
                verified.partners += 1;
                (self.each)(&verification);
                verified.note(verification);
            }
            // It was removed after it was listed.
            Err(Error::NoConsent { absence: Absence::Never | Absence::Withdrawn, .. }) => {}
            Err(error) => {
                verified.partners += 1;
                verified.unverified.note(Unverified { partner, error });
            }
        }
        (self.progress)(verified);
    }
}

impl fmt::Debug for VerifyAll<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VerifyAll")
            .field("after", &self.after)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

type Landing = oneshot::Receiver<Result<Verification, Error>>;

/// What is under way. Dropped, it is broken off; a redemption that has begun is finished all the
/// same, and stored.
#[derive(Default)]
struct Round {
    verified: Verified,
    under_way: VecDeque<(TenantId, Landing)>,
    tasks: JoinSet<()>,
}

impl Round {
    fn begin(&mut self, verifier: &Verifier, partner: TenantId) {
        let (verifier, (done, landing)) = (verifier.clone(), oneshot::channel());
        self.tasks.spawn(async move {
            let _nobody_waits = done.send(verifier.verify(partner, None, Urgency::Spare).await);
        });
        self.under_way.push_back((partner, landing));
    }
}

/// Enough to hide the time on the wire, and few beside what callers wait for.
const AT_ONCE: usize = 8;
/// Consents read at once.
const PAGE: usize = 64;
