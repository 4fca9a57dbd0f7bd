//! Calls that nobody waits for any more.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::storage::store::conformance::trial::{Kept, Trial, ensure, entry};
use crate::storage::store::{Entry, Expect, Key, StoreError};

/// Drops each kind of write after its first poll, its second, and so on until it is done by then.
pub(super) async fn a_dropped_call_has_happened_or_not(trial: &Trial) -> Kept {
    for polls in 1..=MOST_POLLS {
        let inserted = dropped_insert(trial, polls).await?;
        let replaced = dropped_replacement(trial, polls).await?;
        let removed = dropped_removal(trial, polls).await?;
        if inserted && replaced && removed {
            break;
        }
    }
    Ok(())
}

const MOST_POLLS: u32 = 8;

async fn dropped_insert(trial: &Trial, polls: u32) -> Kept<bool> {
    let key = trial.key(&format!("inserted {polls}"));
    let after = entry("dropped", Some(2));
    let put = polled(trial.store.put(&key, after.clone(), Expect::Absent), polls).await;
    settles(trial, &key, [None, Some(after)]).await?;
    Ok(put.is_some())
}

async fn dropped_replacement(trial: &Trial, polls: u32) -> Kept<bool> {
    let key = trial.key(&format!("replaced {polls}"));
    let [before, after] = [entry("before", Some(1)), entry("dropped", Some(2))];
    let at = trial.put(&key, before.clone(), Expect::Absent).await?;
    let put = polled(trial.store.put(&key, after.clone(), Expect::At(at)), polls).await;
    settles(trial, &key, [Some(before), Some(after)]).await?;
    Ok(put.is_some())
}

async fn dropped_removal(trial: &Trial, polls: u32) -> Kept<bool> {
    let key = trial.key(&format!("removed {polls}"));
    let before = entry("before", Some(1));
    let at = trial.put(&key, before.clone(), Expect::Absent).await?;
    let removal = polled(trial.store.remove(&key, at), polls).await;
    settles(trial, &key, [Some(before), None]).await?;
    Ok(removal.is_some())
}

/// What a call came to within so many polls, after which it is dropped.
async fn polled<T>(call: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The record is in one of its states, whole; and it stays as it is written next, for a call that
/// happens only now has lost its race.
async fn settles(trial: &Trial, key: &Key, states: [Option<Entry>; 2]) -> Kept {
    for _ in 0..MOST_TRIES {
        let found = trial.found(key).await?;
        let state = found.as_ref().map(|stored| stored.entry.clone());
        ensure(states.contains(&state), "a call that was dropped has happened by half")?;
        let expect = found.map_or(Expect::Absent, |stored| Expect::At(stored.revision));
        match trial.store.put(key, entry("settled", None), expect).await {
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(format!("a put after a dropped call failed: {error}")),
            Ok(_) if !trial.promises.compare_and_swap => return Ok(()),
            Ok(_) => {
                let settled = trial.present(key).await?.entry == entry("settled", None);
                return ensure(settled, "a call that was dropped undid a later one");
            }
        }
    }
    Err("a call that was dropped happens again and again".to_owned())
}

const MOST_TRIES: u32 = 20;
