//! What the ledger says of each token request.

use cpv_consent::emulator::{CredentialKind, Grant, Issued, Version};

use super::bench::{Bench, GRAPH, Outcome, PARTNER_CENTER};

#[tokio::test]
async fn it_says_who_asked_how_and_what_was_issued() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let first = bench.refresh_token().await?;
    let second = bench.exchange(&contoso, &first, &[]).await?.text("refresh_token").to_owned();
    let access_only = format!("{PARTNER_CENTER}/user_impersonation");
    bench.exchange(&contoso, &first, &[("scope", &access_only), ("claims", "{}")]).await?;
    bench.exchange_v1("organizations", &second, &[("resource", GRAPH)]).await?;
    bench.exchange(&contoso, "x", &[("client_secret", "")]).await?;
    let ledger = bench.entra.ledger();
    let [code, refresh, plain, v1, refused] = ledger.as_slice() else {
        panic!("five requests, not {}", ledger.len());
    };
    assert_eq!(
        (code.grant, code.refresh_token, code.version),
        (Some(Grant::Code), None, Version::V2)
    );
    assert_eq!(code.issued.refresh_token, Some(1));
    assert_eq!(
        (code.credential, code.client),
        (CredentialKind::SecretInBody, Some(bench.app.client_id()))
    );
    assert_eq!((refresh.refresh_token, refresh.issued.refresh_token), (Some(1), Some(2)));
    assert!(refresh.issued.access_token && refresh.issued.id_token && !refresh.claims);
    assert_eq!((plain.refresh_token, plain.issued.refresh_token), (Some(1), None), "not rotated");
    assert!(plain.issued.access_token && !plain.issued.id_token && plain.claims);
    assert_eq!((v1.version, v1.refresh_token), (Version::V1, Some(2)));
    assert_eq!((v1.tenant.as_str(), v1.resource.as_deref()), ("organizations", Some(GRAPH)));
    assert_eq!((refused.result, refused.issued), (Err(7_000_218), Issued::default()));
    assert_eq!((refused.credential, refused.refresh_token), (CredentialKind::None, None));
    Ok(())
}

#[tokio::test]
async fn overlap_is_counted_per_refresh_token_whatever_the_path() -> Outcome {
    // F-07
    let bench = Bench::new().await?;
    let (one, other) = (bench.refresh_token().await?, bench.refresh_token().await?);
    let (contoso, fabrikam) = (bench.contoso.to_string(), bench.fabrikam.to_string());
    bench.entra.forget_ledger();
    let hold = bench.entra.hold_tokens();
    let release = async {
        hold.waiting(3).await;
        hold.release();
    };
    let (a, b, c, ()) = tokio::join!(
        bench.exchange(&contoso, &one, &[]),
        bench.exchange(&fabrikam, &one, &[]),
        bench.exchange(&contoso, &other, &[]),
        release,
    );
    let _ = (a?, b?, c?);
    let sum = |count: fn(&cpv_consent::emulator::TokenRequest) -> usize| -> usize {
        bench.entra.ledger().iter().map(count).sum()
    };
    assert_eq!(sum(|request| request.overlap), 1, "the two with one token");
    assert_eq!(sum(|request| request.beside), 1, "the two at one tenant");
    bench.exchange(&contoso, &one, &[]).await?;
    assert_eq!(bench.entra.ledger()[3].overlap, 0, "the others are over");
    Ok(())
}

#[tokio::test]
async fn it_counts_what_fits_a_description() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    bench.exchange("organizations", &token, &[]).await?;
    let rotated = |request: &cpv_consent::emulator::TokenRequest| {
        request.refresh_token.is_some() && request.issued.refresh_token.is_some()
    };
    assert_eq!(bench.entra.count_tokens(rotated), 1);
    bench.entra.forget_ledger();
    assert_eq!(bench.entra.count_tokens(|_| true), 0);
    Ok(())
}
