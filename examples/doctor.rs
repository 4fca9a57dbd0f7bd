//! Before the first partner is invited: is the registration as it should be, and is all else ready?
//!
//! Without settings everything runs here, on an emulated Entra. First the doctor looks at an application
//! that somebody registered in haste, with a password copied wrong; then its manifest is put right, and
//! the doctor looks again.
//!
//! With settings it looks at your own set-up, and fails where something must be mended. It leaves nothing
//! behind but the store's folder, where that was missing.
//!
//! ```text
//! cargo run --example doctor -- [--manifest FILE] [--panel HOST] [--web-door]
//!
//! --manifest FILE      the registration as Microsoft Graph answers it, or the portal's manifest editor
//! --panel HOST         the host that partners open, such as panel.example: compared with the manifest
//! --web-door           the panel shows the pages of the feature web
//!
//! CPV_HOME_TENANT      the vendor's own tenant
//! CPV_CLIENT_ID        the application
//! CPV_CERTIFICATE      file with certificate and key in PEM, or CPV_CLIENT_SECRET
//! CPV_REDIRECT_URI     as registered, e.g. https://panel.example/consent/callback
//! CPV_START_PAGE       where the links of invitations lead to, if anybody is invited
//! CPV_KEY_FILE         file of the key that seals the store, 32 bytes in base64 for its owner alone;
//!                      its name without ending is the key's id: openssl rand -base64 32
//! CPV_GRAPH_SCOPES     permissions of Microsoft Graph, separated by spaces (default none)
//! CPV_STORE            folder of the store (default ./cpv-store)
//! CPV_CLOUD            global (default), us-government, us-government-dod, china
//! CPV_ENVIRONMENT      production (default), sandbox: Partner Center's integration sandbox
//! ```

mod environment;
mod help;

use std::error::Error;
use std::process::ExitCode;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AppRegistration, Broker, BrokerBuilder, Checkup, ClientCredential, KeyRing, LocalKey, Manifest,
    Resource,
};
use serde_json::json;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("doctor.rs")) {
        return ExitCode::SUCCESS;
    }
    match program().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing must be mended.
async fn program() -> Outcome<bool> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    if environment::is_set() {
        return look_for_real(arguments).await;
    }
    if arguments != Arguments::default() {
        return Err(
            "an argument is about a set-up of your own: set CPV_HOME_TENANT and the like".into()
        );
    }
    look_on_the_emulator().await?;
    Ok(true)
}

#[derive(Default, PartialEq)]
struct Arguments {
    manifest: Option<String>,
    panel: Option<String>,
    web_door: bool,
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut arguments = Self::default();
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or(format!("{argument} takes a value"));
            match argument.as_str() {
                "--manifest" => arguments.manifest = Some(value()?),
                "--panel" => arguments.panel = Some(value()?),
                "--web-door" => arguments.web_door = true,
                _ => return Err(format!("no such argument: {argument}").into()),
            }
        }
        Ok(arguments)
    }
}

/// Those without which there is nothing to look at.
const REQUIRED: [&str; 4] =
    ["CPV_HOME_TENANT", "CPV_CLIENT_ID", "CPV_REDIRECT_URI", "CPV_KEY_FILE"];

/// What a broker would be built of, at Microsoft's own clouds.
async fn look_for_real(arguments: Arguments) -> Outcome<bool> {
    environment::require(&REQUIRED)?;
    let manifest = arguments.manifest.as_deref().map(manifest).transpose()?;
    let (app, keys) = (environment::registration()?, KeyRing::new(environment::key()?));
    let folder = environment::store();
    let store = Sqlite::open(&folder).await.map_err(|error| format!("{folder}: {error}"))?;
    let mut builder = Broker::builder(app, store, keys);
    if let Some(page) = environment::setting("CPV_START_PAGE") {
        builder = builder.start_page(&page);
    }
    let mut doctor = builder.doctor();
    if let Some(manifest) = &manifest {
        doctor = doctor.manifest(manifest);
    }
    if let Some(panel) = arguments.panel {
        doctor = doctor.panel(panel);
    }
    if arguments.web_door {
        doctor = doctor.web_door();
    }
    let checkup = doctor.await;
    print!("{checkup}");
    Ok(checkup.is_healthy())
}

fn manifest(file: &str) -> Outcome<Manifest> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(Manifest::from_json(&text).map_err(|error| format!("{file}: {error}"))?)
}

async fn look_on_the_emulator() -> Outcome {
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
