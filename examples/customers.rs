//! Looks at what the application may do at a partner's customers, and grants it where that is missing.
//!
//! Everything runs here, on an emulated Entra and Partner Center: a partner with forty customers, some of
//! whom cannot be served before somebody acts. Without arguments it only looks.
//!
//! ```text
//! cargo run --example customers
//! cargo run --example customers -- --apply --report target/customers.tsv
//!
//! --apply          grants what is absent
//! --report FILE    writes the table to a file, too, separated by tabs
//! ```

mod help;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, CustomerGrants, CustomerProfile, GrantState,
    KeyRing, LocalKey, Partner, Resource, TenantId,
};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const GRAPH: &str = "https://graph.microsoft.com";
const PERMISSION: &str = "Directory.Read.All";
const AT_ONCE: usize = 8;
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("customers.rs")) {
        return ExitCode::SUCCESS;
    }
    let outcome = match Settings::from_arguments() {
        Ok(settings) => run(&settings).await,
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

#[derive(Default)]
struct Settings {
    applies: bool,
    report: Option<PathBuf>,
}

impl Settings {
    fn from_arguments() -> Outcome<Self> {
        let (mut settings, mut arguments) = (Self::default(), std::env::args().skip(1));
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--apply" => settings.applies = true,
                "--report" => {
                    let file = arguments.next().ok_or("--report wants the name of a file")?;
                    settings.report = Some(file.into());
                }
                other => return Err(format!("what is {other}? --apply, --report FILE").into()),
            }
        }
        Ok(settings)
    }
}

async fn run(settings: &Settings) -> Outcome {
    let (entra, broker, contoso) = scene().await?;
    let customers = listed(&broker.partner(contoso)).await?;
    let rows = looked_at(&broker, contoso, customers, settings.applies).await?;
    print(&rows);
    if let Some(file) = &settings.report {
        write(&rows, BufWriter::new(File::create(file)?))?;
        println!("\nthe same, tab separated: {}", file.display());
    }
    if !settings.applies {
        println!("\nnothing was changed: --apply grants what is absent");
    }
    broker.close(GRACE).await;
    entra.shutdown().await;
    Ok(())
}

async fn listed(partner: &Partner<'_>) -> Outcome<Vec<CustomerProfile>> {
    let mut pages = partner.customers();
    let mut customers = Vec::new();
    while let Some(page) = pages.next().await? {
        customers.extend(page);
    }
    println!("{} customers", customers.len());
    Ok(customers)
}

/// A customer, and what came of it.
struct Row {
    customer: CustomerProfile,
    outcome: Result<CustomerGrants, cpv_consent::Error>,
}

/// Some at a time: a grant waits until it shows, and who waits keeps nobody else.
async fn looked_at(
    broker: &Broker,
    contoso: TenantId,
    customers: Vec<CustomerProfile>,
    applies: bool,
) -> Outcome<Vec<Row>> {
    let style = ProgressStyle::with_template("{msg:>9} {wide_bar} {pos} of {len}, {eta} left")?;
    let bar = ProgressBar::new(u64::try_from(customers.len())?).with_style(style);
    bar.set_message(if applies { "granting" } else { "looking" });
    let (mut rows, mut under_way) = (Vec::new(), JoinSet::new());
    for customer in customers {
        if under_way.len() == AT_ONCE {
            rows.extend(under_way.join_next().await.transpose()?);
            bar.inc(1);
        }
        let broker = broker.clone();
        under_way.spawn(async move {
            let there = broker.partner(contoso).customer(customer.tenant());
            let outcome = if applies { there.grant().await } else { there.check().await };
            Row { customer, outcome }
        });
    }
    while let Some(row) = under_way.join_next().await {
        rows.push(row?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    rows.sort_by(|one, other| one.customer.name().cmp(&other.customer.name()));
    Ok(rows)
}

impl Row {
    /// Name, API, state, what to do.
    fn cells(&self) -> Vec<[String; 4]> {
        let name = self.customer.name().unwrap_or("without a name").to_owned();
        let grants = match &self.outcome {
            Ok(grants) => grants.grants(),
            Err(error) => {
                let (error, remedy) = (error.to_string(), error.remedy().to_string());
                return vec![[name, String::new(), error, remedy]];
            }
        };
        let cells = grants.iter().map(|grant| {
            let state = match grant.state() {
                GrantState::Blocked(_) => "blocked".to_owned(),
                state if grant.is_new() => format!("{state}, granted now"),
                state => state.to_string(),
            };
            let remedy = grant.remedy().map(|remedy| remedy.to_string()).unwrap_or_default();
            [name.clone(), grant.resource().to_string(), state, remedy]
        });
        cells.collect()
    }
}

fn print(rows: &[Row]) {
    println!("{:<14} {:<16} {:<24} what to do", "customer", "API", "state");
    for [name, resource, state, remedy] in rows.iter().flat_map(Row::cells) {
        println!("{name:<14} {resource:<16} {state:<24} {remedy}");
    }
}

fn write(rows: &[Row], mut to: impl Write) -> Outcome {
    writeln!(to, "tenant\tname\tapi\tstate\tremedy")?;
    for row in rows {
        for cells in row.cells() {
            writeln!(to, "{}\t{}", row.customer.tenant(), cells.join("\t"))?;
        }
    }
    Ok(to.flush()?)
}

/// A partner that has consented, and its customers.
async fn scene() -> Outcome<(Emulator, Broker, TenantId)> {
    let entra = Emulator::builder().start().await?;
    let app = entra.registration("https://panel.example/consent/callback")?;
    let app = app.requesting(Resource::Graph, [PERMISSION])?.display_name("Panel")?;
    entra.register(&app);
    let keys = KeyRing::new(LocalKey::generate("2026-11")?);
    let broker = Broker::builder(app.clone(), Memory::new(), keys).build().await?;
    let contoso = entra.add_tenant("Contoso");
    let admin = entra.add_user(contoso, "admin@contoso.example");
    consent(&broker, contoso, &admin).await?;
    for number in 1..=36 {
        entra.add_customer(contoso, &format!("Customer {number}"));
    }
    add_others(&entra, &app, contoso);
    Ok((entra, broker, contoso))
}

/// One that is granted already, and two who want somebody to act first.
fn add_others(entra: &Emulator, app: &AppRegistration, contoso: TenantId) {
    let of = |name| entra.add_customer(contoso, name);
    entra.grant(of("Fabrikam"), app.client_id(), GRAPH, &[PERMISSION]);
    entra.add_reseller_customer(contoso, "Adatum");
    entra.remove_principal(of("Litware"), graph_id());
}

async fn consent(broker: &Broker, contoso: TenantId, admin: &User) -> Outcome {
    let pending = broker.partner(contoso).request_consent(AccountId::new("panel-17")?).await?;
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    let request = browser.consent(pending.authorize_url(), admin).await?;
    broker.capture_consent(Callback::from_request(&request)?).await?.confirm().await?;
    Ok(())
}

/// Microsoft Graph's own application id.
fn graph_id() -> cpv_consent::ClientId {
    let id = "00000003-0000-0000-c000-000000000000";
    cpv_consent::ClientId::parse(id).expect("a GUID")
}
