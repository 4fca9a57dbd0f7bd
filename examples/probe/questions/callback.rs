//! What comes back to our redirect address. The code in it is noted by its shape and never redeemed.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::routing::get;
use cpv_consent::ResponseMode;
use serde_json::Map;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::probe::{Probe, Silence};
use super::super::settings::CallbackDesk;
use super::super::wire::{Exchange, Sent, Service};
use super::Answer;

/// What a browser brought.
struct Arrival {
    method: String,
    /// The fields of the answer, in a form's spelling.
    fields: Vec<u8>,
}

pub(super) async fn members(probe: &Probe) -> Result<Answer, Silence> {
    let desk = probe.settings.callback.as_ref();
    let desk = desk.ok_or_else(|| Silence::not_asked("--callback was not given"))?;
    let Arrival { method, fields } = arrival(probe, desk).await?;
    let shown = probe.recorder.redaction().form(&fields);
    let members = shown.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let value = |name: &str| shown[name].as_str().unwrap_or("absent").to_owned();
    let (iss, subcode) = (value("iss"), value("error_subcode"));
    let members = Vec::from_iter(members).join(", ");
    let mut answer =
        Answer::new(format!("members: {members}; iss: {iss}; error_subcode: {subcode}"));
    if !shown["code"].is_null() {
        answer = answer.doubt("callback_issuer", !shown["iss"].is_null());
    }
    let (service, path, headers) = (Service::Callback, "<our callback>".to_owned(), Map::new());
    let request = Sent { method, service, path, headers, body: shown };
    probe.recorder.note(Exchange { request, reply: None });
    Ok(answer)
}

/// Begins a flow in which somebody is to sign in, and waits for where it ends.
async fn arrival(probe: &Probe, desk: &CallbackDesk) -> Result<Arrival, Silence> {
    let broker = probe.broker(&probe.settings.app).await?;
    let partner = broker.partner(probe.settings.partner);
    let consent = partner.consent().await?;
    let consent = consent.ok_or_else(|| Silence::not_asked("the store has no consent"))?;
    let pending = partner.request_consent(consent.account().clone());
    let pending = pending.answered_by(ResponseMode::Query).await?;
    let listener = listener(desk).map_err(|_| Silence::not_asked("nobody can listen there"))?;
    let (sender, mut arrivals) = mpsc::channel(1);
    let path = probe.settings.app.redirect_uri().path();
    let routes = Router::new().route(path, get(arrived).post(arrived)).with_state(sender);
    (desk.show)(pending.authorize_url());
    let silent = |why: &str| Err(Silence::not_answered(why));
    tokio::select! {
        arrival = arrivals.recv() => arrival.map_or_else(|| silent("nothing came back"), Ok),
        _ = axum::serve(listener, routes).into_future() => silent("the listener ended"),
        () = probe.stopped() => silent("the run was interrupted before anything came back"),
        () = tokio::time::sleep(LONGEST_SIGN_IN) => silent("nothing came back in time"),
    }
}

fn listener(desk: &CallbackDesk) -> io::Result<TcpListener> {
    TcpListener::from_std(desk.listener.try_clone()?)
}

async fn arrived(State(arrivals): State<mpsc::Sender<Arrival>>, request: Request) -> &'static str {
    let method = request.method().to_string();
    let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
    let body = to_bytes(request.into_body(), LONGEST_FORM).await.unwrap_or_default();
    let fields = if body.is_empty() { query } else { body.to_vec() };
    let _ = arrivals.send(Arrival { method, fields }).await; // nobody listens once one has come
    "Thank you. Nothing was consented to. You can close this window."
}

const LONGEST_SIGN_IN: Duration = Duration::from_secs(10 * 60);
const LONGEST_FORM: usize = 64 * 1024;
