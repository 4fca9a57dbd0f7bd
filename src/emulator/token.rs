//! The token endpoint: who asks, for what, and how the answer is spelled.
//!
//! Source: RFC 6749, sections 4.1.3, 5 and 6; Microsoft identity platform, "OAuth 2.0 authorization
//! code flow".

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::authorize::Authority;
use super::client::authenticate;
use super::errors::{Refusal, Trace, status, uncached};
use super::fields::Fields;
use super::grants::{self, Granted, RefreshToken};
use super::random;
use super::record::UnderWay;
use super::scopes::Asked;
use super::script::{Grant, Meant, Scene};
use super::state::directory::Person;
use super::state::{Code, World};
use super::tokens::mint;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/{tenant}/oauth2/v2.0/token", post(token))
}

/// A token request as it came.
struct Request {
    path: String,
    headers: HeaderMap,
    fields: Fields,
}

async fn token(
    State(world): State<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let correlation = headers.get("client-request-id").and_then(|id| id.to_str().ok());
    let trace = Trace::new(world.now(), correlation);
    let path = tenant.to_ascii_lowercase();
    let request = match Fields::of_form(&headers, &body) {
        Ok(fields) => Request { path, headers, fields },
        Err(refusal) => {
            UnderWay::begin(&world, &path, None).end(&Meant::default(), Err(refusal.number));
            return refusal.into_reply(&trace, &world.origins.login);
        }
    };
    let (meant, person) = request.peek(&world);
    let under_way = UnderWay::begin(&world, &request.path, person);
    wait_while_held(&world, &meant).await;
    let outcome = request.answer(&world, &meant);
    under_way.end(&meant, outcome.result());
    outcome.into_response(&world, &trace)
}

/// Waits at every gate that stands in the way, one after the other.
async fn wait_while_held(world: &World, meant: &Meant) {
    loop {
        let gate = world.script().gate(meant);
        let Some(gate) = gate else { return };
        gate.pass().await;
    }
}

/// What becomes of a request.
enum Outcome {
    Tokens(Value),
    Refused(Refusal),
    Plain { status: u16, content_type: String, body: Bytes, retry_after: Option<Duration> },
}

impl Outcome {
    fn result(&self) -> Result<(), u32> {
        match self {
            Self::Tokens(_) => Ok(()),
            Self::Refused(refusal) => Err(refusal.number),
            Self::Plain { .. } => Err(0),
        }
    }

    fn into_response(self, world: &World, trace: &Trace) -> Response {
        match self {
            Self::Tokens(reply) => uncached(StatusCode::OK, reply),
            Self::Refused(refusal) => refusal.into_reply(trace, &world.origins.login),
            Self::Plain { status: code, content_type, body, retry_after } => {
                let mut response = (status(code), body).into_response();
                let headers = response.headers_mut();
                if let Ok(kind) = HeaderValue::try_from(content_type) {
                    headers.insert(CONTENT_TYPE, kind);
                }
                if let Some(wait) = retry_after {
                    headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
                }
                response
            }
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Scene> for Outcome {
    fn from(scene: Scene) -> Self {
        match scene {
            Scene::Refused(refusal) => Self::Refused(refusal),
            Scene::Plain { status, content_type, body, retry_after } => {
                Self::Plain { status, content_type, body, retry_after }
            }
        }
    }
}

impl Request {
    /// What it is about and whose grant it brings, without judging any of it.
    fn peek(&self, world: &World) -> (Meant, Option<Person>) {
        let authority = Authority::of(world, &self.path).ok();
        let named = authority.and_then(Authority::named_tenant);
        let asked = self.fields.find("scope").and_then(|scope| Asked::parse(scope).ok());
        let mut resource = asked.and_then(|asked| asked.first_resource().map(str::to_owned));
        let (grant, person, tenant) = match self.fields.find("grant_type") {
            Some("authorization_code") => {
                let code = self.code(world);
                resource = resource.or(code.as_ref().and_then(|code| code.resource()));
                let person = code.as_ref().map(|code| code.signed_in.person);
                (Some(Grant::Code), person, code.map(|code| code.presence.tenant))
            }
            Some("refresh_token") => {
                let token = self.refresh_token(world);
                resource = resource.or(token.as_ref().and_then(|token| token.resource.clone()));
                let person = token.map(|token| token.signed_in.person);
                (Some(Grant::RefreshToken), person, person.map(|person| person.tenant))
            }
            _ => (None, None, None),
        };
        (Meant { tenant: named.or(tenant), grant, resource }, person)
    }

    fn code(&self, world: &World) -> Option<Code> {
        world.codes().find(self.fields.find("code")?, world.now()).cloned()
    }

    fn refresh_token(&self, world: &World) -> Option<RefreshToken> {
        RefreshToken::open(world, self.fields.find("refresh_token")?)
    }

    fn answer(&self, world: &World, meant: &Meant) -> Outcome {
        let proved = match self.prove(world) {
            Ok(proved) => proved,
            Err(refusal) => return refusal.into(),
        };
        let scene = world.script().scene(meant);
        if let Some(scene) = scene {
            return scene.into();
        }
        match proved.redeem(world, &self.fields) {
            Ok(granted) => {
                let mut reply = reply(world, &granted);
                let alterations = world.script().alterations(meant);
                alterations.iter().for_each(|change| change(&mut reply));
                Outcome::Tokens(reply)
            }
            Err(refusal) => refusal.into(),
        }
    }

    /// Checks what must be right before the grant is looked at.
    fn prove(&self, world: &World) -> Result<grants::Proved, Refusal> {
        let grant = self.fields.need("grant_type")?;
        let grant = match grant {
            "authorization_code" => Grant::Code,
            "refresh_token" => Grant::RefreshToken,
            _ => return Err(Refusal::new(70_003)),
        };
        if self.fields.find("resource").is_some() {
            return Err(Refusal::new(901_002));
        }
        let authority = Authority::of(world, &self.path)?;
        let url = format!("{}/{}/oauth2/v2.0/token", world.origins.login, self.path);
        let client = authenticate(world, &self.headers, &self.fields, &url)?;
        Ok(grants::Proved { grant, authority, client })
    }
}

/// Spells a successful reply (RFC 6749, section 5.1).
fn reply(world: &World, granted: &Granted) -> Value {
    let Granted { subject, resource, permissions, asked, .. } = granted;
    let ([shortest, longest], rotation) = {
        let script = world.script();
        (script.token_life, script.rotation)
    };
    let life = random::between(shortest, longest);
    let scp = permissions.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let access = mint::access_token(world, subject, resource, &scp, Duration::from_secs(life));
    let mut reply = json!({
        "token_type": "Bearer",
        "scope": asked.reply(resource, permissions.iter()),
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": access,
    });
    if asked.offline_access && (rotation || granted.is_first) {
        reply["refresh_token"] = Value::from(RefreshToken::of(world, granted).close(world));
    }
    if asked.openid {
        let nonce = granted.nonce.as_deref();
        reply["id_token"] = Value::from(mint::id_token(world, subject, nonce));
    }
    reply
}
