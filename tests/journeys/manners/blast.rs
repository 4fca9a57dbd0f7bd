//! The blast radius of a customer's tenant: itself.

use cpv_consent::emulator::{Aadsts, Failure, Rule};
use cpv_consent::{Broker, Event, TenantId};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tokio::runtime::Runtime;

use crate::manners::{add_customer, at};
use crate::world::{HOUR, MINUTE, World, raw};

struct Stage {
    world: World,
    broker: Broker,
    /// One partner's customers, who answer whatever they like: more than it takes unrelated tenants to
    /// speak against the application.
    hostile: [TenantId; 6],
    /// Partners beside each other, each with a customer that is none of their business.
    peaceful: [(TenantId, TenantId); 2],
    rows: Vec<raw::Row>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        let northwind = world.onboard_another(&broker, "northwind").await;
        let names = ["One", "Two", "Three", "Four", "Five", "Six"];
        let hostile = names.map(|name| add_customer(&world, world.contoso, name));
        let beside = add_customer(&world, northwind, "Adatum");
        let peaceful = [(world.contoso, world.fabrikam), (northwind, beside)];
        world.entra.access_tokens_live(HOUR, HOUR);
        let rows = consents(&world);
        Self { world, broker, hostile, peaceful, rows }
    }

    /// These customers answer so, one after the other, and nobody else is any worse for it.
    async fn answer(&self, customers: &[TenantId], code: u32) {
        for customer in customers {
            let rule = Rule::any().tenant(*customer);
            let scripted = self.world.entra.fail_tokens(rule, Failure::aadsts(code));
            let refused = at(&self.broker, self.world.contoso, *customer).await;
            refused.expect_err("whatever it is, it is no token");
            scripted.clear();
        }
        for (partner, customer) in self.peaceful {
            let token = at(&self.broker, partner, customer).await;
            token.unwrap_or_else(|error| panic!("{code} reached {partner}: {error}"));
        }
    }

    /// Every partner's row is what it was, byte for byte, and no alarm was raised.
    fn assert_untouched(&self) {
        assert!(consents(&self.world) == self.rows, "a consent was written");
        let alarming = |event: &&Event| {
            matches!(
                event,
                Event::StateChanged { .. } | Event::CircuitOpened { .. } | Event::FleetHeld { .. }
            )
        };
        assert_eq!(self.world.events().iter().find(alarming), None);
    }
}

fn consents(world: &World) -> Vec<raw::Row> {
    let rows = raw::rows(&world.store_folder());
    rows.into_iter().filter(|row| row.kind == "consent").collect()
}

fn codes() -> Vec<u32> {
    Aadsts::all().map(|row| row.number).chain([4_242_424]).collect()
}

#[tokio::test]
async fn hostile_customers_who_cycle_through_every_code_change_nothing_for_anybody_else() {
    //
    let stage = Stage::new().await;
    for code in codes() {
        stage.answer(&stage.hostile[..1], code).await;
        stage.answer(&stage.hostile[1..], code).await;
        stage.world.clock.advance(25 * MINUTE);
    }
    stage.assert_untouched();
    at(&stage.broker, stage.world.contoso, stage.hostile[0]).await.expect("it behaves again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_customer_failures_moves_a_partners_consent(
        answers in prop::collection::vec((0..6_usize, 0..codes().len(), 0..30_u32), 1..40)
    ) {
        //
        let runtime = Runtime::new().map_err(|error| TestCaseError::fail(error.to_string()))?;
        runtime.block_on(async {
            let (stage, codes) = (Stage::new().await, codes());
            for (customer, code, minutes) in answers {
                stage.answer(&stage.hostile[customer..=customer], codes[code]).await;
                stage.world.clock.advance(minutes * MINUTE);
            }
            stage.assert_untouched();
        });
    }
}
