//! A world in which everything that is said is noted, and then searched.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::sync::Mutex;

use bytes::Bytes;
use cpv_consent::emulator::User;
use cpv_consent::{
    Broker, ClientCredential, Consent, ConsentRequest, Error, Found, InvitationRequest,
    PendingConsent, ResponseMode, SentInvitation,
};
use http::{HeaderMap, Request};
use serde_json::Value;

use crate::logs;
use crate::searcher::{Searcher, Secret};
use crate::world::recorder::{Recorder, Seen};
use crate::world::{World, accept, capture, raw, token_of};

/// Each sign of it changes when it is encoded.
pub const CLIENT_SECRET: &str = "canary+client&secret=8Q~%/?#";

pub struct Witness {
    pub world: World,
    pub recorder: Recorder,
    secrets: Mutex<Vec<Secret>>,
    shown: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Witness {
    pub async fn new() -> Self {
        let credential = ClientCredential::secret(CLIENT_SECRET).expect("visible ASCII");
        let witness = Self::proving(credential).await;
        witness.plant("client secret", CLIENT_SECRET);
        witness
    }

    pub async fn proving(credential: ClientCredential) -> Self {
        logs::listen();
        let world = World::proving(credential).await;
        let key = Secret::new("sealing key", *world.sealing_key());
        let (secrets, shown) = (Mutex::new(vec![key]), Mutex::default());
        Self { world, recorder: Recorder::new(), secrets, shown }
    }

    pub async fn broker(&self) -> Broker {
        let builder = self.world.builder(self.world.store().await).http(self.recorder.clone());
        self.show("builder", &builder);
        let broker = builder.build().await.expect("a broker");
        self.show("broker", &broker);
        broker
    }

    /// Names a secret that nobody would see on the wire.
    pub fn plant(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.secrets.lock().expect("not poisoned").push(Secret::new(name, bytes));
    }

    /// Notes what a value shows of itself.
    pub fn show(&self, what: &str, value: &impl Debug) {
        self.note(what, format!("{value:?} {value:#?}"));
    }

    pub fn say(&self, what: &str, value: &impl Display) {
        self.note(what, value.to_string());
    }

    fn note(&self, what: &str, text: impl Into<Vec<u8>>) {
        self.shown.lock().expect("not poisoned").push((what.to_owned(), text.into()));
    }

    /// Notes all that an error says, and gives it back.
    pub fn fault<T: Debug>(&self, outcome: Result<T, Error>) -> Error {
        let error = match outcome {
            Err(error) => error,
            Ok(value) => panic!("no failure: {value:?}"),
        };
        self.show("error", &error);
        self.say("error", &error);
        self.show("remedy", &error.remedy());
        let mut next = error.source();
        while let Some(source) = next {
            self.note("source", format!("{source} {source:?}"));
            next = source.source();
        }
        error
    }

    /// A flow, whose secrets are noted as such.
    pub async fn begin(&self, request: ConsentRequest<'_>) -> PendingConsent {
        self.show("request", &request);
        self.begun(request.await.expect("a flow"))
    }

    /// The same, by an invitation.
    pub async fn begin_invited(&self, broker: &Broker, token: &str) -> PendingConsent {
        let request = broker.begin_invited(token, &HeaderMap::new());
        self.show("request", &request);
        self.begun(request.await.expect("a flow"))
    }

    /// An invitation, whose link is noted as a secret.
    pub async fn invite(&self, request: InvitationRequest<'_>) -> SentInvitation {
        self.show("request", &request);
        self.sent(request.await.expect("an invitation"))
    }

    pub fn sent(&self, sent: SentInvitation) -> SentInvitation {
        self.show("sent", &sent);
        let token = token_of(&sent);
        self.plant("invitation", token.split_once('.').expect("id and secret").1);
        sent
    }

    fn begun(&self, pending: PendingConsent) -> PendingConsent {
        self.show("pending", &pending);
        for name in ["state", "nonce"] {
            let mut pairs = pending.authorize_url().query_pairs();
            let (_, value) = pairs.find(|(found, _)| found == name).expect("a parameter");
            self.plant(name, value.as_bytes());
        }
        let cookie = pending.browser_key().set_cookie();
        self.show("cookie", &cookie);
        let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair");
        self.plant("browser key", pair.split_once('=').expect("a pair").1);
        pending
    }

    /// The callback of a flow that `user` accepts.
    pub async fn callback(&self, request: ConsentRequest<'_>, user: &User) -> Request<Bytes> {
        accept(&self.begin(request).await, user).await
    }

    pub fn request<'b>(&self, broker: &'b Broker, mode: ResponseMode) -> ConsentRequest<'b> {
        let partner = broker.partner(self.world.contoso);
        partner.request_consent(self.world.account()).answered_by(mode)
    }

    pub async fn find(&self, broker: &Broker) -> Result<Found, Error> {
        let request = self.request(broker, ResponseMode::FormPost);
        let callback = self.callback(request, &self.world.admin).await;
        capture(broker, &callback).await
    }

    pub async fn onboard(&self, broker: &Broker) -> Consent {
        let found = self.find(broker).await.expect("everything holds");
        self.show("found", &found);
        let consent = found.confirm().await.expect("a consent");
        self.show("consent", &consent);
        consent
    }

    /// Keeps what the store's files hold now.
    pub fn keep_files(&self) {
        let files = raw::files(&self.world.store_folder());
        assert!(files.iter().any(|(name, _)| name.ends_with("-wal")), "the log is there");
        self.shown.lock().expect("not poisoned").extend(files);
    }

    /// Every secret, from the wire and from the flows.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut all = self.secrets.lock().expect("not poisoned").clone();
        for seen in self.recorder.seen() {
            all.extend(of_request(&seen));
            all.extend(of_reply(&seen));
        }
        all
    }

    /// Searches all that was written and shown for every secret, in every form.
    pub fn assert_silent(&self) {
        self.keep_files();
        for event in self.world.events() {
            self.show("event", &event);
        }
        let searcher = Searcher::for_all(&self.secrets());
        for (name, bytes) in self.shown.lock().expect("not poisoned").iter() {
            assert_eq!(searcher.find(bytes), None, "{name}");
        }
        assert_eq!(searcher.find(&logs::lines()), None, "log");
    }
}

fn of_request(seen: &Seen) -> Vec<Secret> {
    let names = ["client_secret", "client_assertion", "code", "code_verifier", "refresh_token"];
    let fields = names.iter().filter_map(|name| Some(Secret::new(name, seen.field(name)?)));
    fields.collect()
}

fn of_reply(seen: &Seen) -> Vec<Secret> {
    let body: Value = serde_json::from_slice(&seen.reply).unwrap_or_default();
    let names = ["access_token", "refresh_token", "id_token"];
    let members = names.iter().filter_map(|name| Some(Secret::new(name, body[*name].as_str()?)));
    members.collect()
}
