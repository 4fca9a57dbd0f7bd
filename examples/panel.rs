//! A small panel: its partners with their states and deadlines, invitations, and the front door nested.
//!
//! Everything runs here, on an emulated Entra and Partner Center:
//!
//! ```text
//! cargo run --example panel              serves until you stop it: open the address that it prints
//! cargo run --example panel -- --walk    two people's browsers go the whole way, once
//! ```

mod help;

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use bytes::Bytes;
use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::Sqlite;
use cpv_consent::web::{Brand, WebDoor};
use cpv_consent::{
    AccountId, Broker, Invitation, InvitationStatus, KeyRing, LocalKey, Resource, ShownName,
    TenantId,
};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderName, Request};
use maud::{DOCTYPE, Markup, html};
use tokio::net::TcpListener;
use url::Url;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What the panel knows of a partner: a host has this in its own database.
struct Known {
    name: &'static str,
    tenant: TenantId,
    /// Only here: on the emulator we know everybody's password.
    admin: User,
    /// Who is to consent, and is no administrator.
    service: User,
}

struct Panel {
    broker: Broker,
    partners: Vec<Known>,
}

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("panel.rs")) {
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome {
    let walks = std::env::args().any(|argument| argument == "--walk");
    let entra = Emulator::builder().start().await?;
    let port = if walks { 0 } else { 8400 };
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is taken: end what serves there, which may be another panel, and begin again"
        ),
        _ => format!("port {port}: {error}"),
    })?;
    let address = format!("http://localhost:{}", listener.local_addr()?.port());

    let app = entra.registration(&format!("{address}/consent/callback"))?;
    let app = app.requesting(Resource::Graph, ["Directory.Read.All"])?;
    entra.register(&app);
    let folder = tempfile::tempdir()?;
    let store = Sqlite::open(folder.path().canonicalize()?.join("consents")).await?;
    let keys = KeyRing::new(LocalKey::generate("2026-11")?);
    let broker = Broker::builder(app, store, keys)
        .start_page(&format!("{address}/consent/invited"))
        .build()
        .await?;

    let door = WebDoor::new(broker.clone(), Brand::new("Example Panel")?)?;
    let panel = Arc::new(Panel { broker, partners: partners(&entra) });
    let pages = Router::new()
        .route("/", get(overview))
        .route("/invite/{tenant}", post(invite))
        .with_state(panel.clone())
        .nest_service("/consent", door.router());
    let serving = async move { axum::serve(listener, pages).await };

    if walks {
        tokio::spawn(serving);
        return walk(&address, &panel).await;
    }
    println!(
        "the panel: {address}/\n\nWho can sign in at the emulated Microsoft: name / password / code"
    );
    for Known { name, admin, service, .. } in &panel.partners {
        for user in [admin, service] {
            println!("{name}: {} / {} / code {}", user.name, user.password, user.code);
        }
    }
    Ok(serving.await?)
}

fn partners(entra: &Emulator) -> Vec<Known> {
    let add = |(name, domain): (&'static str, &str)| {
        let tenant = entra.add_tenant(name);
        let [admin, service] =
            ["admin", "service"].map(|user| entra.add_user(tenant, &format!("{user}@{domain}")));
        entra.change_user(&service, |account| account.administrator = false);
        Known { name, tenant, admin, service }
    };
    let names = [("Contoso", "contoso.example"), ("Litware", "litware.example")];
    names.into_iter().chain([("Tailspin", "tailspin.example")]).map(add).collect()
}

/// Every partner with its state, until when its consent lives, and what became of its invitation.
async fn overview(State(panel): State<Arc<Panel>>) -> Result<Html<String>, StatusCode> {
    let mut rows = Vec::new();
    for partner in &panel.partners {
        rows.push(row(&panel.broker, partner).await.map_err(|_| StatusCode::BAD_GATEWAY)?);
    }
    let body = html! {
        table {
            tr { th { "Partner" } th { "State" } th { "Good for" } th { "Invitation" } th {} }
            @for row in rows { (row) }
        }
    };
    Ok(page("Partners", &body))
}

async fn row(broker: &Broker, Known { name, tenant, .. }: &Known) -> Outcome<Markup> {
    let consent = broker.partner(*tenant).consent().await?;
    let state = consent.as_ref().map_or("not yet".to_owned(), |c| c.state().to_string());
    let days = consent.as_ref().map(|consent| {
        let left = consent.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        format!("{} days", left.as_secs() / 86_400)
    });
    let invitation = latest(broker, *tenant).await?.map(|one| one.status().to_string());
    Ok(html! {
        tr {
            td { (name) }
            td { (state) }
            td { (days.unwrap_or_default()) }
            td { (invitation.unwrap_or_default()) }
            td { form method="post" action=(format!("/invite/{tenant}")) { button { "Invite" } } }
        }
    })
}

/// Those that end first come first.
async fn latest(broker: &Broker, tenant: TenantId) -> Outcome<Option<Invitation>> {
    let page = broker.invitations().of_partner(tenant).page(100, None).await?;
    Ok(page.invitations().last().cloned())
}

/// A panel of yours mails the link, and asks first who is signed in. It takes a POST from its own pages
/// only, and keeps a page with a secret out of caches and other sites' logs.
async fn invite(
    State(panel): State<Arc<Panel>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 2], Html<String>), StatusCode> {
    if headers.get("sec-fetch-site").is_none_or(|site| site != "same-origin") {
        return Err(StatusCode::FORBIDDEN);
    }
    let tenant = TenantId::parse(&tenant).map_err(|_| StatusCode::NOT_FOUND)?;
    let known = panel.partners.iter().find(|known| known.tenant == tenant);
    let name = known.ok_or(StatusCode::NOT_FOUND)?.name;
    let link = link(&panel.broker, tenant, name).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let body = html! { p { "Mail this to " (name) ":" } p { a href=(link) { (link) } } };
    Ok(([(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")], page("Invited", &body)))
}

/// Sent once more where one is open: two invitations would be two links that work.
async fn link(broker: &Broker, tenant: TenantId, name: &str) -> Outcome<Url> {
    use InvitationStatus::{Expired, Open, Started};
    let last = latest(broker, tenant).await?;
    if let Some(sent) = last
        && matches!(sent.status(), Open | Started { .. } | Expired)
    {
        return Ok(broker.invitations().resend(sent.id()).await?.link().clone());
    }
    let account = AccountId::new(format!("account-of-{}", name.to_lowercase()))?;
    let invitation = broker
        .partner(tenant)
        .invite(account)
        .account_name(ShownName::verified(name)?)
        .invited_by(ShownName::verified("Ann of Example Panel")?);
    Ok(invitation.await?.link().clone())
}

fn page(title: &str, body: &Markup) -> Html<String> {
    let style = "body{font:1rem/1.5 system-ui;max-width:50rem;margin:2rem auto}td,th{padding:.4rem 1rem;text-align:left}";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } style { (style) } }
            body { h1 { (title) } (body) }
        }
    };
    Html(page.into_string())
}

/// What two people do by one link, each by hand of an emulated browser: an administrator approves, then
/// the service account consents.
async fn walk(address: &str, panel: &Panel) -> Outcome {
    let Known { name, tenant, admin, service } = &panel.partners[0];
    let link = link(&panel.broker, *tenant, name).await?;
    let mut administrators = Browser::new();
    let opened = administrators.open(&link).await?;
    println!("opened     {}: {}", opened.status(), heading(opened.body()));
    let back = microsoft(&mut administrators, &link, "step=approve", admin).await?;
    let approved = administrators.send(back).await?;
    println!("approved   {}", approved.headers()[LOCATION].to_str()?);

    let mut browser = Browser::new();
    let back = microsoft(&mut browser, &link, "", service).await?;
    let cookies = back.headers().clone();
    let found = browser.send(back).await?;
    let found = Url::parse(address)?.join(found.headers()[LOCATION].to_str()?)?;

    let mut look = Request::get(found.as_str()).body(Bytes::new())?;
    look.headers_mut().extend(cookies_of(&cookies));
    let asked = browser.send(look).await?;
    println!("found      {}: {}", asked.status(), heading(asked.body()));
    let confirmed = browser.send(press(&found, &cookies, "answer=confirm")?).await?;
    println!("confirmed  {}", confirmed.headers()[LOCATION].to_str()?);

    let overview = browser.open(&Url::parse(address)?).await?;
    let shown = String::from_utf8_lossy(overview.body()).contains("live");
    println!(
        "overview   {}: {name} is {}",
        overview.status(),
        if shown { "live" } else { "not there" }
    );
    if shown { Ok(()) } else { Err("the consent does not show".into()) }
}

/// Presses a button of the start page, signs in and agrees at Microsoft, and comes back.
async fn microsoft(
    browser: &mut Browser,
    link: &Url,
    button: &'static str,
    user: &User,
) -> Outcome<Request<Bytes>> {
    let begun = browser.send(press(link, &HeaderMap::new(), button)?).await?;
    browser.keep_cookie(begun.headers()[SET_COOKIE].to_str()?);
    Ok(browser.consent(&Url::parse(begun.headers()[LOCATION].to_str()?)?, user).await?)
}

/// The request of a button on a page of the panel's own.
fn press(at: &Url, cookies: &HeaderMap, body: &'static str) -> Outcome<Request<Bytes>> {
    let mut request = Request::post(at.as_str()).header("sec-fetch-site", "same-origin");
    request.headers_mut().ok_or("headers")?.extend(cookies_of(cookies));
    Ok(request.body(Bytes::from_static(body.as_bytes()))?)
}

fn cookies_of(headers: &HeaderMap) -> HeaderMap {
    let cookie = headers.get(http::header::COOKIE).cloned();
    cookie.into_iter().map(|cookie| (http::header::COOKIE, cookie)).collect()
}

fn heading(page: &[u8]) -> String {
    let page = String::from_utf8_lossy(page);
    let after = page.split("<h1>").nth(1).unwrap_or_default();
    after.split("</h1>").next().unwrap_or_default().to_owned()
}
