//! The consent before, once its time is over: in whose record it lies nobody may write for months.

use cpv_consent::store::Kind;
use cpv_consent::{Broker, Clock, MfaMissing, Resource};

use super::{found_by, replaced, standing};
use crate::world::{DAY, MINUTE, World, raw};

fn row(world: &World) -> raw::Row {
    raw::row(&world.store_folder(), "consent", &world.contoso.to_string())
}

/// When the store says that the record wants attention.
fn due(world: &World) -> Option<i64> {
    let file = world.store_folder().join("records.sqlite3");
    let db = rusqlite::Connection::open(file).expect("a database");
    let sql = "SELECT due FROM record WHERE kind = 'consent'";
    db.query_row(sql, [], |row| row.get(0)).expect("one row")
}

fn set_due(world: &World, due: i64) {
    let sql = format!("UPDATE record SET due = {due} WHERE kind = 'consent'");
    raw::execute(&world.store_folder(), "consent", &sql);
}

/// By this broker, or by itself meanwhile, since the time has come.
async fn sweep(broker: &Broker) {
    broker.sweep().await.expect("swept");
}

#[tokio::test]
async fn a_sweep_drops_it_from_a_record_that_nobody_writes() {
    let world = World::new().await;
    let broker = world.broker().await;
    replaced(&world, &broker).await;
    let before = row(&world);
    world.clock.advance(7 * DAY - 2 * MINUTE);
    sweep(&broker).await;
    assert_eq!(row(&world), before, "what is not due is not touched");

    world.clock.advance(2 * MINUTE);
    let stands = standing(&world, &broker).await;
    sweep(&broker).await;
    let after = row(&world);
    let (kept, both) = (after.sealed.len(), before.sealed.len());
    assert!(kept < both - 500, "its token is gone: {kept} of {both}");
    assert_eq!(standing(&world, &broker).await, stands, "and nothing else");
    sweep(&broker).await;
    assert_eq!(row(&world), after, "once");
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("it works");
}

#[tokio::test]
async fn only_a_record_that_has_something_to_drop_is_ever_due() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    assert_eq!(due(&world), None);
    world.clock.advance(MINUTE);
    found_by(&world, &broker, &world.admin).await.confirm().await.expect("the same user");
    let until = broker.partner(world.contoso).previous_consent().await.expect("readable");
    let until = until.expect("one is kept").until().duration_since(std::time::UNIX_EPOCH);
    let until = i64::try_from(until.expect("after 1970").as_secs()).expect("small");
    assert_eq!(due(&world), Some(until));
    broker.partner(world.contoso).forget_previous_consent().await.expect("stored");
    assert_eq!(due(&world), None);
}

#[tokio::test]
async fn a_due_time_of_an_older_version_is_looked_at_once() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    set_due(&world, 1);
    let before = row(&world);
    let swept = broker.sweep().await.expect("swept");
    assert_eq!((swept.lapsed(), swept.of(Kind::Consent)), (0, 0));
    let settled = row(&world);
    assert_eq!(due(&world), None);
    assert!(settled.sealed == before.sealed, "as it was sealed");
    broker.sweep().await.expect("swept");
    assert_eq!(row(&world), settled);
}

#[tokio::test]
async fn a_record_that_does_not_open_keeps_no_other_from_being_swept() {
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = world.onboard_another(&broker, "litware").await.to_string();
    let mut harmed = raw::row(&world.store_folder(), "consent", &litware).sealed;
    *harmed.last_mut().expect("bytes") ^= 1;
    raw::overwrite(&world.store_folder(), "consent", &litware, &harmed);
    replaced(&world, &broker).await;
    set_due(&world, 1);
    let both = row(&world).sealed.len();
    world.clock.advance(7 * DAY);
    sweep(&broker).await;
    assert!(row(&world).sealed.len() < both - 500);
    assert_eq!(raw::row(&world.store_folder(), "consent", &litware).sealed, harmed);
}

#[tokio::test]
async fn a_write_about_partner_center_drops_it_too() {
    let world = World::new().await;
    let broker = world.broker().await;
    replaced(&world, &broker).await;
    let partner = broker.partner(world.contoso);
    let until = partner.previous_consent().await.expect("readable").expect("one is kept").until();
    let left = until.duration_since(world.clock.now()).expect("some time");
    world.clock.advance(left - 5 * MINUTE);
    let token = partner.token(Resource::PartnerCenter).await.expect("a rotation");
    let both = row(&world).sealed.len();
    partner.previous_consent().await.expect("readable").expect("it is kept still");
    world.clock.advance(5 * MINUTE);
    let (status, body) = (http::StatusCode::UNAUTHORIZED, br#"{"code":"900421"}"#);
    let missing = MfaMissing::in_reply(status, &http::HeaderMap::new(), body);
    let missing = missing.expect("such a refusal");
    // The token that follows is had with a refresh token too young to be replaced.
    partner.report_mfa_missing(&token, missing).await.expect("another token");
    let rest = row(&world).sealed.len();
    assert!(rest < both - 500, "{rest} of {both}");
}
