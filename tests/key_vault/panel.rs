//! A whole panel: consents in the vault, the ring's key in the vault, all else in SQLite.

use std::fmt::Debug;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cpv_consent::emulator::{Endpoint, Failure, Rule};
use cpv_consent::store::{KeyVaultSecrets, Leftovers, StoreError};
use cpv_consent::{
    Absence, Broker, Error, KeyError, KeyRing, KeyVault, KeyVaultKey, KeyWrap, LocalKey, Resource,
};
use serde_json::Value;

use crate::logs;
use crate::searcher::{Searcher, Secret};
use crate::world::recorder::{Recorder, Seen};
use crate::world::{HOUR, MINUTE, SECRET, World, accept, account, capture, rows};

struct Panel {
    world: World,
    recorder: Recorder,
    kid: String,
    origin: String,
}

impl Panel {
    async fn new() -> Self {
        let (world, recorder) = (World::new().await, Recorder::new());
        let kid = world.entra.create_vault_key("consents");
        let mut panel = Self { world, recorder, kid, origin: String::new() };
        let vault = panel.vault().await;
        panel.origin = KeyVaultKey::draw_origin(&vault, &panel.kid).await.expect("an origin");
        panel
    }

    async fn vault(&self) -> KeyVault {
        let origin = self.world.entra.key_vault_origin();
        let builder = KeyVault::builder(&self.world.app, origin).expect("a loopback origin");
        let builder = builder.http(self.recorder.clone()).clock(self.world.clock.clone());
        builder.connect().await.expect("a vault")
    }

    async fn ring(&self) -> KeyRing {
        let key = KeyVaultKey::connect(&self.vault().await, &self.kid, &self.origin).await;
        KeyRing::new(key.expect("a key"))
    }

    /// As a process would open it that has just started.
    async fn broker(&self) -> Broker {
        let consents = KeyVaultSecrets::open(self.vault().await).await.expect("a store");
        let builder = Broker::builder(self.world.app.clone(), consents, self.ring().await)
            .working_store(self.world.store().await)
            .clock(self.world.clock.clone())
            .http(self.recorder.clone());
        builder.build().await.expect("a broker")
    }

    /// How many versions of consents can be read.
    fn readable(&self) -> usize {
        let versions = self.recorder.seen();
        let mut enabled = std::collections::BTreeSet::new();
        for seen in versions.iter().filter(|seen| seen.is_of("/secrets/")) {
            let reply = seen.json();
            let Some(id) = reply["id"].as_str() else { continue };
            match (seen.request.method().as_str(), reply["attributes"]["enabled"].as_bool()) {
                ("PUT", Some(true)) => drop(enabled.insert(id.to_owned())),
                ("PATCH", Some(false)) => drop(enabled.remove(id)),
                _ => {}
            }
        }
        enabled.len()
    }
}

trait Read {
    fn is_of(&self, beginning: &str) -> bool;
    fn json(&self) -> Value;
}

impl Read for Seen {
    fn is_of(&self, beginning: &str) -> bool {
        self.request.uri().path().starts_with(beginning)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.reply).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_consent_lives_in_the_vault_from_onboarding_to_withdrawal() {
    let panel = Panel::new().await;
    let world = &panel.world;
    let broker = panel.broker().await;
    let consent = world.onboard(&broker).await;
    assert_eq!(world.entra.vault_secret_names().len(), 1);
    assert_eq!(rows(&world.store_folder(), "consent"), 0, "none beside the vault");

    let contoso = broker.partner(world.contoso);
    contoso.token(Resource::PartnerCenter).await.expect("a token");
    contoso.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    world.clock.advance(HOUR * 2);
    contoso.token(Resource::PartnerCenter).await.expect("a token");
    let rotated = contoso.consent().await.expect("readable").expect("there");
    assert!(rotated.deadline() > consent.deadline(), "the rotated token is in the vault");
    assert_eq!(panel.readable(), 1, "and the one before cannot be read any more");

    let restarted = panel.broker().await;
    let contoso = restarted.partner(world.contoso);
    contoso.token(Resource::Graph).await.expect("a token after a restart");
    contoso.withdraw().await.expect("withdrawn");
    let error = contoso.token(Resource::Graph).await.expect_err("withdrawn");
    let withdrawn =
        |error: &Error| matches!(error, Error::NoConsent { absence: Absence::Withdrawn, .. });
    assert!(withdrawn(&error), "{error:?}");
    assert_eq!(panel.readable(), 1, "its tombstone");
    let error = panel.broker().await.partner(world.contoso).token(Resource::Graph).await;
    assert!(error.as_ref().is_err_and(withdrawn), "{error:?}");
    world.clock.advance(MINUTE);
    world.onboard(&panel.broker().await).await;
    restarted.close(MINUTE).await;
}

#[tokio::test]
async fn a_lost_answer_of_the_vault_loses_no_refresh_token() {
    // F-02, F-03
    let panel = Panel::new().await;
    let world = &panel.world;
    let broker = panel.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(HOUR * 2);
    let rule = Rule::at(Endpoint::Secrets).method(http::Method::PUT);
    world.entra.fail(rule, Failure::lost_answer().times(1));
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let (left, restarted) = (world.entra.ledger().len(), panel.broker().await);
    world.clock.advance(HOUR * 2);
    restarted.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let ledger = world.entra.ledger();
    let used = ledger[left..].iter().find_map(|asked| asked.refresh_token);
    let issued = ledger[..left].iter().rev().find_map(|asked| asked.issued.refresh_token);
    assert_eq!(used, issued, "what came with the lost answer is what is used next");
}

#[tokio::test]
async fn a_key_out_of_reach_stops_what_is_new_at_once_and_the_rest_after_the_stated_time() {
    // R-126, F-21
    let panel = Panel::new().await;
    let world = &panel.world;
    let ring = panel.ring().await.cached_for(MINUTE * 15);
    let builder = Broker::builder(world.app.clone(), world.store().await, ring);
    let broker = builder.clock(world.clock.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    let gone = |error: &Error| matches!(error, Error::Key { error: KeyError::Gone { .. }, .. });
    let kept = rows(&world.store_folder(), "consent");

    world.entra.vault_key_enabled(&panel.kid, false);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("its key is known");
    let tenant = world.entra.add_tenant("Northwind");
    let admin = world.entra.add_user(tenant, "admin@northwind.example");
    let pending = broker.partner(tenant).request_consent(account("panel-2"));
    let request = accept(&pending.await.expect("a flow"), &admin).await;
    let captured = capture(&broker, &request).await;
    let error = captured.expect_err("no key can be made for a new partner");
    assert!(gone(&error), "{error:?}");
    assert_eq!(rows(&world.store_folder(), "consent"), kept, "nothing is stored weakly");

    world.clock.advance(MINUTE * 15);
    let fabrikam =
        broker.partner(world.contoso).customer(world.fabrikam).token(Resource::Graph).await;
    assert!(fabrikam.as_ref().is_err_and(gone), "the stated time is over: {fabrikam:?}");

    world.entra.vault_key_enabled(&panel.kid, true);
    let contoso = broker.partner(world.contoso);
    contoso.customer(world.fabrikam).token(Resource::Graph).await.expect("readable again");
    world.onboard_another(&broker, "southridge").await;
}

#[tokio::test]
async fn partner_keys_move_into_the_vault_while_it_all_works() {
    //
    let panel = Panel::new().await;
    let world = &panel.world;
    let before = world.broker().await;
    world.onboard(&before).await;
    let local = LocalKey::from_bytes("test-1", world.sealing_key()).expect("a random key");
    let key = KeyVaultKey::connect(&panel.vault().await, &panel.kid, &panel.origin).await;
    let both = KeyRing::new(key.expect("a key")).readable(local).expect("two names");
    let open = async |ring| {
        let builder = Broker::builder(world.app.clone(), world.store().await, ring);
        builder.clock(world.clock.clone()).build().await.expect("a broker")
    };
    before.close(MINUTE).await;
    let moving = open(both).await;
    let moved = moving.rotate_keys().run().await.expect("every partner key");
    assert_eq!((moved.left(), moved.key().as_str().split('.').next()), (0, Some("consents")));
    assert!(moved.rewrapped() >= 2, "the partner's and the application's: {moved:?}");
    moving.close(MINUTE).await;
    let after = open(panel.ring().await).await;
    after.partner(world.contoso).token(Resource::Graph).await.expect("without the local key");
}

#[tokio::test]
async fn a_vault_out_of_reach_is_told_from_one_that_refuses() {
    //
    let panel = Panel::new().await;
    let world = &panel.world;
    let broker = panel.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(HOUR * 2);
    let outage = world.entra.outage(Endpoint::KeyVault);
    let error = broker.partner(world.contoso).token(Resource::Graph).await.expect_err("an outage");
    let Error::Store(StoreError::Unavailable { because }) = &error else { panic!("{error:?}") };
    assert!(because.contains("connection broke"), "{because}");
    outage.clear();
    broker.partner(world.contoso).token(Resource::Graph).await.expect("a token");
}

#[tokio::test]
async fn no_secret_of_a_vault_is_shown_or_logged() {
    //
    logs::listen();
    let panel = Panel::new().await;
    let world = &panel.world;
    let mut shown: Vec<String> = Vec::new();
    let mut show = |value: &dyn Debug| shown.push(format!("{value:?} {value:#?}"));
    let vault = panel.vault().await;
    let key = KeyVaultKey::connect(&vault, &panel.kid, &panel.origin).await.expect("a key");
    let store = KeyVaultSecrets::open(vault.clone()).await.expect("a store");
    show(&vault);
    show(&key);
    show(&store);
    show(&KeyVault::builder(&world.app, world.entra.key_vault_origin()).expect("an origin"));
    let broker = panel.broker().await;
    show(&broker);
    world.onboard(&broker).await;
    world.clock.advance(HOUR * 2);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!(store.leftovers(), Leftovers::default());
    for failure in [Failure::key_vault(403, "Forbidden"), Failure::status(400), Failure::reset()] {
        let scripted = world.entra.fail(Rule::at(Endpoint::KeyVault), failure);
        world.clock.advance(HOUR * 2);
        show(&broker.partner(world.contoso).token(Resource::Graph).await.expect_err("no store"));
        show(&KeyVaultKey::connect(&vault, &panel.kid, &panel.origin).await.expect_err("no key"));
        scripted.clear();
    }
    let mut secrets = secrets(&panel.recorder.seen());
    secrets.push(Secret::new("origin", key.origin().expose().as_slice()));
    assert!(secrets.len() > 10, "{}", secrets.len());
    let searcher = Searcher::for_all(&secrets);
    assert_eq!(searcher.find(shown.concat().as_bytes()), None);
    assert_eq!(searcher.find(&logs::lines()), None);
    assert!(logs::lines().len() > 10_000, "somebody listened");
}

/// Every secret that went over the wire to Entra and the vault, and the keys among them in clear.
fn secrets(seen: &[Seen]) -> Vec<Secret> {
    let mut secrets = vec![Secret::new("client secret", SECRET)];
    for seen in seen {
        let (path, reply) = (seen.request.uri().path(), seen.json());
        let sent: Value = serde_json::from_slice(seen.request.body()).unwrap_or_default();
        for name in ["access_token", "refresh_token"] {
            secrets.extend(reply[name].as_str().map(|text| Secret::new(name, text)));
        }
        if path.ends_with("/wrapkey") {
            secrets.extend(decoded(&BASE64_URL_SAFE_NO_PAD, "a key to wrap", &sent));
        }
        if path.ends_with("/unwrapkey") {
            secrets.extend(decoded(&BASE64_URL_SAFE_NO_PAD, "an unwrapped key", &reply));
        }
        if path.starts_with("/secrets/") {
            secrets.extend(decoded(&BASE64_STANDARD, "a sealed record", &sent));
        }
    }
    secrets
}

fn decoded(engine: &impl base64::Engine, name: &str, json: &Value) -> Option<Secret> {
    let text = json["value"].as_str()?;
    Some(Secret::new(name, engine.decode(text).expect("base64")))
}
