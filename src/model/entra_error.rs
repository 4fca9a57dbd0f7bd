//! What Entra said when it refused, and what that asks of us.
//!
//! Sources: RFC 6749, section 5.2; Microsoft identity platform, "OAuth 2.0 authorization code flow",
//! error response. Descriptions hold addresses and names, so none is kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

mod cause;

#[cfg(test)]
pub(crate) use cause::TABLE;
pub(crate) use cause::{BY_ERROR, BY_SUBERROR};
pub use cause::{Cause, Reach};
use cause::{named, row};

/// Entra's refusal: codes and identifiers to search for, no text that a person wrote.
///
/// Source: RFC 6749, section 5.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraError(Arc<Said>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    status: Option<u16>,
    error: String,
    suberror: Option<String>,
    codes: Vec<u32>,
    claims: Option<Claims>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
    timestamp: Option<String>,
    retry_after: Option<Duration>,
}

/// The members of a refusal as they came; [`EntraError::new`] cleans them.
#[derive(Default)]
pub(crate) struct Refusal {
    /// The HTTP status; `None` where the refusal came through a browser.
    pub(crate) status: Option<u16>,
    pub(crate) error: String,
    pub(crate) suberror: Option<String>,
    /// Read for AADSTS numbers where `codes` is empty, then dropped.
    pub(crate) description: Option<String>,
    pub(crate) codes: Vec<u32>,
    pub(crate) claims: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) timestamp: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// A claims challenge. It goes back to Entra as it came and is nothing to read in a log.
#[derive(Clone, PartialEq, Eq)]
struct Claims(String);

impl fmt::Debug for Claims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Claims(..)")
    }
}

impl EntraError {
    pub(crate) fn new(refusal: Refusal) -> Self {
        let mut codes = refusal.codes;
        if codes.is_empty() {
            codes = refusal.description.as_deref().map(numbers_in).unwrap_or_default();
        }
        codes.truncate(MOST_CODES);
        Self(Arc::new(Said {
            status: refusal.status,
            error: word(&refusal.error).unwrap_or_else(|| UNNAMED.to_owned()),
            suberror: refusal.suberror.as_deref().and_then(word),
            codes,
            claims: refusal.claims.filter(|text| is_object(text)).map(Claims),
            trace_id: refusal.trace_id.as_deref().and_then(word),
            correlation_id: refusal.correlation_id.as_deref().and_then(word),
            timestamp: refusal.timestamp.as_deref().and_then(moment),
            retry_after: refusal.retry_after,
        }))
    }

    /// The HTTP status; `None` where the refusal came through a browser.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The OAuth error, such as `invalid_grant`.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.0.error
    }

    /// Entra's own refinement of it, such as `consent_required`.
    #[must_use]
    pub fn suberror(&self) -> Option<&str> {
        self.0.suberror.as_deref()
    }

    /// The AADSTS numbers.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        &self.0.codes
    }

    /// What a new sign-in has to satisfy: JSON for the `claims` of an authorize or token request
    /// (Microsoft identity platform, "Claims challenges").
    #[must_use]
    pub fn claims(&self) -> Option<&str> {
        self.0.claims.as_ref().map(|claims| claims.0.as_str())
    }

    /// Microsoft's support asks for it.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.0.trace_id.as_deref()
    }

    /// Microsoft's support asks for it.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }

    /// When Entra says it happened.
    #[must_use]
    pub fn timestamp(&self) -> Option<&str> {
        self.0.timestamp.as_deref()
    }

    /// How long Entra asked us to wait (RFC 9110, section 10.2.3), an hour at most.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The AADSTS number that says why: the first that is listed under its [`cause`](Self::cause),
    /// or else the first that came.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let cause = self.cause();
        let says_why = |code: &&u32| row(**code).is_some_and(|row| row.cause == cause);
        let codes = &self.0.codes;
        codes.iter().find(says_why).or_else(|| codes.first()).copied()
    }

    /// What its [`number`](Self::number) means, in a few words, where it is listed.
    #[must_use]
    pub fn meaning(&self) -> Option<&'static str> {
        self.number().and_then(row).map(|row| row.meaning)
    }

    /// As much of it as is kept for long: a claims challenge is of no use later, and may be large.
    pub(crate) fn without_claims(&self) -> Self {
        if self.0.claims.is_none() {
            return self.clone();
        }
        let said = &*self.0;
        Self(Arc::new(Said { claims: None, ..said.clone() }))
    }

    /// Why Entra refused: `error`, `suberror` and `claims` first, refined by the numbers.
    ///
    /// Only a listed number beside an error that speaks of the grant ends a consent; everything
    /// unknown leaves it alone.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.0.error.as_str() {
            "slow_down" => Cause::Throttled,
            _ if self.is_overload() => self.overload(),
            error if GRANT_ERRORS.contains(&error) => self.about_the_grant(),
            error => self.refined(self.by_error(error), |cause| !cause.ends_consent()),
        }
    }

    /// A number that nobody listed may be about anything: it does not condemn our own credential,
    /// which is everybody's.
    fn by_error(&self, error: &str) -> Cause {
        let cause = by_error(error);
        let is_unheard_of = self.0.codes.iter().any(|code| row(*code).is_none());
        if cause.is_credential() && is_unheard_of { Cause::Unknown } else { cause }
    }

    fn is_overload(&self) -> bool {
        let failing = self.0.status.is_some_and(|status| status == 429 || status >= 500);
        failing || matches!(self.0.error.as_str(), "temporarily_unavailable" | "server_error")
    }

    fn overload(&self) -> Cause {
        let fallback = if self.0.status == Some(429) { Cause::Throttled } else { Cause::Transient };
        self.refined(fallback, |cause| matches!(cause, Cause::Throttled | Cause::Looping))
    }

    /// Beside a grant, 70002 only introduces the number that matters; and of several numbers one
    /// that leaves the consent alone is believed first.
    fn about_the_grant(&self) -> Cause {
        let fallback = self.suberror().map_or_else(|| by_error(&self.0.error), by_suberror);
        let milder = |cause: Cause| !cause.ends_consent() && !cause.is_credential();
        if self.0.claims.is_some() {
            return self.refined(Cause::InteractionRequired, milder);
        }
        let any = self.refined(fallback, |_| true);
        let ending = self.refined(any, Cause::ends_consent);
        self.refined(ending, milder)
    }

    /// The cause of the first listed number that fits, or `fallback`.
    fn refined(&self, fallback: Cause, fits: impl Fn(Cause) -> bool) -> Cause {
        let listed = self.0.codes.iter().filter_map(|code| row(*code)).map(|row| row.cause);
        listed.into_iter().find(|cause| fits(*cause)).unwrap_or(fallback)
    }
}

fn by_error(error: &str) -> Cause {
    named(BY_ERROR, error).unwrap_or(Cause::Unknown)
}

/// Sub-errors are no contract: an unknown one says no more than its error.
fn by_suberror(suberror: &str) -> Cause {
    named(BY_SUBERROR, suberror).unwrap_or(Cause::InteractionRequired)
}

const GRANT_ERRORS: [&str; 4] =
    ["invalid_grant", "interaction_required", "consent_required", "login_required"];
const UNNAMED: &str = "unnamed_error";
const MOST_CODES: usize = 8;

/// A name or identifier: short, and of characters that can neither break a line nor a page.
fn word(text: &str) -> Option<String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    (plain && !text.is_empty() && text.len() <= 64).then(|| text.to_owned())
}

fn moment(text: &str) -> Option<String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"-:. TZ".contains(&b));
    (plain && !text.is_empty() && text.len() <= 40).then(|| text.to_owned())
}

fn is_object(text: &str) -> bool {
    type Object = serde_json::Map<String, serde_json::Value>;
    text.len() <= 8192 && serde_json::from_str::<Object>(text).is_ok()
}

/// The numbers behind each `AADSTS` in a text.
pub(crate) fn numbers_in(text: &str) -> Vec<u32> {
    let after = text.split("AADSTS").skip(1).take(MOST_CODES);
    let digits = after.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        &rest[..end]
    });
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

impl fmt::Display for EntraError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.error)?;
        if let (UNNAMED, Some(status)) = (self.0.error.as_str(), self.0.status) {
            write!(out, " with status {status}")?;
        }
        let mut notes: Vec<String> =
            self.0.codes.iter().map(|code| format!("AADSTS{code}")).collect();
        notes.extend(self.0.suberror.clone());
        notes.extend(self.0.trace_id.iter().map(|id| format!("trace {id}")));
        notes.extend(self.0.correlation_id.iter().map(|id| format!("correlation {id}")));
        if notes.is_empty() { Ok(()) } else { write!(out, " ({})", notes.join(", ")) }
    }
}

impl std::error::Error for EntraError {}

#[cfg(test)]
mod edges;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(error: &str, codes: &[u32]) -> Refusal {
        Refusal {
            status: Some(400),
            error: error.to_owned(),
            codes: codes.to_vec(),
            ..Refusal::default()
        }
    }

    fn cause(error: &str, codes: &[u32]) -> Cause {
        EntraError::new(refusal(error, codes)).cause()
    }

    #[test]
    fn every_number_is_listed_once() {
        let mut numbers: Vec<u32> = TABLE.iter().flat_map(|row| row.numbers).copied().collect();
        let listed = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), listed);
        assert_eq!(listed, 146);
    }

    #[test]
    fn numbers_refine_what_the_error_says() {
        // R-113, R-097, R-114
        for (error, codes, expected) in [
            ("invalid_grant", &[65001][..], Cause::ConsentMissing),
            ("invalid_grant", &[50173], Cause::GrantRevoked),
            ("invalid_grant", &[700082], Cause::GrantExpired),
            ("invalid_grant", &[70002, 70008], Cause::GrantExpired),
            ("invalid_grant", &[70008, 70002], Cause::GrantExpired),
            ("invalid_grant", &[70008, 50076], Cause::MfaRequired),
            ("invalid_grant", &[50133], Cause::PasswordChanged),
            ("interaction_required", &[50076], Cause::MfaRequired),
            ("interaction_required", &[50079], Cause::MfaEnrolment),
            ("interaction_required", &[50158], Cause::MfaRequired),
            ("access_denied", &[53003], Cause::ConditionalAccess),
            ("access_denied", &[65004], Cause::Declined),
            ("access_denied", &[90094], Cause::AdminApprovalRequired),
            ("access_denied", &[], Cause::Declined),
            ("invalid_client", &[7000215], Cause::CredentialRejected),
            ("invalid_client", &[7000222], Cause::CredentialRejected),
            ("invalid_client", &[], Cause::CredentialRejected),
            ("invalid_client", &[700082], Cause::CredentialRejected),
            ("invalid_client", &[999_999], Cause::Unknown),
            ("invalid_client", &[999_999, 7_000_222], Cause::CredentialRejected),
            ("invalid_client", &[650_053], Cause::RegistrationIncomplete),
            ("invalid_client", &[700_024], Cause::CredentialRejected),
            ("unauthorized_client", &[700016], Cause::ApplicationMissing),
            ("invalid_request", &[90002], Cause::TenantUnknown),
            ("invalid_request", &[50196], Cause::Looping),
            ("invalid_resource", &[500011], Cause::ResourceMissing),
            ("server_error", &[], Cause::Transient),
            ("slow_down", &[], Cause::Throttled),
            ("temporarily_unavailable", &[90055], Cause::Throttled),
            ("invalid_grant", &[123_456_789], Cause::InteractionRequired),
            ("consent_required", &[], Cause::ConsentMissing),
            ("something_new", &[], Cause::Unknown),
            ("something_new", &[700082], Cause::Unknown),
        ] {
            assert_eq!(cause(error, codes), expected, "{error} {codes:?}");
        }
    }

    #[test]
    fn only_a_listed_number_beside_a_grant_error_ends_a_consent() {
        let ending: Vec<u32> = TABLE
            .iter()
            .filter(|row| row.cause.ends_consent())
            .flat_map(|row| row.numbers)
            .copied()
            .collect();
        assert_eq!(ending.len(), 8);
        for code in ending {
            for error in GRANT_ERRORS {
                assert!(cause(error, &[code]).ends_consent(), "{error} {code}");
            }
            for error in ["invalid_client", "invalid_request", "server_error", "", "new_one"] {
                assert!(!cause(error, &[code]).ends_consent(), "{error} {code}");
            }
            for status in [429, 500, 503] {
                let overloaded =
                    Refusal { status: Some(status), ..refusal("invalid_grant", &[code]) };
                assert!(EntraError::new(overloaded).cause().is_transient());
            }
        }
    }

    #[test]
    fn no_suberror_changes_a_verdict_that_ends_a_consent() {
        let suberrors = ["bad_token", "consent_required", "basic_action", "token_expired", "new"];
        for suberror in suberrors {
            let with = |codes: &[u32]| {
                let suberror = Some(suberror.to_owned());
                EntraError::new(Refusal { suberror, ..refusal("invalid_grant", codes) }).cause()
            };
            assert_eq!(with(&[700082]), Cause::GrantExpired, "{suberror}");
            assert!(!with(&[]).ends_consent(), "{suberror}");
            assert!(!with(&[65001]).ends_consent(), "{suberror}");
        }
    }

    #[test]
    fn a_claims_challenge_means_that_the_grant_lives() {
        let claims = Some(r#"{"access_token":{}}"#.to_owned());
        let error = EntraError::new(Refusal { claims, ..refusal("invalid_grant", &[70043]) });
        assert_eq!(error.cause(), Cause::InteractionRequired);
        assert_eq!(error.claims(), Some(r#"{"access_token":{}}"#));
        assert!(!format!("{error:?}").contains("access_token"));
    }

    #[test]
    fn only_our_own_credential_reaches_the_application() {
        // R-114
        for row in TABLE {
            let whole = row.cause.reach() == Reach::Application;
            assert_eq!(whole, row.cause.is_credential(), "{:?}", row.numbers);
        }
        for number in [7000112, 700016, 1000031, 650056, 65005, 70001] {
            assert_eq!(row(number).expect("listed").cause.reach(), Reach::Target);
        }
    }

    #[test]
    fn descriptions_are_read_for_numbers_and_not_kept() {
        // R-136
        let description = "AADSTS70002: error. AADSTS70008: token 0.AXk-canary of ann@contoso\r\n";
        let description = Some(description.to_owned());
        let error = EntraError::new(Refusal { description, ..refusal("invalid_grant", &[]) });
        assert_eq!(error.codes(), [70002, 70008]);
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert_eq!(numbers_in("AADSTS AADSTSx AADSTS99999999999999 none"), Vec::<u32>::new());
    }

    #[test]
    fn texts_that_could_break_a_line_or_a_page_are_dropped() {
        // R-029
        let error = EntraError::new(Refusal {
            suberror: Some("<script>".to_owned()),
            trace_id: Some("a\nb".to_owned()),
            correlation_id: Some("x".repeat(65)),
            timestamp: Some("2026-01-01 00:00:00Z".to_owned()),
            claims: Some("no json".to_owned()),
            ..refusal("bad\u{1b}[31m", &[])
        });
        assert_eq!(error.to_string(), "unnamed_error with status 400");
        assert_eq!(error.timestamp(), Some("2026-01-01 00:00:00Z"));
        assert_eq!((error.claims(), error.trace_id()), (None, None));
    }

    #[test]
    fn a_cause_is_kept_under_the_name_it_is_logged_by() {
        for row in TABLE {
            let kept = serde_json::to_value(row.cause).expect("plain");
            assert_eq!(kept, row.cause.as_str());
        }
        let later: Cause = serde_json::from_str("\"of_a_later_version\"").expect("a name");
        assert_eq!(later, Cause::Unknown);
    }

    #[test]
    fn it_prints_what_support_asks_for() {
        let error = EntraError::new(Refusal {
            trace_id: Some("t-1".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            ..refusal("invalid_grant", &[700082])
        });
        assert_eq!(error.to_string(), "invalid_grant (AADSTS700082, trace t-1, correlation c-1)");
        assert_eq!(error.meaning(), Some("the refresh token expired through inactivity"));
    }
}
