//! The admin consent endpoints.

use cpv_consent::emulator::{Answer, Browser, User};
use http::Method;
use url::Url;

use super::bench::{Bench, FieldList, GRAPH, NOBODY, Outcome, PARTNER_CENTER, REDIRECT, changed};
use super::sitting::Sitting;

const ALL: &str = "https://graph.microsoft.com/.default";

#[tokio::test]
async fn an_approval_is_for_everyone_and_yields_no_code() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = clerk(&bench);
    for tenant in [bench.contoso.to_string().as_str(), "organizations"] {
        bench.entra.withdraw_grants(bench.contoso, bench.app.client_id());
        let refused = bench.callback(&clerk, Answer::Accept, &[]).await?;
        assert_eq!(refused.refusal(), Some(90_094));
        let url = url(&bench, tenant, &[]);
        let request = Browser::new().consent(&url, &bench.admin).await?;
        assert_eq!(request.method(), Method::GET, "always by query");
        let told = FieldList::of_query(&request);
        assert_eq!((told.find("admin_consent"), told.find("error")), (Some("True"), None));
        assert_eq!(told.find("tenant"), Some(bench.contoso.to_string().as_str()));
        assert_eq!(told.find("state"), Some("the-state"));
        assert_eq!(told.find("code"), None);
        let scope = format!("{PARTNER_CENTER}/user_impersonation {GRAPH}/Directory.Read.All");
        assert_eq!(told.find("scope"), Some(scope.as_str()));
        bench.callback(&clerk, Answer::Accept, &[]).await?.code()?;
    }
    Ok(())
}

#[tokio::test]
async fn the_page_names_every_permission_and_comes_even_if_all_is_granted() -> Outcome {
    let bench = Bench::new().await?;
    for scope in [ALL, "User.Read.All"] {
        let url = url(&bench, "organizations", &[("scope", scope)]);
        let mut sitting = Sitting::open(&url).await?;
        sitting.sign_in(&bench.admin).await?;
        assert_eq!(sitting.page.heading(), "Permissions requested");
        let named = |permission: &str| sitting.page.text.contains(permission);
        let all = (named("Directory.Read.All"), named("user_impersonation"));
        assert_eq!(all, (scope == ALL, scope == ALL));
        assert_eq!(named("User.Read.All"), scope != ALL);
        sitting.answer(&[("answer", "next")]).await?;
        sitting.go_to(&url).await?;
        assert_eq!(sitting.page.heading(), "Permissions requested");
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_says_admin_consent_too() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = clerk(&bench);
    let admin = &bench.admin;
    for (user, answer, scope, error, number) in [
        (admin, Answer::Cancel, ALL, "consent_required", 65_004),
        (admin, Answer::CancelSignIn, ALL, "consent_required", 65_004),
        (&clerk, Answer::Accept, ALL, "access_denied", 90_094),
        (&clerk, Answer::Accept, "User.Read", "access_denied", 90_094),
        (admin, Answer::Accept, "", "invalid_request", 900_144),
        (admin, Answer::Accept, "No.Such", "invalid_client", 650_053),
        (admin, Answer::Accept, "https://api.example/.default", "invalid_resource", 500_011),
    ] {
        let url = url(&bench, "organizations", &[("scope", scope)]);
        let told = FieldList::of_query(&Browser::new().walk(&url, user, answer).await?);
        assert_eq!((told.find("error"), told.refusal()), (Some(error), Some(number)), "{scope}");
        assert_eq!(told.find("admin_consent"), Some("True"));
        assert_eq!((told.find("state"), told.find("error_subcode")), (Some("the-state"), None));
        assert_eq!((told.find("tenant"), told.find("code")), (None, None));
    }
    let refused = bench.callback(&clerk, Answer::Accept, &[]).await?;
    assert_eq!(refused.refusal(), Some(90_094), "none of it granted anything");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_directory_client_or_address_is_shown() -> Outcome {
    let bench = Bench::new().await?;
    for (tenant, change, number) in [
        ("common", ("x", "y"), 90_130),
        ("consumers", ("x", "y"), 90_130),
        (NOBODY, ("x", "y"), 90_002),
        ("organizations", ("client_id", NOBODY), 700_016),
        ("organizations", ("redirect_uri", "https://evil.example/"), 50_011),
        ("organizations", ("redirect_uri", ""), 900_144),
    ] {
        let sitting = Sitting::open(&url(&bench, tenant, &[change])).await?;
        assert_eq!(sitting.page.refusal(), (400, Some(number)), "{tenant} {change:?}");
    }
    Ok(())
}

#[tokio::test]
async fn v1_means_everything_that_is_registered() -> Outcome {
    let bench = Bench::new().await?;
    let mut url = url(&bench, "organizations", &[("scope", "")]);
    url.set_path("/organizations/adminconsent");
    let told = FieldList::of_query(&Browser::new().consent(&url, &bench.admin).await?);
    assert_eq!((told.find("admin_consent"), told.find("error")), (Some("True"), None));
    bench.callback(&clerk(&bench), Answer::Accept, &[]).await?.code()?;
    Ok(())
}

fn url(bench: &Bench, tenant: &str, changes: &[(&str, &str)]) -> Url {
    let client_id = bench.app.client_id().to_string();
    let right = [
        ("client_id", client_id.as_str()),
        ("redirect_uri", REDIRECT),
        ("scope", ALL),
        ("state", "the-state"),
    ];
    let origin = bench.entra.login_origin();
    let mut url = Url::parse(&format!("{origin}/{tenant}/v2.0/adminconsent")).expect("a URL");
    url.query_pairs_mut().extend_pairs(changed(&right, changes));
    url
}

fn clerk(bench: &Bench) -> User {
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.change_user(&clerk, |account| account.administrator = false);
    clerk
}
