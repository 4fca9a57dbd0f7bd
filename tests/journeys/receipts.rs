//! What became of a consent leaves receipts, whatever dies, fails or is erased in between.

mod cut_off;
mod erased;
mod life;
mod moved;
mod races;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cpv_consent::store::Store;
use cpv_consent::{
    Broker, KeyError, KeyId, LocalKey, ReceiptKey, ReceiptKeys, ReceiptPublicKey, ReceiptSigner,
    Receipts,
};

use crate::world::World;

/// A signing key that can be out of reach. Clones share it.
#[derive(Debug, Clone)]
pub struct Notary {
    key: Arc<ReceiptKey>,
    signs: Arc<AtomicUsize>,
}

impl Notary {
    pub fn new() -> Self {
        let key = ReceiptKey::new(&LocalKey::generate("receipts-1").expect("a key"));
        Self { key: Arc::new(key), signs: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// The same key in another process.
    fn beside(&self) -> Self {
        Self { key: self.key.clone(), ..Self::new() }
    }

    pub fn keys(&self) -> ReceiptKeys {
        ReceiptKeys::new(self.public())
    }

    fn is_away(&self, away: bool) {
        self.signs_only(if away { 0 } else { usize::MAX });
    }

    fn signs_only(&self, texts: usize) {
        self.signs.store(texts, Ordering::SeqCst);
    }
}

#[async_trait]
impl ReceiptSigner for Notary {
    fn public(&self) -> &ReceiptPublicKey {
        self.key.public()
    }

    async fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        let less = |left: usize| left.checked_sub(1);
        if self.signs.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            let id = KeyId::new("receipts-1").expect("a name");
            return Err(KeyError::Unavailable { id, because: "it is away".into() });
        }
        self.key.sign(text).await
    }
}

async fn broker_on(world: &World, notary: &Notary, store: impl Store) -> Broker {
    world.builder(store).receipts(notary.clone()).build().await.expect("a broker")
}

/// The partner's receipts by what they tell, after they were verified against a checkpoint.
pub async fn told(world: &World, broker: &Broker, notary: &Notary) -> Vec<&'static str> {
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let checkpoint = broker.checkpoint_receipts().await.expect("a checkpoint");
    let audit = as_file(&receipts).verify(&notary.keys(), Some(&checkpoint));
    assert!(audit.is_sound(), "{:?}", audit.findings());
    receipts.iter().map(|receipt| receipt.change().as_str()).collect()
}

/// As somebody else reads them.
fn as_file(receipts: &Receipts) -> Receipts {
    let mut file = Vec::new();
    receipts.write_to(&mut file).expect("a vector takes all");
    Receipts::read(&file)
}
