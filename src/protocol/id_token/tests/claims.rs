use crate::model::consent::Guest;

use super::*;

#[tokio::test]
async fn claims_of_a_wrong_value_or_type_are_refused() {
    //
    //
    let stage = Stage::new().await;
    let (now, login) = (stage.now(), stage.cloud.login().to_owned());
    let issuer = format!("{login}/{TENANT}/v2.0");
    let upper_issuer = issuer.to_uppercase();
    let slashed = format!("{issuer}/");
    let suffixed = format!("{issuer}.evil.example");
    let with_user = issuer.replace("http://", "http://u@");
    let template = format!("{login}/{{tenantid}}/v2.0");
    let v1 = format!("https://sts.windows.net/{TENANT}/");
    let wrong = IdTokenError::Wrong;
    for (name, value, expected) in [
        ("iss", json!(upper_issuer), IdTokenError::Issuer),
        ("iss", json!(slashed), IdTokenError::Issuer),
        ("iss", json!(suffixed), IdTokenError::Issuer),
        ("iss", json!(with_user), IdTokenError::Issuer),
        ("iss", json!(template), IdTokenError::Issuer),
        ("iss", json!(v1), IdTokenError::Issuer),
        ("iss", json!(""), IdTokenError::Issuer),
        ("iss", json!([issuer]), wrong("iss")),
        ("tid", json!(OTHER), IdTokenError::Issuer),
        ("tid", json!([TENANT]), wrong("tid")),
        ("tid", json!("{tenantid}"), wrong("tid")),
        ("tid", json!("9188040d-6c67-4c5b-b112-36a304b66dad"), IdTokenError::PersonalAccount),
        ("ver", json!("1.0"), wrong("ver")),
        ("ver", json!(2.0), wrong("ver")),
        ("aud", json!(OTHER), IdTokenError::Audience),
        ("aud", json!(""), IdTokenError::Audience),
        ("aud", json!(format!("{CLIENT}0")), IdTokenError::Audience),
        ("aud", json!([]), IdTokenError::Audience),
        ("aud", json!([CLIENT, OTHER]), IdTokenError::Audience),
        ("aud", json!([[CLIENT]]), IdTokenError::Audience),
        ("aud", json!({ "0": CLIENT }), wrong("aud")),
        ("azp", json!(OTHER), IdTokenError::Audience),
        ("azp", json!([CLIENT]), wrong("azp")),
        ("exp", json!(now - 120), IdTokenError::Expired { ended: now - 120, now }),
        ("exp", json!(format!("{}", now + 60)), wrong("exp")),
        ("exp", json!(-1), wrong("exp")),
        ("exp", json!(null), wrong("exp")),
        ("exp", json!(1e300), wrong("exp")),
        ("nbf", json!(now + 121), IdTokenError::NotYetValid { begins: now + 121, now }),
        ("nbf", json!(u64::MAX), IdTokenError::NotYetValid { begins: u64::MAX, now }),
        ("nbf", json!(format!("{now}")), wrong("nbf")),
        ("iat", json!(now + 121), IdTokenError::NotYetValid { begins: now + 121, now }),
        ("iat", json!(now - 3721), IdTokenError::Stale),
        ("iat", json!(0), IdTokenError::Stale),
        ("iat", json!([now]), wrong("iat")),
        ("nonce", json!("n-0S6_WzA2Mk"), IdTokenError::Nonce),
        ("nonce", json!(""), IdTokenError::Nonce),
        ("nonce", json!([NONCE]), wrong("nonce")),
        ("sub", json!(""), wrong("sub")),
        ("sub", json!(7), wrong("sub")),
        ("sub", json!("x".repeat(256)), wrong("sub")),
        ("oid", json!("ann@contoso.example"), wrong("oid")),
        ("oid", json!([USER]), wrong("oid")),
        ("at_hash", json!(at_hash("another")), wrong("at_hash")),
        ("at_hash", json!(1), wrong("at_hash")),
        ("auth_time", json!("1"), wrong("auth_time")),
        ("amr", json!("mfa"), wrong("amr")),
        ("amr", json!([["mfa"]]), wrong("amr")),
        ("wids", json!({}), wrong("wids")),
        ("name", json!(["Ann"]), wrong("name")),
    ] {
        let error = stage.with(|claims| claims[name] = value.clone()).await.expect_err(name);
        assert_eq!(error, expected, "{name} {value}");
    }
    for name in ["iss", "tid", "ver", "aud", "exp", "iat", "nonce", "sub", "oid"] {
        let error = stage.with(|claims| removed(claims, name)).await.expect_err(name);
        assert_eq!(error, IdTokenError::Missing(name));
    }
    for name in ["nbf", "at_hash", "name"] {
        assert!(stage.with(|claims| removed(claims, name)).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn one_allowance_serves_all_three_times() {
    // R-068, F-16
    let stage = Stage::new().await;
    let now = stage.now();
    for (name, value) in [
        ("exp", now - 119),
        ("nbf", now + 120),
        ("iat", now + 120),
        ("iat", now - 3720),
        ("iat", now - 300),
    ] {
        assert!(stage.with(|claims| claims[name] = json!(value)).await.is_ok(), "{name} {value}");
    }
}

#[tokio::test]
async fn the_longest_subject_is_one() {
    //
    let longest = "x".repeat(255);
    let claims = Stage::new().await.with(|claims| claims["sub"] = json!(longest)).await;
    assert_eq!(claims.expect("good").subject, longest);
}

#[tokio::test]
async fn another_tenant_is_named_even_if_all_its_claims_agree() {
    //
    let stage = Stage::new().await;
    let issuer = format!("{}/{OTHER}/v2.0", stage.cloud.login());
    let error = stage
        .with(|claims| {
            claims["tid"] = json!(OTHER);
            claims["iss"] = json!(issuer);
        })
        .await
        .expect_err("refused");
    let parsed = |text| TenantId::parse(text).expect("a GUID");
    let expected = IdTokenError::Tenant { expected: parsed(TENANT), found: parsed(OTHER) };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_tenant_in_other_letters_is_refused() {
    //
    let (stage, tenant) = (Stage::new().await, "abcdefab-3333-4333-8333-333333333333");
    let issuer = format!("{}/{tenant}/v2.0", stage.cloud.login());
    let error = stage
        .with(|claims| {
            claims["tid"] = json!(tenant.to_uppercase());
            claims["iss"] = json!(issuer);
        })
        .await
        .expect_err("refused");
    assert_eq!(error, IdTokenError::Wrong("tid"));
}

#[tokio::test]
async fn guests_are_told_apart() {
    let stage = Stage::new().await;
    let theirs = format!("https://sts.windows.net/{OTHER}/");
    let ours = format!("https://sts.windows.net/{TENANT}/");
    for (acct, idp, expected) in [
        (json!(0), None, Guest::No),
        (json!(0), Some(json!(ours)), Guest::No),
        (json!(1), None, Guest::Yes),
        (json!(1), Some(json!(ours)), Guest::Yes),
        (json!(0), Some(json!(theirs)), Guest::Yes),
        (json!(2), None, Guest::Unknown),
        (json!("1"), None, Guest::Unknown),
        (json!("1"), Some(json!(theirs)), Guest::Yes),
        (json!(0), Some(json!("live.com")), Guest::Unknown),
        (json!(0), Some(json!([theirs])), Guest::Unknown),
    ] {
        let claims = stage.with(|claims| {
            claims["acct"] = acct.clone();
            idp.iter().for_each(|idp| claims["idp"] = idp.clone());
        });
        assert_eq!(claims.await.expect("good").guest, expected, "{acct} {idp:?}");
    }
}

#[tokio::test]
async fn a_name_can_neither_steer_a_terminal_nor_fill_a_page() {
    //
    let stage = Stage::new().await;
    let name = format!("\u{1b}[31m\u{202e}Ann\r\n{}", "x".repeat(500));
    let claims = stage.with(|claims| claims["name"] = json!(name)).await.expect("good");
    let shown = claims.name.expect("a name");
    assert!(shown.starts_with("[31mAnnxxx"), "{shown}");
    assert_eq!(shown.chars().count(), 128);
}
