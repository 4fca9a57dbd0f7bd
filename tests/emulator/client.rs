//! How a client proves itself.

use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cpv_consent::ClientCredential;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use url::form_urlencoded;

use super::bench::{Bench, FORM, NOBODY, Outcome, Reply, SECRET};
use super::certificate::{Signer, assertion};

#[tokio::test]
async fn basic_credentials_are_taken_and_never_beside_a_body_secret() -> Outcome {
    //
    let bench = Bench::new().await?;
    let secret: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let pair = STANDARD.encode(format!("{}:{secret}", bench.app.client_id()));
    let token = bench.refresh_token().await?;
    let other = format!("&client_id={NOBODY}");
    let same = format!("&client_id={}", bench.app.client_id());
    let twice = format!("{same}&client_secret=x");
    for (scheme, extra, status) in [
        ("Basic", "", 200),
        ("basic", "", 200),
        ("BASIC ", &same, 200),
        ("Basic", &twice, 400),
        ("Basic", &other, 400),
    ] {
        let body = format!("grant_type=refresh_token&refresh_token={token}{extra}");
        let url = bench.token_url(&bench.contoso.to_string());
        let request = bench.http.post(url).header(CONTENT_TYPE, FORM).body(body);
        let reply = request.header(AUTHORIZATION, format!("{scheme} {pair}")).send().await?;
        let reply = Reply::read(reply).await?;
        let refusal = (400, "invalid_request", "", 9_002_313);
        let expected = if status == 200 { (200, "", "", 0) } else { refusal };
        assert_eq!(reply.refusal(), expected, "{scheme} {extra}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_assertion_is_taken_in_both_forms_and_a_wrong_one_is_not() -> Outcome {
    //
    let (own, other) = (Signer::new(), Signer::new());
    let bench = Bench::with(ClientCredential::certificate(&own.pem)?).await?;
    let client = bench.app.client_id().to_string();
    let (audience, now) = (bench.token_url(&bench.contoso.to_string()), bench.now());
    let right = assertion(&client, &audience, now);
    let with = |member: &str, value: Value| {
        let mut claims = right.clone();
        claims[member] = value;
        claims
    };
    let by = |signer: &Signer, claims: &Value| {
        signer.sign("PS256", &RSA_PSS_SHA256, "x5t#S256", &own, claims)
    };
    let sheet = [
        (by(&own, &right), 0),
        (own.sign("RS256", &RSA_PKCS1_SHA256, "x5t", &own, &right), 0),
        (other.sign("PS256", &RSA_PSS_SHA256, "x5t#S256", &other, &right), 700_027),
        (by(&other, &right), 700_027),
        (own.sign("RS256", &RSA_PSS_SHA256, "x5t#S256", &own, &right), 700_027),
        (own.sign("PS256", &RSA_PSS_SHA256, "x5t", &own, &right), 700_027),
        (own.sign("none", &RSA_PSS_SHA256, "x5t#S256", &own, &right), 50_027),
        (by(&own, &with("nbf", (now as f64 + 0.5).into())), 0),
        (by(&own, &with("exp", (now as f64 + 299.5).into())), 0),
        (by(&own, &with("aud", bench.token_url("organizations").into())), 50_013),
        (by(&own, &with("aud", audience.replace("/v2.0", "").into())), 50_013),
        (by(&own, &with("iss", "https://issuer.example".into())), 70_021),
        (by(&own, &with("sub", NOBODY.into())), 50_048),
        (by(&own, &with("exp", now.into())), 700_024),
        (by(&own, &with("nbf", (now + 301).into())), 700_024),
        (by(&own, &with("jti", Value::Null)), 50_027),
        (by(&own, &assertion(NOBODY, &audience, now)), 700_021),
        ("no.jwt".to_owned(), 50_027),
    ];
    for (row, (assertion, number)) in sheet.iter().enumerate() {
        let reply = bench.redeem(&bench.code().await?, &proof(assertion)).await?;
        let status = if *number == 0 { 200 } else { 401 };
        assert_eq!((reply.number(), reply.status), (*number, status), "row {row}");
    }
    Ok(())
}

fn proof(assertion: &str) -> [(&str, &str); 3] {
    [
        ("client_secret", ""),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]
}

#[tokio::test]
async fn thumbprints_are_taken_with_padding_as_some_clients_send_them() -> Outcome {
    let own = Signer::new();
    let bench = Bench::with(ClientCredential::certificate(&own.pem)?).await?;
    let audience = bench.token_url(&bench.contoso.to_string());
    let claims = assertion(&bench.app.client_id().to_string(), &audience, bench.now());
    for thumbprint in ["x5t#S256", "x5t"] {
        let padded = own.sign_padded(thumbprint, &claims);
        let reply = bench.redeem(&bench.code().await?, &proof(&padded)).await?;
        assert_eq!(reply.status, 200, "{thumbprint}");
    }
    Ok(())
}

#[tokio::test]
async fn an_assertion_counts_once_where_that_is_asked_for() -> Outcome {
    let own = Signer::new();
    let bench = Bench::with(ClientCredential::certificate(&own.pem)?).await?;
    let client = bench.app.client_id();
    let audience = bench.token_url(&bench.contoso.to_string());
    let claims = assertion(&client.to_string(), &audience, bench.now());
    let first = own.sign("PS256", &RSA_PSS_SHA256, "x5t#S256", &own, &claims);
    for once in [false, true] {
        bench.entra.one_time_assertions(client, once);
        let [one, two] = [bench.code().await?, bench.code().await?];
        assert_eq!(bench.redeem(&one, &proof(&first)).await?.status, 200);
        let reply = bench.redeem(&two, &proof(&first)).await?;
        assert_eq!(reply.status, if once { 401 } else { 200 });
        assert_eq!(reply.number(), if once { 50_013 } else { 0 });
    }
    let mut other = claims;
    other["jti"] = "another".into();
    let other = own.sign("PS256", &RSA_PSS_SHA256, "x5t#S256", &own, &other);
    assert_eq!(bench.redeem(&bench.code().await?, &proof(&other)).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_certificate_ends() -> Outcome {
    //
    let own = Signer::ending(2040);
    let bench = Bench::with(ClientCredential::certificate(&own.pem)?).await?;
    let audience = bench.token_url(&bench.contoso.to_string());
    let sign = |now| {
        let claims = assertion(&bench.app.client_id().to_string(), &audience, now);
        own.sign("PS256", &RSA_PSS_SHA256, "x5t#S256", &own, &claims)
    };
    let early = sign(bench.now());
    assert_eq!(bench.redeem(&bench.code().await?, &proof(&early)).await?.status, 200);
    bench.clock.advance(Duration::from_secs(20 * 366 * 24 * 3600));
    let late = sign(bench.now());
    let reply = bench.redeem(&bench.code().await?, &proof(&late)).await?;
    assert_eq!(reply.refusal(), (401, "invalid_client", "", 1_000_502));
    Ok(())
}

#[tokio::test]
async fn a_secret_ends_and_another_takes_over() -> Outcome {
    //
    let bench = Bench::new().await?;
    let (client, contoso) = (bench.app.client_id(), bench.contoso.to_string());
    let token = bench.refresh_token().await?;
    bench.entra.expire_secrets(client);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (401, "invalid_client", "", 7_000_222));
    let next = bench.entra.add_secret(client).expect("it is known");
    let reply = bench.exchange(&contoso, &token, &[("client_secret", next.expose())]).await?;
    assert_eq!(reply.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_client_shows_one_credential_of_a_known_kind() -> Outcome {
    //
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for (changes, refusal) in [
        (
            vec![("client_assertion", "x"), ("client_assertion_type", kind)],
            (400, "invalid_request", "", 9_002_313),
        ),
        (
            vec![("client_secret", ""), ("client_assertion", "x")],
            (400, "invalid_request", "", 900_144),
        ),
        (
            vec![("client_secret", ""), ("client_assertion", "x"), ("client_assertion_type", "y")],
            (401, "invalid_client", "", 50_027),
        ),
        (vec![("client_secret", "")], (401, "invalid_client", "", 7_000_218)),
        (vec![("client_id", "")], (400, "invalid_request", "", 900_144)),
        (vec![("client_id", NOBODY)], (400, "unauthorized_client", "", 700_016)),
    ] {
        let reply = bench.exchange(&contoso, &token, &changes).await?;
        assert_eq!(reply.refusal(), refusal, "{changes:?}");
    }
    let url = bench.token_url(&contoso);
    for header in ["Basic !", "Bearer x", "Basic eA==", "Basic", "Basics eDp4"] {
        let request = bench.http.post(&url).header(AUTHORIZATION, header);
        let request = request.header(CONTENT_TYPE, FORM).body("grant_type=refresh_token");
        let reply = Reply::read(request.send().await?).await?;
        assert_eq!(reply.refusal(), (400, "invalid_request", "", 9_002_313), "{header}");
    }
    Ok(())
}

#[tokio::test]
async fn both_credentials_work_during_a_change_over() -> Outcome {
    //
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let next = bench.registration(&bench.app.client_id().to_string(), "the-next-one")?;
    let contoso = bench.contoso.to_string();
    let new = [("client_secret", "the-next-one")];
    assert_eq!(bench.exchange(&contoso, &token, &new).await?.number(), 7_000_215);
    bench.entra.register_beside(&next);
    assert_eq!(bench.exchange(&contoso, &token, &new).await?.status, 200);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    bench.entra.register(&next);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 7_000_215);
    Ok(())
}
