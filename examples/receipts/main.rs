//! Proof of what became of a consent, for somebody who trusts neither the panel nor its database.
//!
//! A panel on an emulated Entra makes receipts and exports them. Somebody else verifies the files, with
//! nothing but the panel's public keys and a checkpoint.
//!
//! ```text
//! cargo run --example receipts                     both at once, what alterations look like, and a person
//!                                                  who is erased
//! cargo run --example receipts -- export FOLDER    makes the files, in a new folder
//! cargo run --example receipts -- verify FOLDER    verifies such files, whoever made them, without any
//!                                                  network; fails where it finds anything
//!
//! --only PARTNER    after verify FOLDER: nothing is expected of others, though the checkpoint names them
//!
//! keys.json         the public keys: ReceiptKeys::to_json
//! *.jsonl           receipts, of one partner or of many: Receipts::write_to
//! checkpoint        where all chains stood: Checkpoint::to_text; without it no missing end shows
//! ```

#[path = "../help/mod.rs"]
mod help;
mod panel;
mod verifier;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use cpv_consent::{Receipts, TenantId};

use panel::{CONTOSO, Panel};
use verifier::Verifier;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    if help::is_given(include_str!("main.rs")) {
        return ExitCode::SUCCESS;
    }
    match program().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was found.
async fn program() -> Outcome<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => demonstrate().await,
        ["export", folder] => export(Path::new(folder)).await,
        ["verify", folder] => Ok(Verifier::read(Path::new(folder), None)?.show()),
        ["verify", folder, "--only", partner] => {
            let only = TenantId::parse(partner)?;
            Ok(Verifier::read(Path::new(folder), Some(only))?.show())
        }
        _ => Err("wants export FOLDER, verify FOLDER, or nothing: see --help".into()),
    }
}

async fn export(folder: &Path) -> Outcome<bool> {
    Panel::open().await?.export(folder).await?;
    println!("\nin {}: verify them by -- verify {0}", folder.display());
    Ok(true)
}

/// Fails where what holds was not told from what does not.
async fn demonstrate() -> Outcome<bool> {
    let (panel, temporary) = (Panel::open().await?, tempfile::tempdir()?);
    let folder = temporary.path().join("files");
    panel.export(&folder).await?;
    println!("\nas they are");
    let whole = Verifier::read(&folder, None)?;
    let own = Verifier::read(&folder, Some(panel.contoso))?;
    let text = fs::read_to_string(folder.join(CONTOSO))?;
    if !whole.show() || alterations(&own, &text) || !one_alone(&whole, &own, &text) {
        return Err("what holds was not told from what does not".into());
    }
    let erased = panel.erase_jane().await?;
    panel.write_receipts(&folder).await?;
    let named = fs::read_to_string(folder.join(CONTOSO))?.contains("jane");
    println!("\njane is erased from {erased} receipt; her name in the file: {named}");
    Ok(Verifier::read(&folder, None)?.show() && !named)
}

/// Whether one of them was not noticed.
fn alterations(own: &Verifier, text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != left_out);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let mut unnoticed = false;
    for (what, altered) in [
        ("another account", text.replace("panel-17", "panel-18")),
        ("another name", text.replace("jane@contoso", "joan@contoso")),
        ("the second is missing", without(1)),
        ("the last is missing", without(lines.len() - 1)),
        ("all are missing", String::new()),
    ] {
        println!("\n{what}");
        unnoticed |= own.judge(&Receipts::read(altered.as_bytes()));
    }
    unnoticed
}

/// One partner's file alone: the checkpoint misses the other partner, unless it is told not to.
fn one_alone(whole: &Verifier, own: &Verifier, text: &str) -> bool {
    let receipts = Receipts::read(text.as_bytes());
    println!("\none partner's alone, against all that the checkpoint names");
    let misses = !whole.judge(&receipts);
    println!("\nthe same, against what it names of that partner");
    misses && own.judge(&receipts)
}
