//! This program once more, as a process of a fleet: it may be told what to do, and killed.

use std::collections::HashMap;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

/// A process that plays a role.
pub struct Member {
    process: tokio::process::Child,
    ears: ChildStdin,
    mouth: Lines<BufReader<ChildStdout>>,
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Well,
    Killed,
}

impl Member {
    pub fn playing(role: &str, told: &HashMap<String, String>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "member::plays_its_role", "--ignored", "--nocapture"]);
        command.env("ROLE", role).envs(told).env("RUST_BACKTRACE", "0").kill_on_drop(true);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program");
        let ears = process.stdin.take().expect("piped");
        let mouth = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { process, ears, mouth }
    }

    /// What it says next.
    pub async fn says(&mut self) -> String {
        while let Some(line) = self.mouth.next_line().await.expect("text") {
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.to_owned();
            }
        }
        panic!("it has ended: {:?}", self.process.wait().await)
    }

    /// Lets it go on from where it waits.
    pub async fn go(&mut self) {
        self.ears.write_all(b"go\n").await.expect("it listens");
    }

    pub async fn kill(mut self) {
        self.process.kill().await.expect("it runs");
    }

    pub async fn end(mut self) -> End {
        use std::os::unix::process::ExitStatusExt;

        while self.mouth.next_line().await.expect("text").is_some() {}
        let status = self.process.wait().await.expect("it ends");
        match status.signal() {
            Some(9) => End::Killed,
            _ => {
                assert!(status.success(), "{status:?}");
                End::Well
            }
        }
    }
}

/// Tells the parent.
pub fn say(what: impl std::fmt::Display) {
    println!("{SAYS}{what}");
}

/// Waits until the parent lets it go on.
pub async fn until_told() {
    let mut line = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut line).await.expect("a parent");
}

const SAYS: &str = "member says: ";

/// Not a test: where a process begins. Without a role there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process of its own"]
async fn plays_its_role() {
    match std::env::var("ROLE").as_deref() {
        Ok("caller") => crate::fleet::played().await,
        Ok("life") => crate::kills::played().await,
        _ => {}
    }
}
