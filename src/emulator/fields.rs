//! Form fields and cookies as they came over the wire.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, COOKIE};
use url::form_urlencoded;

use super::refusal::Refusal;

/// The fields of a query or of a form, each at most once (RFC 6749, section 3.1).
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads percent-encoded pairs; an empty value counts as absent.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = decoded(pair);
            if fields.0.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::new(9_000_411).about(&format!("'{name}'")));
            }
            fields.0.push((name, value));
        }
        fields.0.retain(|(_, value)| !value.is_empty());
        Ok(fields)
    }

    /// Reads a body that says it is a form. JSON is refused; anything else has no fields.
    pub(super) fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Self::parse(body);
        }
        if kind.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::new(9_000_410).about("a form was expected"));
        }
        Ok(Self::default())
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.find(name).ok_or_else(|| Refusal::new(900_144).about(&format!("'{name}'")))
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.find(name).map(str::to_owned)
    }
}

/// A pair; most have nothing to decode, and tokens are long.
fn decoded(pair: &[u8]) -> (String, String) {
    let is_plain = |text: &&str| !text.contains('%') && !text.contains('+');
    if let Some(text) = str::from_utf8(pair).ok().filter(is_plain) {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        return (name.to_owned(), value.to_owned());
    }
    let pair = form_urlencoded::parse(pair).next();
    pair.map_or_else(Default::default, |(name, value)| (name.into_owned(), value.into_owned()))
}

/// The value of a cookie that the browser sent.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_forms_have_them() {
        for text in ["a=b&c=d%20e+f&g&=h&&i=j=k&%6C=%zz", "", "&", "a=%F0%9F", "é=ü&b=\u{fffd}"] {
            let fields = Fields::parse(text.as_bytes()).expect("no name twice").0;
            let known: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            let full: Vec<_> = known.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            assert_eq!(fields, full, "{text:?}");
        }
        assert_eq!(Fields::parse(b"a=1&%61=").err().map(|refusal| refusal.number), Some(9_000_411));
    }
}
