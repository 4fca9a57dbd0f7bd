//! Errors and debug text, searched for what was put.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::storage::seal::Sealed;
use crate::storage::store::conformance::trial::{Kept, Trial, ensure, noise};
use crate::storage::store::{Entry, Expect, StoreError};

pub(super) async fn no_error_shows_what_is_in_a_record(trial: &Trial) -> Kept {
    let key = trial.key("record");
    let first = trial.put(&key, marked(0), Expect::Absent).await?;
    let moved = trial.put(&key, marked(0), Expect::At(first)).await?;
    unmarked(&trial.store, "debug text")?;
    for expect in [Expect::Absent, Expect::At(first)] {
        refused(trial.store.put(&key, marked(0), expect).await)?;
    }
    refused(trial.store.remove(&key, first).await)?;
    let too_long = trial.promises.longest_record.saturating_add(1);
    if too_long <= super::limits::MOST_TRIED {
        refused(trial.store.put(&key, marked(too_long), Expect::At(moved)).await)?;
    }
    let far = trial.key(&noise(trial.promises.longest_id.min(100_000) + 1));
    refused(trial.store.put(&far, marked(0), Expect::Absent).await)?;
    for kind in super::limits::other_kinds(trial) {
        let key = trial.key_of(kind, "record");
        refused(trial.store.put(&key, marked(0), Expect::Absent).await)?;
    }
    Ok(())
}

/// If it was refused, then in words that do not tell what was put.
fn refused<T>(outcome: Result<T, StoreError>) -> Kept {
    let Err(error) = outcome else { return Ok(()) };
    unmarked(&error, "an error")?;
    clean(&error.to_string(), "an error")
}

fn unmarked(shown: &impl Debug, what: &str) -> Kept {
    clean(&format!("{shown:?}"), what)
}

fn clean(text: &str, what: &str) -> Kept {
    let bytes = MARKER.as_bytes();
    let numbers = format!("{bytes:?}");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Base64 of what begins with the marker: its last characters depend on what follows.
    let base64 = STANDARD_NO_PAD.encode(&bytes[..bytes.len() / 3 * 3]);
    let forms = [MARKER, numbers.trim_matches(['[', ']']), &hex, &base64];
    let shows = forms.iter().any(|form| text.contains(form)) || text.contains(&hex.to_uppercase());
    ensure(!shows, &format!("{what} shows what was put into a record"))
}

const MARKER: &str = "marker-7d3f1c9e5b";

/// A body that begins with the marker, at least so long.
fn marked(length: usize) -> Entry {
    let rest = noise(length.saturating_sub(MARKER.len()));
    Entry { sealed: Sealed::from_bytes(format!("{MARKER}{rest}").into_bytes()), due: None }
}
