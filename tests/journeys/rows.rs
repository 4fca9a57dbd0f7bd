//! Every number that Entra may refuse a redemption with: whose turn it is, and what it may end.
//!
//! The sheet is written from Microsoft's page on error codes, not from the crate's own table, and
//! each row goes over the wire: the emulator refuses, the broker judges.

mod doors;

use std::sync::Arc;
use std::time::Duration;

use crate::world::{GRAPH, HOUR, World};
use cpv_consent::emulator::{Failure, Rule, Scripted};
use cpv_consent::store::{Memory, Store};
use cpv_consent::{Broker, ConsentState, Error, Remedy, Resource, TenantId};

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nobody's: it passes.
    Wait,
    /// The partner's user, by consenting again.
    Consent,
    /// The partner's, by granting the application in the customer's tenant.
    Grant,
    /// The partner's and the customer's, by their relationship.
    Relationship,
    /// An administrator's of the tenant that refused.
    Here,
    /// An administrator's of the partner's tenant.
    Partner,
    /// The vendor's.
    Vendor,
    /// Whoever reads the report.
    Report,
}

use Turn::{Consent, Grant, Here, Partner, Relationship, Report, Vendor, Wait};

/// Numbers, whose turn at the partner's own tenant, whose at a customer's.
type Row = (&'static [u32], Turn, Turn);

/// Refusals after which the refresh token is dead, if the partner's own tenant says so twice.
#[rustfmt::skip]
const ENDING: &[Row] = &[
    (&[700082, 70008, 50173, 70000, 70043, 50089, 50132, 50133], Consent, Consent),
];

/// Refusals that end nothing.
#[rustfmt::skip]
const PASSING: &[Row] = &[
    (&[50000, 50033, 90006, 90024, 90090, 90012, 90033, 90055, 50087, 50088, 650051, 90036], Wait, Wait),
    (&[50196], Report, Report),
    (&[50078, 50076, 50074, 50072, 50079, 50158, 53004, 53010], Consent, Consent),
    (&[50097, 50155, 50187, 53000, 53001, 53002], Here, Here),
    (&[53003, 530032, 530035, 50131], Here, Here),
    (&[50125, 50135, 50144, 50055, 53011, 530034, 50053, 50057, 50105], Partner, Partner),
    (&[50034, 51004], Partner, Relationship),
    (&[50020, 16000, 16003, 50014, 90072], Consent, Relationship),
    (&[50177, 50178, 500021, 500022, 500212, 500213], Here, Here),
    (&[65001, 90099, 90008, 90094, 90095, 700016, 700011, 7000229], Consent, Grant),
    (&[65004, 9002341, 700020, 50058, 50085, 50140], Consent, Consent),
    (&[65005, 650053, 650056, 650057, 50194], Vendor, Vendor),
    (&[650052, 650054, 50001, 500011], Here, Here),
    (&[70001, 7000112, 1000031], Vendor, Here),
    (&[70002, 7000215, 7000222, 700027, 7000218, 700025], Vendor, Vendor),
    (&[50012, 700030, 50048, 50013, 50027, 500133, 900384, 70021, 700229], Vendor, Vendor),
    (&[700021, 700024, 1000502, 700211, 700212, 700213], Vendor, Vendor),
    (&[50011, 70004, 900971], Vendor, Vendor),
    (&[700054, 70005, 70007, 54005, 700005, 50147, 501481, 501491], Report, Report),
    (&[70011, 70003, 28002, 28003, 700022, 700023, 901002], Report, Report),
    (&[900144, 90014, 90023, 90100, 9002313, 9001023, 90124, 90130], Report, Report),
    (&[90002, 50128, 50059, 90019], Vendor, Relationship),
    (&[5000224, 900023], Partner, Relationship),
    (&[90038, 90043, 90051, 900382, 900432, 1000104], Vendor, Vendor),
];

#[tokio::test]
async fn every_number_says_whose_turn_it_is_and_only_listed_ones_end_a_consent() {
    //
    let scene = Scene::new().await;
    for (ends, rows) in [(false, PASSING), (true, ENDING)] {
        for (numbers, at_partner, at_customer) in rows {
            for number in *numbers {
                let partner = scene.partner(&number.to_string()).await;
                let failure = Failure::aadsts(*number);
                scene.refused_at_a_customer(&partner, failure.clone(), *at_customer).await;
                scene.refused_at_home(&partner, failure, *at_partner).await;
                assert_eq!(scene.has_ended(&partner).await, ends, "AADSTS{number}");
            }
        }
    }
}

#[tokio::test]
async fn a_number_that_nobody_listed_ends_nothing() {
    let scene = Scene::new().await;
    let partner = scene.partner("unheard-of").await;
    scene.refused_at_a_customer(&partner, Failure::aadsts(999_999), Consent).await;
    scene.refused_at_home(&partner, Failure::aadsts(999_999), Consent).await;
    assert!(!scene.has_ended(&partner).await);
}

#[tokio::test]
async fn no_other_spelling_of_a_refusal_ends_a_consent() {
    let scene = Scene::new().await;
    let partner = scene.partner("spelt-anew").await;
    for (numbers, ..) in PASSING {
        for number in *numbers {
            for (status, error, suberror) in spellings(*number) {
                let failure = Failure::aadsts(*number).error(error).suberror(suberror);
                scene.looked_at_twice(&partner, failure.with_status(status)).await;
                let ended = scene.has_ended(&partner).await;
                assert!(!ended, "AADSTS{number} as {status} {error} {suberror:?} ended it");
            }
        }
    }
}

#[tokio::test]
async fn no_other_spelling_of_what_ends_a_consent_ends_more() {
    let scene = Scene::new().await;
    for (numbers, ..) in ENDING {
        for number in *numbers {
            let partner = scene.partner(&format!("{number}-spelt-anew")).await;
            for (error, suberror) in SPELLINGS {
                for status in STATUSES {
                    let failure = Failure::aadsts(*number).error(error).suberror(*suberror);
                    let at_customer = scene.refuse(partner.customer, failure.with_status(status));
                    scene.look_twice_at_customer(&partner).await;
                    met(at_customer, 2);
                    let ended = scene.has_ended(&partner).await;
                    assert!(!ended, "a customer's {number} as {status} {error} {suberror:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn no_suberror_keeps_a_dead_consent_alive_and_nothing_else_is_ended_by_it() {
    let scene = Scene::new().await;
    for (numbers, ..) in ENDING {
        for number in *numbers {
            for suberror in [None, Some("bad_token"), Some("basic_action"), Some("token_expired")] {
                let partner = scene.partner(&format!("{number}-{suberror:?}")).await;
                let failure = Failure::aadsts(*number).suberror(suberror);
                let at_customer = scene.refuse(partner.customer, failure.clone());
                scene.look_twice_at_customer(&partner).await;
                met(at_customer, 2);
                assert!(!scene.has_ended(&partner).await, "a customer's word about {number}");
                scene.looked_at_twice(&partner, failure).await;
                assert!(scene.has_ended(&partner).await, "AADSTS{number} with {suberror:?}");
            }
        }
    }
}

/// How Entra might spell what its documentation leaves open.
const SPELLINGS: &[(&str, Option<&str>)] = &[
    ("invalid_grant", None),
    ("invalid_grant", Some("bad_token")),
    ("invalid_grant", Some("consent_required")),
    ("invalid_grant", Some("message_only")),
    ("invalid_grant", Some("basic_action")),
    ("invalid_grant", Some("client_mismatch")),
    ("invalid_grant", Some("token_expired")),
    ("invalid_client", None),
    ("interaction_required", Some("basic_action")),
    ("consent_required", None),
    ("login_required", None),
    ("unauthorized_client", None),
    ("access_denied", None),
];
const STATUSES: [u16; 3] = [400, 401, 403];

/// Each spelling with one status or another, so that the numbers together see all of them.
fn spellings(number: u32) -> impl Iterator<Item = (u16, &'static str, Option<&'static str>)> {
    let statuses = STATUSES.into_iter().cycle().skip(number as usize % STATUSES.len());
    SPELLINGS.iter().zip(statuses).map(|((error, suberror), status)| (status, *error, *suberror))
}

struct Scene {
    world: World,
    store: Arc<dyn Store>,
    broker: Broker,
}

/// A partner with a consent, and two customers that have granted what is asked for.
struct Onboarded {
    tenant: TenantId,
    customer: TenantId,
    other: TenantId,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let broker = world.builder(store.clone()).build().await.expect("a broker");
        Self { world, store, broker }
    }

    async fn partner(&self, name: &str) -> Onboarded {
        let tenant = self.world.onboard_another(&self.broker, name).await;
        let [customer, other] = ["One", "Another"].map(|name| {
            let customer = self.world.entra.add_customer(tenant, name);
            self.world.entra.grant(
                customer,
                self.world.app.client_id(),
                GRAPH,
                &["Directory.Read.All"],
            );
            customer
        });
        self.world.clock.advance(2 * HOUR);
        Onboarded { tenant, customer, other }
    }

    fn refuse(&self, at: TenantId, failure: Failure) -> Scripted {
        self.world.entra.fail_tokens(Rule::any().tenant(at), failure)
    }

    /// One customer's refusal is told, and no other tenant is concerned.
    async fn refused_at_a_customer(&self, of: &Onboarded, failure: Failure, turn: Turn) {
        let scripted = self.refuse(of.customer, failure);
        let error = self.at_customer(of).await.expect_err("refused");
        assert_eq!(turn_of(&error, of.tenant, of.customer), turn, "{error}");
        let partner = self.broker.partner(of.tenant);
        partner.customer(of.other).token(Resource::Graph).await.expect("another customer");
        met(scripted, 1);
        let consent = partner.consent().await.expect("readable").expect("stored");
        assert_eq!(*consent.state(), ConsentState::Live, "{error}");
    }

    async fn refused_at_home(&self, of: &Onboarded, failure: Failure, turn: Turn) {
        let scripted = self.refuse(of.tenant, failure);
        self.world.clock.advance(2 * HOUR);
        let error = self.at_home(of).await.expect_err("refused");
        assert_eq!(turn_of(&error, of.tenant, of.tenant), turn, "{error}");
        assert!(!self.has_ended(of).await, "one look ended the consent: {error}");
        self.look_twice(of).await;
        met(scripted, 2);
    }

    async fn looked_at_twice(&self, of: &Onboarded, failure: Failure) {
        let scripted = self.refuse(of.tenant, failure);
        self.look_twice(of).await;
        met(scripted, 2);
    }

    /// Asks at the partner's own tenant, far enough apart to be two looks.
    async fn look_twice(&self, of: &Onboarded) {
        for _ in 0..2 {
            self.world.clock.advance(LONGEST_PAUSE);
            self.at_home(of).await.expect_err("refused");
        }
    }

    async fn look_twice_at_customer(&self, of: &Onboarded) {
        for _ in 0..2 {
            self.world.clock.advance(HOUR);
            self.at_customer(of).await.expect_err("refused");
        }
    }

    async fn at_home(&self, of: &Onboarded) -> Result<(), Error> {
        self.broker.partner(of.tenant).token(Resource::PartnerCenter).await.map(drop)
    }

    async fn at_customer(&self, of: &Onboarded) -> Result<(), Error> {
        let partner = self.broker.partner(of.tenant);
        partner.customer(of.customer).token(Resource::Graph).await.map(drop)
    }

    async fn has_ended(&self, of: &Onboarded) -> bool {
        let consent = self.broker.partner(of.tenant).consent().await.expect("readable");
        matches!(consent.expect("stored").state(), ConsentState::Ended { .. })
    }
}

/// The refusals went over the wire; a broker that asks nobody would end nothing either.
fn met(scripted: Scripted, least: u64) {
    let hits = scripted.hits();
    assert!(hits >= least, "{hits} requests were refused, not {least}");
    scripted.clear();
}

fn turn_of(error: &Error, partner: TenantId, here: TenantId) -> Turn {
    match error.remedy() {
        Remedy::Retry { .. } => Wait,
        Remedy::AskConsentAgain { .. } => Consent,
        Remedy::GrantInCustomer => Grant,
        Remedy::FixRelationship { customer } if customer == here => Relationship,
        Remedy::AskAdministrator { tenant, .. } if tenant == here && here != partner => Here,
        Remedy::AskAdministrator { tenant, why } if tenant == partner => {
            if here == partner && THEIR_POLICY.contains(&why.as_str()) { Here } else { Partner }
        }
        Remedy::FixRegistration => Vendor,
        Remedy::ReportDefect => Report,
        other => panic!("{other:?} for {error}"),
    }
}

/// What is a tenant's matter rather than the account's.
const THEIR_POLICY: [&str; 4] =
    ["conditional_access", "device_required", "cross_tenant_policy", "resource_missing"];
/// The pause before a suspended consent is looked at again grows up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
