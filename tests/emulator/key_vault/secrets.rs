//! Secrets in use.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::bench::Outcome;
use super::{Vault, fault, names};

#[tokio::test]
async fn each_value_is_a_version_of_its_own_and_stays_readable() -> Outcome {
    let vault = Vault::new().await?;
    let origin = vault.bench.entra.key_vault_origin();
    let one = vault.set("Token", "one").await?;
    vault.bench.clock.advance(Duration::from_secs(5));
    let two = vault.set("token", "two").await?;
    assert_ne!(one, two);
    for id in [&one, &two] {
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
    let latest = vault.get("/secrets/TOKEN").await?;
    assert_eq!(
        (latest.status, latest.text("value")),
        (200, "two"),
        "names differ by more than case"
    );
    assert_eq!(latest.text("id"), format!("{origin}/secrets/Token/{two}"));
    let now = vault.bench.now();
    let attributes = json!({
        "enabled": true, "created": now, "updated": now,
        "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
    });
    assert_eq!(latest.json["attributes"], attributes);
    let old = vault.get(&format!("/secrets/token/{one}")).await?;
    assert_eq!((old.text("value"), &old.json["attributes"]["created"]), ("one", &json!(now - 5)));
    let latest = vault.get("/secrets/token/").await?;
    assert_eq!(latest.text("value"), "two", "a version that is left out is the latest");
    for nothing in ["/secrets/other", "/secrets/token/00000000000000000000000000000000"] {
        assert_eq!(fault(&vault.get(nothing).await?), (404, "SecretNotFound", ""), "{nothing}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_said_of_a_version_is_kept_beside_it() -> Outcome {
    let vault = Vault::new().await?;
    let now = vault.bench.now();
    let body = json!({
        "value": "one", "contentType": "application/octet-stream",
        "attributes": { "enabled": true, "nbf": now + 3600, "exp": now - 3600 },
        "tags": { "generation": "7" },
    });
    let put = vault.call("PUT", "/secrets/x", &body).await?;
    let got = vault.get("/secrets/x").await?;
    assert_eq!((got.status, got.text("value")), (200, "one"), "its dates are for information");
    assert_eq!(put.json, got.json);
    assert_eq!(got.json["contentType"], "application/octet-stream");
    assert_eq!(got.json["tags"], json!({ "generation": "7" }));
    assert_eq!(got.json["attributes"]["nbf"], now + 3600);
    assert_eq!(got.json["attributes"]["exp"], now - 3600);

    let patch = json!({ "attributes": { "nbf": now } });
    let patched = vault.call("PATCH", "/secrets/x", &patch).await?;
    assert_eq!(patched.json["attributes"]["nbf"], now);
    let mut kept = patched.json;
    kept["attributes"]["nbf"] = json!(now + 3600);
    kept["value"] = json!("one");
    assert_eq!(kept, got.json, "what is left out stays");
    Ok(())
}

#[tokio::test]
async fn a_version_can_be_disabled_on_its_own() -> Outcome {
    let vault = Vault::new().await?;
    let old = vault.set("x", "old").await?;
    vault.set("x", "new").await?;
    vault.bench.clock.advance(Duration::from_secs(60));
    let path = format!("/secrets/x/{old}");
    let disable = json!({ "attributes": { "enabled": false }, "tags": { "why": "rotated" } });
    let patched = vault.call("PATCH", &path, &disable).await?;
    assert_eq!((patched.status, patched.json.get("value")), (200, None));
    let attributes = &patched.json["attributes"];
    assert_eq!(
        (&attributes["enabled"], &attributes["updated"]),
        (&json!(false), &json!(vault.bench.now()))
    );
    let disabled = vault.get(&path).await?;
    assert_eq!(fault(&disabled), (403, "Forbidden", "SecretDisabled"));
    assert_eq!(vault.get("/secrets/x").await?.text("value"), "new");

    let enable = json!({ "attributes": { "enabled": true } });
    let patched = vault.call("PATCH", &path, &enable).await?;
    assert_eq!(patched.json["tags"], json!({ "why": "rotated" }), "what is left out stays");
    assert_eq!(vault.get(&path).await?.text("value"), "old");
    let latest = vault.call("PATCH", "/secrets/x", &disable).await?;
    assert_eq!(latest.status, 200);
    assert_eq!(vault.get("/secrets/x").await?.status, 403, "no older one stands in");
    let none = vault.call("PATCH", "/secrets/x/00", &enable).await?;
    assert_eq!(fault(&none), (404, "SecretNotFound", ""));
    Ok(())
}

#[tokio::test]
async fn names_values_and_tags_have_limits() -> Outcome {
    let vault = Vault::new().await?;
    let longest = "n".repeat(127);
    vault.set(&longest, &"v".repeat(25_600)).await?;
    let too_long = "n".repeat(128);
    for name in [too_long.as_str(), "a_b", "a.b", "a%20b", "%C3%BC"] {
        let path = format!("/secrets/{name}");
        let reply = vault.call("PUT", &path, &json!({ "value": "1" })).await?;
        assert_eq!(fault(&reply), (400, "BadParameter", ""), "{name}");
        assert_eq!(vault.get(&path).await?.status, 400, "{name}");
    }
    let tags = |count: usize, length: usize| {
        let tag = |n: usize| (format!("{n:0>length$}"), Value::from("v".repeat(length)));
        Value::Object((0..count).map(tag).collect())
    };
    let most = json!({
        "value": "1", "contentType": "t".repeat(255), "tags": tags(15, 256),
    });
    assert_eq!(vault.call("PUT", "/secrets/x", &most).await?.status, 200);
    for body in [
        json!({ "value": "v".repeat(25_601) }),
        json!({ "value": "1", "contentType": "t".repeat(256) }),
        json!({ "value": "1", "tags": tags(16, 2) }),
        json!({ "value": "1", "tags": tags(1, 257) }),
        json!({ "value": "1", "attributes": { "exp": "tomorrow" } }),
        json!({ "value": 1 }),
        json!({}),
        json!("canary-value"),
    ] {
        let reply = vault.call("PUT", "/secrets/x", &body).await?;
        assert_eq!(fault(&reply), (400, "BadParameter", ""), "{body}");
        assert!(!reply.json.to_string().contains("canary"), "a refusal repeats nothing");
    }
    let patch = vault.call("PATCH", "/secrets/x", &json!({ "tags": tags(16, 2) })).await?;
    assert_eq!(patch.status, 400);
    Ok(())
}

#[tokio::test]
async fn lists_come_in_pages_of_25_at_most() -> Outcome {
    let vault = Vault::new().await?;
    let origin = vault.bench.entra.key_vault_origin();
    for number in 0..25 {
        vault.set(&format!("s-{number:02}"), "canary").await?;
    }
    let only = vault.get("/secrets").await?;
    assert_eq!((names(&only).len(), &only.json["nextLink"]), (25, &Value::Null));
    for number in 25..28 {
        vault.set(&format!("s-{number:02}"), "canary").await?;
    }
    let first = vault.get("/secrets").await?;
    assert_eq!(names(&first).len(), 25);
    assert!(!first.json.to_string().contains("canary"), "a list has no values");
    let id = first.json["value"][0]["id"].as_str().unwrap_or_default();
    assert_eq!(id, format!("{origin}/secrets/s-00"), "nor versions");
    let next = first.text("nextLink").strip_prefix(origin).expect("a link into the vault");
    vault.set("s-10x", "came between the pages").await?;
    let second = vault.get(next).await?;
    assert_eq!(
        (names(&second), &second.json["nextLink"]),
        (vec!["s-25", "s-26", "s-27"], &Value::Null)
    );

    let mut link = "/secrets?api-version=7.4&maxresults=10".to_owned();
    let (mut pages, mut all) = (0, Vec::new());
    while !link.is_empty() {
        let page = vault.get(&link).await?;
        all.extend(names(&page).into_iter().map(str::to_owned));
        link = page.text("nextLink").replacen(origin, "", 1);
        pages += 1;
    }
    assert_eq!((pages, all), (3, vault.bench.entra.vault_secret_names()));
    for wrong in ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=!"] {
        let reply = vault.get(&format!("/secrets?api-version=7.4&{wrong}")).await?;
        assert_eq!(fault(&reply), (400, "BadParameter", ""), "{wrong}");
    }
    Ok(())
}

#[tokio::test]
async fn the_versions_of_a_secret_are_listed_without_their_values() -> Outcome {
    let vault = Vault::new().await?;
    let mut ids = Vec::new();
    for value in ["canary-1", "canary-2", "canary-3"] {
        ids.push(vault.set("x", value).await?);
    }
    let page = vault.get("/secrets/x/versions").await?;
    assert!(!page.json.to_string().contains("canary"));
    let mut listed = names(&page);
    listed.sort_unstable();
    ids.sort_unstable();
    assert_eq!(listed, ids);
    let first = vault.get("/secrets/x/versions?api-version=7.4&maxresults=2").await?;
    let next = first.text("nextLink").replacen(vault.bench.entra.key_vault_origin(), "", 1);
    let rest = vault.get(&next).await?;
    assert_eq!([names(&first).len(), names(&rest).len()], [2, 1]);
    let none = vault.get("/secrets/nobody/versions").await?;
    assert_eq!((none.status, names(&none).len()), (200, 0), "no versions, and no error");
    Ok(())
}

#[tokio::test]
async fn calls_are_remembered_without_what_they_carried() -> Outcome {
    //
    let vault = Vault::new().await?;
    vault.set("x", "canary").await?;
    vault.call_as("x", "GET", "/secrets/x", &Value::Null).await?;
    let calls = vault.bench.entra.vault_calls();
    let shown: Vec<_> =
        calls.iter().map(|c| (c.method.as_str(), c.path.as_str(), c.status)).collect();
    assert_eq!(shown, [("PUT", "/secrets/x", 200), ("GET", "/secrets/x", 401)]);
    assert_eq!(calls[0].client, Some(vault.bench.app.client_id()));
    assert_eq!((calls[1].client, calls[0].at), (None, calls[1].at));
    assert!(!format!("{calls:?} {:?}", vault.bench.entra).contains("canary"));
    Ok(())
}
