//! Load mode: nothing is signed twice, and all else is as strict as ever.

use std::time::Duration;

use super::bench::{Bench, Outcome, PARTNER_CENTER};

#[tokio::test]
async fn id_tokens_are_signed_once_and_access_tokens_are_opaque() -> Outcome {
    let bench = Bench::loaded().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let one = bench.exchange(&contoso, &token, &[]).await?;
    let two = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(one.text("id_token"), two.text("id_token"));
    assert_eq!(one.claims("id_token")["oid"], bench.admin.id.to_string());
    assert!(one.text("access_token").starts_with("2."), "nobody can read it");
    assert_ne!(one.text("access_token"), two.text("access_token"));
    assert_ne!(one.text("refresh_token"), two.text("refresh_token"));
    let read = bench.read(&bench.customers_url(), two.text("access_token")).await?;
    assert_eq!(read.status, 200, "its API can");
    Ok(())
}

#[tokio::test]
async fn an_id_token_is_signed_anew_before_it_ends() -> Outcome {
    let bench = Bench::loaded().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let old = bench.exchange(&contoso, &token, &[]).await?;
    bench.clock.advance(Duration::from_secs(1799));
    let same = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(old.text("id_token"), same.text("id_token"));
    bench.clock.advance(Duration::from_secs(1));
    let new = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(new.claims("id_token")["iat"], bench.now());
    Ok(())
}

#[tokio::test]
async fn it_is_as_strict_as_ever() -> Outcome {
    let bench = Bench::loaded().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    for (change, number) in [
        (("client_secret", "wrong"), 7_000_215),
        (("refresh_token", "x"), 70_000),
        (("resource", PARTNER_CENTER), 901_002),
        (("scope", "https://graph.microsoft.com/User.Read"), 65_001),
    ] {
        assert_eq!(bench.exchange(&contoso, &token, &[change]).await?.number(), number);
    }
    bench.entra.revoke_sessions(&bench.admin);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 50_173);
    Ok(())
}
