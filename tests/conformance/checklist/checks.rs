//! The checks as they are written down.

/// Checks of one subject.
pub struct Section {
    pub title: String,
    pub checks: Vec<Check>,
}

/// What is done to us, and what must come of it.
pub struct Check {
    pub number: String,
    pub done: String,
    pub expected: String,
    pub open: Option<Open>,
}

/// Why no test proves it.
pub struct Open {
    pub kind: Kind,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NotBuilt,
    NotApplicable,
    Elsewhere,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::NotBuilt, Self::NotApplicable, Self::Elsewhere];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotBuilt => "not built yet",
            Self::NotApplicable => "not applicable",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl Open {
    fn parse(line: &str) -> Self {
        let (kind, why) = line
            .strip_prefix("- ")
            .and_then(|line| line.split_once(": "))
            .unwrap_or_else(|| panic!("no reason: {line}"));
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        Self { kind: kind.unwrap_or_else(|| panic!("no such kind: {line}")), why: why.to_owned() }
    }
}

/// Blocks with empty lines between them: the title of a section; or a number, what is done, what
/// must come of it and, where no test proves it, why.
pub fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for block in text.trim_end().split("\n\n") {
        let lines: Vec<&str> = block.lines().map(str::trim).collect();
        match lines[..] {
            [title] if title.starts_with("# ") => {
                sections.push(Section { title: title[2..].to_owned(), checks: Vec::new() });
            }
            [number, done, expected, ref open @ ..] if open.len() < 2 => {
                let section = sections.last_mut().expect("a title comes first");
                section.checks.push(Check {
                    number: number.to_owned(),
                    done: done.to_owned(),
                    expected: expected.to_owned(),
                    open: open.first().map(|line| Open::parse(line)),
                });
            }
            _ => panic!("neither a title nor a check: {block}"),
        }
    }
    sections
}
