//! The front channel, inward: what a browser brought back, read strictly.
//!
//! Sources: RFC 6749, sections 3.1 and 4.1.2; OAuth 2.0 Form Post Response Mode; RFC 9207;
//! Microsoft identity platform, "Admin consent on the Microsoft identity platform".

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, Method, Request};
use oauth2::AuthorizationCode;
use url::form_urlencoded;

use crate::model::entra_error::{EntraError, Refusal};
use crate::model::tenant::TenantId;

use super::ResponseMode;
use super::approval::is_of_approval;

/// What came back from Entra through somebody's browser: read, and not yet believed.
pub struct Callback {
    mode: ResponseMode,
    state: Option<String>,
    iss: Option<String>,
    answer: Answer,
    cookies: Cookies,
}

/// What the answer says.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A code to redeem.
    Code(AuthorizationCode),
    /// No.
    Denied(EntraError),
    /// An administrator has approved for the tenant, it says. It proves nobody's identity, and
    /// neither does the tenant that it names.
    Approved { tenant: Option<TenantId> },
}

/// Why a callback is not even looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// Neither GET nor POST: a prefetch or a scanner. Nothing was spent.
    #[error("the callback is neither GET nor POST")]
    Method,
    /// A POST that is not form-encoded.
    #[error("the callback's body is not form-encoded")]
    ContentType,
    /// Longer, or of more fields, than any answer.
    #[error("the callback is too large")]
    TooLarge,
    /// Not UTF-8, or with control characters.
    #[error("the callback has characters that no answer has")]
    Encoding,
    /// A field occurs twice.
    #[error("the callback has a field twice")]
    Duplicate,
    /// Fields in the query and in the body.
    #[error("the callback is split over query and body")]
    Split,
    /// Both a code and an error.
    #[error("the callback has a code and an error")]
    Contradictory,
    /// Neither a code nor an error, or an empty one.
    #[error("the callback has neither a code nor an error")]
    Empty,
    /// A token where only a code belongs.
    #[error("the callback has a token, which was never asked for")]
    Token,
}

impl Callback {
    /// Reads the request that came to the redirect address: POST with a form, or GET with a query.
    ///
    /// The host reads the body, and should stop at 16 KiB. Sources: RFC 6749, section 4.1.2;
    /// OAuth 2.0 Form Post Response Mode.
    ///
    /// # Errors
    /// [`CallbackError`] when it is no answer that Entra gives. Nothing was spent: the right answer
    /// may still come.
    pub fn from_request(request: &Request<Bytes>) -> Result<Self, CallbackError> {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let body = request.body().as_ref();
        let (mode, fields) = match *request.method() {
            Method::POST if !query.is_empty() => return Err(CallbackError::Split),
            Method::POST if !is_form(request.headers()) => return Err(CallbackError::ContentType),
            Method::POST => (ResponseMode::FormPost, body),
            Method::GET if !body.is_empty() => return Err(CallbackError::Split),
            Method::GET => (ResponseMode::Query, query),
            _ => return Err(CallbackError::Method),
        };
        let mut fields = Fields::parse(fields)?;
        let answer = answer(&mut fields)?;
        let (state, iss) = (fields.take("state"), fields.take("iss"));
        Ok(Self { mode, state, iss, answer, cookies: Cookies::read(request.headers())? })
    }

    /// Whether it answers a [request for approval](crate::Partner::request_approval), with yes or
    /// with no: then it is for [`Broker::capture_approval`](crate::Broker::capture_approval), else
    /// for [`capture_consent`](crate::Broker::capture_consent).
    ///
    /// It is told by the state that we sent, and not by `admin_consent=True`, which anybody may write
    /// and which Entra sends with its refusals, too.
    #[must_use]
    pub fn reports_approval(&self) -> bool {
        self.state().is_some_and(is_of_approval)
    }

    pub(crate) const fn mode(&self) -> ResponseMode {
        self.mode
    }

    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Who says it answered (RFC 9207); Entra leaves it out.
    pub(crate) fn iss(&self) -> Option<&str> {
        self.iss.as_deref()
    }

    pub(crate) const fn answer(&self) -> &Answer {
        &self.answer
    }

    pub(crate) const fn cookies(&self) -> &Cookies {
        &self.cookies
    }
}

/// The cookies that came with a request (RFC 6265, section 5.4).
pub(crate) struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, CallbackError> {
        let lines = headers.get_all(COOKIE).iter();
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
        if lines.iter().map(|line| line.len()).sum::<usize>() > LONGEST_COOKIES {
            return Err(CallbackError::TooLarge);
        }
        let pairs = lines.iter().flat_map(|line| line.split(';')).filter_map(|c| c.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        Ok(Self(pairs.collect()))
    }

    /// The cookie of that name. One that came with two values is nobody's.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value);
        let first = values.next()?;
        values.all(|value| value == first).then_some(first.as_str())
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = self.mode;
        out.debug_struct("Callback")
            .field("mode", &mode)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

fn answer(fields: &mut Fields) -> Result<Answer, CallbackError> {
    if ["id_token", "access_token", "refresh_token"].iter().any(|name| fields.has(name)) {
        return Err(CallbackError::Token);
    }
    match (fields.take("code"), fields.take("error")) {
        (Some(_), Some(_)) => Err(CallbackError::Contradictory),
        (Some(code), None) if code.is_empty() => Err(CallbackError::Empty),
        (Some(code), None) => Ok(Answer::Code(AuthorizationCode::new(code))),
        (None, Some(error)) if error.is_empty() => Err(CallbackError::Empty),
        (None, Some(error)) => Ok(Answer::Denied(denied(error, fields))),
        (None, None) if fields.take("admin_consent").as_deref() == Some("True") => {
            let tenant = fields.take("tenant");
            Ok(Answer::Approved { tenant: tenant.and_then(|text| TenantId::parse(&text).ok()) })
        }
        (None, None) => Err(CallbackError::Empty),
    }
}

fn denied(error: String, fields: &mut Fields) -> EntraError {
    EntraError::new(Refusal {
        error,
        suberror: fields.take("error_subcode"),
        description: fields.take("error_description"),
        claims: fields.take("claims"),
        ..Refusal::default()
    })
}

/// Fields that occur once and hold no control characters.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn parse(text: &[u8]) -> Result<Self, CallbackError> {
        if text.len() > LONGEST {
            return Err(CallbackError::TooLarge);
        }
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if fields.len() == MOST_FIELDS {
                return Err(CallbackError::TooLarge);
            }
            if !is_clean(&name, &value) {
                return Err(CallbackError::Encoding);
            }
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(CallbackError::Duplicate);
            }
        }
        Ok(Self(fields))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

/// The replacement character stands where bytes were no UTF-8; only descriptions have line breaks.
fn is_clean(name: &str, value: &str) -> bool {
    let breaks = |c: char| matches!(c, '\r' | '\n' | '\t') && name == "error_description";
    let strange = |c: char| c == char::REPLACEMENT_CHARACTER || c.is_control() && !breaks(c);
    !name.contains(strange) && !value.contains(strange)
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

const LONGEST: usize = 16 * 1024;
const LONGEST_COOKIES: usize = 64 * 1024;
const MOST_FIELDS: usize = 32;

#[cfg(test)]
mod edges;

#[cfg(test)]
mod tests {
    use crate::model::entra_error::Cause;

    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn posted(body: &str) -> Result<Callback, CallbackError> {
        posted_bytes(body.as_bytes())
    }

    fn posted_bytes(body: &[u8]) -> Result<Callback, CallbackError> {
        let request = Request::post("/callback").header(CONTENT_TYPE, FORM);
        Callback::from_request(&request.body(Bytes::copy_from_slice(body)).expect("a request"))
    }

    fn got(query: &str) -> Result<Callback, CallbackError> {
        let request = Request::get(format!("/callback?{query}"));
        Callback::from_request(&request.body(Bytes::new()).expect("a request"))
    }

    #[test]
    fn a_code_comes_by_form_or_by_query() {
        for (callback, mode) in [
            (posted("code=c%2B1&state=s"), ResponseMode::FormPost),
            (got("code=c%2B1&state=s&session_state=x"), ResponseMode::Query),
        ] {
            let callback = callback.expect("an answer");
            assert_eq!(callback.mode(), mode);
            assert_eq!((callback.state(), callback.iss()), (Some("s"), None));
            let Answer::Code(code) = callback.answer() else { panic!("a code") };
            assert_eq!(code.secret(), "c+1");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        //
        let many = "x".repeat(LONGEST);
        let fields: String = (0..=MOST_FIELDS).map(|n| format!("f{n}=1&")).collect();
        for (text, expected) in [
            ("code=a&code=a&state=s", CallbackError::Duplicate),
            ("code=a&state=s&state=s", CallbackError::Duplicate),
            ("code=a&iss=i&iss=i", CallbackError::Duplicate),
            ("error=a&error=b", CallbackError::Duplicate),
            ("code=a&co%64e=b", CallbackError::Duplicate),
            ("code=a&error=b", CallbackError::Contradictory),
            ("code=&error=", CallbackError::Contradictory),
            ("state=s", CallbackError::Empty),
            ("code=&state=s", CallbackError::Empty),
            ("error=&state=s", CallbackError::Empty),
            ("admin_consent=true", CallbackError::Empty),
            ("", CallbackError::Empty),
            ("code=a&id_token=t", CallbackError::Token),
            ("code=a&access_token=t", CallbackError::Token),
            ("access_token=", CallbackError::Token),
            ("code=a%00b", CallbackError::Encoding),
            ("code=a%0D%0Ab", CallbackError::Encoding),
            ("code=a&state=%0A", CallbackError::Encoding),
            ("code=%FF", CallbackError::Encoding),
            ("code=a&error_description%0A=x", CallbackError::Encoding),
            (&format!("code={many}"), CallbackError::TooLarge),
            (&fields, CallbackError::TooLarge),
        ] {
            assert_eq!(posted(text).expect_err(text), expected, "{text:.40}");
            assert_eq!(got(text).expect_err(text), expected, "{text:.40}");
        }
        assert_eq!(posted_bytes(b"code=\xff").expect_err("bytes"), CallbackError::Encoding);
    }

    #[test]
    fn what_is_no_answer_spends_nothing() {
        //
        let refused = |request: http::request::Builder, body: &'static str| {
            let request = request.body(Bytes::from_static(body.as_bytes())).expect("a request");
            Callback::from_request(&request).expect_err("refused")
        };
        for method in ["HEAD", "PUT", "OPTIONS", "DELETE"] {
            let request = Request::builder().method(method).uri("/callback?code=a&state=s");
            assert_eq!(refused(request, ""), CallbackError::Method);
        }
        let split = Request::post("/callback?state=s").header(CONTENT_TYPE, FORM);
        assert_eq!(refused(split, "code=a"), CallbackError::Split);
        assert_eq!(refused(Request::get("/callback?state=s"), "code=a"), CallbackError::Split);
        for kind in ["application/json", "multipart/form-data", "", "text/plain; x=application/x"] {
            let request = Request::post("/callback").header(CONTENT_TYPE, kind);
            assert_eq!(refused(request, "code=a"), CallbackError::ContentType);
        }
        let twice = Request::post("/").header(CONTENT_TYPE, FORM).header(CONTENT_TYPE, "text/html");
        assert_eq!(refused(twice, "code=a"), CallbackError::ContentType);
        assert_eq!(refused(Request::post("/callback"), "code=a"), CallbackError::ContentType);
    }

    #[test]
    fn a_denial_says_why_and_forgets_the_description() {
        //
        for (text, cause) in [
            ("error=access_denied&error_description=AADSTS65004%3A+ann", Cause::Declined),
            ("error=access_denied&error_subcode=cancel", Cause::Declined),
            (
                "error=access_denied&error_description=AADSTS90094%3A%0D%0Aann",
                Cause::AdminApprovalRequired,
            ),
            ("error=interaction_required&error_description=AADSTS50076", Cause::MfaRequired),
            ("error=server_error", Cause::Transient),
            ("error=consent_required&admin_consent=True", Cause::ConsentMissing),
            ("error=%3Cscript%3E", Cause::Unknown),
        ] {
            let callback = posted(text).expect("an answer");
            let Answer::Denied(error) = callback.answer() else { panic!("a denial") };
            assert_eq!(error.cause(), cause, "{text}");
            assert!(!format!("{callback:?} {error}").contains("ann"), "{text}");
            assert!(!format!("{callback:?}").contains("script"));
        }
    }

    #[test]
    fn an_administrators_approval_is_told_from_a_code() {
        for (text, named) in [
            ("&tenant=t", false),
            ("&tenant=33333333-3333-4333-8333-333333333333", true),
            ("", false),
        ] {
            let approved = got(&format!("admin_consent=True&state=s&scope=x{text}"));
            let approved = approved.expect("an answer");
            let Answer::Approved { tenant } = approved.answer() else { panic!("an approval") };
            assert_eq!(tenant.is_some(), named);
        }
        let both = got("admin_consent=True&code=c&state=s").expect("an answer");
        assert!(matches!(both.answer(), Answer::Code(_)));
        for (no, cause) in [
            ("error=consent_required&error_description=AADSTS65004", Cause::Declined),
            ("error=access_denied&error_description=AADSTS90094", Cause::AdminApprovalRequired),
        ] {
            let refused = got(&format!("admin_consent=True&tenant=t&state=s&{no}"));
            let refused = refused.expect("an answer");
            let Answer::Denied(error) = refused.answer() else { panic!("a denial: {no}") };
            assert_eq!(error.cause(), cause);
        }
    }

    #[test]
    fn which_step_is_answered_is_told_by_our_state_alone() {
        for (text, approval) in [
            ("admin_consent=True&state=approval.s", true),
            ("error=access_denied&state=approval.s", true),
            ("code=c&state=approval.s", true),
            ("admin_consent=True&state=s", false),
            ("admin_consent=True&error=access_denied&state=s", false),
            ("admin_consent=True", false),
        ] {
            assert_eq!(got(text).expect("an answer").reports_approval(), approval, "{text}");
        }
    }

    #[test]
    fn every_cookie_is_kept_and_an_ambiguous_one_is_nobodys() {
        //
        let request = Request::post("/callback")
            .header(CONTENT_TYPE, "Application/X-WWW-Form-Urlencoded; charset=utf-8")
            .header(COOKIE, "a=1; b=x=y;c=; d")
            .header(COOKIE, "e=5; a=2; b=x=y")
            .body(Bytes::from_static(b"code=a"));
        let callback = Callback::from_request(&request.expect("a request")).expect("an answer");
        for (name, value) in
            [("a", None), ("b", Some("x=y")), ("c", Some("")), ("d", None), ("e", Some("5"))]
        {
            assert_eq!(callback.cookies().find(name), value, "{name}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        //
        let request = Request::get("/callback?code=canary&state=canary").header(COOKIE, "a=canary");
        let request = request.body(Bytes::new()).expect("a request");
        let callback = Callback::from_request(&request).expect("an answer");
        assert!(!format!("{callback:?}").contains("canary"));
    }
}
