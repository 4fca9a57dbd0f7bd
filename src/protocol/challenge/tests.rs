use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// Its base64 has padding, and letters that differ between the alphabets.
const DEMAND: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1 ~~~???>>>"}}}"#;

fn read(headers: &[&str]) -> Result<Option<String>, Invalid> {
    let headers: HeaderMap = headers
        .iter()
        .map(|text| (WWW_AUTHENTICATE, HeaderValue::from_bytes(text.as_bytes()).expect("a value")))
        .collect();
    let found = ClaimsChallenge::from_headers(&headers)?;
    Ok(found.map(|challenge| challenge.claims().to_owned()))
}

fn demanding(claims: &str) -> String {
    format!(r#"Bearer realm="", error="insufficient_claims", claims="{claims}""#)
}

#[test]
fn claims_are_read_in_every_spelling_of_base64() {
    // R-111
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    let spelled: Vec<_> = engines.iter().map(|engine| engine.encode(DEMAND)).collect();
    assert!(spelled[0].ends_with('=') && spelled[0] != spelled[2], "all four differ");
    for claims in spelled {
        assert_eq!(read(&[&demanding(&claims)]), Ok(Some(DEMAND.to_owned())), "{claims}");
    }
}

#[test]
fn the_challenge_is_found_among_others_in_any_order() {
    // R-111
    let claims = STANDARD.encode(DEMAND);
    let uri = "https://login.microsoftonline.com/common/oauth2/authorize";
    for headers in [
        vec![format!(r#"bearer claims="{claims}" , ERROR=insufficient_claims"#)],
        vec![format!(r#"Bearer error="insufficient_claims",claims={claims}"#)],
        vec![format!(r#",, Negotiate, Basic realm="a, \"b\", c", {}"#, demanding(&claims))],
        vec![format!("Negotiate YWJj==, {},", demanding(&claims))],
        vec![format!("PoP nonce=x, Bearer error=\"invalid_token\", {}", demanding(&claims))],
        vec![
            format!("Bearer authorization_uri={uri}, error=\"invalid_token\""),
            demanding(&claims),
        ],
        vec![demanding(&claims), "Basic \"torn".to_owned()],
        vec![format!("{}, DPoP algs=\"ES256\", error=\"x\"", demanding(&claims))],
        vec![r#"Bearer error="insufficient_\claims", claims=""#.to_owned() + &claims + "\""],
    ] {
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        assert_eq!(read(&headers), Ok(Some(DEMAND.to_owned())), "{headers:?}");
    }
}

#[test]
fn another_refusal_demands_nothing() {
    let claims = STANDARD.encode(DEMAND);
    for text in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer error=\"invalid_token\"".to_owned(),
        format!("Bearer error=\"invalid_token\", claims=\"{claims}\""),
        format!("Bearer claims=\"{claims}\""),
        format!("PoP error=\"insufficient_claims\", claims=\"{claims}\""),
        format!("Bearer x=\"error=\\\"insufficient_claims\\\", claims=\\\"{claims}\\\"\""),
        format!("Bearer realm=a, PoP error=\"insufficient_claims\", claims=\"{claims}\""),
    ] {
        assert_eq!(read(&[&text]), Ok(None), "{text}");
    }
    assert_eq!(read(&[]), Ok(None));
}

#[test]
fn what_can_be_read_in_two_ways_or_is_no_demand_is_refused() {
    // R-047, R-048, R-111
    let good = STANDARD.encode(DEMAND);
    let encoded = |text: &str| demanding(&STANDARD.encode(text));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(8 * 1024));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(3000), "]".repeat(3000));
    for text in [
        "Bearer error=\"insufficient_claims\"".to_owned(),
        format!("{}, claims=\"{good}\"", demanding(&good)),
        format!("{}, Error=\"insufficient_claims\"", demanding(&good)),
        format!("{}, claims=\"x", demanding(&good)),
        format!("Bearer error=\"insufficient_claims\" claims=\"{good}\""),
        format!("error=\"insufficient_claims\", claims=\"{good}\""),
        format!("Bearer error=\"insufficient_claims\"x, claims=\"{good}\""),
        format!("Bearer rea(lm=x, error=\"insufficient_claims\", claims=\"{good}\""),
        format!("Bearer =x, {}", demanding(&good)),
        format!("Ünd, {}", demanding(&good)),
        demanding(""),
        demanding("%7B%7D"),
        demanding(&format!("{good}==")),
        demanding(&format!("{} {}", &good[..4], &good[4..])),
        encoded("[]"),
        encoded("\"claims\""),
        encoded("{} {}"),
        encoded("\u{feff}{}"),
        encoded(r#"{"a":1,"a":2}"#),
        encoded(&long),
        encoded(&deep),
        demanding(&STANDARD.encode(b"{\"a\":\"\xff\"}")),
        format!("Basic realm=\"{}\"", "x".repeat(32 * 1024)),
    ] {
        assert!(read(&[&text]).is_err(), "{}", &text[..text.len().min(120)]);
    }
}

#[test]
fn as_much_as_eight_kilobytes_is_taken() {
    let demand = format!("{{\"a\":\"{}\"}}", "x".repeat(8 * 1024 - 8));
    assert_eq!(demand.len(), 8 * 1024);
    assert_eq!(read(&[&demanding(&STANDARD.encode(&demand))]), Ok(Some(demand)));
}

#[test]
fn neither_a_challenge_nor_its_error_shows_what_is_demanded() {
    // R-137
    let claims = STANDARD.encode(r#"{"canary":1}"#);
    let challenge = ClaimsChallenge::decode(&claims).expect("an object");
    assert!(!format!("{challenge:?}").contains("canary"));
    let error = ClaimsChallenge::decode(&STANDARD.encode("canary")).expect_err("no object");
    assert!(!format!("{error:?} {error}").contains("canary"));
}

proptest! {
    /// Whatever it is, it is read, absent or refused.
    #[test]
    fn no_header_is_too_strange(text in "[ -~\\t]{0,200}") {
        let _typed = read(&[&text]);
    }

    /// Neighbours never change what one challenge says.
    #[test]
    fn a_quoted_neighbour_hides_and_adds_nothing(value in "[ -~]{0,60}", first in any::<bool>()) {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let neighbour = format!("Basic realm=\"{quoted}\"");
        let own = demanding(&STANDARD.encode(DEMAND));
        let text =
            if first { format!("{neighbour}, {own}") } else { format!("{own}, {neighbour}") };
        prop_assert_eq!(read(&[&text]), Ok(Some(DEMAND.to_owned())));
        prop_assert_eq!(read(&[&neighbour]), Ok(None));
    }
}
