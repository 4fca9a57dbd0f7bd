//! Form fields and cookies as they came over the wire.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, COOKIE};
use url::form_urlencoded;

use super::errors::Refusal;

/// The fields of a query or of a form, each at most once (RFC 6749, section 3.1).
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads percent-encoded pairs; an empty value counts as absent.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            if fields.0.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::new(9_000_411).about(&format!("'{name}'")));
            }
            fields.0.push((name.into_owned(), value.into_owned()));
        }
        fields.0.retain(|(_, value)| !value.is_empty());
        Ok(fields)
    }

    /// Reads a body that says it is a form; any other has no fields.
    pub(super) fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Self::parse(body);
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
