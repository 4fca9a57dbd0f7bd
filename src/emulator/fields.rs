//! Form fields and cookies as they came over the wire.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, COOKIE};

use super::refusal::Refusal;

/// The fields of a query or of a form, each at most once (RFC 6749, section 3.1).
#[derive(Default)]
pub(super) struct Fields {
    /// Names and values, one after another.
    text: String,
    /// Where each name and its value are.
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Fields {
    /// Reads percent-encoded pairs; an empty value counts as absent.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Self { text: String::with_capacity(encoded.len()), places: Vec::new() };
        for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let name = fields.add(&pair[..end]);
            if fields.pairs().any(|(known, _)| known == &fields.text[name.clone()]) {
                let text = &fields.text[name];
                return Err(Refusal::new(9_000_411).about(&format!("'{text}'")));
            }
            let value = fields.add(pair.get(end + 1..).unwrap_or_default());
            fields.places.push((name, value));
        }
        Ok(fields)
    }

    /// Adds a name or a value; most have nothing to decode, and tokens are long.
    fn add(&mut self, part: &[u8]) -> Range<usize> {
        let start = self.text.len();
        match str::from_utf8(part) {
            Ok(plain) if !plain.contains('%') && !plain.contains('+') => self.text.push_str(plain),
            _ => self.text.push_str(&String::from_utf8_lossy(&decoded(part))),
        }
        start..self.text.len()
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |place: &Range<usize>| &self.text[place.clone()];
        self.places.iter().map(move |(name, value)| (text(name), text(value)))
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
        let found = self.pairs().find(|(known, _)| *known == name);
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.find(name).ok_or_else(|| Refusal::new(900_144).about(&format!("'{name}'")))
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.find(name).map(str::to_owned)
    }
}

/// Undoes percent-encoding, and `+` for a blank (URL Standard, section 5.1).
fn decoded(mut part: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(part.len());
    while let Some((first, rest)) = part.split_first() {
        let (byte, rest) = match first {
            b'+' => (b' ', rest),
            b'%' => escaped(rest).unwrap_or((b'%', rest)),
            plain => (*plain, rest),
        };
        bytes.push(byte);
        part = rest;
    }
    bytes
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(digits: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = digits.split_first_chunk()?;
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4 | digit(low)?, rest))
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
    use url::form_urlencoded;

    use super::*;

    #[test]
    fn pairs_are_read_as_forms_have_them() {
        for text in [
            "a=b&c=d%20e+f&g&=h&&i=j=k&%6C=%zz",
            "",
            "&",
            "a=%F0%9F",
            "é=ü&b=\u{fffd}%",
            "%4=%4g%g4&+%2B=%e2%82%AC",
        ] {
            let fields = Fields::parse(text.as_bytes()).expect("no name twice");
            let known: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
            let read: Vec<_> =
                fields.pairs().map(|(name, value)| (name.into(), value.into())).collect();
            assert_eq!(read, known, "{text:?}");
        }
        let fields = Fields::parse(b"a=&b=1").expect("no name twice");
        assert_eq!((fields.find("a"), fields.find("b")), (None, Some("1")));
        assert_eq!(Fields::parse(b"a=1&%61=").err().map(|refusal| refusal.number), Some(9_000_411));
    }
}
