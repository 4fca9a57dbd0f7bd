//! Onboards a partner, from an invitation to a token.
//!
//! Without settings everything runs here: an emulated Entra and Partner Center, a panel on a
//! loopback port, an administrator's browser, a SQLite store in a fresh folder.
//!
//! With settings it invites a real partner and prints the link to send:
//!
//! ```text
//! cargo run --example onboard
//!
//! CPV_HOME_TENANT      the vendor's own tenant
//! CPV_CLIENT_ID        the application
//! CPV_CERTIFICATE      file with certificate and key in PEM, or CPV_CLIENT_SECRET
//! CPV_REDIRECT_URI     as registered, e.g. https://panel.example/consent/callback
//! CPV_KEY_FILE         file of the key that seals the store, 32 bytes in base64 for its owner alone;
//!                      its name without ending is the key's id: openssl rand -base64 32
//! CPV_ACCOUNT          your own name for this partner's account (default example-account)
//! CPV_GRAPH_SCOPES     permissions of Microsoft Graph, separated by spaces (default none)
//! CPV_STORE            folder of the store (default ./cpv-store)
//! CPV_LISTEN           address to listen on, e.g. behind a TLS proxy (default 127.0.0.1:8400)
//! CPV_PARTNER          the partner's tenant, if it is known
//! CPV_CLOUD            global (default), us-government, us-government-dod, china
//! CPV_ENVIRONMENT      production (default), sandbox: Partner Center's integration sandbox
//! ```

mod environment;
mod help;

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use bytes::Bytes;
use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, Consent, Found, FoundId, KeyRing, LocalKey,
    MfaFinding, Remedy, Resource, TenantId,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use environment::{parsed, setting};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("onboard.rs")) {
        return ExitCode::SUCCESS;
    }
    let outcome = match Settings::from_environment() {
        Ok(Some(settings)) => onboard_for_real(settings).await,
        Ok(None) => onboard_on_the_emulator().await,
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

/// The whole way, with nothing but this program.
async fn onboard_on_the_emulator() -> Outcome<()> {
    let entra = Emulator::builder().start().await?;
    step("emulated Entra", entra.login_origin());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let redirect = format!("http://{}/consent/callback", listener.local_addr()?);
    let app = entra.registration(&redirect)?.requesting(Resource::Graph, ["Directory.Read.All"])?;
    entra.register(&app);
    let contoso = entra.add_tenant("Contoso");
    let admin = entra.add_user(contoso, "admin@contoso.example");
    let fabrikam = entra.add_customer(contoso, "Fabrikam");
    entra.grant(fabrikam, app.client_id(), "https://graph.microsoft.com", &["Directory.Read.All"]);

    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("store");
    let key = LocalKey::generate("2026-11")?.to_base64();
    let open = async || -> Outcome<Broker> {
        let keys = KeyRing::new(LocalKey::from_base64("2026-11", key.expose())?);
        let builder = Broker::builder(app.clone(), Sqlite::open(&folder).await?, keys);
        Ok(builder.start_page(&start_page(app.redirect_uri())).build().await?)
    };
    let broker = open().await?;
    step("store", "SQLite, sealed, in a fresh folder");

    let account = AccountId::new("example-account")?;
    let sent = broker.partner(contoso).invite(account).await?;
    step("invitation", sent.invitation().id());
    let (panel, mut confirmed) = Panel::new(broker.clone());
    let server =
        tokio::spawn(axum::serve(listener, panel.routes(app.redirect_uri())).into_future());
    walk(sent.link(), &admin).await?;
    show(&confirmed.recv().await.ok_or("the panel ended")?);
    server.abort();

    print_token(&broker, contoso, None, Resource::PartnerCenter).await?;
    print_token(&broker, contoso, Some(fabrikam), Resource::Graph).await?;
    broker.close(Duration::from_secs(10)).await;
    drop(panel);
    step("broker", "closed, and opened again from disk");
    print_token(&open().await?, contoso, None, Resource::PartnerCenter).await?;
    entra.shutdown().await;
    Ok(())
}

/// What the administrator does: opens the link, presses its button, signs in, proves a second factor,
/// consents, confirms.
async fn walk(link: &Url, admin: &User) -> Outcome<()> {
    let mut browser = Browser::new();
    for _ in 0..3 {
        browser.send(http_get(link)?).await?; // as often as anybody likes: a mail scanner, too
    }
    let press = axum::http::Request::post(link.as_str()).body(Bytes::new())?;
    let reply = browser.send(press).await?;
    let authorize = Url::parse(reply.headers()[LOCATION].to_str()?)?;
    step("link opened", "thrice, and its button pressed once");
    let callback = browser.consent(&authorize, admin).await?;
    step("signed in", format!("{}, second factor proven, consent given", admin.name));
    let reply = browser.send(callback).await?;
    let page = text(&reply)?;
    let action = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
    let action =
        link.join("..")?.join(action.ok_or_else(|| format!("no confirmation page: {page}"))?)?;
    let confirm = axum::http::Request::post(action.as_str()).body(Bytes::new())?;
    let reply = browser.send(confirm).await?;
    if !reply.status().is_success() {
        return Err(format!("the panel answered {}: {}", reply.status(), text(&reply)?).into());
    }
    Ok(())
}

fn text(reply: &axum::http::Response<Bytes>) -> Outcome<&str> {
    Ok(std::str::from_utf8(reply.body())?)
}

/// A real partner, at Microsoft's own clouds.
async fn onboard_for_real(settings: Settings) -> Outcome<()> {
    let Settings { app, account, key, store: folder, listen, partner } = settings;
    let store = Sqlite::open(&folder).await?;
    let broker = Broker::builder(app.clone(), store, KeyRing::new(key));
    let broker = broker.start_page(&start_page(app.redirect_uri())).build().await?;
    let sent = match partner {
        Some(partner) => {
            broker.partner(partner).consent().await?; // a damaged record is noticed here
            broker.partner(partner).invite(account).await?
        }
        None => broker.first_invitation(account).await?,
    };
    let listener = TcpListener::bind(&listen).await;
    let listener = listener.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "{listen} is taken: end what listens there, or set CPV_LISTEN to another address"
            )
        }
        _ => format!("{listen}: {error}"),
    })?;
    step("listening on", listener.local_addr()?);
    let (panel, mut confirmed) = Panel::new(broker.clone());
    let routes = panel.routes(app.redirect_uri());
    let server = tokio::spawn(axum::serve(listener, routes).into_future());
    step("send this link", sent.link());
    let consent = tokio::select! {
        consent = confirmed.recv() => consent.ok_or("the panel ended")?,
        _ = tokio::signal::ctrl_c() => return Err("interrupted before anybody confirmed".into()),
    };
    server.abort();
    show(&consent);
    print_token(&broker, consent.partner(), None, Resource::PartnerCenter).await?;
    broker.close(Duration::from_secs(10)).await;
    Ok(())
}

fn show(consent: &Consent) {
    step("tenant", consent.partner());
    step("user", consent.user());
    step("second factor", consent.mfa().map_or("not asked for".into(), ToString::to_string));
    step("scopes", consent.scopes());
    let days = consent.deadline().duration_since(consent.confirmed_at()).unwrap_or_default();
    step("deadline", format!("in {} days, unless renewed before", days.as_secs().div_ceil(86_400)));
}

async fn print_token(
    broker: &Broker,
    partner: TenantId,
    customer: Option<TenantId>,
    resource: Resource,
) -> Outcome<()> {
    let partner = broker.partner(partner);
    let token = match customer {
        None => partner.token(resource).await?,
        Some(customer) => partner.customer(customer).token(resource).await?,
    };
    step("token", format!("for {} at {}", token.resource(), token.tenant()));
    Ok(())
}

fn step(what: &str, result: impl std::fmt::Display) {
    println!("{what:>15}  {result}");
}

/// Three pages: invitation, callback, confirmation.
struct Panel {
    broker: Broker,
    confirmed: mpsc::Sender<Consent>,
}

impl Panel {
    fn new(broker: Broker) -> (Arc<Self>, mpsc::Receiver<Consent>) {
        let (confirmed, receiver) = mpsc::channel(1);
        (Arc::new(Self { broker, confirmed }), receiver)
    }

    /// Beside the redirect address, so that a TLS proxy needs to know one path only.
    fn routes(self: &Arc<Self>, redirect: &Url) -> Router {
        let callback = redirect.path();
        let beside = callback.rsplit_once('/').map_or("", |(folder, _)| folder);
        Router::new()
            .route(&format!("{beside}/invited/{{token}}"), get(invitation).post(start))
            .route(callback, get(callback_page).post(callback_page))
            .route(&format!("{beside}/confirm/{{id}}"), post(confirm))
            .with_state(self.clone())
    }
}

/// Where links lead to.
fn start_page(redirect: &Url) -> String {
    redirect.join("invited").expect("a path beside another").into()
}

/// Who receives the power comes first. Nothing is written, however often it is read.
async fn invitation(State(panel): State<Arc<Panel>>, Path(token): Path<String>) -> Response<Body> {
    let invitation = match panel.broker.open_invitation(&token).await {
        Ok(invitation) => invitation,
        Err(error) => return refusal(&error),
    };
    let asked = invitation.partner().map_or("your tenant".to_owned(), |t| format!("tenant {t}"));
    let text = format!(
        "<p>The account <b>{}</b> asks to act for <b>{asked}</b>.</p><p>Permissions: {}.</p>\
         <form method=\"post\"><button>Sign in and consent</button></form>",
        escape(invitation.account().as_str()),
        escape(&invitation.scopes().to_string()),
    );
    page(StatusCode::OK, text)
}

/// The authorize URL is made in the browser that will come back, and tied to it by a cookie.
async fn start(
    State(panel): State<Arc<Panel>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    match panel.broker.begin_invited(&token, &headers).await {
        Err(error) => refusal(&error),
        Ok(pending) => {
            let mut reply = page(StatusCode::SEE_OTHER, "");
            let headers = reply.headers_mut();
            headers.insert(SET_COOKIE, pending.browser_key().set_cookie());
            let location = pending.authorize_url().as_str().parse().expect("a URL is ASCII");
            headers.insert(LOCATION, location);
            reply
        }
    }
}

async fn callback_page(State(panel): State<Arc<Panel>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 16 * 1024).await else {
        return page(StatusCode::PAYLOAD_TOO_LARGE, "too long");
    };
    let found = match Callback::from_request(&Request::from_parts(parts, body)) {
        Ok(callback) => panel.broker.capture_consent(callback).await,
        Err(error) => Err(error.into()),
    };
    match found {
        Ok(found) => page(StatusCode::OK, confirmation(&found)),
        Err(error) => refusal(&error),
    }
}

/// Who receives the power comes first.
fn confirmation(found: &Found) -> String {
    let mfa = match found.mfa() {
        MfaFinding::Proven(proof) => proof.to_string(),
        _ => "not proven".to_owned(),
    };
    format!(
        "<p>The account <b>{}</b> will act for tenant <b>{}</b>.</p>\
         <p>Signed in: {}. Second factor: {mfa}. Permissions: {}.</p>\
         <form method=\"post\" action=\"confirm/{}\"><button>Confirm</button></form>",
        escape(found.account().as_str()),
        found.tenant(),
        escape(&found.user().to_string()),
        escape(&found.scopes().to_string()),
        found.id(),
    )
}

/// In the same browser, in any process.
async fn confirm(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let confirmed = async {
        let found = panel.broker.found(&FoundId::parse(&id)?, &headers).await?;
        found.confirm().await
    };
    match confirmed.await {
        Ok(consent) => {
            let _ = panel.confirmed.send(consent).await; // nobody listens once one has come
            page(StatusCode::OK, "Thank you. You can close this window.")
        }
        Err(error) => refusal(&error),
    }
}

/// The operator learns it on the console, with whose turn it is; the person what they can mend.
fn refusal(error: &cpv_consent::Error) -> Response<Body> {
    let remedy = error.remedy();
    step("refused", format!("{error} ({remedy:?})"));
    match remedy {
        Remedy::AskConsentAgain { .. } | Remedy::AskAdministrator { .. } => {
            page(StatusCode::FORBIDDEN, escape(&error.to_string()))
        }
        Remedy::InviteAgain => page(StatusCode::GONE, "Ask whoever invited you for a new link."),
        _ => page(StatusCode::SERVICE_UNAVAILABLE, "This did not work, and is not yours to mend."),
    }
}

fn page(status: StatusCode, text: impl std::fmt::Display) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .header(REFERRER_POLICY, "no-referrer")
        .header("x-frame-options", "DENY")
        .body(Body::from(format!("<!doctype html><title>Consent</title>{text}")))
        .expect("a reply of fixed headers")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn http_get(url: &Url) -> Outcome<axum::http::Request<Bytes>> {
    Ok(axum::http::Request::get(url.as_str()).body(Bytes::new())?)
}

/// What a real partner needs, read from the environment.
struct Settings {
    app: AppRegistration,
    account: AccountId,
    key: LocalKey,
    store: PathBuf,
    listen: String,
    partner: Option<TenantId>,
}

/// Those without which nothing real can be done.
const REQUIRED: [&str; 4] =
    ["CPV_HOME_TENANT", "CPV_CLIENT_ID", "CPV_REDIRECT_URI", "CPV_KEY_FILE"];

impl Settings {
    /// None where no setting is made at all.
    fn from_environment() -> Outcome<Option<Self>> {
        if !environment::is_set() {
            return Ok(None);
        }
        environment::require(&REQUIRED)?;
        let app = environment::registration()?;
        let partner = match setting("CPV_PARTNER") {
            Some(_) => Some(parsed("CPV_PARTNER", TenantId::parse)?),
            None => None,
        };
        if partner == Some(app.home()) {
            return Err("CPV_PARTNER: is your own tenant (CPV_HOME_TENANT)".into());
        }
        Ok(Some(Self {
            app,
            account: AccountId::new(setting("CPV_ACCOUNT").unwrap_or("example-account".into()))?,
            key: environment::key()?,
            store: environment::store().into(),
            listen: setting("CPV_LISTEN").unwrap_or("127.0.0.1:8400".into()),
            partner,
        }))
    }
}
