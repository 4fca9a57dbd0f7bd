//! What each loosening lets in, and nothing else.

use std::time::UNIX_EPOCH;

use super::*;
use crate::model::consent::Consent;
use crate::model::entra_error::Cause;
use crate::model::mfa::{MfaAnswer, SignInTime};
use crate::model::partner_kind::PartnerKind;
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

#[test]
fn roles_are_looked_at_unless_any_will_do() {
    let strict = Policy::default().refusing_powerful_roles();
    assert!(!Policy::default().ignores_roles() && !strict.ignores_roles());
    assert!(strict.danger_any_role().ignores_roles());
}

/// A consent of this kind, with a proof of a sign-in at the beginning of 1970 or with none.
fn consent(kind: PartnerKind, proven: bool) -> Consent {
    let partner = TenantId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
    let proof = finding(MfaAnswer::Proven).proof().copied().filter(|_| proven);
    let consent = serde_json::json!({
        "partner": partner, "account": "panel-1", "kind": kind, "user": user(Guest::No),
        "scopes": [], "mfa": proof, "flow": "flow", "generation": 1, "withdrawn_at": null,
        "begun_at": 0, "confirmed_at": 0, "token_issued_at": 0, "state": "Live",
    });
    serde_json::from_value(consent).expect("a consent")
}

#[test]
fn a_proof_ends_as_the_policy_of_its_partners_kind_says() {
    let mut policies = Policies::default();
    let lasting = Policy::default().mfa_lasts(Duration::from_secs(600));
    policies.own.insert(PartnerKind::IndirectReseller, lasting);
    let end = |kind, proven| policies.proof_end(&consent(kind, proven));
    let in_time = UNIX_EPOCH + Duration::from_secs(600);
    assert_eq!(end(PartnerKind::IndirectReseller, true), Some(in_time));
    assert_eq!(end(PartnerKind::IndirectReseller, false), None, "nothing to end");
    assert_eq!(end(PartnerKind::Direct, true), None, "the usual policy lets it last");
}

#[test]
fn customers_that_would_be_lost_are_named() {
    let tenant = |text| TenantId::parse(text).expect("a GUID");
    let partner = tenant("33333333-3333-4333-8333-333333333333");
    let losses = ["44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555"];
    let loss = |customer| Loss {
        customer: tenant(customer),
        resource: Resource::Graph,
        cause: Cause::ConsentMissing,
    };
    let said = Refused::LosesCustomers { partner, losses: losses.map(loss).into() }.to_string();
    let ([one, other], why) = (losses, "Microsoft Graph: consent_missing");
    let named = format!("{one} ({why}), {other} ({why})");
    assert!(said.contains(&partner.to_string()) && said.ends_with(&named), "{said}");
}
