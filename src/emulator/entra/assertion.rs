//! Client assertions: signed JWTs that stand in for a client secret.
//!
//! Source: RFC 7523, section 3; Microsoft identity platform, "Certificate credentials": PS256 with
//! `x5t#S256`, or the older RS256 with `x5t`. Thumbprints are taken with padding and without, and
//! times as any JSON number, as clients send them.

use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::emulator::refusal::Refusal;
use crate::emulator::state::application::{Application, Federated, RegisteredCertificate};
use crate::emulator::state::record::CredentialKind;
use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::ClientId;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(rename = "x5t#S256")]
    sha256: Option<String>,
    x5t: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    jti: String,
    nbf: Option<f64>,
    exp: f64,
}

/// What counts of another issuer's token.
#[derive(Deserialize)]
struct Issued {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(named) => named == audience,
            Self::Several(named) => named.iter().any(|named| named == audience),
        }
    }
}

/// An assertion that holds: what tells it from others, and until when it could come again.
pub(super) struct Used {
    pub(super) id: String,
    pub(super) until: SystemTime,
}

/// Which kind it says it is.
pub(super) fn kind(text: &str) -> CredentialKind {
    let header = text.split_once('.').map(|(header, _)| part::<Header>(header));
    match header {
        Some(Ok(header)) if header.alg == "PS256" => CredentialKind::AssertionPs256,
        Some(Ok(header)) if header.alg == "RS256" => CredentialKind::AssertionRs256,
        _ => CredentialKind::Other,
    }
}

/// Checks an assertion the way Entra's documentation says that it does.
pub(super) fn verify(
    text: &str,
    application: &Application,
    token_url: &str,
    now: SystemTime,
) -> Result<Used, Refusal> {
    let malformed = || Refusal::new(50_027);
    let (client_id, certificates) = (application.client_id, &application.certificates);
    let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let header: Header = part(header)?;
    if part::<Issued>(claims)?.iss.starts_with("https://") {
        return verify_federated(text, part(claims)?, &application.federated, now);
    }
    let claims: Claims = part(claims)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let (algorithm, certificate) = signer(&header, certificates)?;
    UnparsedPublicKey::new(algorithm, &certificate.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| Refusal::new(700_027))?;
    if !certificate.valid.contains(&now) {
        return Err(Refusal::new(1_000_502));
    }
    check(&claims, client_id, token_url, now)?;
    let until = from_unix_seconds(claims.exp as u64) + SKEW;
    Ok(Used { id: claims.jti, until })
}

/// Another issuer's token counts where a federated credential says so.
fn verify_federated(
    text: &str,
    claims: Issued,
    federated: &[Federated],
    now: SystemTime,
) -> Result<Used, Refusal> {
    let is_named = |known: &&Federated| {
        known.issuer == claims.iss
            && known.subject == claims.sub
            && claims.aud.names(Federated::AUDIENCE)
    };
    let named = federated.iter().find(is_named).ok_or_else(|| Refusal::new(70_021))?;
    let verified: Option<serde_json::Value> = named.key.verified(text);
    verified.ok_or_else(|| Refusal::new(50_013))?;
    if claims.exp <= unix_seconds(now) as f64 {
        return Err(Refusal::new(700_024));
    }
    Ok(Used { id: text.to_owned(), until: from_unix_seconds(claims.exp as u64) })
}

fn part<T: DeserializeOwned>(encoded: &str) -> Result<T, Refusal> {
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::new(50_027))?;
    serde_json::from_slice(&json).map_err(|_| Refusal::new(50_027))
}

fn signer<'c>(
    header: &Header,
    certificates: &'c [RegisteredCertificate],
) -> Result<(&'static RsaParameters, &'c RegisteredCertificate), Refusal> {
    let algorithm = match header.alg.as_str() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Refusal::new(50_027)),
    };
    let is = |known: &str, named: &str| known == named.trim_end_matches('=');
    let named = |certificate: &&RegisteredCertificate| match (&header.sha256, &header.x5t) {
        (Some(thumbprint), _) => is(&certificate.sha256, thumbprint),
        (None, Some(thumbprint)) => header.alg == "RS256" && is(&certificate.sha1, thumbprint),
        (None, None) => false,
    };
    let certificate = certificates.iter().find(named).ok_or_else(|| Refusal::new(700_027))?;
    Ok((algorithm, certificate))
}

fn check(
    claims: &Claims,
    client_id: ClientId,
    token_url: &str,
    now: SystemTime,
) -> Result<(), Refusal> {
    if claims.iss != claims.sub {
        return Err(Refusal::new(50_048));
    }
    if claims.iss != client_id.to_string() {
        return Err(Refusal::new(700_021));
    }
    if claims.aud != token_url {
        return Err(Refusal::new(50_013).about(&format!("its audience is not {token_url}")));
    }
    if claims.jti.is_empty() {
        return Err(Refusal::new(50_027));
    }
    let seconds = |time| unix_seconds(time) as f64;
    let too_early = claims.nbf.is_some_and(|nbf| nbf > seconds(now + SKEW));
    if claims.exp <= seconds(now) || too_early {
        return Err(Refusal::new(700_024));
    }
    Ok(())
}

const SKEW: Duration = Duration::from_secs(300);
