//! The front door's pages: a person walks through them, and nobody else does.

mod answered;
mod warned;
mod words;

use bytes::Bytes;
use cpv_consent::emulator::{Answer, Browser, User};
use cpv_consent::web::{Brand, Language, Phrase, Problem, WebDoor};
use cpv_consent::{Broker, Invalid, InvitationStatus, SentInvitation, ShownName};
use http::header::{
    ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION,
    ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use url::Url;

use crate::world::{DAY, MINUTE, World};

mod two_steps;

const START: &str = "https://panel.example/consent/invited";

pub async fn doors() -> (World, Broker, WebDoor) {
    let world = World::new().await;
    let broker = world.builder(world.store().await).start_page(START).build().await;
    let broker = broker.expect("a broker");
    let door = WebDoor::new(broker.clone(), brand()).expect("side by side");
    (world, broker, door)
}

fn brand() -> Brand {
    Brand::new("Example Panel").expect("plain text")
}

/// A person's browser: it keeps the cookies of its flows, and says that it is on our own page.
pub struct Person<'w> {
    door: &'w WebDoor,
    browser: Browser,
    cookie: Option<String>,
    language: &'static str,
}

impl<'w> Person<'w> {
    pub fn new(door: &'w WebDoor) -> Self {
        Self { door, browser: Browser::new(), cookie: None, language: "en" }
    }

    fn request(&self, method: Method, path: &str, body: &'static str) -> Request<Bytes> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(ACCEPT_LANGUAGE, self.language);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        request.body(Bytes::from_static(body.as_bytes())).expect("a request")
    }

    pub async fn get(&self, path: &str) -> Response<Bytes> {
        self.door.answer(self.request(Method::GET, path, "")).await
    }

    pub async fn post(&self, path: &str, body: &'static str) -> Response<Bytes> {
        let mut request = self.request(Method::POST, path, body);
        request.headers_mut().insert("sec-fetch-site", "same-origin".parse().expect("a value"));
        self.door.answer(request).await
    }

    /// Presses the start page's button; returns the address at Microsoft.
    pub async fn begin(&mut self, path: &str) -> Url {
        self.press(path, "").await
    }

    /// Presses a button that leads to Microsoft; returns the address there.
    async fn press(&mut self, path: &str, body: &'static str) -> Url {
        let response = self.post(path, body).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", text(&response));
        self.keep(&response);
        Url::parse(location(&response)).expect("an address")
    }

    /// Keeps the cookies that a reply brings.
    fn keep(&mut self, response: &Response<Bytes>) {
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII");
            self.browser.keep_cookie(cookie);
            let pair = cookie.split(';').next().map(str::to_owned);
            self.cookie =
                self.cookie.take().into_iter().chain(pair).reduce(|all, one| all + "; " + &one);
        }
    }

    /// The page that a reply leads to.
    pub async fn follow(&mut self, response: &Response<Bytes>) -> Response<Bytes> {
        self.keep(response);
        self.get(location(response)).await
    }

    /// Whether a reply takes the cookie of the last flow away.
    fn loses_its_cookie_by(&self, response: &Response<Bytes>) -> bool {
        let last = self.cookie.as_deref().and_then(|all| all.rsplit("; ").next());
        let (name, _) = last.and_then(|pair| pair.split_once('=')).expect("a pair");
        let removal = format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=None");
        response.headers().get_all(SET_COOKIE).iter().any(|cookie| cookie == removal.as_str())
    }

    /// Goes to Microsoft and back, up to the callback's request.
    pub async fn walk(&mut self, at: &Url, user: &User, answer: Answer) -> Request<Bytes> {
        self.browser.walk(at, user, answer).await.expect("a callback")
    }

    /// Up to the page that asks for the confirmation; returns its path.
    pub async fn find(&mut self, invited: &str, user: &User) -> String {
        let microsoft = self.begin(invited).await;
        let callback = self.walk(&microsoft, user, Answer::Accept).await;
        let response = self.door.answer(callback).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", text(&response));
        location(&response).to_owned()
    }
}

pub fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).expect("UTF-8")
}

pub fn location(response: &Response<Bytes>) -> &str {
    response.headers()[LOCATION].to_str().expect("ASCII")
}

async fn invited(world: &World, broker: &Broker) -> (SentInvitation, String) {
    let sent = broker.partner(world.contoso).invite(world.account());
    let sent = sent.account_name(ShownName::verified("Contoso Hosting").expect("plain text"));
    let sent = sent.invited_by(ShownName::unverified("Ann <b>Example</b> {panel}").expect("text"));
    let sent = sent.await.expect("an invitation");
    let path = sent.link().path().to_owned();
    (sent, path)
}

async fn status(broker: &Broker, sent: &SentInvitation) -> InvitationStatus {
    let found = broker.invitations().find(sent.invitation().id()).await;
    found.expect("listed").status().clone()
}

async fn has_consent(world: &World, broker: &Broker) -> bool {
    broker.partner(world.contoso).consent().await.expect("readable").is_some()
}

#[tokio::test]
async fn from_the_link_to_the_consent() {
    //
    let (world, broker, door) = doors().await;
    let (sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    for method in [Method::GET, Method::HEAD].into_iter().cycle().take(10) {
        let response = door.answer(person.request(method.clone(), &path, "")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body().is_empty(), method == Method::HEAD);
    }
    assert_eq!(status(&broker, &sent).await, InvitationStatus::Open, "a scanner spends nothing");

    let page = text(&person.get(&path).await);
    for shown in ["Contoso Hosting", "verified by Example Panel", "Example Panel asks for"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.contains("Ann &lt;b&gt;Example&lt;/b&gt; {panel}"), "as it was written: {page}");
    assert!(page.contains(&world.contoso.to_string()) && page.contains("Directory.Read.All"));

    let found = person.find(&path, &world.admin).await;
    let page = person.get(&found).await;
    assert_eq!(page.status(), StatusCode::OK);
    let shown = text(&page);
    let [receives, gives] = ["Contoso Hosting", "admin@"].map(|name| shown.find(name));
    assert!(receives.expect("the account") < gives.expect("the user"), "who receives comes first");
    assert!(shown.contains("proven, says Partner Center"), "{shown}");
    assert_eq!(text(&person.get(&found).await), shown, "a reload changes nothing");
    assert!(!has_consent(&world, &broker).await, "nothing is given yet");

    let response = person.post(&found, "answer=confirm").await;
    assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/consent/done"));
    assert!(person.loses_its_cookie_by(&response));
    let done = person.follow(&response).await;
    assert_eq!(done.status(), StatusCode::OK);
    assert!(text(&done).contains("The consent is given"), "{}", text(&done));
    assert!(has_consent(&world, &broker).await);
    assert!(matches!(status(&broker, &sent).await, InvitationStatus::Confirmed { .. }));
    for (gone, what) in [(&found, "nothing left"), (&path, "was used")] {
        let response = person.get(gone).await;
        assert_eq!(response.status(), StatusCode::GONE);
        assert!(text(&response).contains(what), "{}", text(&response));
    }
}

#[tokio::test]
async fn no_other_page_and_no_other_browser_acts() {
    //
    let (world, broker, door) = doors().await;
    let (sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let forged = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        (ORIGIN.as_str(), "https://evil.example"),
        (ORIGIN.as_str(), "null"),
        ("x-forwarded-host", "panel.example"),
    ];
    let foreign = async |person: &Person<'_>, path: &str, body: &'static str| {
        for (name, value) in forged {
            let mut request = person.request(Method::POST, path, body);
            request.headers_mut().insert(name, value.parse().expect("a value"));
            let response = door.answer(request).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}: {value}");
            assert!(!response.headers().contains_key(SET_COOKIE));
        }
    };
    foreign(&person, &path, "").await;
    assert_eq!(status(&broker, &sent).await, InvitationStatus::Open);

    let found = person.find(&path, &world.admin).await;
    foreign(&person, &found, "answer=confirm").await;
    foreign(&person, &found, "answer=decline").await;
    for body in ["", "answer=", "answer=yes", "answer=confirm&answer=decline"] {
        assert_eq!(person.post(&found, body).await.status(), StatusCode::FORBIDDEN, "{body}");
    }
    let other = Person::new(&door);
    for response in [other.get(&found).await, other.post(&found, "answer=confirm").await] {
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(!text(&response).contains("Contoso Hosting"), "it learns nothing");
    }
    assert!(!has_consent(&world, &broker).await);
    let response = person.post(&found, "answer=confirm").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "it still waits for its own browser");
}

#[tokio::test]
async fn a_person_who_fails_first_comes_through_in_the_end() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let microsoft = person.begin(&path).await;
    let cancelled = person.walk(&microsoft, &world.admin, Answer::Cancel).await;
    let response = door.answer(cancelled).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(text(&response).contains("You said no at Microsoft"), "{}", text(&response));

    let microsoft = person.begin(&path).await;
    let failed = person.walk(&microsoft, &world.admin, Answer::FailMfa).await;
    let page = text(&door.answer(failed).await);
    assert!(page.contains("There was no second factor") && page.contains("AADSTS50074"), "{page}");

    let microsoft = person.begin(&path).await;
    let callback = person.walk(&microsoft, &world.admin, Answer::Accept).await;
    let mut other = callback.clone();
    other.headers_mut().remove(COOKIE);
    let response = door.answer(other).await;
    assert!(text(&response).contains("This browser did not begin it"), "cookies were refused");
    let first = door.answer(callback.clone()).await;
    assert_eq!(first.status(), StatusCode::SEE_OTHER, "whoever it was has spoiled nothing");
    let again = door.answer(callback).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert!(text(&again).contains("This step is done already"));

    let response = person.post(location(&first), "answer=decline").await;
    assert_eq!(location(&response), "/consent/declined");
    assert!(person.loses_its_cookie_by(&response));
    assert!(!has_consent(&world, &broker).await);
    let found = person.find(&path, &world.admin).await;
    person.post(&found, "answer=confirm").await;
    assert!(has_consent(&world, &broker).await);
}

#[tokio::test]
async fn a_yes_twice_is_done_and_a_late_no_is_told_that_it_stands() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    let first = person.post(&found, "answer=confirm").await;
    assert_eq!(location(&first), "/consent/done");
    let twice = person.post(&found, "answer=confirm").await;
    assert_eq!(location(&twice), "/consent/done", "{}", text(&twice));
    let nobodys = format!("/consent/found/{}", "A".repeat(43));
    let lost = person.post(&nobodys, "answer=decline").await;
    assert!(text(&lost).contains("There is nothing left to confirm"), "{}", text(&lost));
    let late = person.post(&found, "answer=decline").await;
    assert_eq!(late.status(), StatusCode::CONFLICT);
    assert!(text(&late).contains("Your yes arrived before your no"), "{}", text(&late));
    assert!(has_consent(&world, &broker).await);
}

#[tokio::test]
async fn another_users_consent_is_not_replaced_here() {
    let (world, broker, door) = doors().await;
    world.onboard(&broker).await;
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &intern).await;
    let page = text(&person.get(&found).await);
    assert!(page.contains("has consented for this organization before"), "{page}");
    assert!(!page.contains("value=\"confirm\""), "there is no such button");
    let response = person.post(&found, "answer=confirm").await;
    assert!(text(&response).contains("Another user’s consent stands"));
    let standing = broker.partner(world.contoso).consent().await.expect("readable");
    assert_ne!(standing.expect("stored").user().name(), Some("intern@contoso.example"));
}

#[tokio::test]
async fn every_page_keeps_to_itself() {
    //
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    let secret = path.rsplit('/').next().expect("a path");
    for (at, status) in [
        (path.as_str(), StatusCode::OK),
        (&found, StatusCode::OK),
        ("/consent/done", StatusCode::OK),
        ("/consent/declined", StatusCode::OK),
        ("/consent/callback", StatusCode::BAD_REQUEST),
        ("/consent/invited/x", StatusCode::NOT_FOUND),
        ("/consent/found/x", StatusCode::GONE),
        ("/elsewhere", StatusCode::NOT_FOUND),
    ] {
        let response = person.get(at).await;
        let headers = response.headers();
        assert_eq!(response.status(), status, "{at}");
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{at}");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{at}");
        assert_eq!(headers[X_FRAME_OPTIONS], "DENY", "{at}");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{at}");
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8", "{at}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().expect("ASCII");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{at}: {policy}");
        }
        assert!(!text(&response).contains("<script") && !text(&response).contains(secret), "{at}");
    }
    let style = person.get("/consent/style.css").await;
    assert_eq!(style.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
    for (at, allowed) in [("/consent/done", "GET, HEAD"), (path.as_str(), "GET, HEAD, POST")] {
        let response = door.answer(person.request(Method::PUT, at, "")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[ALLOW], allowed);
    }
}

#[tokio::test]
async fn invitations_that_are_over_say_how() {
    let (world, broker, door) = doors().await;
    let (sent, path) = invited(&world, &broker).await;
    let person = Person::new(&door);
    let newer = broker.invitations().resend(sent.invitation().id()).await.expect("open");
    assert!(text(&person.get(&path).await).contains("There is a newer link"));
    world.clock.advance(8 * DAY);
    assert!(text(&person.get(newer.link().path()).await).contains("has expired"));
    let newest = broker.invitations().resend(sent.invitation().id()).await.expect("expired");
    broker.invitations().revoke(sent.invitation().id()).await.expect("open");
    let response = person.post(newest.link().path(), "").await;
    assert_eq!(response.status(), StatusCode::GONE);
    assert!(text(&response).contains("was taken back"));
    world.clock.advance(MINUTE);
}

#[tokio::test]
async fn it_speaks_the_browsers_language() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    person.language = "ko-KR,ko;q=0.9,en;q=0.5";
    let page = text(&person.get(&path).await);
    assert!(page.contains("<html lang=\"ko\"") && page.contains("Microsoft로 계속"), "{page}");
    let danish = Language::new("da", |phrase| (phrase == Phrase::Begin).then_some("Videre"));
    let danish = danish.expect("no blanks are left out");
    let door = door.clone().languages([danish]);
    person.door = &door;
    let page = text(&person.get(&path).await);
    assert!(page.contains("<html lang=\"da\"") && page.contains("Videre"), "the first: {page}");
    let lost = text(&person.get("/consent/invited/x").await);
    assert!(lost.contains("There is no invitation at this link"), "else English: {lost}");
    assert!(Problem::ALL.contains(&Problem::InvitationUnknown));
}

#[tokio::test]
async fn no_address_that_somebody_passes_along_is_followed() {
    //
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    let passed = |at: &str| format!("{at}?next=https://evil.example/&return_to=//evil.example");
    for at in [path.as_str(), &found, "/consent/done", "/consent/declined", "/consent/invited/x"] {
        let response = person.get(&passed(at)).await;
        assert!(!text(&response).contains("evil") && !response.headers().contains_key(LOCATION));
    }
    let response = person.post(&passed(&found), "answer=confirm").await;
    assert_eq!(location(&response), "/consent/done");
}

#[tokio::test]
async fn over_axum_it_is_the_same_wherever_it_is_nested() {
    //
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let panel = axum::Router::new().nest_service("/consent", door.router());
    let (at, serving) = served(panel).await;
    let mut browser = Browser::new();
    let page = browser.open(&Url::parse(&format!("http://{at}{path}")).expect("an address")).await;
    let page = page.expect("a page");
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(&page).contains("/consent/style.css"));
    let long = Request::post(format!("http://{at}/consent/callback"));
    let long = long.body(Bytes::from(vec![b'x'; 17 * 1024])).expect("a request");
    let response = browser.send(long).await.expect("a reply");
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    for lost in ["/consent", "/consent/", "/consent//", "/consent/invited/", "/consent/nowhere"] {
        let lost = Url::parse(&format!("http://{at}{lost}")).expect("an address");
        let page = browser.open(&lost).await.expect("a page");
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{lost}");
        assert!(text(&page).contains("There is no such page"), "{lost}: {}", text(&page));
    }
    serving.abort();
}

async fn served(panel: axum::Router) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    (at, tokio::spawn(async move { axum::serve(listener, panel).await.expect("until aborted") }))
}

#[tokio::test]
async fn a_door_that_leads_elsewhere_is_not_made() {
    let world = World::new().await;
    let broker = world.broker().await; // its start page lies elsewhere
    let error: Invalid = WebDoor::new(broker, brand()).expect_err("elsewhere");
    assert!(error.to_string().contains("start page"), "{error}");
}
