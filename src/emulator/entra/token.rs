//! The token endpoints: who asks, for what, and what becomes of it.
//!
//! Source: RFC 6749, sections 4.1.3, 5 and 6; Microsoft identity platform, "OAuth 2.0 authorization
//! code flow"; Azure AD for developers v1.0.

use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{self, FromRequest, FromRequestParts as _, Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use super::brought::Brought;
use super::client::Claimed;
use super::grants::Proved;
use super::reply::Terms;
use crate::emulator::fields::Fields;
use crate::emulator::refusal::{Refusal, Trace, uncached};
use crate::emulator::scopes::Asked;
use crate::emulator::script::{Endpoint, Meant};
use crate::emulator::site::{Line, Site};
use crate::emulator::stage::{Cue, LARGEST_BODY};
use crate::emulator::state::World;
use crate::emulator::state::flow::{Authority, Version};
use crate::emulator::state::record::{CredentialKind, Issued, Presented, UnderWay};
use crate::model::tenant::TenantId;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(v2))
        .route("/{tenant}/oauth2/token", post(v1))
}

async fn v2(State(world): State<Arc<World>>, came: Came) -> Response {
    came.as_request(Version::V2).answer(&world, &came.line, &came.body).await
}

async fn v1(State(world): State<Arc<World>>, came: Came) -> Response {
    came.as_request(Version::V1).answer(&world, &came.line, &came.body).await
}

/// What came in, and how.
struct Came {
    site: Site,
    line: Line,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<Arc<World>> for Came {
    type Rejection = Response;

    async fn from_request(request: extract::Request, world: &Arc<World>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let site = Site::from_request_parts(&mut parts, world).await;
        let line = Line::from_request_parts(&mut parts, world).await;
        let path = Path::from_request_parts(&mut parts, world).await;
        let body = to_bytes(body, LARGEST_BODY).await;
        let too_large = |_| StatusCode::PAYLOAD_TOO_LARGE.into_response();
        Ok(Self {
            site: site.map_err(IntoResponse::into_response)?,
            line: line.map_err(IntoResponse::into_response)?,
            path: path.map(|Path(tenant)| tenant).map_err(IntoResponse::into_response)?,
            headers: parts.headers,
            body: body.map_err(too_large)?,
        })
    }
}

impl Came {
    fn as_request(&self, version: Version) -> Request<'_> {
        Request { version, login: &self.site.login, path: &self.path, headers: &self.headers }
    }
}

/// A token request as it came.
struct Request<'r> {
    version: Version,
    login: &'r str,
    path: &'r str,
    headers: &'r HeaderMap,
}

/// Its fields, and the grant among them, opened once.
struct Read<'r> {
    fields: &'r Fields,
    claimed: Claimed<'r>,
    brought: Brought,
}

/// What becomes of a request: what it is given, and the reply that says so.
type Outcome = Result<(Issued, Vec<u8>), Refusal>;

impl Request<'_> {
    async fn answer(&self, world: &Arc<World>, line: &Line, body: &[u8]) -> Response {
        let path = self.path.to_ascii_lowercase();
        let authority = Authority::of(world, &path);
        let named = authority.as_ref().ok().and_then(|authority| authority.named_tenant());
        let fields = Fields::of_form(self.headers, body);
        let read = fields.as_ref().map_err(Clone::clone);
        let read = read.and_then(|fields| self.read(world, fields));
        let meant = read.as_ref().map_or_else(|_| at_token(named), |read| read.meant(world, named));
        let under_way = UnderWay::begin(world, &path, self.presented(read.as_ref().ok()));
        let cue = Cue::of(world, &meant).await;
        if let Some(answer) = cue.before(line, self.headers).await {
            under_way.end(&meant, Err(0), Issued::default());
            return answer;
        }
        let outcome = read.and_then(|read| self.outcome(world, &read, authority, &meant, &cue));
        let issued = outcome.as_ref().map(|(issued, _)| *issued);
        let result = issued.map(|_| ()).map_err(|refusal| refusal.number);
        under_way.end(&meant, result, issued.unwrap_or_default());
        let response = match outcome {
            Ok((_, reply)) => uncached(StatusCode::OK, reply),
            Err(refusal) => self.refuse(world, refusal),
        };
        cue.after(response, line).await
    }

    fn read<'r>(&self, world: &World, fields: &'r Fields) -> Result<Read<'r>, Refusal>
    where
        Self: 'r,
    {
        let claimed = Claimed::of(self.headers, fields)?;
        Ok(Read { fields, claimed, brought: Brought::of(world, fields) })
    }

    fn outcome(
        &self,
        world: &World,
        read: &Read<'_>,
        authority: Result<Authority, Refusal>,
        meant: &Meant,
        cue: &Cue,
    ) -> Outcome {
        let proved = self.prove(world, read, authority)?;
        cue.check()?;
        self.redeem(world, read, &proved, meant)
    }

    /// Checks what must be right before the grant is looked at.
    fn prove<'p>(
        &self,
        world: &'p World,
        read: &Read<'p>,
        authority: Result<Authority, Refusal>,
    ) -> Result<Proved<'p>, Refusal> {
        let fields = read.fields;
        let named = fields.need("grant_type")?;
        let unsupported = || Refusal::new(70_003).about(&format!("'{named}'"));
        read.brought.grant().ok_or_else(unsupported)?;
        if self.version == Version::V2 && fields.find("resource").is_some() {
            return Err(Refusal::new(901_002));
        }
        let authority = authority?;
        let url = || self.url();
        let client = read.claimed.prove(world, authority.named_tenant(), url)?;
        let credential = read.claimed.credential();
        let version = self.version;
        Ok(Proved { world, fields, version, authority, client, credential })
    }

    /// The endpoint's own address, as the client wrote it: an assertion must name it.
    fn url(&self) -> String {
        let version = match self.version {
            Version::V1 => "",
            Version::V2 => "v2.0/",
        };
        format!("{}/{}/oauth2/{version}token", self.login, self.path)
    }

    fn redeem(
        &self,
        world: &World,
        read: &Read<'_>,
        proved: &Proved<'_>,
        meant: &Meant,
    ) -> Outcome {
        let granted = match &read.brought {
            Brought::Code(_) => proved.redeem_code()?,
            Brought::RefreshToken(token) => proved.redeem_refresh_token(token.as_ref())?,
            Brought::Nothing | Brought::Unknown => {
                let issued = Issued { access_token: true, ..Issued::default() };
                let reply = proved.own_token()?.to_string().into_bytes();
                return Ok((issued, altered(world, meant, reply)));
            }
        };
        let client_info = read.fields.find("client_info") == Some("1");
        let reply = Terms::of(world, self.version, self.login, client_info).reply(world, &granted);
        if world.script().doubts.redemption_ends_refresh_token
            && reply.issued.refresh_token.is_some()
        {
            world.replaced_tokens().extend(read.brought.serial());
        }
        Ok((reply.issued, altered(world, meant, reply.json())))
    }

    fn presented(&self, read: Option<&Read<'_>>) -> Presented {
        let claimed = read.map(|read| &read.claimed);
        Presented {
            version: self.version,
            person: read.and_then(|read| read.brought.person()),
            refresh_token: read.and_then(|read| read.brought.serial()),
            client: claimed.and_then(Claimed::client),
            credential: claimed.map_or(CredentialKind::None, Claimed::credential),
            claims: read.is_some_and(|read| read.fields.find("claims").is_some()),
        }
    }

    fn refuse(&self, world: &World, refusal: Refusal) -> Response {
        let correlation = self.headers.get("client-request-id").and_then(|id| id.to_str().ok());
        let trace = Trace::new(&world.chance, world.now(), correlation);
        world.spelled(refusal).into_reply(&trace, self.login)
    }
}

impl Read<'_> {
    /// What it is about, without judging any of it.
    fn meant(&self, world: &World, named: Option<TenantId>) -> Meant {
        let asked = self.fields.find("scope").and_then(|scope| Asked::parse(scope).ok());
        let asked = asked.and_then(|asked| asked.first_resource().map(str::to_owned));
        let by_app_id = |text: &str| {
            let directory = world.directory();
            directory.catalogue.resource_of(text).unwrap_or(text).to_owned()
        };
        let resource = self.fields.find("resource").map(by_app_id);
        Meant {
            application: self.claimed.client(),
            user: self.brought.person().map(|person| person.user),
            grant: self.brought.grant(),
            resource: resource.or(asked).or_else(|| self.brought.resource()),
            ..at_token(named.or(self.brought.tenant()))
        }
    }
}

fn at_token(tenant: Option<TenantId>) -> Meant {
    let (endpoint, method) = (Some(Endpoint::Token), Some(Method::POST));
    Meant { endpoint, method, tenant, ..Meant::default() }
}

/// A reply, changed as the script says.
fn altered(world: &World, meant: &Meant, reply: Vec<u8>) -> Vec<u8> {
    let changes = world.playbook.alterations(meant);
    if changes.is_empty() {
        return reply;
    }
    let mut reply: Value = serde_json::from_slice(&reply).expect("a reply is JSON");
    changes.iter().for_each(|change| change(&mut reply));
    reply.to_string().into_bytes()
}
