//! What happens to a person and to an application after the consent.

use cpv_consent::emulator::{Aadsts, Account};

use super::bench::{Bench, GRAPH, Outcome};

#[tokio::test]
async fn each_state_of_an_account_has_its_number() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let states: [(fn(&mut Account, bool), _); 3] = [
        (|account, on| account.disabled = on, (400, "invalid_grant", "", 50_057)),
        (|account, on| account.locked = on, (400, "invalid_grant", "", 50_053)),
        (
            |account, on| account.must_change_password = on,
            (400, "invalid_grant", "user_password_expired", 50_055),
        ),
    ];
    for (set, refusal) in states {
        bench.entra.change_user(&bench.admin, |account| set(account, true));
        assert_eq!(bench.exchange(&contoso, &token, &[]).await?.refusal(), refusal);
        bench.entra.change_user(&bench.admin, |account| set(account, false));
        assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    }
    bench.entra.remove_user(&bench.admin);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "bad_token", 50_034));
    Ok(())
}

#[tokio::test]
async fn what_stops_a_sign_in_need_not_stop_a_redemption() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    bench.entra.doubts(|doubts| doubts.sign_in_blocks_redemption = false);
    bench.entra.change_user(&bench.admin, |account| {
        account.locked = true;
        account.must_change_password = true;
    });
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn passwords_and_sessions_end_tokens_or_not() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let mut admin = bench.admin.clone();
    for (revokes, number) in [(false, 0), (true, 50_173)] {
        let token = bench.refresh_token_of(&admin).await?;
        bench.entra.doubts(|doubts| doubts.password_reset_revokes = revokes);
        admin = bench.entra.reset_password(&admin);
        assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), number, "reset");
        let token = bench.refresh_token_of(&admin).await?;
        admin = bench.entra.change_password(&admin, revokes);
        assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), number, "change");
    }
    let token = bench.refresh_token_of(&admin).await?;
    bench.entra.revoke_sessions(&admin);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "bad_token", 50_173));
    Ok(())
}

#[tokio::test]
async fn a_code_dies_with_the_account() -> Outcome {
    let bench = Bench::new().await?;
    let code = bench.code().await?;
    bench.entra.revoke_sessions(&bench.admin);
    assert_eq!(bench.redeem(&code, &[]).await?.number(), 50_173);
    Ok(())
}

#[tokio::test]
async fn an_application_can_be_disabled_withdrawn_or_absent() -> Outcome {
    let bench = Bench::new().await?;
    let (client, contoso) = (bench.app.client_id(), bench.contoso.to_string());
    let token = bench.refresh_token().await?;
    bench.entra.disable_application(client, true);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "unauthorized_client", "", 7_000_112));
    bench.entra.disable_application(client, false);
    bench.entra.withdraw_grants(bench.contoso, client);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "consent_required", 65_001));
    bench.entra.remove_principal(bench.contoso, client);
    for number in [65_001, 700_016, 90_099, 650_052] {
        bench.entra.doubts(|doubts| doubts.absent_application = number);
        let reply = bench.exchange(&contoso, &token, &[]).await?;
        let row = Aadsts::all().find(|row| row.number == number).expect("a row");
        let suberror = row.suberror.unwrap_or_default();
        assert_eq!(reply.refusal(), (row.status, row.error, suberror, number.into()));
    }
    Ok(())
}

#[tokio::test]
async fn a_resource_without_a_principal_is_not_found() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let graph = cpv_consent::ClientId::parse("00000003-0000-0000-c000-000000000000")?;
    bench.entra.remove_principal(bench.contoso, graph);
    let scope = format!("{GRAPH}/.default");
    let reply = bench.exchange(&contoso, &token, &[("scope", &scope)]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_resource", "", 500_011));
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    Ok(())
}
