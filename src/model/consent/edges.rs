//! What a consent says of itself, and where each of its limits lies.

use std::time::UNIX_EPOCH;

use super::*;
use crate::model::mfa::{MfaAnswer, MfaFinding, MfaSource, SignInTime};
use crate::model::partner_kind::PartnerKind;
use crate::model::receipt::{ConsentChange, PolicyNote};
use crate::model::scope::Scope;

const PARTNER: &str = "33333333-3333-4333-8333-333333333333";
const USER: &str = "55555555-5555-4555-8555-555555555555";
const DAY: u64 = 86_400;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn proof() -> MfaProof {
    let answers = [(MfaSource::PartnerCenter, MfaAnswer::Proven)];
    let MfaFinding::Proven(proof) = MfaFinding::climb(answers, SignInTime::between(at(1), at(2)))
    else {
        panic!("proven")
    };
    proof
}

fn ann() -> ConsentingUser {
    ConsentingUser {
        id: UserId::parse(USER).expect("a GUID"),
        subject: "subject".to_owned(),
        name: Some("Ann".to_owned()),
        guest: Guest::Yes,
        roles: Some(vec!["role".to_owned()]),
    }
}

fn scopes() -> Scopes {
    Scopes::from_iter([Scope::new(Resource::Graph, "User.Read").expect("a scope")])
}

fn consent() -> Consent {
    Consent {
        partner: TenantId::parse(PARTNER).expect("a GUID"),
        account: AccountId::new("panel-1").expect("plain"),
        user: ann(),
        scopes: scopes(),
        kind: PartnerKind::Direct,
        mfa: Some(proof()),
        flow: "flow".to_owned(),
        generation: 7,
        withdrawn_at: Some(600),
        begun_at: at(700),
        confirmed_at: at(800),
        token_issued_at: at(100 * DAY),
        state: ConsentState::Live,
        enforcement: Enforcement::default(),
    }
}

fn stored() -> StoredConsent {
    let stored = serde_json::json!({ "consent": consent(), "token": "token" });
    serde_json::from_value(stored).expect("a consent")
}

fn suspended(cause: Cause, seconds: u64) -> Suspension {
    let ConsentState::Suspended(pause) = ConsentState::Live.failed(cause, at(seconds)) else {
        panic!("suspended")
    };
    pause
}

#[test]
fn it_says_whose_it_is_and_what_was_granted() {
    let consent = consent();
    assert_eq!(consent.partner().to_string(), PARTNER);
    assert_eq!(consent.account().as_str(), "panel-1");
    assert_eq!((consent.scopes(), consent.mfa()), (&scopes(), Some(&proof())));
    assert_eq!((consent.generation(), consent.confirmed_at()), (7, at(800)));
    assert_eq!(consent.state(), &ConsentState::Live);
    let user = consent.user();
    assert_eq!((user.id().to_string(), user.name()), (USER.to_owned(), Some("Ann")));
    assert_eq!(user.guest(), Guest::Yes);
    assert_eq!(user.roles(), Some(["role".to_owned()].as_slice()));
    assert_eq!(user.to_string(), format!("Ann ({USER})"));
    assert_eq!(ConsentingUser { name: None, ..ann() }.to_string(), USER);
    for kind in PartnerKind::ALL {
        assert_eq!(Consent { kind, ..self::consent() }.kind(), kind);
    }
}

#[test]
fn roles_are_known_by_name_not_known_by_name_or_not_known() {
    let of = |roles: Option<&[&str]>| {
        let roles = roles.map(|roles| roles.iter().map(|id| (*id).to_owned()).collect());
        ConsentingUser { roles, ..ann() }.directory_roles()
    };
    let readers = DirectoryRole::DirectoryReaders;
    assert_eq!(of(Some(&["role", readers.template_id()])), Some(vec![readers]));
    assert_eq!((of(Some(&["role"])), of(None)), (Some(Vec::new()), None));
}

#[test]
fn its_token_dies_ninety_days_after_its_issue() {
    assert_eq!(consent().deadline(), at(190 * DAY));
}

#[test]
fn partner_center_is_left_alone_from_the_second_refusal() {
    let enforcement = Enforcement::default().refused(at(1000)).refused(at(1001));
    assert_eq!(consent().partner_center_suspended_since(), None);
    let suspended = stored().enforced(enforcement).consent;
    assert_eq!(suspended.partner_center_suspended_since(), Some(at(1001)));
}

#[test]
fn a_withdrawal_overtakes_what_began_within_its_second() {
    //
    let withdrawn = consent();
    assert!(withdrawn.was_withdrawn_since(at(599)) && withdrawn.was_withdrawn_since(at(600)));
    assert!(!withdrawn.was_withdrawn_since(at(601)));
    let never = Consent { withdrawn_at: None, ..consent() };
    assert!(!never.was_withdrawn_since(at(0)));
}

#[test]
fn a_token_is_young_or_old_in_both_directions_of_the_clock() {
    let (consent, day) = (consent(), Duration::from_secs(DAY));
    for (days, young, old) in
        [(98, false, true), (99, false, false), (100, true, false), (101, false, false)]
    {
        assert_eq!(consent.is_younger_than(day, at(days * DAY)), young, "{days}");
        assert_eq!(consent.wants_rotation(day, at(days * DAY)), old, "{days}");
    }
    assert!(consent.is_younger_than(day, at(101 * DAY - 1)));
    assert!(consent.wants_rotation(day, at(101 * DAY + 1)));
    let unproven = Consent { state: ConsentState::Unproven { since: at(1) }, ..consent };
    assert!(unproven.wants_rotation(day, at(100 * DAY)), "nobody has seen it work");
}

#[test]
fn a_state_says_what_it_is() {
    for (state, said) in [
        (ConsentState::Live, "live"),
        (ConsentState::Unproven { since: at(1) }, "unproven"),
        (ConsentState::Suspended(suspended(Cause::AccountLocked, 1)), "suspended: account_locked"),
        (ConsentState::Ended { cause: Cause::GrantRevoked, since: at(1) }, "ended: grant_revoked"),
        (ConsentState::Withdrawn { at: at(1) }, "withdrawn"),
    ] {
        assert_eq!(state.to_string(), said);
        let consent = Consent { state: state.clone(), ..consent() };
        assert_eq!(consent.is_withdrawn(), matches!(state, ConsentState::Withdrawn { .. }));
    }
}

#[test]
fn pauses_double_from_a_minute() {
    let mut pause = suspended(Cause::AccountLocked, 1000);
    assert_eq!((pause.cause(), pause.since()), (Cause::AccountLocked, at(1000)));
    for (seconds, wait) in [(1000, 60), (2000, 120), (3000, 240), (4000, 480)] {
        assert_eq!(pause.next_probe(), at(seconds + wait));
        pause = pause.again(Cause::AccountDisabled, at(seconds + 1000));
    }
    assert_eq!((pause.cause(), pause.since()), (Cause::AccountDisabled, at(1000)));
}

#[test]
fn a_pause_holds_until_its_end_unless_no_pause_is_that_long() {
    let pause = suspended(Cause::AccountLocked, 100_000);
    assert!(pause.holds_at(at(100_000)) && pause.holds_at(at(100_059)));
    assert!(!pause.holds_at(at(100_060)) && !pause.holds_at(at(100_061)));
    let longest = 100_060 - 6 * 3600;
    assert!(pause.holds_at(at(longest)) && !pause.holds_at(at(longest - 1)));
}

#[test]
fn the_second_look_is_counted_from_the_first_of_its_kind() {
    let seen = ConsentState::Live.failed(Cause::GrantRevoked, at(0));
    let again = seen.failed(Cause::GrantExpired, at(600));
    let ended = again.failed(Cause::GrantRevoked, at(900));
    assert_eq!(ended, ConsentState::Ended { cause: Cause::GrantRevoked, since: at(900) });
    let locked = again.failed(Cause::AccountLocked, at(900));
    assert!(matches!(locked, ConsentState::Suspended(_)), "it may pass");
}

#[test]
fn an_answer_speaks_for_the_consent_as_far_as_it_reaches() {
    //
    for (cause, at_partner_center, elsewhere) in [
        (Cause::GrantRevoked, true, true),
        (Cause::AccountLocked, true, true),
        (Cause::ConsentMissing, true, false),
        (Cause::Throttled, false, false),
        (Cause::Transient, false, false),
        (Cause::CredentialRejected, false, false),
    ] {
        let concerns = |resource| concerns_consent(cause, &resource);
        assert_eq!(concerns(Resource::PartnerCenter), at_partner_center, "{cause}");
        assert_eq!(concerns(Resource::Graph), elsewhere, "{cause}");
    }
}

#[test]
fn a_success_makes_it_live_and_dates_a_new_token() {
    let failed = stored().failed(Cause::AccountLocked, at(1));
    assert!(matches!(failed.consent.state, ConsentState::Suspended(_)) && failed.token.is_some());
    let same = failed.renewed(None, at(200 * DAY));
    assert_eq!(
        (&same.consent.state, same.consent.token_issued_at),
        (&ConsentState::Live, at(100 * DAY))
    );
    let next = RefreshToken::new("next").expect("visible ASCII");
    let renewed = failed.renewed(Some(next), at(200 * DAY));
    assert_eq!(renewed.consent.token_issued_at, at(200 * DAY));
    assert_eq!(renewed.token.expect("a token").0.expose(), "next");
}

#[test]
fn what_is_withdrawn_keeps_no_token() {
    let withdrawn = stored().withdrawn(at(601));
    let consent = &withdrawn.consent;
    assert_eq!((consent.generation, consent.withdrawn_at), (8, Some(601)));
    assert_eq!(consent.state, ConsentState::Withdrawn { at: at(601) });
    assert!(withdrawn.token.is_none());
}

#[test]
fn an_import_is_to_be_proven_and_remembers_what_is_known_here() {
    let felt = Enforcement::default().refused(at(1000)).refused(at(1001));
    let ours = |flow: &str| Consent {
        flow: flow.to_owned(),
        enforcement: felt,
        withdrawn_at: Some(900),
        ..consent()
    };
    let imported = |ours: Option<&Consent>| stored().imported(ours, at(5)).consent;
    let unproven = ConsentState::Unproven { since: at(5) };
    for (ours, enforcement, withdrawn_at) in [
        (None, Enforcement::default(), Some(600)),
        (Some(ours("flow")), felt, Some(900)),
        (Some(ours("another")), Enforcement::default(), Some(900)),
    ] {
        let imported = imported(ours.as_ref());
        assert_eq!((&imported.state, imported.enforcement), (&unproven, enforcement));
        assert_eq!(imported.withdrawn_at, withdrawn_at);
    }
    let over = ConsentState::Ended { cause: Cause::GrantExpired, since: at(1) };
    let mut ended = stored();
    ended.consent.state = over.clone();
    assert_eq!(ended.imported(None, at(5)).consent.state, over);
}

#[test]
fn a_planted_generation_leaves_room() {
    assert_eq!((believed(7), believed(1 << 62)), (7, 1 << 62));
    assert_eq!((believed((1 << 62) + 1), believed(u64::MAX)), (1 << 62, 1 << 62));
}

#[test]
fn a_move_is_noted_and_a_longer_pause_is_none() {
    let pause = |cause, seconds| ConsentState::Suspended(suspended(cause, seconds));
    let live = ConsentState::Live;
    let ended = ConsentState::Ended { cause: Cause::GrantRevoked, since: at(1) };
    for (from, to, change) in [
        (&ended, &live, Some(ConsentChange::Live)),
        (&live, &live, None),
        (&live, &ConsentState::Unproven { since: at(1) }, None),
        (
            &live,
            &pause(Cause::AccountLocked, 1),
            Some(ConsentChange::Suspended { cause: Cause::AccountLocked }),
        ),
        (&pause(Cause::AccountLocked, 1), &pause(Cause::AccountDisabled, 2), None),
        (&live, &ended, Some(ConsentChange::Ended { cause: Cause::GrantRevoked })),
        (&live, &ConsentState::Withdrawn { at: at(1) }, Some(ConsentChange::Withdrawn)),
    ] {
        assert_eq!(from.change_to(to), change, "{from} to {to}");
    }
}

fn policy_note() -> PolicyNote {
    PolicyNote {
        verdict: "admitted".to_owned(),
        mfa_within: None,
        mfa_lasts: None,
        loosened: vec![],
        warnings: vec![],
    }
}

#[test]
fn what_was_granted_is_told_without_the_user() {
    let granted = consent().granted(policy_note());
    assert_eq!(granted.account().as_str(), "panel-1");
    assert_eq!(granted.roles(), Some(["role".to_owned()].as_slice()));
    assert_eq!(granted.scopes(), [scopes().iter().next().expect("one").to_string()]);
    assert_eq!(granted.second_factor(), Some(("partner_center", at(1), at(2))));
    let said = |guest| {
        let user = ConsentingUser { guest, ..ann() };
        Consent { user, ..consent() }.granted(policy_note()).guest
    };
    assert_eq!([Guest::No, Guest::Yes, Guest::Unknown].map(said), ["no", "yes", "unknown"]);
}

#[test]
fn only_a_note_of_power_names_who_gave_it() {
    let mut stored = stored();
    let granted = stored.consent.granted(policy_note());
    stored.noting(ConsentChange::Confirmed(granted), at(1));
    stored.noting(ConsentChange::Withdrawn, at(2));
    let [confirmed, withdrawn] = stored.chain.waiting.as_slice() else { panic!("two notes") };
    assert!(confirmed.names(USER) && confirmed.names("Ann") && confirmed.generation == 7);
    assert!(!withdrawn.names(USER) && withdrawn.at == at(2));
    assert!(stored.for_export().chain.is_unknown());
}
