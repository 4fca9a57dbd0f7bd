//! The query of a call, and lists that come in pages.
//!
//! Source: "Get Secrets": at most 25 in a page, and a link to the next one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::fault::Fault;

/// What a query says.
pub(super) struct Query {
    api_version: String,
    size: usize,
    /// The last item of the page before.
    after: Option<String>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut query = Self { api_version: String::new(), size: LARGEST_PAGE, after: None };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "api-version" => query.api_version = value.into_owned(),
                "maxresults" => query.size = size(&value)?,
                "$skiptoken" => query.after = Some(marker(&value)?),
                _ => {}
            }
        }
        if query.api_version.is_empty() {
            return Err(Fault::bad_parameter("api-version must be specified"));
        }
        if !API_VERSIONS.contains(&query.api_version.as_str()) {
            let message = format!("api-version '{}' is not supported", query.api_version);
            return Err(Fault::bad_parameter(message));
        }
        Ok(query)
    }

    /// One page of the list at an address; the name that each item is ordered by is not shown.
    pub(super) fn page(&self, address: &str, mut items: Vec<(String, Value)>) -> Value {
        let Self { api_version, size, after } = self;
        items.sort_by(|(one, _), (other, _)| one.cmp(other));
        items.retain(|(name, _)| after.as_ref().is_none_or(|after| name > after));
        let more = items.len() > *size;
        items.truncate(*size);
        let last = items.last().filter(|_| more).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
        let link = last.map(|marker| {
            format!("{address}?api-version={api_version}&$skiptoken={marker}&maxresults={size}")
        });
        let shown: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
        json!({ "value": shown, "nextLink": link })
    }
}

fn size(text: &str) -> Result<usize, Fault> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| Fault::bad_parameter("maxresults must be between 1 and 25"))
}

fn marker(text: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| Fault::bad_parameter("$skiptoken is invalid"))
}

const API_VERSIONS: [&str; 2] = ["7.4", "2025-07-01"];
const LARGEST_PAGE: usize = 25;
