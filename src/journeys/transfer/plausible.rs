//! What an export says that cannot be true. Whoever has the recipient's public key and the code can
//! write anything into one, so no number and no date of it is believed without a look.

use std::time::{Duration, SystemTime};

use super::{Item, Manifest};
use crate::model::clock::{age, from_unix_seconds};
use crate::model::consent::{ConsentState, MOST_BELIEVED, StoredConsent};

impl Item {
    /// Whether it may be true of a partner whose store has the time of `now`, or an hour more.
    pub(super) fn is_plausible(&self, now: SystemTime) -> bool {
        match self {
            Self::Consent(stored) => is_sound(stored, now),
            Self::Shredded { generation, at, .. } => has_room(*generation) && is_past(*at, now),
        }
    }
}

impl Manifest {
    /// Whether its realm can be shown as it is.
    pub(super) fn is_plain(&self) -> bool {
        let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        self.realm.iter().all(|part| part.len() <= LONGEST_PART && part.bytes().all(plain))
    }
}

fn is_sound(stored: &StoredConsent, now: SystemTime) -> bool {
    let consent = &stored.consent;
    let withdrawn_at = consent.withdrawn_at.map(from_unix_seconds);
    let whole = match consent.state {
        ConsentState::Withdrawn { at } => {
            stored.token.is_none() && withdrawn_at.is_some() && is_past(at, now)
        }
        _ => stored.token.is_some(),
    };
    let proven = consent.mfa.iter().flat_map(|proof| {
        let signed_in = proof.signed_in();
        [signed_in.earliest(), signed_in.latest()]
    });
    let mut times = [consent.begun_at, consent.confirmed_at, consent.token_issued_at]
        .into_iter()
        .chain(withdrawn_at)
        .chain(proven);
    whole && has_room(consent.generation) && times.all(|time| is_past(time, now))
}

/// Whether enough numbers follow. What grew above a planted one that was believed moves too.
fn has_room(generation: u64) -> bool {
    generation < 2 * MOST_BELIEVED
}

/// Whether it has come, by a clock that may be wrong by an hour.
fn is_past(time: SystemTime, now: SystemTime) -> bool {
    age(time, now) <= CLOCKS_DIFFER
}

const CLOCKS_DIFFER: Duration = Duration::from_secs(3600);
const LONGEST_PART: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const AN_HOUR: u64 = 3600;
    const YEAR_9999: u64 = 253_370_764_800;

    /// Whether an item that says this in these places is plausible.
    fn says(mut item: Value, places: &[(&str, Value)]) -> bool {
        for (place, value) in places {
            *item.pointer_mut(place).expect("it is there") = value.clone();
        }
        let item: Item = serde_json::from_value(item).expect("an item");
        item.is_plausible(from_unix_seconds(NOW))
    }

    fn consent() -> Value {
        let id = "22222222-2222-4222-8222-222222222222";
        let user = json!({
            "id": id, "subject": "subject", "name": null, "guest": "no", "roles": null,
        });
        let consent = json!({
            "partner": id, "account": "panel-1", "user": user, "scopes": [], "mfa": null,
            "flow": "flow", "generation": 3, "withdrawn_at": null, "begun_at": NOW,
            "confirmed_at": NOW, "token_issued_at": NOW, "state": "Live",
        });
        json!({ "consent": { "consent": consent, "token": "refresh-token" } })
    }

    fn shredded() -> Value {
        let partner = "22222222-2222-4222-8222-222222222222";
        json!({ "shredded": { "partner": partner, "generation": 3, "at": NOW } })
    }

    const STATE: &str = "/consent/consent/state";
    const TOKEN: &str = "/consent/token";
    const WITHDRAWN_AT: &str = "/consent/consent/withdrawn_at";

    #[test]
    fn what_comes_from_a_sound_store_is_plausible() {
        assert!(says(consent(), &[]));
        assert!(says(shredded(), &[]));
        let tombstone = [
            (STATE, json!({ "Withdrawn": { "at": NOW } })),
            (TOKEN, Value::Null),
            (WITHDRAWN_AT, json!(NOW)),
        ];
        assert!(says(consent(), &tombstone));
    }

    #[test]
    fn a_generation_that_leaves_no_room_is_not() {
        for (item, place) in
            [(consent(), "/consent/consent/generation"), (shredded(), "/shredded/generation")]
        {
            assert!(!says(item.clone(), &[(place, json!(u64::MAX))]));
            assert!(!says(item.clone(), &[(place, json!(1_u64 << 63))]));
            assert!(says(item, &[(place, json!((1_u64 << 62) + 1))]), "a planted one, survived");
        }
    }

    #[test]
    fn a_date_more_than_an_hour_ahead_is_not() {
        for (item, place) in [
            (consent(), "/consent/consent/begun_at"),
            (consent(), "/consent/consent/confirmed_at"),
            (consent(), "/consent/consent/token_issued_at"),
            (consent(), WITHDRAWN_AT),
            (shredded(), "/shredded/at"),
        ] {
            assert!(says(item.clone(), &[(place, json!(NOW + AN_HOUR))]), "{place}");
            assert!(!says(item.clone(), &[(place, json!(NOW + AN_HOUR + 1))]), "{place}");
            assert!(!says(item, &[(place, json!(YEAR_9999))]), "{place}");
        }
    }

    #[test]
    fn a_tombstone_has_a_date_and_no_token_and_a_consent_has_one() {
        let gone = (STATE, json!({ "Withdrawn": { "at": NOW } }));
        let (tokenless, dated) = ((TOKEN, Value::Null), (WITHDRAWN_AT, json!(NOW)));
        assert!(!says(consent(), &[gone.clone(), dated.clone()]), "with a token");
        assert!(!says(consent(), &[gone, tokenless.clone()]), "without a date");
        assert!(!says(consent(), std::slice::from_ref(&tokenless)), "a consent that works nothing");
        let later = (STATE, json!({ "Withdrawn": { "at": YEAR_9999 } }));
        assert!(!says(consent(), &[later, tokenless, dated]), "withdrawn in the year 9999");
    }

    #[test]
    fn a_realm_that_would_forge_lines_of_a_log_is_not_shown() {
        //
        let realm =
            |part: &str| Manifest { realm: ["cloud", "login", "env", part].map(str::to_owned) };
        assert!(realm("d2719f7d-23a2-4d0b-8b9e-d4d5b6f9a6d1").is_plain());
        for part in ["a\nb", "a\u{1b}[2J", "a\u{202e}b", &"a".repeat(257)] {
            assert!(!realm(part).is_plain(), "{part:?}");
        }
    }
}
