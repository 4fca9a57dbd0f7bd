//! Partner Center's enforcement of the second factor, as one partner's consent meets it.
//!
//! Partner Center refuses a token that was made without a second factor (401, code 900421), for a
//! growing share of the calls: the same token may be refused and served within a minute. So that a
//! call was served proves nothing; only Partner Center's own verdict on a token does. One refusal
//! asks for one new token. The refusal of that one suspends the use of Partner Center, and nothing
//! else: tokens for other APIs and for customers go on. Opposite answers within a minute change
//! nothing.
//!
//! The transitions are pure, as those of a consent are. A new consent begins anew.

use std::time::{Duration, SystemTime};

use super::clock::age;

/// How a consent stands with Partner Center.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enforcement {
    /// Its tokens are taken, as far as is known.
    Unfelt {
        /// When a suspension was lifted.
        lifted: Option<SystemTime>,
    },
    /// A token was refused, and one that was had later is to be tried.
    Doubted { since: SystemTime, lifted: Option<SystemTime> },
    /// That one was refused, too.
    Suspended(Held),
}

/// A suspension with the time of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    since: SystemTime,
    last_refusal: SystemTime,
    next_probe: SystemTime,
    probes: u32,
}

/// Whether a token for Partner Center may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Any that is good.
    Any,
    /// One that was had later than this, and so is another than the one that was refused.
    HadAfter(SystemTime),
    /// None before Partner Center has said of a new one whether it holds.
    AfterProbe,
    /// None before this time.
    Not { until: SystemTime },
}

impl Default for Enforcement {
    fn default() -> Self {
        Self::Unfelt { lifted: None }
    }
}

impl Enforcement {
    /// Partner Center refused a token that was had at `had_at`.
    #[must_use]
    pub(crate) fn refused(self, had_at: SystemTime, now: SystemTime) -> Self {
        match self {
            Self::Unfelt { lifted } => Self::Doubted { since: now, lifted },
            Self::Doubted { since, lifted } if age(now, since) > DOUBT_LIFE => {
                Self::Doubted { since: now, lifted }
            }
            Self::Doubted { since, .. } if had_at <= since => self,
            Self::Doubted { lifted: Some(at), .. } if age(now, at) < SETTLED => self,
            Self::Doubted { .. } => Self::Suspended(Held::begun(now)),
            Self::Suspended(held) => Self::Suspended(held.again(now)),
        }
    }

    /// Partner Center said of a token that it was made with a second factor.
    #[must_use]
    pub(crate) fn proven(self, now: SystemTime) -> Self {
        match self {
            Self::Doubted { since, lifted } if age(now, since) >= SETTLED => {
                Self::Unfelt { lifted }
            }
            Self::Suspended(held) if age(now, held.last_refusal) >= SETTLED => {
                Self::Unfelt { lifted: Some(now) }
            }
            _ => self,
        }
    }

    /// Partner Center was asked and could not say: the next try is made later.
    #[must_use]
    pub(crate) fn undecided(self, now: SystemTime) -> Self {
        match self {
            Self::Suspended(held) => Self::Suspended(held.pausing(now)),
            _ => self,
        }
    }

    pub(crate) fn permit(self, now: SystemTime) -> Permit {
        match self {
            Self::Unfelt { .. } => Permit::Any,
            Self::Doubted { since, .. } => Permit::HadAfter(since),
            Self::Suspended(held) if now >= held.next_probe => Permit::AfterProbe,
            Self::Suspended(held) => Permit::Not { until: held.next_probe },
        }
    }

    /// Since when Partner Center is not used for this consent.
    pub(crate) const fn suspended_since(self) -> Option<SystemTime> {
        match self {
            Self::Suspended(held) => Some(held.since),
            _ => None,
        }
    }
}

impl Held {
    fn begun(now: SystemTime) -> Self {
        Self { since: now, last_refusal: now, next_probe: now + FIRST_PAUSE, probes: 0 }
    }

    /// What is refused before the next try is late news of tokens handed out before.
    fn again(self, now: SystemTime) -> Self {
        Self { last_refusal: now, ..self.pausing(now) }
    }

    fn pausing(self, now: SystemTime) -> Self {
        if now < self.next_probe {
            return self;
        }
        let probes = self.probes.saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << probes.min(16)).min(LONGEST_PAUSE);
        Self { next_probe: now + pause, probes, ..self }
    }
}

/// Opposite answers within this time change nothing.
const SETTLED: Duration = Duration::from_secs(60);
/// After this time a refusal is the first again: the new token of the one before it has ended.
const DOUBT_LIFE: Duration = Duration::from_secs(24 * 3600);
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Refused for a token had at 0, then for one had after that.
    fn suspended_at(seconds: u64) -> Enforcement {
        let doubted = Enforcement::default().refused(at(0), at(seconds - 2));
        doubted.refused(at(seconds - 1), at(seconds))
    }

    #[test]
    fn one_refusal_asks_for_one_new_token_and_the_next_suspends() {
        //
        let doubted = Enforcement::default().refused(at(5), at(10));
        assert_eq!(doubted.permit(at(11)), Permit::HadAfter(at(10)));
        let suspended = doubted.refused(at(11), at(12));
        assert_eq!(suspended.suspended_since(), Some(at(12)));
        assert_eq!(suspended.permit(at(13)), Permit::Not { until: at(72) });
        assert_eq!(suspended.permit(at(72)), Permit::AfterProbe);
    }

    #[test]
    fn callers_who_report_the_same_token_count_once() {
        let doubted = Enforcement::default().refused(at(5), at(10));
        let told = (0..100).fold(doubted, |state, late| state.refused(at(5), at(10 + late)));
        assert_eq!(told, doubted);
        assert_eq!(doubted.refused(at(10), at(11)), doubted, "had when the first was refused");
    }

    #[test]
    fn a_refusal_long_after_another_is_the_first_again() {
        let day = 24 * 3600;
        let doubted = Enforcement::default().refused(at(5), at(10));
        assert!(doubted.refused(at(11), at(10 + day)).suspended_since().is_some());
        let anew = doubted.refused(at(11), at(11 + day));
        assert_eq!(anew.permit(at(11 + day)), Permit::HadAfter(at(11 + day)));
    }

    #[test]
    fn a_verdict_lifts_it_once_the_last_refusal_is_a_minute_old() {
        let suspended = suspended_at(100);
        assert_eq!(suspended.proven(at(159)), suspended);
        assert_eq!(suspended.proven(at(160)).permit(at(160)), Permit::Any);
        let refused_since = suspended.refused(at(0), at(120));
        assert_eq!(refused_since.proven(at(160)), refused_since);
        let doubted = Enforcement::default().refused(at(5), at(10));
        assert_eq!(doubted.proven(at(69)), doubted);
        assert_eq!(doubted.proven(at(70)).permit(at(70)), Permit::Any);
    }

    #[test]
    fn what_was_lifted_is_not_suspended_again_within_a_minute() {
        let doubted = suspended_at(100).proven(at(160)).refused(at(150), at(165));
        assert_eq!(doubted.permit(at(165)), Permit::HadAfter(at(165)));
        assert_eq!(doubted.refused(at(170), at(219)), doubted);
        assert!(doubted.refused(at(170), at(220)).suspended_since().is_some());
    }

    #[test]
    fn the_pauses_between_tries_double_up_to_six_hours() {
        let mut state = suspended_at(100);
        let mut pauses = Vec::new();
        let mut now = at(100);
        for round in 0..12 {
            let Permit::Not { until } = state.permit(now) else { panic!("it pauses") };
            pauses.push(age(until, now).as_secs());
            now = until;
            assert_eq!(state.permit(now), Permit::AfterProbe);
            state = if round % 2 == 0 { state.refused(now, now) } else { state.undecided(now) };
        }
        assert_eq!(pauses[..4], [60, 120, 240, 480]);
        assert!(pauses[9..].iter().all(|pause| *pause == 6 * 3600), "{pauses:?}");
    }

    #[derive(Debug, Clone)]
    enum Answer {
        /// Of a token had so many seconds ago.
        Refused(u64),
        Proven,
        Undecided,
    }

    fn answer() -> impl Strategy<Value = (u64, Answer)> {
        let answer = prop_oneof![
            (0..200_u64).prop_map(Answer::Refused),
            Just(Answer::Proven),
            Just(Answer::Undecided),
        ];
        (0..90_u64, answer)
    }

    proptest! {
        /// Whatever Partner Center says, and in whatever order.
        #[test]
        fn it_never_flaps_and_two_tokens_must_be_refused(
            answers in proptest::collection::vec(answer(), 0..200),
        ) {
            let (mut state, mut now) = (Enforcement::default(), 1_000);
            let (mut turned, mut refusals) = (None::<u64>, Vec::<u64>::new());
            for (wait, answer) in answers {
                now += wait;
                let was = state.suspended_since().is_some();
                state = match answer {
                    Answer::Refused(ago) => {
                        let had_at = now - ago;
                        let next = state.refused(at(had_at), at(now));
                        if !was && next.suspended_since().is_some() {
                            let an_older_one = refusals.iter().any(|refusal| *refusal < had_at);
                            prop_assert!(an_older_one, "no other token was refused before");
                        }
                        refusals.push(now);
                        next
                    }
                    Answer::Proven => state.proven(at(now)),
                    Answer::Undecided => state.undecided(at(now)),
                };
                if state.suspended_since().is_some() != was {
                    let settled = turned.is_none_or(|turned| now - turned >= 60);
                    prop_assert!(settled, "it turned at {turned:?} and at {now}");
                    turned = Some(now);
                }
            }
        }
    }
}
