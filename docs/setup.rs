// The scene of the guides' examples: a vendor, a partner with its administrator, and a customer.
// Each example includes this file and tells its own part of the story.

pub use std::sync::Arc;

use bytes::Bytes;
pub use cpv_consent::emulator::{Browser, Emulator, Failure, Rule, User};
pub use cpv_consent::*;

pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[allow(dead_code)] // each example uses its own part of it
pub struct Scene {
    pub broker: Broker,
    pub entra: Emulator,
    pub clock: VirtualClock,
    pub app: AppRegistration,
    pub account: AccountId,
    pub contoso: TenantId,
    pub admin: User,
    pub fabrikam: TenantId,
    folder: tempfile::TempDir,
}

#[allow(dead_code)]
impl Scene {
    pub async fn new() -> Outcome<Self> {
        let clock = VirtualClock::default();
        let entra = Emulator::builder().clock(clock.clone()).start().await?;
        let app = entra.registration("https://panel.example/consent/callback")?;
        let app = app.requesting(Resource::Graph, ["Directory.Read.All"])?;
        entra.register(&app);
        let contoso = entra.add_tenant("Contoso");
        let admin = entra.add_user(contoso, "admin@contoso.example");
        let fabrikam = entra.add_customer(contoso, "Fabrikam");
        let graph = "https://graph.microsoft.com";
        entra.grant(fabrikam, app.client_id(), graph, &["Directory.Read.All"]);
        let folder = tempfile::tempdir()?;
        let store = store::Sqlite::open(folder.path().canonicalize()?.join("store")).await?;
        let keys = KeyRing::new(LocalKey::generate("2026-11")?);
        let builder = Broker::builder(app.clone(), store, keys).clock(clock.clone()).retries(0);
        let builder = builder.start_page("https://panel.example/invited");
        let (broker, account) = (builder.build().await?, AccountId::new("panel-17")?);
        Ok(Self { broker, entra, clock, app, account, contoso, admin, fabrikam, folder })
    }

    /// Lets the clock go on, a tenth of a second at a time, for what waits in between.
    pub fn lets_time_pass(&self) {
        let clock = self.clock.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                clock.advance(std::time::Duration::from_millis(100));
            }
        });
    }

    /// The partner has consented already.
    pub async fn onboarded() -> Outcome<Self> {
        let scene = Self::new().await?;
        let pending = scene.broker.partner(scene.contoso).request_consent(scene.account.clone());
        let request = walk(&pending.await?, &scene.admin).await?;
        capture(&scene.broker, &request).await?.confirm().await?;
        Ok(scene)
    }
}

/// The browser's part: keeps the cookie, signs in, proves a second factor, consents, comes back.
pub async fn walk(pending: &PendingConsent, user: &User) -> Outcome<http::Request<Bytes>> {
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    Ok(browser.consent(pending.authorize_url(), user).await?)
}

pub async fn capture(broker: &Broker, request: &http::Request<Bytes>) -> Outcome<Found> {
    Ok(broker.capture_consent(Callback::from_request(request)?).await?)
}

/// Tells a story that begins before the first consent.
#[allow(dead_code)]
pub fn before_consent(story: impl AsyncFnOnce(Scene) -> Outcome) -> Outcome {
    run(async { story(Scene::new().await?).await })
}

/// Tells a story that begins once the partner has consented.
#[allow(dead_code)]
pub fn after_consent(story: impl AsyncFnOnce(Scene) -> Outcome) -> Outcome {
    run(async { story(Scene::onboarded().await?).await })
}

fn run(story: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(story)
}
