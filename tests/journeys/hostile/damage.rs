//! Rows that were swapped, cut or changed by somebody who can write into the database.

use std::path::Path;

use cpv_consent::{Broker, Error, Resource, TenantId};

use crate::world::raw::{self, Row};
use crate::world::{HOUR, MINUTE, World};

/// Three partners with consents, in a closed store.
async fn three_partners() -> (World, [TenantId; 3]) {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    let wingtip = world.onboard_another(&broker, "wingtip").await;
    world.entra.forget_ledger();
    let partners = [world.contoso, litware, wingtip];
    (world, partners)
}

fn id(tenant: TenantId) -> String {
    tenant.to_string()
}

/// All rows but the roll, where every process has a line of its own.
fn rows(folder: &Path) -> Vec<Row> {
    raw::rows(folder).into_iter().filter(|row| row.kind != "process").collect()
}

fn consent_row(world: &World, tenant: TenantId) -> Row {
    raw::row(&world.store_folder(), "consent", &id(tenant))
}

/// Nothing at all can be done with a damaged consent, and each answer says whose it is.
async fn assert_damaged(broker: &Broker, world: &World, tenant: TenantId) {
    let partner = broker.partner(tenant);
    for outcome in [
        partner.token(Resource::PartnerCenter).await.map(drop),
        partner.token(Resource::Graph).await.map(drop),
        partner.customer(world.fabrikam).token(Resource::Graph).await.map(drop),
        partner.consent().await.map(drop),
        broker.account(world.account()).partner(tenant).token(Resource::Graph).await.map(drop),
    ] {
        let Err(Error::Damaged { kind: "consent", partner }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(partner, Some(tenant));
    }
}

async fn assert_healthy(broker: &Broker, tenant: TenantId) {
    let token = broker.partner(tenant).token(Resource::PartnerCenter).await.expect("healthy");
    assert_eq!(token.tenant(), tenant);
}

fn swap_sealed(folder: &Path, one: &str, other: &str) {
    let [first, second] = [one, other].map(|id| raw::row(folder, "consent", id).sealed);
    raw::overwrite(folder, "consent", one, &second);
    raw::overwrite(folder, "consent", other, &first);
}

/// The rows change names, and keep the partners beside them.
fn swap_ids(folder: &Path, one: &str, other: &str) {
    for (from, to) in [(one, "aside"), (other, one), ("aside", other)] {
        let rename = format!("UPDATE record SET id = '{to}' WHERE id = '{from}'");
        raw::execute(folder, "consent", &rename);
    }
}

fn swap_ids_and_partners(folder: &Path, one: &str, other: &str) {
    swap_ids(folder, one, other);
    let named = "UPDATE record SET partner = id WHERE kind = 'consent'";
    raw::execute(folder, "consent", named);
}

#[tokio::test]
async fn swapped_rows_open_for_nobody_and_harm_no_other() {
    // R-122, F-22, F-23, I2
    let swaps: [fn(&Path, &str, &str); 3] = [swap_sealed, swap_ids, swap_ids_and_partners];
    let (world, [contoso, litware, wingtip]) = three_partners().await;
    let folder = world.store_folder();
    for swap in swaps {
        let untouched = rows(&folder);
        swap(&folder, &id(contoso), &id(litware));
        let swapped = rows(&folder);
        assert!(swapped != untouched);
        let broker = world.broker().await;
        assert_damaged(&broker, &world, contoso).await;
        assert_damaged(&broker, &world, litware).await;
        assert_eq!(world.entra.ledger().len(), 0, "no request was made for either");
        assert!(rows(&folder) == swapped, "nothing was written for either");
        assert_healthy(&broker, wingtip).await;
        swap(&folder, &id(contoso), &id(litware));
        world.entra.forget_ledger();
    }
    let broker = world.broker().await;
    for tenant in [contoso, litware, wingtip] {
        assert_healthy(&broker, tenant).await;
    }
}

#[tokio::test]
async fn a_partner_column_that_was_edited_gives_nobody_anothers_token() {
    // R-122, F-23, I2
    let (world, [contoso, litware, _]) = three_partners().await;
    let edit = format!("UPDATE record SET partner = '{contoso}' WHERE id = '{litware}'");
    raw::execute(&world.store_folder(), "consent", &edit);
    let broker = world.broker().await;
    assert_healthy(&broker, contoso).await;
    match broker.partner(litware).token(Resource::PartnerCenter).await {
        Ok(token) => assert_eq!(token.tenant(), litware, "the column is an index, not the truth"),
        Err(Error::Damaged { partner, .. }) => assert_eq!(partner, Some(litware)),
        Err(other) => panic!("{other:?}"),
    }
    let consent = broker.partner(contoso).consent().await.expect("readable").expect("stored");
    assert_eq!(consent.user().id(), world.admin.id);
}

#[tokio::test]
async fn partner_keys_that_changed_places_open_for_nobody() {
    //
    let (world, [contoso, litware, wingtip]) = three_partners().await;
    let folder = world.store_folder();
    let [one, other] =
        [contoso, litware].map(|tenant| raw::row(&folder, "partner-key", &id(tenant)));
    raw::overwrite(&folder, "partner-key", &id(contoso), &other.sealed);
    raw::overwrite(&folder, "partner-key", &id(litware), &one.sealed);
    let broker = world.broker().await;
    for tenant in [contoso, litware] {
        let error = broker.partner(tenant).token(Resource::PartnerCenter).await;
        let error = error.expect_err("the key was wrapped for another");
        assert!(matches!(error, Error::Key { .. } | Error::Damaged { .. }), "{error:?}");
    }
    assert_eq!(world.entra.ledger().len(), 0);
    assert_healthy(&broker, wingtip).await;
}

/// The first and last byte of each field of an envelope.
fn borders(lengths: &[usize], total: usize) -> Vec<usize> {
    let mut places = Vec::new();
    let mut start = 0;
    for length in lengths {
        places.extend([start, start + length - 1]);
        start += length;
    }
    places.extend([start, (start + total) / 2, total - 1]);
    places
}

/// Other bytes than these, each wrong in one way.
fn harmed(sealed: &[u8], places: &[usize]) -> Vec<Vec<u8>> {
    let flipped = places.iter().flat_map(|place| {
        [0x01, 0x80].map(|bit| {
            let mut bytes = sealed.to_vec();
            bytes[*place] ^= bit;
            bytes
        })
    });
    let lengths = places.iter().copied().chain([0, sealed.len() - 1]);
    let cut = lengths.map(|length| sealed[..length].to_vec());
    let longer = [sealed, &[0]].concat();
    flipped.chain(cut).chain([longer]).collect()
}

#[tokio::test]
async fn a_changed_bit_anywhere_in_a_row_is_noticed_and_harms_no_other() {
    // R-121, F-22: magic, format, algorithm, generation, partner key, nonce, key, nonce, text
    let (world, [contoso, litware, _]) = three_partners().await;
    let folder = world.store_folder();
    let good = consent_row(&world, contoso).sealed;
    let broker = world.broker().await;
    for bad in harmed(&good, &borders(&[4, 1, 1, 8, 16, 12, 48, 12], good.len())) {
        raw::overwrite(&folder, "consent", &id(contoso), &bad);
        let outcome = broker.partner(contoso).token(Resource::PartnerCenter).await;
        let Err(Error::Damaged { kind: "consent", partner }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(partner, Some(contoso));
        assert_eq!(consent_row(&world, contoso).sealed, bad, "left as it was found");
    }
    assert_eq!(world.entra.ledger().len(), 0);
    assert_healthy(&broker, litware).await;
    raw::overwrite(&folder, "consent", &id(contoso), &good);
    assert_healthy(&broker, contoso).await;
}

#[tokio::test]
async fn a_changed_bit_anywhere_in_a_partner_key_is_noticed_and_harms_no_other() {
    // F-22: magic, format, the ring key's name, the wrapped key, its proof
    let (world, [contoso, litware, _]) = three_partners().await;
    let folder = world.store_folder();
    let good = raw::row(&folder, "partner-key", &id(contoso)).sealed;
    let broker = world.broker().await;
    for bad in harmed(&good, &borders(&[4, 1, 1, 6, 2, 60, 31], good.len())) {
        raw::overwrite(&folder, "partner-key", &id(contoso), &bad);
        let error = broker.partner(contoso).token(Resource::PartnerCenter).await;
        let error = error.expect_err("no key, no token");
        assert!(matches!(error, Error::Key { .. } | Error::Damaged { .. }), "{error:?}");
        let kept = raw::row(&folder, "partner-key", &id(contoso)).sealed;
        assert_eq!(kept, bad, "no other key is made in its place");
    }
    assert_eq!(world.entra.ledger().len(), 0);
    assert_healthy(&broker, litware).await;
    raw::overwrite(&folder, "partner-key", &id(contoso), &good);
    assert_healthy(&broker, contoso).await;
}

#[tokio::test]
async fn a_running_broker_says_what_is_damaged_once_it_reads_it() {
    // F-22: a row that was changed behind the store's back bears the revision of before, so no
    // process is told; what it knows serves until its tokens have ended
    let (world, [contoso, litware, _]) = three_partners().await;
    let broker = world.broker().await;
    assert_healthy(&broker, contoso).await;
    let other = consent_row(&world, litware).sealed;
    raw::overwrite(&world.store_folder(), "consent", &id(contoso), &other);
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    assert_damaged(&broker, &world, contoso).await;
    assert_eq!(world.entra.ledger().len(), 0);
    assert_healthy(&broker, litware).await;
}

#[tokio::test]
async fn an_older_copy_of_the_same_row_still_opens() {
    // R-123, F-24: documented; the server's own word is what counts then
    let (world, [contoso, ..]) = three_partners().await;
    let old = consent_row(&world, contoso);
    let broker = world.broker().await;
    world.clock.advance(10 * MINUTE); // a younger token is not rotated
    assert_healthy(&broker, contoso).await;
    assert!(consent_row(&world, contoso).sealed != old.sealed, "it was rotated");
    raw::overwrite(&world.store_folder(), "consent", &id(contoso), &old.sealed);
    let restarted = world.broker().await;
    assert_healthy(&restarted, contoso).await;

    world.entra.revoke_sessions(&world.admin);
    raw::overwrite(&world.store_folder(), "consent", &id(contoso), &old.sealed);
    let restarted = world.broker().await;
    let error = restarted.partner(contoso).token(Resource::PartnerCenter).await;
    let Err(Error::Entra { error, .. }) = error else { panic!("{error:?}") };
    assert_eq!(error.codes(), [50173]);
}
