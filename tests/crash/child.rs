//! This binary once more, as a process that may die.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub killed: bool,
    pub well: bool,
    /// What it said, line by line.
    pub said: Vec<String>,
    pub complaint: String,
}

/// A role for a child to play.
pub struct Child {
    role: &'static str,
    told: HashMap<String, String>,
    /// Words before the command, such as those of a tracer.
    under: Vec<String>,
}

impl Child {
    pub fn playing(role: &'static str, folder: &Path) -> Self {
        let folder = folder.to_str().expect("Unicode").to_owned();
        Self { role, told: HashMap::from([("FOLDER".to_owned(), folder)]), under: Vec::new() }
    }

    pub fn told(mut self, told: &HashMap<String, String>) -> Self {
        self.told.extend(told.clone());
        self
    }

    pub fn tell(mut self, name: &str, value: impl ToString) -> Self {
        self.told.insert(name.to_owned(), value.to_string());
        self
    }

    pub fn under(mut self, command: &[&str]) -> Self {
        self.under.extend(command.iter().map(|word| (*word).to_owned()));
        self
    }

    pub fn command(&self) -> Command {
        let binary = std::env::current_exe().expect("this binary");
        let mut words = self.under.clone();
        words.push(binary.to_str().expect("Unicode").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--exact", "child::plays_its_role", "--ignored"]);
        command.args(["--nocapture", "--test-threads=1"]);
        command.env("ROLE", self.role).envs(&self.told).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// Begins it, to hear what it says while it runs.
    pub fn begin(&self) -> Running {
        let mut child = self.command().spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Running { child, lines }
    }

    pub async fn run(&self) -> Ended {
        use std::os::unix::process::ExitStatusExt;

        let output = self.command().output().await.expect("a process");
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.lines().filter_map(|line| Some(line.split_once(SAYS)?.1.to_owned()));
        Ended {
            // A tracer ends as what it traced.
            killed: output.status.signal() == Some(9) || output.status.code() == Some(128 + 9),
            well: output.status.success(),
            said: said.collect(),
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A child that runs, killed when dropped.
pub struct Running {
    child: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// What it says next; nothing once it has ended.
    pub async fn says(&mut self) -> Option<String> {
        while let Some(line) = self.lines.next_line().await.expect("readable") {
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.to_owned());
            }
        }
        None
    }

    /// Sends a signal such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("the program kill").success());
    }

    /// Waits until it has ended by itself, well; returns what it still said.
    pub async fn ends_well(mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(next) = self.says().await {
            said.push(next);
        }
        let output = self.child.wait_with_output().await.expect("a process");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said:?}: {complaint}");
        said
    }
}

/// Tells the parent.
pub fn say(what: impl std::fmt::Display) {
    println!("{SAYS}{what}");
}

const SAYS: &str = "child says: ";

pub fn folder() -> PathBuf {
    std::env::var_os("FOLDER").expect("a folder was told").into()
}

/// Where a child begins; without a role there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process of its own"]
async fn plays_its_role() {
    match std::env::var("ROLE").as_deref() {
        Ok("life") => crate::life::played().await,
        Ok("puts") => crate::puts::played().await,
        Ok("opening") => crate::puts::opening_played().await,
        Ok("opening on a network") => crate::network::opening_played().await,
        Ok("failing disk") => crate::disk::played().await,
        Ok("told to end") => crate::ending::played().await,
        Ok("memory used up") => crate::want::memory_used_up_played().await,
        Ok("size") => crate::size::played().await,
        Ok("files used up") => crate::want::files_used_up_played().await,
        Ok("files used up by a broker") => crate::want::broker_without_files_played().await,
        _ => {}
    }
}
