//! Somebody elsewhere: no broker, no store, no secret.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cpv_consent::{Checkpoint, ReceiptKeys, Receipts, TenantId};

use super::Outcome;

/// What was handed over, read and not yet believed.
pub(crate) struct Verifier {
    keys: ReceiptKeys,
    checkpoint: Option<Checkpoint>,
    files: Vec<(PathBuf, Receipts)>,
}

impl Verifier {
    /// Reads a folder; `only` where the receipts are one partner's, and the checkpoint everybody's.
    pub(crate) fn read(folder: &Path, only: Option<TenantId>) -> Outcome<Self> {
        let keys = ReceiptKeys::from_json(&named(&folder.join("keys.json"), fs::read_to_string)?)?;
        let checkpoint = checkpoint(&folder.join("checkpoint"))?;
        let checkpoint = match only {
            Some(partner) => checkpoint.map(|all| all.only(partner)),
            None => checkpoint,
        };
        let mut files = Vec::new();
        for path in receipt_files(folder)? {
            let receipts = Receipts::read(&named(&path, fs::read)?);
            files.push((path, receipts));
        }
        Ok(Self { keys, checkpoint, files })
    }

    /// Whether nothing is wrong with all that was handed over.
    pub(crate) fn show(&self) -> bool {
        let mut all = Receipts::default();
        for (path, receipts) in &self.files {
            let name = path.file_name().unwrap_or_default().display();
            println!("     {name}: lines {} to {}", all.len() + 1, all.len() + receipts.len());
            all.extend([receipts.clone()]);
        }
        match &self.checkpoint {
            Some(checkpoint) => {
                println!("     a checkpoint names {} chains", checkpoint.partners().count());
            }
            None => println!("     no checkpoint: a missing end, or chain, would not show"),
        }
        self.judge(&all)
    }

    /// Whether nothing is wrong with these.
    pub(crate) fn judge(&self, receipts: &Receipts) -> bool {
        let audit = receipts.verify(&self.keys, self.checkpoint.as_ref());
        println!("     {} hold, {} without their person", audit.receipts(), audit.undisclosed());
        for finding in audit.findings() {
            println!("     FOUND: {finding}");
        }
        if audit.is_sound() {
            println!("     nothing is wrong");
        }
        audit.is_sound()
    }
}

fn checkpoint(path: &Path) -> Outcome<Option<Checkpoint>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Checkpoint::read(text.trim_end())?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

/// In the order of their names.
fn receipt_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = named(folder, fs::read_dir)?.collect::<io::Result<Vec<_>>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: no file ends with .jsonl", folder.display()).into());
    }
    Ok(paths)
}

/// What is read from there, or the file's name with what is wrong.
fn named<T>(path: &Path, read: impl FnOnce(PathBuf) -> io::Result<T>) -> Outcome<T> {
    read(path.to_owned()).map_err(|error| format!("{}: {error}", path.display()).into())
}
