//! What a freeze outlives, and what it does not touch.

use std::sync::{Arc, Mutex};

use cpv_consent::{ConsentState, ExportCode, FreezeScope, Recipient, RecipientKey};

use crate::freezing::{INTERVAL, ask, freeze, frozen_by};
use crate::world::{DAY, World};

#[tokio::test]
async fn a_freeze_survives_a_restart_and_is_listed_with_its_reason() {
    let world = World::new().await;
    let first = world.broker().await;
    world.onboard(&first).await;
    let frozen = freeze(&world, &first).await;
    first.close(INTERVAL).await;
    world.clock.advance(400 * DAY);
    let second = world.broker().await;
    second.sweep().await.expect("swept");
    assert_eq!(second.freezes().await.expect("readable"), std::slice::from_ref(&frozen));
    assert_eq!(
        (frozen.reason(), frozen.scope()),
        ("a stolen laptop", &FreezeScope::Partner(world.contoso))
    );
    assert_eq!(frozen_by(ask(&world, &second).await), frozen);
    assert!(second.lift(frozen.name()).await.expect("removed"));
    assert!(!second.lift(frozen.name()).await.expect("looked"), "it is gone");
    assert!(!second.lift(&"x".repeat(100_000)).await.expect("looked"), "there never was one");
    assert_eq!(second.freezes().await.expect("readable"), []);
}

#[tokio::test]
async fn consents_come_and_go_while_the_freeze_stands() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let frozen = freeze(&world, &broker).await;
    world.onboard(&broker).await;
    assert_eq!(frozen_by(ask(&world, &broker).await), frozen, "a new consent lifts nothing");
    let partner = broker.partner(world.contoso);
    let gone = partner.withdraw().await.expect("a tombstone");
    assert!(matches!(gone.state(), ConsentState::Withdrawn { .. }));
    partner.shred().await.expect("destroyed");
    world.clock.advance(INTERVAL);
    world.onboard(&broker).await;
    assert_eq!(frozen_by(ask(&world, &broker).await), frozen, "it is no record of the partner's");
    assert_eq!(frozen_by(ask(&world, &world.broker().await).await), frozen, "whoever reads it");
    broker.lift(frozen.name()).await.expect("removed");
    ask(&world, &broker).await.expect("a token");
}

#[tokio::test]
async fn a_freeze_stays_where_it_was_made_when_consents_move() {
    let world = World::new().await;
    let from = world.broker().await;
    world.onboard(&from).await;
    freeze(&world, &from).await;
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .expect("a key pair");
    let (file, code) = export(&from, &key).await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let store = cpv_consent::store::Sqlite::open(elsewhere.path().join("store")).await;
    let to = world.builder(store.expect("a store")).build().await.expect("a broker");
    let key = RecipientKey::from_pem(&key.serialize_pem()).expect("a key");
    let imported = to.import(&key, &code, std::io::Cursor::new(file)).run().await;
    assert_eq!(imported.expect("imported").taken(), 1);
    assert_eq!(to.freezes().await.expect("readable"), []);
    ask(&world, &to).await.expect("a token");
}

async fn export(from: &cpv_consent::Broker, key: &rcgen::KeyPair) -> (Vec<u8>, ExportCode) {
    let recipient = Recipient::from_pem(&key.public_key_pem()).expect("a key");
    let file = Written::default();
    let exported = from.export(&recipient, file.clone()).run().await.expect("exported");
    let bytes = file.0.lock().expect("not poisoned").clone();
    (bytes, exported.code().expose().parse().expect("a code"))
}

#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
