//! A person's browser: cookies, redirects and forms, over real HTTP.
//!
//! It walks the emulator's pages as a person would and stops where the answer leaves the emulator,
//! with the request that a browser would send there.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use url::{Url, form_urlencoded};

use super::state::directory::User;

mod cookies;
mod forms;

use cookies::Jar;
use forms::Form;

/// A browser with cookies of its own.
pub struct Browser {
    client: reqwest::Client,
    jar: Jar,
}

/// What the person in front of the browser does. Whatever the answer, they type their code where a
/// second factor is to be set up, and the old password with an exclamation mark behind it where a
/// new one is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Signs in with everything asked for and accepts.
    Accept,
    /// The same, and ticks "Consent on behalf of your organization" where it is offered.
    AcceptForEveryone,
    /// Signs in and cancels on the consent page, an administrator's approval included.
    Cancel,
    /// Cancels on the first page.
    CancelSignIn,
    /// Fails the second factor, or setting it up, then cancels.
    FailMfa,
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowserError {
    /// The server could not be reached, or broke off.
    #[error("the page could not be loaded")]
    Unreachable(#[source] reqwest::Error),
    /// A page without a way on; its text says why, such as an AADSTS number.
    #[error("no way on: {text}")]
    Stuck {
        /// What the page says.
        text: String,
    },
    /// A redirect or form that leads to no address.
    #[error("the page leads nowhere")]
    Nowhere,
}

impl fmt::Debug for Browser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Browser").finish_non_exhaustive() // cookies are secrets
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    /// A browser without cookies, which trusts no certificate:
    /// [`Emulator::browser`](super::Emulator::browser) does.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(None)
    }

    /// Trusts the certificates of one authority alone: a host may have none of its own.
    pub(super) fn trusting(ca_pem: Option<&str>) -> Self {
        let ca = ca_pem.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()));
        let ca = ca.transpose().expect("our own authority's certificate");
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only(ca)
            .build()
            .expect("a client without settings from outside can be made");
        Self { client, jar: Jar::default() }
    }

    /// Keeps a cookie that the application set, as the text of a `Set-Cookie` header.
    pub fn keep_cookie(&mut self, set_cookie: &str) {
        self.jar.keep(set_cookie, None);
    }

    /// Signs `user` in at an authorization address and accepts: [`walk`](Self::walk) with
    /// [`Answer::Accept`].
    ///
    /// # Errors
    /// [`BrowserError`] when a page cannot be loaded or has no way on.
    pub async fn consent(
        &mut self,
        authorize_url: &Url,
        user: &User,
    ) -> Result<Request<Bytes>, BrowserError> {
        self.walk(authorize_url, user, Answer::Accept).await
    }

    /// Goes from an authorization address to where the answer leaves the emulator, and returns the
    /// request that the browser would send there, with the cookies that it would send along.
    ///
    /// # Errors
    /// [`BrowserError`] when a page cannot be loaded or has no way on.
    pub async fn walk(
        &mut self,
        authorize_url: &Url,
        user: &User,
        answer: Answer,
    ) -> Result<Request<Bytes>, BrowserError> {
        let inside = authorize_url.origin();
        let mut person = Visitor { user, answer, failed_mfa: false };
        let mut next = Step::open(authorize_url.clone());
        for _ in 0..LONGEST_WALK {
            if next.url.origin() != inside {
                return Ok(self.request(&next, Some(authorize_url)));
            }
            let here = next.url.clone();
            let response = self.send(self.request(&next, Some(&here))).await?;
            next = person.go_on(&here, &response)?;
        }
        Err(BrowserError::Nowhere)
    }

    /// Opens an address as if it had been typed in; redirects are not followed.
    ///
    /// # Errors
    /// [`BrowserError::Unreachable`].
    pub async fn open(&mut self, url: &Url) -> Result<Response<Bytes>, BrowserError> {
        self.send(self.request(&Step::open(url.clone()), None)).await
    }

    /// Sends a request, with the cookies it has for that address unless the request brings its own, and
    /// keeps those that the reply sets.
    ///
    /// # Errors
    /// [`BrowserError::Unreachable`].
    pub async fn send(
        &mut self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, BrowserError> {
        let unreachable = |error: reqwest::Error| BrowserError::Unreachable(error.without_url());
        let url = Url::parse(&request.uri().to_string()).map_err(|_| BrowserError::Nowhere)?;
        let cookies = self.jar.header(&url, request.method(), Some(&url));
        if let (false, Some(cookies)) = (request.headers().contains_key(COOKIE), cookies) {
            request.headers_mut().insert(COOKIE, cookies);
        }
        let request = reqwest::Request::try_from(request).map_err(unreachable)?;
        let reply = self.client.execute(request).await.map_err(unreachable)?;
        for cookie in reply.headers().get_all(SET_COOKIE) {
            if let Ok(text) = cookie.to_str() {
                self.jar.keep(text, Some(&url));
            }
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = reply.status();
        *response.headers_mut() = reply.headers().clone();
        *response.body_mut() = reply.bytes().await.map_err(unreachable)?;
        Ok(response)
    }

    fn request(&self, step: &Step, from: Option<&Url>) -> Request<Bytes> {
        let mut request = Request::new(step.body.clone());
        *request.method_mut() = step.method.clone();
        *request.uri_mut() = step.url.as_str().parse().expect("a URL is a URI");
        let headers = request.headers_mut();
        if step.method == Method::POST {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
            let origin = from.map(|from| from.origin().ascii_serialization());
            let origin = origin.and_then(|origin| HeaderValue::try_from(origin).ok());
            headers.extend(origin.map(|origin| (ORIGIN, origin)));
        }
        if let Some(cookies) = self.jar.header(&step.url, &step.method, from) {
            headers.insert(COOKIE, cookies);
        }
        request
    }
}

/// A request to be made.
struct Step {
    method: Method,
    url: Url,
    body: Bytes,
}

impl Step {
    fn open(url: Url) -> Self {
        Self { method: Method::GET, url, body: Bytes::new() }
    }

    fn submit(url: Url, fields: &[(String, String)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { method: Method::POST, url, body: body.into() }
    }
}

/// The person, and what they have done so far.
struct Visitor<'u> {
    user: &'u User,
    answer: Answer,
    failed_mfa: bool,
}

impl Visitor<'_> {
    fn go_on(&mut self, here: &Url, response: &Response<Bytes>) -> Result<Step, BrowserError> {
        if response.status() == StatusCode::FOUND {
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let url = location.and_then(|to| here.join(to).ok()).ok_or(BrowserError::Nowhere)?;
            return Ok(Step::open(url));
        }
        let page = String::from_utf8_lossy(response.body());
        let stuck = || BrowserError::Stuck { text: forms::text(&page) };
        let form = Form::first(&page).ok_or_else(stuck)?;
        let url = here.join(&form.action).map_err(|_| BrowserError::Nowhere)?;
        let mut fields = form.hidden;
        let filled = self.fill(&form.id).ok_or_else(stuck)?;
        fields.extend(filled.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Ok(Step::submit(url, &fields))
    }

    /// What the person types and presses; nothing where a page repeats itself for no good reason.
    fn fill(&mut self, form: &str) -> Option<Vec<(&'static str, String)>> {
        if form == "callback" {
            return Some(Vec::new());
        }
        let press = |button: &str| vec![("answer", button.to_owned())];
        let typed =
            |field, text: &str| vec![(field, text.to_owned()), ("answer", "next".to_owned())];
        if self.answer == Answer::CancelSignIn {
            return Some(press("cancel"));
        }
        match form {
            "step-account" => Some(vec![("account", self.user.name.clone())]),
            "step-name" => Some(typed("name", &self.user.name)),
            "step-password" => Some(typed("password", &self.user.password)),
            "step-new-password" => {
                let new = format!("{}!", self.user.password);
                Some(vec![("new_password", new.clone()), ("again", new)])
            }
            "step-code" | "step-enrolment" if self.failed_mfa => Some(press("cancel")),
            "step-code" | "step-enrolment" if self.answer == Answer::FailMfa => {
                self.failed_mfa = true;
                Some(typed("code", "no code at all"))
            }
            "step-code" | "step-enrolment" => Some(typed("code", &self.user.code)),
            "step-consent" | "step-admin-consent" if self.answer == Answer::Cancel => {
                Some(press("cancel"))
            }
            "step-consent" if self.answer == Answer::AcceptForEveryone => {
                Some(typed("for_everyone", "yes"))
            }
            "step-consent" | "step-admin-consent" => Some(press("next")),
            "step-approval" => Some(press("cancel")),
            _ => None,
        }
    }
}

const LONGEST_WALK: usize = 16;
