//! What is shown, and what is not.

use http::HeaderValue;
use serde_json::json;

use super::*;

fn redaction() -> Redaction {
    Redaction::new(vec![("https://login.example".to_owned(), Service::Entra)])
}

fn shown(body: &Value) -> Value {
    redaction().body(&HeaderMap::new(), body.to_string().as_bytes())
}

#[test]
fn a_member_that_no_list_knows_is_shown_by_its_shape_only() {
    let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let body = shown(&json!({
        "brand_new": "hunter2", "count": 7, "flag": true, "id": id, "again": id, "none": null,
        "nested": [{ "error": "invalid_grant", "deep": "hunter2" }, "hunter2"],
        "token": "eyJhbGciOi.eyJ0aWQi.c2ln", "at": "2026-11-22T01:02:03Z", "from": "https://x.example",
    }));
    assert_eq!(body["nested"][0]["error"], "invalid_grant");
    assert_eq!(body["brand_new"], body["nested"][1], "the same text has one number");
    assert_eq!(body["brand_new"], body["nested"][0]["deep"]);
    assert!(body["brand_new"].as_str().is_some_and(|text| text.starts_with("<text ")));
    assert_eq!((&body["id"], &body["again"]), (&json!("<guid 1>"), &json!("<guid 1>")));
    let rest = ["count", "flag", "none", "token", "at", "from"].map(|name| body[name].clone());
    let shapes = ["<number>", "true", "null", "<jwt>", "<time>", "<url 1>"];
    for (value, shape) in rest.iter().zip(shapes) {
        assert_eq!(value.as_str().map_or_else(|| value.to_string(), str::to_owned), shape);
    }
}

#[test]
fn a_listed_member_shows_a_word_and_never_what_is_made_at_random() {
    let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for text in [id, "eyJhbGciOi", "admin@contoso.example", "two words", &"x".repeat(49)] {
        let body = shown(&json!({ "code": text }));
        assert!(body["code"].as_str().is_some_and(|shape| shape.starts_with('<')), "{body}");
    }
    let kept = json!({ "code": "900421", "expires_in": "3599", "error_codes": [65001] });
    assert_eq!(shown(&kept), kept);
}

#[test]
fn a_name_can_be_data_too() {
    let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for name in [id, "admin@contoso.example", "a b", "contoso.example", &"x".repeat(41)] {
        let body = shown(&json!({ name: true }));
        assert_eq!(body, json!({ "<name 1>": true }), "{name}");
    }
    let kept = json!({ "@odata.nextLink": null, "x@odata.type": null, "$x": null });
    assert_eq!(shown(&kept), kept);
}

#[test]
fn a_form_shows_the_grant_and_microsofts_scopes() {
    let form = "grant_type=refresh_token&refresh_token=0.AXkA&client_secret=hunter2&code=abc\
                &scope=openid+https%3A%2F%2Fgraph.microsoft.com%2FUser.Read+api%3A%2F%2Fours%2Fx";
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, kind);
    let shown = redaction().body(&headers, form.as_bytes());
    assert_eq!(shown["grant_type"], "refresh_token");
    assert_eq!(shown["scope"], "openid https://graph.microsoft.com/User.Read <text 4>");
    for name in ["refresh_token", "client_secret", "code"] {
        assert!(shown[name].as_str().is_some_and(|text| text.starts_with("<text ")), "{shown}");
    }
}

#[test]
fn addresses_keep_their_form_and_lose_their_ids() {
    let redaction = redaction();
    let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let path = |text: &str| redaction.path(&Url::parse(text).expect("a URL"));
    let base = "https://login.example";
    assert_eq!(path(&format!("{base}/{id}/oauth2/v2.0/token")), "/<guid 1>/oauth2/v2.0/token");
    let keyed = format!("{base}/v1.0/servicePrincipals(appId='{id}')/contoso");
    assert_eq!(path(&keyed), "/v1.0/servicePrincipals(appId='<guid 1>')/<text 1>");
    let query = format!("{base}/v1/customers?size=1&$filter=x&$skiptoken={id}");
    assert_eq!(path(&query), "/v1/customers?size=1&$filter=<text 2>&$skiptoken=<guid 1>");
    assert_eq!(redaction.address(&format!("{base}/{id}")), "{entra}/<guid 1>");
    assert_eq!(redaction.address("https://contoso.example/x"), "<url 1>");
}

#[test]
fn headers_show_how_and_never_who() {
    let mut headers = HeaderMap::new();
    let challenge = "Bearer authorization=\"https://login.example/72f988bf-86f1-41af-91ab-2d7cd011db47\", \
                     resource=\"https://vault.azure.net\", error=\"invalid_token\", realm=\"contoso\"";
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("authorization", "Bearer eyJhbGciOi.eyJ0aWQi.c2ln"),
        ("set-cookie", "session=hunter2"),
        ("isMfaCompliant", "true"),
        ("x-newtokenrequired", "72f988bf-86f1-41af-91ab-2d7cd011db47"),
        ("www-authenticate", challenge),
    ] {
        headers.insert(
            http::HeaderName::try_from(name).expect("a name"),
            HeaderValue::from_static(value),
        );
    }
    let shown = redaction().headers(&headers);
    assert_eq!(shown["content-type"], "application/json; charset=utf-8");
    assert_eq!(shown["authorization"], "Bearer <jwt>");
    assert_eq!(shown["set-cookie"], "<text 1>");
    assert_eq!(shown["ismfacompliant"], "true");
    assert_eq!(shown["x-newtokenrequired"], "<guid 1>");
    assert_eq!(
        shown["www-authenticate"],
        "Bearer authorization=\"{entra}/<guid 1>\", resource=\"https://vault.azure.net\", \
         error=\"invalid_token\", realm=\"<text 2>\"",
    );
}
