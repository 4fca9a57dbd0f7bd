//! The tables of `docs/errors.md` and `docs/registration.md` are written from the code, by calling it.
//!
//! What stands between the marks of a page is compared with what the code says now;
//! `CPV_WRITE_DOCS=1 cargo test --lib page_is_as_the_code_is` writes it anew. Here is only the layout:
//! each cell comes from a doc comment, from the table of numbers, from `remedy` or from a transition.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::{Error, Remedy};
use crate::model::consent::{ConsentState, concerns_consent};
use crate::model::entra_error::{BY_ERROR, BY_SUBERROR, Cause, EntraError, Refusal, TABLE};
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

mod registration;
pub(crate) mod samples;

use samples::{customer, partner};

#[test]
fn errors_page_is_as_the_code_is() {
    check_page(
        "errors.md",
        &[
            ("errors", errors()),
            ("refused", refused()),
            ("remedies", remedies()),
            ("numbers", numbers()),
            ("causes", causes()),
            ("by error", by_error()),
            ("by suberror", by_suberror()),
        ],
    );
}

/// Compares the sections of a page with these, or writes them.
fn check_page(name: &str, sections: &[(&str, String)]) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).expect("the page");
    let fresh = sections
        .iter()
        .fold(page.clone(), |fresh, (section, table)| with_section(&fresh, section, table));
    if std::env::var_os("CPV_WRITE_DOCS").is_some() {
        std::fs::write(path, fresh).expect("a page that can be written");
        return;
    }
    let moved = page.lines().zip(fresh.lines()).find(|(page, fresh)| page != fresh);
    let anew = "write it anew: CPV_WRITE_DOCS=1 cargo test --lib page_is_as_the_code_is";
    assert!(page == fresh, "docs/{name} is not as the code is; {anew}\n{moved:#?}");
}

/// The page with one section written anew.
fn with_section(page: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- begin: {name} -->\n");
    let missing = || panic!("the page has no section {name}");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(missing);
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(missing);
    format!("{before}{begin}{table}<!-- end -->{after}")
}

fn errors() -> String {
    let docs = docs_of(include_str!("../error.rs"), "Error");
    let mut table = head(&["Variant", "What happened", "Whose turn", "Remedy"]);
    let (mut last, mut listed) = (String::new(), BTreeSet::new());
    for (when, error) in samples::errors() {
        let variant = variant(&error);
        let what = if variant == last { String::new() } else { doc(&docs, &variant) };
        let name = if variant == last { String::new() } else { code(&variant) };
        let what = [what, when.to_owned()].into_iter().filter(|part| !part.is_empty());
        let what = what.collect::<Vec<_>>().join(": ");
        let (turn, cure) = whose(&error);
        row(&mut table, &[&name, &what, &turn, &cure]);
        listed.insert(variant.clone());
        last = variant;
    }
    let all: BTreeSet<String> = docs.into_iter().map(|(variant, _)| variant).collect();
    assert_eq!(listed, all, "add a sample of each variant to src/error/page/samples.rs");
    table
}

/// Where it depends on the cause, another table tells.
fn whose(error: &Error) -> (String, String) {
    match error {
        Error::Entra { .. } => ("by cause".into(), "[by cause](#whose-turn)".into()),
        Error::Refused(_) => ("mostly the partner".into(), "[by variant](#refused)".into()),
        Error::Suspended { .. } => ("by cause".into(), "as the cause's, at the partner".into()),
        error => {
            let remedy = error.remedy();
            (remedy.party(Some(partner())).to_string(), shown(&remedy))
        }
    }
}

fn refused() -> String {
    let docs = docs_of(include_str!("../model/policy.rs"), "Refused");
    let mut table = head(&["Variant", "What happened", "Remedy"]);
    let samples = samples::refusals();
    let listed: Vec<String> = samples.iter().map(variant).collect();
    let all: Vec<String> = docs.iter().map(|(variant, _)| variant.clone()).collect();
    assert_eq!(listed, all, "add a sample of each variant to src/error/page/samples.rs");
    for (refused, variant) in samples.into_iter().zip(listed) {
        let remedy = Error::Refused(refused).remedy();
        row(&mut table, &[&code(&variant), &doc(&docs, &variant), &shown(&remedy)]);
    }
    table
}

fn remedies() -> String {
    let mut table = head(&["Remedy", "In words", "Whose turn"]);
    for remedy in [
        Remedy::Retry { after: Duration::from_secs(30) },
        Remedy::AskConsentAgain { claims: None },
        Remedy::InviteAgain,
        Remedy::GrantInCustomer,
        Remedy::FixRelationship { customer: customer() },
        Remedy::AskAdministrator { tenant: customer(), why: Cause::ConditionalAccess },
        Remedy::Lift { name: "partner-3f9a0c12d4e5".to_owned() },
        Remedy::FixRegistration,
        Remedy::ReportDefect,
    ] {
        let mut turn = remedy.party(Some(partner())).to_string();
        if let Remedy::AskAdministrator { .. } = remedy {
            turn = format!("{}, or {turn}", remedy.party(Some(customer())));
        }
        row(&mut table, &[&code(&variant(&remedy)), &remedy.to_string(), &turn]);
    }
    table
}

fn numbers() -> String {
    let mut table = head(&["Cause", "Numbers and what they say"]);
    for cause in causes_listed() {
        let rows = TABLE.iter().filter(|row| row.cause == cause);
        let said = rows.map(|row| {
            let numbers: Vec<String> = row.numbers.iter().map(ToString::to_string).collect();
            format!("{} {}", numbers.join(", "), row.meaning)
        });
        let said: Vec<String> = said.collect();
        row(&mut table, &[&code(cause.as_str()), &said.join("; ")]);
    }
    table
}

fn causes() -> String {
    let columns = ["Cause", "At the partner", "Its consent", "At a customer", "At a first contact"];
    let mut table = head(&columns);
    for cause in causes_listed() {
        let own = remedy_of(cause, Some(partner()), Some(partner()));
        let at_customer = remedy_of(cause, Some(partner()), Some(customer()));
        let first = remedy_of(cause, None, None);
        let asked = [own, at_customer, first].map(|remedy| asked(&remedy));
        let [own, at_customer, first] = &asked;
        row(&mut table, &[&code(cause.as_str()), own, consent_after(cause), at_customer, first]);
    }
    table
}

fn asked(remedy: &Remedy) -> String {
    let name = code(&variant(remedy));
    match remedy {
        Remedy::AskAdministrator { .. } => {
            format!("{name} of the {}", remedy.party(Some(partner())))
        }
        _ => name,
    }
}

/// Each in the order of the table of numbers.
fn causes_listed() -> Vec<Cause> {
    let mut listed = Vec::new();
    for row in TABLE {
        if !listed.contains(&row.cause) {
            listed.push(row.cause);
        }
    }
    listed
}

/// The remedy of a refusal whose first number of that cause is beside an error that keeps it.
fn remedy_of(cause: Cause, partner: Option<TenantId>, tenant: Option<TenantId>) -> Remedy {
    let numbers = TABLE.iter().find(|row| row.cause == cause).expect("a listed cause").numbers;
    let refusal = |error: &str| Refusal {
        status: Some(400),
        error: error.to_owned(),
        codes: vec![numbers[0]],
        ..Refusal::default()
    };
    let mut errors = BY_ERROR.iter().map(|(error, _)| EntraError::new(refusal(error)));
    let error = errors.find(|error| error.cause() == cause).expect("some error says so");
    Error::Entra { partner, tenant, error: Arc::new(error) }.remedy()
}

/// What two failures, a quarter of an hour apart, do to a live consent.
fn consent_after(cause: Cause) -> &'static str {
    let [first, second] = [Duration::ZERO, Duration::from_secs(15 * 60)].map(|d| UNIX_EPOCH + d);
    let after = |resource: &Resource| match concerns_consent(cause, resource) {
        true => ConsentState::Live.failed(cause, first).failed(cause, second),
        false => ConsentState::Live,
    };
    match (after(&Resource::PartnerCenter), after(&Resource::Graph)) {
        (ConsentState::Live, ConsentState::Live) => "stays",
        (ConsentState::Suspended(_), ConsentState::Live) => "suspended (PC)",
        (ConsentState::Suspended(_), ConsentState::Suspended(_)) => "suspended",
        (ConsentState::Ended { .. }, ConsentState::Ended { .. }) => "suspended, then ended",
        other => panic!("{cause}: no words for {other:?}"),
    }
}

fn by_error() -> String {
    let mut table = head(&["`error`", "Cause"]);
    let cause = |status, error: &str| {
        let error = error.to_owned();
        EntraError::new(Refusal { status: Some(status), error, ..Refusal::default() }).cause()
    };
    for (status, words) in [(429, "any, with status 429"), (503, "any, with status 500 and above")]
    {
        row(&mut table, &[words, &code(cause(status, "invalid_grant").as_str())]);
    }
    for (error, _) in BY_ERROR {
        row(&mut table, &[&code(error), &code(cause(400, error).as_str())]);
    }
    row(&mut table, &["anything else", &code(cause(400, "something_new").as_str())]);
    table
}

fn by_suberror() -> String {
    let mut table = head(&["`suberror`", "Cause"]);
    let cause = |suberror: &str| {
        let (status, error) = (Some(400), "invalid_grant".to_owned());
        let suberror = Some(suberror.to_owned());
        EntraError::new(Refusal { status, error, suberror, ..Refusal::default() }).cause()
    };
    for (suberror, _) in BY_SUBERROR {
        row(&mut table, &[&code(suberror), &code(cause(suberror).as_str())]);
    }
    row(&mut table, &["anything else", &code(cause("something_new").as_str())]);
    table
}

fn shown(remedy: &Remedy) -> String {
    let name = code(&variant(remedy));
    match remedy {
        Remedy::Retry { after } if after.is_zero() => format!("{name} at once"),
        Remedy::Retry { after } => format!("{name} in {} s", after.as_secs()),
        _ => name,
    }
}

/// The name of a variant, as it prints itself.
fn variant(value: &impl std::fmt::Debug) -> String {
    let shown = format!("{value:?}");
    shown.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Each variant of an enum with the first paragraph of what its comment says.
fn docs_of(source: &str, name: &str) -> Vec<(String, String)> {
    let file = syn::parse_file(source).expect("Rust");
    let enums = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    let variants = enums.flat_map(|item| item.variants);
    variants.map(|variant| (variant.ident.to_string(), comment(&variant.attrs))).collect()
}

fn comment(attributes: &[syn::Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let paragraph = lines.take_while(|line| !line.trim().is_empty()).collect::<String>();
    paragraph.trim().trim_end_matches('.').replace(['[', ']'], "")
}

fn doc(docs: &[(String, String)], variant: &str) -> String {
    let found = docs.iter().find(|(name, _)| name == variant);
    found.map(|(_, text)| text.clone()).unwrap_or_default()
}

fn head(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

fn row(table: &mut String, cells: &[&str]) {
    writeln!(table, "| {} |", cells.join(" | ")).expect("text takes all");
}

fn code(name: &str) -> String {
    format!("`{name}`")
}
