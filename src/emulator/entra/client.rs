//! How an application proves itself at the token endpoint.
//!
//! Source: RFC 6749, section 2.3.1; RFC 7523; Microsoft identity platform, "Certificate
//! credentials".

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::assertion;
use crate::emulator::bearer::credentials;
use crate::emulator::fields::Fields;
use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::record::CredentialKind;
use crate::model::tenant::{ClientId, TenantId};

/// Which application a request says it is from, and what it shows for it.
pub(super) struct Claimed<'r> {
    client_id: Option<Cow<'r, str>>,
    shown: Shown<'r>,
}

enum Shown<'r> {
    Nothing,
    SecretInBody(&'r str),
    SecretInHeader(String),
    Assertion {
        kind: Option<&'r str>,
        text: &'r str,
    },
    /// More than one way, of which exactly one is allowed (RFC 6749, section 2.3).
    Several,
}

impl<'r> Claimed<'r> {
    pub(super) fn of(headers: &HeaderMap, fields: &'r Fields) -> Result<Self, Refusal> {
        let basic = basic_credentials(headers)?;
        let secret = fields.find("client_secret");
        let assertion = fields.find("client_assertion");
        let client_id = fields.find("client_id").map(Cow::Borrowed);
        Ok(match (basic, secret, assertion) {
            (Some((named, secret)), None, None) => {
                if client_id.is_some_and(|other| !other.eq_ignore_ascii_case(&named)) {
                    return Err(Refusal::new(9_002_313).about("it names two clients"));
                }
                Self { client_id: Some(named.into()), shown: Shown::SecretInHeader(secret) }
            }
            (None, Some(secret), None) => Self { client_id, shown: Shown::SecretInBody(secret) },
            (None, None, Some(text)) => {
                let kind = fields.find("client_assertion_type");
                Self { client_id, shown: Shown::Assertion { kind, text } }
            }
            (None, None, None) => Self { client_id, shown: Shown::Nothing },
            _ => Self { client_id, shown: Shown::Several },
        })
    }

    pub(super) fn credential(&self) -> CredentialKind {
        match &self.shown {
            Shown::Nothing => CredentialKind::None,
            Shown::SecretInBody(_) => CredentialKind::SecretInBody,
            Shown::SecretInHeader(_) => CredentialKind::SecretInHeader,
            Shown::Assertion { text, .. } => assertion::kind(text),
            Shown::Several => CredentialKind::Other,
        }
    }

    /// The application that it names, proved or not.
    pub(super) fn client(&self) -> Option<ClientId> {
        ClientId::parse(self.client_id.as_deref()?).ok()
    }

    /// The application, if what is shown is its own and it may be used at this tenant.
    pub(super) fn prove(
        &self,
        world: &World,
        at: Option<TenantId>,
        token_url: impl Fn() -> String,
    ) -> Result<ClientId, Refusal> {
        let missing = || Refusal::new(900_144).about("'client_id'");
        let named = self.client_id.as_deref().ok_or_else(missing)?;
        let client = self.client().ok_or_else(|| Refusal::new(700_016).about(named))?;
        world.directory().application_at(client, at)?;
        match &self.shown {
            Shown::Nothing => Err(Refusal::new(7_000_218)),
            Shown::SecretInBody(secret) => with_secret(world, client, secret),
            Shown::SecretInHeader(secret) => with_secret(world, client, secret),
            Shown::Assertion { kind, text } => {
                with_assertion(world, client, *kind, text, &token_url())
            }
            Shown::Several => Err(Refusal::new(9_002_313)),
        }
    }
}

fn with_secret(world: &World, client: ClientId, secret: &str) -> Result<ClientId, Refusal> {
    let directory = world.directory();
    let mut secrets = directory.application(client)?.secrets.iter();
    let known = secrets.find(|known| known.value.expose() == secret);
    let known = known.ok_or_else(|| Refusal::new(7_000_215))?;
    if known.has_ended(world.now()) { Err(Refusal::new(7_000_222)) } else { Ok(client) }
}

fn with_assertion(
    world: &World,
    client: ClientId,
    kind: Option<&str>,
    text: &str,
    token_url: &str,
) -> Result<ClientId, Refusal> {
    let missing = || Refusal::new(900_144).about("'client_assertion_type'");
    if kind.ok_or_else(missing)? != ASSERTION_TYPE {
        return Err(Refusal::new(50_027));
    }
    let application = world.directory().application(client)?.clone();
    let used = assertion::verify(text, &application, token_url, world.now())?;
    if application.one_time_assertions && !world.use_assertion(client, &used.id, used.until) {
        return Err(Refusal::new(50_013).about("it was used before"));
    }
    Ok(client)
}

/// Both halves are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let malformed = || Refusal::new(9_002_313);
    let bytes = credentials(headers, "Basic")
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or_else(malformed)?;
    let pair = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (client_id, secret) = pair.split_once(':').ok_or_else(malformed)?;
    Ok(Some((form_decoded(client_id), form_decoded(secret))))
}

fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        //
        let pair = STANDARD.encode("app:a%2Bb%26c%3Dd%25+e");
        let value = HeaderValue::try_from(format!("Basic {pair}")).expect("visible ASCII");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        let credentials = basic_credentials(&headers).expect("well-formed").expect("present");
        assert_eq!(credentials, ("app".to_owned(), "a+b&c=d% e".to_owned()));
    }
}
