//! What is asked: each question that the project's protocol sheet leaves open (its section 16).

use std::pin::Pin;

use serde_json::{Map, Value};

use super::probe::{Probe, Silence};
use super::wire::Exchange;

mod callback;
mod consents;
mod key_vault;
mod met;
mod partner_center;
mod standing;
mod tokens;

/// One open question.
pub(crate) struct Question {
    pub(crate) id: &'static str,
    pub(crate) asks: &'static str,
    /// Where the protocol sheet has what is known.
    pub(crate) section: &'static str,
    /// Whether asking changes something.
    writes: bool,
    ask: Ask,
}

type Ask = for<'p> fn(&'p Probe) -> Asking<'p>;
type Asking<'p> = Pin<Box<dyn Future<Output = Result<Answer, Silence>> + 'p>>;

/// What the services said.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    words: String,
    doubts: Map<String, Value>,
    /// Exchanges of earlier questions that show it, where no request was made for this one.
    evidence: Option<Vec<Exchange>>,
    left: Option<String>,
}

impl Answer {
    fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    /// A switch of the emulator's that this answers.
    fn doubt(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.doubts.insert(name.to_owned(), value.into());
        self
    }

    fn shown_by(mut self, evidence: Vec<Exchange>) -> Self {
        self.evidence = Some(evidence);
        self
    }
}

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Told(Result<Answer, Silence>);

impl Told {
    /// For the transcript.
    pub(crate) fn words(&self) -> String {
        let words = match &self.0 {
            Ok(answer) => answer.words.clone(),
            Err(silence) if silence.asked => format!("not answered: {}", silence.words),
            Err(silence) => format!("not asked: {}", silence.words),
        };
        match self.left() {
            Some(left) => format!("{words}; NOT PUT BACK: {left}"),
            None => words,
        }
    }

    /// For whoever runs the program.
    pub(crate) fn aloud(&self) -> String {
        match &self.0 {
            Err(Silence { aloud: Some(aloud), .. }) => format!("{} ({aloud})", self.words()),
            _ => self.words(),
        }
    }

    /// Whether it was asked in vain, or left something behind.
    pub(crate) fn failed(&self) -> bool {
        self.left().is_some() || self.0.as_ref().is_err_and(|silence| silence.asked)
    }

    fn left(&self) -> Option<&str> {
        let left = match &self.0 {
            Ok(answer) => &answer.left,
            Err(silence) => &silence.left,
        };
        left.as_deref()
    }

    pub(crate) fn evidence(&self) -> Option<Vec<Exchange>> {
        self.0.as_ref().ok()?.evidence.clone()
    }

    pub(crate) fn doubts(self) -> Map<String, Value> {
        self.0.map(|answer| answer.doubts).unwrap_or_default()
    }
}

impl Question {
    /// Asks it, if it may be asked.
    pub(crate) async fn put(&self, probe: &Probe) -> Told {
        if *probe.stop.borrow() {
            return Told(Err(Silence::not_asked("the run was interrupted")));
        }
        if self.writes && !probe.allow_writes {
            return Told(Err(Silence::not_asked("it writes, and --allow-writes was not given")));
        }
        Told((self.ask)(probe).await)
    }
}

/// Every question, in the order in which they are asked: what changes something late, and what is
/// read off the others' exchanges last.
pub(crate) fn all() -> Vec<Question> {
    vec![
        reads(
            "token-reply",
            "4.2",
            "which members do token replies have that no page names?",
            |probe| Box::pin(tokens::reply(probe)),
        ),
        reads(
            "mfa-verdict",
            "9.6",
            "which spellings of ValidateMfa are answered, and how?",
            |probe| Box::pin(partner_center::verdict(probe)),
        ),
        reads("consents-read", "9.4", "can applicationconsents be read with GET?", |probe| {
            Box::pin(partner_center::consents_read(probe))
        }),
        reads(
            "customers-by-gdap",
            "9.5",
            "does GET /customers list those that are administered only?",
            |probe| Box::pin(partner_center::customers(probe)),
        ),
        reads(
            "unconsented-at-partner",
            "4.5",
            "how is a resource refused that the partner did not consent to?",
            |probe| Box::pin(tokens::unconsented_at_partner(probe)),
        ),
        reads(
            "unconsented-at-customer",
            "8.3",
            "how is a resource refused that the customer grants nothing of?",
            |probe| Box::pin(tokens::unconsented_at_customer(probe)),
        ),
        reads("outlook-uri", "1.2", "is https://outlook.office365.com Exchange Online?", |probe| {
            Box::pin(tokens::outlook(probe))
        }),
        reads(
            "manage-uri",
            "1.2",
            "is https://manage.office.com the Office 365 Management APIs?",
            |probe| Box::pin(tokens::manage(probe)),
        ),
        reads("clock-tolerance", "6.2", "how far in the future may an assertion begin?", |probe| {
            Box::pin(tokens::clock_tolerance(probe))
        }),
        reads("v1-claims", "4.6", "does the v1.0 token endpoint accept claims?", |_| {
            Box::pin(tokens::v1_claims())
        }),
        reads(
            "key-vault-challenge",
            "13",
            "how does Key Vault answer a call without a token?",
            |probe| Box::pin(key_vault::challenge(probe)),
        ),
        reads("callback", "3", "does a callback have iss, or error_subcode?", |probe| {
            Box::pin(callback::members(probe))
        }),
        reads(
            "dod-host",
            "10",
            "does the Department of Defense use the global Partner Center host?",
            |probe| Box::pin(met::dod_host(probe)),
        ),
        writes("consent-again", "9.3", "how is a consent created that is there?", |probe| {
            Box::pin(consents::again(probe))
        }),
        writes("consent-change", "9.3", "can a consent be changed with PATCH?", |probe| {
            Box::pin(consents::change(probe))
        }),
        writes(
            "consent-delete",
            "9.3",
            "how is a consent deleted, and what becomes of principal and tokens?",
            |probe| Box::pin(consents::delete(probe)),
        ),
        writes(
            "consent-delete-unknown",
            "9.3",
            "how is a consent deleted that is not there?",
            |probe| Box::pin(consents::delete_unknown(probe)),
        ),
        writes("key-vault-purge", "13", "how is a purge answered?", |probe| {
            Box::pin(key_vault::purge(probe))
        }),
        reads("mfa-refusal", "9.6", "what body goes with 900421?", |probe| {
            Box::pin(met::mfa_refusal(probe))
        }),
        reads("step-up", "5", "how is AADSTS50076 spelled?", |probe| Box::pin(met::step_up(probe))),
        reads(
            "pairings",
            "5",
            "which status, error and suberror go with the AADSTS numbers met?",
            |probe| Box::pin(met::pairings(probe)),
        ),
        reads(
            "new-token-required",
            "9.1",
            "does Partner Center send X-NewTokenRequired?",
            |probe| Box::pin(met::new_token_required(probe)),
        ),
        reads(
            "byte-order-mark",
            "9.2",
            "does Partner Center's JSON begin with a byte order mark?",
            |probe| Box::pin(met::byte_order_mark(probe)),
        ),
        reads(
            "documents",
            "16",
            "what do the pages on 900421 and sovereign clouds, and the guides, say?",
            |_| Box::pin(met::documents()),
        ),
    ]
}

const fn reads(id: &'static str, section: &'static str, asks: &'static str, ask: Ask) -> Question {
    Question { id, asks, section, writes: false, ask }
}

const fn writes(id: &'static str, section: &'static str, asks: &'static str, ask: Ask) -> Question {
    Question { id, asks, section, writes: true, ask }
}
