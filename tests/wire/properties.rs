//! What must hold whatever comes from a network: a function for each reader, which panics where it
//! does not, and says whether the reader took what it was given.
//!
//! `chance` asks them of good texts that were bent, the fuzzer (`tests/fuzz`) of whatever it comes
//! upon. Each reads again, in another way, what the crate has taken.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use cpv_consent::measure::Envelope;
use cpv_consent::measure::targets::{self, Readers};
use cpv_consent::{
    AppRegistration, ClientCredential, Clock as _, Cloud, Manifest, ManifestFinding, Origins,
    Resource, Sealed, VirtualClock,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use url::form_urlencoded;

use crate::signer::Signer;

/// A reader, and texts that it takes.
pub struct Target {
    pub name: &'static str,
    pub holds: fn(&[u8]) -> bool,
    pub good: &'static [&'static str],
}

pub const TARGETS: [Target; 9] = [
    Target { name: "callback", holds: callback, good: &CALLBACKS },
    Target { name: "cookie", holds: cookie, good: &["a=1; __Host-c=value; b=2"] },
    Target { name: "envelope", holds: envelope, good: &[""] },
    Target { name: "id_token", holds: id_token, good: &ID_TOKENS },
    Target { name: "invitation", holds: invitation, good: &[INVITATION] },
    Target { name: "key_set", holds: key_set, good: &KEY_SETS },
    Target { name: "manifest", holds: manifest, good: &MANIFESTS },
    Target { name: "retry_after", holds: retry_after, good: &["120", DATE] },
    Target { name: "token_reply", holds: token_reply, good: &[REPLY] },
];

/// A callback's fields, by form and by query alike.
pub fn callback(fields: &[u8]) -> bool {
    let posted = targets::callback(fields, true).expect("any body can be posted");
    if let Some(asked) = targets::callback(fields, false).filter(|_| !fields.contains(&b'#')) {
        assert_eq!(asked, posted, "in both modes");
    }
    if posted {
        check_fields(fields);
    }
    posted
}

fn check_fields(fields: &[u8]) {
    let pairs: Vec<_> = form_urlencoded::parse(fields).collect();
    let names: BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), pairs.len(), "none occurs twice");
    let of = |name: &str| pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    match (of("code"), of("error")) {
        (Some(text), None) | (None, Some(text)) => assert!(!text.is_empty()),
        (None, None) => assert_eq!(of("admin_consent").map(AsRef::as_ref), Some("True")),
        both => panic!("{both:?}"),
    }
}

/// The `Cookie` header of a callback.
pub fn cookie(header: &[u8]) -> bool {
    const NAME: &str = "__Host-c";
    let Some(value) = targets::cookie(header, NAME) else { return false };
    let text = String::from_utf8_lossy(header);
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let ours: Vec<_> = pairs.filter(|(name, _)| name.trim() == NAME).collect();
    assert!(!ours.is_empty() && ours.iter().all(|(_, own)| own.trim() == value));
    true
}

/// Changes of sealed bytes. They are also given to be opened themselves.
pub fn envelope(changes: &[u8]) -> bool {
    let (envelope, sealed) = &*ENVELOPE;
    let bent = changed(sealed.as_bytes(), changes);
    let opens = envelope.open(&Sealed::from_bytes(bent.clone())).is_ok();
    assert_eq!(opens, bent == sealed.as_bytes());
    assert!(envelope.open(&Sealed::from_bytes(changes.to_vec())).is_err());
    opens
}

/// A header and claims, each in a line, which are signed, and changes of what comes of it; or all of
/// a token.
pub fn id_token(input: &[u8]) -> bool {
    let (header, rest) = line(input);
    let (claims, changes) = line(rest);
    let good = if rest.is_empty() { TOKEN.clone() } else { SIGNER.sign_bytes(header, claims) };
    let token = if rest.is_empty() { input.to_vec() } else { changed(good.as_bytes(), changes) };
    let believed = now(READERS.id_token(&token, filled(KEY_SETS[0].as_bytes()).as_bytes(), NONCE));
    if believed {
        assert_eq!(String::from_utf8_lossy(&token), good, "as it was signed");
    }
    if believed && !rest.is_empty() {
        check_header(serde_json::from_slice(header).expect("an object, each member once"));
        check_claims(&serde_json::from_slice(claims).expect("an object, each member once"));
    }
    believed
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

fn check_header(header: Header) {
    assert_eq!(header.alg, "RS256");
    assert!(header.kid.is_none_or(|kid| kid == KEY_ID) && header.crit.is_none());
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    azp: Option<String>,
    tid: String,
    oid: String,
    sub: String,
    ver: String,
    nonce: String,
    iat: u64,
    nbf: Option<u64>,
    exp: u64,
}

fn check_claims(claims: &Claims) {
    assert_eq!(claims.iss, format!("{ORIGIN}/{TENANT}/v2.0"));
    assert!(claims.aud == CLIENT || claims.aud == serde_json::json!([CLIENT]), "{}", claims.aud);
    assert!(claims.azp.as_deref().is_none_or(|party| party == CLIENT));
    assert_eq!(
        [claims.tid.as_str(), claims.ver.as_str(), claims.nonce.as_str()],
        [TENANT, "2.0", NONCE]
    );
    assert!(claims.oid.parse::<cpv_consent::UserId>().is_ok() && !claims.sub.is_empty());
    assert!(NOW < claims.exp.saturating_add(120), "not over");
    assert!(claims.iat.max(claims.nbf.unwrap_or_default()) <= NOW + 120, "begun");
    assert!(NOW <= claims.iat + 3720, "an answer to us");
}

/// The last part of an invitation's address.
pub fn invitation(text: &[u8]) -> bool {
    let Some(read) = targets::invitation(text) else { return false };
    assert_eq!(read.as_bytes(), text, "there is no second spelling");
    assert_eq!((read.len(), read.find('.')), (66, Some(22)));
    true
}

/// A key set, in which `$N` stands for the modulus of the key that has signed.
pub fn key_set(set: &[u8]) -> bool {
    let set = filled(set);
    let believed = now(READERS.id_token(TOKEN.as_bytes(), set.as_bytes(), NONCE));
    if believed {
        let set: Set = serde_json::from_str(&set).expect("a set, each member once");
        assert!(set.keys.iter().any(is_the_key), "nobody else's key makes it good");
    }
    believed
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

fn is_the_key(key: &Value) -> bool {
    let is = |name: &str, text: &str| key[name].is_null() || key[name] == text;
    key["n"] == MODULUS.as_str()
        && (key["kty"] == "RSA" && key["kid"] == KEY_ID)
        && is("use", "sig")
        && is("alg", "RS256")
}

/// An application's manifest.
pub fn manifest(text: &[u8]) -> bool {
    let read = std::str::from_utf8(text).ok().and_then(|text| Manifest::from_json(text).ok());
    let Some(read) = read else { return false };
    let written = Manifest::from_json(&read.to_json()).expect("what is written is read");
    assert_eq!(written, read, "nothing is lost");
    let fitted = read.fitted_to(&APP);
    assert_eq!(fitted.clone().fitted_to(&APP), fitted, "what is right is left alone");
    let left = fitted.lint(&APP, None, &*CLOCK);
    let overlooked: Vec<_> = left.iter().filter(|finding| can_be_fitted(finding)).collect();
    assert!(overlooked.is_empty(), "{overlooked:?}");
    true
}

const fn can_be_fitted(finding: &ManifestFinding) -> bool {
    matches!(
        finding,
        ManifestFinding::WrongAudience { .. }
            | ManifestFinding::RedirectMissing
            | ManifestFinding::RedirectOfPublicClient { .. }
            | ManifestFinding::PermissionMissing(_)
            | ManifestFinding::AppOnlyPartnerCenter { .. }
            | ManifestFinding::AzureAdGraph
            | ManifestFinding::FallbackPublicClient
            | ManifestFinding::ImplicitGrant { .. }
            | ManifestFinding::MappedClaims
            | ManifestFinding::Unlocked
            | ManifestFinding::AuthTimeNotAsked
            | ManifestFinding::AcctNotAsked
            | ManifestFinding::RolesNotAsked
    )
}

/// The value of a `Retry-After` header.
pub fn retry_after(value: &[u8]) -> bool {
    let Some(pause) = targets::retry_after(value, CLOCK.now()) else { return false };
    assert!(pause <= HOUR, "{pause:?}");
    let said = String::from_utf8_lossy(value).trim().parse().map(Duration::from_secs);
    assert!(said.is_err() || said == Ok(pause) || pause == HOUR);
    true
}

/// The status of a token endpoint's reply, in a line, and its body.
pub fn token_reply(reply: &[u8]) -> bool {
    let (status, body) = line(reply);
    let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let Some(life) = now(READERS.token_reply(status, body)) else { return false };
    assert!(status == 200 && life <= 28 * HOUR, "{status} {life:?}");
    let said: Reply = serde_json::from_slice(body).expect("an object, each member once");
    assert!(said.token_type.eq_ignore_ascii_case("Bearer") && said.error.is_none());
    assert!(!said.access_token.is_empty() && said.access_token.is_ascii());
    true
}

#[derive(Deserialize)]
struct Reply {
    token_type: String,
    access_token: String,
    error: Option<Value>,
}

/// What stands before a line's end, and what stands behind it.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[]),
    }
}

/// Each three bytes are a place and what is put there; just behind the end something is added, and
/// the next place means that all ends where the third byte says.
fn changed(text: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % (text.len() + 2);
        match text.len() {
            length if place < length => text[place] = change[2],
            length if place == length => text.push(change[2]),
            _ => text.truncate(change[2].into()),
        }
    }
    text
}

fn filled(set: &[u8]) -> String {
    String::from_utf8_lossy(set).replace("$N", &MODULUS)
}

fn now<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

fn app() -> AppRegistration {
    let origins = Origins { login: ORIGIN, partner_center: ORIGIN, graph: ORIGIN };
    let cloud = Cloud::danger_loopback("chance", origins).expect("loopback");
    let home = "11111111-1111-4111-8111-111111111111".parse().expect("a GUID");
    let client = CLIENT.parse().expect("a GUID");
    let secret = ClientCredential::secret("canary").expect("plain text");
    AppRegistration::new(cloud, home, client, secret, "https://panel.example/callback")
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a registration")
}

const ORIGIN: &str = "http://127.0.0.1:9";
const CLIENT: &str = "22222222-2222-4222-8222-222222222222";
const TENANT: &str = "33333333-3333-4333-8333-333333333333";
const NONCE: &str = "nonce";
const KEY_ID: &str = "key";
const NOW: u64 = 1_800_000_000;
const HOUR: Duration = Duration::from_secs(3600);

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
}
static CLOCK: LazyLock<VirtualClock> =
    LazyLock::new(|| VirtualClock::starting_at(UNIX_EPOCH + Duration::from_secs(NOW)));
static APP: LazyLock<AppRegistration> = LazyLock::new(app);
static READERS: LazyLock<Readers> =
    LazyLock::new(|| Readers::new(app(), TENANT.parse().expect("a GUID"), CLOCK.clone()));
static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new(KEY_ID));
static MODULUS: LazyLock<String> =
    LazyLock::new(|| SIGNER.jwk(ORIGIN)["n"].as_str().expect("text").to_owned());
/// Signed by that key, and good.
pub static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let (header, rest) = line(ID_TOKENS[0].as_bytes());
    SIGNER.sign_bytes(header, line(rest).0)
});
static ENVELOPE: LazyLock<(Envelope, Sealed)> = LazyLock::new(|| {
    let envelope = Envelope::new(APP.realm(), TENANT.parse().expect("a GUID"));
    let envelope = envelope.expect("random bytes");
    let sealed = envelope.seal(b"a token").expect("random bytes");
    (envelope, sealed)
});

const CALLBACKS: [&str; 3] = [
    "code=0.AXoA-code&state=AAAA&session_state=1&iss=https%3A%2F%2Flogin.example",
    "error=access_denied&error_description=AADSTS65004%3A+no%0D%0A&state=AAAA&error_subcode=cancel",
    "admin_consent=True&tenant=33333333-3333-4333-8333-333333333333&state=AAAA",
];
const INVITATION: &str = "AAAAAAAAAAAAAAAAAAAAAA.aaaaaaaa-aaaaaaaaaaaaaaaaaaa_aaaaaaaaaaaaaa";
const DATE: &str = "Fri, 31 Dec 2032 23:59:59 GMT";
const REPLY: &str = r#"200
{"token_type":"Bearer","expires_in":3599,"access_token":"access","scope":"http://127.0.0.1:9/user_impersonation","refresh_token":"refresh","id_token":"a.b.c","foci":"1"}"#;
pub const ID_TOKENS: [&str; 2] = [
    r#"{"typ":"JWT","alg":"RS256","kid":"key"}
{"ver":"2.0","iss":"http://127.0.0.1:9/33333333-3333-4333-8333-333333333333/v2.0","aud":"22222222-2222-4222-8222-222222222222","tid":"33333333-3333-4333-8333-333333333333","oid":"55555555-5555-4555-8555-555555555555","sub":"subject","nonce":"nonce","iat":1800000000,"nbf":1800000000,"exp":1800003600,"name":"Ann"}
"#,
    r#"{"alg":"RS256"}
{"ver":"2.0","iss":"http://127.0.0.1:9/33333333-3333-4333-8333-333333333333/v2.0","aud":["22222222-2222-4222-8222-222222222222"],"azp":"22222222-2222-4222-8222-222222222222","tid":"33333333-3333-4333-8333-333333333333","oid":"55555555-5555-4555-8555-555555555555","sub":"subject","nonce":"nonce","iat":1800000000,"exp":1800003600,"auth_time":1799999999,"amr":["pwd","mfa"],"acct":0,"idp":"https://sts.windows.net/33333333-3333-4333-8333-333333333333/","wids":["62e90394-69f5-4237-9190-012177145e10"]}
"#,
];
const KEY_SETS: [&str; 1] = [
    r#"{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"key","n":"$N","e":"AQAB","issuer":"http://127.0.0.1:9/{tenantid}/v2.0","x5c":["x"]},{"kty":"EC","kid":"other","crv":"P-256","x":"AA","y":"AA"}]}"#,
];
const MANIFESTS: [&str; 2] = [
    r#"{"displayName":"Panel"}"#,
    r#"{"displayName":"Panel","appId":"22222222-2222-4222-8222-222222222222","signInAudience":"AzureADMyOrg","isFallbackPublicClient":true,"web":{"redirectUris":["https://panel.example/callback"],"implicitGrantSettings":{"enableIdTokenIssuance":true}},"spa":{"redirectUris":["https://panel.example/callback"]},"publicClient":null,"requiredResourceAccess":[{"resourceAppId":"00000002-0000-0000-c000-000000000000","resourceAccess":[{"id":"y","type":"Scope"}]},{"resourceAppId":"00000003-0000-0000-c000-000000000000","resourceAccess":[{"id":"06da0dbc-49e2-44d2-8312-53f166ab848a","type":"Scope"}]},{"resourceAppId":"fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd","resourceAccess":[{"id":"x","type":"Role"}]}],"passwordCredentials":[{"keyId":"k","endDateTime":"2999-01-31T00:00:00.12Z"}],"keyCredentials":[{"key":"AA==","customKeyIdentifier":"AA=="}],"optionalClaims":{"idToken":[{"name":"acct"}]},"groupMembershipClaims":"SecurityGroup, None","api":{"acceptMappedClaims":true},"servicePrincipalLockConfiguration":{"isEnabled":false},"verifiedPublisher":{"verifiedPublisherId":"1"}}"#,
];
