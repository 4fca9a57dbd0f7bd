//! Discovery, published keys, and how they follow each other.

use std::error::Error;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::emulator::Tampering;
use serde_json::{Value, json};

use super::bench::{Bench, NOBODY, Outcome, Reply};

async fn fetch(bench: &Bench, path: &str) -> Result<Reply, Box<dyn Error>> {
    let url = format!("{}/{path}", bench.entra.login_origin());
    Reply::read(bench.http.get(url).send().await?).await
}

async fn keys(bench: &Bench) -> Result<Vec<Value>, Box<dyn Error>> {
    let reply = fetch(bench, "organizations/discovery/v2.0/keys").await?;
    Ok(reply.json["keys"].as_array().cloned().unwrap_or_default())
}

/// Whether a published key signed it, as RFC 7515 has it, by nothing of the emulator's.
fn is_signed_by(token: &str, keys: &[Value]) -> bool {
    let (signed, signature) = token.rsplit_once('.').expect("a JWT");
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let header: Value =
        serde_json::from_slice(&bytes(signed.split('.').next().expect("a header"))).expect("JSON");
    let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else { return false };
    let number = |member: &str| bytes(key[member].as_str().expect("text"));
    let key = PublicKeyComponents { n: number("n"), e: number("e") };
    let signature = bytes(signature);
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn both_versions_are_announced_under_the_directory_that_was_asked() -> Outcome {
    let bench = Bench::new().await?;
    let (login, contoso) = (bench.entra.login_origin(), bench.contoso.to_string());
    for (path, version, issuer) in [
        (contoso.as_str(), "", format!("https://sts.windows.net/{contoso}/")),
        ("organizations", "", "https://sts.windows.net/{tenantid}/".to_owned()),
        (contoso.as_str(), "v2.0/", format!("{login}/{contoso}/v2.0")),
        ("common", "v2.0/", format!("{login}/{{tenantid}}/v2.0")),
    ] {
        let document = format!("{path}/{version}.well-known/openid-configuration");
        let document = fetch(&bench, &document).await?;
        let at = |what: &str| format!("{login}/{path}/{what}");
        for (member, text) in [
            ("issuer", issuer),
            ("authorization_endpoint", at(&format!("oauth2/{version}authorize"))),
            ("token_endpoint", at(&format!("oauth2/{version}token"))),
            ("end_session_endpoint", at(&format!("oauth2/{version}logout"))),
            ("jwks_uri", at(&format!("discovery/{version}keys"))),
        ] {
            assert_eq!(document.text(member), text, "{path} {version} {member}");
        }
        let keys = Reply::read(bench.http.get(document.text("jwks_uri")).send().await?).await?;
        let key = &keys.json["keys"][0];
        assert_eq!((&key["kty"], &key["use"]), (&json!("RSA"), &json!("sig")));
        let issuer = json!(format!("{login}/{{tenantid}}/v2.0"));
        assert_eq!(key.get("issuer"), (version == "v2.0/").then_some(&issuer));
    }
    for path in ["v2.0/.well-known/openid-configuration", "discovery/keys"] {
        let reply = fetch(&bench, &format!("{NOBODY}/{path}")).await?;
        assert_eq!(reply.refusal(), (400, "invalid_request", "", 90_002), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_published_before_it_signs() -> Outcome {
    let bench = Bench::new().await?;
    let before = keys(&bench).await?;
    bench.entra.publish_next_key();
    let both = keys(&bench).await?;
    assert_eq!((before.len(), both.len()), (1, 2));
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    assert!(is_signed_by(reply.text("id_token"), &before), "the new one is not in use yet");
    bench.entra.sign_with_next_key();
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    assert!(!is_signed_by(reply.text("id_token"), &before));
    assert!(is_signed_by(reply.text("id_token"), &both));
    assert_eq!(keys(&bench).await?, both, "signing published nothing");
    Ok(())
}

#[tokio::test]
async fn a_key_can_sign_at_the_moment_it_is_published_and_old_ones_can_end() -> Outcome {
    let bench = Bench::new().await?;
    let before = keys(&bench).await?;
    let old = bench.redeem(&bench.code().await?, &[]).await?;
    bench.entra.sign_with_next_key();
    let new = bench.redeem(&bench.code().await?, &[]).await?;
    assert!(!is_signed_by(new.text("id_token"), &before), "who kept the keys knows it not");
    let both = keys(&bench).await?;
    assert!(is_signed_by(new.text("id_token"), &both));
    let customers = bench.customers_url();
    assert_eq!(bench.read(&customers, old.text("access_token")).await?.status, 200);
    bench.entra.retire_old_keys();
    assert_eq!(keys(&bench).await?, both[1..]);
    assert_eq!(bench.read(&customers, old.text("access_token")).await?.status, 401);
    assert_eq!(bench.read(&customers, new.text("access_token")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_key_of_one_tenant_says_so_and_can_be_abused() -> Outcome {
    //
    let bench = Bench::new().await?;
    let northwind = bench.entra.add_tenant("Northwind");
    bench.entra.sign_with_own_key(northwind);
    let published = keys(&bench).await?;
    let issuer = format!("{}/{northwind}/v2.0", bench.entra.login_origin());
    assert_eq!(published[1]["issuer"], issuer);
    let truth = bench.redeem(&bench.code().await?, &[]).await?;
    assert!(is_signed_by(truth.text("id_token"), &published[..1]));
    bench.entra.token_tampering(Tampering::KeyOfAnotherTenant);
    let lie = bench.redeem(&bench.code().await?, &[]).await?;
    assert!(is_signed_by(lie.text("id_token"), &published[1..]), "by a key that is not Contoso's");
    assert_eq!(lie.claims("id_token")["tid"], truth.claims("id_token")["tid"]);
    bench.entra.token_tampering(Tampering::None);
    bench.entra.sign_with_own_key(bench.contoso);
    let own = bench.redeem(&bench.code().await?, &[]).await?;
    assert!(is_signed_by(own.text("id_token"), &keys(&bench).await?[2..]));
    Ok(())
}

#[tokio::test]
async fn two_emulators_of_a_seed_share_no_key_that_is_made_later() -> Outcome {
    let (one, two) = (Bench::seeded(7).await?, Bench::seeded(7).await?);
    one.entra.publish_next_key();
    two.entra.publish_next_key();
    assert_ne!(keys(&one).await?[1]["kid"], keys(&two).await?[1]["kid"]);
    Ok(())
}
