//! Refusals where no client asks: pages, and callbacks to the application.

use cpv_consent::emulator::{Answer, Endpoint, Failure, Rule};
use url::Url;

use super::super::bench::{FieldList, Outcome, stuck_at};
use super::places::{Heard, Places};

fn fields(heard: &Heard) -> Result<FieldList, Box<dyn std::error::Error>> {
    let url = Url::parse(heard.header("location").ok_or("no redirect")?)?;
    Ok(FieldList::decode(url.query().unwrap_or_default().as_bytes()))
}

#[tokio::test]
async fn the_application_is_told_once_it_is_known() -> Outcome {
    let places = Places::new().await?;
    let bench = &places.bench;
    let refusal = Failure::aadsts(65_004).error("odd_error").times(1);
    let scripted = bench.entra.fail(Rule::at(Endpoint::Authorize), refusal);
    let contoso = bench.contoso.to_string();
    let elsewhere = [("redirect_uri", "https://elsewhere.example/")];
    let page = bench.http.get(bench.authorize_url(&contoso, &elsewhere)).send().await?;
    assert!(page.text().await?.contains("AADSTS50011"));
    assert_eq!(scripted.hits(), 0, "it is still in store");
    let told = fields(&places.ask(Endpoint::Authorize).await?)?;
    assert_eq!((told.find("error"), told.refusal()), (Some("odd_error"), Some(65_004)));
    assert_eq!(told.find("state"), Some("the-state"));
    assert_eq!(scripted.hits(), 1);
    let fields = bench.callback(&bench.admin, Answer::Accept, &[]).await?;
    assert!(fields.code().is_ok());
    Ok(())
}

#[tokio::test]
async fn a_refused_admin_consent_comes_back_as_entra_has_it() -> Outcome {
    let places = Places::new().await?;
    let rule = Rule::at(Endpoint::AdminConsent).tenant(places.bench.contoso);
    let scripted = places.bench.entra.fail(rule, Failure::aadsts(90_094));
    let told = fields(&places.ask(Endpoint::AdminConsent).await?)?;
    assert_eq!((told.find("admin_consent"), told.refusal()), (Some("True"), Some(90_094)));
    scripted.clear();
    assert_eq!(places.status(Endpoint::AdminConsent).await, Some(200));
    Ok(())
}

#[tokio::test]
async fn a_person_is_shown_what_is_refused_at_sign_in() -> Outcome {
    let places = Places::new().await?;
    let bench = &places.bench;
    let signing_in = || Rule::at(Endpoint::SignIn).application(bench.app.client_id());
    let other = signing_in().tenant(bench.fabrikam);
    let elsewhere = bench.entra.fail(other, Failure::aadsts(50_058));
    let here = signing_in().tenant(bench.contoso);
    bench.entra.fail(here, Failure::aadsts(50_053).after(1).times(1));
    let stuck = bench.callback(&bench.admin, Answer::Accept, &[]).await;
    assert_eq!(stuck.err().as_ref().and_then(stuck_at), Some(50_053));
    assert!(bench.callback(&bench.admin, Answer::Accept, &[]).await?.code().is_ok());
    assert_eq!(elsewhere.hits(), 0);
    Ok(())
}

#[tokio::test]
async fn elsewhere_entra_refuses_in_json() -> Outcome {
    let places = Places::new().await?;
    places.bench.entra.fail(Rule::at(Endpoint::Keys), Failure::aadsts(90_033));
    let heard = places.ask(Endpoint::Keys).await?;
    assert_eq!((heard.status, &heard.json()["error_codes"][0]), (503, &90_033.into()));
    Ok(())
}
