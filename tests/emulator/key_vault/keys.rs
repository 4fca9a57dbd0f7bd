//! Keys that never leave the vault.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey,
    PublicKeyComponents,
};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::bench::{Outcome, Reply};
use super::{Vault, fault, names};

const PLAIN: &[u8; 32] = b"the key that a key is to protect";

fn public_half(key: &Reply) -> PublicKeyComponents<Vec<u8>> {
    let number = |name: &str| {
        let text = key.json["key"][name].as_str().expect("text");
        URL_SAFE_NO_PAD.decode(text).expect("base64url")
    };
    PublicKeyComponents { n: number("n"), e: number("e") }
}

fn body(alg: &str, value: &[u8]) -> Value {
    json!({ "alg": alg, "value": URL_SAFE_NO_PAD.encode(value) })
}

fn value(reply: &Reply) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(reply.text("value")).expect("base64url")
}

/// The path of a key, out of its identifier.
fn path<'k>(vault: &Vault, kid: &'k str) -> &'k str {
    kid.strip_prefix(vault.bench.entra.key_vault_origin()).expect("a key of this vault")
}

#[tokio::test]
async fn what_is_wrapped_here_or_there_is_unwrapped_in_the_vault() -> Outcome {
    let vault = Vault::new().await?;
    let kid = vault.bench.entra.create_vault_key("kek");
    let key = vault.get("/keys/kek").await?;
    assert_eq!((&key.json["key"]["kid"], &key.json["key"]["kty"]), (&json!(kid), &json!("RSA")));
    assert_eq!(key.json["attributes"]["enabled"], true);
    assert!(["d", "p", "q", "k"].iter().all(|half| key.json["key"].get(half).is_none()));
    let public: PublicEncryptingKey = public_half(&key).try_into()?;
    let public = OaepPublicEncryptingKey::new(public)?;
    let path = path(&vault, &kid);
    for (alg, oaep) in
        [("RSA-OAEP", &OAEP_SHA1_MGF1SHA1), ("RSA-OAEP-256", &OAEP_SHA256_MGF1SHA256)]
    {
        let there = vault.call("POST", &format!("{path}/wrapkey"), &body(alg, PLAIN)).await?;
        assert_eq!((there.status, there.text("kid")), (200, kid.as_str()));
        let mut here = vec![0; public.ciphertext_size()];
        let here = public.encrypt(oaep, PLAIN, &mut here, None)?;
        for wrapped in [value(&there).as_slice(), here] {
            let back = vault.call("POST", "/keys/KEK/unwrapkey", &body(alg, wrapped)).await?;
            assert_eq!((back.status, back.text("kid")), (200, kid.as_str()));
            assert_eq!(value(&back), PLAIN);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_digest_is_signed_in_both_ways() -> Outcome {
    let vault = Vault::new().await?;
    let kid = vault.bench.entra.create_vault_key("signer");
    let public = public_half(&vault.get("/keys/signer").await?);
    let message = b"header.claims";
    let hash = digest(&SHA256, message);
    let path = format!("{}/sign", path(&vault, &kid));
    let signed = vault.call("POST", &path, &body("RS256", hash.as_ref())).await?;
    assert_eq!((signed.status, signed.text("kid")), (200, kid.as_str()));
    public.verify(&RSA_PKCS1_2048_8192_SHA256, message, &value(&signed))?;
    let signed = vault.call("POST", &path, &body("PS256", hash.as_ref())).await?;
    public.verify(&RSA_PSS_2048_8192_SHA256, message, &value(&signed))?;
    for (alg, wrong) in [("RS256", message.as_slice()), ("ES256", hash.as_ref())] {
        let reply = vault.call("POST", &path, &body(alg, wrong)).await?;
        assert_eq!(fault(&reply), (400, "BadParameter", ""), "{alg}");
    }
    Ok(())
}

#[tokio::test]
async fn a_version_opens_only_what_it_closed() -> Outcome {
    let vault = Vault::new().await?;
    let old = vault.bench.entra.create_vault_key("kek");
    let wrapped = vault.call("POST", "/keys/kek/wrapkey", &body("RSA-OAEP-256", PLAIN)).await?;
    let new = vault.bench.entra.create_vault_key("kek");
    assert_ne!(old, new);
    assert_eq!(vault.get("/keys/kek").await?.json["key"]["kid"], new);
    let unwrap = body("RSA-OAEP-256", &value(&wrapped));
    let with_new = vault.call("POST", "/keys/kek/unwrapkey", &unwrap).await?;
    assert_eq!(fault(&with_new), (400, "BadParameter", ""));
    let with_old = format!("{}/unwrapkey", path(&vault, &old));
    assert_eq!(value(&vault.call("POST", &with_old, &unwrap).await?), PLAIN);

    let mut versions = [&old, &new].map(|kid| kid.rsplit('/').next().unwrap_or_default());
    versions.sort_unstable();
    assert_eq!(names(&vault.get("/keys/kek/versions").await?), versions);
    assert_eq!(names(&vault.get("/keys").await?), ["kek"]);
    Ok(())
}

#[tokio::test]
async fn a_disabled_version_does_nothing_at_all() -> Outcome {
    let vault = Vault::new().await?;
    let kid = vault.bench.entra.create_vault_key("kek");
    let path = path(&vault, &kid);
    let wrapped = vault.call("POST", "/keys/kek/wrapkey", &body("RSA-OAEP-256", PLAIN)).await?;
    let unwrap = body("RSA-OAEP-256", &value(&wrapped));
    vault.bench.entra.vault_key_enabled(&kid, false);
    for operation in ["wrapkey", "unwrapkey", "sign"] {
        let reply = vault.call("POST", &format!("{path}/{operation}"), &unwrap).await?;
        assert_eq!(fault(&reply), (403, "Forbidden", "KeyDisabled"), "{operation}");
    }
    assert_eq!(fault(&vault.get(path).await?), (403, "Forbidden", "KeyDisabled"));
    vault.bench.entra.vault_key_enabled(&kid, true);
    let back = vault.call("POST", &format!("{path}/unwrapkey"), &unwrap).await?;
    assert_eq!(value(&back), PLAIN);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_wrapped_or_unwrapped_is_refused() -> Outcome {
    let vault = Vault::new().await?;
    vault.bench.entra.create_vault_key("kek");
    let wrapped = vault.call("POST", "/keys/kek/wrapkey", &body("RSA-OAEP-256", PLAIN)).await?;
    let right = value(&wrapped);
    let mut altered = right.clone();
    altered[100] ^= 1;
    let padded = json!({ "alg": "RSA-OAEP-256", "value": format!("{}==", wrapped.text("value")) });
    for (path, body) in [
        ("/keys/kek/wrapkey", body("RSA-OAEP-256", &[0; 191])),
        ("/keys/kek/wrapkey", body("A256KW", PLAIN)),
        ("/keys/kek/unwrapkey", body("RSA-OAEP", &right)),
        ("/keys/kek/unwrapkey", body("RSA-OAEP-256", &altered)),
        ("/keys/kek/unwrapkey", body("RSA-OAEP-256", &right[1..])),
        ("/keys/kek/unwrapkey", padded),
        ("/keys/kek/unwrapkey", json!({ "alg": "RSA-OAEP-256" })),
    ] {
        let reply = vault.call("POST", path, &body).await?;
        assert_eq!(fault(&reply), (400, "BadParameter", ""), "{path} {body}");
    }
    for path in ["/keys/other", "/keys/kek/00"] {
        assert_eq!(fault(&vault.get(path).await?), (404, "KeyNotFound", ""), "{path}");
    }
    Ok(())
}
