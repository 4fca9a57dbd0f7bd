//! As much as the store promises to keep, and a little more.

use crate::storage::store::conformance::trial::{Kept, Trial, ensure, entry, noise};
use crate::storage::store::{Entry, Expect, Key, Kind, StoreError};

pub(super) async fn what_goes_beyond_its_promises_is_kept_whole_or_refused(trial: &Trial) -> Kept {
    let longest = trial.promises.longest_record;
    if longest <= MOST_TRIED {
        let key = trial.key("longest");
        let written = entry(&noise(longest), None);
        trial.put(&key, written.clone(), Expect::Absent).await?;
        ensure(trial.present(&key).await?.entry == written, "the longest record was not kept")?;
        let longer = entry(&noise(longest + 1), None);
        kept_whole_or_refused(trial, &trial.key("longer"), longer).await?;
    }
    let id = noise(trial.promises.longest_id.min(100_000) + 1);
    kept_whole_or_refused(trial, &trial.key(&id), entry("body", None)).await?;
    for kind in other_kinds(trial) {
        kept_whole_or_refused(trial, &trial.key_of(kind, "record"), entry("body", None)).await?;
    }
    Ok(())
}

/// What is promised beyond this is believed.
pub(super) const MOST_TRIED: usize = 4 << 20;

pub(super) fn other_kinds(trial: &Trial) -> impl Iterator<Item = Kind> {
    let promised = trial.promises.kinds;
    Kind::ALL.into_iter().filter(|kind| !promised.contains(kind))
}

async fn kept_whole_or_refused(trial: &Trial, key: &Key, written: Entry) -> Kept {
    match trial.store.put(key, written.clone(), Expect::Absent).await {
        Ok(_) => {
            let whole = trial.present(key).await?.entry == written;
            ensure(whole, "more than was promised was put, and not kept whole")
        }
        Err(StoreError::Unfit { .. }) => trial
            .found(key)
            .await
            .map_or(Ok(()), |found| ensure(found.is_none(), "a record was refused and is there")),
        Err(error) => Err(format!("more than was promised was put: {error}")),
    }
}
