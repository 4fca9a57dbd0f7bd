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
