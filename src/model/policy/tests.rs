//! What each setting of a policy admits.

use std::time::UNIX_EPOCH;

use super::super::mfa::{MfaAnswer, SignInTime};
use super::super::partner_kind::PartnerKind;
use super::super::role::DirectoryRole::{
    ApplicationAdministrator, GlobalAdministrator, PrivilegedRoleAdministrator,
};
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
        kind_changed: None,
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

/// A candidate that is all right but for what is changed.
struct Case {
    user: ConsentingUser,
    granted: Vec<&'static str>,
    mfa: MfaFinding,
    kind_changed: Option<(PartnerKind, PartnerKind)>,
}

impl Case {
    fn new() -> Self {
        let roles = Some(vec![DirectoryRole::DirectoryReaders.template_id().to_owned()]);
        let user = ConsentingUser { roles, ..user(Guest::No) };
        let (granted, mfa) = (vec!["A.Read"], found(MfaSource::PartnerCenter));
        Self { user, granted, mfa, kind_changed: None }
    }

    fn with_roles(roles: Option<&[DirectoryRole]>) -> Self {
        let ids = |roles: &[DirectoryRole]| {
            roles.iter().map(|role| role.template_id().to_owned()).collect()
        };
        let user = ConsentingUser { roles: roles.map(ids), ..user(Guest::No) };
        Self { user, ..Self::new() }
    }

    fn proving(mfa: MfaFinding) -> Self {
        Self { mfa, ..Self::new() }
    }

    fn asked<T>(&self, ask: impl FnOnce(&Candidate<'_>) -> T) -> T {
        ask(&Candidate {
            user: &self.user,
            registered: &scopes(&["A.Read"]),
            granted: &scopes(&self.granted),
            mfa: self.mfa,
            kind_changed: self.kind_changed,
            now: at(600),
        })
    }

    fn admitted(&self, policy: &Policy) -> Result<(), Refused> {
        let here = self.asked(|candidate| policy.admit(candidate));
        let moved = self.asked(|candidate| policy.admit_moved(candidate));
        assert_eq!(here, moved, "wherever it was confirmed");
        here
    }

    fn warned(&self, policy: &Policy) -> Vec<Warning> {
        self.asked(|candidate| policy.warnings(candidate))
    }

    fn noted(&self, policy: &Policy) -> (String, Vec<String>) {
        let note = self.asked(|candidate| policy.note(candidate));
        (note.verdict, note.warnings)
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn found(source: MfaSource) -> MfaFinding {
    MfaFinding::climb([(source, MfaAnswer::Proven)], SignInTime::between(at(0), at(60)))
}

#[test]
fn what_is_all_right_is_admitted_without_a_word() {
    let (case, policy) = (Case::new(), Policy::default());
    assert_eq!(case.admitted(&policy.clone().refusing_powerful_roles()), Ok(()));
    assert_eq!(case.warned(&policy), []);
    assert_eq!(case.noted(&policy), ("admitted".to_owned(), Vec::new()));
}

#[test]
fn a_powerful_role_is_warned_of_refused_or_ignored() {
    let two = [ApplicationAdministrator, PrivilegedRoleAdministrator, GlobalAdministrator];
    let case = Case::with_roles(Some(&two));
    let powerful = [GlobalAdministrator, PrivilegedRoleAdministrator];
    let warned = Policy::default();
    assert_eq!(case.admitted(&warned), Ok(()));
    assert_eq!(case.warned(&warned), powerful.map(Warning::PowerfulRole));
    let (verdict, names) = case.noted(&warned);
    assert_eq!(verdict, "admitted with warnings");
    let expected =
        ["powerful_role Global Administrator", "powerful_role Privileged Role Administrator"];
    assert_eq!(names, expected);
    let refusing = Policy::default().refusing_powerful_roles();
    let refused = case.admitted(&refusing).expect_err("too powerful");
    assert_eq!(refused, Refused::PowerfulRoles(powerful.to_vec()));
    let said = refused.to_string();
    assert!(said.ends_with("Global Administrator, Privileged Role Administrator"), "{said}");
    assert!(case.admitted(&refusing.clone().danger_unknown_roles()).is_err(), "these are known");
    let silent = refusing.danger_any_role();
    assert_eq!((case.admitted(&silent), case.warned(&silent)), (Ok(()), Vec::new()));
}

#[test]
fn roles_that_nobody_told_are_not_known_and_never_none() {
    let (unknown, none) = (Case::with_roles(None), Case::with_roles(Some(&[])));
    let warned = Policy::default();
    assert_eq!((unknown.admitted(&warned), none.admitted(&warned)), (Ok(()), Ok(())));
    assert_eq!(unknown.warned(&warned), [Warning::RolesUnknown]);
    assert_eq!(none.warned(&warned), []);
    let refusing = warned.refusing_powerful_roles();
    assert_eq!(unknown.admitted(&refusing), Err(Refused::RolesUnknown));
    assert_eq!(none.admitted(&refusing), Ok(()));
    let loosened = refusing.danger_unknown_roles();
    assert_eq!(unknown.admitted(&loosened), Ok(()));
    assert_eq!(unknown.warned(&loosened), [Warning::RolesUnknown], "still to be seen");
    assert_eq!(unknown.warned(&Policy::default().danger_any_role()), []);
}

#[test]
fn whatever_a_policy_lets_through_is_warned_of() {
    let loose = Policy::default()
        .danger_guests()
        .danger_scopes_beyond()
        .danger_without_mfa()
        .danger_also_believing(MfaSource::IdToken);
    let disproven = [(MfaSource::PartnerCenter, MfaAnswer::Disproven)];
    let signed_in = SignInTime::at(at(0));
    let guest = |guest| Case { user: ConsentingUser { guest, ..Case::new().user }, ..Case::new() };
    let changed = (PartnerKind::Direct, PartnerKind::IndirectReseller);
    for (case, warning, noted) in [
        (guest(Guest::Yes), Warning::Guest(Guest::Yes), "guest"),
        (guest(Guest::Unknown), Warning::Guest(Guest::Unknown), "guest_unknown"),
        (
            Case { granted: vec!["A.Read", "B.Read"], ..Case::new() },
            Warning::ScopesBeyond(scopes(&["B.Read"])),
            "scopes_beyond",
        ),
        (
            Case::proving(MfaFinding::climb(disproven, signed_in)),
            Warning::MfaMissing(MfaSource::PartnerCenter),
            "mfa_missing partner_center",
        ),
        (Case::proving(MfaFinding::Unknown), Warning::MfaUnknown, "mfa_unknown"),
        (
            Case::proving(found(MfaSource::IdToken)),
            Warning::MfaWeaker(MfaSource::IdToken),
            "mfa_weaker id_token",
        ),
        (
            Case { kind_changed: Some(changed), ..Case::new() },
            Warning::KindChanged { from: changed.0, to: changed.1 },
            "kind_changed direct indirect_reseller",
        ),
    ] {
        assert_eq!(case.admitted(&loose), Ok(()), "{noted}");
        assert_eq!(case.noted(&loose).1, [noted]);
        assert!(!warning.to_string().is_empty() && noted.starts_with(warning.as_str()));
        assert_eq!(case.warned(&loose), [warning], "{noted}");
    }
}

#[test]
fn a_source_can_be_taken_out_and_put_back_in() {
    //
    let only = Policy::default()
        .danger_also_believing(MfaSource::AccessToken)
        .danger_not_believing(MfaSource::PartnerCenter);
    let believes = |policy: &Policy| {
        [MfaSource::IdToken, MfaSource::AccessToken, MfaSource::PartnerCenter]
            .map(|source| policy.believes(source))
    };
    assert_eq!(believes(&Policy::default()), [false, false, true]);
    assert_eq!(believes(&only), [false, true, false]);
    let note = Case::new().asked(|candidate| only.note(candidate));
    assert_eq!(note.loosened, ["also_believing access_token", "not_believing partner_center"]);
    let back = only.danger_also_believing(MfaSource::PartnerCenter);
    assert_eq!(believes(&back), [false, true, true]);
}

#[test]
fn a_proof_lasts_from_its_earliest_moment_by_the_stricter_of_then_and_today() {
    //
    let lasting = |seconds| Policy::default().mfa_lasts(Duration::from_secs(seconds));
    let dated = |policy: &Policy| policy.dated(found(MfaSource::PartnerCenter));
    let proof = |finding: MfaFinding| *finding.proof().expect("proven");
    let forever = proof(dated(&Policy::default()));
    assert_eq!(forever.expires_at(), None);
    let then = proof(dated(&lasting(600)));
    assert_eq!(then.expires_at(), Some(at(600)));
    for (policy, end) in
        [(Policy::default(), 600), (lasting(700), 600), (lasting(600), 600), (lasting(500), 500)]
    {
        assert_eq!(policy.proof_end(&then), Some(at(end)));
        assert!(policy.has_expired(&then, at(end)) && !policy.has_expired(&then, at(end - 1)));
    }
    assert_eq!(lasting(500).proof_end(&forever), Some(at(500)), "of an older record, too");
    assert!(!Policy::default().has_expired(&forever, at(u64::from(u32::MAX))));
    assert_eq!(lasting(u64::MAX).proof_end(&forever), None, "longer than time");
    assert_eq!(lasting(1).dated(MfaFinding::Unknown), MfaFinding::Unknown);
}

#[test]
fn an_expired_proof_is_warned_of_and_admitted() {
    let policy = Policy::default().mfa_lasts(Duration::from_secs(600));
    let case = Case::proving(policy.dated(found(MfaSource::PartnerCenter)));
    assert_eq!(case.admitted(&policy), Ok(()));
    assert_eq!(case.warned(&policy), [Warning::MfaExpired]);
    let note = case.asked(|candidate| policy.note(candidate));
    assert_eq!((note.mfa_lasts, note.warnings), (Some(600), vec!["mfa_expired".to_owned()]));
}

#[test]
fn each_kind_has_its_own_policy_or_the_usual_one() {
    let loose = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let mut policies = Policies::default();
    policies.own.insert(PartnerKind::IndirectReseller, loose.clone());
    for kind in PartnerKind::ALL {
        let expected = match kind {
            PartnerKind::IndirectReseller => &loose,
            _ => &Policy::default(),
        };
        assert_eq!(policies.of(kind), expected, "{kind}");
    }
    policies.own.insert(PartnerKind::Direct, Policy::default().mfa_lasts(Duration::from_secs(9)));
    let proof = found(MfaSource::PartnerCenter);
    let strength = |kind| policies.strength(kind, proof.proof(), at(10));
    assert_eq!(strength(PartnerKind::Direct), None, "expired");
    assert_eq!(strength(PartnerKind::IndirectProvider), Some(MfaSource::PartnerCenter));
}
