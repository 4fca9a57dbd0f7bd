//! Four clouds of Microsoft's: each is spoken to at its own hosts, and what comes from one counts in
//! no other. Entra's answers are made by the one that these tests have for single replies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::store::Sqlite;
use cpv_consent::{
    Broker, Callback, Cloud, ConsentState, Error, Found, Http, HttpError, HttpFault, IdTokenError,
    KeyRing, LocalKey, PendingConsent, Refused, Resource, VirtualClock,
};
use http::header::{CONTENT_TYPE, COOKIE};
use http::{Request, Response};
use serde_json::json;
use url::Url;

use crate::entra::{CONTOSO, Entra, FABRIKAM, SIGNER};
use crate::world::{HOUR, account, raw, refused, registration};

/// Login and Partner Center of each cloud, by Microsoft's pages and not by the crate's table.
const HOSTS: [(Cloud, &str, &str); 4] = [
    (Cloud::Global, "login.microsoftonline.com", "api.partnercenter.microsoft.com"),
    (Cloud::UsGovernment, "login.microsoftonline.us", "api.partnercenter.microsoft.com"),
    (Cloud::UsGovernmentDod, "login.microsoftonline.us", "api.partnercenter.microsoft.com"),
    (
        Cloud::China,
        "login.partner.microsoftonline.cn",
        "partner.partnercenterapi.microsoftonline.cn",
    ),
];

fn hosts_of(cloud: &Cloud) -> [&'static str; 2] {
    let row = HOSTS.iter().find(|(named, ..)| named == cloud).expect("one of Microsoft's");
    [row.1, row.2]
}

/// The world's hosts, and who was asked.
#[derive(Debug, Clone)]
struct Internet {
    logins: Arc<BTreeMap<&'static str, Entra>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whose ID tokens the login hosts send, where not their own.
    issuer: Arc<Mutex<Option<String>>>,
}

impl Internet {
    fn new(clock: &VirtualClock) -> Self {
        let client = registration(Cloud::Global).client_id().to_string();
        let login = |host| (host, Entra::new(&format!("https://{host}"), &client, clock));
        let logins = HOSTS.iter().map(|(_, host, _)| login(*host)).collect();
        Self { logins: Arc::new(logins), asked: Arc::default(), issuer: Arc::default() }
    }

    /// The hosts that were asked since the last time.
    fn asked(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned")).into_iter().collect()
    }

    fn answer(&self, host: &str, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let Some(entra) = self.logins.get(host) else {
            let is_partner_center = HOSTS.iter().any(|(_, _, known)| *known == host);
            let empty = json!({ "totalCount": 0, "items": [] }).to_string();
            let reply = Response::builder().header("isMfaCompliant", "true").body(empty.into());
            return is_partner_center.then(|| reply.expect("a reply"));
        };
        let body = match request.uri().path().ends_with("/token") {
            true => self.tokens(entra, request),
            false => entra.keys().to_string(),
        };
        Some(Response::new(body.into()))
    }

    fn tokens(&self, entra: &Entra, request: &Request<Bytes>) -> String {
        let url: Url = request.uri().to_string().parse().expect("a URL");
        let mut reply = entra.tokens(&wiremock::Request {
            url: url.clone(),
            method: request.method().clone(),
            headers: request.headers().clone(),
            body: request.body().to_vec(),
        });
        if let Some(issuer) = self.issuer.lock().expect("not poisoned").as_ref() {
            let tenant = url.path_segments().and_then(|mut parts| parts.next()).expect("a tenant");
            let mut claims = entra.claims(tenant);
            claims["iss"] = format!("https://{issuer}/{tenant}/v2.0").into();
            reply["id_token"] = SIGNER.sign(&claims).into();
        }
        reply.to_string()
    }
}

#[async_trait]
impl Http for Internet {
    async fn send(&self, request: Request<Bytes>, _: usize) -> Result<Response<Bytes>, HttpError> {
        let host = request.uri().host().expect("a host").to_owned();
        assert_eq!(request.uri().scheme_str(), Some("https"), "{host}");
        self.asked.lock().expect("not poisoned").push(host.clone());
        let reply = self.answer(&host, &request);
        reply.ok_or_else(|| HttpError::new(HttpFault::Unresolved, &host))
    }
}

/// Brokers of several clouds that share one store and one ring.
struct Stage {
    clock: VirtualClock,
    internet: Internet,
    folder: tempfile::TempDir,
    key: [u8; 32],
}

impl Stage {
    fn new() -> Self {
        let clock = VirtualClock::default();
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).expect("random bytes");
        let folder = tempfile::tempdir().expect("a folder");
        Self { internet: Internet::new(&clock), clock, folder, key }
    }

    fn store_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }

    async fn broker(&self, cloud: &Cloud) -> Broker {
        self.build(cloud).await.expect("a broker")
    }

    async fn build(&self, cloud: &Cloud) -> Result<Broker, Error> {
        let store = Sqlite::open(self.store_folder()).await.expect("a store");
        let keys = KeyRing::new(LocalKey::from_bytes("test-1", &self.key).expect("a key"));
        let builder = Broker::builder(registration(cloud.clone()), store, keys);
        builder.clock(self.clock.clone()).http(self.internet.clone()).build().await
    }

    /// A flow's callback, with more fields in its form than usual.
    async fn callback(&self, broker: &Broker, cloud: &Cloud, more: &str) -> Request<Bytes> {
        let pending = broker.partner(contoso()).request_consent(account("panel-1")).await;
        let pending = pending.expect("a flow");
        let [login, _] = hosts_of(cloud);
        assert_eq!(pending.authorize_url().host_str(), Some(login), "{cloud:?}");
        self.internet.logins[login].expect_nonce(&query(&pending, "nonce"));
        let cookie = pending.browser_key().set_cookie();
        let cookie = cookie.to_str().expect("ASCII").split(';').next().expect("a pair");
        let body = format!("code=code-canary&state={}{more}", query(&pending, "state"));
        Request::post("/consent/callback")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, cookie)
            .body(body.into())
            .expect("a request")
    }

    async fn capture(&self, broker: &Broker, cloud: &Cloud, more: &str) -> Result<Found, Error> {
        let request = self.callback(broker, cloud, more).await;
        broker.capture_consent(Callback::from_request(&request)?).await
    }

    async fn onboard(&self, broker: &Broker, cloud: &Cloud) {
        let found = self.capture(broker, cloud, "").await.expect("everything holds");
        found.confirm().await.expect("a consent");
    }
}

fn query(pending: &PendingConsent, name: &str) -> String {
    let mut pairs = pending.authorize_url().query_pairs();
    pairs.find(|(found, _)| found == name).expect("a parameter").1.into_owned()
}

fn contoso() -> cpv_consent::TenantId {
    cpv_consent::TenantId::parse(CONTOSO).expect("a GUID")
}

async fn own(broker: &Broker) -> Result<(), Error> {
    broker.partner(contoso()).token(Resource::PartnerCenter).await.map(drop)
}

async fn customer(broker: &Broker) -> Result<(), Error> {
    let fabrikam = cpv_consent::TenantId::parse(FABRIKAM).expect("a GUID");
    broker.partner(contoso()).customer(fabrikam).token(Resource::Graph).await.map(drop)
}

#[tokio::test]
async fn each_cloud_is_spoken_to_at_its_own_hosts_and_nowhere_else() {
    //
    for (cloud, ..) in &HOSTS {
        for (_, elsewhere, _) in &HOSTS {
            let stage = Stage::new();
            let broker = stage.broker(cloud).await;
            // What Entra adds where clouds meet; it may say anything.
            let more = format!(
                "&cloud_instance_name={elsewhere}&cloud_instance_host_name={elsewhere}\
                 &session_state=x"
            );
            let found = stage.capture(&broker, cloud, &more).await.expect("everything holds");
            found.confirm().await.expect("a consent");
            stage.clock.advance(2 * HOUR);
            own(&broker).await.expect("a token");
            customer(&broker).await.expect("a token");
            let expected = hosts_of(cloud).map(str::to_owned).into();
            assert_eq!(stage.internet.asked(), expected, "{cloud:?}");
        }
    }
}

#[tokio::test]
async fn a_consent_of_one_cloud_is_none_in_another_though_store_and_keys_are_shared() {
    //
    for (cloud, ..) in &HOSTS {
        let stage = Stage::new();
        let broker = stage.broker(cloud).await;
        stage.onboard(&broker, cloud).await;
        for (other, ..) in HOSTS.iter().filter(|(other, ..)| other != cloud) {
            let other = stage.broker(other).await;
            stage.internet.asked();
            assert!(other.partner(contoso()).consent().await.expect("readable").is_none());
            for outcome in [own(&other).await, customer(&other).await] {
                assert!(matches!(outcome, Err(Error::NoConsent { .. })), "{outcome:?}");
            }
            assert!(stage.internet.asked().is_empty(), "nobody was asked");
        }
        own(&broker).await.expect("it stands where it was given");
    }
}

#[tokio::test]
async fn a_row_that_is_moved_to_another_cloud_does_not_open() {
    //
    let stage = Stage::new();
    let (global, china) = (stage.broker(&Cloud::Global).await, stage.broker(&Cloud::China).await);
    stage.onboard(&global, &Cloud::Global).await;
    stage.onboard(&china, &Cloud::China).await;
    stage.internet.asked();
    for kind in ["consent", "partner-key"] {
        // Each cloud has a number of its own: 1 and 2, in the order in which they came.
        let folder = stage.store_folder();
        let aside = "UPDATE record SET realm = realm + 100";
        let swap = format!("UPDATE record SET realm = 103 - realm WHERE kind = '{kind}'");
        let rest = "UPDATE record SET realm = realm - 100 WHERE realm > 100";
        for sql in [aside, &swap, rest] {
            raw::execute(&folder, kind, sql);
        }
        for cloud in [Cloud::Global, Cloud::China] {
            let error = match stage.build(&cloud).await {
                Ok(broker) => own(&broker).await.expect_err("another cloud's"),
                Err(error) => error,
            };
            let refused = matches!(error, Error::Damaged { .. } | Error::Key { .. });
            assert!(refused, "{kind} in {cloud:?}: {error:?}");
        }
    }
    assert!(stage.internet.asked().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn a_flow_of_one_cloud_ends_in_no_other_and_the_other_host_gets_no_code() {
    // attack-mix-up
    let stage = Stage::new();
    let global = stage.broker(&Cloud::Global).await;
    for (cloud, login, _) in &HOSTS[1..] {
        let other = stage.broker(cloud).await;
        let request = stage.callback(&global, &Cloud::Global, "").await;
        let callback = || Callback::from_request(&request).expect("an answer");
        let outcome = other.capture_consent(callback()).await;
        assert_eq!(refused(outcome), Refused::StateUnknown);
        assert!(stage.internet.asked().is_empty(), "nobody was asked");
        global.capture_consent(callback()).await.expect("in its own cloud it ends well");
        assert!(!stage.internet.asked().contains(*login));
        let named = format!("&iss=https%3A%2F%2F{login}%2F{CONTOSO}%2Fv2.0");
        let outcome = stage.capture(&global, &Cloud::Global, &named).await;
        assert_eq!(refused(outcome), Refused::OtherIssuer, "{login}");
        assert!(stage.internet.asked().is_empty(), "nobody was asked");
    }
}

#[tokio::test]
async fn an_answer_signed_for_another_clouds_authority_is_refused() {
    //
    let stage = Stage::new();
    let broker = stage.broker(&Cloud::Global).await;
    let speak_for = |login: Option<&str>| {
        *stage.internet.issuer.lock().expect("not poisoned") = login.map(str::to_owned);
    };
    let others = ["login.microsoftonline.us", "login.partner.microsoftonline.cn"];
    for login in others {
        speak_for(Some(login));
        let error = stage.capture(&broker, &Cloud::Global, "").await.expect_err("another cloud's");
        assert!(matches!(error, Error::IdToken(IdTokenError::Issuer)), "{login}: {error:?}");
        assert!(broker.partner(contoso()).consent().await.expect("readable").is_none());
    }
    speak_for(None);
    stage.onboard(&broker, &Cloud::Global).await;
    for login in others {
        stage.clock.advance(2 * HOUR);
        own(&broker).await.expect("a token");
        speak_for(Some(login));
        let error = customer(&broker).await.expect_err("another cloud's");
        assert!(matches!(error, Error::ForeignToken { .. }), "{login}: {error:?}");
        stage.clock.advance(2 * HOUR);
        let error = own(&broker).await.expect_err("another cloud's");
        assert!(matches!(error, Error::ForeignToken { .. }), "{login}: {error:?}");
        speak_for(None);
        stage.clock.advance(HOUR);
        own(&broker).await.expect("the right one again");
        let consent = broker.partner(contoso()).consent().await.expect("readable");
        assert_eq!(*consent.expect("stored").state(), ConsentState::Live);
    }
    let own_hosts = hosts_of(&Cloud::Global).map(str::to_owned).into();
    assert_eq!(stage.internet.asked(), own_hosts);
}

#[test]
fn a_key_vault_of_another_cloud_is_none() {
    //
    let domains = ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn"];
    for (cloud, own) in [
        (Cloud::Global, domains[0]),
        (Cloud::UsGovernment, domains[1]),
        (Cloud::UsGovernmentDod, domains[1]),
        (Cloud::China, domains[2]),
    ] {
        let app = registration(cloud);
        for domain in domains {
            let address = format!("https://contoso-consents.{domain}");
            let taken = cpv_consent::KeyVault::builder(&app, &address).is_ok();
            assert_eq!(taken, domain == own, "{domain} in {:?}", app.cloud());
        }
    }
}
