//! What each setting of a policy admits.

use std::time::UNIX_EPOCH;

use super::super::mfa::{MfaAnswer, SignInTime};
use super::super::scope::{Resource, Scope};
use super::*;

fn user(guest: Guest) -> ConsentingUser {
    let id = UserId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
    ConsentingUser { id, subject: "sub".to_owned(), name: None, guest, roles: None }
}

fn scopes(permissions: &[&str]) -> Scopes {
    permissions.iter().map(|p| Scope::new(Resource::Graph, p).expect("a scope")).collect()
}

fn verdict(
    policy: &Policy,
    guest: Guest,
    granted: &[&str],
    answer: MfaAnswer,
) -> Result<(), Refused> {
    let signed_in = SignInTime::between(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(60));
    policy.admit(&Candidate {
        user: &user(guest),
        registered: &scopes(&["A.Read", "B.Read"]),
        granted: &scopes(granted),
        mfa: MfaFinding::climb([(MfaSource::PartnerCenter, answer)], signed_in),
        now: UNIX_EPOCH + Duration::from_secs(600),
    })
}

#[test]
fn the_default_is_strict() {
    let both = ["A.Read", "B.Read"];
    let strict = Policy::default();
    let of = |guest, granted: &[&str], answer| verdict(&strict, guest, granted, answer);
    assert_eq!(of(Guest::No, &both, MfaAnswer::Proven), Ok(()));
    assert!(matches!(of(Guest::Yes, &both, MfaAnswer::Proven), Err(Refused::Guest(_))));
    assert!(matches!(of(Guest::Unknown, &both, MfaAnswer::Proven), Err(Refused::Guest(_))));
    assert!(matches!(
        of(Guest::No, &["A.Read"], MfaAnswer::Proven),
        Err(Refused::ScopesMissing(_))
    ));
    let more = ["A.Read", "B.Read", "C.Write"];
    assert!(matches!(of(Guest::No, &more, MfaAnswer::Proven), Err(Refused::ScopesBeyond(_))));
    assert!(matches!(
        of(Guest::No, &both, MfaAnswer::Disproven),
        Err(Refused::MfaMissing(MfaSource::PartnerCenter))
    ));
    assert_eq!(of(Guest::No, &both, MfaAnswer::Unknown), Err(Refused::MfaUnknown));
}

#[test]
fn the_age_of_a_proof_is_counted_from_its_earliest_moment() {
    //
    let both = ["A.Read", "B.Read"];
    let within = |seconds| {
        let policy = Policy::default().mfa_within(Duration::from_secs(seconds));
        verdict(&policy, Guest::No, &both, MfaAnswer::Proven)
    };
    assert_eq!(within(600), Ok(()));
    assert_eq!(within(599), Err(Refused::MfaTooLongAgo));
}
