//! Where chance comes from: one generator, for all that nobody may guess.

use std::path::Path;

use crate::checklist::citations::sources;

/// What draws from aws-lc's generator, which the operating system seeds.
const DRAWS: [&str; 2] = ["rand::fill(", "SystemRandom::new()"];
/// Whoever else may do so: keys and nonces of envelopes, paddings of signatures, made-up records. All
/// that a flow is made of comes from `model::secret::random`.
const DRAWERS: [&str; 4] = [
    "src/model/secret.rs",
    "src/storage/keyring/data_key.rs",
    "src/storage/store/conformance/trial.rs",
    "src/transport/client_assertion/assertion.rs",
];
/// Generators of others, and ids that are made by one.
const OTHERS: [&str; 10] = [
    "fastrand",
    "getrandom",
    "new_random",
    "new_v4",
    "new_v7",
    "oorandom",
    "rand::random",
    "rand::rng",
    "RandomState",
    "thread_rng",
];

#[test]
fn whatever_nobody_may_guess_is_drawn_by_one_generator() {
    //
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut drawers = Vec::new();
    for path in sources(&root.join("src")) {
        let file = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a source file");
        if is_of_the_crate(&file) {
            assert_eq!(foreign(&text), None, "{file}");
            drawers.extend(draws(&text).then_some(file));
        }
    }
    assert_eq!(drawers, DRAWERS);
}

#[test]
fn another_generator_is_found() {
    let drawn = "fn state() -> [u8; 32] {\n    aws_lc_rs::rand::fill(&mut bytes)\n}\n";
    assert!(draws(drawn) && foreign(drawn).is_none());
    assert_eq!(foreign("let state = CsrfToken::new_random();"), Some("new_random"));
    assert_eq!(foreign("let state = Uuid::new_v4().to_string();"), Some("new_v4"));
    let tested = format!("fn nothing() {{}}\n#[cfg(test)]\nmod tests {{\n{drawn}}}\n");
    assert!(!draws(&tested), "what tests draw is nobody's secret");
}

/// The emulator is a tool and draws for itself; files of tests alone are no part of the crate.
fn is_of_the_crate(file: &str) -> bool {
    !file.starts_with("src/emulator/") && !file.contains("/tests") && !file.ends_with("/edges.rs")
}

fn draws(text: &str) -> bool {
    DRAWS.iter().any(|call| own(text).contains(call))
}

fn foreign(text: &str) -> Option<&'static str> {
    OTHERS.into_iter().find(|other| own(text).contains(other))
}

/// What stands before its tests.
fn own(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}
