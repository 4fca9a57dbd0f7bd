//! An Entra, a Partner Center, Graph and Key Vault on this machine, for back ends in any language.
//!
//! ```text
//! cargo run --example emulator                   on ports 8400 and up
//! cargo run --example emulator -- --port 9000    on ports 9000 and up; 0: wherever there is room
//! cargo run --example emulator -- --seed 7       the same ids, names and passwords in every run
//! cargo run --example emulator -- --json         one line of JSON, and an end when stdin closes
//! ```
//!
//! Ctrl-C and SIGTERM end it as well, and its files with it.
//!
//! It lays out a small world: a vendor with two applications (one proves itself by a secret, one by
//! a certificate), a partner with an administrator and a plain user, two customers. Everything else
//! is laid out and scripted through the admin endpoint, whose operations are `Emulator`'s methods.

mod help;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cpv_consent::emulator::{Emulator, MfaMethod, User};
use cpv_consent::{
    AppRegistration, ClientCredential, ClientId, Cloud, Origins, Resource, TenantId,
};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("emulator.rs")) {
        return ExitCode::SUCCESS;
    }
    match Settings::from_arguments(std::env::args().skip(1)) {
        Ok(settings) => match run(settings).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&*error),
        },
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

struct Settings {
    port: u16,
    seed: Option<u64>,
    json: bool,
}

impl Settings {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut settings = Self { port: 8400, seed: None, json: false };
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().ok_or(format!("{argument} takes a number"));
            match argument.as_str() {
                "--port" => settings.port = number()?.parse()?,
                "--seed" => settings.seed = Some(number()?.parse()?),
                "--json" => settings.json = true,
                _ => return Err(format!("no such argument: {argument}").into()),
            }
        }
        Ok(settings)
    }
}

async fn run(settings: Settings) -> Outcome<()> {
    let mut builder = Emulator::builder().https().admin();
    if let Some(seed) = settings.seed {
        builder = builder.seed(seed);
    }
    if settings.port != 0 {
        builder = builder.ports(settings.port);
    }
    let mut signals = Signals::listen()?; // before anybody is told that it serves
    let entra = builder.start().await?;
    let folder = private_folder()?;
    let world = lay_out(&entra, folder.path())?;
    if settings.json {
        println!("{world}");
        tokio::select! {
            () = stdin_closed() => {}
            () = signals.end() => {}
        }
    } else {
        println!("{world:#}");
        println!("\nServing until Ctrl-C.");
        signals.end().await;
    }
    entra.shutdown().await;
    Ok(())
}

/// Read by a thread of its own: the runtime would wait for a read that a signal has overtaken.
async fn stdin_closed() {
    let (closed, seen) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink()); // an error is an end, too
        let _ = closed.send(()); // a signal may have come first
    });
    let _ = seen.await; // an error: the thread is gone, and nobody reads any more
}

/// What a terminal, or whoever started the program, ends it by.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn end(&mut self) {
        self.0.recv().await;
    }
}

/// A private key is going to lie in it.
fn private_folder() -> io::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.tempdir()
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// The small world, as a program in another language reads it.
fn lay_out(entra: &Emulator, folder: &Path) -> Outcome<Value> {
    let https = entra.https().ok_or("https is on")?;
    let admin = entra.admin().ok_or("the admin endpoint is on")?;
    let vendor = Vendor::register(entra, folder)?;
    let contoso = entra.add_tenant("Contoso");
    let person = entra.add_user(contoso, "admin@contoso.example");
    let plain = entra.add_user(contoso, "clerk@contoso.example");
    entra.change_user(&plain, |account| {
        account.administrator = false;
        account.mfa = MfaMethod::None;
    });
    let fabrikam = entra.add_customer(contoso, "Fabrikam");
    let northwind = entra.add_customer(contoso, "Northwind");
    Ok(json!({
        "http": origins(entra.origins()),
        "https": origins(https.origins()),
        "ca": https.ca_path(),
        "admin": { "url": admin.url(), "token": admin.token() },
        "vendor": vendor.described(),
        "partner": {
            "tenant": contoso, "domain": "contoso.example",
            "user": user(&person), "clerk": user(&plain),
        },
        "customers": [
            { "tenant": fabrikam, "name": "Fabrikam" },
            { "tenant": northwind, "name": "Northwind" },
        ],
    }))
}

/// Two applications of one vendor, which differ in how they prove themselves.
struct Vendor {
    tenant: TenantId,
    by_secret: ClientId,
    secret: String,
    by_certificate: ClientId,
    certificate: PathBuf,
}

impl Vendor {
    fn register(entra: &Emulator, folder: &Path) -> Outcome<Self> {
        let tenant = entra.add_tenant("Vendor");
        let secret = "emulated-secret-no-account-is-behind-it".to_owned();
        let pem = certificate()?;
        let by_secret = ClientId::parse("5ec4e700-0000-4000-8000-000000000001")?;
        let by_certificate = ClientId::parse("ce47f1ca-0000-4000-8000-000000000002")?;
        for (client, credential) in [
            (by_secret, ClientCredential::secret(secret.clone())?),
            (by_certificate, ClientCredential::certificate(&pem)?),
        ] {
            let cloud = Cloud::danger_loopback("emulator", cloud_origins(entra))?;
            let app = AppRegistration::new(cloud, tenant, client, credential, REDIRECT)?;
            let graph = ["User.Read", "Directory.Read.All"];
            entra.register(&app.requesting(Resource::Graph, graph)?);
        }
        let certificate = folder.join("client.pem");
        write_private(&certificate, &pem)?;
        Ok(Self { tenant, by_secret, secret, by_certificate, certificate })
    }

    fn described(&self) -> Value {
        json!({
            "tenant": self.tenant,
            "client_id": self.by_secret, "secret": self.secret,
            "certificate_client_id": self.by_certificate, "certificate": self.certificate,
            "redirect_uri": REDIRECT,
        })
    }
}

/// A self-signed certificate and its key, as PEM.
fn certificate() -> Outcome<String> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let certificate = CertificateParams::new(vec!["vendor.example".to_owned()])?;
    Ok(format!("{}{}", certificate.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn cloud_origins(entra: &Emulator) -> Origins<'_> {
    Origins {
        login: entra.login_origin(),
        partner_center: entra.partner_center_origin(),
        graph: entra.graph_origin(),
    }
}

fn origins(all: &cpv_consent::emulator::Origins) -> Value {
    json!({
        "login": all.login, "partner_center": all.partner_center, "graph": all.graph,
        "key_vault": all.key_vault, "identity": all.identity,
    })
}

fn user(user: &User) -> Value {
    let User { id, name, password, code, .. } = user;
    json!({ "id": id, "name": name, "password": password, "code": code })
}

const REDIRECT: &str = "https://panel.example/consent/callback";
