//! What comes from a network, by chance: any bytes, and good ones bent.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::properties::{self, ID_TOKENS, TARGETS, TOKEN};

#[test]
fn what_is_good_is_taken() {
    for target in TARGETS {
        for good in target.good {
            assert!((target.holds)(good.as_bytes()), "{}: {good}", target.name);
        }
    }
    assert!(properties::id_token(TOKEN.as_bytes()));
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Bend {
    Put(Index, u8),
    Insert(Index, u8),
    Cut(Index),
    Repeat(Index, Index),
}

impl Bend {
    fn apply(&self, text: &mut Vec<u8>) {
        let length = text.len() + 1;
        match self {
            Self::Put(at, byte) => {
                text.get_mut(at.index(length)).into_iter().for_each(|b| *b = *byte)
            }
            Self::Insert(at, byte) => text.insert(at.index(length), *byte),
            Self::Cut(at) => text.truncate(at.index(length)),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                text.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

fn bend() -> impl Strategy<Value = Bend> {
    let place = any::<Index>;
    // Mostly what means something in JSON, base64 or a form.
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\",:.&=%+-_\\0 9aA\n"[..])];
    prop_oneof![
        (place(), byte()).prop_map(|(at, byte)| Bend::Put(at, byte)),
        (place(), byte()).prop_map(|(at, byte)| Bend::Insert(at, byte)),
        place().prop_map(Bend::Cut),
        (place(), place()).prop_map(|(from, to)| Bend::Repeat(from, to)),
    ]
}

/// Any bytes, or one of these texts, bent a few times or not at all.
fn like(good: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let bent = (prop::sample::select(good), vec(bend(), 0..4)).prop_map(|(good, bends)| {
        let mut text = good.as_bytes().to_vec();
        bends.iter().for_each(|bend| bend.apply(&mut text));
        text
    });
    prop_oneof![1 => vec(any::<u8>(), 0..500), 4 => bent]
}

/// The texts that a target takes, bent.
fn of(name: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    like(good(name))
}

fn good(name: &str) -> &'static [&'static str] {
    TARGETS.iter().find(|target| target.name == name).expect("a target").good
}

/// Cookies of few names and values, so that some come twice.
fn cookies() -> impl Strategy<Value = Vec<u8>> {
    let pair = "(__Host-c|__host-c|c)[ ]?=[ ]?[ab=\"]{0,2}";
    vec(pair, 0..6).prop_map(|pairs| pairs.join("; ").into_bytes())
}

/// A good reply that says any lifetime.
fn lasting() -> impl Strategy<Value = Vec<u8>> {
    let good = good("token_reply")[0];
    any::<u64>().prop_map(|life| good.replacen("3599", &life.to_string(), 1).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    //
    #[test]
    fn a_callback_is_an_answer_or_it_is_not(fields in of("callback")) {
        properties::callback(&fields);
    }

    //
    #[test]
    fn a_cookie_is_found_whole_and_once_or_not_at_all(
        header in prop_oneof![of("cookie"), cookies()]
    ) {
        properties::cookie(&header);
    }

    //
    #[test]
    fn a_token_reply_gives_a_token_for_a_day_or_so_at_most(
        reply in prop_oneof![of("token_reply"), lasting()]
    ) {
        properties::token_reply(&reply);
    }

    //
    #[test]
    fn an_id_token_is_believed_as_it_was_signed_or_not_at_all(
        bends in vec(bend(), 0..4), other in vec(any::<u8>(), 0..500)
    ) {
        let mut token = TOKEN.as_bytes().to_vec();
        bends.iter().for_each(|bend| bend.apply(&mut token));
        prop_assert_eq!(properties::id_token(&token), token == TOKEN.as_bytes());
        prop_assert!(!properties::id_token(&other));
    }

    //
    #[test]
    fn a_well_signed_id_token_is_believed_for_what_it_says_alone(token in like(&ID_TOKENS)) {
        properties::id_token(&token);
    }

    //
    #[test]
    fn a_key_set_makes_nobody_elses_signature_good(keys in of("key_set")) {
        properties::key_set(&keys);
    }

    //
    #[test]
    fn a_pause_that_is_asked_for_is_an_hour_at_most(value in of("retry_after")) {
        properties::retry_after(&value);
    }

    //
    #[test]
    fn an_envelope_opens_as_it_was_sealed_or_not_at_all(changes in vec(any::<u8>(), 0..200)) {
        properties::envelope(&changes);
    }

    //
    #[test]
    fn an_invitations_link_has_one_spelling(
        text in of("invitation"), more in vec(any::<u8>(), 1..3)
    ) {
        properties::invitation(&text);
        let good = good("invitation")[0].as_bytes();
        prop_assert!(!properties::invitation(&[good, more.as_slice()].concat()));
        prop_assert!(!properties::invitation(&[more.as_slice(), good].concat()));
    }

    //
    #[test]
    fn a_manifest_is_kept_whole_and_fitted_at_once(text in of("manifest")) {
        properties::manifest(&text);
    }
}
