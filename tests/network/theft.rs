//! A thief with some of what is needed: records, partner keys, the ring's key, the credential.

use std::fs;
use std::path::Path;

use cpv_consent::store::Sqlite;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, Error, KeyRing, LocalKey, Remedy, Resource,
};

use crate::redemptions;
use crate::world::{HOUR, MINUTE, SECRET, World, registration_proving};

/// What of a vendor's belongings somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loot {
    records: bool,
    partner_keys: bool,
    ring: bool,
    credential: bool,
}

impl Loot {
    fn every() -> impl Iterator<Item = Self> {
        (0..16_u8).map(|bits| Self {
            records: bits & 1 != 0,
            partner_keys: bits & 2 != 0,
            ring: bits & 4 != 0,
            credential: bits & 8 != 0,
        })
    }

    /// Whether a record can be opened by it.
    const fn opens(self) -> bool {
        self.records && self.partner_keys && self.ring
    }
}

/// A partner's consent in a store that is closed.
async fn vendor() -> World {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    broker.close(MINUTE).await;
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    world
}

/// What was taken of the files, in a folder as the store wants it.
fn stolen(world: &World, loot: Loot, folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir(folder).expect("a new folder");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("ours");
    for file in fs::read_dir(world.store_folder()).expect("a folder") {
        let file = file.expect("a file");
        let name = file.file_name().into_string().expect("plain");
        let taken = match name.split('.').next() {
            Some("records") => loot.records,
            Some("partner-keys") => loot.partner_keys,
            _ => panic!("a file that no test knows: {name}"),
        };
        if taken {
            fs::copy(file.path(), folder.join(&name)).expect("copied");
        }
    }
}

/// The thief's own in place of what is missing.
async fn broker(world: &World, loot: Loot, folder: &Path) -> Result<Broker, Error> {
    stolen(world, loot, folder);
    let ring = match loot.ring {
        true => world.keys(),
        false => KeyRing::new(LocalKey::generate("test-1").expect("a key")),
    };
    let store = Sqlite::open(folder).await.map_err(Error::Store)?;
    let builder = Broker::builder(application(world, loot), store, ring);
    builder.clock(world.clock.clone()).build().await
}

fn application(world: &World, loot: Loot) -> AppRegistration {
    let secret = if loot.credential { SECRET } else { "a-guess" };
    let credential = ClientCredential::secret(secret).expect("plain text");
    registration_proving(world.app.cloud().clone(), credential)
}

/// Whether the record opens, and whether a token is had.
async fn spoils(world: &World, loot: Loot, folder: &Path) -> (bool, Result<(), Error>) {
    let broker = match broker(world, loot, folder).await {
        Ok(broker) => broker,
        Err(error) => return (false, Err(error)),
    };
    let partner = broker.partner(world.contoso);
    let opened = partner.consent().await.is_ok_and(|consent| consent.is_some());
    let own = partner.token(Resource::PartnerCenter).await.map(drop);
    let customer = partner.customer(world.fabrikam).token(Resource::Graph).await.map(drop);
    assert_eq!(own.is_ok(), customer.is_ok(), "{loot:?}");
    (opened, own)
}

#[cfg(unix)]
#[tokio::test]
async fn whatever_is_stolen_only_all_four_together_give_a_token() {
    //
    let world = vendor().await;
    for (number, loot) in Loot::every().enumerate() {
        let folder = world.folder.path().join(format!("thief-{number}"));
        let (opened, token) = spoils(&world, loot, &folder).await;
        assert_eq!(opened, loot.opens(), "{loot:?}");
        let issued = world.entra.count_tokens(|request| request.issued.access_token);
        match (loot.opens(), loot.credential) {
            (true, true) => token.expect("all four: the tests can tell"),
            (true, false) => {
                let error = token.expect_err("Entra wants the credential");
                assert_eq!(error.remedy(), Remedy::FixRegistration, "{loot:?}: {error}");
                assert!(redemptions(&world) > 0 && issued == 0, "{loot:?}");
            }
            (false, _) => {
                let error = token.expect_err("nothing to redeem");
                assert!(!matches!(error, Error::Entra { .. }), "{loot:?}: {error:?}");
                assert_eq!(redemptions(&world), 0, "{loot:?}: nothing was even asked");
            }
        }
        world.entra.forget_ledger();
    }
}

#[tokio::test]
async fn a_refresh_token_in_hand_is_worth_nothing_without_the_credential() {
    // tokens are bound to no sender, so the credential is what keeps a thief out
    let world = World::new().await;
    let recorder = crate::world::recorder::Recorder::new();
    let builder = world.builder(world.store().await).http(recorder.clone());
    let broker = builder.build().await.expect("a broker");
    world.onboard(&broker).await;
    world.clock.advance(HOUR);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("a token");
    let seen = recorder.seen();
    let redemption = seen.iter().rev().find(|seen| seen.field("refresh_token").is_some());
    let stolen = redemption.and_then(|seen| seen.field("refresh_token")).expect("in the request");
    let url = format!("{}/{}/oauth2/v2.0/token", world.entra.login_origin(), world.contoso);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let scope = "openid https://graph.microsoft.com/Directory.Read.All";
    let client_id = world.app.client_id().to_string();
    for (proof, status) in [(None, 401), (Some("a-guess"), 401), (Some(SECRET), 200)] {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", &stolen);
        form.append_pair("client_id", &client_id).append_pair("scope", scope);
        if let Some(secret) = proof {
            form.append_pair("client_secret", secret);
        }
        let request = client.post(&url).body(form.finish());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(request.send().await.expect("a reply").status(), status, "{proof:?}");
    }
}
