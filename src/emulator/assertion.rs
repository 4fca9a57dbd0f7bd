//! Client assertions: signed JWTs that stand in for a client secret.
//!
//! Source: RFC 7523, section 3; Microsoft identity platform, "Certificate credentials": PS256 with
//! `x5t#S256`, or the older RS256 with `x5t`.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::errors::Refusal;
use crate::model::clock::unix_seconds;
use crate::model::tenant::ClientId;

/// The public side of a certificate, as an application's `keyCredentials` hold it.
#[derive(Debug, Clone)]
pub(super) struct RegisteredCertificate {
    sha256: String,
    sha1: String,
    public_key: Vec<u8>,
}

impl RegisteredCertificate {
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let key = certificate.tbs_certificate.subject_public_key_info.subject_public_key;
        Some(Self {
            sha256: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)),
            sha1: URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der)),
            public_key: key.as_bytes()?.to_vec(),
        })
    }
}

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
    nbf: Option<u64>,
    exp: u64,
}

/// Checks an assertion the way Entra's documentation says that it does.
pub(super) fn verify(
    text: &str,
    certificates: &[RegisteredCertificate],
    client_id: ClientId,
    token_url: &str,
    now: SystemTime,
) -> Result<(), Refusal> {
    let malformed = || Refusal::new(50_027);
    let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let header: Header = part(header)?;
    let claims: Claims = part(claims)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let (algorithm, certificate) = signer(&header, certificates)?;
    UnparsedPublicKey::new(algorithm, &certificate.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| Refusal::new(700_027))?;
    check(&claims, client_id, token_url, now)
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
    let named = |certificate: &&RegisteredCertificate| match (&header.sha256, &header.x5t) {
        (Some(thumbprint), _) => certificate.sha256 == *thumbprint,
        (None, Some(thumbprint)) => certificate.sha1 == *thumbprint && header.alg == "RS256",
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
        return Err(Refusal::new(50_013).about(token_url));
    }
    if claims.jti.is_empty() {
        return Err(Refusal::new(50_027));
    }
    let latest = unix_seconds(now + SKEW);
    if claims.exp <= unix_seconds(now) || claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(Refusal::new(700_024));
    }
    Ok(())
}

const SKEW: Duration = Duration::from_secs(300);
