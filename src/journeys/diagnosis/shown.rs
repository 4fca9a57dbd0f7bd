//! A diagnosis as a person reads it.

use std::fmt;
use std::time::SystemTime;

use x509_cert::der::DateTime;

use super::{Basis, Diagnosis, Health};
use crate::error::{Error, Party};
use crate::model::consent::ConsentState;
use crate::model::entra_error::Cause;
use crate::model::registration::CredentialError;
use crate::storage::keyring::KeyError;
use crate::storage::store::StoreError;

/// A plain block, one line for each thing.
impl fmt::Display for Diagnosis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, text: &dyn fmt::Display| writeln!(out, "{label:<12} {text}");
        line("result", &self.result())?;
        line("application", &self.application)?;
        line("partner", &self.whose_consent())?;
        line("tenant", &self.which_tenant())?;
        line("resource", &self.which_resource())?;
        if let Some(missing) = &self.missing {
            line("missing", missing)?;
        }
        for step in &self.steps {
            line("to do", step)?;
        }
        if let Some(what) = self.what_happened() {
            line("happened", &what)?;
        }
        if let Some(cause) = self.cause() {
            line("cause", &self.cause_in_words(cause))?;
        }
        for (label, id) in [("correlation", self.correlation_id()), ("trace", self.trace_id())] {
            if let Some(id) = id {
                line(label, &id)?;
            }
        }
        write!(out, "{:<12} {}", "seen", self.when())
    }
}

impl Diagnosis {
    fn result(&self) -> &'static str {
        match (self.basis, self.works(), self.whose_turn()) {
            (_, true, _) => "works",
            (Basis::Text, ..) => "read from a text alone",
            (_, _, Some(Party::Nobody)) => "fails, and may pass by itself",
            (_, _, Some(Party::Partner)) => "fails: the partner's turn",
            (_, _, Some(Party::Customer)) => "fails: the customer's turn",
            (_, _, Some(Party::Vendor)) => "fails: the vendor's turn",
            (_, _, None) => "fails",
        }
    }

    fn whose_consent(&self) -> String {
        let Some(partner) = self.partner else { return UNKNOWN.to_owned() };
        format!("{partner}, {}", self.health)
    }

    fn which_tenant(&self) -> String {
        match (self.partner, self.tenant) {
            (Some(partner), Some(tenant)) if partner == tenant => "the partner's own".to_owned(),
            (Some(_), Some(tenant)) => format!("{tenant}, a customer"),
            (None, Some(tenant)) => tenant.to_string(),
            (_, None) => UNKNOWN.to_owned(),
        }
    }

    fn which_resource(&self) -> String {
        match &self.resource {
            Some(resource) if self.scopes.is_empty() => format!("{resource}, not registered"),
            Some(_) => self.scopes.to_string(),
            None => UNKNOWN.to_owned(),
        }
    }

    /// What Entra said has lines of its own; what a person or a host's own code said has none.
    pub(super) fn what_happened(&self) -> Option<String> {
        let what = match self.failure.as_ref()? {
            Error::Entra { .. } => return None,
            Error::Frozen { freeze } | Error::FreezeUnsaved { freeze, .. } => {
                format!("no token is handed out until the freeze {} is lifted", freeze.name())
            }
            Error::Credential(error) => of_credential(error).to_owned(),
            Error::Store(error) => of_store(error).to_owned(),
            Error::Key { error, .. } => of_key(error),
            error => error.to_string(),
        };
        Some(on_one_line(&what))
    }

    fn cause_in_words(&self, cause: Cause) -> String {
        match (self.number(), self.meaning()) {
            (Some(number), Some(meaning)) => {
                format!("{}: AADSTS{number}, {meaning}", cause.words())
            }
            (Some(number), None) => format!("{}: AADSTS{number}, not listed", cause.words()),
            (None, _) => cause.words(),
        }
    }

    fn when(&self) -> String {
        match self.basis {
            Basis::Asked => format!("{}, asked just now", moment(self.seen_at)),
            Basis::Remembered => format!("{}, remembered by this process", moment(self.seen_at)),
            Basis::Text => "not here: no id in the text is known to this process".to_owned(),
        }
    }
}

const UNKNOWN: &str = "not known";

impl fmt::Display for Health {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { state, deadline, lacks, overdue, proof_expired } => {
                consent_in_words(out, state, *deadline, *overdue)?;
                if let Some(at) = proof_expired {
                    write!(out, "; its proof of a second factor expired at {}", moment(*at))?;
                }
                if lacks.is_empty() { Ok(()) } else { write!(out, "; lacks {lacks}") }
            }
            Self::Never => out.write_str("which never consented"),
            Self::Damaged => out.write_str("whose record does not open"),
            Self::Unread => out.write_str("whose record could not be read"),
            Self::NotKnown => out.write_str(UNKNOWN),
        }
    }
}

fn consent_in_words(
    out: &mut fmt::Formatter<'_>,
    state: &ConsentState,
    deadline: SystemTime,
    overdue: bool,
) -> fmt::Result {
    let deadline = moment(deadline);
    match state {
        ConsentState::Withdrawn { at } => write!(out, "withdrawn at {}", moment(*at)),
        ConsentState::Ended { cause, since } => {
            write!(out, "consent ended at {}: {}", moment(*since), cause.words())
        }
        _ if overdue => write!(out, "consent over: its refresh token died at {deadline}"),
        ConsentState::Live => write!(out, "consent healthy, good until {deadline}"),
        ConsentState::Unproven { .. } => write!(out, "consent imported and not proven yet"),
        ConsentState::Suspended(pause) => {
            let (cause, since) = (pause.cause().words(), moment(pause.since()));
            let next = moment(pause.next_probe());
            write!(out, "consent suspended since {since}: {cause}; tried again at {next}")
        }
    }
}

const fn of_credential(error: &CredentialError) -> &'static str {
    match error {
        CredentialError::Certificate(_) => "the application's certificate cannot be used",
        CredentialError::Signing => "the application's key did not sign",
        CredentialError::Unavailable { .. } => "the application's credential is out of reach",
        CredentialError::Withheld { .. } => "the application's credential is withheld",
        CredentialError::NoneListed => "the application has no credential",
    }
}

const fn of_store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Conflict => "the record was changed by another writer",
        StoreError::Unavailable { .. } => "the store is unavailable",
        StoreError::Full => "the store is full",
        StoreError::ReadOnly => "the store is read only",
        StoreError::Damaged { .. } => "the store is damaged",
        StoreError::Unfit { .. } => "the store cannot keep this record",
        StoreError::Unusable { .. } => "the store cannot be used",
    }
}

fn of_key(error: &KeyError) -> String {
    match error {
        KeyError::Unavailable { id, .. } => format!("key {id} is out of reach"),
        KeyError::Forbidden { id, .. } => format!("key {id} may not be used"),
        KeyError::Gone { id, .. } => format!("key {id} is gone"),
        error => error.to_string(),
    }
}

/// RFC 3339, in seconds.
pub(super) fn moment(time: SystemTime) -> String {
    DateTime::from_system_time(time).map_or_else(|_| UNKNOWN.to_owned(), |date| date.to_string())
}

/// What others wrote cannot begin a line of its own.
fn on_one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect()
}
