//! The fuzzer: what `tests/wire/properties.rs` says must hold, asked of whatever libFuzzer comes upon.
//!
//! All targets are one program, so that they are built once. `CPV_FUZZ` names one of them; `list`
//! prints their names. `CPV_FUZZ_CORPUS` is a folder where the texts that a target takes are put.

#![no_main]
#![allow(dead_code, unreachable_pub)] // it has two modules of another program

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, process};

use libfuzzer_sys::fuzz_target;

#[path = "../wire/properties.rs"]
mod properties;
#[path = "../wire/signer.rs"]
mod signer;

use properties::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("CPV_FUZZ").expect("CPV_FUZZ names a target");
    TARGETS.into_iter().find(|target| target.name == name).expect("CPV_FUZZ names a target")
});

fuzz_target!(
    init: begin(),
    |input: &[u8]| {
        (TARGET.holds)(input);
    }
);

/// Runs before libFuzzer looks into its folders.
fn begin() {
    if env::var("CPV_FUZZ").is_ok_and(|name| name == "list") {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        process::exit(0);
    }
    if let Some(corpus) = env::var_os("CPV_FUZZ_CORPUS").map(PathBuf::from) {
        for (number, good) in TARGET.good.iter().enumerate() {
            fs::write(corpus.join(format!("good-{number}")), good).expect("a folder to write in");
        }
    }
}
