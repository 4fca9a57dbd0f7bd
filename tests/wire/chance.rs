//! What comes from a network, by chance: any bytes, and good ones bent.

use std::sync::LazyLock;
use std::time::Duration;

use cpv_consent::measure::Envelope;
use cpv_consent::measure::targets::{self, Readers};
use cpv_consent::{AppRegistration, Clock as _, Cloud, Origins, Sealed, VirtualClock};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::entra::{CONTOSO, Entra, SIGNER};
use crate::stage::contoso;
use crate::world::registration;

const HOUR: Duration = Duration::from_secs(3600);
const ORIGIN: &str = "http://127.0.0.1:9";
const NONCE: &str = "nonce";

static CLOCK: LazyLock<VirtualClock> = LazyLock::new(VirtualClock::default);

static READERS: LazyLock<Readers> = LazyLock::new(|| Readers::new(app(), contoso(), CLOCK.clone()));

static KEYS: LazyLock<String> =
    LazyLock::new(|| json!({ "keys": [SIGNER.jwk(ORIGIN)] }).to_string());

static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let entra = Entra::new(ORIGIN, &app().client_id().to_string(), &CLOCK);
    let mut claims = entra.claims(CONTOSO);
    claims["nonce"] = json!(NONCE);
    SIGNER.sign(&claims)
});

static REPLY: LazyLock<String> = LazyLock::new(|| {
    let reply: Value = json!({
        "token_type": "Bearer", "expires_in": 3599, "access_token": "access",
        "scope": "https://api.partnercenter.microsoft.com/user_impersonation",
        "refresh_token": "refresh", "id_token": TOKEN.as_str(), "foci": "1",
    });
    reply.to_string()
});

fn app() -> AppRegistration {
    let origins = Origins { login: ORIGIN, partner_center: ORIGIN, graph: ORIGIN };
    registration(Cloud::danger_loopback("chance", origins).expect("loopback"))
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
}

fn now<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
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

/// Any bytes, or this text, bent a few times or not at all.
fn like(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let bent = vec(bend(), 0..4).prop_map(move |bends| {
        let mut text = good.as_bytes().to_vec();
        bends.iter().for_each(|bend| bend.apply(&mut text));
        text
    });
    prop_oneof![1 => vec(any::<u8>(), 0..500), 4 => bent]
}

/// Cookies of few names and values, so that some come twice.
fn cookies() -> impl Strategy<Value = Vec<u8>> {
    let pair = "(__Host-c|__host-c|c)[ ]?=[ ]?[ab=\"]{0,2}";
    vec(pair, 0..6).prop_map(|pairs| pairs.join("; ").into_bytes())
}

/// A good reply that says any lifetime.
fn lasting() -> impl Strategy<Value = Vec<u8>> {
    any::<u64>().prop_map(|life| REPLY.replacen("3599", &life.to_string(), 1).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    //
    #[test]
    fn a_callback_is_an_answer_or_it_is_not(
        fields in like("code=0.AXoA-code&state=AAAA&session_state=1&iss=https%3A%2F%2Flogin.example")
    ) {
        let posted = targets::callback(&fields, true);
        prop_assert!(posted.is_some());
        if let Some(asked) = targets::callback(&fields, false) && !fields.contains(&b'#') {
            prop_assert_eq!(Some(asked), posted, "in both modes");
        }
    }

    //
    #[test]
    fn a_cookie_is_found_whole_and_once_or_not_at_all(
        header in prop_oneof![like("a=1; __Host-c=value; b=2"), cookies()]
    ) {
        let name = "__Host-c";
        if let Some(value) = targets::cookie(&header, name) {
            let text = String::from_utf8_lossy(&header).into_owned();
            let mut pairs = text.split(';').filter_map(|pair| pair.split_once('='));
            prop_assert!(pairs.all(|(found, own)| found.trim() != name || own.trim() == value));
        }
    }

    //
    #[test]
    fn a_token_reply_gives_a_token_for_a_day_or_so_at_most(
        body in prop_oneof![like(&REPLY), lasting()], status in prop_oneof![Just(200), 100..600_u16]
    ) {
        let life = now(READERS.token_reply(status, &body));
        prop_assert!(life.is_none_or(|life| status == 200 && life <= 28 * HOUR), "{life:?}");
        if body == REPLY.as_bytes() {
            prop_assert_eq!(life.is_some(), status == 200);
        }
    }

    //
    #[test]
    fn an_id_token_is_believed_as_it_was_signed_or_not_at_all(token in like(&TOKEN)) {
        let believed = now(READERS.id_token(&token, KEYS.as_bytes(), NONCE));
        prop_assert_eq!(believed, token == TOKEN.as_bytes());
    }

    //
    #[test]
    fn a_key_set_makes_nobody_elses_signature_good(keys in like(&KEYS)) {
        let believed = now(READERS.id_token(TOKEN.as_bytes(), &keys, NONCE));
        let modulus = SIGNER.jwk(ORIGIN)["n"].as_str().expect("text").to_owned();
        let has_the_key = String::from_utf8_lossy(&keys).contains(&modulus);
        prop_assert!(!believed || has_the_key);
        prop_assert!(believed || keys != KEYS.as_bytes());
    }

    //
    #[test]
    fn a_pause_that_is_asked_for_is_an_hour_at_most(
        value in prop_oneof![like("120"), like("Fri, 31 Dec 2032 23:59:59 GMT")]
    ) {
        let pause = targets::retry_after(&value, CLOCK.now());
        prop_assert!(pause.is_none_or(|pause| pause <= HOUR), "{pause:?}");
    }

    //
    #[test]
    fn an_envelope_opens_as_it_was_sealed_or_not_at_all(
        bends in vec(bend(), 0..4), other in vec(any::<u8>(), 0..200)
    ) {
        let envelope = Envelope::new(app().realm(), contoso()).expect("random bytes");
        let sealed = envelope.seal(b"a refresh token").expect("random bytes");
        let mut bent = sealed.as_bytes().to_vec();
        bends.iter().for_each(|bend| bend.apply(&mut bent));
        let opened = envelope.open(&Sealed::from_bytes(bent.clone()));
        prop_assert_eq!(opened.is_ok(), bent == sealed.as_bytes());
        prop_assert!(envelope.open(&Sealed::from_bytes(other)).is_err());
    }
}
