//! Where the sources name a check.
//!
//! Read line by line, since a syntax tree has no comments; rustfmt's layout says where a function
//! ends.

use std::path::{Path, PathBuf};

/// A check, named in a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub number: String,
    /// From the root of the repository.
    pub file: String,
    /// The test that it stands in or directly above. A comment in other code explains, and proves
    /// nothing.
    pub test: Option<String>,
}

/// All of `src` and `tests`. What tests the emulator proves the tool and not the crate, so it is
/// nobody's proof.
pub fn all() -> Vec<Mention> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for path in ["src", "tests"].map(|folder| sources(&root.join(folder))).concat() {
        let file = path.strip_prefix(root).expect("below the root");
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        let file = parts.join("/");
        let text = std::fs::read_to_string(&path).expect("a source file");
        let mut mentions = of(&file, &text);
        if parts[1] == "emulator" {
            mentions.iter_mut().for_each(|mention| mention.test = None);
        }
        found.extend(mentions);
    }
    found
}

/// Every source file below a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                found.push(path)
            }
            false => {}
        }
    }
    found.sort();
    found
}

/// What one file names.
fn of(file: &str, text: &str) -> Vec<Mention> {
    let mut reader = Reader { scenarios: file.contains("/scenarios"), ..Reader::default() };
    text.lines().for_each(|line| reader.read(line));
    reader.settle(None);
    let mention = |(number, test)| Mention { number, file: file.to_owned(), test };
    reader.found.into_iter().map(mention).collect()
}

#[derive(Default)]
struct Reader {
    found: Vec<(String, Option<String>)>,
    /// Named in the lines directly above, by what comes next.
    above: Vec<String>,
    /// Whether an attribute above says that a test follows.
    announced: bool,
    /// The test that the line is in, and the line that ends it.
    within: Option<(String, String)>,
    /// Whether public functions are scenarios, which tests of the same name run.
    scenarios: bool,
}

impl Reader {
    fn read(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        if let Some((test, end)) = &self.within {
            let test = test.clone();
            if line == end {
                self.within = None;
            } else if is_comment(text) {
                self.found.extend(numbers(text).map(|number| (number, Some(test.clone()))));
            }
        } else if is_comment(text) {
            self.above.extend(numbers(text));
        } else if text.starts_with("#[") {
            self.announced |= text.starts_with("#[test]") || text.starts_with("#[tokio::test");
        } else {
            let runs = self.announced || self.scenarios && text.starts_with("pub ");
            let test = function(text).filter(|_| runs);
            self.settle(test.clone());
            let whole = text.ends_with('}');
            self.within = test.filter(|_| !whole).map(|test| (test, format!("{indent}}}")));
        }
    }

    /// Gives what was named above to what follows.
    fn settle(&mut self, test: Option<String>) {
        let above = std::mem::take(&mut self.above);
        self.found.extend(above.into_iter().map(|number| (number, test.clone())));
        self.announced = false;
    }
}

fn is_comment(text: &str) -> bool {
    text.starts_with("//") && !text.starts_with("//!")
}

fn function(text: &str) -> Option<String> {
    let (before, after) = text.split_once("fn ")?;
    let plain = before.split_whitespace().all(|word| matches!(word, "async" | "pub"));
    let name = after.split(['(', '<']).next()?;
    plain.then(|| name.to_owned())
}

/// `R-015`, `F-12`, an attack, or the name of a module of the OpenID Foundation's suite.
fn numbers(comment: &str) -> impl Iterator<Item = String> {
    let words = comment.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
    words.filter(|word| is_number(word)).map(str::to_owned)
}

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix("R-").or_else(|| word.strip_prefix("F-"));
    let counts = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let counted = digits.is_some_and(counts);
    counted || ["oidcc-", "fapi2-", "attack-"].iter().any(|named| word.starts_with(named))
}

#[test]
fn only_what_stands_in_a_test_or_directly_above_it_is_its_own() {
    // Else it would be read where it stands.
    let text = r#"
@! R-001
@/ R-002 explains.
const NOTHING: usize = 0;

@ R-003
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow"]
async fn above() {
    {
        @ R-004: and F-05, or UTF-16, attack-here, an attack
        done();
    }
}

@ R-006
fn helper() {
    @ oidcc-client-test-invalid-iss
}

@ R-007

#[test]
fn far() {}

proptest! {
    @ F-08
    #[test]
    fn property(
        input in any::<u8>()
    ) {
        check(input); @ R-009
        @ R-9, fapi2-client-test-without_expires_in.
    }
}
"#
    .replace('@', "//");
    let found: Vec<_> = of("x.rs", &text).into_iter().map(|m| (m.number, m.test)).collect();
    let test = |number: &str, test: &str| (number.to_owned(), Some(test.to_owned()));
    let other = |number: &str| (number.to_owned(), None);
    assert_eq!(
        found,
        [
            other("R-002"),
            test("R-003", "above"),
            test("R-004", "above"),
            test("F-05", "above"),
            test("attack-here", "above"),
            other("R-006"),
            other("oidcc-client-test-invalid-iss"),
            other("R-007"),
            test("F-08", "property"),
            test("R-9", "property"),
            test("fapi2-client-test-without_expires_in", "property"),
        ]
    );
}
