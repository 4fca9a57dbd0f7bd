//! What of an exchange may be shown: what a list allows, and of everything else its shape.
//!
//! A shape is `<guid 3>`, `<jwt>`, `<text 17>`: the number says which are the same one. Nothing here
//! looks for secrets: a member, header or word that no list knows is a shape, whatever it is.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::wire::Service;

/// Turns text into shapes; what is the same text gets the same number throughout.
#[derive(Debug)]
pub(crate) struct Redaction {
    services: Vec<(String, Service)>,
    /// Keyed anew in each run, so that no text is kept and no number says more than "the same".
    hasher: RandomState,
    numbers: Mutex<HashMap<(&'static str, u64), usize>>,
}

impl Redaction {
    /// `services` are the origins whose addresses may be named.
    pub(crate) fn new(services: Vec<(String, Service)>) -> Self {
        Self { services, hasher: RandomState::new(), numbers: Mutex::default() }
    }

    /// Whose address it is.
    pub(crate) fn service(&self, url: &Url) -> Service {
        let origin = url.origin().ascii_serialization();
        let known = self.services.iter().find(|(known, _)| *known == origin);
        known.map_or(Service::Other, |(_, service)| *service)
    }

    /// The path of an address with its query.
    pub(crate) fn path(&self, url: &Url) -> String {
        let segments = url.path().split('/').map(|segment| self.segment(segment));
        let path = segments.collect::<Vec<_>>().join("/");
        let pairs = url.query_pairs().map(|(name, value)| {
            let shown = SHOWN_QUERY.contains(&(name.as_ref(), value.as_ref())) || name == "size";
            let value = if shown { value.into_owned() } else { self.shape(&value) };
            format!("{}={value}", self.name(&name))
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    fn segment(&self, segment: &str) -> String {
        let keyed = segment.split_once("(appId='").and_then(|(collection, rest)| {
            let id = rest.strip_suffix("')")?;
            SHOWN_SEGMENTS.contains(&collection).then_some((collection, id))
        });
        match keyed {
            Some((collection, id)) => format!("{collection}(appId='{}')", self.shape(id)),
            None if SHOWN_SEGMENTS.contains(&segment) => segment.to_owned(),
            None => self.shape(segment),
        }
    }

    /// Every header by its name, and its value where that is harmless.
    pub(crate) fn headers(&self, headers: &HeaderMap) -> Map<String, Value> {
        let value = |name: &str| {
            let all = headers.get_all(name).iter();
            let all = all.map(|value| String::from_utf8_lossy(value.as_bytes()));
            all.map(|text| self.header(name, &text)).collect::<Vec<_>>().join(", ")
        };
        let names = headers.keys().map(|name| name.as_str());
        names.map(|name| (name.to_owned(), Value::from(value(name)))).collect()
    }

    fn header(&self, name: &str, text: &str) -> String {
        if name == WWW_AUTHENTICATE.as_str() {
            return self.challenge(text);
        }
        if name == AUTHORIZATION.as_str() {
            let token = text.strip_prefix("Bearer ");
            return token
                .map_or_else(|| self.shape(text), |it| format!("Bearer {}", self.shape(it)));
        }
        let harmless = SHOWN_HEADERS.contains(&name) && is_plain(text);
        if harmless { text.to_owned() } else { self.shape(text) }
    }

    /// RFC 9110, section 11.6.1, as far as these services use it: a scheme, then `name="value"`.
    fn challenge(&self, text: &str) -> String {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        let scheme = if is_word(scheme) { scheme.to_owned() } else { self.shape(scheme) };
        let pairs = rest.split(',').filter_map(|pair| pair.trim().split_once('='));
        let pairs = pairs.map(|(name, value)| {
            let value = value.trim_matches('"');
            let shown = match name {
                "error" if is_word(value) => value.to_owned(),
                "resource" | "authorization" | "authorization_uri" => self.address(value),
                _ => self.shape(value),
            };
            format!("{}=\"{shown}\"", self.name(name))
        });
        let pairs = pairs.collect::<Vec<_>>().join(", ");
        if pairs.is_empty() { scheme } else { format!("{scheme} {pairs}") }
    }

    /// An address of a known service by its path, and Microsoft's own resources by their name.
    pub(crate) fn address(&self, text: &str) -> String {
        if RESOURCES.contains(&text.trim_end_matches('/')) {
            return text.to_owned();
        }
        match Url::parse(text) {
            Ok(url) if self.service(&url) != Service::Other => {
                format!("{{{}}}{}", self.service(&url).name(), self.path(&url))
            }
            _ => self.shape(text),
        }
    }

    /// A body: JSON or a form member by member, nothing of what is neither.
    pub(crate) fn body(&self, headers: &HeaderMap, bytes: &[u8]) -> Value {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if bytes.is_empty() {
            return Value::Null;
        }
        if kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
            return self.form(bytes);
        }
        match serde_json::from_slice(without_mark(bytes)) {
            Ok(value) => self.member("", &value),
            Err(_) => Value::from("<no JSON>"),
        }
    }

    /// The fields of a form, or of a query in the same spelling.
    pub(crate) fn form(&self, bytes: &[u8]) -> Value {
        let fields = form_urlencoded::parse(bytes);
        fields
            .map(|(name, value)| (self.name(&name), Value::from(self.field(&name, &value))))
            .collect()
    }

    fn field(&self, name: &str, value: &str) -> String {
        match name {
            "scope" => self.scopes(value),
            "iss" => self.address(value),
            "client_assertion_type" if value == JWT_BEARER => value.to_owned(),
            "grant_type" | "error" | "error_subcode" if is_word(value) => value.to_owned(),
            _ => self.shape(value),
        }
    }

    fn member(&self, name: &str, value: &Value) -> Value {
        let is_shown = SHOWN_MEMBERS.contains(&name.to_ascii_lowercase().as_str());
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(_) if is_shown => value.clone(),
            Value::Number(_) => Value::from("<number>"),
            Value::String(text) if is_shown && is_word(text) => value.clone(),
            Value::String(text) if name == "scope" => Value::from(self.scopes(text)),
            Value::String(text) => Value::from(self.text(text)),
            Value::Array(items) => self.items(name, items),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.name(name), self.member(name, value)))
                .collect(),
        }
    }

    /// Long lists are all alike.
    fn items(&self, name: &str, items: &[Value]) -> Value {
        let mut shown: Vec<_> =
            items.iter().take(LONGEST_LIST).map(|item| self.member(name, item)).collect();
        if items.len() > LONGEST_LIST {
            shown.push(Value::from(format!("<{} more>", items.len() - LONGEST_LIST)));
        }
        Value::Array(shown)
    }

    /// Text of no listed member; of the phrases that clients look for, the phrase alone is shown.
    fn text(&self, text: &str) -> String {
        let phrase = PHRASES.iter().find(|phrase| text.contains(**phrase));
        match phrase {
            Some(phrase) => format!("<text {}, with \"{phrase}\">", self.number("text", text)),
            None => self.shape(text),
        }
    }

    /// Permissions of Microsoft's resources by name, all others by shape.
    fn scopes(&self, text: &str) -> String {
        let word = |word: &str| {
            let split = word.rsplit_once('/');
            let known = split.is_none_or(|(of, _)| RESOURCES.contains(&of.trim_end_matches('/')));
            let permission = split.map_or(word, |(_, permission)| permission);
            if known && is_word(permission) { word.to_owned() } else { self.shape(word) }
        };
        text.split_ascii_whitespace().map(word).collect::<Vec<_>>().join(" ")
    }

    /// A member's name. What does not look like one may be data: it becomes a shape as well.
    fn name(&self, name: &str) -> String {
        let identifier = |part: &str| {
            let mut bytes = part.bytes();
            let begins =
                bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b"_$".contains(&b));
            begins
                && part.len() <= 40
                && bytes.all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        let (own, odata) = name.split_once("@odata.").unwrap_or((name, "x"));
        let named = (own.is_empty() && own != name || identifier(own)) && identifier(odata);
        if named && Uuid::try_parse(name).is_err() {
            name.to_owned()
        } else {
            format!("<name {}>", self.number("name", name))
        }
    }

    fn shape(&self, text: &str) -> String {
        let kind = match text {
            "" => return String::new(),
            _ if Uuid::try_parse(text).is_ok() => "guid",
            _ if text.starts_with("eyJ") && text.contains('.') => return "<jwt>".to_owned(),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => return "<digits>".to_owned(),
            _ if is_time(text) => return "<time>".to_owned(),
            _ if text.starts_with("https://") || text.starts_with("http://") => "url",
            _ => "text",
        };
        format!("<{kind} {}>", self.number(kind, text))
    }

    fn number(&self, kind: &'static str, text: &str) -> usize {
        let mark = self.hasher.hash_one(text.to_ascii_lowercase());
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.keys().filter(|(known, _)| *known == kind).count() + 1;
        *numbers.entry((kind, mark)).or_insert(next)
    }
}

/// A name that a protocol gives: short, one word, and nothing that is made at random.
fn is_word(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-+".contains(&b));
    let made = Uuid::try_parse(text).is_ok() || text.starts_with("eyJ");
    plain && !made && (1..=48).contains(&text.len())
}

/// The value of a header that says how, such as `application/json; charset=utf-8`.
fn is_plain(text: &str) -> bool {
    let words = text.split(|c: char| ";,=/ \"".contains(c));
    text.len() <= 100
        && words.filter(|word| !word.is_empty()).all(|word| is_word(word) || word == "*")
}

/// `2026-11-22` and whatever follows, or a date as HTTP has it.
fn is_time(text: &str) -> bool {
    if httpdate::parse_http_date(text).is_ok() {
        return true;
    }
    let form = text.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
    let form: Vec<u8> = form.take(10).collect();
    form == b"0000-00-00"
}

/// Some services begin their JSON with a byte order mark.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LONGEST_LIST: usize = 3;

/// JSON members whose numbers and words are shown, in lower case.
const SHOWN_MEMBERS: [&str; 17] = [
    "error",
    "suberror",
    "error_codes",
    "error_subcode",
    "code",
    "statuscode",
    "token_type",
    "expires_in",
    "ext_expires_in",
    "refresh_in",
    "foci",
    "consenttype",
    "relationshiptopartner",
    "status",
    "recoverylevel",
    "recoverabledays",
    "objecttype",
];

const SHOWN_HEADERS: [&str; 11] = [
    "accept",
    "allow",
    "cache-control",
    "content-type",
    "ismfacompliant",
    "ms-contract-version",
    "pragma",
    "retry-after",
    "transfer-encoding",
    "validatemfa",
    "x-newtokenrequired",
];

/// What paths are made of, ids apart.
const SHOWN_SEGMENTS: [&str; 25] = [
    "",
    "adminconsent",
    "applicationconsents",
    "authorize",
    "common",
    "customers",
    "delegatedAdminRelationships",
    "deletedsecrets",
    "discovery",
    "keys",
    "me",
    "oauth2",
    "oauth2PermissionGrants",
    "openid-configuration",
    "organizations",
    "probe",
    "recover",
    "secrets",
    "servicePrincipals",
    "tenantRelationships",
    "token",
    "v1",
    "v1.0",
    "v2.0",
    ".well-known",
];

const SHOWN_QUERY: [(&str, &str); 4] = [
    ("seekOperation", "Next"),
    ("$filter", "status eq 'active'"),
    ("api-version", "7.4"),
    ("$select", "id,appId"),
];

const PHRASES: [&str; 1] = ["Permission entry already exists"];

/// Microsoft's own resources, by the names that they are asked for.
const RESOURCES: [&str; 12] = [
    "https://api.partnercenter.microsoft.com",
    "https://partner.partnercenterapi.microsoftonline.cn",
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "https://management.azure.com",
    "https://manage.office.com",
    "https://outlook.office365.com",
    "https://vault.azure.net",
    "https://vault.usgovcloudapi.net",
    "https://vault.azure.cn",
];

#[cfg(test)]
mod tests;
