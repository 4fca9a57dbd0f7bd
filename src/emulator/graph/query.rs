//! OData's query parameters: filters, selections and sizes of pages.
//!
//! Source: Microsoft Graph, "Use query parameters" and "Paging"; OData 4.01, URL conventions.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::fault::Fault;

/// The parameters of a request, each understood.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) filter: Vec<(String, String)>,
    pub(super) select: Vec<String>,
    pub(super) top: Option<usize>,
    pub(super) skip_token: Option<String>,
    pub(super) count: bool,
    /// As they came, without the page token.
    pub(super) kept: Vec<(String, String)>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            match name.to_ascii_lowercase().as_str() {
                "$filter" => query.filter = filter(&value)?,
                "$select" => query.select = value.split(',').map(|n| n.trim().to_owned()).collect(),
                "$top" => query.top = Some(page_size(&value)?),
                "$count" => query.count = value == "true",
                "$skiptoken" => {
                    query.skip_token = Some(value);
                    continue;
                }
                other if other.starts_with('$') => {
                    return Err(Fault::bad_query(format!(
                        "Query option '{name}' is not supported."
                    )));
                }
                _ => {}
            }
            query.kept.push((name, value));
        }
        Ok(query)
    }

    pub(super) fn admits(&self, item: &Value) -> bool {
        self.filter.iter().all(|(property, wanted)| {
            let pointer = format!("/{property}");
            item.pointer(&pointer).and_then(Value::as_str) == Some(wanted.as_str())
        })
    }

    pub(super) fn selected(&self, item: Value) -> Value {
        match item {
            Value::Object(members) if !self.select.is_empty() => {
                let wanted = |name: &String| name.starts_with('@') || self.select.contains(name);
                let kept = members.into_iter().filter(|(name, _)| wanted(name));
                Value::Object(kept.collect::<Map<_, _>>())
            }
            whole => whole,
        }
    }
}

/// Equalities, joined by `and`: all that these collections support without advanced queries.
fn filter(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let wrong = || Fault::bad_query("Invalid filter clause");
    let mut clauses = Vec::new();
    let mut rest = text.trim();
    loop {
        let (property, after) = rest.split_once(" eq '").ok_or_else(wrong)?;
        let (value, after) = quoted(after).ok_or_else(wrong)?;
        clauses.push((property.trim().to_owned(), value));
        let after = after.trim();
        if after.is_empty() {
            return Ok(clauses);
        }
        rest = after.strip_prefix("and ").ok_or_else(wrong)?;
    }
}

/// The text up to the closing quote, where a doubled quote stands for one, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        value.push_str(before);
        let Some(more) = after.strip_prefix('\'') else { return Some((value, after)) };
        value.push('\'');
        rest = more;
    }
}

fn page_size(text: &str) -> Result<usize, Fault> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| {
        Fault::bad_query(format!(
            "Invalid page size specified: '{text}'. Must be between 1 and {LARGEST_PAGE} inclusive."
        ))
    })
}

const LARGEST_PAGE: usize = 999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_equalities_joined_by_and() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let one = filter("appId eq 'x'").expect("well-formed");
        assert_eq!(one, [pair("appId", "x")]);
        let two = filter("a eq 'it''s and more' and b/c eq ''").expect("well-formed");
        assert_eq!(two, [pair("a", "it's and more"), pair("b/c", "")]);
        for wrong in ["", "a ne 'x'", "a eq 'x", "a eq x", "a eq 'x' or b eq 'y'", "a eq 'x' and"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
