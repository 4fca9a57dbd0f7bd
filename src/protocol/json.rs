//! JSON from a network: an object whose members occur once, each of the type it must have.
//!
//! Source: RFC 8259, section 4, leaves duplicate members to the reader, so two readers may see two
//! values; RFC 7519, section 4, lets us refuse them. A member of the wrong type is an error and
//! never an absence.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// An object that was read whole, without duplicates, in bounded depth.
pub(crate) struct Members(Map<String, Value>);

/// The member that is missing or has a value it cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) &'static str);

impl Members {
    /// Nothing but one object: no mark before it and no text behind it.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Once>(text).ok().and_then(|once| Self::from_value(once.0))
    }

    /// As [`parse`](Self::parse), of services that begin their bodies with a byte order mark, which a
    /// reader may pass over (RFC 8259, section 8.1).
    pub(crate) fn parse_marked(text: &[u8]) -> Option<Self> {
        Self::parse(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
    }

    pub(crate) fn from_value(value: Value) -> Option<Self> {
        if let Value::Object(members) = value { Some(Self(members)) } else { None }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; absent and null are the same. It is moved out, so that a secret is not copied.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Wrong> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Wrong(name)),
        }
    }

    /// A whole number that is not negative, as JSON has it.
    pub(crate) fn whole(&self, name: &'static str) -> Result<Option<u64>, Wrong> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(Wrong(name)),
        }
    }

    /// As [`whole`](Self::whole), or a text of digits, as v1.0 endpoints write every number.
    pub(crate) fn whole_or_digits(&self, name: &'static str) -> Result<Option<u64>, Wrong> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        as_whole(value).map(Some).ok_or(Wrong(name))
    }

    /// A list, moved out.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<Option<Vec<Value>>, Wrong> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(Wrong(name)),
        }
    }

    /// A short list of short texts.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Wrong> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        if list.len() > MOST_TEXTS {
            return Err(Wrong(name));
        }
        let short = |value| match value {
            Value::String(text) if text.len() <= LONGEST_TEXT => Ok(text),
            _ => Err(Wrong(name)),
        };
        list.into_iter().map(short).collect::<Result<_, _>>().map(Some)
    }

    /// Every value whose name is this one but for its case.
    pub(crate) fn spelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        let same = |(found, _): &(&String, &Value)| found.eq_ignore_ascii_case(name);
        self.0.iter().filter(same).map(|(_, value)| value)
    }

    /// Any value, moved out.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
}

/// A number, or a text of digits.
pub(crate) fn as_whole(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        value => value.as_u64(),
    }
}

const MOST_TEXTS: usize = 256;
const LONGEST_TEXT: usize = 128;

/// A value in which no object names a member twice. `serde_json` bounds the depth.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OnceVisitor).map(Self)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON without duplicate members")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Once(value)) = from.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Once(value))) = from.next_entry::<String, Once>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member occurs twice"));
            }
            members.insert(name, value);
        }
        Ok(as_number(&members).unwrap_or(Value::Object(members)))
    }
}

/// Where the host's program turns on serde_json's `arbitrary_precision`, numbers arrive in this
/// disguise.
fn as_number(members: &Map<String, Value>) -> Option<Value> {
    let text = members.get("$serde_json::private::Number").filter(|_| members.len() == 1)?;
    text.as_str()?.parse::<Number>().ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Members> {
        Members::parse(text.as_bytes())
    }

    #[test]
    fn members_occur_once_at_every_depth() {
        // R-047, R-073, R-081
        assert!(parsed(r#"{"a":1,"b":{"c":[{"d":1}]}}"#).is_some());
        assert!(parsed(r#"{"a":1,"a":1}"#).is_none());
        assert!(parsed(r#"{"a":1,"\u0061":1}"#).is_none());
        assert!(parsed(r#"{"b":{"c":[{"d":1,"d":2}]}}"#).is_none());
    }

    #[test]
    fn only_one_whole_object_is_read() {
        // R-046, R-048
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "[]", "1", "{", "{} {}", "{}x", "\u{feff}{}", "<html>", deep.as_str()] {
            assert!(parsed(text).is_none(), "{}", &text[..text.len().min(9)]);
        }
        assert!(Members::parse(b"{\"a\":\"\xff\"}").is_none());
        assert!(parsed(" {} \r\n").is_some());
    }

    #[test]
    fn one_byte_order_mark_is_passed_over_where_it_is_expected() {
        let marked = |text: &str| Members::parse_marked(text.as_bytes()).is_some();
        assert!(marked("{}") && marked("\u{feff}{}"));
        for text in ["\u{feff}", "\u{feff}\u{feff}{}", " \u{feff}{}", "\u{feff}[]"] {
            assert!(!marked(text), "{text:?}");
        }
        assert!(Members::parse_marked(b"\xff\xfe{\0}\0").is_none(), "UTF-16");
    }

    #[test]
    fn a_wrong_type_is_an_error_and_not_an_absence() {
        // R-049, R-065
        let text = r#"{"t":1,"n":"1","f":1.5,"m":-1,"l":"x","s":[1],"z":null,"y":null,"e":1e300}"#;
        let mut members = parsed(text).expect("an object");
        assert_eq!(members.text("t"), Err(Wrong("t")));
        assert_eq!(members.text("y"), Ok(None));
        for name in ["n", "f", "m", "l", "z", "e"] {
            assert_eq!(members.whole(name), Err(Wrong(name)));
        }
        assert_eq!(members.whole_or_digits("n"), Ok(Some(1)));
        for name in ["f", "m", "l", "z", "e"] {
            assert_eq!(members.whole_or_digits(name), Err(Wrong(name)));
        }
        assert_eq!(members.texts("s"), Err(Wrong("s")));
        assert_eq!(members.texts("absent"), Ok(None));
    }

    #[test]
    fn numbers_survive_the_disguise_of_arbitrary_precision() {
        let text = r#"{"a":{"$serde_json::private::Number":"3599"}}"#;
        assert_eq!(parsed(text).expect("an object").whole("a"), Ok(Some(3599)));
    }
}
