//! What a refusal tells, and where each limit lies.

use super::*;

fn refusal(error: &str, codes: &[u32]) -> Refusal {
    Refusal { error: error.to_owned(), codes: codes.to_vec(), ..Refusal::default() }
}

fn of_status(status: u16, error: &str) -> Cause {
    EntraError::new(Refusal { status: Some(status), ..refusal(error, &[]) }).cause()
}

#[test]
fn what_came_is_told() {
    let text = |text: &str| Some(text.to_owned());
    let error = EntraError::new(Refusal {
        status: Some(401),
        suberror: text("consent_required"),
        claims: text("{}"),
        trace_id: text("t-1"),
        correlation_id: text("c-1"),
        timestamp: text("2026-01-01 00:00:00Z"),
        retry_after: Some(Duration::from_secs(7)),
        ..refusal("invalid_grant", &[65001])
    });
    assert_eq!((error.status(), error.error()), (Some(401), "invalid_grant"));
    assert_eq!((error.suberror(), error.claims()), (Some("consent_required"), Some("{}")));
    assert_eq!((error.trace_id(), error.correlation_id()), (Some("t-1"), Some("c-1")));
    assert_eq!(error.timestamp(), Some("2026-01-01 00:00:00Z"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.codes(), [65001]);
    assert!(format!("{error:?}").contains("Claims(..)"));
}

#[test]
fn nothing_is_told_of_what_did_not_come() {
    let error = EntraError::new(refusal("invalid_grant", &[]));
    assert_eq!((error.status(), error.retry_after(), error.timestamp()), (None, None, None));
    assert_eq!((error.suberror(), error.claims()), (None, None));
    assert_eq!((error.number(), error.meaning()), (None, None));
    assert_eq!(error.to_string(), "invalid_grant");
}

#[test]
fn the_number_is_the_one_that_says_why() {
    let number = |codes: &[u32]| EntraError::new(refusal("invalid_grant", codes)).number();
    assert_eq!(number(&[70002, 70008]), Some(70008), "70002 only introduces it");
    assert_eq!(number(&[999_999, 50076]), Some(50076));
    assert_eq!(number(&[999_999, 999_998]), Some(999_999), "none is listed");
}

#[test]
fn a_challenge_is_left_out_of_what_is_kept_for_long() {
    let claims = Some("{}".to_owned());
    let error = EntraError::new(Refusal { claims, ..refusal("interaction_required", &[50076]) });
    let kept = error.without_claims();
    assert_eq!((kept.claims(), kept.codes()), (None, error.codes()));
    assert_eq!(kept.error(), error.error());
    assert_eq!(kept.without_claims(), kept);
}

#[test]
fn a_status_alone_tells_throttling_from_failing() {
    assert_eq!(of_status(429, "x"), Cause::Throttled);
    assert_eq!(of_status(500, "x"), Cause::Transient);
    assert_eq!(of_status(599, "slow_down"), Cause::Throttled);
    assert_eq!(of_status(499, "x"), Cause::Unknown);
    assert_eq!(of_status(428, "x"), Cause::Unknown);
}

#[test]
fn names_and_moments_have_a_length_and_an_alphabet() {
    //
    for (text, is_word) in [
        ("", false),
        ("a", true),
        ("a_b-c.9", true),
        ("a b", false),
        ("a:b", false),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
    ] {
        assert_eq!(word(text), is_word.then(|| text.to_owned()), "{text}");
    }
    for (text, is_moment) in [
        ("", false),
        ("2026-01-01T00:00:00.1Z", true),
        ("today", false),
        (&"1".repeat(40), true),
        (&"1".repeat(41), false),
    ] {
        assert_eq!(moment(text), is_moment.then(|| text.to_owned()), "{text}");
    }
}

#[test]
fn a_challenge_is_an_object_of_some_length() {
    let object = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    assert!(is_object("{}") && is_object(&object(8192)));
    for text in ["", "[]", "{", "null", &object(8193)] {
        assert!(!is_object(text), "{text:.20}");
    }
}

#[test]
fn eight_numbers_are_read_and_no_more() {
    let description = (1..=9).map(|number| format!("AADSTS{number} ")).collect::<String>();
    assert_eq!(numbers_in(&description), [1, 2, 3, 4, 5, 6, 7, 8]);
    let many = EntraError::new(refusal("x", &[1; 9]));
    assert_eq!(many.codes().len(), 8);
}

#[test]
fn a_cause_has_a_name_for_logs_and_for_people() {
    assert_eq!(Cause::GrantExpired.to_string(), "grant_expired");
    assert_eq!(Cause::GrantExpired.words(), "grant expired");
}

#[test]
fn only_two_causes_pass_by_waiting() {
    let passing = TABLE.iter().map(|row| row.cause).filter(|cause| cause.is_transient());
    assert!(passing.clone().any(|cause| cause == Cause::Throttled));
    assert!(passing.into_iter().all(|c| matches!(c, Cause::Transient | Cause::Throttled)));
}

#[test]
fn each_cause_reaches_as_far_as_what_it_speaks_of() {
    //
    for (cause, reach) in [
        (Cause::Transient, Reach::Request),
        (Cause::Declined, Reach::Request),
        (Cause::AccountLocked, Reach::Consent),
        (Cause::GrantRevoked, Reach::Consent),
        (Cause::CredentialRejected, Reach::Application),
        (Cause::ConsentMissing, Reach::Target),
        (Cause::Unknown, Reach::Target),
    ] {
        assert_eq!(cause.reach(), reach, "{cause}");
        assert_eq!(cause.concerns_whole_consent(), reach == Reach::Consent, "{cause}");
    }
}
