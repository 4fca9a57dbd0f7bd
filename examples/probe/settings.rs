//! What is asked, of whom, and how far the program may go.

use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cpv_consent::store::{Sqlite, Store};
use cpv_consent::{AccessToken, AppRegistration, Environment, Http, KeyRing, Reqwest, TenantId};
use url::Url;
use x509_cert::der::DateTime;

use super::Outcome;
use super::environment::{self, parsed, setting};

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) out: Option<PathBuf>,
    pub(crate) allow_writes: bool,
    pub(crate) callback: bool,
}

impl Plan {
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut plan = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--out" => plan.out = Some(arguments.next().ok_or("--out takes a file")?.into()),
                "--allow-writes" => plan.allow_writes = true,
                "--callback" => plan.callback = true,
                _ => return Err(format!("no such argument: {argument}").into()),
            }
        }
        Ok(plan)
    }

    pub(crate) fn out(&self) -> PathBuf {
        let today = || {
            let now = timestamp(SystemTime::now());
            format!("probe-{}.json", now.split('T').next().unwrap_or(&now)).into()
        };
        self.out.clone().unwrap_or_else(today)
    }
}

/// `2026-11-22T21:46:00Z`.
pub(crate) fn timestamp(time: SystemTime) -> String {
    DateTime::from_system_time(time).map_or_else(|_| "unknown".to_owned(), |date| date.to_string())
}

/// Everything that the questions need.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) app: AppRegistration,
    pub(crate) environment: Environment,
    pub(crate) partner: TenantId,
    pub(crate) customer: TenantId,
    /// Where the partner's consent is; it is read only.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: KeyRing,
    pub(crate) http: Arc<dyn Http>,
    pub(crate) key_vault: Option<KeyVault>,
    pub(crate) callback: Option<CallbackDesk>,
    pub(crate) patience: Patience,
}

/// A vault, and what opens it.
#[derive(Debug)]
pub(crate) struct KeyVault {
    pub(crate) origin: String,
    pub(crate) token: Option<AccessToken>,
}

/// Where a callback is waited for (it does not block), and who is shown the link that leads to it.
pub(crate) struct CallbackDesk {
    pub(crate) listener: TcpListener,
    pub(crate) show: Box<dyn Fn(&Url) + Send + Sync>,
}

impl fmt::Debug for CallbackDesk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CallbackDesk").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// How often it is looked whether a change shows, and how long is waited in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) looks: u32,
    pub(crate) pause: Duration,
}

/// Those without which nothing can be asked.
const REQUIRED: [&str; 6] = [
    "CPV_HOME_TENANT",
    "CPV_CLIENT_ID",
    "CPV_REDIRECT_URI",
    "CPV_KEY_FILE",
    "CPV_PARTNER",
    "CPV_CUSTOMER",
];

impl Settings {
    /// None where no setting is made at all.
    pub(crate) async fn from_environment(plan: &Plan) -> Outcome<Option<Self>> {
        if !environment::is_set() {
            return Ok(None);
        }
        environment::require(&REQUIRED)?;
        let production = setting("CPV_PROBE_PRODUCTION");
        let environment = asked_of(production.as_deref(), plan.allow_writes)?;
        let folder = environment::store();
        if !Path::new(&folder).is_dir() {
            return Err(format!("{folder}: there is no store; onboard a partner first").into());
        }
        let store = Sqlite::open(&folder).await.map_err(|error| format!("{folder}: {error}"))?;
        Ok(Some(Self {
            app: environment::registration()?.environment(environment),
            environment,
            partner: parsed("CPV_PARTNER", TenantId::parse)?,
            customer: parsed("CPV_CUSTOMER", TenantId::parse)?,
            store: Arc::new(store),
            keys: KeyRing::new(environment::key()?),
            http: Arc::new(Reqwest::new()?),
            key_vault: key_vault()?,
            callback: if plan.callback { Some(desk()?) } else { None },
            patience: Patience { looks: 20, pause: Duration::from_secs(6) },
        }))
    }
}

/// The sandbox, unless production is allowed by name; and only the sandbox may be written to.
fn asked_of(production: Option<&str>, allow_writes: bool) -> Outcome<Environment> {
    match production {
        None => Ok(Environment::Sandbox),
        Some("yes") if allow_writes => {
            Err("--allow-writes is for the sandbox alone: unset CPV_PROBE_PRODUCTION".into())
        }
        Some("yes") => Ok(Environment::Production),
        Some(_) => Err("CPV_PROBE_PRODUCTION: is either yes or not set".into()),
    }
}

fn key_vault() -> Outcome<Option<KeyVault>> {
    if setting("CPV_KEY_VAULT").is_none() {
        return Ok(None);
    }
    let url = parsed("CPV_KEY_VAULT", Url::parse)?;
    if url.scheme() != "https" || url.path() != "/" || !is_vault(&url) {
        return Err("CPV_KEY_VAULT: is no address such as https://name.vault.azure.net".into());
    }
    let token = match setting("CPV_KEY_VAULT_TOKEN") {
        Some(_) => Some(parsed("CPV_KEY_VAULT_TOKEN", |text| AccessToken::new(text))?),
        None => None,
    };
    Ok(Some(KeyVault { origin: url.origin().ascii_serialization(), token }))
}

/// The token must not go to anybody else.
fn is_vault(url: &Url) -> bool {
    let suffixes = [".vault.azure.net", ".vault.usgovcloudapi.net", ".vault.azure.cn"];
    url.domain().is_some_and(|name| suffixes.iter().any(|suffix| name.ends_with(suffix)))
}

fn desk() -> Outcome<CallbackDesk> {
    let address = setting("CPV_LISTEN").unwrap_or("127.0.0.1:8400".into());
    let listener = TcpListener::bind(&address);
    let listener = listener.map_err(|error| format!("CPV_LISTEN: {address}: {error}"))?;
    listener.set_nonblocking(true)?;
    let show = Box::new(|link: &Url| eprintln!("{:>24}  {link}", "open this link"));
    Ok(CallbackDesk { listener, show })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_asked_only_by_name_and_never_written_to() {
        let asked_of = |text, writes| asked_of(text, writes).ok();
        assert_eq!(asked_of(None, false), Some(Environment::Sandbox));
        assert_eq!(asked_of(None, true), Some(Environment::Sandbox));
        assert_eq!(asked_of(Some("yes"), false), Some(Environment::Production));
        assert_eq!(asked_of(Some("yes"), true), None);
        assert_eq!(asked_of(Some("true"), false), None);
    }

    #[test]
    fn a_token_for_a_vault_goes_to_vaults_alone() {
        let is_vault = |text: &str| is_vault(&Url::parse(text).expect("a URL"));
        assert!(is_vault("https://name.vault.azure.net"));
        assert!(is_vault("https://name.vault.usgovcloudapi.net/"));
        assert!(!is_vault("https://vault.azure.net"));
        assert!(!is_vault("https://name.vault.azure.net.example"));
        assert!(!is_vault("https://127.0.0.1"));
    }

    #[test]
    fn an_argument_that_is_not_known_stops_the_program() {
        let plan = |text: &[&str]| Plan::from_arguments(text.iter().map(ToString::to_string));
        let all = plan(&["--out", "x.json", "--allow-writes", "--callback"]).expect("all known");
        assert!(all.allow_writes && all.callback && all.out() == Path::new("x.json"));
        assert!(plan(&["--allow-write"]).is_err());
        assert!(plan(&["--out"]).is_err());
    }
}
