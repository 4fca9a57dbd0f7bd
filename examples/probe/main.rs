//! Asks the live services what Microsoft's pages leave open, and writes down what they say.
//!
//! Without settings it rehearses everything on the emulator. With settings it asks the real
//! services, in Partner Center's integration sandbox, by the consent of a partner that was onboarded
//! before. It only reads, unless `--allow-writes` is given; the consent that it then deletes in the
//! customer's tenant it puts back, but not what else hangs on the application there, such as roles
//! that were assigned to it. The store is copied into memory and never written.
//!
//! ```text
//! cargo run --example probe -- [--out FILE] [--allow-writes] [--callback]
//!
//! CPV_HOME_TENANT      the vendor's own tenant
//! CPV_CLIENT_ID        the application
//! CPV_CERTIFICATE      file with certificate and key in PEM, or CPV_CLIENT_SECRET
//! CPV_REDIRECT_URI     as registered
//! CPV_KEY_FILE         file of the key that seals the store; its name without ending is the key's id
//! CPV_STORE            folder of the store (default ./cpv-store)
//! CPV_PARTNER          the partner's tenant, with a consent in the store
//! CPV_CUSTOMER         a customer's tenant of the integration sandbox
//! CPV_GRAPH_SCOPES     permissions of Microsoft Graph that the consent has, separated by spaces
//! CPV_CLOUD            global (default), us-government, us-government-dod, china
//! CPV_LISTEN           where --callback listens, e.g. behind a TLS proxy (default 127.0.0.1:8400)
//! CPV_KEY_VAULT        a vault to ask, as https://name.vault.azure.net
//! CPV_KEY_VAULT_TOKEN  an access token for it that may set, delete and purge secrets
//! CPV_PROBE_PRODUCTION yes: the consent is one of production; nothing is written then
//! ```
//!
//! The transcript (`--out`, by default `./probe-<date>.json`, readable by its owner alone) has each
//! exchange redacted: what no list allows is shown by its shape. Its `doubts` are for the emulator's
//! switches of that name. Progress goes to the standard error output; Ctrl-C stops after the question
//! that is being asked, and the transcript is written all the same.

use std::error::Error;
use std::process::ExitCode;

use tokio::sync::watch;

#[path = "../environment/mod.rs"]
mod environment;
#[path = "../help/mod.rs"]
mod help;
mod probe;
mod questions;
mod redaction;
pub(crate) mod rehearsal;
mod settings;
mod transcript;
mod wire;

pub(crate) use probe::Probe;
pub(crate) use settings::{Plan, Settings};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    program().await.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

async fn program() -> Outcome<ExitCode> {
    if help::is_given(include_str!("main.rs")) {
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::from_arguments(std::env::args().skip(1))?;
    let stop = stopped_by_ctrl_c();
    match Settings::from_environment(&plan).await? {
        Some(settings) => run(settings, &plan, stop).await,
        None => {
            let rehearsal = rehearsal::Rehearsal::new().await?;
            eprintln!("{:>24}  no settings, so this is a rehearsal on the emulator", "");
            let plan = Plan { allow_writes: true, ..plan };
            run(rehearsal.settings().await?, &plan, stop).await
        }
    }
}

/// Asks every question and writes the transcript. Fails where a question that was asked has no
/// answer, or something could not be put back.
pub(crate) async fn run(
    settings: Settings,
    plan: &Plan,
    stop: watch::Receiver<bool>,
) -> Outcome<ExitCode> {
    let probe = Probe::new(settings, plan.allow_writes, stop).await?;
    let file = transcript::create(&plan.out())?;
    let mut transcript = transcript::Transcript::of(&probe);
    for question in questions::all() {
        let mark = probe.recorder.seen().len();
        let told = question.put(&probe).await;
        eprintln!("{:>24}  {}", question.id, told.aloud());
        transcript.add(&question, told, probe.recorder.seen().split_off(mark));
    }
    let code = transcript.exit_code();
    transcript.write(file)?;
    eprintln!("{:>24}  {}", "transcript", plan.out().display());
    Ok(code)
}

fn stopped_by_ctrl_c() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("{:>24}  after this question", "stopping");
            stop.send_replace(true);
        }
        stop.closed().await;
    });
    stopped
}
