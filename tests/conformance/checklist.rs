//! `docs/conformance.md` says which test proves which check, and is written from those tests.
//!
//! The checks stand in `checklist/checks.txt`, in our own words, with the reason where no test
//! proves one. A test proves a check by naming it in a comment; `citations` reads those.
//! `CPV_WRITE_DOCS=1 cargo test --test conformance page` writes the page anew.

use std::collections::BTreeMap;

use checks::{Check, Section};
use citations::Mention;

#[path = "checklist/checks.rs"]
mod checks;
#[path = "checklist/citations.rs"]
pub mod citations;
#[path = "checklist/page.rs"]
mod page;

const CHECKS: &str = include_str!("checklist/checks.txt");

#[test]
fn every_check_is_proven_by_a_test_or_says_why_not() {
    let (sections, mentions) = (checks::parse(CHECKS), citations::all());
    assert!(mentions.len() > 500, "only {} were found", mentions.len());
    let faults = faults(&sections, &mentions);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn conformance_page_is_as_the_tests_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (sections, proofs) = (checks::parse(CHECKS), proofs(&citations::all()));
    let fresh = page::fresh(&page, &sections, &proofs);
    if std::env::var_os("CPV_WRITE_DOCS").is_some() {
        std::fs::write(path, fresh).expect("a page that can be written");
        return;
    }
    let moved = page.lines().zip(fresh.lines()).find(|(page, fresh)| page != fresh);
    let anew = "write it anew: CPV_WRITE_DOCS=1 cargo test --test conformance page";
    assert!(page == fresh, "docs/conformance.md is not as the tests are; {anew}\n{moved:#?}");
}

/// The tests that prove each check, whole journeys before single parts.
type Proofs = BTreeMap<String, Vec<Mention>>;

fn proofs(mentions: &[Mention]) -> Proofs {
    let mut proofs = Proofs::new();
    for mention in mentions.iter().filter(|mention| mention.test.is_some()) {
        proofs.entry(mention.number.clone()).or_default().push(mention.clone());
    }
    for found in proofs.values_mut() {
        found.sort_by_key(|m| (m.file.starts_with("src/"), m.file.clone(), m.test.clone()));
        found.dedup();
    }
    proofs
}

/// What is wrong with the list, or with those who cite it.
fn faults(sections: &[Section], mentions: &[Mention]) -> Vec<String> {
    let proofs = proofs(mentions);
    let listed: Vec<&Check> = sections.iter().flat_map(|section| &section.checks).collect();
    let mut faults = Vec::new();
    for (at, check) in listed.iter().enumerate() {
        let number = &check.number;
        match (proofs.get(number), &check.open) {
            (None, None) => {
                faults.push(format!("{number}: no test names it, and no reason is given"))
            }
            (Some(found), Some(_)) => {
                let by = &found[0].file;
                faults.push(format!("{number}: a reason is given, and a test in {by} names it"));
            }
            _ => {}
        }
        if listed[..at].iter().any(|earlier| earlier.number == *number) {
            faults.push(format!("{number} is listed twice"));
        }
    }
    let known = |number: &str| listed.iter().any(|check| check.number == number);
    let unknown = mentions.iter().filter(|mention| !known(&mention.number));
    faults.extend(unknown.map(|m| format!("{}: {} is no check", m.file, m.number)));
    faults
}

#[test]
fn what_is_unproven_doubly_answered_or_unheard_of_is_found() {
    let text = "# A. One\n\nR-001\n  it\n  is\n\nR-002\n  it\n  is\n  - not built yet: so\n\nR-001\n  a\n  b";
    let sections = checks::parse(text);
    let mention = |number: &str, test: Option<&str>| Mention {
        number: number.to_owned(),
        file: "tests/x.rs".to_owned(),
        test: test.map(str::to_owned),
    };
    let found = |mentions: &[Mention]| faults(&sections, mentions).join("; ");
    let proven = mention("R-001", Some("it_is"));
    assert_eq!(found(std::slice::from_ref(&proven)), "R-001 is listed twice");
    assert!(found(&[mention("R-001", None)]).starts_with("R-001: no test names it"));
    let both = found(&[proven.clone(), mention("R-002", Some("it_is"))]);
    assert!(both.contains("R-002: a reason is given, and a test in tests/x.rs names it"), "{both}");
    let unheard = found(&[proven, mention("R-999", None)]);
    assert!(unheard.contains("tests/x.rs: R-999 is no check"), "{unheard}");
}
