//! The client as a program of the vendor's would have it: in a process of its own, whose environment
//! says which authorities and proxies there are.

use std::process::Stdio;

use bytes::Bytes;
use cpv_consent::{Http as _, Reqwest};
use http::Request;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::FAIL_SAFE;

/// The test that such a process is.
const ENTRY: &str = "network_process";
const ORDER: &str = "CPV_NETWORK";
/// What it says stands behind this word, since the test harness writes to the same place.
const WORD: &str = "NETWORK ";
/// What no stranger may see.
pub const CANARY: &str = "client_secret=canary";

/// A process that sends what it is told to, killed when dropped.
pub struct Child {
    _process: Process,
    tell: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// With these variables; with no proxy, and the machine's own authorities, unless they say so.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        command.args([ENTRY, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env(ORDER, "serve").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("a process");
        let tell = process.stdin.take().expect("piped");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { _process: process, tell, lines }
    }

    /// Sends a secret there; returns the status, or what callers are told.
    pub async fn post(&mut self, url: &str) -> String {
        self.tell.write_all(format!("{url}\n").as_bytes()).await.expect("it listens");
        timeout(FAIL_SAFE, self.said()).await.expect("it hangs")
    }

    async fn said(&mut self) -> String {
        while let Some(line) = self.lines.next_line().await.expect("readable") {
            if let Some((_, said)) = line.split_once(WORD) {
                return said.to_owned();
            }
        }
        panic!("the process has ended");
    }
}

/// What the process does. Without an order it does nothing: somebody runs ignored tests.
pub async fn serve() {
    if std::env::var(ORDER).is_err() {
        return;
    }
    let http = Reqwest::new().expect("root certificates");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(url) = lines.next_line().await.expect("readable") {
        let request = Request::post(url).body(Bytes::from_static(CANARY.as_bytes()));
        let outcome = http.send(request.expect("a request"), 1024).await;
        let said = match outcome {
            Ok(reply) => reply.status().as_u16().to_string(),
            Err(error) => error.fault().to_string(),
        };
        println!("\n{WORD}{said}");
    }
}
