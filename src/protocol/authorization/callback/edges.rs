//! Where the limits of a callback lie.

use super::*;

fn got(query: &str, cookies: &str) -> Result<Callback, CallbackError> {
    let request = Request::get(format!("/callback?{query}")).header(COOKIE, cookies);
    Callback::from_request(&request.body(Bytes::new()).expect("a request"))
}

#[test]
fn an_answer_may_be_as_long_as_the_limit() {
    //
    let filled = |length: usize| format!("code={}", "x".repeat(length - "code=".len()));
    assert!(got(&filled(16_384), "").is_ok());
    assert_eq!(got(&filled(16_385), "").expect_err("longer"), CallbackError::TooLarge);
    let many = |count: usize| (1..count).map(|n| format!("f{n}=1&")).collect::<String>() + "code=a";
    assert!(got(&many(32), "").is_ok());
    assert_eq!(got(&many(33), "").expect_err("more"), CallbackError::TooLarge);
}

#[test]
fn cookies_may_be_as_long_as_the_limit() {
    //
    let filled = |length: usize| format!("c={}", "x".repeat(length - "c=".len()));
    let kept = got("code=a", &filled(65_536)).expect("an answer");
    assert_eq!(kept.cookies().find("c").map(str::len), Some(65_534));
    let longer = got("code=a", &filled(65_537)).expect_err("longer");
    assert_eq!(longer, CallbackError::TooLarge);
}

#[test]
fn only_a_description_has_breaks_and_no_other_control_characters() {
    //
    for (query, is_clean) in [
        ("error=a&error_description=x%0D%0A%09y", true),
        ("error=a&error_description=x%00y", false),
        ("error=a&error_description=x%EF%BF%BDy", false),
        ("error=a&state=x%09y", false),
        ("error=a&x%EF%BF%BD=y", false),
    ] {
        assert_eq!(got(query, "").is_ok(), is_clean, "{query}");
    }
}

#[test]
fn what_a_denial_carries_is_kept() {
    let query = "error=interaction_required&error_subcode=basic_action\
                 &error_description=AADSTS50076&claims=%7B%7D&iss=https%3A%2F%2Flogin.example";
    let callback = got(query, "").expect("an answer");
    assert_eq!(callback.iss(), Some("https://login.example"));
    let Answer::Denied(error) = callback.answer() else { panic!("a denial") };
    assert_eq!((error.error(), error.suberror()), ("interaction_required", Some("basic_action")));
    assert_eq!((error.claims(), error.codes()), (Some("{}"), [50076].as_slice()));
}

#[test]
fn debug_shows_what_kind_of_answer_it_is() {
    let shown = format!("{:?}", got("admin_consent=True", "").expect("an answer"));
    assert!(shown.contains("Callback") && shown.contains("Approved"), "{shown}");
}
