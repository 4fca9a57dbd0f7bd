//! What each loosening lets in, and nothing else.

use std::time::UNIX_EPOCH;

use super::*;
use crate::model::mfa::{MfaAnswer, SignInTime};
use crate::model::scope::{Resource, Scope};

fn scopes(permissions: &[&str]) -> Scopes {
    permissions.iter().map(|p| Scope::new(Resource::Graph, p).expect("a scope")).collect()
}

fn user(guest: Guest) -> ConsentingUser {
    let id = UserId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
    ConsentingUser { id, subject: "sub".to_owned(), name: None, guest, roles: None }
}

fn finding(answer: MfaAnswer) -> MfaFinding {
    MfaFinding::climb([(MfaSource::PartnerCenter, answer)], SignInTime::at(UNIX_EPOCH))
}

/// What a policy says of a consent that grants this, and of the same where it came in an export.
fn verdicts(
    policy: &Policy,
    guest: Guest,
    granted: &[&str],
    answer: MfaAnswer,
) -> [Result<(), Refused>; 2] {
    let (user, registered, granted) = (user(guest), scopes(&["A", "B"]), scopes(granted));
    let candidate = Candidate {
        user: &user,
        registered: &registered,
        granted: &granted,
        mfa: finding(answer),
        kind_changed: None,
        now: UNIX_EPOCH + Duration::from_secs(600),
    };
    [policy.admit(&candidate), policy.admit_moved(&candidate)]
}

#[test]
fn what_was_moved_may_grant_less_and_nothing_else() {
    let strict = Policy::default();
    let of = |guest, granted: &[&str], answer| verdicts(&strict, guest, granted, answer);
    let missing = Err(Refused::ScopesMissing(scopes(&["B"])));
    assert_eq!(of(Guest::No, &["A"], MfaAnswer::Proven), [missing, Ok(())]);
    let beyond = Err(Refused::ScopesBeyond(scopes(&["C"])));
    let both = |refused: Result<(), Refused>| [refused.clone(), refused];
    assert_eq!(of(Guest::No, &["A", "B", "C"], MfaAnswer::Proven), both(beyond));
    let guest = Err(Refused::Guest(Guest::Yes));
    assert_eq!(of(Guest::Yes, &["A", "B"], MfaAnswer::Proven), both(guest));
    let unknown = Err(Refused::MfaUnknown);
    assert_eq!(of(Guest::No, &["A", "B"], MfaAnswer::Unknown), both(unknown));
}

#[test]
fn each_loosening_lets_in_what_it_names() {
    let whole = ["A", "B"];
    let admits = |policy: Policy, guest, granted: &[&str], answer| {
        verdicts(&policy, guest, granted, answer) == [Ok(()), Ok(())]
    };
    let proven = MfaAnswer::Proven;
    let strict = Policy::default;
    assert!(admits(strict().danger_guests(), Guest::Yes, &whole, proven));
    assert!(admits(strict().danger_guests(), Guest::Unknown, &whole, proven));
    assert!(admits(strict().danger_unknown_guests(), Guest::Unknown, &whole, proven));
    assert!(!admits(strict().danger_unknown_guests(), Guest::Yes, &whole, proven));
    assert!(admits(strict().danger_scopes_beyond(), Guest::No, &["A", "B", "C"], proven));
    for answer in [MfaAnswer::Unknown, MfaAnswer::Disproven] {
        assert!(admits(strict().danger_without_mfa(), Guest::No, &whole, answer));
        assert!(!admits(strict().danger_guests(), Guest::No, &whole, answer));
    }
}

#[test]
fn partner_center_alone_is_believed_unless_another_source_is_named() {
    let strict = Policy::default();
    assert!(strict.believes(MfaSource::PartnerCenter) && !strict.believes(MfaSource::IdToken));
    let looser = strict.danger_also_believing(MfaSource::IdToken);
    assert!(looser.believes(MfaSource::IdToken) && !looser.believes(MfaSource::AccessToken));
}

#[test]
fn a_receipt_names_every_loosening() {
    let (user, scopes) = (user(Guest::No), scopes(&["A"]));
    let candidate = Candidate {
        user: &user,
        registered: &scopes,
        granted: &scopes,
        mfa: finding(MfaAnswer::Proven),
        kind_changed: None,
        now: UNIX_EPOCH,
    };
    let strict = Policy::default().note(&candidate);
    assert_eq!((strict.verdict.as_str(), strict.mfa_within), ("admitted with warnings", None));
    assert_eq!(strict.loosened, Vec::<String>::new());
    let loose = Policy::default()
        .mfa_within(Duration::from_secs(600))
        .danger_also_believing(MfaSource::IdToken)
        .danger_without_mfa()
        .danger_guests()
        .danger_scopes_beyond();
    let note = loose.note(&candidate);
    assert_eq!(note.mfa_within, Some(600));
    let said =
        ["also_believing id_token", "without_mfa", "guests", "unknown_guests", "scopes_beyond"];
    assert_eq!(note.loosened, said);
}

#[test]
fn the_vendors_own_tenant_and_personal_accounts_are_no_partners() {
    //
    let tenant = |text| TenantId::parse(text).expect("a GUID");
    let home = tenant("11111111-1111-4111-8111-111111111111");
    let partner = tenant("33333333-3333-4333-8333-333333333333");
    let personal = tenant("9188040d-6c67-4c5b-b112-36a304b66dad");
    assert_eq!(admit_tenant(partner, home), Ok(()));
    assert_eq!(admit_tenant(home, home), Err(Refused::HomeTenant(home)));
    assert_eq!(admit_tenant(personal, home), Err(Refused::PersonalAccount));
}
