//! Debian's Chromium, driven over the WebDriver protocol (W3C WebDriver, level 2).
//!
//! What is looked for is what a person looks for: a heading, a label, the words on a button. The
//! driver itself waits for it to appear, for [`PATIENCE`] at most.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use url::Url;

use crate::habits::Habits;

/// A browser with a fresh profile. It ends when it is dropped.
pub struct Chromium {
    session: String,
    client: reqwest::Client,
    _driver: Driver,
    _home: TempDir,
}

/// A tab of a browser.
pub struct Tab(String);

/// A key that has no character (W3C WebDriver, 17.4.2).
pub mod key {
    pub const TAB: &str = "\u{e004}";
    pub const ENTER: &str = "\u{e007}";
    pub const SPACE: &str = " ";
}

impl Chromium {
    /// A browser that trusts the authority in this PEM file, beside those that it came with.
    pub async fn start(habits: &Habits, authority: &Path) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        trust(home.path(), authority).await;
        let driver = Driver::start(home.path()).await;
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let client = client.build().expect("a client");
        let status = call(&client, Method::GET, &driver.url("status"), &json!({})).await;
        assert_eq!(status.expect("a status")["ready"], true);
        let wanted = habits.capabilities(home.path());
        let made = call(&client, Method::POST, &driver.url("session"), &wanted).await;
        let made = made.unwrap_or_else(|error| panic!("no browser: {error}"));
        let session = driver.url(&format!("session/{}", text(&made["sessionId"])));
        Self { session, client, _driver: driver, _home: home }
    }

    /// Opens an address as if it had been typed in.
    pub async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Presses the browser's own button.
    pub async fn back(&self) {
        self.post("back", json!({})).await;
    }

    /// Presses the browser's own button.
    pub async fn forward(&self) {
        self.post("forward", json!({})).await;
    }

    /// Loads what is shown once more; what was posted is posted again.
    pub async fn reload(&self) {
        self.post("refresh", json!({})).await;
    }

    /// What the address bar says.
    pub async fn address(&self) -> Url {
        let address = self.command(Method::GET, "url", json!({})).await;
        Url::parse(&text(&address)).expect("an address")
    }

    /// The tab that is in front.
    pub async fn tab(&self) -> Tab {
        Tab(text(&self.command(Method::GET, "window", json!({})).await))
    }

    /// Opens an empty tab beside the others, and looks at it.
    pub async fn another_tab(&self) -> Tab {
        let made = self.post("window/new", json!({ "type": "tab" })).await;
        let tab = Tab(text(&made["handle"]));
        self.turn_to(&tab).await;
        tab
    }

    /// Looks at a tab.
    pub async fn turn_to(&self, tab: &Tab) {
        self.post("window", json!({ "handle": tab.0 })).await;
    }

    /// The names of the cookies that go to the site that is shown.
    pub async fn cookies(&self) -> Vec<String> {
        let cookies = self.command(Method::GET, "cookie", json!({})).await;
        cookies.as_array().expect("a list").iter().map(|cookie| text(&cookie["name"])).collect()
    }

    /// Waits for the page with this heading.
    pub async fn arrives_at(&self, heading: &str) {
        self.find(&format!("//h1[normalize-space()={}]", quoted(heading))).await;
    }

    /// Waits for a page with another heading than these; returns it.
    pub async fn leaves(&self, headings: &[&str]) -> String {
        let left = headings.iter().map(|heading| format!("normalize-space()={}", quoted(heading)));
        let left = left.collect::<Vec<_>>().join(" or ");
        let heading = self.find(&format!("//h1[not({left})]")).await;
        text(&self.command(Method::GET, &format!("element/{heading}/text"), json!({})).await)
    }

    /// Waits for these words in a paragraph of their own.
    pub async fn reads(&self, words: &str) {
        self.find(&format!("//p[contains(normalize-space(), {})]", quoted(words))).await;
    }

    /// Types into the field with this label, in place of what is there.
    pub async fn fill(&self, label: &str, words: &str) {
        let field = self.field(label).await;
        self.post(&format!("element/{field}/clear"), json!({})).await;
        self.post(&format!("element/{field}/value"), json!({ "text": words })).await;
    }

    /// Clicks the button with these words.
    pub async fn click(&self, button: &str) {
        let button = self.find(&format!("//button[normalize-space()={}]", quoted(button))).await;
        self.post(&format!("element/{button}/click"), json!({})).await;
    }

    /// Types on the keyboard, wherever the focus is.
    pub async fn strike(&self, keys: &str) {
        let stroke = |key: char| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        };
        let strokes: Vec<Value> = keys.chars().flat_map(stroke).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("actions", json!({ "actions": [keyboard] })).await;
    }

    /// All that can be read on the page.
    pub async fn shown(&self) -> String {
        text(&self.run("return document.body.innerText").await)
    }

    /// Runs a script's body in the page; what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Keeps a picture of the whole page, in `target/tmp/chromium/` or where `CPV_PICTURES` says.
    pub async fn picture(&self, name: &str) {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.devtools("Page.captureScreenshot", whole).await;
        let picture = STANDARD.decode(text(&picture["data"])).expect("base64");
        let folder = std::env::var_os("CPV_PICTURES").map(PathBuf::from);
        let folder = folder.unwrap_or(Path::new(env!("CARGO_TARGET_TMPDIR")).join("chromium"));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("{name}.png")), picture).expect("a picture");
    }

    /// As at night: pages are asked for light letters on a dark ground.
    pub async fn prefers_dark(&self) {
        let dark = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": dark })).await;
    }

    async fn field(&self, label: &str) -> String {
        self.find(&format!("//input[@id=//label[normalize-space()={}]/@for]", quoted(label))).await
    }

    async fn find(&self, xpath: &str) -> String {
        let wanted = json!({ "using": "xpath", "value": xpath });
        match self.ask(Method::POST, "element", wanted).await {
            Ok(found) => text(&found[ELEMENT]),
            Err(error) => {
                panic!("{xpath}: {error}\nThe page shows: {}", self.shown().await);
            }
        }
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.command(Method::POST, path, body).await
    }

    async fn command(&self, method: Method, path: &str, body: Value) -> Value {
        let reply = self.ask(method, path, body).await;
        reply.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        call(&self.client, method, &format!("{}/{path}", self.session), &body).await
    }
}

/// One command and its reply's `value` (W3C WebDriver, 6.3), or the error's kind and message.
async fn call(
    client: &reqwest::Client,
    method: Method,
    url: &str,
    body: &Value,
) -> Result<Value, String> {
    let request = match method {
        Method::POST => client.post(url).body(body.to_string()),
        _ => client.request(method, url),
    };
    let reply = timeout(LONGEST_COMMAND, request.send()).await.map_err(|late| late.to_string())?;
    let reply = reply.map_err(|error| error.to_string())?;
    let succeeded = reply.status().is_success();
    let reply = reply.bytes().await.map_err(|error| error.to_string())?;
    let reply: Value = serde_json::from_slice(&reply).map_err(|error| error.to_string())?;
    let value = reply["value"].clone();
    if succeeded { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
}

/// Puts an authority where a Chromium with this home looks for its owner's: it still verifies every
/// certificate, name and time included.
async fn trust(home: &Path, authority: &Path) {
    let database = home.join(".pki/nssdb");
    fs::create_dir_all(&database).expect("a folder");
    let database = format!("sql:{}", database.display());
    let authority = authority.to_str().expect("a path in Unicode");
    certutil(&["-d", &database, "-N", "--empty-password"]).await;
    certutil(&["-d", &database, "-A", "-t", "C,,", "-n", "emulator", "-i", authority]).await;
}

async fn certutil(arguments: &[&str]) {
    let run = Command::new("certutil").args(arguments).output().await;
    let run = run.expect("certutil, from Debian's libnss3-tools");
    assert!(run.status.success(), "certutil: {}", String::from_utf8_lossy(&run.stderr));
}

/// chromedriver, which starts and ends the browser.
struct Driver {
    address: SocketAddr,
    _process: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// On a port of 127.0.0.1 that the system chose. chromedriver wants the same of `::1`, where it
    /// may be taken; then it ends, and is started again.
    async fn start(home: &Path) -> Self {
        for _ in 0..MOST_STARTS {
            if let Some(driver) = Self::listening(home).await {
                return driver;
            }
        }
        panic!("chromedriver does not listen");
    }

    async fn listening(home: &Path) -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", home).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("chromedriver, from Debian's chromium-driver");
        let mut output = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = timeout(PATIENCE, port(&mut output)).await.expect("chromedriver in time")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Some(Self { address, _process: process, _output: output })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    fn end_every_browser(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    /// Also after a failed assertion; killed alone, chromedriver would leave its browser behind.
    fn drop(&mut self) {
        let _ = self.end_every_browser(); // whatever is left of it is killed
    }
}

/// Where it listens, or nothing if it ended.
async fn port(output: &mut Lines<BufReader<ChildStdout>>) -> Option<u16> {
    while let Some(line) = output.next_line().await.expect("chromedriver's output") {
        let Some((_, port)) = line.split_once("started successfully on port ") else { continue };
        return Some(port.trim_end_matches('.').parse().expect("a port"));
    }
    None
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A string literal of XPath 1.0, which knows no escapes.
fn quoted(words: &str) -> String {
    assert!(!words.contains('"'), "{words} cannot be quoted");
    format!("\"{words}\"")
}

const MOST_STARTS: usize = 5;

/// How long a page may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_COMMAND: Duration = Duration::from_secs(60);

/// W3C WebDriver, 12.1.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
