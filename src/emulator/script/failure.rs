//! How a request fails.

use std::time::Duration;

use axum::body::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING,
};
use url::Url;

use crate::emulator::refusal::Refusal;
use crate::emulator::site::Mischief;

/// What becomes of a request: another answer, none, or the true one spoilt.
///
/// ```
/// # use std::time::Duration;
/// # use cpv_consent::emulator::{Emulator, Endpoint, Failure, Rule};
/// # fn script(entra: &Emulator) {
/// let busy = Failure::status(503).retry_after(Duration::from_secs(7));
/// entra.fail(Rule::at(Endpoint::Keys), busy.times(2));
/// // The third time that a customer is consented to, the answer is lost, and the consent is there.
/// entra.fail(Rule::at(Endpoint::ApplicationConsents), Failure::lost_answer().after(2).times(1));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Failure {
    pub(in crate::emulator) act: Act,
    pub(crate) late: Duration,
    pub(crate) headers: HeaderMap,
    pub(crate) dates: Dates,
    pub(super) after: u32,
    pub(super) times: Option<u32>,
    pub(super) percent: u8,
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub(in crate::emulator) enum Act {
    /// Entra refuses it.
    Refused(Refusal),
    /// Something else answers; the service never sees it.
    Answered(Answer),
    /// The connection fails; the service never sees it.
    Unseen(Mischief),
    /// The service does its work and answers.
    Seen,
    /// The service does its work, and the connection fails the answer.
    Broken(Mischief),
}

/// An answer that is not the service's.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
}

/// What an answer says.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Plain(Bytes),
    /// An error as an API spells it.
    Spelled(Spelling, String, String),
    /// So many bytes, announced or not.
    Huge(u64, bool),
}

/// Whose form an error has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    PartnerCenter,
    Graph,
    KeyVault,
}

/// Headers that hang on the time of the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dates {
    /// By how many seconds `Date` is ahead of the emulator's clock.
    pub(crate) skew: Option<i64>,
    /// How long after the answer the date in `Retry-After` is.
    pub(crate) retry_after: Option<Duration>,
}

/// Without the service.
impl Failure {
    /// A refusal with an AADSTS number, spelled as the emulator's table has it.
    ///
    /// The token endpoint makes it once the client has proved itself; the authorization and admin
    /// consent endpoints tell the application, once it and its address are known; sign-in shows a
    /// page; all else answers as the token endpoint does. Where the [`Rule`](super::Rule) names no
    /// endpoint, the token endpoint is meant.
    #[must_use]
    pub fn aadsts(number: u32) -> Self {
        Self::new(Act::Refused(Refusal::new(number)))
    }

    /// An error of Partner Center's, with its numeric code.
    ///
    /// Source: Partner Center REST, "REST error codes".
    #[must_use]
    pub fn partner_center(status: u16, code: &str, description: &str) -> Self {
        Self::spelled(Spelling::PartnerCenter, status, code, description)
    }

    /// An error of Microsoft Graph's, with a code such as `Authorization_RequestDenied`.
    ///
    /// Source: Microsoft Graph, "Error responses and resource types".
    #[must_use]
    pub fn graph(status: u16, code: &str) -> Self {
        Self::spelled(Spelling::Graph, status, code, "The request failed.")
    }

    /// An error of Key Vault's, with a code such as `Throttled`.
    ///
    /// Source: Key Vault, "REST API error codes".
    #[must_use]
    pub fn key_vault(status: u16, code: &str) -> Self {
        Self::spelled(Spelling::KeyVault, status, code, "The request failed.")
    }

    /// A bare status without a body, as a gateway sends it.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::reply(status, "text/html", Bytes::new())
    }

    /// Any reply at all.
    #[must_use]
    pub fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::answered(status, content_type, Body::Plain(body.into()))
    }

    /// 302 to an address.
    #[must_use]
    pub fn redirect(to: &Url) -> Self {
        let to = HeaderValue::try_from(to.as_str()).expect("a URL is visible ASCII");
        Self::status(302).header(LOCATION, to)
    }

    /// 200 with so many bytes of JSON that never becomes a whole; they are made as they are read.
    #[must_use]
    pub fn huge(bytes: u64) -> Self {
        Self::answered(200, JSON, Body::Huge(bytes, true))
    }

    /// As [`huge`](Self::huge), but without the `Content-Length` that would tell beforehand.
    #[must_use]
    pub fn huge_unannounced(bytes: u64) -> Self {
        Self::answered(200, JSON, Body::Huge(bytes, false))
    }

    /// The connection is reset before the service sees the request.
    #[must_use]
    pub fn reset() -> Self {
        Self::new(Act::Unseen(Mischief::Reset))
    }

    /// Nothing comes, and the service never sees the request; the connection stays open.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(Act::Unseen(Mischief::Hang))
    }
}

/// With the true answer, whose work was done.
impl Failure {
    /// The true answer, to be made [`late`](Self::late) or to be given another
    /// [`header`](Self::header).
    #[must_use]
    pub fn truth() -> Self {
        Self::new(Act::Seen)
    }

    /// The work begins only after that long by the emulator's clock.
    #[must_use]
    pub fn latency(wait: Duration) -> Self {
        Self::truth().late(wait)
    }

    /// The true answer under another content type.
    #[must_use]
    pub fn content_type(name: &str) -> Self {
        Self::truth().typed(name)
    }

    /// The true answer, with a `Date` that many seconds ahead of the emulator's clock, or behind.
    /// [`Emulator::shift_clock`](crate::emulator::Emulator::shift_clock) shifts all else that it says.
    #[must_use]
    pub fn clock_skew(seconds: i64) -> Self {
        let mut failure = Self::truth();
        failure.dates.skew = Some(seconds);
        failure
    }

    /// The true answer is ready, and the connection fails it.
    #[must_use]
    pub fn broken(how: Mischief) -> Self {
        Self::new(Act::Broken(how))
    }

    /// The work is done and the connection closes without an answer: the code is spent, the consent
    /// is there, and the client cannot know.
    #[must_use]
    pub fn lost_answer() -> Self {
        Self::broken(Mischief::LoseAnswer)
    }

    /// The connection closes after that many bytes of the true answer's body.
    #[must_use]
    pub fn truncation(bytes: usize) -> Self {
        Self::broken(Mischief::TruncateAfter(bytes))
    }

    /// The true answer comes in pieces of so many bytes, that far apart by the emulator's clock.
    #[must_use]
    pub fn drip(bytes: usize, every: Duration) -> Self {
        Self::broken(Mischief::Drip { bytes, every })
    }
}

/// When and how often.
impl Failure {
    /// Only for the next `times` requests that the rule matches.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only after so many requests that the rule matches were let pass.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// Only for about so many of a hundred requests, drawn by the emulator's chance: from a seed the
    /// same ones in every run, if requests come in the same order.
    #[must_use]
    pub fn percent(mut self, percent: u8) -> Self {
        self.percent = percent;
        self
    }

    /// Only after that long by the emulator's clock.
    #[must_use]
    pub fn late(mut self, wait: Duration) -> Self {
        self.late = wait;
        self
    }
}

/// In detail.
impl Failure {
    /// With a `Retry-After` of whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header(http::header::RETRY_AFTER, HeaderValue::from(wait.as_secs()))
    }

    /// With a `Retry-After` that is a date, so long after the answer by the emulator's clock
    /// (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after_date(mut self, wait: Duration) -> Self {
        self.dates.retry_after = Some(wait);
        self
    }

    /// With a header, in place of those of that name. `Content-Length` and `Transfer-Encoding` stay
    /// as they are: they are the connection's to say (see [`truncation`](Self::truncation)).
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if !is_framing(&name) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With another HTTP status than the table's. It changes neither a true answer nor a connection.
    #[must_use]
    pub fn with_status(mut self, code: u16) -> Self {
        match &mut self.act {
            Act::Refused(refusal) => {
                refusal.status = code;
                refusal.spelled_out = true;
            }
            Act::Answered(answer) => answer.status = code,
            Act::Unseen(_) | Act::Seen | Act::Broken(_) => {}
        }
        self
    }

    /// With another `error` than the table's, where it is a refusal with an AADSTS number.
    #[must_use]
    pub fn error(self, error: &str) -> Self {
        self.refusal(|refusal| {
            error.clone_into(&mut refusal.error);
            refusal.spelled_out = true;
        })
    }

    /// With this `suberror`, or with none, where it is a refusal with an AADSTS number.
    #[must_use]
    pub fn suberror(self, suberror: Option<&str>) -> Self {
        self.refusal(|refusal| {
            refusal.suberror = suberror.map(str::to_owned);
            refusal.spelled_out = true;
        })
    }

    /// With a claims challenge, where it is a refusal with an AADSTS number.
    #[must_use]
    pub fn claims(self, claims: &str) -> Self {
        self.refusal(|refusal| refusal.claims = Some(claims.to_owned()))
    }

    fn refusal(mut self, change: impl FnOnce(&mut Refusal)) -> Self {
        if let Act::Refused(refusal) = &mut self.act {
            change(refusal);
        }
        self
    }
}

impl Failure {
    fn new(act: Act) -> Self {
        Self {
            act,
            late: Duration::ZERO,
            headers: HeaderMap::new(),
            dates: Dates::default(),
            after: 0,
            times: None,
            percent: 100,
        }
    }

    fn answered(status: u16, content_type: &str, body: Body) -> Self {
        Self::new(Act::Answered(Answer { status, body })).typed(content_type)
    }

    fn spelled(form: Spelling, status: u16, code: &str, description: &str) -> Self {
        let body = Body::Spelled(form, code.to_owned(), description.to_owned());
        Self::answered(status, JSON, body)
    }

    /// A name that no header can have is left out.
    fn typed(self, name: &str) -> Self {
        match HeaderValue::try_from(name) {
            Ok(name) => self.header(CONTENT_TYPE, name),
            Err(_) => self,
        }
    }

    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.act, Act::Refused(_))
    }
}

/// Whether a header says where a body ends, which nobody but the connection knows
/// (RFC 9112, section 6).
pub(in crate::emulator) fn is_framing(name: &HeaderName) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
}

const JSON: &str = "application/json; charset=utf-8";
