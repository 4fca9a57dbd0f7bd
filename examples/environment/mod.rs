//! A set-up of your own, read from the environment: the same names in every example.

#![allow(dead_code)] // each example reads its own part

use std::error::Error;
use std::fmt;
use std::path::Path;

use cpv_consent::{
    AppRegistration, ClientCredential, ClientId, Cloud, Environment, LocalKey, Resource, TenantId,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Whether any setting is made.
pub(crate) fn is_set() -> bool {
    std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("CPV_"))
}

/// Fails where some of these are not made, and names them.
pub(crate) fn require(names: &[&str]) -> Outcome {
    let missing: Vec<_> = names.iter().copied().filter(|name| setting(name).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("not set: {}", missing.join(", ")).into()) }
}

/// The application. Its secret is never an argument of the program: everybody on the machine sees those.
pub(crate) fn registration() -> Outcome<AppRegistration> {
    let (cloud, environment, credential) = (cloud()?, environment()?, credential()?);
    let home = parsed("CPV_HOME_TENANT", TenantId::parse)?;
    let client_id = parsed("CPV_CLIENT_ID", ClientId::parse)?;
    let app = parsed("CPV_REDIRECT_URI", |redirect| {
        AppRegistration::new(cloud, home, client_id, credential, redirect)
    })?;
    parsed("CPV_GRAPH_SCOPES", |names| {
        app.environment(environment).requesting(Resource::Graph, names.split_whitespace())
    })
}

pub(crate) fn cloud() -> Outcome<Cloud> {
    parsed("CPV_CLOUD", |text| match text {
        "" | "global" => Ok(Cloud::Global),
        "us-government" => Ok(Cloud::UsGovernment),
        "us-government-dod" => Ok(Cloud::UsGovernmentDod),
        "china" => Ok(Cloud::China),
        _ => Err("is none of global, us-government, us-government-dod, china"),
    })
}

pub(crate) fn environment() -> Outcome<Environment> {
    parsed("CPV_ENVIRONMENT", |text| match text {
        "" | "production" => Ok(Environment::Production),
        "sandbox" => Ok(Environment::Sandbox),
        _ => Err("is none of production, sandbox"),
    })
}

fn credential() -> Outcome<ClientCredential> {
    match (setting("CPV_CERTIFICATE"), setting("CPV_CLIENT_SECRET")) {
        (Some(file), None) => {
            let pem = std::fs::read_to_string(&file)
                .map_err(|error| format!("CPV_CERTIFICATE: {file}: {error}"))?;
            ClientCredential::certificate(&pem)
                .map_err(|error| format!("CPV_CERTIFICATE: {error}").into())
        }
        (None, Some(_)) => parsed("CPV_CLIENT_SECRET", |text| ClientCredential::secret(text)),
        _ => Err("set either CPV_CERTIFICATE or CPV_CLIENT_SECRET".into()),
    }
}

/// The key that seals the store; its file's name without ending is its id.
pub(crate) fn key() -> Outcome<LocalKey> {
    parsed("CPV_KEY_FILE", |path| -> Outcome<LocalKey> {
        let name = Path::new(path).file_stem().and_then(|stem| stem.to_str());
        Ok(LocalKey::from_file(name.ok_or("names no file")?, path)?)
    })
}

/// The folder of the store.
pub(crate) fn store() -> String {
    setting("CPV_STORE").unwrap_or("cpv-store".into())
}

/// A setting; an empty one counts as not made.
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// A setting that was understood, or its name with what is wrong.
pub(crate) fn parsed<T, E: fmt::Display>(
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Outcome<T> {
    let text = setting(name).unwrap_or_default();
    parse(&text).map_err(|error| format!("{name}: {error}").into())
}
