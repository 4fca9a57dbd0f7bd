//! What a token costs that is at hand, beside the bare map look-up under it.
//!
//! Run with `cargo bench`. Samples of both sides are interleaved, and each line reads
//! `ratio NAME VALUE`, the median of the sides' quotients.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use cpv_consent::emulator::{Browser, Emulator};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, ClientCredential, ClientId, Cloud, KeyRing,
    LocalKey, Origins, Resource, TenantId, VirtualClock,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SAMPLES: usize = 31;
const HITS: u32 = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let clock = VirtualClock::default();
    let entra = Emulator::builder().clock(clock.clone()).start().await?;
    let contoso = entra.add_tenant("Contoso");
    let broker = onboarded(&entra, &clock, contoso).await?;
    let partner = broker.partner(contoso);

    let token = Arc::new(partner.token(Resource::PartnerCenter).await?);
    let map = RwLock::new(HashMap::from([((contoso, contoso), token)]));
    let mut quotients = Vec::new();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        for _ in 0..HITS {
            std::hint::black_box(partner.token(Resource::PartnerCenter).await?);
        }
        let ours = begun.elapsed();
        let begun = Instant::now();
        for _ in 0..HITS {
            let map = map.read().map_err(|_| "poisoned")?;
            std::hint::black_box(map.get(&(contoso, contoso)).cloned());
        }
        quotients.push(quotient(ours, begun.elapsed()));
    }
    report("hit_to_map", quotients);

    Ok(())
}

fn quotient(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

fn report(name: &str, mut quotients: Vec<f64>) {
    quotients.sort_by(f64::total_cmp);
    println!("ratio {name} {:.2}", quotients[quotients.len() / 2]);
}

async fn onboarded(entra: &Emulator, clock: &VirtualClock, contoso: TenantId) -> Outcome<Broker> {
    let origins = Origins {
        login: entra.login_origin(),
        partner_center: entra.partner_center_origin(),
        graph: entra.graph_origin(),
    };
    let cloud = Cloud::danger_loopback("emulator", origins)?;
    let home = entra.add_tenant("Vendor");
    let client_id = ClientId::parse("c11e0700-2222-4222-8222-222222222222")?;
    let secret = ClientCredential::secret("only-here")?;
    let redirect = "https://panel.example/callback";
    let app = AppRegistration::new(cloud, home, client_id, secret, redirect)?;
    entra.register(&app);
    let keys = KeyRing::new(LocalKey::generate("bench")?);
    let broker = Broker::builder(app, Memory::new(), keys).clock(clock.clone()).build().await?;
    let admin = entra.add_user(contoso, "admin@contoso.example");
    let pending = broker.partner(contoso).request_consent(AccountId::new("panel")?).await?;
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    let request = browser.consent(pending.authorize_url(), &admin).await?;
    broker.capture_consent(Callback::from_request(&request)?).await?.confirm().await?;
    Ok(broker)
}
