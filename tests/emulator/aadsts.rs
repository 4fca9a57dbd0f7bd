//! Every number is spelled as the table has it, and any can be spelled anew.

use cpv_consent::emulator::{Aadsts, Answer, Failure, Rule};

use super::bench::{Bench, Outcome};

#[tokio::test]
async fn every_number_goes_out_as_the_table_has_it() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    for row in Aadsts::all() {
        let scripted = bench.entra.fail_tokens(Rule::any(), Failure::aadsts(row.number));
        let reply = bench.exchange(&contoso, &token, &[]).await?;
        let suberror = row.suberror.unwrap_or_default();
        assert_eq!(reply.refusal(), (row.status, row.error, suberror, row.number.into()));
        let text = format!("AADSTS{}: {}", row.number, row.meaning);
        assert!(reply.text("error_description").starts_with(&text), "{text}");
        scripted.clear();
    }
    Ok(())
}

#[tokio::test]
async fn a_pairing_can_be_swapped_in_replies_and_in_callbacks() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    bench.entra.withdraw_grants(bench.contoso, bench.app.client_id());
    let swapped = (403, "interaction_required".to_owned(), Some("additional_action".to_owned()));
    bench.entra.doubts(|doubts| {
        doubts.pairings.insert(65_001, swapped.clone());
        doubts.pairings.insert(65_004, (400, "consent_required".to_owned(), None));
    });
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    let expected = (403, "interaction_required", "additional_action", 65_001);
    assert_eq!(reply.refusal(), expected, "what the emulator found itself");
    let scripted = bench.entra.fail_tokens(Rule::any(), Failure::aadsts(65_001));
    assert_eq!(
        bench.exchange(&contoso, &token, &[]).await?.refusal(),
        expected,
        "what was scripted"
    );
    scripted.clear();
    let spelled = Failure::aadsts(65_001).error("invalid_grant").suberror(None).with_status(400);
    bench.entra.fail_tokens(Rule::any(), spelled);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 65_001), "what a script spelled out");
    let callback = bench.callback(&bench.admin, Answer::Cancel, &[]).await?;
    assert_eq!(
        (callback.refusal(), callback.find("error")),
        (Some(65_004), Some("consent_required"))
    );
    Ok(())
}
