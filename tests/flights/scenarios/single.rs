//! `flight` by itself: one flight for many callers.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};

use shuttle::future::{JoinHandle, block_on, spawn, yield_now};

use super::world::{end, issued, key};
use crate::error::Error;
use crate::journeys::flight::{Flights, Landing};
use crate::journeys::token::Token;
use crate::model::clock::VirtualClock;

/// All who want the same share a flight; whoever comes later finds its token.
pub fn one_flight_serves_every_caller(callers: usize) {
    let field = Field::new(Ends::Well);
    let tasks: Vec<_> = (0..callers).map(|_| field.caller(1)).collect();
    assert!(tasks.into_iter().all(|task| end(task).is_ok()));
    assert_eq!(field.log(|log| log.took_off), 1);
    field.is_empty();
}

/// As small as a race can be: a caller beside one that came before.
pub fn two_callers_share_a_flight() {
    let field = Field::new(Ends::Well);
    let other = field.caller(1);
    assert!(block_on(field.join(1)).is_ok());
    assert!(end(other).is_ok());
    assert_eq!(field.log(|log| log.took_off), 1);
}

/// Who waits shares a failure; who comes later tries anew, and never beside the first.
pub fn a_failure_is_shared_and_not_kept() {
    let field = Field::new(Ends::Badly);
    let tasks = [field.caller(1), field.caller(1)];
    assert!(tasks.into_iter().all(|task| matches!(end(task), Err(Error::Entra))));
    let before = field.log(|log| log.took_off);
    assert!((1..=2).contains(&before));
    assert!(end(field.caller(1)).is_err());
    assert_eq!(field.log(|log| log.took_off), before + 1);
    field.is_empty();
}

/// Who waits for a flight that panics is told, and the next flight takes off.
pub fn a_panic_frees_the_key() {
    // F-31
    let field = Field::new(Ends::InPanic);
    let tasks = [field.caller(1), field.caller(1)];
    assert!(tasks.into_iter().all(|task| matches!(end(task), Err(Error::Defect(_)))));
    field.is_empty();
    let anew = Field { ends: Ends::Well, ..field };
    assert!(end(anew.caller(1)).is_ok());
}

/// A caller who goes away, at whatever moment, cancels nobody.
pub fn a_caller_who_goes_away_cancels_nobody() {
    let field = Field::new(Ends::Well);
    let (goes, stays) = (field.caller(1), field.caller(1));
    goes.abort();
    assert!(end(stays).is_ok());
    assert_eq!(field.log(|log| log.took_off), 1);
    field.is_empty();
}

/// Once it is closed whatever took off has landed, and nothing takes off; nobody waits for ever.
pub fn all_have_landed_once_it_is_closed() {
    let field = Field::new(Ends::Well);
    let tasks = [field.caller(1), field.caller(2), field.caller(1)];
    block_on(field.flights.close());
    let took_off = field.log(|log| {
        assert!(log.aloft.is_empty());
        log.took_off
    });
    let landings = tasks.map(end);
    assert!(landings.iter().all(|landing| matches!(landing, Ok(_) | Err(Error::Closed))));
    assert_eq!(field.log(|log| log.took_off), took_off);
}

#[derive(Clone, Copy)]
enum Ends {
    Well,
    Badly,
    InPanic,
}

/// Flights that are counted.
#[derive(Clone)]
struct Field {
    flights: Flights,
    log: Arc<Mutex<Log>>,
    ends: Ends,
}

#[derive(Default)]
struct Log {
    took_off: usize,
    aloft: Vec<u64>,
    at_hand: Vec<(u64, Token)>,
}

impl Field {
    fn new(ends: Ends) -> Self {
        Self { flights: Flights::default(), log: Arc::default(), ends }
    }

    fn caller(&self, number: u64) -> JoinHandle<Landing> {
        let field = self.clone();
        spawn(async move { field.join(number).await })
    }

    async fn join(&self, number: u64) -> Landing {
        let at_hand = || self.at_hand(number);
        self.flights.join(key(number), at_hand, || self.clone().fly(number)).await
    }

    fn at_hand(&self, number: u64) -> Option<Token> {
        let of = |(of, token): &(u64, Token)| (*of == number).then(|| token.clone());
        self.log(|log| log.at_hand.iter().find_map(of))
    }

    async fn fly(self, number: u64) -> Landing {
        let _aloft = Aloft::take_off(&self, number);
        yield_now().await;
        match self.ends {
            Ends::Well => {
                let token = issued(&VirtualClock::default());
                self.log(|log| log.at_hand.push((number, token.clone())));
                Ok(token)
            }
            Ends::Badly => Err(Error::Entra),
            Ends::InPanic => resume_unwind(Box::new("on purpose")),
        }
    }

    fn is_empty(&self) {
        assert_eq!(format!("{:?}", self.flights), "Flights(0)");
    }

    fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A flight that is under way: never beside another of its key.
struct Aloft {
    field: Field,
    number: u64,
}

impl Aloft {
    fn take_off(field: &Field, number: u64) -> Self {
        let beside = field.log(|log| {
            log.took_off += 1;
            log.aloft.push(number);
            log.aloft.iter().filter(|other| **other == number).count()
        });
        assert_eq!(beside, 1, "a second flight beside the first");
        Self { field: field.clone(), number }
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        self.field.log(|log| {
            log.aloft.retain(|number| *number != self.number);
        });
    }
}
