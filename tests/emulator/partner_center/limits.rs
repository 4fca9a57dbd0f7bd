//! How often a caller may ask, and what becomes of a request that is made again.

use std::time::Duration;

use cpv_consent::emulator::{Endpoint, Failure, Rule};
use http::Method;
use http::header::RETRY_AFTER;

use super::super::bench::{Outcome, Reply};
use super::desk::{ARM_APP, Desk, GRAPH_APP, REQUEST_ID, consents, fault};

fn assert_throttled(reply: &Reply) {
    assert_eq!(reply.status, 429);
    assert_eq!(reply.json["statusCode"], 429);
    assert!(!reply.text("message").is_empty());
    assert_eq!(reply.headers[RETRY_AFTER], "1");
}

#[tokio::test]
async fn an_application_has_fifty_requests_a_second_for_consents() -> Outcome {
    let desk = Desk::new().await?;
    for _ in 0..50 {
        assert_eq!(desk.remove().await?.status, 404);
    }
    assert_throttled(&desk.remove().await?);
    assert_eq!(desk.read("/v1/customers").await?.status, 200, "the limit is for consents only");
    desk.bench.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.remove().await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn the_limit_is_the_applications_over_all_partners() -> Outcome {
    let desk = Desk::new().await?;
    desk.bench.entra.partner_center_rate(Some(1));
    assert_eq!(desk.remove().await?.status, 404);
    let litware = desk.bench.entra.add_tenant("Litware");
    let clerk = desk.bench.entra.add_user(litware, "admin@litware.example");
    let customer = desk.bench.entra.add_customer(litware, "Wingtip");
    let token = desk.token_of(litware, &clerk).await?;
    let path = format!("{}/{}", consents(customer), desk.bench.app.client_id());
    let bearer = format!("Bearer {token}");
    let by_litware = [("authorization", bearer.as_str())];
    assert_throttled(&desk.send(Method::DELETE, &path, &by_litware, "").await?);
    desk.bench.entra.partner_center_rate(None);
    assert_eq!(desk.send(Method::DELETE, &path, &by_litware, "").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_partners_tenant_can_have_a_limit_too() -> Outcome {
    let desk = Desk::new().await?;
    desk.bench.entra.partner_center_tenant_rate(Some(2));
    for _ in 0..2 {
        assert_eq!(desk.read("/v1/customers").await?.status, 200);
    }
    assert_throttled(&desk.read("/v1/customers").await?);
    desk.bench.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.read("/v1/customers").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_made_again_is_answered_again_and_done_once() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let body = desk.consent(&[(GRAPH_APP, "User.Read")]).to_string();
    let ids = [("MS-RequestId", REQUEST_ID)];
    let first = desk.send(Method::POST, &path, &ids, body.as_str()).await?;
    let again = desk.send(Method::POST, &path, &ids, body.as_str()).await?;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    let fresh = desk.send(Method::POST, &path, &[], body.as_str()).await?;
    assert_eq!(fresh.status, 409, "without the id it is another request");
    let other = desk.consent(&[(ARM_APP, "user_impersonation")]).to_string();
    let reused = desk.send(Method::POST, &path, &ids, other).await?;
    assert_eq!(fault(&reused), (400, "800002"));
    desk.bench.clock.advance(Duration::from_secs(600));
    let late = desk.send(Method::POST, &path, &ids, body.as_str()).await?;
    assert_eq!(late.status, 409, "it is forgotten");
    Ok(())
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_can_be_made_again() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let body = desk.consent(&[(GRAPH_APP, "User.Read")]).to_string();
    let ids = [("MS-RequestId", REQUEST_ID)];
    let lost = Failure::lost_answer().times(1);
    desk.bench.entra.fail(Rule::at(Endpoint::ApplicationConsents), lost);
    assert!(desk.send(Method::POST, &path, &ids, body.as_str()).await.is_err());
    assert_eq!(desk.bench.entra.application_consents(desk.bench.fabrikam).len(), 1);
    assert_eq!(desk.send(Method::POST, &path, &ids, body.as_str()).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn a_removal_that_is_made_again_is_no_second_removal() -> Outcome {
    let desk = Desk::new().await?;
    desk.create(&[(GRAPH_APP, "User.Read")]).await?;
    let path = format!("{}/{}", consents(desk.bench.fabrikam), desk.bench.app.client_id());
    let ids = [("MS-RequestId", REQUEST_ID)];
    assert_eq!(desk.send(Method::DELETE, &path, &ids, "").await?.status, 204);
    desk.create(&[(GRAPH_APP, "User.Read")]).await?;
    assert_eq!(desk.send(Method::DELETE, &path, &ids, "").await?.status, 204);
    let left = desk.bench.entra.application_consents(desk.bench.fabrikam);
    assert_eq!(left.len(), 1, "the new consent stands");
    Ok(())
}

#[tokio::test]
async fn what_was_not_let_in_is_not_remembered() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let body = desk.consent(&[(GRAPH_APP, "User.Read")]).to_string();
    let ids = [("MS-RequestId", REQUEST_ID)];
    desk.bench.entra.partner_center_rate(Some(0));
    assert_throttled(&desk.send(Method::POST, &path, &ids, body.as_str()).await?);
    desk.bench.entra.partner_center_rate(Some(50));
    let failure = Failure::partner_center(500, "2000", "a dependency failed").times(1);
    desk.bench.entra.fail(Rule::at(Endpoint::ApplicationConsents), failure);
    let failed = desk.send(Method::POST, &path, &ids, body.as_str()).await?;
    assert_eq!(fault(&failed), (500, "2000"));
    assert_eq!(desk.send(Method::POST, &path, &ids, body.as_str()).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn ids_are_echoed_or_made_and_the_ledger_has_them() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let correlation = "55555555-5555-4555-8555-555555555555";
    let ids =
        [("MS-RequestId", REQUEST_ID), ("MS-CorrelationId", correlation), ("X-Locale", "de-DE")];
    let given = desk.send(Method::POST, &path, &ids, "{").await?;
    let made = [desk.read("/v1/customers").await?, desk.read("/v1/customers").await?];
    assert_eq!(given.headers["MS-RequestId"], REQUEST_ID);
    assert_eq!(given.headers["MS-CorrelationId"], correlation);
    let [one, two] = made.each_ref().map(|reply| &reply.headers["MS-RequestId"]);
    assert_ne!(one, two);
    let calls = desk.bench.entra.partner_center_calls();
    assert_eq!(
        (calls[0].request_id.as_str(), calls[0].correlation_id.as_str()),
        (REQUEST_ID, correlation)
    );
    assert_eq!((&calls[0].method, calls[0].path.as_str()), (&Method::POST, path.as_str()));
    assert_eq!(calls[0].customer, Some(desk.bench.fabrikam));
    assert_eq!(calls[0].application, Some(desk.bench.app.client_id()));
    assert_eq!((calls[0].status, calls[0].code.as_deref()), (400, Some("800002")));
    assert_eq!((calls[1].status, calls[1].code.as_deref(), calls[1].customer), (200, None, None));
    assert_eq!(calls[1].request_id.as_bytes(), one.as_bytes());
    Ok(())
}
