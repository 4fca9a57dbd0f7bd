//! Rotates the key that seals a store, while the store is at work.
//!
//! Without settings everything runs here: an emulated Entra, partners in a SQLite store of a fresh
//! folder, a process that is not ready for the new key, tokens that are asked for all the while.
//!
//! With settings it rotates the keys of a real SQLite store. Beforehand, give the new key to every process
//! that shares the store: first as a readable key, then as the primary one.
//!
//! ```text
//! cargo run --example rotate_keys
//!
//! CPV_STORE            folder of the store
//! CPV_NEW_KEY          file of the new key; its name without ending is the key's id
//! CPV_OLD_KEY          file of the old key, likewise
//! CPV_HOME_TENANT      the vendor's own tenant
//! CPV_CLIENT_ID        the application
//! CPV_RETIRE           yes: retire the old key afterwards (default no)
//! CPV_CLOUD            global (default), us-government, us-government-dod, china
//! CPV_ENVIRONMENT      production (default), sandbox: Partner Center's integration sandbox
//! ```

mod environment;
mod help;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cpv_consent::emulator::{Browser, Emulator};
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, ClientCredential, ClientId, KeyId, KeyRing,
    KeyRotation, LocalKey, Resource, TenantId, VirtualClock,
};
use indicatif::{ProgressBar, ProgressStyle};

use environment::{parsed, setting};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// No browser comes back here: keys are rotated without Entra.
const REDIRECT: &str = "https://panel.example/consent/callback";
const PARTNERS: usize = 12;
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("rotate_keys.rs")) {
        return ExitCode::SUCCESS;
    }
    let outcome = match Settings::from_environment() {
        Ok(Some(settings)) => rotate_for_real(settings).await,
        Ok(None) => rotate_on_the_emulator().await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn step(what: &str, result: impl std::fmt::Display) {
    println!("{what:>15}  {result}");
}

/// A real store, beside the processes that serve from it.
async fn rotate_for_real(settings: Settings) -> Outcome<()> {
    let Settings { app, store, old, new, retires } = settings;
    let opened = Sqlite::open(&store).await?;
    let old_id = old.id.clone();
    let ring = KeyRing::new(new.key).readable(old.key)?;
    let broker = Broker::builder(app, opened, ring).build().await?;
    step("process", broker.process_id());
    let outcome = match rotate(&broker).await {
        Ok(()) if retires => retire(&broker, &old_id).await,
        rotated => rotated,
    };
    broker.close(GRACE).await;
    outcome
}

async fn retire(broker: &Broker, old: &KeyId) -> Outcome<()> {
    step("retiring", format!("{old}; with other processes this takes three minutes"));
    broker.retire_key(old).await?;
    step("retired", format!("{old}: it may be taken out of every ring"));
    Ok(())
}

/// Rotates with a bar, and says by name what was left.
async fn rotate(broker: &Broker) -> Outcome<()> {
    step("looking", "which processes are at work; with others this takes a minute and a half");
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{msg:>15}  {wide_bar} {pos} of {len}, {per_sec}, {eta} left",
    )?);
    bar.set_message("rewrapping");
    let shown = |rotation: &KeyRotation| {
        bar.set_length(rotation.total());
        bar.set_position(rotation.done());
    };
    let rotated = broker.rotate_keys().progress(shown).run().await;
    bar.finish_and_clear();
    let rotated = rotated?;
    step("rewrapped", format!("{} partner keys, under {} now", rotated.rewrapped(), rotated.key()));
    for left in rotated.named() {
        step("left", left);
    }
    match rotated.left() {
        0 => Ok(()),
        left => Err(format!("{left} partner keys were left as they were").into()),
    }
}

/// The whole life of a key, with nothing but this program.
async fn rotate_on_the_emulator() -> Outcome<()> {
    let scene = Scene::new().await?;
    let partners = scene.onboard_partners().await?;
    step("store", format!("{} partners, sealed under {OLD}", partners.len()));

    let behind = scene.open(&[OLD]).await?;
    refused("a new key alone", scene.open(&[NEW]).await)?;
    let ahead = scene.open(&[NEW, OLD]).await?;
    step("one process", format!("has {NEW} first; another knows {OLD} only"));
    refused("rotating", rotate(&ahead).await)?;
    behind.close(GRACE).await;
    let prepared = scene.open(&[OLD, NEW]).await?;
    step("other process", format!("started anew: it can read {NEW}"));

    let served = Arc::new(AtomicU64::new(0));
    let traffic = tokio::spawn(ask_for_tokens(prepared.clone(), partners.clone(), served.clone()));
    rotate(&ahead).await?;
    traffic.abort();
    if let Ok(Err(missed)) = traffic.await {
        return Err(missed.into());
    }
    step("meanwhile", format!("{} tokens handed out, none missed", served.load(Ordering::Relaxed)));

    let old = KeyId::new(OLD)?;
    refused("retiring", ahead.retire_key(&old).await.map_err(Into::into))?;
    prepared.close(GRACE).await;
    ahead.retire_key(&old).await?;
    step("retired", OLD);
    ahead.close(GRACE).await;
    refused("the old key", scene.open(&[OLD, NEW]).await)?;
    let alone = scene.open(&[NEW]).await?;
    alone.partner(partners[0]).token(Resource::PartnerCenter).await?;
    step("opened", format!("with {NEW} alone, and a token was had"));
    alone.close(GRACE).await;
    Ok(())
}

const OLD: &str = "2026-11";
const NEW: &str = "2027-02";

/// Shows a refusal in its own words; that there is none is the error.
fn refused<T>(what: &str, outcome: Outcome<T>) -> Outcome<()> {
    match outcome {
        Ok(_) => Err(format!("{what} was not refused").into()),
        Err(refusal) => {
            step(what, format!("refused: {refusal}"));
            Ok(())
        }
    }
}

async fn ask_for_tokens(
    broker: Broker,
    partners: Vec<TenantId>,
    served: Arc<AtomicU64>,
) -> Result<(), cpv_consent::Error> {
    loop {
        for partner in &partners {
            broker.partner(*partner).token(Resource::PartnerCenter).await?;
            broker.partner(*partner).consent().await?;
            served.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
}

/// An emulated Entra, and a folder with a store and two key files. Its clock runs a hundred times
/// faster than others, so that a minute and a half is a second.
struct Scene {
    entra: Emulator,
    app: AppRegistration,
    clock: VirtualClock,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Outcome<Self> {
        let clock = VirtualClock::default();
        let ticking = clock.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                ticking.advance(Duration::from_secs(1));
            }
        });
        let entra = Emulator::builder().clock(clock.clone()).start().await?;
        let app = entra.registration(REDIRECT)?;
        entra.register(&app);
        let folder = tempfile::tempdir()?;
        for name in [OLD, NEW] {
            LocalKey::generate(name)?.save_new(key_file(folder.path(), name))?;
        }
        step("key files", format!("{OLD}.key and {NEW}.key, for their owner alone"));
        Ok(Self { entra, app, clock, folder })
    }

    /// A process with these keys, the first of them its primary one.
    async fn open(&self, names: &[&str]) -> Outcome<Broker> {
        let mut ring = None;
        for name in names {
            let key = LocalKey::from_file(name, key_file(self.folder.path(), name))?;
            ring = Some(match ring {
                None => KeyRing::new(key),
                Some(ring) => KeyRing::readable(ring, key)?,
            });
        }
        let ring = ring.ok_or("a ring has a key")?;
        let store = Sqlite::open(self.folder.path().canonicalize()?.join("store")).await?;
        let broker = Broker::builder(self.app.clone(), store, ring).clock(self.clock.clone());
        Ok(broker.build().await?)
    }

    async fn onboard_partners(&self) -> Outcome<Vec<TenantId>> {
        let broker = self.open(&[OLD]).await?;
        let mut partners = Vec::new();
        for number in 1..=PARTNERS {
            let tenant = self.entra.add_tenant(&format!("Partner {number}"));
            let admin = self.entra.add_user(tenant, &format!("admin@partner-{number}.example"));
            let account = AccountId::new(format!("account-{number}"))?;
            let pending = broker.partner(tenant).request_consent(account).await?;
            let mut browser = Browser::new();
            browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
            let callback = browser.consent(pending.authorize_url(), &admin).await?;
            let found = broker.capture_consent(Callback::from_request(&callback)?).await?;
            partners.push(found.confirm().await?.partner());
        }
        broker.close(GRACE).await;
        Ok(partners)
    }
}

fn key_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("key")
}

/// What a real store needs, read from the environment.
struct Settings {
    app: AppRegistration,
    store: PathBuf,
    old: NamedKey,
    new: NamedKey,
    retires: bool,
}

struct NamedKey {
    id: KeyId,
    key: LocalKey,
}

/// Those without which nothing real can be done.
const REQUIRED: [&str; 5] =
    ["CPV_STORE", "CPV_NEW_KEY", "CPV_OLD_KEY", "CPV_HOME_TENANT", "CPV_CLIENT_ID"];

impl Settings {
    /// None where no setting is made at all.
    fn from_environment() -> Outcome<Option<Self>> {
        if !environment::is_set() {
            return Ok(None);
        }
        environment::require(&REQUIRED)?;
        let store = PathBuf::from(setting("CPV_STORE").unwrap_or_default());
        if !store.is_dir() {
            return Err(format!("CPV_STORE: there is no folder {}", store.display()).into());
        }
        Ok(Some(Self {
            app: app()?,
            store,
            old: named_key("CPV_OLD_KEY")?,
            new: named_key("CPV_NEW_KEY")?,
            retires: parsed("CPV_RETIRE", |text| match text {
                "" | "no" => Ok(false),
                "yes" => Ok(true),
                _ => Err("is none of yes, no"),
            })?,
        }))
    }
}

fn app() -> Outcome<AppRegistration> {
    let home = parsed("CPV_HOME_TENANT", TenantId::parse)?;
    let client_id = parsed("CPV_CLIENT_ID", ClientId::parse)?;
    // Nothing is asked of Entra, so no credential is needed.
    let credential = ClientCredential::secret("not-used")?;
    let cloud = environment::cloud()?;
    let app = AppRegistration::new(cloud, home, client_id, credential, REDIRECT)?;
    Ok(app.environment(environment::environment()?))
}

fn named_key(setting: &str) -> Outcome<NamedKey> {
    parsed(setting, |path| -> Outcome<NamedKey> {
        let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str());
        let id = KeyId::new(stem.ok_or("names no file")?)?;
        let key = LocalKey::from_file(id.as_str(), path)?;
        Ok(NamedKey { id, key })
    })
}
