//! Customers: pages in every direction, filters, single ones, and other people's.

use http::Method;
use serde_json::Value;

use super::super::bench::{NOBODY, Outcome, Reply};
use super::desk::{Desk, fault};

async fn with_five_customers() -> Result<Desk, Box<dyn std::error::Error>> {
    let desk = Desk::new().await?;
    for name in ["Adatum", "Tailspin", "Fabrikam Games", "Wingtip"] {
        desk.bench.entra.add_customer(desk.bench.contoso, name);
    }
    Ok(desk)
}

async fn seek(
    desk: &Desk,
    operation: &str,
    token: &str,
) -> Result<Reply, Box<dyn std::error::Error>> {
    let path = format!("/v1/customers?seekOperation={operation}");
    desk.send(Method::GET, &path, &[("MS-ContinuationToken", token)], "").await
}

fn ids(page: &Reply) -> Vec<String> {
    let items = page.json["items"].as_array().into_iter().flatten();
    items.filter_map(|item| Some(item["id"].as_str()?.to_owned())).collect()
}

fn names(page: &Reply) -> Vec<&str> {
    let items = page.json["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["companyProfile"]["companyName"].as_str()).collect()
}

#[tokio::test]
async fn pages_are_found_in_every_direction() -> Outcome {
    let desk = with_five_customers().await?;
    let all = ids(&desk.read("/v1/customers?size=0").await?);
    assert_eq!(all.len(), 5);
    let first = desk.read("/v1/customers?size=2").await?;
    assert_eq!((ids(&first), &first.json["totalCount"]), (all[..2].to_vec(), &5.into()));
    let next = &first.json["links"]["next"];
    assert_eq!(
        (&next["method"], &next["uri"]),
        (&"GET".into(), &"/customers?seekOperation=Next".into())
    );
    assert_eq!(next["headers"][0]["key"], "MS-ContinuationToken");
    assert_eq!(next["headers"][0]["value"], first.text("continuationToken"));
    let second = seek(&desk, "Next", first.text("continuationToken")).await?;
    assert_eq!(ids(&second), all[2..4]);
    let token = second.text("continuationToken");
    let third = seek(&desk, "next", token).await?;
    assert_eq!(ids(&third), all[4..]);
    assert_eq!(third.json["links"].get("next"), None);
    for (operation, expected) in
        [("Previous", &all[..2]), ("First", &all[..2]), ("Last", &all[4..]), ("Next", &all[4..])]
    {
        assert_eq!(ids(&seek(&desk, operation, token).await?), expected, "{operation}");
    }
    Ok(())
}

#[tokio::test]
async fn a_page_that_cannot_be_found_is_refused() -> Outcome {
    let desk = with_five_customers().await?;
    let first = desk.read("/v1/customers?size=2").await?;
    let token = first.text("continuationToken");
    for (operation, token) in [("PageIndex", token), ("Next", "2-2"), ("Next", &token[..30])] {
        assert_eq!(fault(&seek(&desk, operation, token).await?), (400, "800002"), "{operation}");
    }
    for query in ["seekOperation=Next", "size=many", "size=-1"] {
        let reply = desk.read(&format!("/v1/customers?{query}")).await?;
        assert_eq!(fault(&reply), (400, "800002"), "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn another_partners_continuation_token_is_refused() -> Outcome {
    let desk = with_five_customers().await?;
    let first = desk.read("/v1/customers?size=2").await?;
    let litware = desk.bench.entra.add_tenant("Litware");
    let admin = desk.bench.entra.add_user(litware, "admin@litware.example");
    let bearer = format!("Bearer {}", desk.token_of(litware, &admin).await?);
    let headers = [
        ("authorization", bearer.as_str()),
        ("MS-ContinuationToken", first.text("continuationToken")),
    ];
    let reply = desk.send(Method::GET, "/v1/customers?seekOperation=Next", &headers, "").await?;
    assert_eq!(fault(&reply), (400, "800002"));
    Ok(())
}

#[tokio::test]
async fn a_list_that_changes_repeats_and_skips_nobody_or_ends_its_tokens() -> Outcome {
    let desk = with_five_customers().await?;
    let all = ids(&desk.read("/v1/customers").await?);
    let first = desk.read("/v1/customers?size=2").await?;
    let token = first.text("continuationToken");
    for number in 0..8 {
        desk.bench.entra.add_customer(desk.bench.contoso, &format!("New {number}"));
    }
    let next = ids(&seek(&desk, "Next", token).await?);
    assert!(next.iter().all(|id| *id > all[1]), "nobody comes twice");
    let longer = ids(&desk.read("/v1/customers").await?);
    let after = longer.iter().position(|id| *id == all[1]).expect("still listed") + 1;
    assert_eq!(next, longer[after..after + 2], "and nobody after them is left out");
    desk.bench.entra.doubts(|doubts| doubts.continuation_tokens_end = true);
    assert_eq!(fault(&seek(&desk, "Next", token).await?), (400, "800002"));
    let fresh = desk.read("/v1/customers?size=2").await?;
    assert_eq!(seek(&desk, "Next", fresh.text("continuationToken")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn customers_are_found_by_the_beginning_of_name_or_domain() -> Outcome {
    let desk = with_five_customers().await?;
    let find = async |field: &str, value: &str, operator: &str| {
        let filter = format!(r#"{{"Field":"{field}","Value":"{value}","Operator":"{operator}"}}"#);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("size", "1"), ("filter", filter.as_str())])
            .finish();
        desk.read(&format!("/v1/customers?{query}")).await
    };
    let found = find("CompanyName", "fabri", "starts_with").await?;
    assert_eq!(found.json["totalCount"], 2);
    let next = seek(&desk, "Next", found.text("continuationToken")).await?;
    let mut both = [names(&found), names(&next)].concat();
    both.sort_unstable();
    assert_eq!(both, ["Fabrikam", "Fabrikam Games"], "the filter goes on over pages");
    let found = find("Domain", "TAIL", "starts_with").await?;
    assert_eq!(names(&found), ["Tailspin"]);
    assert_eq!(find("CompanyName", "kam", "starts_with").await?.json["totalCount"], 0);
    for (field, operator) in [("Colour", "starts_with"), ("CompanyName", "equals")] {
        let reply = find(field, "x", operator).await?;
        assert_eq!(fault(&reply), (400, "800002"), "{field} {operator}");
    }
    assert_eq!(fault(&desk.read("/v1/customers?filter=fabri").await?), (400, "800002"));
    Ok(())
}

#[tokio::test]
async fn a_single_customer_is_one_of_the_partners_own() -> Outcome {
    let desk = Desk::new().await?;
    let fabrikam = desk.bench.fabrikam;
    let found = desk.read(&format!("/v1/customers/{fabrikam}")).await?;
    assert_eq!((found.status, found.text("id")), (200, fabrikam.to_string().as_str()));
    assert_eq!(found.text("relationshipToPartner"), "reseller");
    assert_eq!(found.json["allowDelegatedAccess"], true);
    let own = format!("/customers/{fabrikam}");
    assert_eq!(found.json["links"]["self"]["uri"], Value::from(own));
    desk.bench.entra.end_relationship(desk.bench.contoso, fabrikam);
    let found = desk.read(&format!("/v1/customers/{fabrikam}")).await?;
    assert_eq!((found.status, &found.json["allowDelegatedAccess"]), (200, &false.into()));
    Ok(())
}

#[tokio::test]
async fn nobody_elses_customer_is_shown_or_given_consent() -> Outcome {
    // R-105
    let desk = Desk::new().await?;
    let litware = desk.bench.entra.add_tenant("Litware");
    let theirs = desk.bench.entra.add_customer(litware, "Wingtip").to_string();
    let own = desk.bench.contoso.to_string();
    let body = desk.consent(&[(super::desk::GRAPH_APP, "User.Read")]).to_string();
    for (customer, expected) in [
        (theirs.as_str(), (403, "20002")),
        (&own, (403, "20002")),
        (NOBODY, (404, "60003")),
        ("wingtip.example", (400, "900118")),
    ] {
        let path = format!("/v1/customers/{customer}");
        assert_eq!(fault(&desk.read(&path).await?), expected, "{customer}");
        let path = format!("{path}/applicationconsents");
        let refused = desk.send(Method::POST, &path, &[], body.as_str()).await?;
        assert_eq!(fault(&refused), expected, "{customer}");
        let path = format!("{path}/{}", desk.bench.app.client_id());
        let refused = desk.send(Method::DELETE, &path, &[], "").await?;
        assert_eq!(fault(&refused), expected, "{customer}");
    }
    assert!(desk.bench.entra.application_consents(theirs.parse()?).is_empty());
    Ok(())
}

#[tokio::test]
async fn json_may_begin_with_a_byte_order_mark() -> Outcome {
    let desk = Desk::new().await?;
    desk.bench.entra.doubts(|doubts| doubts.partner_center_bom = true);
    for path in ["/v1/customers", "/v1/nowhere"] {
        let reply = desk.read(path).await?;
        let text = std::str::from_utf8(&reply.body)?.strip_prefix('\u{feff}').expect("a mark");
        assert!(serde_json::from_str::<Value>(text)?.is_object(), "{path}");
    }
    Ok(())
}
