use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::model::enforcement::Enforcement;
use crate::model::secret::RefreshToken;

const JANE: &str = "22222222-2222-4222-8222-222222222222";
const JOHN: &str = "33333333-3333-4333-8333-333333333333";
const JACK: &str = "44444444-4444-4444-8444-444444444444";
const DAY: Duration = Duration::from_secs(86_400);

fn at(days: u32) -> SystemTime {
    UNIX_EPOCH + days * DAY
}

fn id(text: &str) -> UserId {
    UserId::parse(text).expect("a GUID")
}

fn tenant(number: u32) -> TenantId {
    TenantId::parse(&format!("72f988bf-0000-4000-8000-{number:012x}")).expect("a GUID")
}

fn json_of(user: &str, generation: u64, issued: u32) -> Value {
    let user = json!({
        "id": user, "subject": "subject", "name": null, "guest": "no", "roles": null,
    });
    let seconds = unix_seconds(at(issued));
    json!({
        "consent": {
            "partner": tenant(1), "account": "panel-1", "user": user, "scopes": [], "mfa": null,
            "flow": format!("flow-{generation}"), "generation": generation, "withdrawn_at": null,
            "begun_at": seconds, "confirmed_at": seconds, "token_issued_at": seconds,
            "state": "Live",
        },
        "token": format!("refresh-token-{generation}"),
    })
}

fn consent(user: &str, generation: u64, issued: u32) -> StoredConsent {
    serde_json::from_value(json_of(user, generation, issued)).expect("a consent")
}

/// In the place of `old`, on that day.
fn next(old: &StoredConsent, user: &str, day: u32) -> StoredConsent {
    let mut next = consent(user, old.consent.generation + 1, day);
    next.past = old.past_of_next(id(user), Vec::new(), 7 * DAY, at(day));
    next
}

fn keeps_the_first(stored: &StoredConsent) -> bool {
    serde_json::to_string(stored).expect("JSON").contains("refresh-token-1")
}

fn worked(number: u32, day: u32) -> Worked {
    Worked { customer: tenant(number), resource: Resource::Graph, at: at(day) }
}

#[test]
fn a_record_of_a_version_that_knew_nothing_of_it_opens_and_stays_as_it_was() {
    let old = json_of(JANE, 1, 0);
    let read: StoredConsent = serde_json::from_value(old.clone()).expect("a consent");
    assert!(read.past.is_empty());
    assert_eq!(serde_json::to_value(&read).expect("JSON"), old, "and that version reads it");
}

#[test]
fn the_consent_before_comes_back_as_it_was_under_a_higher_generation() {
    let replaced = next(&consent(JANE, 4, 0), JOHN, 1);
    let back = replaced.rolled_back(at(2)).expect("in time");
    assert_eq!((back.consent.generation, back.consent.user.id), (6, id(JANE)));
    assert_eq!(back.consent.flow, "flow-4");
    let token = back.token.as_ref().map(|token| token.0.expose());
    assert_eq!(token, Some("refresh-token-4"));
    assert!(back.past.is_put_back() && back.past.was_rolled_back_since(at(2)));
    assert!(!back.past.was_rolled_back_since(at(3)));
    assert!(!replaced.past.is_put_back() && !replaced.past.was_rolled_back_since(at(0)));
    assert_eq!(back.rolled_back(at(2)).expect_err("once"), NoWayBack::Nothing);
}

#[test]
fn a_way_back_ends_with_its_time_or_with_its_token() {
    let replaced = next(&consent(JANE, 1, 0), JOHN, 1);
    assert!(replaced.rolled_back(at(8) - Duration::from_secs(1)).is_ok());
    assert_eq!(replaced.rolled_back(at(8)).expect_err("seven days"), NoWayBack::Over);
    let late = next(&consent(JANE, 1, 0), JOHN, 88);
    assert!(late.rolled_back(at(89)).is_ok());
    assert_eq!(late.rolled_back(at(90)).expect_err("its token is dead"), NoWayBack::Over);
    let dead = next(&consent(JANE, 1, 0), JOHN, 90);
    assert_eq!(dead.rolled_back(at(90)).expect_err("it was dead"), NoWayBack::Nothing);
    let old = consent(JANE, 1, 0);
    assert!(old.past_of_next(id(JOHN), Vec::new(), Duration::ZERO, at(1)).is_empty(), "off");
    let ever = old.past_of_next(id(JOHN), Vec::new(), Duration::MAX, at(1));
    assert_eq!(ever.previous(at(89)).map(|previous| previous.until()), Some(at(90)));
}

#[test]
fn what_was_over_is_not_kept() {
    let mut ended = consent(JANE, 1, 0);
    ended.consent.state = ConsentState::Ended { cause: Cause::GrantRevoked, since: at(1) };
    for over in [ended, consent(JANE, 1, 0).withdrawn(at(1))] {
        let replaced = next(&over, JOHN, 2);
        assert_eq!(replaced.rolled_back(at(2)).expect_err("over"), NoWayBack::Nothing);
    }
}

#[test]
fn a_withdrawal_an_export_and_an_import_leave_no_way_back() {
    let replaced = next(&consent(JANE, 1, 0), JOHN, 1);
    assert!(keeps_the_first(&replaced));
    let withdrawn = replaced.withdrawn(at(2));
    let imported = replaced.imported(None, at(2));
    for gone in [withdrawn, imported, replaced.for_export()] {
        assert_eq!(gone.rolled_back(at(2)).expect_err("dropped"), NoWayBack::Nothing);
        assert!(!keeps_the_first(&gone) && gone.past.is_empty());
    }
}

#[test]
fn the_next_write_after_its_time_drops_it() {
    let replaced = next(&consent(JANE, 1, 0), JOHN, 1);
    assert_eq!(replaced.past.lapses_at(), Some(at(8)));
    let token = || Some(RefreshToken::new("another").expect("visible ASCII"));
    let writes = |day| {
        let renewed = replaced.renewed(token(), at(day));
        let failed = replaced.failed(Cause::AccountLocked, at(day));
        let enforced = replaced.enforced(Enforcement::default().refused(at(day)));
        [renewed, failed, enforced].map(|next| next.fitting(at(day)))
    };
    for kept in writes(7) {
        assert!(keeps_the_first(&kept) && !kept.past.has_lapsed(at(7)));
    }
    assert!(replaced.past.has_lapsed(at(8)));
    for dropped in writes(8) {
        assert!(!keeps_the_first(&dropped) && dropped.past.lapses_at().is_none());
    }
}

#[test]
fn a_way_back_that_is_given_up_takes_its_token_along_and_nothing_else() {
    let mut replaced = next(&consent(JANE, 1, 0), JOHN, 1);
    replaced.past.worked = vec![worked(1, 1)];
    assert_eq!(replaced.past.behind().map(|consent| consent.generation), Some(1));
    let given_up = replaced.clone().without_way_back();
    assert!(!keeps_the_first(&given_up) && given_up.past.behind().is_none());
    assert_eq!(given_up.consent, replaced.consent);
    assert_eq!(given_up.past.worked, replaced.past.worked);
    assert_eq!(given_up.rolled_back(at(2)).expect_err("given up"), NoWayBack::Nothing);
    let back = next(&replaced.rolled_back(at(2)).expect("in time"), JANE, 3).without_way_back();
    assert!(back.past.was_rolled_back_since(at(2)), "no flow of before comes true by it");
}

#[test]
fn whoever_consents_once_more_does_not_push_out_the_way_back_to_somebody_else() {
    let of_jane = consent(JANE, 1, 0);
    let twice = next(&next(&of_jane, JOHN, 1), JOHN, 2);
    let back = twice.rolled_back(at(3)).expect("in time");
    assert_eq!(back.consent.user.id, id(JANE));
    assert_eq!(twice.rolled_back(at(8)).expect_err("its own time"), NoWayBack::Over);
    let later = next(&next(&of_jane, JOHN, 1), JOHN, 9);
    let back = later.rolled_back(at(10)).expect("Jane's time was over, so John's first is kept");
    assert_eq!(back.consent.user.id, id(JOHN));
    let third = next(&next(&of_jane, JOHN, 1), JANE, 2);
    assert_eq!(third.rolled_back(at(3)).expect("in time").consent.user.id, id(JOHN));
    let of_nobody_else = next(&next(&of_jane, JANE, 1), JANE, 2);
    let back = of_nobody_else.rolled_back(at(3)).expect("in time");
    assert_eq!(back.consent.flow, "flow-2", "the one before, and not the one before that");
    let three = next(&next(&of_jane, JOHN, 1), JACK, 2);
    assert_eq!(three.rolled_back(at(3)).expect("in time").consent.user.id, id(JOHN));
    let off = next(&of_jane, JOHN, 1).past_of_next(id(JOHN), Vec::new(), Duration::ZERO, at(2));
    assert!(off.is_empty(), "switched off, it keeps nobody's");
}

#[test]
fn an_import_leaves_of_it_what_is_of_the_same_or_when_it_was_put_back() {
    let back = next(&consent(JANE, 1, 0), JOHN, 1).rolled_back(at(2)).expect("in time");
    let replaced = next(&back, JOHN, 3);
    assert!(keeps_the_first(&replaced), "what was put back can be put back once more");
    let past = |is_same| replaced.past.beside_import(is_same);
    for same in [true, false] {
        assert!(past(same).was_rolled_back_since(at(2)), "no older flow undoes it: {same}");
    }
    assert!(past(true).previous(at(4)).is_some() && past(false).previous(at(4)).is_none());
}

#[test]
fn a_loss_says_which_customer_is_lost_where_and_why() {
    let loss = Loss { customer: tenant(1), resource: Resource::Graph, cause: Cause::GrantRevoked };
    assert_eq!((loss.customer(), loss.resource()), (tenant(1), &Resource::Graph));
    assert_eq!(loss.to_string(), format!("{} (Microsoft Graph: {})", tenant(1), loss.cause()));
}

#[test]
fn a_person_is_taken_out() {
    let mut replaced = next(&consent(JANE, 1, 0), JOHN, 1);
    assert!(!replaced.past.forget_person(id(JOHN)), "the standing one is not behind");
    assert!(replaced.past.forget_person(id(JANE)) && !replaced.past.forget_person(id(JANE)));
    assert!(!serde_json::to_string(&replaced.past).expect("JSON").contains(JANE));
}

#[test]
fn a_record_that_would_be_too_long_for_some_store_gives_up_what_is_behind_it() {
    let long = |length: usize| {
        let mut old = consent(JANE, 1, 0);
        let token = RefreshToken::new("t".repeat(length)).expect("visible ASCII");
        old.token = Some(StoredToken(token));
        next(&old, JOHN, 1).fitting(at(1))
    };
    assert!(long(12_000).rolled_back(at(2)).is_ok());
    let too_long = long(16_000);
    assert_eq!(too_long.rolled_back(at(2)).expect_err("dropped"), NoWayBack::Nothing);
    assert!(length(&too_long) < 2_000 && too_long.token.is_some());
    let fits = 12_000 + LONGEST - length(&long(12_000));
    assert_eq!(length(&long(fits)), LONGEST, "it may be as long as the limit");
    assert!(long(fits + 1).rolled_back(at(2)).is_err(), "and no longer");
}

#[test]
fn a_sample_has_each_customer_once_and_nobody_of_long_ago() {
    let seen =
        [worked(1, 40), worked(2, 39), worked(1, 38), worked(3, 9), worked(4, 50), worked(5, 10)];
    let customers = |sample: Vec<Worked>| -> Vec<TenantId> {
        sample.into_iter().map(|worked| worked.customer).collect()
    };
    let sampled = customers(sample(seen.into_iter(), at(40)));
    assert_eq!(sampled, [tenant(1), tenant(2), tenant(4), tenant(5)], "thirty days are lately");
    let many = sample((0..100).map(|number| worked(number, 40)), at(40));
    assert_eq!(customers(many), (0..8).map(tenant).collect::<Vec<_>>());
}

#[test]
fn a_customer_that_worked_is_told_by_tenant_and_api() {
    let seen = worked(1, 40);
    assert!(seen.is_at(tenant(1), &Resource::Graph));
    assert!(!seen.is_at(tenant(2), &Resource::Graph));
    assert!(!seen.is_at(tenant(1), &Resource::PartnerCenter));
}
