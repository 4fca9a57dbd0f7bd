//! What is scripted and in force: failures, changed replies, gates.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::failure::Failure;
use super::hold::Gate;
use super::rule::{Meant, Rule};
use crate::emulator::chance::Chance;

/// What is in force. As long as that is nothing, asking costs one load.
#[derive(Debug, Default)]
pub(crate) struct Playbook {
    in_force: AtomicBool,
    entries: Mutex<Entries>,
}

/// Each in the order in which they were scripted.
#[derive(Debug, Default)]
struct Entries {
    failures: Vec<Scripted>,
    alterations: Vec<Alteration>,
    holds: Vec<Held>,
    latest_id: u64,
}

#[derive(Debug)]
struct Scripted {
    id: u64,
    rule: Rule,
    failure: Failure,
    hits: u64,
}

/// Changes a reply.
pub(crate) type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

struct Alteration {
    id: u64,
    rule: Rule,
    change: Change,
    hits: u64,
}

#[derive(Debug)]
struct Held {
    id: u64,
    rule: Rule,
    gate: Arc<Gate>,
}

impl fmt::Debug for Alteration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Alteration").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Playbook {
    pub(crate) fn is_empty(&self) -> bool {
        !self.in_force.load(Ordering::Relaxed)
    }

    /// The latest failure that a request meets. It has been counted.
    pub(crate) fn failure(&self, request: &Meant, chance: &Chance) -> Option<(u64, Failure)> {
        self.change(|entries| {
            let mut latest_first = entries.failures.iter_mut().rev();
            let scripted = latest_first.find_map(|scripted| scripted.meets(request, chance))?;
            Some((scripted.id, scripted.failure.clone()))
        })
    }

    /// Counts a failure back that was not to be after all.
    pub(crate) fn take_back(&self, id: u64) {
        self.change(|entries| {
            let known = entries.failures.iter_mut().find(|scripted| scripted.id == id);
            let Some(scripted) = known else { return };
            scripted.hits -= 1;
            scripted.failure.times = scripted.failure.times.map(|left| left + 1);
        });
    }

    /// What changes a reply before it is sent, to be called without the playbook's lock.
    pub(crate) fn alterations(&self, request: &Meant) -> Vec<Change> {
        if self.is_empty() {
            return Vec::new();
        }
        self.change(|entries| {
            let matching = entries.alterations.iter_mut().filter(|one| one.rule.matches(request));
            let counted = matching.map(|one| {
                one.hits += 1;
                Arc::clone(&one.change)
            });
            counted.collect()
        })
    }

    /// The first gate in the way.
    pub(crate) fn gate(&self, request: &Meant) -> Option<Arc<Gate>> {
        self.change(|entries| {
            let held = entries.holds.iter().find(|held| held.rule.matches(request))?;
            Some(Arc::clone(&held.gate))
        })
    }

    /// Puts a failure in force; its id ends it.
    pub(crate) fn fail(&self, rule: Rule, failure: Failure) -> u64 {
        let rule = if failure.is_refusal() { rule.or_at_token() } else { rule };
        self.change(|entries| {
            let id = entries.next_id();
            entries.failures.push(Scripted { id, rule, failure, hits: 0 });
            id
        })
    }

    /// Puts a change of replies in force; its id ends it.
    pub(crate) fn alter(&self, rule: Rule, change: Change) -> u64 {
        self.change(|entries| {
            let id = entries.next_id();
            entries.alterations.push(Alteration { id, rule, change, hits: 0 });
            id
        })
    }

    /// Ends what has this id.
    pub(crate) fn clear(&self, id: u64) {
        self.change(|entries| {
            entries.failures.retain(|failure| failure.id != id);
            entries.alterations.retain(|alteration| alteration.id != id);
            entries.open(|held| held.id == id);
        });
    }

    /// Ends all that is in force.
    pub(crate) fn clear_all(&self) {
        self.change(|entries| {
            entries.failures.clear();
            entries.alterations.clear();
            entries.open(|_| true);
        });
    }

    /// How often the failure or change with this id acted, or 0 once it is cleared.
    pub(crate) fn hits(&self, id: u64) -> u64 {
        self.change(|entries| {
            let failures = entries.failures.iter().map(|one| (one.id, one.hits));
            let alterations = entries.alterations.iter().map(|one| (one.id, one.hits));
            let mut all = failures.chain(alterations);
            all.find(|(known, _)| *known == id).map_or(0, |(_, hits)| hits)
        })
    }

    /// Sets a gate up; its id opens it.
    pub(crate) fn hold(&self, rule: Rule) -> (u64, Arc<Gate>) {
        let gate = Gate::new();
        let id = self.change(|entries| {
            let id = entries.next_id();
            entries.holds.push(Held { id, rule, gate: Arc::clone(&gate) });
            id
        });
        (id, gate)
    }

    /// How many requests wait at the gate with this id, or 0 once it is open.
    pub(crate) fn waiting(&self, id: u64) -> usize {
        self.change(|entries| {
            let held = entries.holds.iter().find(|held| held.id == id);
            held.map_or(0, |held| held.gate.state.borrow().waiting)
        })
    }

    pub(crate) fn open_every_gate(&self) {
        self.change(|entries| entries.open(|_| true));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut entries);
        self.in_force.store(entries.are_in_force(), Ordering::Relaxed);
        outcome
    }
}

impl Entries {
    const fn next_id(&mut self) -> u64 {
        self.latest_id += 1;
        self.latest_id
    }

    fn open(&mut self, which: impl Fn(&Held) -> bool) {
        self.holds.extract_if(.., |held| which(held)).for_each(|held| held.gate.open());
    }

    fn are_in_force(&self) -> bool {
        let remain = self.failures.iter().any(|one| one.failure.times != Some(0));
        remain || !self.alterations.is_empty() || !self.holds.is_empty()
    }
}

impl Scripted {
    /// Itself, if a request is about to fail by it.
    fn meets(&mut self, request: &Meant, chance: &Chance) -> Option<&Self> {
        let failure = &mut self.failure;
        if failure.times == Some(0) || !self.rule.matches(request) {
            return None;
        }
        if failure.after > 0 {
            failure.after -= 1;
            return None;
        }
        if failure.percent < 100 && chance.between(1, 100) > u64::from(failure.percent) {
            return None;
        }
        failure.times = failure.times.map(|left| left - 1);
        self.hits += 1;
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::script::endpoint::Endpoint;

    fn at(endpoint: Endpoint) -> Meant {
        Meant { endpoint: Some(endpoint), ..Meant::default() }
    }

    #[test]
    fn it_is_empty_again_once_everything_has_had_its_turn() {
        let (playbook, chance) = (Playbook::default(), Chance::new(None));
        assert!(playbook.is_empty());
        playbook.fail(Rule::any(), Failure::status(500).times(1));
        assert!(!playbook.is_empty());
        assert!(playbook.failure(&at(Endpoint::Keys), &chance).is_some());
        assert!(playbook.is_empty());
        playbook.take_back(1);
        assert!(!playbook.is_empty());
        playbook.clear(1);
        assert!(playbook.is_empty());
        let (id, _gate) = playbook.hold(Rule::any());
        assert!(!playbook.is_empty());
        playbook.clear(id);
        assert!(playbook.is_empty());
    }

    #[test]
    fn chance_strikes_about_as_often_as_said_and_the_same_in_every_run() {
        let strikes = |seed| {
            let (playbook, chance) = (Playbook::default(), Chance::new(Some(seed)));
            playbook.fail(Rule::any(), Failure::status(500).percent(30));
            let met = |_| playbook.failure(&at(Endpoint::Keys), &chance).is_some();
            (0..1000).map(met).collect::<Vec<bool>>()
        };
        let struck = strikes(7).iter().filter(|struck| **struck).count();
        assert!((200..400).contains(&struck), "{struck}");
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }
}
