//! The layout of `docs/conformance.md`.

use std::fmt::Write;

use super::Proofs;
use super::checks::{Check, Kind, Section};
use super::citations::Mention;

/// The page with what stands between its marks written anew.
pub fn fresh(page: &str, sections: &[Section], proofs: &Proofs) -> String {
    let page = with_section(page, "summary", &summary(sections));
    let checks: Vec<String> = sections.iter().map(|section| shown(section, proofs)).collect();
    with_section(&page, "checks", &checks.concat())
}

fn with_section(page: &str, name: &str, text: &str) -> String {
    let begin = format!("<!-- begin: {name} -->\n");
    let missing = || panic!("the page has no section {name}");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(missing);
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(missing);
    format!("{before}{begin}{text}<!-- end -->{after}")
}

fn summary(sections: &[Section]) -> String {
    let mut table = String::from("| | Checks | Proven |");
    Kind::ALL.iter().for_each(|kind| add(&mut table, &format!(" {} |", capital(kind.as_str()))));
    add(&mut table, &format!("\n{}\n", "|---".repeat(3 + Kind::ALL.len()) + "|"));
    for Section { title, checks } in sections {
        let of = |kind: Option<Kind>| {
            checks.iter().filter(|check| check.open.as_ref().map(|open| open.kind) == kind).count()
        };
        let counts = [None].into_iter().chain(Kind::ALL.map(Some)).map(of);
        let counts: Vec<String> = counts.map(|count| count.to_string()).collect();
        let (all, counts) = (checks.len(), counts.join(" | "));
        add(&mut table, &format!("| [{title}](#{}) | {all} | {counts} |\n", anchor(title)));
    }
    table
}

fn shown(Section { title, checks }: &Section, proofs: &Proofs) -> String {
    let mut text = format!("\n## {title}\n\n");
    for check in checks {
        let Check { number, done, expected, open } = check;
        add(&mut text, &format!("- **{number}** {done}: *{expected}*\n"));
        if let Some(open) = open {
            add(&mut text, &format!("  - {}: {}\n", capital(open.kind.as_str()), open.why));
        }
        add(&mut text, &named(proofs.get(number).map_or(&[][..], Vec::as_slice)));
    }
    text
}

/// The tests by file, a few of them where there are many.
fn named(proofs: &[Mention]) -> String {
    let (mut text, mut last) = (String::new(), "");
    for Mention { file, test, .. } in proofs.iter().take(MOST) {
        let test = test.as_deref().unwrap_or_default();
        match last == file {
            true => add(&mut text, &format!(", `{test}`")),
            false => add(&mut text, &format!("\n  - `{file}`: `{test}`")),
        }
        last = file;
    }
    let more = if proofs.len() > MOST { "\n  - and others" } else { "" };
    let text = format!("{text}{more}");
    text.strip_prefix('\n').map_or_else(String::new, |text| format!("{text}\n"))
}

fn add(text: &mut String, more: &str) {
    text.write_str(more).expect("text takes all");
}

fn capital(text: &str) -> String {
    format!("{}{}", text[..1].to_uppercase(), &text[1..])
}

/// As a renderer of Markdown makes it of a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// `grep` finds the rest.
const MOST: usize = 8;
