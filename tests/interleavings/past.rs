//! What happened before the curtain rises: made once, on the emulator, and put into each new store.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use cpv_consent::emulator::{Emulator, VaultRight};
use cpv_consent::store::{Expect, Filter, Key, Kind, Memory, Selection, Store, Stored};
use cpv_consent::{
    AppRegistration, ExportCode, KeyRing, LocalKey, Recipient, RecipientKey, Resource, TenantId,
    VirtualClock,
};
use http::HeaderMap;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use tokio::runtime::Runtime;

use crate::paper::Paper;
use crate::stores::Stores;
use crate::world::{DAY, MINUTE, World, capture};

/// A partner with a consent of some days ago, an export with a newer token, and a new consent that
/// waits for its confirmation.
pub struct Past {
    pub app: AppRegistration,
    pub partner: TenantId,
    pub other: TenantId,
    pub now: SystemTime,
    pub found: String,
    pub headers: HeaderMap,
    pub parcel: Vec<u8>,
    pub code: String,
    pub recipient: String,
    /// It goes on: its Key Vault is one of the stores.
    pub entra: Emulator,
    /// What the emulator goes by.
    pub clock: VirtualClock,
    rows: Vec<Stored>,
    key: [u8; 32],
    next_key: String,
}

impl Past {
    pub fn recall() -> &'static Self {
        static PAST: OnceLock<(Past, Runtime)> = OnceLock::new();
        let (past, _where_the_emulator_runs) = PAST.get_or_init(|| {
            let thread = std::thread::spawn(|| {
                let runtime = Runtime::new().expect("a runtime");
                (runtime.block_on(happened()), runtime)
            });
            thread.join().expect("it happened")
        });
        past
    }

    /// As most processes have it.
    pub fn ring(&self) -> KeyRing {
        KeyRing::new(self.old_key()).readable(self.new_key()).expect("another name")
    }

    /// As the process has it that rotates.
    pub fn next_ring(&self) -> KeyRing {
        KeyRing::new(self.new_key()).readable(self.old_key()).expect("another name")
    }

    pub fn recipient(&self) -> RecipientKey {
        RecipientKey::from_pem(&self.recipient).expect("a key")
    }

    pub fn code(&self) -> ExportCode {
        self.code.parse().expect("as it was written down")
    }

    pub fn rows(&self) -> &[Stored] {
        &self.rows
    }

    pub async fn put_into(&self, stores: &Stores) {
        for Stored { key, entry, .. } in &self.rows {
            let store = stores.of(key.kind());
            store.put(key, entry.clone(), Expect::Absent).await.expect("an empty store");
        }
    }

    pub fn place(&self, partner: TenantId) -> Key {
        Key::new(self.app.realm(), Kind::Consent, Some(partner), partner.to_string())
    }

    fn old_key(&self) -> LocalKey {
        LocalKey::from_bytes("test-1", &self.key).expect("a random key")
    }

    fn new_key(&self) -> LocalKey {
        LocalKey::from_base64("test-2", &self.next_key).expect("a random key")
    }
}

async fn happened() -> Past {
    let world = World::new().await;
    let store = Arc::new(Memory::new());
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    let other = world.onboard_another(&broker, "litware").await;
    let first = consents(&world, &store).await;
    world.clock.advance(8 * DAY);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("rotated");
    let recipient = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let paper = Paper::default();
    let public = Recipient::from_pem(&recipient.public_key_pem()).expect("a key");
    let exported = broker.export(&public, paper.clone()).run().await;
    let code = exported.expect("an export").code().clone();
    world.clock.advance(MINUTE);
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    for _ in 0..2 {
        world.callback(&broker).await; // flows under way, to be taken for each other
    }
    let mut rows = all(&world, &store).await;
    rows.retain(|row| ![Kind::Consent, Kind::Lease, Kind::Process].contains(&row.key.kind()));
    rows.extend(first);
    world.clock.advance(MINUTE);
    world.entra.vault_rights(world.app.client_id(), &VaultRight::ALL);
    Past {
        entra: world.entra.clone(),
        clock: world.clock.clone(),
        app: world.app.clone(),
        partner: world.contoso,
        other,
        now: cpv_consent::Clock::now(&world.clock),
        found: found.id().to_string(),
        headers: request.headers().clone(),
        parcel: paper.bytes(),
        code: code.expose().to_owned(),
        recipient: recipient.serialize_pem(),
        rows,
        key: *world.sealing_key(),
        next_key: LocalKey::generate("test-2").expect("a key").to_base64().expose().to_owned(),
    }
}

async fn consents(world: &World, store: &Memory) -> Vec<Stored> {
    let mut rows = all(world, store).await;
    rows.retain(|row| row.key.kind() == Kind::Consent);
    rows
}

async fn all(world: &World, store: &Memory) -> Vec<Stored> {
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let (realm, selection) = (world.app.realm(), Selection::All);
        let filter = Filter { realm, kind, selection, cursor: None, limit: 1000 };
        rows.extend(store.list(filter).await.expect("memory").records);
    }
    rows
}
