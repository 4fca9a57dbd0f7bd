//! Partner Center's enforcement of the second factor, as one partner's consent meets it.
//!
//! Partner Center refuses a token that was made without a second factor (401, code 900421), for a
//! growing share of the calls: the same token may be refused and served within a minute. So that a
//! call was served proves nothing; only Partner Center's own verdict on a token does. One refusal
//! asks for one new token. The refusal of that one suspends the use of Partner Center, and nothing
//! else: tokens for other APIs and for customers go on. Opposite answers within a minute change
//! nothing.
//!
//! The transitions are pure, as those of a consent are, and the state lies within the consent. A new
//! consent begins anew. Times are whole seconds, as they are stored: what was written is what is read.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::clock::{age, as_seconds, from_unix_seconds, unix_seconds};

/// How a consent stands with Partner Center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Enforcement {
    /// Its tokens are taken, as far as is known.
    Unfelt {
        /// When a suspension was lifted, in seconds since 1970.
        lifted: Option<u64>,
    },
    /// A token was refused, and another one is to be tried.
    Doubted {
        #[serde(with = "as_seconds")]
        since: SystemTime,
        lifted: Option<u64>,
    },
    /// That one was refused, too.
    Suspended(Held),
}

/// A suspension with the time of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    #[serde(with = "as_seconds")]
    since: SystemTime,
    #[serde(with = "as_seconds")]
    last_refusal: SystemTime,
    #[serde(with = "as_seconds")]
    next_probe: SystemTime,
    probes: u32,
}

/// Whether a token for Partner Center may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Any that was had since the last refusal.
    Any,
    /// None before Partner Center has said of a new one whether it holds.
    AfterProbe,
    /// None before the next try is due.
    Not,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self::Unfelt { lifted: None }
    }
}

impl Enforcement {
    /// Partner Center refused a token that was had in this state: another than any refused before.
    #[must_use]
    pub(crate) fn refused(self, now: SystemTime) -> Self {
        let now = whole(now);
        match self {
            Self::Unfelt { lifted } => Self::Doubted { since: now, lifted },
            Self::Doubted { since, lifted } if apart(now, since) > DOUBT_LIFE => {
                Self::Doubted { since: now, lifted }
            }
            Self::Doubted { lifted: Some(at), .. } if !settled(from_unix_seconds(at), now) => self,
            Self::Doubted { .. } => Self::Suspended(Held::begun(now)),
            Self::Suspended(held) => Self::Suspended(held.again(now)),
        }
    }

    /// Partner Center said of a token that it was made with a second factor.
    #[must_use]
    pub(crate) fn proven(self, now: SystemTime) -> Self {
        let now = whole(now);
        match self {
            Self::Doubted { since, lifted } if settled(since, now) => Self::Unfelt { lifted },
            Self::Suspended(held) if settled(held.last_refusal, now) => {
                Self::Unfelt { lifted: Some(unix_seconds(now)) }
            }
            _ => self,
        }
    }

    /// Partner Center is asked now, whatever it will say: the next try is made later.
    #[must_use]
    pub(crate) fn probed(self, now: SystemTime) -> Self {
        match self {
            Self::Suspended(held) => Self::Suspended(held.pausing(whole(now))),
            _ => self,
        }
    }

    pub(crate) fn permit(self, now: SystemTime) -> Permit {
        match self {
            Self::Suspended(held) if held.is_due(now) => Permit::AfterProbe,
            Self::Suspended(_) => Permit::Not,
            _ => Permit::Any,
        }
    }

    /// Whether what was had in the state `before` is of no use in this one: some of it was refused
    /// since.
    pub(crate) fn outdates(self, before: Self) -> bool {
        match (self, before) {
            (Self::Unfelt { .. }, _) => false,
            (Self::Doubted { since, .. }, Self::Doubted { since: known, .. }) => since != known,
            (Self::Suspended(held), Self::Suspended(known)) => held.since != known.since,
            _ => true,
        }
    }

    /// Since when Partner Center is not used for this consent, and when it is asked again.
    pub(crate) const fn suspended(self) -> Option<(SystemTime, SystemTime)> {
        match self {
            Self::Suspended(held) => Some((held.since, held.next_probe)),
            _ => None,
        }
    }

    /// Whether there is nothing to remember.
    pub(crate) const fn is_unfelt(&self) -> bool {
        matches!(self, Self::Unfelt { lifted: None })
    }
}

impl Held {
    fn begun(now: SystemTime) -> Self {
        Self { since: now, last_refusal: now, next_probe: now + FIRST_PAUSE, probes: 0 }
    }

    fn again(self, now: SystemTime) -> Self {
        Self { last_refusal: now, ..self.pausing(now) }
    }

    /// What is heard before the next try is due came late, and moves nothing.
    fn pausing(self, now: SystemTime) -> Self {
        if !self.is_due(now) {
            return self;
        }
        let probes = self.probes.saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << probes.min(16)).min(LONGEST_PAUSE);
        Self { next_probe: now + pause, probes, ..self }
    }

    /// One further off than any pause lasts was set by a wrong clock, and holds nobody up.
    fn is_due(&self, now: SystemTime) -> bool {
        now >= self.next_probe || age(self.next_probe, now) > LONGEST_PAUSE
    }
}

fn whole(time: SystemTime) -> SystemTime {
    from_unix_seconds(unix_seconds(time))
}

/// Whether an opposite answer counts by now.
fn settled(last: SystemTime, now: SystemTime) -> bool {
    apart(now, last) >= Enforcement::SETTLED
}

/// Whichever clock is ahead: another machine's may be.
fn apart(one: SystemTime, other: SystemTime) -> Duration {
    age(one, other).max(age(other, one))
}

impl Enforcement {
    /// Opposite answers within this time change nothing.
    pub(crate) const SETTLED: Duration = Duration::from_secs(60);
}

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

    fn suspended_at(seconds: u64) -> Enforcement {
        Enforcement::default().refused(at(seconds - 2)).refused(at(seconds))
    }

    fn is_suspended(state: Enforcement) -> bool {
        state.suspended().is_some()
    }

    #[test]
    fn one_refusal_asks_for_one_new_token_and_the_next_suspends() {
        //
        let doubted = Enforcement::default().refused(at(10));
        assert_eq!(doubted.permit(at(11)), Permit::Any);
        assert!(doubted.outdates(Enforcement::default()));
        let suspended = doubted.refused(at(12));
        assert_eq!(suspended.suspended(), Some((at(12), at(72))));
        assert!(suspended.outdates(doubted));
        assert_eq!(suspended.permit(at(71)), Permit::Not);
        assert_eq!(suspended.permit(at(72)), Permit::AfterProbe);
    }

    #[test]
    fn a_refusal_long_after_another_is_the_first_again() {
        let day = 24 * 3600;
        let doubted = Enforcement::default().refused(at(10));
        assert!(is_suspended(doubted.refused(at(10 + day))));
        let anew = doubted.refused(at(11 + day));
        assert!(!is_suspended(anew) && anew.outdates(doubted));
    }

    #[test]
    fn a_verdict_lifts_it_once_the_last_refusal_is_a_minute_old() {
        let suspended = suspended_at(100);
        assert_eq!(suspended.proven(at(159)), suspended);
        let lifted = suspended.proven(at(160));
        assert_eq!(lifted.permit(at(160)), Permit::Any);
        assert!(!lifted.outdates(suspended), "what was proven is of use");
        let refused_since = suspended.refused(at(120));
        assert_eq!(refused_since.proven(at(160)), refused_since);
        let doubted = Enforcement::default().refused(at(10));
        assert_eq!(doubted.proven(at(69)), doubted);
        assert!(doubted.proven(at(70)).is_unfelt());
    }

    #[test]
    fn what_was_lifted_is_not_suspended_again_within_a_minute() {
        let doubted = suspended_at(100).proven(at(160)).refused(at(165));
        assert!(!is_suspended(doubted));
        assert_eq!(doubted.refused(at(219)), doubted);
        assert!(is_suspended(doubted.refused(at(220))));
    }

    #[test]
    fn the_pauses_between_tries_double_up_to_six_hours() {
        let mut state = suspended_at(100);
        let mut pauses = Vec::new();
        let mut now = at(100);
        for round in 0..12 {
            let (_, until) = state.suspended().expect("it pauses");
            assert_eq!(state.probed(now), state, "not before it is due");
            pauses.push(age(until, now).as_secs());
            now = until;
            assert_eq!(state.permit(now), Permit::AfterProbe);
            state = if round % 2 == 0 { state.refused(now) } else { state.probed(now) };
            assert_eq!(state.permit(now), Permit::Not);
        }
        assert_eq!(pauses[..4], [60, 120, 240, 480]);
        assert!(pauses[9..].iter().all(|pause| *pause == 6 * 3600), "{pauses:?}");
    }

    #[test]
    fn a_wrong_clock_suspends_nobody_for_a_year() {
        let ahead = suspended_at(31_536_000);
        assert_eq!(ahead.permit(at(100)), Permit::AfterProbe);
        assert!(!is_suspended(ahead.proven(at(100))));
        let (_, until) = ahead.probed(at(100)).suspended().expect("it pauses");
        assert!(until <= at(100) + LONGEST_PAUSE);
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let odd = |seconds| at(seconds) + Duration::from_millis(999);
        let unfelt = Enforcement::default();
        let doubted = unfelt.refused(odd(10));
        let suspended = doubted.refused(odd(20));
        let (probed, lifted) = (suspended.probed(odd(90)), suspended.proven(odd(90)));
        for state in [unfelt, doubted, suspended, probed, lifted] {
            let text = serde_json::to_string(&state).expect("plain values");
            assert_eq!(serde_json::from_str::<Enforcement>(&text).expect("the same"), state);
        }
    }

    #[derive(Debug, Clone)]
    enum Answer {
        Refused,
        Proven,
        Undecided,
    }

    fn answer() -> impl Strategy<Value = (u64, Answer)> {
        let answer =
            prop_oneof![Just(Answer::Refused), Just(Answer::Proven), Just(Answer::Undecided)];
        (0..90_u64, answer)
    }

    proptest! {
        /// Whatever Partner Center says, and in whatever order.
        #[test]
        fn it_never_flaps_and_two_tokens_must_be_refused(
            answers in proptest::collection::vec(answer(), 0..200),
        ) {
            let (mut state, mut now) = (Enforcement::default(), 1_000);
            let (mut turned, mut refusals) = (None::<u64>, 0);
            for (wait, answer) in answers {
                now += wait;
                let was = state;
                state = match answer {
                    Answer::Refused => state.refused(at(now)),
                    Answer::Proven => state.proven(at(now)),
                    Answer::Undecided => state.probed(at(now)),
                };
                refusals += u32::from(matches!(answer, Answer::Refused));
                if is_suspended(state) != is_suspended(was) {
                    let settled = turned.is_none_or(|turned| now - turned >= 60);
                    prop_assert!(settled, "it turned at {turned:?} and at {now}");
                    let enough = !is_suspended(state) || refusals >= 2;
                    prop_assert!(enough, "no other token was refused before");
                    (turned, refusals) = (Some(now), 0);
                }
            }
        }
    }
}
