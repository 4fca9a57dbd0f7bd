//! JSON from a network: an object whose members occur once, each of the type it must have.
//!
//! Source: RFC 8259, section 4, leaves duplicate members to the reader, so two readers may see two
//! values; RFC 7519, section 4, lets us refuse them. A member of the wrong type is an error and
//! never an absence.

use std::borrow::Cow;

use serde_json::Value;

mod reading;

/// An object that was read whole, without duplicates, in bounded depth. Its own texts lie where they
/// came from until they are asked for; each member can be taken once.
pub(crate) struct Members<'t>(Vec<(Text<'t>, Option<Member<'t>>)>);

/// The member that is missing or has a value it cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) &'static str);

impl<'t> Members<'t> {
    /// Nothing but one object: no mark before it and no text behind it.
    pub(crate) fn parse(text: &'t [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// As [`parse`](Self::parse), of services that begin their bodies with a byte order mark, which a
    /// reader may pass over (RFC 8259, section 8.1).
    pub(crate) fn parse_marked(text: &'t [u8]) -> Option<Self> {
        Self::parse(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
    }

    pub(crate) fn from_value(value: Value) -> Option<Self> {
        let Value::Object(members) = value else { return None };
        let member = |(name, value)| (Text(Cow::Owned(name)), Some(Member::from(value)));
        Self::sorted(members.into_iter().map(member).collect())
    }

    /// By name, unless one occurs twice.
    fn sorted(mut members: Vec<(Text<'t>, Option<Member<'t>>)>) -> Option<Self> {
        members.sort_unstable_by(|(one, _), (other, _)| one.0.cmp(&other.0));
        let twice = members.windows(2).any(|pair| pair[0].0.0 == pair[1].0.0);
        (!twice).then_some(Self(members))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(found, _)| (*found.0).cmp(name)).ok()
    }

    fn find(&self, name: &str) -> Option<&Member<'t>> {
        self.0[self.place(name)?].1.as_ref()
    }

    fn take(&mut self, name: &str) -> Option<Member<'t>> {
        let place = self.place(name)?;
        self.0[place].1.take()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A text; absent and null are the same. It is moved out, so that a secret is copied once.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Wrong> {
        match self.take(name) {
            None | Some(Member::Other(Value::Null)) => Ok(None),
            Some(Member::Text(text)) => Ok(Some(text.0.into_owned())),
            Some(_) => Err(Wrong(name)),
        }
    }

    /// A whole number that is not negative, as JSON has it.
    pub(crate) fn whole(&self, name: &'static str) -> Result<Option<u64>, Wrong> {
        match self.find(name) {
            None => Ok(None),
            Some(Member::Other(value)) => value.as_u64().map(Some).ok_or(Wrong(name)),
            Some(Member::Text(_)) => Err(Wrong(name)),
        }
    }

    /// As [`whole`](Self::whole), or a text of digits, as v1.0 endpoints write every number.
    pub(crate) fn whole_or_digits(&self, name: &'static str) -> Result<Option<u64>, Wrong> {
        match self.find(name) {
            Some(Member::Text(text)) => digits(&text.0).map(Some).ok_or(Wrong(name)),
            _ => self.whole(name),
        }
    }

    /// A list, moved out.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<Option<Vec<Value>>, Wrong> {
        match self.take(name) {
            None => Ok(None),
            Some(Member::Other(Value::Array(list))) => Ok(Some(list)),
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
    pub(crate) fn spelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Value> {
        let same = |(found, _): &&(Text<'_>, _)| found.0.eq_ignore_ascii_case(name);
        let members = self.0.iter().filter(same).filter_map(|(_, member)| member.clone());
        members.map(Value::from)
    }

    /// Any value, moved out.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.take(name).map(Value::from)
    }
}

/// A text where it came from, or a copy of it where it was spelled with escapes.
#[derive(Clone)]
struct Text<'t>(Cow<'t, str>);

/// A value of the object itself. What lies deeper is rare, and short.
#[derive(Clone)]
enum Member<'t> {
    Text(Text<'t>),
    Other(Value),
}

impl From<Value> for Member<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Text(Cow::Owned(text))),
            value => Self::Other(value),
        }
    }
}

impl From<Member<'_>> for Value {
    fn from(member: Member<'_>) -> Self {
        match member {
            Member::Text(text) => Self::String(text.0.into_owned()),
            Member::Other(value) => value,
        }
    }
}

/// A number, or a text of digits.
pub(crate) fn as_whole(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => digits(text),
        value => value.as_u64(),
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

const MOST_TEXTS: usize = 256;
const LONGEST_TEXT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Members<'_>> {
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
    fn a_text_is_read_with_its_escapes_and_taken_once() {
        let mut members =
            parsed(r#"{"b":"\u0061\n","a":"plain","\u0063":{"d":"deep"}}"#).expect("an object");
        assert_eq!(members.text("a"), Ok(Some("plain".to_owned())));
        assert_eq!(members.text("b"), Ok(Some("a\n".to_owned())));
        assert_eq!((members.text("a"), members.has("a")), (Ok(None), false));
        let deep = members.value("c").and_then(Members::from_value);
        assert_eq!(deep.expect("an object").text("d"), Ok(Some("deep".to_owned())));
    }

    #[test]
    fn numbers_survive_the_disguise_of_arbitrary_precision() {
        let text = r#"{"a":{"$serde_json::private::Number":"3599"}}"#;
        assert_eq!(parsed(text).expect("an object").whole("a"), Ok(Some(3599)));
    }
}
