//! Rows that were moved to where they would be worth more, or made by somebody without the keys.

use std::path::Path;

use async_trait::async_trait;
use cpv_consent::store::Sqlite;
use cpv_consent::{
    Broker, DataKey, Error, FoundId, KeyError, KeyId, KeyRing, KeyWrap, Refused, Resource, TenantId,
};

use crate::world::{World, capture, raw, refused};

/// Puts what is sealed in the only row of one kind where a consent of `tenant` would be.
fn move_to_consent(world: &World, kind: &str, tenant: TenantId) {
    let sql = format!(
        "INSERT INTO record (realm, kind, id, partner, sealed, due, revision)
         SELECT realm, 'consent', '{tenant}', '{tenant}', sealed, due, revision + 1000
         FROM record WHERE kind = '{kind}'"
    );
    raw::execute(&world.store_folder(), "consent", &sql);
}

#[tokio::test]
async fn what_waits_for_confirmation_is_no_consent_wherever_it_is_put() {
    //
    for kind in ["found", "pending"] {
        let world = World::new().await;
        let broker = world.broker().await;
        let request = world.callback(&broker).await;
        let found = capture(&broker, &request).await.expect("everything holds");
        world.entra.forget_ledger();
        move_to_consent(&world, kind, world.contoso);
        let restarted = world.broker().await;
        let partner = restarted.partner(world.contoso);
        let outcome = partner.token(Resource::PartnerCenter).await;
        let Err(Error::Damaged { kind: "consent", partner }) = outcome else {
            panic!("{kind}: {outcome:?}")
        };
        assert_eq!(partner, Some(world.contoso));
        assert_eq!(world.entra.ledger().len(), 0);
        let confirmed = found.confirm().await;
        assert!(matches!(confirmed, Err(Error::Damaged { .. })), "{confirmed:?}");
        let sql = "DELETE FROM record WHERE kind = 'consent'";
        raw::execute(&world.store_folder(), "consent", sql);
        let id = waiting_id(&world);
        let found = broker.found(&id, request.headers()).await.expect("it waits as before");
        found.confirm().await.expect("a consent");
    }
}

/// The id of what waits.
fn waiting_id(world: &World) -> FoundId {
    let rows = raw::rows(&world.store_folder());
    let found = rows.iter().find(|row| row.kind == "found").expect("something waits");
    FoundId::parse(&found.id).expect("an id")
}

#[tokio::test]
async fn a_flow_that_was_renamed_or_revived_from_its_own_past_redeems_nothing_twice() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let (first, second) = (world.callback(&broker).await, world.callback(&broker).await);
    let pending: Vec<_> = raw::rows(&world.store_folder());
    let pending: Vec<_> = pending.into_iter().filter(|row| row.kind == "pending").collect();
    let [one, other] = pending.as_slice() else { panic!("two flows") };
    raw::overwrite(&world.store_folder(), "pending", &one.id, &other.sealed);
    raw::overwrite(&world.store_folder(), "pending", &other.id, &one.sealed);
    for request in [&first, &second] {
        let error = capture(&broker, request).await.expect_err("another flow's record");
        let Error::Damaged { kind, partner } = error else { panic!("{error:?}") };
        assert_eq!((kind, partner), ("pending", None));
    }
    assert_eq!(world.entra.ledger().len(), 0, "no code was sent");
    for row in [one, other] {
        raw::overwrite(&world.store_folder(), "pending", &row.id, &row.sealed);
    }
    capture(&broker, &first).await.expect("its own record");
    for row in [one, other] {
        raw::overwrite(&world.store_folder(), "pending", &row.id, &row.sealed);
    }
    let error = capture(&broker, &first).await.expect_err("the server knows the code as spent");
    assert!(matches!(error, Error::Entra { .. }), "{error:?}");
}

/// Wraps as a public key would: anyone can, and only the origin is the holder's.
#[derive(Debug)]
struct PublicWrap {
    id: KeyId,
    origin: DataKey,
}

impl PublicWrap {
    fn held(origin: u8) -> KeyRing {
        let origin = DataKey::from_slice(&[origin; 32]).expect("32 bytes");
        KeyRing::new(Self { id: KeyId::new("public").expect("an id"), origin })
    }
}

#[async_trait]
impl KeyWrap for PublicWrap {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        Ok(key.expose().map(|byte| !byte).to_vec())
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let key: Vec<u8> = wrapped.iter().map(|byte| !byte).collect();
        DataKey::from_slice(&key).map_err(|_| KeyError::Refused { id: self.id.clone() })
    }

    fn origin(&self) -> &DataKey {
        &self.origin
    }
}

/// A broker on a store of its own folder, with keys that only `origin` tells apart.
async fn broker_on(world: &World, folder: &Path, origin: u8) -> Broker {
    let store = Sqlite::open(folder).await.expect("a store");
    let builder = Broker::builder(world.app.clone(), store, PublicWrap::held(origin));
    builder.clock(world.clock.clone()).build().await.expect("a broker")
}

#[tokio::test]
async fn who_can_only_wrap_keys_forges_no_consent() {
    //
    let world = World::new().await;
    let (ours, theirs) = (world.store_folder(), world.folder.path().join("forged"));
    world.onboard(&broker_on(&world, &ours, 1).await).await;
    world.onboard(&broker_on(&world, &theirs, 2).await).await;
    let contoso = world.contoso.to_string();
    let forged = |kind| raw::row(&theirs, kind, &contoso).sealed;
    world.entra.forget_ledger();

    raw::overwrite(&ours, "consent", &contoso, &forged("consent"));
    let error = token(&broker_on(&world, &ours, 1).await, &world).await.expect_err("forged");
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");

    raw::overwrite(&ours, "partner-key", &contoso, &forged("partner-key"));
    let error = token(&broker_on(&world, &ours, 1).await, &world).await.expect_err("forged");
    let Error::Key { partner, error: KeyError::Refused { id } } = error else {
        panic!("{error:?}")
    };
    assert_eq!((partner, id.as_str()), (Some(world.contoso), "public"));
    assert_eq!(world.entra.ledger().len(), 0, "no request was made");

    let own = raw::row(&theirs, "partner-key", "application").sealed;
    raw::overwrite(&ours, "partner-key", "application", &own);
    let forger = broker_on(&world, &ours, 2).await;
    token(&forger, &world).await.expect("what was forged is whole: only its origin is wrong");
}

async fn token(broker: &Broker, world: &World) -> Result<(), Error> {
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.map(drop)
}

#[tokio::test]
async fn a_finding_of_another_browser_is_confirmed_by_nobody_else() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let other = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    for headers in [other.headers(), &http::HeaderMap::new()] {
        let outcome = broker.found(found.id(), headers).await;
        assert_eq!(refused(outcome), Refused::OtherBrowser);
    }
    let guessed = FoundId::parse(&"A".repeat(43)).expect("an id");
    let outcome = broker.found(&guessed, request.headers()).await;
    assert_eq!(refused(outcome), Refused::NothingToConfirm);
    broker.found(found.id(), request.headers()).await.expect("its own browser");
}
