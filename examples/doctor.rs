//! Before the first partner is invited: is the registration as it should be, and is all else ready?
//!
//! Everything runs here, on an emulated Entra. First the doctor looks at an application that somebody
//! registered in haste, with a password copied wrong; then its manifest is put right, and the doctor
//! looks again.
//!
//! ```text
//! cargo run --example doctor
//! ```

use std::error::Error;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AppRegistration, Broker, BrokerBuilder, Checkup, ClientCredential, KeyRing, LocalKey, Manifest,
    Resource,
};
use serde_json::json;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let entra = Emulator::builder().start().await?;
    let folder = tempfile::tempdir()?;
    let app = entra.registration("https://panel.example/consent/callback")?;
    let app = app.requesting(Resource::Graph, ["Directory.Read.All"])?;

    println!("-- registered in haste\n");
    let hasty = registered_in_haste(&app)?;
    entra.register_manifest(app.home(), &hasty.to_json())?;
    let builder = builder(&app, &folder.path().join("hasty")).await?;
    let checkup = look(&builder, &hasty).await;
    println!("{checkup}");
    assert!(!checkup.is_healthy());

    println!("-- put right, but for a permission that a person must take out\n");
    let manifest = hasty.fitted_to(&app);
    entra.register_manifest(app.home(), &manifest.to_json())?;
    let secret = entra.add_secret(app.client_id()).ok_or("the application is registered")?;
    let app = showing(&app, secret.expose())?;
    let builder = self::builder(&app, &folder.path().join("store")).await?;
    let checkup = look(&builder, &manifest).await;
    println!("{checkup}");
    assert!(checkup.is_healthy());

    let broker = builder.build().await?;
    println!("-- ready: process {} waits for the first partner", broker.process_id());
    Ok(())
}

async fn look(builder: &BrokerBuilder, manifest: &Manifest) -> Checkup {
    builder.doctor().manifest(manifest).panel("panel.example").await
}

async fn builder(app: &AppRegistration, folder: &std::path::Path) -> Outcome<BrokerBuilder> {
    let keys = KeyRing::new(LocalKey::generate("2026-11")?);
    Ok(Broker::builder(app.clone(), Sqlite::open(folder).await?, keys).retries(0))
}

/// The same registration with the password that Entra made up.
fn showing(app: &AppRegistration, secret: &str) -> Outcome<AppRegistration> {
    let (cloud, redirect) = (app.cloud().clone(), app.redirect_uri().as_str());
    let secret = ClientCredential::secret(secret)?;
    let app = AppRegistration::new(cloud, app.home(), app.client_id(), secret, redirect)?;
    Ok(app.requesting(Resource::Graph, ["Directory.Read.All"])?)
}

/// As Graph would answer it.
fn registered_in_haste(app: &AppRegistration) -> Outcome<Manifest> {
    let manifest = json!({
        "id": "aaaaaaaa-1111-4111-8111-111111111111",
        "appId": app.client_id(),
        "displayName": "Vendor Panel",
        "signInAudience": "AzureADMyOrg",
        "isFallbackPublicClient": true,
        "notes": "ask Kim before changing anything",
        "web": { "redirectUris": ["https://panel.example/"], "logoutUrl": null },
        "spa": { "redirectUris": [app.redirect_uri()] },
        "requiredResourceAccess": [{
            "resourceAppId": "00000003-0000-0000-c000-000000000000",
            "resourceAccess": [
                { "id": "06da0dbc-49e2-44d2-8312-53f166ab848a", "type": "Scope" },
                { "id": "204e0828-b5ca-4ad8-b9f3-f32a958e7cc4", "type": "Scope" },
            ],
        }],
        "passwordCredentials": [
            { "displayName": "panel", "hint": "k3y", "endDateTime": "2999-01-31T00:00:00Z" },
        ],
    });
    Ok(Manifest::from_json(&manifest.to_string())?)
}
