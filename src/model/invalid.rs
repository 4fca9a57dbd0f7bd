//! What is wrong with a setting, and what would be right.

use std::borrow::Cow;

/// A setting that was refused when its value was made.
///
/// It names the field, what is wrong with it and what would be right, and never repeats the value,
/// which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}; expected {expected}")]
pub struct Invalid {
    field: &'static str,
    problem: Cow<'static, str>,
    expected: &'static str,
}

impl Invalid {
    pub(crate) fn new(
        field: &'static str,
        problem: impl Into<Cow<'static, str>>,
        expected: &'static str,
    ) -> Self {
        Self { field, problem: problem.into(), expected }
    }

    /// The setting's name, such as `redirect_uri`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// What would have been accepted.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }
}

/// What separates lines, turns the direction of text, or is not seen where it stands, as in a name that
/// is made to pass for another (Unicode, `Default_Ignorable_Code_Point`; Annex 9, section 2).
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}
