//! What a refusal changes in the store, through each door that leads to Entra: the records are
//! compared before and after, by kind and id.

use std::collections::{BTreeMap, BTreeSet};

use cpv_consent::emulator::{Failure, Scripted};
use cpv_consent::store::{Filter, Kind, Revision, Selection};
use cpv_consent::{Error, Event, Resource, Token};

use crate::rows::{ENDING, Onboarded, PASSING, Scene, met};
use crate::world::{DAY, HOUR, MINUTE};

/// What a refusal at the partner's own tenant says something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Says {
    /// Nothing of the consent: it passes, is the vendor's, or about this request.
    Nothing,
    /// Whether this API is to be had: of the consent, where that is Partner Center.
    OfThisApi,
    /// Whether anything is: the account or its grant.
    OfTheConsent,
}

/// From Microsoft's page, as the sheet of turns is.
#[rustfmt::skip]
const NOTHING: &[u32] = &[
    50000, 50033, 90006, 90024, 90090, 90012, 90033, 90055, 50087, 50088, 650051, 90036, 65004,
    70002, 7000215, 7000222, 700027, 7000218, 700025, 50012, 700030, 50048, 50013, 50027, 500133,
    900384, 70021, 700229, 50011, 70004, 900971, 700054, 70005, 70007, 54005, 700005, 50147, 501481,
    501491, 70011, 70003, 28002, 28003, 700022, 700023, 901002, 900144, 90014, 90023, 90100,
    9002313, 9001023, 90124, 90130, 700021, 700024, 1000502, 700211, 700212, 700213,
];
#[rustfmt::skip]
const OF_THE_CONSENT: &[u32] = &[
    700082, 70008, 50173, 70000, 70043, 50089, 50132, 50133, 50196, 50072, 50079, 53004, 53010,
    50125, 50135, 50144, 50055, 53011, 530034, 50053, 50057, 50105, 90094, 90095,
];

fn says(number: u32) -> Says {
    match number {
        number if NOTHING.contains(&number) => Says::Nothing,
        number if OF_THE_CONSENT.contains(&number) => Says::OfTheConsent,
        _ => Says::OfThisApi,
    }
}

/// A way to Entra.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// Another API than Partner Center, at the partner's own tenant.
    Partner,
    /// Partner Center there.
    PartnerCenter,
    /// Its successor, fetched in the background while the last one serves.
    Renewal,
    /// The rotation that a customer's token causes once the refresh token is a week old.
    Rotation,
    /// A customer's tenant.
    Customer,
    /// Partner Center at a customer's tenant.
    PartnerCenterOfCustomer,
}

const DOORS: [Door; 6] = [
    Door::Customer,
    Door::PartnerCenterOfCustomer,
    Door::Partner,
    Door::PartnerCenter,
    Door::Renewal,
    Door::Rotation,
];

impl Door {
    /// From which word of Entra's on a refusal here moves the partner's consent, if any does.
    const fn moved_from(self) -> Option<Says> {
        match self {
            Self::Partner => Some(Says::OfTheConsent),
            Self::PartnerCenter | Self::Renewal | Self::Rotation => Some(Says::OfThisApi),
            Self::Customer | Self::PartnerCenterOfCustomer => None,
        }
    }
}

#[tokio::test]
async fn a_refusal_changes_one_record_at_most_and_only_through_the_partners_own_doors() {
    //
    let mut stage = Stage::new().await;
    for (numbers, ..) in PASSING.iter().chain(ENDING) {
        // A delegated administration lasts two years at most.
        stage.of = stage.partner(&format!("refused-{}", numbers[0])).await;
        for number in *numbers {
            for door in DOORS {
                let changed = stage.refused(door, *number).await;
                let moves = door.moved_from().is_some_and(|from| says(*number) >= from);
                let consent = ("consent".to_owned(), stage.of.tenant.to_string());
                let expected = BTreeSet::from_iter(moves.then_some(consent));
                assert_eq!(changed, expected, "AADSTS{number} through {door:?}");
            }
        }
    }
}

/// Partners with customers, one of whom is refused.
struct Stage {
    scene: Scene,
    of: Onboarded,
}

impl Stage {
    async fn new() -> Self {
        let scene = Scene::new().await;
        scene.world.entra.access_tokens_live(HOUR, HOUR);
        let of = scene.partner("beside").await;
        scene.at_customer(&of).await.expect("a token");
        Self { scene, of }
    }

    async fn partner(&self, name: &str) -> Onboarded {
        let partner = self.scene.partner(name).await;
        self.scene.world.clock.advance(DAY);
        self.scene.broker.sweep().await.expect("nothing is left to be swept later");
        partner
    }

    /// Which records one refusal through this door changes.
    async fn refused(&self, door: Door, number: u32) -> BTreeSet<(String, String)> {
        self.settle().await;
        let wait = match door {
            Door::Customer | Door::PartnerCenterOfCustomer => MINUTE,
            Door::Renewal => 55 * MINUTE,
            Door::Partner | Door::PartnerCenter => 2 * HOUR,
            Door::Rotation => 8 * DAY,
        };
        self.scene.world.clock.advance(wait);
        let here = if door.moved_from().is_some() { self.of.tenant } else { self.of.customer };
        let scripted = self.scene.refuse(here, Failure::aadsts(number));
        let before = self.records().await;
        self.enter(door, &scripted).await;
        met(scripted, 1);
        let after = self.records().await;
        let keys = before.keys().chain(after.keys());
        keys.filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
    }

    /// What was refused is over, and the consent is live and young.
    async fn settle(&self) {
        self.scene.world.clock.advance(2 * HOUR);
        self.scene.at_home(&self.of).await.expect("a token");
    }

    async fn enter(&self, door: Door, scripted: &Scripted) {
        let partner = self.scene.broker.partner(self.of.tenant);
        let (customer, other) =
            (partner.customer(self.of.customer), partner.customer(self.of.other));
        match door {
            Door::Partner => is_refused(partner.token(Resource::Graph).await),
            Door::PartnerCenter => is_refused(partner.token(Resource::PartnerCenter).await),
            Door::Customer => is_refused(customer.token(Resource::Graph).await),
            Door::PartnerCenterOfCustomer => {
                is_refused(customer.token(Resource::PartnerCenter).await);
            }
            Door::Rotation => drop(other.token(Resource::Graph).await.expect("it is not refused")),
            Door::Renewal => {
                let told = self.failing();
                partner.token(Resource::PartnerCenter).await.expect("one that still serves");
                while self.failing() == told {
                    tokio::task::yield_now().await;
                }
                assert_eq!(scripted.hits(), 1, "asked once in the background");
            }
        }
    }

    /// How often a valid token was kept because its successor could not be had.
    fn failing(&self) -> usize {
        let events = self.scene.world.events.lock().expect("events");
        let failing = |event: &&Event| matches!(event, Event::ServedWhileFailing { .. });
        events.iter().filter(failing).count()
    }

    /// All that is stored, by kind and id.
    async fn records(&self) -> BTreeMap<(String, String), (Revision, Vec<u8>)> {
        let mut records = BTreeMap::new();
        for kind in Kind::ALL {
            let (realm, selection) = (self.scene.world.app.realm(), Selection::All);
            let filter = Filter { realm, kind, selection, cursor: None, limit: usize::MAX };
            let page = self.scene.store.list(filter).await.expect("readable");
            assert!(page.next.is_none() && page.damaged.is_empty());
            for row in page.records {
                let key = (kind.name().to_owned(), row.key.id().to_owned());
                records.insert(key, (row.revision, row.entry.sealed.as_bytes().to_vec()));
            }
        }
        records
    }
}

#[track_caller]
fn is_refused(outcome: Result<Token, Error>) {
    let error = outcome.expect_err("refused");
    assert!(matches!(error, Error::Entra { .. }), "{error:?}");
}
