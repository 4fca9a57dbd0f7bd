//! Parts of the host's that panic while secrets are about, with what they hold in their last words.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::web::{Brand, WebDoor};
use cpv_consent::{
    Broker, ClientCredential, CredentialError, CredentialProvider, DataKey, Error, Event, Http,
    HttpError, KeyError, KeyId, KeyRing, KeyWrap, LocalKey, ReceiptKey, ReceiptPublicKey,
    ReceiptSigner, Resource, ResponseMode,
};
use http::{Request, Response, StatusCode};

use crate::witness::{CLIENT_SECRET, Witness};
use crate::world::recorder::Recorder;
use crate::world::{HOUR, capture, registration_proving};

/// What a part of the host's may know, and say when it panics.
const PASSWORD: &str = "canary-of-a-password";

/// Whether a part panics. Clones share it.
#[derive(Debug, Clone, Default)]
struct Stumble(Arc<AtomicBool>);

impl Stumble {
    fn step(&self, holds: &str) {
        assert!(!self.0.load(Ordering::SeqCst), "{PASSWORD} {holds}");
    }

    fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A part of the host's that passes everything on, unless it panics.
#[derive(Debug)]
struct Clumsy<T> {
    inner: T,
    stumble: Stumble,
}

#[async_trait]
impl<T: Store> Store for Clumsy<T> {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.stumble.step(key.id());
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.stumble.step(key.id());
        self.inner.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.stumble.step(key.id());
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.stumble.step("");
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}

#[async_trait]
impl KeyWrap for Clumsy<LocalKey> {
    fn id(&self) -> &KeyId {
        self.inner.id()
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        self.stumble.step("");
        self.inner.wrap(key).await
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        self.stumble.step("");
        self.inner.unwrap(wrapped).await
    }

    fn origin(&self) -> &DataKey {
        self.inner.origin()
    }
}

#[async_trait]
impl Http for Clumsy<Recorder> {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        self.stumble.step(&String::from_utf8_lossy(request.body()));
        self.inner.send(request, longest_body).await
    }
}

#[async_trait]
impl ReceiptSigner for Clumsy<ReceiptKey> {
    fn public(&self) -> &ReceiptPublicKey {
        self.inner.public()
    }

    async fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        self.stumble.step(&String::from_utf8_lossy(text));
        self.inner.sign(text).await
    }
}

#[async_trait]
impl CredentialProvider for Clumsy<ClientCredential> {
    async fn credentials(&self) -> Result<Vec<ClientCredential>, CredentialError> {
        self.stumble.step(CLIENT_SECRET);
        Ok(vec![self.inner.clone()])
    }
}

/// What the host brings, each able to panic.
#[derive(Default)]
struct Parts {
    store: Stumble,
    keys: Stumble,
    http: Stumble,
    signer: Stumble,
    observer: Stumble,
    credentials: Stumble,
}

impl Parts {
    /// A vendor whose credentials are listed by this one.
    async fn witness(&self) -> Witness {
        let secret = ClientCredential::secret(CLIENT_SECRET).expect("visible ASCII");
        let provider = Clumsy { inner: secret.clone(), stumble: self.credentials.clone() };
        let witness = Witness::proving(ClientCredential::from_provider(provider)).await;
        let cloud = witness.world.app.cloud().clone();
        witness.world.entra.register(&registration_proving(cloud, secret));
        witness.plant("client secret", CLIENT_SECRET);
        witness.plant("password", PASSWORD);
        witness
    }

    async fn broker(&self, witness: &Witness) -> Broker {
        let world = &witness.world;
        let store = Clumsy { inner: world.store().await, stumble: self.store.clone() };
        let key = LocalKey::from_bytes("test-1", world.sealing_key()).expect("a random key");
        let key = Clumsy { inner: key, stumble: self.keys.clone() };
        let ring = KeyRing::new(key).cached_for(Duration::ZERO); // each use asks for it
        let http = Clumsy { inner: witness.recorder.clone(), stumble: self.http.clone() };
        let signer = ReceiptKey::new(&LocalKey::generate("receipts-1").expect("a key"));
        let signer = Clumsy { inner: signer, stumble: self.signer.clone() };
        let observer = self.observer.clone();
        Broker::builder(world.app.clone(), store, ring)
            .clock(world.clock.clone())
            .retries(0)
            .start_page("https://panel.example/consent/invited")
            .http(http)
            .receipts(signer)
            .observer(move |event: &Event| observer.step(&format!("{event:?}")))
            .build()
            .await
            .expect("a broker")
    }
}

/// What came of a token, of a callback with its confirmation, and of a callback at the door.
struct Outcome {
    token: Option<Error>,
    consent: Option<Error>,
    page: Response<Bytes>,
}

/// Uses the broker in tasks of their own, so that a panic that gets through is seen.
async fn uses(witness: &Witness, broker: &Broker, callbacks: [Request<Bytes>; 2]) -> Outcome {
    let [first, second] = callbacks;
    let partner = witness.world.contoso;
    let door = {
        let brand = Brand::new("Example Panel").expect("plain text");
        WebDoor::new(broker.clone(), brand).expect("side by side")
    };
    let (asks, confirms) = (broker.clone(), broker.clone());
    let token = async move { asks.partner(partner).token(Resource::PartnerCenter).await.err() };
    let consent = async move {
        match capture(&confirms, &first).await {
            Ok(found) => found.confirm().await.err(),
            Err(error) => Some(error),
        }
    };
    Outcome {
        token: lands(token).await,
        consent: lands(consent).await,
        page: lands(async move { door.answer(second).await }).await,
    }
}

async fn lands<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(work).await.expect("the panic got through")
}

async fn callbacks(witness: &Witness, broker: &Broker) -> [Request<Bytes>; 2] {
    witness.world.clock.advance(2 * HOUR); // no token is at hand any more
    let callback = async || {
        let request = witness.request(broker, ResponseMode::FormPost);
        witness.callback(request, &witness.world.admin).await
    };
    [callback().await, callback().await]
}

/// Notes what is said, and by whom it cannot be: whoever panicked.
fn is_typed(witness: &Witness, error: Option<Error>) -> bool {
    let Some(error) = error else { return false };
    let error = witness.fault::<()>(Err(error));
    matches!(error, Error::Store(_) | Error::Key { .. } | Error::Http(_) | Error::Credential(_))
}

#[tokio::test]
async fn a_panic_of_the_hosts_is_told_without_what_it_says_and_holds_nobody_up() {
    // F-31, R-134, R-138
    let parts: [(&str, fn(&Parts) -> &Stumble, bool); 6] = [
        ("store", |parts| &parts.store, true),
        ("keys", |parts| &parts.keys, true),
        ("http", |parts| &parts.http, true),
        ("credentials", |parts| &parts.credentials, false), // those that were listed before are used
        ("signer", |parts| &parts.signer, false),
        ("observer", |parts| &parts.observer, false),
    ];
    for (name, of, fails) in parts {
        let parts = Parts::default();
        let witness = parts.witness().await;
        let broker = parts.broker(&witness).await;
        witness.onboard(&broker).await;
        let waiting = callbacks(&witness, &broker).await;
        of(&parts).begin();
        let Outcome { token, consent, page } = uses(&witness, &broker, waiting).await;
        of(&parts).end();
        let typed = [token, consent].map(|error| is_typed(&witness, error));
        assert_eq!(typed, [fails; 2], "{name}");
        assert_eq!(page.status().is_server_error(), fails, "{name}: {}", page.status());
        witness.say("page", &String::from_utf8_lossy(page.body()));
        witness.show("broker", &broker);

        let waiting = callbacks(&witness, &broker).await;
        let Outcome { token, consent, page } = uses(&witness, &broker, waiting).await;
        assert!(token.is_none() && consent.is_none(), "{name}: {token:?} {consent:?}");
        assert_eq!(page.status(), StatusCode::SEE_OTHER, "{name}");
        witness.assert_silent();
    }
}
