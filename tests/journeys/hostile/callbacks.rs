//! Callbacks that somebody else made, or that the right browser sent in a strange way.

use bytes::Bytes;
use cpv_consent::emulator::Grant;
use cpv_consent::{Callback, CallbackError, Error, Refused, ResponseMode};
use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderValue, Request};

use crate::world::{World, account, browser_of, capture, refused, tampered};

const FORM: &str = "application/x-www-form-urlencoded";

/// Cookie lines for a name, its value and many others.
type Spelling = fn(&str, &str, &str) -> Vec<String>;

/// The callback with other cookies.
fn with_cookies(request: &Request<Bytes>, lines: &[&str]) -> Request<Bytes> {
    let mut request = request.clone();
    request.headers_mut().remove(COOKIE);
    for line in lines {
        let line = HeaderValue::from_bytes(line.as_bytes()).expect("a header value");
        request.headers_mut().append(COOKIE, line);
    }
    request
}

fn cookie(request: &Request<Bytes>) -> (String, String) {
    let line = request.headers()[COOKIE].to_str().expect("ASCII");
    let (name, value) = line.split_once('=').expect("a pair");
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn the_state_alone_is_never_enough() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let (name, value) = cookie(&request);
    let (other_name, other_value) = cookie(&world.callback(&broker).await);
    let state = std::str::from_utf8(request.body()).expect("a form");
    let state = state.split('&').find_map(|field| field.strip_prefix("state=")).expect("a state");
    let lower = value.to_ascii_lowercase();
    let upper = name.to_ascii_uppercase();
    for lines in [
        vec![],
        vec![String::new()],
        vec![format!("{name}=")],
        vec![name.clone()],
        vec![format!("{name}={state}")],
        vec![format!("{name}={other_value}")],
        vec![format!("{other_name}={value}")],
        vec![format!("{name}={}", &value[1..])],
        vec![format!("{name}={value}A")],
        vec![format!("{name}={lower}")],
        vec![format!("{upper}={value}")],
        vec![format!("{name}=\"{value}\"")],
        vec![format!("{name}={value},x")],
        vec![format!("x{name}={value}")],
        vec![format!("{}={value}", name.trim_start_matches("__Host-"))],
        vec![format!("{name}=x; {name}={value}")],
        vec![format!("{name}={value}; {name}=x")],
        vec![format!("{name}={value}"), format!("{name}=x")],
        vec![format!("{name}={value}; {name}=")],
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let outcome = capture(&broker, &with_cookies(&request, &lines)).await;
        assert_eq!(refused(outcome), Refused::OtherBrowser, "{lines:?}");
    }
    assert_eq!(world.entra.ledger().len(), 0, "no code left the machine");
    capture(&broker, &request).await.expect("and the flow itself was not harmed");
}

#[tokio::test]
async fn cookies_are_read_as_browsers_and_proxies_send_them() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let many: Vec<String> = (0..500).map(|n| format!("other-{n}=value")).collect();
    let forms: [Spelling; 7] = [
        |name, value, _| vec![format!("{name}={value}; {name}={value}")],
        |name, value, _| vec![format!("{name}={value}"), format!("{name}={value}")],
        |name, value, _| vec!["a=1".into(), format!("{name}={value}"), "b=2".into()],
        |name, value, _| vec![format!("a=1;{name}={value};b=2")],
        |name, value, _| vec![format!(" ;; {name} = {value} ; =; x")],
        |name, value, many| vec![format!("{many}; {name}={value}")],
        |name, value, _| vec![format!("n\u{e4}me=\u{fc}; {name}={value}")],
    ];
    for form in forms {
        let request = world.callback(&broker).await;
        let (name, value) = cookie(&request);
        let lines = form(&name, &value, &many.join("; "));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let outcome = capture(&broker, &with_cookies(&request, &lines)).await;
        outcome.unwrap_or_else(|error| panic!("{lines:.100?}: {error}"));
    }
    let request = world.callback(&broker).await;
    let (name, value) = cookie(&request);
    let flood = format!("{name}={value}; x={}", "x".repeat(64 * 1024));
    let flooded = with_cookies(&request, &[&flood]);
    assert_eq!(unread(&flooded), CallbackError::TooLarge);
}

fn unread(request: &Request<Bytes>) -> CallbackError {
    Callback::from_request(request).expect_err("no answer")
}

#[tokio::test]
async fn what_is_no_answer_is_not_read_and_spends_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    for mode in [ResponseMode::FormPost, ResponseMode::Query] {
        let request = world.callback_by(&broker, mode).await;
        let many: String = (0..40).map(|n| format!("&f{n}=1")).collect();
        let long = format!("&x={}", "x".repeat(16 * 1024));
        let additions = [
            ("&code=x", CallbackError::Duplicate),
            ("&state=x", CallbackError::Duplicate),
            ("&st%61te=x", CallbackError::Duplicate),
            ("&iss=a&iss=a", CallbackError::Duplicate),
            ("&error=a&error=a", CallbackError::Duplicate),
            ("&unheard=1&unheard=2", CallbackError::Duplicate),
            ("&error=access_denied", CallbackError::Contradictory),
            ("&error=", CallbackError::Contradictory),
            ("&id_token=x", CallbackError::Token),
            ("&access_token=x", CallbackError::Token),
            ("&refresh_token=", CallbackError::Token),
            ("&x=%00", CallbackError::Encoding),
            ("&x=%0D%0ASet-Cookie:%20a", CallbackError::Encoding),
            ("&x=%1B%5B2J", CallbackError::Encoding),
            ("&x=%FF", CallbackError::Encoding),
            ("&x=%C0%AF", CallbackError::Encoding),
            ("&%00=1", CallbackError::Encoding),
            (many.as_str(), CallbackError::TooLarge),
            (long.as_str(), CallbackError::TooLarge),
        ];
        for (addition, expected) in additions {
            let odd = tampered(&request, |fields| format!("{fields}{addition}"));
            assert_eq!(unread(&odd), expected, "{addition:.40} {mode:?}");
        }
        let without = |name: &str| {
            tampered(&request, |fields| {
                let kept = fields.split('&').filter(|field| !field.starts_with(name));
                kept.collect::<Vec<_>>().join("&")
            })
        };
        assert_eq!(unread(&without("code=")), CallbackError::Empty);
        let emptied = tampered(&without("code="), |fields| format!("{fields}&code="));
        assert_eq!(unread(&emptied), CallbackError::Empty);
        for method in ["HEAD", "PUT", "PATCH", "OPTIONS", "DELETE", "TRACE", "get", "PROPFIND"] {
            let mut odd = request.clone();
            *odd.method_mut() = method.parse().expect("a method");
            assert_eq!(unread(&odd), CallbackError::Method, "{method}");
        }
        assert_eq!(world.entra.ledger().len(), 0, "no token request was made");
        capture(&broker, &request).await.expect("nothing of it was spent");
        world.entra.forget_ledger();
    }
}

#[tokio::test]
async fn an_answer_that_changed_its_shape_is_refused_and_spends_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let form = world.callback(&broker).await;
    let fields = std::str::from_utf8(form.body()).expect("a form").to_owned();
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let mut odd = form.clone();
        odd.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a header value"));
        assert_eq!(unread(&odd), CallbackError::ContentType, "{kind}");
    }
    let mut split = form.clone();
    *split.uri_mut() = "/consent/callback?x=1".parse().expect("a URI");
    assert_eq!(unread(&split), CallbackError::Split);
    let query = |mode: &str| {
        let request = Request::builder().method(mode).uri(format!("/consent/callback?{fields}"));
        let request = request.header(COOKIE, form.headers()[COOKIE].clone());
        request.header(CONTENT_TYPE, FORM).body(Bytes::new()).expect("a request")
    };
    assert_eq!(unread(&query("POST")), CallbackError::Split);
    assert_eq!(unread(&query("HEAD")), CallbackError::Method);
    let outcome = capture(&broker, &query("GET")).await;
    assert_eq!(refused(outcome), Refused::OtherResponseMode);

    let by_query = world.callback_by(&broker, ResponseMode::Query).await;
    let fields = by_query.uri().query().expect("an answer").to_owned();
    let mut posted = form.clone();
    *posted.body_mut() = fields.into();
    posted.headers_mut().insert(COOKIE, by_query.headers()[COOKIE].clone());
    assert_eq!(refused(capture(&broker, &posted).await), Refused::OtherResponseMode);

    assert_eq!(world.entra.ledger().len(), 0);
    capture(&broker, &form).await.expect("nothing was spent");
    capture(&broker, &by_query).await.expect("nothing was spent");
}

#[tokio::test]
async fn a_state_that_is_altered_cut_or_empty_is_no_flows_and_needs_no_issuer_to_be_told() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let fields = std::str::from_utf8(request.body()).expect("a form").to_owned();
    let state = fields.split('&').find_map(|field| field.strip_prefix("state=")).expect("a state");
    let (first, last) = (&state[..1], &state[state.len() - 1..]);
    let other = |sign: &str| if sign == "A" { "B" } else { "A" };
    for altered in [
        format!("{}{}", other(first), &state[1..]),
        format!("{}{}", &state[..state.len() - 1], other(last)),
        state[1..].to_owned(),
        state[..state.len() - 1].to_owned(),
        format!("{state}A"),
        format!("{state}%00"),
        state.to_lowercase(),
        String::new(),
    ] {
        let to = format!("state={altered}");
        let odd = tampered(&request, |body| body.replace(&format!("state={state}"), &to));
        match Callback::from_request(&odd) {
            Err(error) => {
                assert!(altered.is_empty() || altered.contains('%'), "{altered}: {error}")
            }
            Ok(_) => {
                let outcome = capture(&broker, &odd).await;
                assert_eq!(refused(outcome), Refused::StateUnknown, "{altered}");
            }
        }
    }
    assert_eq!(world.entra.ledger().len(), 0, "no token request left");
    assert!(!fields.contains("iss="), "Entra does not tell it");
    capture(&broker, &request).await.expect("nothing was spent");
}

#[tokio::test]
async fn an_issuer_that_the_flow_was_not_sent_to_is_refused_before_the_code_is_sent() {
    // fapi2-client-test-invalid-authorization-response-iss
    let world = World::new().await;
    let broker = world.broker().await;
    let (login, contoso) = (world.entra.login_origin(), world.contoso);
    let other = world.entra.add_tenant("Other");
    let issuer = |tenant: String| format!("{login}/{tenant}/v2.0");
    let wrong = [
        "https://login.example/v2.0".to_owned(),
        format!("https://login.example/{contoso}/v2.0"),
        issuer("{tenantid}".into()),
        issuer("organizations".into()),
        issuer(contoso.to_string().to_uppercase()),
        format!("{}/", issuer(contoso.to_string())),
        format!("https://sts.windows.net/{contoso}/"),
        String::new(),
    ];
    let named = |iss: &str, request: &Request<Bytes>| {
        let iss: String = url::form_urlencoded::byte_serialize(iss.as_bytes()).collect();
        tampered(request, |fields| format!("{fields}&iss={iss}"))
    };
    let known = world.callback(&broker).await;
    for iss in wrong.iter().chain([&issuer(other.to_string())]) {
        let outcome = capture(&broker, &named(iss, &known)).await;
        assert_eq!(refused(outcome), Refused::OtherIssuer, "{iss}");
    }
    let first = first_contact(&world, &broker).await;
    for iss in &wrong {
        let outcome = capture(&broker, &named(iss, &first)).await;
        assert_eq!(refused(outcome), Refused::OtherIssuer, "{iss}");
    }
    assert_eq!(world.entra.ledger().len(), 0, "no code was sent");

    let right = issuer(contoso.to_string());
    capture(&broker, &named(&right, &known)).await.expect("the issuer asked");
    capture(&broker, &named(&right, &first)).await.expect("the issuer that answered");
    let again = first_contact(&world, &broker).await;
    let outcome = capture(&broker, &named(&issuer(other.to_string()), &again)).await;
    assert_eq!(refused(outcome), Refused::OtherIssuer, "it is not whose account signed in");
}

async fn first_contact(world: &World, broker: &cpv_consent::Broker) -> Request<Bytes> {
    let pending = broker.first_consent(account("panel-1")).await.expect("a flow");
    let mut browser = browser_of(&pending);
    browser.consent(pending.authorize_url(), &world.admin).await.expect("a callback")
}

#[tokio::test]
async fn a_denial_that_nobody_asked_for_ends_nobodys_flow() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let deny = |state: &str| {
        tampered(&request, |fields| {
            let own = fields.split('&').find(|field| field.starts_with("state=")).expect("a state");
            let state = if state.is_empty() { own.to_owned() } else { format!("state={state}") };
            format!("error=access_denied&error_description=AADSTS65004&{state}")
        })
    };
    let unknown = deny("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(refused(capture(&broker, &unknown).await), Refused::StateUnknown);
    let by_another = with_cookies(&deny(""), &[]);
    assert_eq!(refused(capture(&broker, &by_another).await), Refused::OtherBrowser);
    let elsewhere = capture(&broker, &with_cookies(&request, &["a=b"])).await;
    assert!(matches!(elsewhere, Err(Error::Refused(Refused::OtherBrowser))));
    capture(&broker, &request).await.expect("its own flow goes on");
}

#[tokio::test]
async fn what_a_proxy_or_somebody_else_says_of_the_address_steers_nothing() {
    // attack-forged-headers: Entra takes the code with the registered address only
    let world = World::new().await;
    let broker = world.broker().await;
    for mode in [ResponseMode::FormPost, ResponseMode::Query] {
        let mut request = world.callback_by(&broker, mode).await;
        for (name, value) in [
            ("host", "evil.example"),
            ("origin", "https://evil.example"),
            ("referer", "https://evil.example/consent/callback"),
            ("forwarded", "host=evil.example;proto=http;for=127.0.0.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-prefix", "/evil"),
            ("x-original-url", "/evil?state=x"),
            ("x-http-method-override", "HEAD"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let found = capture(&broker, &request).await.expect("nobody asked those headers");
        found.decline().await.expect("erased");
    }
    let codes = world.entra.count_tokens(|request| request.grant == Some(Grant::Code));
    assert_eq!(codes, 2);
}
