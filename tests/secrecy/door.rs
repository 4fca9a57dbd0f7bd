//! The front door's pages: what a browser is shown and sent, and what is logged of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use cpv_consent::emulator::{Answer, Browser, Failure, Rule, User};
use cpv_consent::web::{Brand, WebDoor};
use cpv_consent::{Broker, Cause, Error, Event, Refused, Remedy, ResponseMode};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderName, Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use url::Url;

use crate::logs;
use crate::searcher::{Searcher, Secret};
use crate::witness::{CLIENT_SECRET, Witness};
use crate::world::{browser_of, capture, tampered};

const START: &str = "https://panel.example/consent/invited";

/// A panel's door, all of whose replies are kept.
struct Door<'w> {
    witness: &'w Witness,
    door: WebDoor,
    /// Where axum serves it, if it does.
    served_at: Option<SocketAddr>,
    replies: Vec<Part>,
    /// What names findings, which is no secret of a page and none of a log's business.
    found: Vec<Secret>,
}

/// A body, or one header, with the names of those secrets that belong there.
struct Part {
    what: String,
    holds: &'static [&'static str],
    bytes: Vec<u8>,
}

impl<'w> Door<'w> {
    async fn of(witness: &'w Witness) -> (Broker, Self) {
        let builder = witness.world.builder(witness.world.store().await);
        let builder = builder.http(witness.recorder.clone()).start_page(START);
        let broker = builder.build().await.expect("a broker");
        let brand = Brand::new("Example Panel").expect("plain text");
        let door = WebDoor::new(broker.clone(), brand).expect("side by side");
        witness.show("door", &door);
        let (replies, found) = (Vec::new(), Vec::new());
        (broker, Self { witness, door, served_at: None, replies, found })
    }

    async fn serve(&mut self) {
        let panel = axum::Router::new().nest("/consent", self.door.clone().router());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.served_at = Some(listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, panel).await });
    }

    async fn answer(&mut self, request: Request<Bytes>) -> Response<Bytes> {
        let asked = format!("{} {}", request.method(), request.uri().path());
        let response = match self.served_at {
            Some(at) => over_the_wire(at, request).await,
            None => self.door.answer(request).await,
        };
        self.keep(&asked, &response);
        response
    }

    fn keep(&mut self, asked: &str, response: &Response<Bytes>) {
        let headers = response.headers().iter().map(|(name, value)| {
            let holds = belongs(name, value.as_bytes());
            let what = format!("{name} of {asked}");
            Part {
                what,
                holds,
                bytes: [name.as_str().as_bytes(), b": ", value.as_bytes()].concat(),
            }
        });
        self.replies.extend(headers);
        let (what, bytes) = (format!("page of {asked}"), response.body().to_vec());
        self.replies.push(Part { what, holds: &[], bytes });
    }

    /// Nothing that was sent holds a secret but where it belongs, and no log, event or file any.
    fn assert_silent(&self) {
        let secrets = self.witness.secrets();
        for Part { what, holds, bytes } in &self.replies {
            let others = secrets.iter().filter(|secret| !holds.contains(&&*secret.name));
            assert_eq!(Searcher::for_all(others).find(bytes), None, "{what}");
        }
        self.witness.assert_silent();
        assert_eq!(Searcher::for_all(&self.found).find(&logs::lines()), None, "log");
    }

    /// How many parts hold a secret of that name, where it belongs.
    fn parts_with(&self, name: &str) -> usize {
        let secrets = self.witness.secrets();
        let searcher = Searcher::for_all(secrets.iter().filter(|secret| secret.name == name));
        self.replies.iter().filter(|part| searcher.find(&part.bytes).is_some()).count()
    }
}

/// What leads to Microsoft holds what comes back from there; a cookie is the browser's own.
fn belongs(name: &HeaderName, value: &[u8]) -> &'static [&'static str] {
    match name {
        name if *name == LOCATION && value.starts_with(b"http") => &["state", "nonce"],
        name if *name == SET_COOKIE => &["browser key"],
        _ => &[],
    }
}

async fn over_the_wire(at: SocketAddr, mut request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path_and_query().expect("a path").clone();
    *request.uri_mut() = format!("http://{at}{path}").parse().expect("an address");
    Browser::new().send(request).await.expect("a reply")
}

/// Somebody in front of it, with a browser whose secrets are noted as such.
struct Person<'d, 'w> {
    door: &'d mut Door<'w>,
    browser: Browser,
    cookies: Vec<String>,
}

impl<'d, 'w> Person<'d, 'w> {
    fn at(door: &'d mut Door<'w>) -> Self {
        Self { door, browser: Browser::new(), cookies: Vec::new() }
    }

    fn request(&self, method: Method, path: &str, body: &'static str) -> Request<Bytes> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(COOKIE, self.cookies.join("; "));
        request.body(Bytes::from_static(body.as_bytes())).expect("a request")
    }

    async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.door.answer(self.request(Method::GET, path, "")).await
    }

    async fn post(&mut self, path: &str, body: &'static str) -> Response<Bytes> {
        let mut request = self.request(Method::POST, path, body);
        request.headers_mut().insert("sec-fetch-site", "same-origin".parse().expect("a value"));
        self.door.answer(request).await
    }

    /// Presses a button that leads to Microsoft.
    async fn press(&mut self, path: &str, body: &'static str) -> Url {
        let response = self.post(path, body).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", text(&response));
        let cookie = response.headers()[SET_COOKIE].to_str().expect("ASCII");
        self.browser.keep_cookie(cookie);
        let pair = cookie.split(';').next().expect("a pair");
        self.cookies.push(pair.to_owned());
        let key = pair.split_once('=').expect("a pair").1;
        self.door.witness.plant("browser key", key);
        let microsoft = Url::parse(location(&response)).expect("an address");
        for (name, value) in microsoft.query_pairs() {
            if matches!(&*name, "state" | "nonce") {
                let random = value.strip_prefix("approval.").unwrap_or(&value);
                self.door.witness.plant(&name, random);
            }
        }
        microsoft
    }

    /// Goes to Microsoft and back, up to the callback's request.
    async fn walk(&mut self, at: &Url, user: &User, answer: Answer) -> Request<Bytes> {
        let callback = self.browser.walk(at, user, answer).await.expect("a callback");
        if let Some(code) = field(&callback, "code") {
            self.door.witness.plant("code in the browser", code);
        }
        callback
    }

    async fn comes_back(&mut self, path: &str, user: &User, answer: Answer) -> Request<Bytes> {
        let microsoft = self.press(path, "").await;
        self.walk(&microsoft, user, answer).await
    }

    /// Up to the page that asks for the confirmation; returns its path.
    async fn find(&mut self, path: &str, user: &User) -> String {
        let callback = self.comes_back(path, user, Answer::Accept).await;
        let response = self.door.answer(callback).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", text(&response));
        let found = location(&response).to_owned();
        let flow = found.rsplit('.').next().expect("a flow").to_owned();
        self.door.found.push(Secret::new("found id", flow));
        found
    }
}

fn field(callback: &Request<Bytes>, name: &str) -> Option<String> {
    let mut fields = url::form_urlencoded::parse(callback.body());
    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).expect("UTF-8")
}

fn location(response: &Response<Bytes>) -> &str {
    response.headers()[LOCATION].to_str().expect("ASCII")
}

/// The path of an invitation, whose link is noted as a secret.
async fn invited(witness: &Witness, broker: &Broker) -> String {
    let request = broker.partner(witness.world.contoso).invite(witness.world.account());
    witness.invite(request).await.link().path().to_owned()
}

/// Whoever comes from elsewhere, guesses, says no, or fails.
async fn comes_to_nothing(person: &mut Person<'_, '_>, path: &str, admin: &User) {
    for method in [Method::HEAD, Method::PUT] {
        let request = person.request(method, path, "");
        person.door.answer(request).await;
    }
    let foreign = person.request(Method::POST, path, "");
    assert_eq!(person.door.answer(foreign).await.status(), StatusCode::FORBIDDEN);
    let guessed = person.get(&path[..path.len() - 1]).await;
    assert_eq!(guessed.status(), StatusCode::NOT_FOUND);
    for answer in [Answer::Cancel, Answer::FailMfa] {
        let callback = person.comes_back(path, admin, answer).await;
        let page = person.door.answer(callback).await;
        assert_eq!(page.status(), StatusCode::FORBIDDEN, "{}", text(&page));
    }
}

/// What comes back is not as Entra sent it, or comes twice.
async fn brings_what_is_strange(person: &mut Person<'_, '_>, path: &str, admin: &User) {
    let good = person.comes_back(path, admin, Answer::Accept).await;
    let code = field(&good, "code").expect("a code");
    let mut elsewhere = good.clone();
    elsewhere.headers_mut().remove(COOKIE);
    let said = format!("error=access_denied&error_description=AADSTS65004:+{code}&");
    for strange in [
        tampered(&good, |fields| format!("{fields}&{fields}")),
        tampered(&good, |fields| fields.replacen("&state=", "&state=x", 1)),
        tampered(&good, |fields| format!("{fields}&iss={code}")),
        elsewhere,
        tampered(&good, |fields| fields.replacen("code=", &format!("{said}unread="), 1)),
        good,
    ] {
        let page = person.door.answer(strange).await;
        assert!(page.status().is_client_error(), "{}", text(&page));
    }
}

/// A service account that has to wait for its administrator.
async fn waits_for_an_approval(person: &mut Person<'_, '_>, path: &str, admin: &User) {
    let service = person.door.witness.world.service_account();
    person.browser = Browser::new(); // signed out at Microsoft
    let early = person.comes_back(path, &service, Answer::Accept).await;
    let page = text(&person.door.answer(early).await);
    let action = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
    let instead = action.unwrap_or_else(|| panic!("no form: {page}")).to_owned();
    for (at, body) in [(path, "step=approve"), (&instead, "")] {
        for answer in [Answer::Cancel, Answer::Accept] {
            person.browser = Browser::new();
            let microsoft = person.press(at, body).await;
            let callback = person.walk(&microsoft, admin, answer).await;
            person.door.answer(callback.clone()).await;
            person.door.answer(callback).await;
        }
    }
    person.get("/consent/approved").await;
}

/// Entra repeats what it was sent when the code is redeemed.
async fn meets_an_echo(person: &mut Person<'_, '_>, path: &str, admin: &User) {
    let callback = person.comes_back(path, admin, Answer::Accept).await;
    let echo = format!("{CLIENT_SECRET} {}", field(&callback, "code").expect("a code"));
    let said = serde_json::json!({
        "error": "invalid_grant", "error_description": echo, "suberror": echo,
        "correlation_id": echo, "trace_id": echo,
    });
    let reply = Failure::reply(400, "application/json", said.to_string());
    let scripted = person.door.witness.world.entra.fail_tokens(Rule::any(), reply);
    let page = person.door.answer(callback).await;
    assert!(!page.status().is_success() && !page.status().is_redirection(), "{}", text(&page));
    scripted.clear();
}

/// A no, then a yes, each of them twice, and looked at by somebody else.
async fn decides(person: &mut Person<'_, '_>, path: &str, admin: &User) {
    for (answer, then) in
        [("answer=decline", "/consent/declined"), ("answer=confirm", "/consent/done")]
    {
        let found = person.find(path, admin).await;
        let stranger = Request::get(&found).body(Bytes::new()).expect("a request");
        assert_eq!(person.door.answer(stranger).await.status(), StatusCode::FORBIDDEN);
        assert_eq!(person.get(&found).await.status(), StatusCode::OK);
        for _ in 0..2 {
            assert_eq!(location(&person.post(&found, answer).await), then);
        }
        person.get(then).await;
        person.get(&found).await;
        person.post(&found, "answer=decline").await;
    }
    let spent = person.get(path).await;
    assert_eq!(spent.status(), StatusCode::GONE, "a consent was confirmed by it");
}

#[tokio::test]
async fn no_page_no_header_and_no_log_of_the_door_holds_a_secret() {
    //
    for over_axum in [false, true] {
        let witness = Witness::new().await;
        let (broker, mut door) = Door::of(&witness).await;
        if over_axum {
            door.serve().await;
        }
        let (path, admin) = (invited(&witness, &broker).await, &witness.world.admin);
        let mut person = Person::at(&mut door);
        assert_eq!(person.get(&path).await.status(), StatusCode::OK);
        comes_to_nothing(&mut person, &path, admin).await;
        waits_for_an_approval(&mut person, &path, admin).await;
        brings_what_is_strange(&mut person, &path, admin).await;
        meets_an_echo(&mut person, &path, admin).await;
        decides(&mut person, &path, admin).await;
        door.assert_silent();
        assert_seen(&door);
    }
}

/// The search was for something, in something.
fn assert_seen(door: &Door<'_>) {
    let names: BTreeSet<String> =
        door.witness.secrets().into_iter().map(|secret| secret.name).collect();
    for name in
        ["client secret", "code", "code in the browser", "code_verifier", "id_token", "invitation"]
    {
        assert!(names.contains(name), "{name} was not searched for");
    }
    let begun = door.parts_with("state");
    assert!(begun > 9 && door.parts_with("browser key") == begun, "{begun} led to Microsoft");
    let nonces = door.parts_with("nonce");
    assert!(nonces > 5 && nonces < begun, "an approval has none: {nonces} of {begun}");
    let pages = door.replies.iter().filter(|part| part.bytes.starts_with(b"<!DOCTYPE html>"));
    assert!(pages.count() > 20, "pages were searched");
    assert_eq!(door.found.len(), 2);
}

/// What an answer of Entra's says of itself, far too long and with a form in it.
const DESCRIPTION: &str = "canary-of-a-description<form action=//evil.example>";

/// The callback of a flow that Entra answers by this no.
fn saying_no(callback: &Request<Bytes>, error: &str, number: u32) -> Request<Bytes> {
    let words: String =
        url::form_urlencoded::byte_serialize(DESCRIPTION.repeat(100).as_bytes()).collect();
    let no = format!("error={error}&error_description=AADSTS{number}%3A%0D%0A{words}&unread=");
    tampered(callback, |fields| fields.replacen("code=", &no, 1))
}

const NOS: [(&str, u32); 3] =
    [("access_denied", 65004), ("access_denied", 90094), ("interaction_required", 50076)];

#[tokio::test]
async fn each_no_of_entras_is_told_apart_ends_its_flow_and_is_not_quoted() {
    //
    let witness = Witness::new().await;
    witness.plant("description", DESCRIPTION);
    let (broker, mut door) = Door::of(&witness).await;
    let path = invited(&witness, &broker).await;
    let mut person = Person::at(&mut door);
    let mut titles = BTreeSet::new();
    for (error, number) in NOS {
        let good = person.comes_back(&path, &witness.world.admin, Answer::Accept).await;
        let page = person.door.answer(saying_no(&good, error, number)).await;
        assert_eq!(page.status(), StatusCode::FORBIDDEN, "{number}");
        let page = text(&page);
        assert!(page.len() < 8 * 1024 && !page.contains("evil"), "{page}");
        let title = page.split("<h1>").nth(1).and_then(|rest| rest.split('<').next());
        titles.insert(title.expect("a title").to_owned());
        for again in [saying_no(&good, error, number), good] {
            let over = person.door.answer(again).await;
            assert_eq!(over.status(), StatusCode::CONFLICT, "{number}: {}", text(&over));
        }
    }
    assert_eq!(titles.len(), NOS.len(), "a person can tell them apart: {titles:?}");
    door.assert_silent();
}

#[tokio::test]
async fn each_no_of_entras_has_its_type_and_ends_its_flow() {
    //
    let witness = Witness::new().await;
    witness.plant("description", DESCRIPTION);
    let (world, broker) = (&witness.world, witness.broker().await);
    for (error, number) in NOS {
        let pending = witness.begin(witness.request(&broker, ResponseMode::FormPost)).await;
        let good = browser_of(&pending).consent(pending.authorize_url(), &world.admin).await;
        let good = good.expect("a callback");
        let no = saying_no(&good, error, number);
        match (number, witness.fault(capture(&broker, &no).await)) {
            (65004, Error::Refused(Refused::Declined)) => {}
            (90094, Error::Refused(Refused::AdminApprovalNeeded)) => {}
            (50076, error @ Error::Entra { .. }) => {
                assert_eq!(cause(&error), Some(Cause::MfaRequired));
                assert!(matches!(error.remedy(), Remedy::AskConsentAgain { .. }), "{error}");
            }
            (_, other) => panic!("{number}: {other:?}"),
        }
        for again in [no, good] {
            let over = witness.fault(capture(&broker, &again).await);
            assert!(matches!(over, Error::Refused(Refused::StateReplayed)), "{number}: {over:?}");
        }
    }
    let told = |refused| Event::ConsentRefused { partner: None, refused };
    let events = world.events();
    assert!(events.contains(&told(Refused::Declined)), "{events:?}");
    assert!(events.contains(&told(Refused::AdminApprovalNeeded)), "{events:?}");
    assert_eq!(world.entra.ledger().len(), 0, "no code was sent anywhere");
    world.assert_nothing_stored(&broker).await;
    witness.assert_silent();
}

fn cause(error: &Error) -> Option<Cause> {
    if let Error::Entra { error, .. } = error { Some(error.cause()) } else { None }
}
