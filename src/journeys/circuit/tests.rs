use super::*;
use crate::model::clock::VirtualClock;

const ALL: [Cause; 33] = [
    Cause::Transient,
    Cause::Throttled,
    Cause::Looping,
    Cause::GrantExpired,
    Cause::GrantRevoked,
    Cause::PasswordChanged,
    Cause::InteractionRequired,
    Cause::MfaRequired,
    Cause::MfaEnrolment,
    Cause::DeviceRequired,
    Cause::ConditionalAccess,
    Cause::PasswordReset,
    Cause::AccountLocked,
    Cause::AccountDisabled,
    Cause::AccountAtRisk,
    Cause::AccountNotFound,
    Cause::NotAssigned,
    Cause::ConsentMissing,
    Cause::AdminApprovalRequired,
    Cause::Declined,
    Cause::RelationshipMissing,
    Cause::CrossTenantPolicy,
    Cause::ApplicationMissing,
    Cause::ApplicationDisabled,
    Cause::ResourceMissing,
    Cause::RegistrationIncomplete,
    Cause::CredentialRejected,
    Cause::RedirectRefused,
    Cause::RequestMalformed,
    Cause::TenantUnknown,
    Cause::TenantGone,
    Cause::CloudMismatch,
    Cause::Unknown,
];

fn circuit() -> (VirtualClock, Circuit) {
    let clock = VirtualClock::default();
    (clock.clone(), Circuit::new(Arc::new(clock)))
}

fn tenant(number: usize) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-{number:012}")).expect("a GUID")
}

fn home(partner: usize) -> Asker {
    Asker { partner: tenant(partner), tenant: tenant(partner) }
}

fn customer(partner: usize, number: usize) -> Asker {
    Asker { partner: tenant(partner), tenant: tenant(1_000_000 * partner + number) }
}

fn meets(circuit: &Circuit, asker: Asker, cause: Cause) -> Option<Turn> {
    let pass = circuit.admit(asker).expect("leave");
    circuit.refused(&pass, cause)
}

fn works(circuit: &Circuit, asker: Asker) -> Option<Turn> {
    circuit.succeeded(&circuit.admit(asker).expect("leave"))
}

fn open(circuit: &Circuit) {
    assert_eq!(meets(circuit, home(1), Cause::CredentialRejected), None);
    let turn = meets(circuit, home(2), Cause::CredentialRejected);
    assert_eq!(turn, Some(Turn::Opened(Cause::CredentialRejected)));
}

#[test]
fn a_credential_that_is_refused_twice_in_a_row_opens_it_and_one_probe_closes_it() {
    // R-114, F-34
    let (clock, circuit) = circuit();
    open(&circuit);
    let rest = circuit.check(home(3)).expect_err("open");
    assert_eq!(rest.cause, Cause::CredentialRejected);
    assert!(rest.wait >= PAUSE / 2 && rest.wait <= PAUSE);
    assert!(circuit.admit(home(3)).is_err());

    clock.advance(PAUSE);
    let probe = circuit.admit(home(3)).expect("the probe");
    assert!(circuit.admit(home(4)).is_err(), "one at a time");
    assert_eq!(circuit.refused(&probe, Cause::CredentialRejected), None, "it was open before");
    drop(probe);
    assert!(circuit.check(home(4)).is_err());

    clock.advance(PAUSE);
    assert_eq!(works(&circuit, home(4)), Some(Turn::Closed));
    assert_eq!(works(&circuit, home(4)), None);
    assert_eq!(meets(&circuit, home(1), Cause::CredentialRejected), None, "counted anew");
}

#[test]
fn one_partner_never_opens_it_however_often_its_tenant_refuses() {
    //
    let (_clock, circuit) = circuit();
    for _ in 0..100 {
        for cause in ALL {
            assert_eq!(meets(&circuit, home(1), cause), None, "{cause}");
            assert_eq!(meets(&circuit, customer(1, 1), cause), None, "{cause}");
        }
    }
    assert_eq!(circuit.check(home(2)), Ok(()));
    let turn = meets(&circuit, home(2), Cause::CredentialRejected);
    assert_eq!(turn, Some(Turn::Opened(Cause::CredentialRejected)), "another's tenant agrees");
}

#[test]
fn a_success_in_between_clears_what_spoke_against_the_application() {
    let (_clock, circuit) = circuit();
    for _ in 0..100 {
        assert_eq!(meets(&circuit, home(1), Cause::CredentialRejected), None);
        assert_eq!(works(&circuit, customer(2, 1)), None);
    }
    for partner in 1..100 {
        assert_eq!(meets(&circuit, home(partner), Cause::ApplicationDisabled), None);
        if partner % 4 == 0 {
            works(&circuit, home(1000));
        }
    }
}

#[test]
fn evidence_that_nothing_was_added_to_for_long_is_void() {
    let (clock, circuit) = circuit();
    for _ in 0..100 {
        assert_eq!(meets(&circuit, home(1), Cause::CredentialRejected), None);
        clock.advance(WINDOW + PAUSE);
    }
}

#[test]
fn several_partners_that_meet_the_same_open_it_and_different_causes_do_not_add_up() {
    //
    for cause in
        [Cause::ApplicationDisabled, Cause::ApplicationMissing, Cause::RegistrationIncomplete]
    {
        let (_clock, circuit) = circuit();
        for partner in 1..PARTNERS {
            assert_eq!(meets(&circuit, home(partner), cause), None);
            assert_eq!(meets(&circuit, home(partner), cause), None, "again is not another");
        }
        assert_eq!(meets(&circuit, home(PARTNERS), cause), Some(Turn::Opened(cause)));
    }
    let (_clock, circuit) = circuit();
    for partner in 1..PARTNERS {
        meets(&circuit, home(partner), Cause::ApplicationDisabled);
        meets(&circuit, home(partner), Cause::ApplicationMissing);
    }
    assert_eq!(meets(&circuit, home(PARTNERS), Cause::RegistrationIncomplete), None);
}

#[test]
fn customers_of_one_partner_never_open_it_whatever_they_answer() {
    //
    let (_clock, circuit) = circuit();
    for number in 1..1000 {
        for cause in ALL {
            assert_eq!(meets(&circuit, customer(1, number), cause), None, "{cause}");
        }
    }
    for partner in 2..PARTNERS {
        assert_eq!(meets(&circuit, customer(partner, 1), Cause::CredentialRejected), None);
    }
    let last = meets(&circuit, customer(PARTNERS, 1), Cause::CredentialRejected);
    assert_eq!(last, Some(Turn::Opened(Cause::CredentialRejected)), "unrelated, and all alike");
}

#[test]
fn what_a_customers_tenant_lacks_is_its_own_affair_however_many_lack_it() {
    //
    let (_clock, circuit) = circuit();
    for cause in ALL.into_iter().filter(|cause| !cause.is_credential()) {
        for partner in 1..100 {
            assert_eq!(meets(&circuit, customer(partner, 1), cause), None, "{cause}");
        }
    }
}

#[test]
fn what_cannot_be_the_applications_fault_opens_nothing() {
    let (_clock, circuit) = circuit();
    let ours = [
        Cause::CredentialRejected,
        Cause::ApplicationDisabled,
        Cause::ApplicationMissing,
        Cause::RegistrationIncomplete,
    ];
    for cause in ALL.into_iter().filter(|cause| !ours.contains(cause)) {
        for partner in 1..100 {
            assert_eq!(meets(&circuit, home(partner), cause), None, "{cause}");
        }
    }
}

#[test]
fn a_hostile_customer_cannot_hold_it_open() {
    //
    let (clock, circuit) = circuit();
    open(&circuit);
    clock.advance(PAUSE);
    meets(&circuit, customer(7, 1), Cause::CredentialRejected);
    clock.advance(PAUSE);
    assert!(circuit.check(customer(7, 1)).is_err(), "others go first");
    assert!(circuit.check(customer(7, 2)).is_err(), "its neighbours too");
    assert_eq!(circuit.check(home(7)), Ok(()), "its partner need not wait");
    assert_eq!(works(&circuit, customer(8, 1)), Some(Turn::Closed));
}

#[test]
fn a_probe_that_tells_nothing_of_the_application_lets_the_next_try_at_once() {
    //
    let (clock, circuit) = circuit();
    open(&circuit);
    clock.advance(PAUSE);
    for cause in ALL.into_iter().filter(|cause| !cause.is_credential()) {
        assert_eq!(meets(&circuit, customer(7, 1), cause), None);
        assert_eq!(circuit.check(home(8)), Ok(()), "{cause}");
    }
    drop(circuit.admit(home(8)).expect("a probe whose flight is lost"));
    assert_eq!(works(&circuit, home(8)), Some(Turn::Closed));
}

#[test]
fn what_was_under_way_when_it_opened_changes_nothing() {
    let (_clock, circuit) = circuit();
    let (early, other) = (circuit.admit(home(8)).expect("leave"), circuit.admit(home(9)));
    open(&circuit);
    assert_eq!(circuit.succeeded(&early), None);
    assert_eq!(circuit.refused(&other.expect("leave"), Cause::CredentialRejected), None);
    drop(early);
    assert!(circuit.check(home(3)).is_err());
}
