//! RSA keys that never leave the vault: it wraps, unwraps and signs with them.
//!
//! Source: "Get Key", "Wrap Key", "Unwrap Key", "Sign"; RFC 7518, sections 3.3, 3.5 and 4.3. What is
//! signed is a digest that the caller made.

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaSignatureEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, check_name};
use super::fault::Fault;
use crate::emulator::state::signer::rsa_numbers;
use crate::emulator::state::vault::KeyVersion;
use crate::emulator::state::vault::VaultRight;

/// The body of every operation with a key.
#[derive(Deserialize)]
struct Operation {
    alg: String,
    value: String,
}

pub(super) fn perform(call: &Call<'_>, rest: &[&str]) -> Result<Value, Fault> {
    match (call.method, rest) {
        ("GET", []) => list(call),
        ("GET", [name]) => read(call, name, None),
        ("GET", [name, "versions"]) => versions(call, name),
        ("GET", [name, version]) => read(call, name, Some(version)),
        ("POST", [name, operation @ ("wrapkey" | "unwrapkey" | "sign")]) => {
            operate(call, name, None, operation)
        }
        ("POST", [name, version, operation]) => operate(call, name, Some(version), operation),
        _ => Err(Fault::no_such_operation()),
    }
}

fn read(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Value, Fault> {
    call.require(VaultRight::KeysGet)?;
    let key = find(call, name, version, "get")?;
    let [modulus, exponent] = rsa_numbers(key.pair.public_key());
    let jwk = json!({
        "kid": key.kid(call.origin()), "kty": "RSA",
        "key_ops": ["sign", "wrapKey", "unwrapKey"],
        "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
    });
    let retention = call.vault().retention;
    Ok(json!({ "key": jwk, "attributes": key.attributes(&retention) }))
}

fn versions(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::KeysList)?;
    check_name(name)?;
    let vault = call.vault();
    let versions = vault.keys.get(&name.to_ascii_lowercase()).into_iter().flatten();
    let items = versions.map(|key| {
        let attributes = key.attributes(&vault.retention);
        (key.id.clone(), json!({ "kid": key.kid(call.origin()), "attributes": attributes }))
    });
    Ok(call.page(items.collect()))
}

fn list(call: &Call<'_>) -> Result<Value, Fault> {
    call.require(VaultRight::KeysList)?;
    let vault = call.vault();
    let latest = vault.keys.iter().filter_map(|(name, versions)| Some((name, versions.last()?)));
    let items = latest.map(|(name, key)| {
        let kid = format!("{}/keys/{}", call.origin(), key.name);
        let attributes = key.attributes(&vault.retention);
        (name.clone(), json!({ "kid": kid, "attributes": attributes }))
    });
    Ok(call.page(items.collect()))
}

fn operate(
    call: &Call<'_>,
    name: &str,
    version: Option<&str>,
    operation: &str,
) -> Result<Value, Fault> {
    let (right, word) = match operation {
        "wrapkey" => (VaultRight::KeysWrap, "wrapKey"),
        "unwrapkey" => (VaultRight::KeysUnwrap, "unwrapKey"),
        "sign" => (VaultRight::KeysSign, "sign"),
        _ => return Err(Fault::no_such_operation()),
    };
    call.require(right)?;
    let key = find(call, name, version, word)?;
    let Operation { alg, value } = call.body()?;
    let value = URL_SAFE_NO_PAD.decode(value).map_err(|_| not_base64url())?;
    let result = match word {
        "wrapKey" => key.pair.wrap(oaep(&alg)?, &value),
        "unwrapKey" => key.pair.unwrap(oaep(&alg)?, &value),
        _ => key.pair.sign(signature(&alg)?, &value),
    };
    let result = result.ok_or_else(|| Fault::bad_parameter("The parameter is incorrect.\r\n"))?;
    Ok(json!({ "kid": key.kid(call.origin()), "value": URL_SAFE_NO_PAD.encode(result) }))
}

/// A key that may be used: the version of that id, or else the latest.
fn find(
    call: &Call<'_>,
    name: &str,
    version: Option<&str>,
    operation: &str,
) -> Result<KeyVersion, Fault> {
    check_name(name)?;
    let vault = call.vault();
    let versions = vault.keys.get(&name.to_ascii_lowercase());
    let key = versions.and_then(|versions| match version {
        Some(id) => versions.iter().find(|key| key.id == id),
        None => versions.last(),
    });
    let key = key.ok_or_else(|| not_found(name))?;
    if key.enabled {
        return Ok(key.clone());
    }
    let message = format!("Operation {operation} is not allowed on a disabled key.");
    Err(Fault::forbidden(message).with_inner("KeyDisabled"))
}

fn oaep(alg: &str) -> Result<&'static OaepAlgorithm, Fault> {
    match alg {
        "RSA-OAEP" => Ok(&OAEP_SHA1_MGF1SHA1),
        "RSA-OAEP-256" => Ok(&OAEP_SHA256_MGF1SHA256),
        _ => Err(Fault::bad_parameter("Property  alg has invalid value\r\n")),
    }
}

fn signature(alg: &str) -> Result<&'static RsaSignatureEncoding, Fault> {
    match alg {
        "RS256" => Ok(&RSA_PKCS1_SHA256),
        "PS256" => Ok(&RSA_PSS_SHA256),
        _ => Err(Fault::bad_parameter("Property  alg has invalid value\r\n")),
    }
}

fn not_base64url() -> Fault {
    Fault::bad_parameter(
        "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n",
    )
}

fn not_found(name: &str) -> Fault {
    let message = format!(
        "A key with (name/id) {name} was not found in this key vault. If you recently deleted this \
         key you may be able to recover it using the correct recovery command. For help resolving \
         this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    Fault::not_found("KeyNotFound", message)
}
