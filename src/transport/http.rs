//! HTTP without surprises: no redirect, a deadline for the whole exchange, a bounded reply, and
//! errors that name a host and never an address.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, Uri};
use url::{Host, Url};

use crate::model::clock::Clock;
use crate::model::cloud::is_loopback;
use crate::model::sync::tasks::caught;

mod body;

use body::Body;

/// Sends one HTTP request.
///
/// 1. A redirect is handed back as it came and never followed.
/// 2. Reading stops at `longest_body` bytes, counted after any decompression.
/// 3. A request is sent at most once, unless the server is known not to have seen it.
/// 4. Names and certificates are verified; no error holds an address, a header or a body.
///
/// The caller sets the deadline and drops the future when it passes.
#[async_trait]
pub trait Http: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` and reads its reply whole.
    ///
    /// # Errors
    /// [`HttpError`] when there is no reply, or none within `longest_body`. A status is no error.
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError>;
}

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpFault {
    /// No client could be made: usually no root certificates were found on this machine.
    Setup,
    /// The host has no address: there is no such name, or names are not resolved here.
    Unresolved,
    /// No connection: route, port.
    Connect,
    /// The server's certificate or protocol version is not acceptable.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The reply is longer than allowed.
    TooLarge,
    /// The server pointed elsewhere, which these servers have no reason to do.
    Redirected,
    /// The connection broke, what came was not HTTP, or a client of the host's panicked.
    Broken,
}

impl fmt::Display for HttpFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Setup => "no HTTPS client could be made; are root certificates installed",
            Self::Unresolved => "no such host name",
            Self::Connect => "no connection",
            Self::Tls => "TLS was refused",
            Self::Timeout => "no complete reply in time",
            Self::TooLarge => "the reply is too large",
            Self::Redirected => "the reply is a redirect, which is not followed",
            Self::Broken => "the connection broke",
        })
    }
}

/// A request that got no reply, by what went wrong and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    fault: HttpFault,
    host: String,
}

impl HttpError {
    /// For an own [`Http`]: `host` is a name without path or query.
    #[must_use]
    pub fn new(fault: HttpFault, host: &str) -> Self {
        let host = host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(*c));
        Self { fault, host: host.take(255).collect() }
    }

    /// What went wrong.
    #[must_use]
    pub const fn fault(&self) -> HttpFault {
        self.fault
    }

    /// The server's name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.is_empty() {
            write!(out, "{}: ", self.host)?;
        }
        self.fault.fmt(out)
    }
}

impl Error for HttpError {}

/// [`Http`] by reqwest, with rustls and the machine's root certificates.
///
/// Proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) are used; an address of this machine, its
/// identity endpoint included, is never asked through one.
#[derive(Debug, Clone)]
pub struct Reqwest {
    far: reqwest::Client,
    near: reqwest::Client,
}

impl Reqwest {
    /// A client that follows no redirect, connects within ten seconds, and gives up an HTTP/2
    /// connection that is dead for ten.
    ///
    /// # Errors
    /// [`HttpFault::Setup`] when the machine has no root certificates: slim containers need the
    /// package `ca-certificates`.
    pub fn new() -> Result<Self, HttpError> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|_| HttpError::new(HttpFault::Setup, ""))
        };
        let far = build(cautious())?;
        // Each client reads all root certificates.
        let near = if is_proxied() { build(cautious().no_proxy())? } else { far.clone() };
        Ok(Self { far, near })
    }

    /// A client of your own, for pinned or private root certificates.
    ///
    /// It must be built with `redirect(Policy::none())`: a redirect that is followed would carry
    /// the application's credential to a second address.
    #[must_use]
    pub fn with_client(client: reqwest::Client) -> Self {
        Self { near: client.clone(), far: client }
    }

    fn client(&self, url: &Url) -> &reqwest::Client {
        if is_loopback(url) || is_link_local(url) { &self.near } else { &self.far }
    }
}

/// Whether a proxy may be named: by the environment or, where the host's program has reqwest look
/// there, by the settings of the system.
fn is_proxied() -> bool {
    const IN_SYSTEM: bool = cfg!(any(target_os = "macos", windows));
    let names_one =
        |name: OsString| name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy");
    IN_SYSTEM || std::env::vars_os().any(|(name, _)| names_one(name))
}

/// Where a machine in Azure asks for its own identity.
fn is_link_local(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}

fn cautious() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(SILENCE)
        .user_agent(concat!("cpv-consent/", env!("CARGO_PKG_VERSION")))
}

#[async_trait]
impl Http for Reqwest {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let host = host(request.uri());
        let failed = |error: reqwest::Error| HttpError::new(fault(&error), &host);
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut reply = self.client(request.url()).execute(request).await.map_err(failed)?;
        let mut body = Body::default();
        while let Some(chunk) = reply.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > longest_body {
                return Err(HttpError::new(HttpFault::TooLarge, &host));
            }
            body.append(chunk);
        }
        let mut response = Response::new(body.whole());
        *response.status_mut() = reply.status();
        *response.headers_mut() = std::mem::take(reply.headers_mut());
        Ok(response)
    }
}

fn fault(error: &reqwest::Error) -> HttpFault {
    match error {
        error if error.is_timeout() => HttpFault::Timeout,
        error if speaks_of_tls(error) => HttpFault::Tls,
        error if speaks_of_names(error) => HttpFault::Unresolved,
        error if error.is_connect() => HttpFault::Connect,
        _ => HttpFault::Broken,
    }
}

/// rustls reports what it refuses as an I/O error of kind `InvalidData`, sometimes in another one.
fn speaks_of_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(current) = next {
        let io = current.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidData) {
            return error.is_connect();
        }
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    false
}

/// The connector's error has no type of its own, only these words.
fn speaks_of_names(error: &reqwest::Error) -> bool {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    error.is_connect() && sources.into_iter().any(|error| error.to_string() == "dns error")
}

fn host(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

/// [`Http`] under the rules that hold for every request of this crate.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
}

impl Wire {
    pub(crate) fn new(http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Sends within one deadline for everything, so that a server that drips gains nothing. A client
    /// that panics is one that broke: nobody knows what it has sent.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let host = host(request.uri());
        let refuse = |fault| Err(HttpError::new(fault, &host));
        let reply = tokio::select! {
            biased;
            reply = caught(async { self.http.send(request, LONGEST_BODY).await }) => match reply {
                Some(reply) => reply?,
                None => return refuse(HttpFault::Broken),
            },
            () = self.clock.sleep(DEADLINE) => return refuse(HttpFault::Timeout),
        };
        if reply.status().is_redirection() {
            return refuse(HttpFault::Redirected);
        }
        if reply.body().len() > LONGEST_BODY {
            return refuse(HttpFault::TooLarge);
        }
        Ok(reply)
    }
}

/// How long a server asks to be left alone (RFC 9110, section 10.2.3), held to an hour.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

const CONNECT: Duration = Duration::from_secs(10);
/// Over HTTP/2 many requests share a line, and one that is given up leaves it for the next. So a line
/// that is silent for this long while somebody waits is asked for a sign of life, and given up after
/// as long again.
const SILENCE: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(30);
const LONGEST_BODY: usize = 1024 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use crate::model::clock::VirtualClock;

    use super::*;

    fn wire(clock: &VirtualClock) -> Wire {
        Wire::new(Arc::new(Reqwest::new().expect("a client")), Arc::new(clock.clone()))
    }

    fn request(uri: &str) -> Request<Bytes> {
        Request::post(uri).body(Bytes::from_static(b"secret=canary")).expect("a request")
    }

    async fn fault_of(uri: &str) -> HttpError {
        wire(&VirtualClock::default()).send(request(uri)).await.expect_err("a fault")
    }

    #[tokio::test]
    async fn a_redirect_reaches_no_second_server() {
        //
        for status in [301, 302, 303, 307, 308] {
            let (first, second) = (MockServer::start().await, MockServer::start().await);
            let away = ResponseTemplate::new(status).insert_header("location", second.uri());
            Mock::given(any()).respond_with(away).mount(&first).await;
            assert_eq!(fault_of(&first.uri()).await.fault(), HttpFault::Redirected);
            assert_eq!(second.received_requests().await.expect("recorded").len(), 0);
        }
    }

    #[tokio::test]
    async fn a_reply_is_cut_at_a_mebibyte() {
        //
        let server = MockServer::start().await;
        let body = |length| ResponseTemplate::new(200).set_body_bytes(vec![b' '; length]);
        Mock::given(any()).respond_with(body(2 << 20)).mount(&server).await;
        assert_eq!(fault_of(&server.uri()).await.fault(), HttpFault::TooLarge);
        server.reset().await;
        Mock::given(any()).respond_with(body(1 << 20)).mount(&server).await;
        let reply = wire(&VirtualClock::default()).send(request(&server.uri())).await;
        assert_eq!(reply.expect("within the limit").body().len(), 1 << 20);
    }

    #[tokio::test]
    async fn a_server_that_drips_is_cut_by_the_deadline() {
        // R-045, F-18
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("http://{}/", listener.local_addr().expect("bound"));
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
            socket.write_all(head).await.expect("sent");
            let mut sink = [0; 1024];
            while socket.read(&mut sink).await.is_ok_and(|length| length > 0) {}
        });
        let clock = VirtualClock::default();
        let wire = wire(&clock);
        let sending = tokio::spawn(async move { wire.send(request(&uri)).await });
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(29));
        tokio::task::yield_now().await;
        assert!(!sending.is_finished());
        clock.advance(Duration::from_secs(1));
        let error = sending.await.expect("no panic").expect_err("cut");
        assert_eq!(error.fault(), HttpFault::Timeout);
        server.await.expect("the connection was dropped");
    }

    #[tokio::test]
    async fn errors_name_the_host_and_nothing_else() {
        //
        let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let error = fault_of(&format!("http://{closed}/path?code=canary")).await;
        assert_eq!(error.to_string(), "127.0.0.1: no connection");
        assert!(!format!("{error:?}").contains("canary"));
        let tampered = HttpError::new(HttpFault::Broken, "a/b?c\n");
        assert_eq!(tampered.host(), "abc");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_told_from_a_port_that_is_closed() {
        // F-20
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let http = Reqwest::with_client(client);
        let error = http.send(request("http://nowhere.invalid/"), 1).await.expect_err("no address");
        assert_eq!(error.fault(), HttpFault::Unresolved);
        assert_eq!(error.to_string(), "nowhere.invalid: no such host name");
    }

    #[test]
    fn what_is_of_this_machine_is_asked_without_a_proxy() {
        let near = |text: &str| {
            let url = Url::parse(text).expect("a URL");
            is_loopback(&url) || is_link_local(&url)
        };
        assert!(near("http://169.254.169.254/metadata/identity/oauth2/token"));
        assert!(near("http://127.0.0.1:41741/msi/token"));
        assert!(!near("https://169.254.169.254.example/"));
        assert!(!near("https://login.microsoftonline.com/"));
    }

    #[tokio::test]
    async fn a_server_without_tls_is_told_from_one_that_is_away() {
        //
        let server = MockServer::start().await;
        let https = server.uri().replace("http:", "https:");
        assert_eq!(fault_of(&https).await.fault(), HttpFault::Tls);
    }

    #[tokio::test]
    async fn a_broken_promise_of_an_own_client_is_noticed() {
        #[derive(Debug)]
        struct Careless;
        #[async_trait]
        impl Http for Careless {
            async fn send(
                &self,
                _: Request<Bytes>,
                longest: usize,
            ) -> Result<Response<Bytes>, HttpError> {
                Ok(Response::new(vec![0; longest + 1].into()))
            }
        }
        let wire = Wire::new(Arc::new(Careless), Arc::new(VirtualClock::default()));
        let error = wire.send(request("http://localhost/")).await.expect_err("too long");
        assert_eq!(error.fault(), HttpFault::TooLarge);
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_held_to_an_hour() {
        //
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        for (text, seconds) in [
            ("17", Some(17)),
            (" 17 ", Some(17)),
            ("86400", Some(3600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("plain"))]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
