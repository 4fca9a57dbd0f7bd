//! A store of your own: proven by the suite, then put to work. The whole store is `json_file.rs`;
//! a broker keeps a consent in it, given on the emulator.
//!
//! ```text
//! cargo run --example own_store
//! ```

#[path = "../help/mod.rs"]
mod help;
mod json_file;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::{Store, conformance};
use cpv_consent::{AccountId, Broker, Callback, KeyRing, LocalKey, Resource, TenantId};

use json_file::JsonFile;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    if help::is_given(include_str!("main.rs")) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    prove(folder.path()).await?;
    put_to_work(folder.path()).await
}

fn at(path: PathBuf) -> JsonFile {
    JsonFile { path, turn: Mutex::default() }
}

/// Two calls, and a store is proven.
async fn prove(folder: &Path) -> Outcome {
    println!("proving  the store against every promise; it takes a moment");
    let open = || async { Ok(Arc::new(at(folder.join("proof.json"))) as Arc<dyn Store>) };
    let report = conformance::check(open).await?;
    println!("   kept  {}", report.kept.join("\n         "));
    Ok(())
}

async fn put_to_work(folder: &Path) -> Outcome {
    let entra = Emulator::builder().start().await?;
    let app = entra.registration("https://panel.example/consent/callback")?;
    entra.register(&app);
    let contoso = entra.add_tenant("Contoso");
    let admin = entra.add_user(contoso, "admin@contoso.example");
    let key = LocalKey::generate("2026-11")?.to_base64();
    let open = async || -> Outcome<Broker> {
        let store = at(folder.join("consents.json"));
        let keys = KeyRing::new(LocalKey::from_base64("2026-11", key.expose())?);
        Ok(Broker::builder(app.clone(), store, keys).build().await?)
    };
    let broker = open().await?;
    onboard(&broker, contoso, &admin).await?;
    broker.close(Duration::from_secs(10)).await;

    println!(" closed  and opened again from disk");
    let token = open().await?.partner(contoso).token(Resource::PartnerCenter).await?;
    println!("  token  for {} at {}", token.resource(), token.tenant());
    entra.shutdown().await;
    Ok(())
}

async fn onboard(broker: &Broker, partner: TenantId, admin: &User) -> Outcome {
    let pending = broker.partner(partner).request_consent(AccountId::new("example-account")?);
    let pending = pending.await?;
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    let callback = browser.consent(pending.authorize_url(), admin).await?;
    let found = broker.capture_consent(Callback::from_request(&callback)?).await?;
    let consent = found.confirm().await?;
    println!("consent  of {} by {}", consent.partner(), consent.user());
    Ok(())
}
