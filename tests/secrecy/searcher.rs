//! Finds secrets in bytes, whatever form they were written in.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::form_urlencoded;

/// Something that nobody may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Secret {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Secret {
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let secret = Self { name: name.to_owned(), bytes: bytes.into() };
        assert!(secret.bytes.len() >= SHOWN, "{name} is too short to be told from chance");
        secret
    }
}

/// How much of a secret gives it away: its first twelve characters.
const SHOWN: usize = 12;

/// What is looked for, by its first bytes.
#[derive(Debug)]
pub struct Searcher {
    needles: HashMap<[u8; SHOWN], Vec<Needle>>,
    /// Which two bytes something may begin with: most places are passed over by one look.
    beginnings: Vec<bool>,
}

#[derive(Debug)]
struct Needle {
    bytes: Vec<u8>,
    what: String,
}

impl Searcher {
    pub fn for_all<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut searcher = Self { needles: HashMap::new(), beginnings: vec![false; 1 << 16] };
        for secret in secrets {
            for (form, bytes) in forms(&secret.bytes) {
                searcher.look_for(bytes, format!("{} {form}", secret.name));
            }
        }
        searcher
    }

    fn look_for(&mut self, bytes: Vec<u8>, what: String) {
        let beginning = *bytes.first_chunk().expect("no form is shorter");
        self.beginnings[pair(beginning[0], beginning[1])] = true;
        self.needles.entry(beginning).or_default().push(Needle { bytes, what });
    }

    /// What is found first, with its surroundings.
    pub fn find(&self, haystack: &[u8]) -> Option<String> {
        let (mut place, last) = (0, haystack.len().checked_sub(SHOWN)?);
        while place <= last {
            if self.beginnings[pair(haystack[place], haystack[place + 1])]
                && let Some(needle) = self.at(&haystack[place..])
            {
                let around = &haystack[place.saturating_sub(120)..haystack.len().min(place + 80)];
                let around = String::from_utf8_lossy(around);
                return Some(format!("{} in …{around}…", needle.what));
            }
            place += 1;
        }
        None
    }

    fn at(&self, rest: &[u8]) -> Option<&Needle> {
        let needles = self.needles.get(&rest[..SHOWN])?;
        needles.iter().find(|needle| rest.starts_with(&needle.bytes))
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// Each way in which a secret, or the beginning of it, is written.
pub fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let first = &secret[..SHOWN];
    let mut forms = vec![
        ("as it is", first.to_vec()),
        ("by its end", secret[secret.len() - SHOWN..].to_vec()),
        ("in hex", each(first, |byte| format!("{byte:02x}"))),
        ("in upper-case hex", each(first, |byte| format!("{byte:02X}"))),
        ("as %xx", each(first, |byte| format!("%{byte:02x}"))),
        ("as %XX", each(first, |byte| format!("%{byte:02X}"))),
        ("as a list", decimal(first)),
        ("form-encoded", form_encoded(secret)),
    ];
    if let Ok(text) = std::str::from_utf8(first) {
        let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        forms.push(("in UTF-16", utf16));
    }
    // Twelve bytes from wherever base64 begins a new group inside a longer text.
    for start in 0..3.min(secret.len() - SHOWN + 1) {
        let group = &secret[start..start + SHOWN];
        forms.push(("in base64", STANDARD_NO_PAD.encode(group).into()));
        forms.push(("in base64url", URL_SAFE_NO_PAD.encode(group).into()));
    }
    forms
}

fn each(bytes: &[u8], spelled: impl Fn(u8) -> String) -> Vec<u8> {
    bytes.iter().flat_map(|byte| spelled(*byte).into_bytes()).collect()
}

/// As `Debug` writes bytes.
fn decimal(bytes: &[u8]) -> Vec<u8> {
    let mut list = String::new();
    for byte in bytes {
        write!(list, "{byte}, ").expect("memory");
    }
    list.trim_end_matches(", ").into()
}

fn form_encoded(secret: &[u8]) -> Vec<u8> {
    let encoded: String = form_urlencoded::byte_serialize(secret).collect();
    encoded.as_bytes()[..SHOWN].to_vec()
}

const PLANTED: &str = "plant+ed/mar?ker~with&odd=signs";

#[test]
fn a_planted_secret_is_found_in_each_form() {
    let secret = Secret::new("marker", PLANTED);
    let searcher = Searcher::for_all([&secret]);
    let hex = each(PLANTED.as_bytes(), |byte| format!("{byte:02x}"));
    let percent: String = form_urlencoded::byte_serialize(PLANTED.as_bytes()).collect();
    let utf16: Vec<u8> = PLANTED.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut written = vec![
        PLANTED.as_bytes().to_vec(),
        PLANTED.as_bytes()[..SHOWN].to_vec(),
        PLANTED.as_bytes()[5..].to_vec(),
        hex.to_ascii_uppercase(),
        hex,
        percent.into_bytes(),
        each(PLANTED.as_bytes(), |byte| format!("%{byte:02x}")),
        each(PLANTED.as_bytes(), |byte| format!("%{byte:02X}")),
        utf16,
        format!("{:?}", PLANTED.as_bytes()).into_bytes(),
        format!("{:?}", bytes::Bytes::from(PLANTED)).into_bytes(),
        format!("{:?}", Some(PLANTED)).into_bytes(),
    ];
    for before in ["", "x", "xy", "user:"] {
        let whole = format!("{before}{PLANTED}");
        written.push(STANDARD_NO_PAD.encode(&whole).into_bytes());
        written.push(URL_SAFE_NO_PAD.encode(&whole).into_bytes());
    }
    for bytes in written {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let inside = [b"a line of text ".as_slice(), &bytes, b", and more"].concat();
        assert!(searcher.find(&inside).is_some(), "not found: {shown}");
        assert!(searcher.find(&bytes).is_some(), "not found alone: {shown}");
    }
    assert_eq!(searcher.find(&PLANTED.as_bytes()[..SHOWN - 1]), None);
    assert_eq!(searcher.find(b"a line of text, and more"), None);
    assert_eq!(searcher.find(b""), None);
}
