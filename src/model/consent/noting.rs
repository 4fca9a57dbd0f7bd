//! What a change of a consent leaves to be proven.

use std::time::SystemTime;

use super::{Consent, ConsentState, Guest, Past, StoredConsent};
use crate::model::clock::unix_seconds;
use crate::model::receipt::{Chain, ConsentChange, Granted, Note, PolicyNote};

impl Consent {
    /// Who received what power, as a receipt says it. The user is named apart from it.
    pub(crate) fn granted(&self, policy: PolicyNote) -> Granted {
        Granted {
            account: self.account.clone(),
            partner_kind: Some(self.kind.as_str().to_owned()),
            begun: unix_seconds(self.begun_at),
            guest: self.user.guest.as_str().to_owned(),
            roles: self.user.roles.clone(),
            scopes: self.scopes.iter().map(ToString::to_string).collect(),
            mfa: self.mfa.as_ref().map(Into::into),
            policy,
        }
    }
}

impl ConsentState {
    /// What a move from here to `next` is to whoever must prove it; nothing where only a pause grew.
    pub(crate) fn change_to(&self, next: &Self) -> Option<ConsentChange> {
        if std::mem::discriminant(self) == std::mem::discriminant(next) {
            return None;
        }
        match next {
            Self::Live => Some(ConsentChange::Live),
            Self::Unproven { .. } => None,
            Self::Suspended(pause) => Some(ConsentChange::Suspended { cause: pause.cause() }),
            Self::Ended { cause, .. } => Some(ConsentChange::Ended { cause: *cause }),
            Self::Withdrawn { .. } => Some(ConsentChange::Withdrawn),
        }
    }
}

impl Guest {
    const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Unknown => "unknown",
        }
    }
}

impl StoredConsent {
    /// With a note of what it has become. Where power was granted, the note names who gave it.
    pub(crate) fn noting(&mut self, change: ConsentChange, now: SystemTime) {
        let user = change.granted().map(|_| &self.consent.user);
        let mut note = Note::new(change.clone(), self.consent.generation, now);
        if let Some(user) = user {
            note = note.about(USER_ID, user.id.to_string());
            if let Some(name) = &user.name {
                note = note.about(USER_NAME, name.clone());
            }
        }
        self.chain.note(note);
    }

    /// The same in another store's hands, where its chain does not go on, and nothing is put back.
    pub(crate) fn for_export(mut self) -> Self {
        (self.chain, self.past) = (Chain::default(), Past::default());
        self
    }
}

/// The object id of whoever consented.
const USER_ID: &str = "user.id";
/// What Entra shows for it, mostly an address.
const USER_NAME: &str = "user.name";
