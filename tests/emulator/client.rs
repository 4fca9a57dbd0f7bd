//! How a client proves itself.

use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cpv_consent::ClientCredential;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use url::form_urlencoded;

use super::bench::{Bench, FORM, NOBODY, Outcome, SECRET};
use super::certificate::{Signer, assertion};

#[tokio::test]
async fn basic_credentials_are_taken_and_never_beside_a_body_secret() -> Outcome {
    //
    let bench = Bench::new().await?;
    let secret: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let pair = STANDARD.encode(format!("{}:{secret}", bench.app.client_id()));
    let token = bench.refresh_token().await?;
    for (extra, status) in [("", 200), ("&client_secret=x", 400)] {
        let body = format!("grant_type=refresh_token&refresh_token={token}{extra}");
        let url = bench.token_url(&bench.contoso.to_string());
        let request = bench.http.post(url).header(CONTENT_TYPE, FORM).body(body);
        let reply = request.header(AUTHORIZATION, format!("Basic {pair}")).send().await?;
        assert_eq!(reply.status(), status, "{extra}");
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
        (by(&own, &with("aud", bench.token_url("organizations").into())), 50_013),
        (by(&own, &with("sub", NOBODY.into())), 50_048),
        (by(&own, &with("exp", now.into())), 700_024),
        (by(&own, &with("nbf", (now + 301).into())), 700_024),
        (by(&own, &with("jti", Value::Null)), 50_027),
        (by(&own, &assertion(NOBODY, &audience, now)), 700_021),
        ("no.jwt".to_owned(), 50_027),
    ];
    for (row, (assertion, number)) in sheet.iter().enumerate() {
        let proof = [
            ("client_secret", ""),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        let reply = bench.redeem(&bench.code().await?, &proof).await?;
        let status = if *number == 0 { 200 } else { 401 };
        assert_eq!((reply.number(), reply.status), (*number, status), "row {row}");
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
