//! What an API demands of the next token: the claims challenge in its 401.
//!
//! Sources: Microsoft identity platform, "Claims challenges, claims requests, and client
//! capabilities"; RFC 6750, section 3; RFC 9110, sections 5.6 and 11.6.1.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::model::invalid::Invalid;
use crate::protocol::json::Members;

/// Claims that an API wants proven before it takes a token: a second factor, a newer sign-in.
///
/// ```
/// use cpv_consent::ClaimsChallenge;
/// use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
///
/// let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7InZhbHVlIjoiMTYwNDEwNjY1MSJ9fX0=";
/// let text = format!(r#"Bearer realm="", error="insufficient_claims", claims="{claims}""#);
/// let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_str(&text)?)]);
///
/// let challenge = ClaimsChallenge::from_headers(&headers)?.ok_or("there is one")?;
/// assert_eq!(challenge.claims(), r#"{"access_token":{"nbf":{"value":"1604106651"}}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClaimsChallenge(Arc<str>);

impl ClaimsChallenge {
    /// Finds the challenge in the headers of a 401: the first of the scheme `Bearer` whose error is
    /// `insufficient_claims`. `None` when there is none: then the token was refused for another
    /// reason.
    ///
    /// # Errors
    /// [`Invalid`] when a header before it cannot be read in one way only, or what it demands is not
    /// a JSON object of at most 8 kB in base64.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Invalid> {
        let values = headers.get_all(WWW_AUTHENTICATE);
        if values.iter().map(|value| value.len()).sum::<usize>() > LONGEST_HEADERS {
            return Err(wrong("is too long"));
        }
        for value in values {
            let text = value.to_str().map_err(|_| wrong("is not plain text"))?;
            let found = challenges(text)?.into_iter().find(Challenge::demands_claims);
            if let Some(challenge) = found {
                return challenge.claims().map(Some);
            }
        }
        Ok(None)
    }

    /// The demand, to be passed on as it is: to the token endpoint, or with a new consent by
    /// [`ConsentRequest::claims`](crate::ConsentRequest::claims).
    #[must_use]
    pub fn claims(&self) -> &str {
        &self.0
    }

    fn decode(text: &str) -> Result<Self, Invalid> {
        if text.len() > LONGEST_ENCODED {
            return Err(wrong("is too long"));
        }
        let plain = text.replace('-', "+").replace('_', "/");
        let bytes = ANY_PADDING.decode(plain).map_err(|_| wrong("is not base64"))?;
        Members::parse(&bytes).ok_or_else(|| wrong("is not a JSON object"))?;
        let claims = String::from_utf8(bytes).map_err(|_| wrong("is not a JSON object"))?;
        Ok(Self(claims.into()))
    }
}

/// What is demanded may tell of a person's session; logs need no more than that there is something.
impl fmt::Debug for ClaimsChallenge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClaimsChallenge([redacted])")
    }
}

fn wrong(problem: &'static str) -> Invalid {
    Invalid::new("claims challenge", problem, EXPECTED)
}

/// One scheme with its parameters, their names in lower case.
struct Challenge<'t> {
    scheme: &'t str,
    parameters: HashMap<String, String>,
}

impl Challenge<'_> {
    fn demands_claims(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Bearer")
            && self.parameters.get("error").is_some_and(|error| error == "insufficient_claims")
    }

    fn claims(&self) -> Result<ClaimsChallenge, Invalid> {
        let claims = self.parameters.get("claims").ok_or_else(|| wrong("names no claims"))?;
        ClaimsChallenge::decode(claims)
    }

    /// What is there twice can be read in two ways.
    fn take(&mut self, (name, value): (String, String)) -> Result<(), Invalid> {
        match self.parameters.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(wrong("names a parameter twice")),
        }
    }
}

/// The challenges of one header. A comma stands between two parameters and between two challenges;
/// a parameter is told from the next scheme by its equals sign.
fn challenges(text: &str) -> Result<Vec<Challenge<'_>>, Invalid> {
    let mut found: Vec<Challenge<'_>> = Vec::new();
    for element in elements(text)? {
        if let Some(parameter) = parameter(element) {
            found.last_mut().ok_or_else(malformed)?.take(parameter)?;
            continue;
        }
        let (scheme, rest) = element.split_once(BLANK).unwrap_or((element, ""));
        if !is_token(scheme) {
            return Err(malformed());
        }
        let mut challenge = Challenge { scheme, parameters: HashMap::new() };
        let rest = rest.trim_matches(BLANK);
        if !rest.is_empty() && !is_token68(rest) {
            challenge.take(parameter(rest).ok_or_else(malformed)?)?;
        }
        found.push(challenge);
    }
    Ok(found)
}

fn malformed() -> Invalid {
    wrong("is malformed")
}

/// What stands between commas outside of quotes; a list may have empty places (RFC 9110, 5.6.1).
fn elements(text: &str) -> Result<Vec<&str>, Invalid> {
    let (mut found, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err(malformed());
    }
    found.push(&text[start..]);
    let trimmed = found.into_iter().map(|element| element.trim_matches(BLANK));
    Ok(trimmed.filter(|element| !element.is_empty()).collect())
}

/// `name=value` or `name="value"`. Addresses without quotes, which no token may be, were seen.
fn parameter(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim_end_matches(BLANK), value.trim_start_matches(BLANK));
    let value = match value.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None if value.bytes().all(|b| b.is_ascii_graphic() && b != b'"') => value.to_owned(),
        None => return None,
    };
    is_token(name).then(|| (name.to_ascii_lowercase(), value))
}

/// What stands before the closing quote, behind which there is nothing.
fn unquoted(text: &str) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return letters.as_str().is_empty().then_some(value),
            '\\' => value.push(letters.next()?),
            letter => value.push(letter),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}

/// What other schemes write in place of parameters.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let of_token68 = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !body.is_empty() && body.bytes().all(of_token68)
}

/// Optional white space of a header.
const BLANK: [char; 2] = [' ', '\t'];
const LONGEST_HEADERS: usize = 32 * 1024;
/// Base64 of 8 kB.
const LONGEST_ENCODED: usize = 8 * 1024 / 3 * 4 + 4;
const EXPECTED: &str =
    "WWW-Authenticate with the claims as a JSON object of at most 8 kB in base64";
/// With padding or without; the url-safe letters are put in the place of the others.
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests;
