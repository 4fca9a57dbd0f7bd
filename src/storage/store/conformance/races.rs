//! Writers at once.

use std::sync::Arc;

use crate::storage::store::conformance::trial::{Kept, Trial, ensure, entry};
use crate::storage::store::{Expect, Key, Revision, StoreError};

pub(super) async fn one_of_many_racing_writers_wins(trial: &Trial) -> Kept {
    let key = trial.key("record");
    let mut expect = Expect::Absent;
    for _ in 0..5 {
        let winners = race(trial, &key, expect).await?;
        ensure(winners.len() == 1, "not exactly one of several racing writers won")?;
        let (revision, body) = &winners[0];
        let stored = trial.present(&key).await?;
        let theirs = stored.revision == *revision && stored.entry == entry(body, None);
        ensure(theirs, "the record is not the winner's")?;
        expect = Expect::At(*revision);
    }
    Ok(())
}

/// Lets writers loose at once, by turns through each of the handles, and returns those that won.
async fn race(trial: &Trial, key: &Key, expect: Expect) -> Kept<Vec<(Revision, String)>> {
    let mut writers = Vec::new();
    for number in 0..16 {
        let store = Arc::clone(&trial.by_turns(number).store);
        let (key, body) = (key.clone(), format!("writer {number}"));
        writers.push(tokio::spawn(async move {
            (store.put(&key, entry(&body, None), expect).await, body)
        }));
    }
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.map_err(|_| "a writer panicked")? {
            (Ok(revision), body) => winners.push((revision, body)),
            (Err(StoreError::Conflict), _) => {}
            (Err(error), _) => return Err(format!("a racing writer failed: {error}")),
        }
    }
    Ok(winners)
}
