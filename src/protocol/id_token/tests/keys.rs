use super::*;

#[tokio::test]
async fn an_unknown_key_costs_one_look_in_five_minutes() {
    // R-082, R-083
    let stage = Stage::new().await;
    for number in 0..50 {
        let header = json!({ "alg": "RS256", "kid": format!("k{number}") });
        assert_eq!(stage.headed(&text(&header)).await.unwrap_err(), IdTokenError::UnknownKey);
        assert!(stage.with(|_| ()).await.is_ok());
    }
    assert_eq!(stage.fetches().await, 2);
    stage.clock.advance(Duration::from_secs(300));
    let header = json!({ "alg": "RS256", "kid": "k" });
    assert!(stage.headed(&text(&header)).await.is_err());
    assert_eq!(stage.fetches().await, 3);
}

#[tokio::test]
async fn keys_that_change_between_fetch_and_signature_are_found() {
    // R-082, R-084
    let stage = Stage::new().await;
    stage.publish(json!([jwk("theirs", &THEIRS)])).await;
    let theirs = json!({ "alg": "RS256", "kid": "theirs" });
    let token = sign(&unsigned(&text(&theirs), &text(&stage.claims())), &THEIRS, PKCS1);
    assert!(stage.verify(&token).await.is_ok());
    stage.publish(json!([jwk("mine", &MINE)])).await;
    assert!(stage.with(|_| ()).await.is_ok(), "the first fill started no cool-down");
    assert_eq!(stage.verify(&token).await.expect_err("withdrawn"), IdTokenError::UnknownKey);
}

#[tokio::test]
async fn keys_serve_for_a_day_without_their_server() {
    // R-084, R-085, F-32
    let stage = Stage::new().await;
    assert!(stage.with(|_| ()).await.is_ok());
    stage.answer(ResponseTemplate::new(503)).await;
    stage.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(stage.with(|_| ()).await.is_ok());
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.with(|_| ()).await.expect_err("too old"), IdTokenError::KeysUnreadable);
    stage.publish(json!([jwk("mine", &MINE)])).await;
    assert!(stage.with(|_| ()).await.is_ok(), "and come back with it");
}

#[tokio::test]
async fn a_failed_look_counts_as_one() {
    // R-082
    let stage = Stage::new().await;
    assert!(stage.with(|_| ()).await.is_ok());
    stage.answer(ResponseTemplate::new(500)).await;
    let header = text(&json!({ "alg": "RS256", "kid": "k" }));
    assert_eq!(stage.headed(&header).await.expect_err("down"), IdTokenError::KeysUnreadable);
    assert_eq!(stage.headed(&header).await.expect_err("cooling"), IdTokenError::UnknownKey);
    assert_eq!(stage.fetches().await, 1);
    assert!(stage.with(|_| ()).await.is_ok(), "the good keys are still held");
}

#[tokio::test]
async fn what_is_no_key_set_is_refused_and_not_kept() {
    // R-080, R-081, R-090
    let many: Vec<_> = (0..10_000).map(|n| json!({ "kty": "oct", "kid": n })).collect();
    let good = jwk("mine", &MINE);
    let status = ResponseTemplate::new;
    for reply in [
        status(200),
        status(200).set_body_string("<html>"),
        status(200).set_body_string(format!(r#"{{"keys":[{good}],"keys":[]}}"#)),
        status(200).set_body_json(json!({ "keys": { "0": good } })),
        status(200).set_body_json(json!({ "keys": many })),
        status(200).set_body_bytes(vec![b' '; 2 << 20]),
        status(404).set_body_json(json!({ "keys": [good] })),
        status(302).insert_header("location", "/elsewhere"),
    ] {
        let stage = Stage::without_keys().await;
        stage.answer(reply).await;
        let error = stage.with(|_| ()).await.expect_err("no keys");
        let typed =
            matches!(error, IdTokenError::KeysUnreadable | IdTokenError::KeysUnavailable(_));
        assert!(typed, "{error}");
        stage.publish(json!([good])).await;
        assert!(stage.with(|_| ()).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_set_that_names_a_member_twice_is_refused_wherever_it_does() {
    // R-081
    let (mine, theirs) = (jwk("mine", &MINE), jwk("mine", &THEIRS));
    let with = |member: &str| format!(r#"{{"keys":[{{{member},{}]}}"#, &mine.to_string()[1..]);
    // Whichever of the two is read, there is a good key.
    for set in [
        format!(r#"{{"keys":[{mine}],"keys":[{mine}]}}"#),
        format!(r#"{{"keys":[{mine}],"keys":[{mine},{theirs}]}}"#),
        format!(r#"{{"\u006beys":[{mine}],"keys":[{mine}]}}"#),
        format!(r#"{{"x":1,"keys":[{mine}],"x":1}}"#),
        with(r#""kid":"mine""#),
        with(r#""k\u0069d":"mine""#),
        with(r#""x5c":[]"#),
        with(r#""x":{"y":1,"y":1}"#),
    ] {
        let stage = Stage::without_keys().await;
        stage.answer(ResponseTemplate::new(200).set_body_string(set.clone())).await;
        let error = stage.with(|_| ()).await.expect_err(&set);
        assert_eq!(error, IdTokenError::KeysUnreadable, "{set}");
        stage.answer(ResponseTemplate::new(200).set_body_string(with(r#""x":1"#))).await;
        assert!(stage.with(|_| ()).await.is_ok(), "named once, it is no fault");
    }
}

#[tokio::test]
async fn unfit_keys_are_skipped() {
    // R-058, R-086, R-087, R-089
    let good = jwk("mine", &MINE);
    let changed = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let login_of = |stage: &Stage, tenant| json!(format!("{}/{tenant}/v2.0", stage.cloud.login()));
    let stage = Stage::without_keys().await;
    for unfit in [
        changed("kty", json!("EC")),
        changed("kty", json!("oct")),
        changed("use", json!("enc")),
        changed("alg", json!("RS512")),
        changed("alg", json!(["RS256"])),
        changed("e", json!("AQ")),
        changed("e", json!("Ag")),
        changed("e", json!("")),
        changed("n", json!("AQAB")),
        changed("n", json!(URL_SAFE_NO_PAD.encode([0xff; 255]))),
        changed("n", json!("a+b/")),
        changed("n", json!(null)),
        changed("issuer", login_of(&stage, OTHER)),
        changed("issuer", json!("https://login.example/{tenantid}/v2.0")),
        changed("issuer", json!("")),
        json!("text"),
        json!(null),
    ] {
        let stage = Stage::without_keys().await;
        stage.publish(json!([unfit, jwk("theirs", &THEIRS)])).await;
        let error = stage.with(|_| ()).await.expect_err("unfit");
        assert_eq!(error, IdTokenError::UnknownKey, "{unfit}");
        stage.publish(json!([unfit, good])).await;
        stage.clock.advance(Duration::from_secs(300));
        assert!(stage.with(|_| ()).await.is_ok(), "{unfit}");
    }
    for tenant in ["{tenantid}", TENANT] {
        let stage = Stage::without_keys().await;
        stage.publish(json!([changed("issuer", login_of(&stage, tenant))])).await;
        assert!(stage.with(|_| ()).await.is_ok(), "{tenant}");
    }
}

#[tokio::test]
async fn a_token_that_names_no_key_is_verified_only_by_the_only_one() {
    // R-088
    let nameless = text(&json!({ "alg": "RS256" }));
    let stage = Stage::new().await;
    assert_eq!(stage.headed(&nameless).await.expect_err("two keys"), IdTokenError::UnknownKey);
    let stage = Stage::without_keys().await;
    stage.publish(json!([jwk("mine", &MINE)])).await;
    assert!(stage.headed(&nameless).await.is_ok());
    stage.publish(json!([jwk("mine", &THEIRS), jwk("mine", &MINE)])).await;
    stage.clock.advance(Duration::from_secs(24 * 3600));
    assert!(stage.with(|_| ()).await.is_ok(), "of two keys with one name, the right one counts");
}

#[tokio::test]
async fn a_keys_name_may_be_long_and_not_longer() {
    // R-091
    let stage = Stage::without_keys().await;
    let [longest, longer] = [256, 257].map(|length| "k".repeat(length));
    stage.publish(json!([jwk(&longest, &MINE), jwk(&longer, &MINE)])).await;
    let named = |name: &str| text(&json!({ "alg": "RS256", "kid": name }));
    assert!(stage.headed(&named(&longest)).await.is_ok());
    assert_eq!(stage.headed(&named(&longer)).await.expect_err("long"), IdTokenError::UnknownKey);
}

#[tokio::test]
async fn one_tenants_keys_never_serve_another() {
    // R-092
    let stage = Stage::new().await;
    assert!(stage.with(|_| ()).await.is_ok());
    let other = Authority::of(&stage.cloud, TenantId::parse(OTHER).expect("a GUID"));
    let mut claims = stage.claims();
    (claims["tid"], claims["iss"]) =
        (json!(OTHER), json!(other.issuer(TenantId::parse(OTHER).expect("a GUID"))));
    let token = sign(&unsigned(&text(&header()), &text(&claims)), &MINE, PKCS1);
    let token = IdTokenText::new(token).expect("short");
    let access = AccessToken::new(ACCESS).expect("plain");
    let verified = stage.verifier.verify(&token, &other, NONCE, &access).await;
    assert_eq!(verified.expect_err("no keys there"), IdTokenError::KeysUnreadable);
}
