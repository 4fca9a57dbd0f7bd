//! What `docs/programme.md` names is there: it holds no code that would run.

use std::collections::BTreeSet;
use std::path::Path;

use crate::checklist::citations::sources;

#[test]
fn what_the_page_of_questions_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
    let source: Vec<String> = sources(&root.join("src")).iter().map(|path| read(path)).collect();
    let named = named(&read(&root.join("docs/programme.md")));
    assert!(named.len() > 30, "only {} were found", named.len());
    let missing: Vec<_> = named.iter().filter(|(of, item)| !is_there(&source, of, item)).collect();
    assert!(missing.is_empty(), "the page names what is not there: {missing:?}");
}

#[test]
fn what_is_not_there_is_found() {
    let page = "`Door::open()` and `Door::Shut`, `Door::ajar`, `Gate::Open { wide }`, ``, plain";
    let named = named(page);
    let source =
        ["pub enum Door {\n    Shut,\n}\nimpl Door {\n    pub fn open(&self) {}\n}".to_owned()];
    let missing = named.iter().filter(|(of, item)| !is_there(&source, of, item));
    let missing: Vec<_> = missing.map(|(of, item)| format!("{of}::{item}")).collect();
    assert_eq!(missing, ["Door::ajar", "Gate::Open"]);
}

/// Every `Type::item` between backticks.
fn named(page: &str) -> BTreeSet<(String, String)> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let quoted = page.split('`').skip(1).step_by(2);
    let pairs = quoted.filter_map(|text| text.split_once("::"));
    let pairs = pairs.filter(|(of, _)| of.starts_with(char::is_uppercase));
    pairs.map(|(of, item)| (of.to_owned(), word(item))).collect()
}

/// A variant in the file of its enum; a function anywhere, once its type is somewhere.
fn is_there(source: &[String], of: &str, item: &str) -> bool {
    let declares = |text: &&String| {
        ["struct", "enum"]
            .iter()
            .any(|kind| follows(text, &format!("pub {kind} {of}"), &[' ', '(', ';', '<']))
    };
    let variant = |text: &String| {
        text.lines().any(|line| {
            let rest = line.trim().strip_prefix(item);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', '(', ' ']))
        })
    };
    let function = |text: &String| follows(text, &format!("fn {item}"), &['(', '<']);
    match item.starts_with(char::is_uppercase) {
        true => source.iter().filter(declares).any(variant),
        false => source.iter().any(|text| declares(&text)) && source.iter().any(function),
    }
}

/// Whether one of these comes after the words somewhere.
fn follows(text: &str, words: &str, what: &[char]) -> bool {
    text.split(words).skip(1).any(|rest| rest.starts_with(what))
}
