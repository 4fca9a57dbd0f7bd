//! What stands in braces in a text, and is filled in.

use std::collections::BTreeSet;

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Words(&'t str),
    /// By the name in the braces.
    Blank(&'t str),
}

/// A text piece by piece. A brace that is not closed is a word.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            rest = after;
            return Some(Part::Blank(name));
        }
        let brace = rest.char_indices().skip(1).find(|(_, letter)| *letter == '{');
        let (words, after) = rest.split_at(brace.map_or(rest.len(), |(at, _)| at));
        rest = after;
        (!words.is_empty()).then_some(Part::Words(words))
    })
}

/// What is wrong with a text that stands for this English one.
pub(super) fn fault(english: &str, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if parts(text).any(|part| matches!(part, Part::Words(words) if words.starts_with('{'))) {
        return Some("has a brace that is not closed".to_owned());
    }
    let (wanted, found) = (blanks(english), blanks(text));
    let lacking = wanted.difference(&found).map(|name| format!("leaves out {{{name}}}"));
    let unknown = found.difference(&wanted).map(|name| format!("has {{{name}}} beyond it"));
    let faults: Vec<_> = lacking.chain(unknown).collect();
    (!faults.is_empty()).then(|| faults.join(" and "))
}

/// By name, but for the panel's: that is known everywhere, and no text has to say it.
fn blanks(text: &str) -> BTreeSet<&str> {
    let named = parts(text).filter_map(|part| match part {
        Part::Blank(name) => Some(name).filter(|name| *name != PANEL),
        Part::Words(_) => None,
    });
    named.collect()
}

/// The name of the blank that takes the panel's name.
pub(super) const PANEL: &str = "panel";

#[cfg(test)]
mod tests {
    use super::Part::{Blank, Words};
    use super::*;

    #[test]
    fn a_text_is_read_piece_by_piece() {
        for (text, expected) in [
            ("", &[][..]),
            ("{a}", &[Blank("a")]),
            ("é{a}{b} c", &[Words("é"), Blank("a"), Blank("b"), Words(" c")]),
            ("a } b", &[Words("a } b")]),
            ("a {b", &[Words("a "), Words("{b")]),
            ("{}{", &[Blank(""), Words("{")]),
        ] {
            assert_eq!(parts(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn what_a_text_leaves_out_or_has_beyond_the_english_one_is_named() {
        let english = "{panel}: {found} instead of {expected}";
        for right in ["{expected}, {found}", "{found}{expected}{panel}{panel}{found}"] {
            assert_eq!(fault(english, right), None, "{right}");
        }
        for (wrong, named) in [
            ("{expected} {fuond}", "leaves out {found} and has {fuond} beyond it"),
            ("{found}", "leaves out {expected}"),
            ("{found} {expected} {}", "has {} beyond it"),
            ("{found} {expected", "has a brace that is not closed"),
            (" \n", "is empty"),
        ] {
            assert_eq!(fault(english, wrong).as_deref(), Some(named), "{wrong}");
        }
    }
}
