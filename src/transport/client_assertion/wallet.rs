//! Which of the application's credentials a request shows.
//!
//! Credentials stand in order of preference. One that Entra has taken is *proven*; while there is
//! one, a preferred one that is new is tried by one request at a time, and all others go on with the
//! proven. One that was refused is set aside for a while that grows, then tried again in the same
//! way: a new secret takes minutes to reach all of Entra. So two valid credentials never fail a
//! request, and a wrong one costs a request now and then (F-34).
//!
//! One tenant's answer never condemns a credential for all: a proven one is set aside by its second
//! refusal without a success in between, and is hoped for also then.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::assertion::{Held, Signed};
use super::ending::Ending;
use super::joint::Joint;
use crate::model::clock::Clock;
use crate::model::event::{Event, Observers};
use crate::model::registration::ClientCredential;

/// The credentials of one application, and what is known of each.
pub(super) struct Wallet {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    observers: Observers,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// How many lists there were.
    edition: u64,
    /// Which of them was the last to bring another credential.
    newest: u64,
    /// Whether any credential was ever proven: the first is no news.
    began: bool,
}

struct Entry {
    listed: Arc<Listed>,
    trust: Trust,
    /// Refusals since it was taken last, before it was set aside for them.
    doubts: u32,
    was_taken: bool,
    refusals: u32,
    refused_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Untried,
    OnTrial,
    Proven,
    Aside { until: Duration },
}

/// A credential with what it has signed so far.
pub(super) struct Listed {
    credential: Mutex<ClientCredential>,
    pub(super) signed: Signed,
    pub(super) supplied: Arc<Joint<Held>>,
    pub(super) ending: Ending,
}

/// How much a request may risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// It can be made again, so it may try a credential.
    MayTry,
    /// It shows what is proven, where anything is.
    Sure,
}

/// The credential that one request shows.
pub(super) struct Choice {
    pub(super) listed: Arc<Listed>,
    /// The list it was chosen from.
    pub(super) edition: u64,
    _trial: Option<Trial>,
}

/// The one request that tries a credential. If it says nothing of it, the next one does.
struct Trial {
    wallet: Arc<Wallet>,
    listed: Arc<Listed>,
}

impl Wallet {
    pub(super) fn new(clock: Arc<dyn Clock>, observers: Observers) -> Self {
        Self { state: Mutex::default(), clock, observers }
    }

    /// Takes over a list; what is known of a credential that stays is kept. Says which list it is.
    pub(super) fn adopt(&self, credentials: Vec<ClientCredential>) -> u64 {
        let mut state = self.state();
        state.edition += 1;
        let mut before = std::mem::take(&mut state.entries);
        for credential in credentials {
            if state.entries.iter().any(|entry| entry.listed.credential().is(&credential)) {
                continue;
            }
            let known = before.iter().position(|entry| entry.listed.credential().is(&credential));
            let entry = match known {
                Some(known) => before.swap_remove(known).renamed(credential),
                None => {
                    state.newest = state.edition;
                    Entry::new(credential)
                }
            };
            state.entries.push(entry);
        }
        state.edition
    }

    /// Forgets what was signed, what was proven and what was refused.
    pub(super) fn start_anew(&self) {
        for entry in &mut self.state().entries {
            *entry = Entry::new(entry.listed.credential());
        }
    }

    pub(super) fn edition(&self) -> u64 {
        self.state().edition
    }

    /// The last list that brought another credential.
    pub(super) fn newest(&self) -> u64 {
        self.state().newest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().entries.is_empty()
    }

    /// The credential for a request, leaving out those that it has met a failure with. Once it has,
    /// nothing is hoped for from one that is set aside, unless Entra has ever taken it.
    pub(super) fn choose(self: &Arc<Self>, care: Care, passed: &[Arc<Listed>]) -> Option<Choice> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let edition = state.edition;
        let is_left = |entry: &Entry| !passed.iter().any(|one| Arc::ptr_eq(one, &entry.listed));
        let mut left: Vec<&mut Entry> =
            state.entries.iter_mut().filter(|entry| is_left(entry)).collect();
        let proven = proven_in(&left, care);
        let ahead = left[..proven.unwrap_or_default()].iter_mut();
        let untried = ahead.filter(|_| care == Care::MayTry).find(|entry| entry.may_be_tried(now));
        if let Some(entry) = untried {
            entry.trust = Trust::OnTrial;
            let listed = entry.listed.clone();
            let trial = Some(Trial { wallet: self.clone(), listed: listed.clone() });
            return Some(Choice { listed, edition, _trial: trial });
        }
        let free = || left.iter().position(|entry| entry.is_free(now));
        let oldest = || {
            let hoped_for = |entry: &Entry| passed.is_empty() || entry.was_taken;
            let refused = left.iter().enumerate().filter(|(_, entry)| hoped_for(entry));
            refused.min_by_key(|(_, entry)| entry.refused_at).map(|(index, _)| index)
        };
        let index = proven.or_else(free).or_else(oldest)?;
        Some(Choice { listed: left[index].listed.clone(), edition, _trial: None })
    }

    /// Entra has taken it.
    pub(super) fn taken(&self, listed: &Arc<Listed>) {
        let is_news = {
            let mut state = self.state();
            let began = std::mem::replace(&mut state.began, true);
            let Some(entry) = state.find(listed) else { return };
            let before = std::mem::replace(&mut entry.trust, Trust::Proven);
            (entry.doubts, entry.was_taken) = (0, true);
            let refusals = std::mem::take(&mut entry.refusals);
            before != Trust::Proven && (began || refusals > 0)
        };
        if is_news {
            self.observers.tell(&Event::CredentialProven { credential: listed.name() });
        }
    }

    /// A tenant has refused it. That of a single one does not outweigh that others have taken it.
    pub(super) fn refused(&self, listed: &Arc<Listed>, because: String) {
        let is_doubt = {
            let mut state = self.state();
            let Some(entry) = state.find(listed) else { return };
            entry.doubts += 1;
            entry.trust == Trust::Proven && entry.doubts < ENOUGH
        };
        if !is_doubt {
            self.set_aside(listed, because, None);
        }
    }

    /// It is refused or cannot be shown: others are preferred for so long, or for longer each time.
    pub(super) fn set_aside(&self, listed: &Arc<Listed>, because: String, pause: Option<Duration>) {
        let now = self.clock.monotonic();
        let is_news = {
            let mut state = self.state();
            let Some(entry) = state.find(listed) else { return };
            let was_aside = !entry.may_be_tried(now) && matches!(entry.trust, Trust::Aside { .. });
            let pause = pause.unwrap_or_else(|| entry.growing_pause());
            entry.trust = Trust::Aside { until: now + pause };
            entry.refusals += u32::from(!was_aside);
            (entry.doubts, entry.refused_at) = (0, now);
            !was_aside
        };
        if is_news {
            let credential = listed.name();
            self.observers.tell(&Event::CredentialSetAside { credential, because });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, listed: &Arc<Listed>) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.listed, listed))
    }
}

impl Entry {
    fn new(credential: ClientCredential) -> Self {
        let listed = Arc::new(Listed {
            credential: Mutex::new(credential),
            signed: Signed::default(),
            supplied: Arc::default(),
            ending: Ending::default(),
        });
        let (trust, refused_at) = (Trust::Untried, Duration::ZERO);
        Self { listed, trust, doubts: 0, was_taken: false, refusals: 0, refused_at }
    }

    /// The same credential made anew may have another name, or another way to its key.
    fn renamed(self, credential: ClientCredential) -> Self {
        *self.listed.own() = credential;
        self
    }

    fn may_be_tried(&self, now: Duration) -> bool {
        match self.trust {
            Trust::Untried => true,
            Trust::Aside { until } => until <= now,
            Trust::OnTrial | Trust::Proven => false,
        }
    }

    fn is_free(&self, now: Duration) -> bool {
        self.trust == Trust::OnTrial || self.may_be_tried(now)
    }

    fn growing_pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.refusals.min(8)).min(LONGEST_PAUSE)
    }
}

impl Listed {
    pub(super) fn credential(&self) -> ClientCredential {
        self.own().clone()
    }

    fn name(&self) -> String {
        self.own().name()
    }

    fn own(&self) -> MutexGuard<'_, ClientCredential> {
        self.credential.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proven one to be shown. What is good for one try only prefers one that nobody doubts.
fn proven_in(entries: &[&mut Entry], care: Care) -> Option<usize> {
    let first = |most: u32| {
        let fits = |entry: &&mut Entry| entry.trust == Trust::Proven && entry.doubts <= most;
        entries.iter().position(fits)
    };
    let undoubted = first(0).filter(|_| care == Care::Sure);
    undoubted.or_else(|| first(u32::MAX))
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut state = self.wallet.state();
        if let Some(entry) = state.find(&self.listed)
            && entry.trust == Trust::OnTrial
        {
            entry.trust = Trust::Untried;
        }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let names = state.entries.iter().map(|entry| (entry.listed.name(), entry.trust));
        out.debug_map().entries(names).finish()
    }
}

/// So many refusals in a row condemn what was taken before.
const ENOUGH: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_secs(5 * 60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
