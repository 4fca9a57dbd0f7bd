//! The front door as pages: from an invitation's link to a confirmed consent (feature `web`).
//!
//! One function leads from a request to a reply, [`WebDoor::answer`], for whatever serves your panel;
//! [`WebDoor::router`] is the same for axum. The pages load nothing from elsewhere, need no script, and
//! may be neither framed nor stored. What is done, is done by a POST of one's own page.

use bytes::Bytes;
use http::header::{ALLOW, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::broker::Broker;
use crate::error::Error;
use crate::journeys::onboarding::{Found, FoundId};
use crate::model::consent::Consent;
use crate::model::invalid::Invalid;
use crate::model::policy::Refused;
use crate::protocol::authorization::Callback;

mod answered;
mod approval;
mod blanks;
mod brand;
mod deciding;
mod doctor;
mod english;
mod korean;
mod language;
mod origin;
mod pages;
mod permission;
mod phrase;
mod problem;
mod reply;
mod warnings;
mod wording;

pub use self::brand::Brand;
pub use self::language::Language;
pub use self::permission::Permission;
pub use self::phrase::Phrase;
pub use self::problem::Problem;

use self::answered::Answered;
use self::origin::Site;
use self::pages::Pages;
use self::reply::Headers;

/// The pages of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub struct WebDoor {
    broker: Broker,
    brand: Brand,
    languages: Vec<Language>,
    site: Site,
    headers: Headers,
}

impl WebDoor {
    /// The door of this broker, in English and in Korean. The redirect address of its registration
    /// ends with `/callback`, and its [start page](crate::BrokerBuilder::start_page) lies beside it
    /// and ends with `/invited`.
    ///
    /// # Errors
    /// [`Invalid`] when they are elsewhere; [`Doctor::web_door`](crate::Doctor::web_door) says so
    /// beforehand.
    pub fn new(broker: Broker, brand: Brand) -> Result<Self, Invalid> {
        let app = broker.onboarding.app();
        let site = Site::of(app.redirect_uri(), broker.onboarding.book().start_page.as_ref())?;
        let headers = Headers::new(app.cloud().login(), brand.logo());
        let languages = vec![Language::ENGLISH, Language::KOREAN];
        Ok(Self { broker, brand, languages, site, headers })
    }

    /// In these languages: the first where a browser asks for none of them.
    #[must_use]
    pub fn languages(mut self, languages: impl IntoIterator<Item = Language>) -> Self {
        let languages: Vec<_> = languages.into_iter().collect();
        if !languages.is_empty() {
            self.languages = languages;
        }
        self
    }

    /// The same as [`answer`](Self::answer) for axum: nest it where the redirect address says, as in
    /// `Router::new().nest_service("/consent", door.router())`. Of axum's two ways to nest this is the
    /// one that leads all addresses here, `/consent/` too.
    pub fn router(self) -> axum::Router {
        axum::Router::new().fallback(serve).with_state(self)
    }

    /// Answers a request to one of the pages, whatever their path begins with. The host reads the
    /// body, and should stop at 16 KiB.
    ///
    /// It never fails: what goes wrong is a page that says what happened and whose turn it is, and an
    /// event for your observer.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let language = Language::wanted(&self.languages, request.headers());
        let style = self.site.path("/style.css");
        let pages = Pages::new(&self.brand, language, &style);
        let room = Room::of(request.uri().path());
        let mut response = self.reply(&request, &pages).await;
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        let leads_away = matches!(room, Some(Room::Invited(_) | Room::Callback));
        self.headers.seal(&mut response, leads_away);
        response
    }

    async fn reply(&self, request: &Request<Bytes>, pages: &Pages<'_>) -> Response<Bytes> {
        let Some(room) = Room::of(request.uri().path()) else { return pages.lost() };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let acts = request.method() == Method::POST;
        let done = match room {
            Room::Invited(token) if reads => self.invited(token, pages).await,
            Room::Invited(token) if acts && approval::wanted(request) => {
                self.approve(token, request.headers(), pages).await
            }
            Room::Invited(token) if acts => self.begin(token, request.headers()).await,
            Room::Approve(flow) if acts => {
                self.approve_instead(flow, request.headers(), pages).await
            }
            Room::Callback if request.method() == Method::HEAD => return not_allowed("GET, POST"),
            Room::Callback => self.callback(request, pages).await,
            Room::Found(id) if reads => self.found(id, request.headers(), pages).await,
            Room::Found(id) if acts => self.decide(id, request).await,
            Room::Answered(answered) if reads => Ok(pages.answered(answered, request.headers())),
            Room::Style if reads => Ok(pages.style()),
            Room::Invited(_) | Room::Found(_) => return not_allowed("GET, HEAD, POST"),
            Room::Approve(_) => return not_allowed("POST"),
            Room::Answered(_) | Room::Style => return not_allowed("GET, HEAD"),
        };
        done.unwrap_or_else(|error| pages.problem(&error))
    }

    /// Reads only, so that a mail scanner may open the link as often as it likes.
    async fn invited(&self, token: &str, pages: &Pages<'_>) -> Result<Response<Bytes>, Error> {
        Ok(pages.invitation(&self.broker.open_invitation(token).await?))
    }

    async fn begin(&self, token: &str, headers: &HeaderMap) -> Result<Response<Bytes>, Error> {
        if !self.site.sent(headers) {
            return Err(self.broker.onboarding.refuse_foreign());
        }
        let pending = self.broker.begin_invited(token, headers).await?;
        let mut response = reply::see_other(pending.authorize_url().as_str());
        response.headers_mut().insert(SET_COOKIE, pending.browser_key().set_cookie());
        Ok(response)
    }

    /// Leads to an address of its own, so that to reload the page is not to send the code again.
    async fn callback(
        &self,
        request: &Request<Bytes>,
        pages: &Pages<'_>,
    ) -> Result<Response<Bytes>, Error> {
        let callback = Callback::from_request(request)?;
        if callback.reports_approval() {
            return self.approved(callback).await;
        }
        let instead = self.instead(&callback);
        match (self.broker.capture_consent(callback).await, instead) {
            (Err(Error::Refused(Refused::AdminApprovalNeeded)), Some(instead)) => {
                Ok(pages.needs_administrator(&instead))
            }
            (found, _) => Ok(reply::see_other(&self.site.path(&format!("/found/{}", found?.id())))),
        }
    }

    async fn found(
        &self,
        id: &str,
        headers: &HeaderMap,
        pages: &Pages<'_>,
    ) -> Result<Response<Bytes>, Error> {
        Ok(pages.confirmation(&self.broker.found(&found_id(id)?, headers).await?))
    }

    async fn decide(&self, id: &str, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        if !self.site.sent(request.headers()) {
            return Err(self.broker.onboarding.refuse_foreign());
        }
        let id = found_id(id)?;
        let answered = match request.body().as_ref() {
            b"answer=confirm" => self.confirm(&id, request.headers(), Found::confirm).await?,
            b"answer=replace" => self.confirm(&id, request.headers(), replace).await?,
            b"answer=decline" => {
                self.broker.onboarding.decline_here(&id, request.headers()).await?;
                Answered::Declined
            }
            _ => return Err(self.broker.onboarding.refuse_foreign()),
        };
        let mut response = self.lead_to(answered);
        response.headers_mut().append(SET_COOKIE, id.cookie_removal());
        Ok(response)
    }

    /// A yes that was said before, as by a button that was pressed twice, is a yes.
    async fn confirm<F>(
        &self,
        id: &FoundId,
        headers: &HeaderMap,
        how: impl FnOnce(Found) -> F,
    ) -> Result<Answered, Error>
    where
        F: Future<Output = Result<Consent, Error>>,
    {
        let confirmed = match self.broker.found(id, headers).await {
            Ok(found) => how(found).await.map(drop),
            Err(error) => Err(error),
        };
        match confirmed {
            Err(Error::Refused(Refused::ConfirmedAlready(_))) => {}
            Err(Error::Refused(Refused::NothingToConfirm))
                if self.broker.onboarding.was_confirmed(id).await => {}
            confirmed => confirmed?,
        }
        Ok(Answered::Confirmed)
    }
}

fn found_id(text: &str) -> Result<FoundId, Refused> {
    FoundId::parse(text).map_err(|_| Refused::NothingToConfirm)
}

/// What a path leads to, whatever it begins with.
#[derive(Debug, PartialEq, Eq)]
enum Room<'p> {
    Invited(&'p str),
    Callback,
    Approve(&'p str),
    Found(&'p str),
    Answered(Answered),
    Style,
}

impl<'p> Room<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let mut parts = path.rsplit('/');
        let last = parts.next().filter(|last| !last.is_empty())?;
        match (parts.next(), last) {
            (_, "callback") => Some(Self::Callback),
            (Some("invited"), token) => Some(Self::Invited(token)),
            (Some("approve"), flow) => Some(Self::Approve(flow)),
            (Some("found"), id) => Some(Self::Found(id)),
            (_, "style.css") => Some(Self::Style),
            (_, page) => Answered::of(page).map(Self::Answered),
        }
    }
}

fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

async fn serve(
    axum::extract::State(door): axum::extract::State<WebDoor>,
    request: axum::extract::Request,
) -> Response<axum::body::Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    door.answer(Request::from_parts(head, body)).await.map(axum::body::Body::from)
}

/// A callback is some two KiB long.
const LONGEST_BODY: usize = 16 * 1024;

/// Puts it in the place of the consent that the invitation has named. Where it named none, it is
/// confirmed as any other, which says no if somebody else's stands.
async fn replace(found: Found) -> Result<Consent, Error> {
    match found.approved_replacement() {
        Some(user) => found.confirm_instead_of(user).await,
        None => found.confirm().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_a_room_wherever_the_door_stands() {
        for front in ["", "/consent", "/a/b"] {
            let at = |rest: &str| format!("{front}{rest}");
            assert_eq!(Room::of(&at("/invited/x.y")), Some(Room::Invited("x.y")));
            assert_eq!(Room::of(&at("/found/t.f")), Some(Room::Found("t.f")));
            assert_eq!(Room::of(&at("/approve/f")), Some(Room::Approve("f")));
            for (page, answered) in [
                ("/approved", Answered::Approved),
                ("/done", Answered::Confirmed),
                ("/declined", Answered::Declined),
            ] {
                assert_eq!(Room::of(&at(page)), Some(Room::Answered(answered)));
            }
            assert_eq!(Room::of(&at("/callback")), Some(Room::Callback));
            assert_eq!(Room::of(&at("/style.css")), Some(Room::Style));
            for lost in ["", "/", "/invited", "/invited/", "/found/", "/callback/", "/other"] {
                assert_eq!(Room::of(&at(lost)), None, "{front}{lost}");
            }
        }
    }
}
