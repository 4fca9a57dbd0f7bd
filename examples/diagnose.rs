//! What a support person asks: does it work, whose turn is it, what to quote to Microsoft.
//!
//! Everything runs here, on an emulated Entra: a healthy partner with a customer that works, one that
//! never granted the application, and one that ended the relationship; and a partner whose
//! administrator was blocked.
//!
//! With an argument it says what a pasted text is about.
//!
//! ```text
//! cargo run --example diagnose
//! cargo run --example diagnose -- "AADSTS65001: … Trace ID: … Correlation ID: …"
//! ```

mod help;

use std::error::Error;

use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, Diagnosis, KeyRing, LocalKey, Resource, TenantId,
    VirtualClock,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const GRAPH: &str = "https://graph.microsoft.com";
const PERMISSION: &str = "Directory.Read.All";

#[tokio::main]
async fn main() -> Outcome {
    if help::is_given(include_str!("diagnose.rs")) {
        return Ok(());
    }
    let text: Vec<String> = std::env::args().skip(1).collect();
    let scene = Scene::new().await?;
    if !text.is_empty() {
        return scene.explain(&text.join(" ")).await;
    }
    scene.show().await
}

struct Scene {
    clock: VirtualClock,
    entra: Emulator,
    app: AppRegistration,
    broker: Broker,
}

impl Scene {
    async fn new() -> Outcome<Self> {
        let clock = VirtualClock::default();
        let entra = Emulator::builder().clock(clock.clone()).start().await?;
        let app = entra.registration("https://panel.example/consent/callback")?;
        let app = app.requesting(Resource::Graph, [PERMISSION])?;
        entra.register(&app);
        let keys = KeyRing::new(LocalKey::generate("2026-11")?);
        let builder = Broker::builder(app.clone(), Memory::new(), keys).clock(clock.clone());
        Ok(Self { broker: builder.build().await?, clock, entra, app })
    }

    async fn explain(&self, text: &str) -> Outcome {
        match self.broker.diagnose_text(text).await {
            Some(diagnosis) => println!("{diagnosis}"),
            None => println!("neither a number nor an id of a case is in this text"),
        }
        Ok(())
    }

    async fn show(&self) -> Outcome {
        let (contoso, _) = self.partner("Contoso").await?;
        let fabrikam = self.customer(contoso, "Fabrikam");
        let tailspin = self.entra.add_customer(contoso, "Tailspin");
        let adatum = self.customer(contoso, "Adatum");
        self.entra.end_relationship(contoso, adatum);
        let (northwind, admin) = self.partner("Northwind").await?;
        let litware = self.customer(northwind, "Litware");
        self.entra.change_user(&admin, |account| account.disabled = true);
        self.clock.advance(std::time::Duration::from_secs(2 * 3600));

        print_row(&HEAD);
        let mut told = Vec::new();
        for (partner, names, customer) in [
            (contoso, ["Contoso", ""], None),
            (contoso, ["Contoso", "Fabrikam"], Some(fabrikam)),
            (contoso, ["Contoso", "Tailspin"], Some(tailspin)),
            (contoso, ["Contoso", "Adatum"], Some(adatum)),
            (northwind, ["Northwind", ""], None),
            (northwind, ["Northwind", "Litware"], Some(litware)),
        ] {
            let diagnosis = self.diagnose(partner, customer).await?;
            print_row(&row(names, &diagnosis));
            told.push(diagnosis);
        }
        self.find_again(&told[2]).await
    }

    async fn diagnose(&self, partner: TenantId, customer: Option<TenantId>) -> Outcome<Diagnosis> {
        let partner = self.broker.partner(partner);
        Ok(match customer {
            None => partner.diagnose(Resource::PartnerCenter).await?,
            Some(customer) => partner.customer(customer).diagnose(Resource::Graph).await?,
        })
    }

    /// By an id from a log; then from a mail that some other process caused.
    async fn find_again(&self, told: &Diagnosis) -> Outcome {
        let trace = told.trace_id().ok_or("Entra names a trace id")?;
        println!("\n-- found by trace id {trace}");
        let found = self.broker.diagnosis_of(trace).await.ok_or("this process remembers it")?;
        println!("{found}");
        println!("\n-- the same for a program");
        println!("{}", serde_json::to_string(&found)?);
        println!("\n-- a text that was pasted, of a case of another process");
        self.explain("AADSTS50076: Due to a configuration change … you must use multi-factor …")
            .await
    }

    /// A partner whose administrator has consented.
    async fn partner(&self, name: &str) -> Outcome<(TenantId, User)> {
        let tenant = self.entra.add_tenant(name);
        let admin = self.entra.add_user(tenant, &format!("admin@{name}.example"));
        let account = AccountId::new(format!("account-of-{name}"))?;
        let pending = self.broker.partner(tenant).request_consent(account).await?;
        let mut browser = Browser::new();
        browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
        let request = browser.consent(pending.authorize_url(), &admin).await?;
        let found = self.broker.capture_consent(Callback::from_request(&request)?).await?;
        found.confirm().await?;
        Ok((tenant, admin))
    }

    /// A customer that has granted what the application asks for.
    fn customer(&self, partner: TenantId, name: &str) -> TenantId {
        let tenant = self.entra.add_customer(partner, name);
        self.entra.grant(tenant, self.app.client_id(), GRAPH, &[PERMISSION]);
        tenant
    }
}

const HEAD: [&str; 6] = ["partner", "customer", "result", "turn", "AADSTS", "to do"];

fn row(names: [&str; 2], diagnosis: &Diagnosis) -> [String; 6] {
    let [partner, customer] = names.map(str::to_owned);
    let result = if diagnosis.works() { "works" } else { "fails" };
    let turn = diagnosis.whose_turn().map_or("", |party| party.as_str());
    let number = diagnosis.number().map(|number| number.to_string()).unwrap_or_default();
    let step = diagnosis.steps().first().map(|step| step.words()).unwrap_or_default();
    [partner, customer, result.into(), turn.into(), number, step.into()]
}

fn print_row(cells: &[impl AsRef<str>; 6]) {
    let [partner, customer, result, turn, number, step] = cells.each_ref().map(AsRef::as_ref);
    let row = format!("{partner:<10} {customer:<9} {result:<6} {turn:<9} {number:<7} {step}");
    println!("{}", row.trim_end());
}
