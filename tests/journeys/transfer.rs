//! Consents that move from one store to another, records that are damaged, backups that are old.

mod admitted;
mod believed;
mod moved;
mod newer;
mod repair;
mod restore;
mod scan;

use std::io::{self, Cursor, Write};
use std::sync::{Arc, LazyLock, Mutex};

use cpv_consent::store::{Sqlite, Store};
use cpv_consent::{
    AppRegistration, Broker, Error, ExportCode, Exported, Imported, KeptBecause, KeyRing, LocalKey,
    Recipient, RecipientKey, TransferError,
};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

/// The receiving side's key pair, as PEM.
struct Pair {
    public: String,
    private: String,
}

fn pair() -> Pair {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    Pair { public: key.public_key_pem(), private: key.serialize_pem() }
}

static PAIR: LazyLock<Pair> = LazyLock::new(pair);

/// A file in memory. Clones share it.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("one writer").clone()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one writer").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An export with what it needs to be read.
pub struct Parcel {
    bytes: Vec<u8>,
    code: ExportCode,
    report: Exported,
}

pub async fn export(broker: &Broker) -> Parcel {
    let recipient = Recipient::from_pem(&PAIR.public).expect("a key");
    let paper = Paper::default();
    let run = broker.export(&recipient, paper.clone()).run();
    let report = run.await.expect("an export");
    Parcel { bytes: paper.bytes(), code: report.code().clone(), report }
}

pub async fn import(broker: &Broker, parcel: &Parcel) -> Result<Imported, Error> {
    let key = RecipientKey::from_pem(&PAIR.private).expect("a key");
    broker.import(&key, &parcel.code, Cursor::new(parcel.bytes.clone())).run().await
}

fn kept_back(report: &Imported) -> Vec<KeptBecause> {
    report.kept_back().iter().map(|kept| kept.because).collect()
}

fn fault(outcome: Result<Imported, Error>) -> TransferError {
    match outcome {
        Err(Error::Transfer(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// A broker on another site: its own store and its own keys.
async fn elsewhere(
    world: &crate::world::World,
    app: &AppRegistration,
    store: impl Store,
    key: &[u8; 32],
) -> Broker {
    let keys = KeyRing::new(LocalKey::from_bytes("elsewhere", key).expect("a random key"));
    let builder = Broker::builder(app.clone(), store, keys).clock(world.clock.clone());
    let events = world.events.clone();
    let told = move |event: &cpv_consent::Event| events.lock().expect("events").push(event.clone());
    builder.observer(told).build().await.expect("a broker")
}

/// Closes a store before its files are touched.
async fn close(broker: Broker, mut store: Arc<Sqlite>) {
    broker.close(crate::world::HOUR).await;
    let store = loop {
        match Arc::try_unwrap(store) {
            Ok(store) => break store,
            Err(shared) => store = shared,
        }
        tokio::task::yield_now().await;
    };
    store.close().await.expect("nothing stands in the way");
}
