//! What a store holds after it was closed and opened again.

use crate::storage::store::conformance::trial::{Kept, Trial, ensure, entry};
use crate::storage::store::{Expect, Key, Revision, Stored};

/// What is in the store when it is closed, and the greatest revision it has issued.
pub(super) struct Written {
    kept: Vec<Stored>,
    removed: Key,
    last: Revision,
}

pub(super) async fn written(trial: &Trial) -> Kept<Written> {
    let mut kept = Vec::new();
    for kind in trial.promises.kinds {
        let key = trial.key_of(*kind, "kept");
        trial.put(&key, entry("body", Some(3)), Expect::Absent).await?;
        kept.push(trial.present(&key).await?);
    }
    let mut last = Revision::ZERO;
    for kind in trial.promises.kinds {
        let key = trial.key_of(*kind, "removed");
        last = trial.put(&key, entry("body", None), Expect::Absent).await?;
        trial.remove(&key, last).await?;
    }
    Ok(Written { kept, removed: trial.key("removed"), last })
}

pub(super) async fn what_was_written_survives_reopening(trial: &Trial, written: &Written) -> Kept {
    for stored in &written.kept {
        let found = trial.present(&stored.key).await?;
        ensure(found == *stored, "a record is not as it was before the store was reopened")?;
    }
    trial.absent(&written.removed).await?;
    let next = trial.new_record("next", None).await?;
    ensure(next > written.last, "a revision was issued again after the store was reopened")
}
