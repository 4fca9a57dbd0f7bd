//! What was asked and answered, as a file that may be shown to others.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use cpv_consent::Environment;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Outcome;
use super::probe::Probe;
use super::questions::{Question, Told};
use super::settings::timestamp;
use super::wire::Exchange;

/// The transcript of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Transcript {
    made: String,
    cloud: String,
    environment: Environment,
    questions: Vec<Entry>,
    /// What the answers say, as the emulator's `Doubts` read it; what was not answered is left out.
    doubts: Map<String, Value>,
    #[serde(skip)]
    failed: bool,
}

#[derive(Debug, Serialize)]
struct Entry {
    id: &'static str,
    asks: &'static str,
    /// Where the project's protocol sheet has what is known.
    section: &'static str,
    answer: String,
    exchanges: Vec<Exchange>,
}

impl Transcript {
    pub(crate) fn of(probe: &Probe) -> Self {
        Self {
            made: timestamp(SystemTime::now()),
            cloud: probe.settings.app.cloud().name().to_owned(),
            environment: probe.settings.environment,
            questions: Vec::new(),
            doubts: Map::new(),
            failed: false,
        }
    }

    pub(crate) fn add(&mut self, question: &Question, told: Told, exchanges: Vec<Exchange>) {
        let Question { id, asks, section, .. } = *question;
        let answer = told.words();
        self.failed |= told.failed();
        let exchanges = match told.evidence() {
            Some(earlier) => earlier,
            None => exchanges,
        };
        self.questions.push(Entry { id, asks, section, answer, exchanges });
        self.doubts.extend(told.doubts());
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    pub(crate) fn write(&self, file: File) -> Outcome<()> {
        let mut file = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, self)?;
        writeln!(file)?;
        file.into_inner()?.sync_all()?;
        Ok(())
    }
}

/// A new file that only its owner may read. It is made before the first question: nobody is asked
/// in vain.
pub(crate) fn create(path: &Path) -> Outcome<File> {
    let file = private().write(true).create_new(true).open(path);
    file.map_err(|error| named(path, &error).into())
}

fn named(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}
