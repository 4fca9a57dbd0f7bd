//! Words as they stand on a page: filled in, and marked where they are English on a page that is not.

use maud::{Markup, html};

use super::blanks::{PANEL, Part, parts};
use super::pages::Pages;
use super::phrase::Phrase;

/// What is filled in, by the name of its blank.
pub(super) type Fact<'f> = (&'f str, Markup);

impl Pages<'_> {
    pub(super) fn says(&self, phrase: Phrase) -> Markup {
        self.says_of(phrase, &[])
    }

    /// What is filled in is filled in once: a name cannot bring braces of its own.
    pub(super) fn says_of(&self, phrase: Phrase, facts: &[Fact<'_>]) -> Markup {
        match self.language.says(phrase) {
            Some(text) => self.filled(text, facts),
            None => self.english(&self.filled(phrase.english(), facts)),
        }
    }

    /// For where there can be no marks, with the language that it is in if it is not the page's.
    pub(super) fn says_bare(&self, phrase: Phrase) -> (Markup, Option<&'static str>) {
        match self.language.says(phrase) {
            Some(text) => (self.filled(text, &[]), None),
            None => (self.filled(phrase.english(), &[]), self.foreign()),
        }
    }

    /// English whatever the page speaks, as are Microsoft's own names (WCAG 2.2, 3.1.2).
    pub(super) fn english(&self, words: &Markup) -> Markup {
        html! {
            @match self.foreign() {
                Some(tag) => span lang=(tag) dir="ltr" { (words) },
                None => (words),
            }
        }
    }

    /// The tag of English, where the page speaks another language.
    fn foreign(&self) -> Option<&'static str> {
        (!self.language.is_english()).then_some("en")
    }

    fn filled(&self, text: &str, facts: &[Fact<'_>]) -> Markup {
        html! {
            @for part in parts(text) {
                @match part {
                    Part::Words(words) => (words),
                    Part::Blank(name) => (self.fact(name, facts)),
                }
            }
        }
    }

    /// A blank that nothing fills in stays, for all to see.
    fn fact(&self, name: &str, facts: &[Fact<'_>]) -> Markup {
        match facts.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => value.clone(),
            None if name == PANEL => html! { (self.brand.panel()) },
            None => html! { "{" (name) "}" },
        }
    }
}

/// Several with commas between them.
pub(super) fn listed(parts: &[Markup]) -> Markup {
    html! { @for (at, part) in parts.iter().enumerate() { @if at > 0 { ", " } (part) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{Brand, Language};

    fn said(language: Language, phrase: Phrase, facts: &[Fact<'_>]) -> String {
        let brand = Brand::new("A & B {time}").expect("plain text");
        Pages::new(&brand, language, "/style.css").says_of(phrase, facts).into_string()
    }

    #[test]
    fn english_on_another_page_is_marked_and_on_an_english_page_it_is_not() {
        let danish = |tag| Language::new(tag, |_| None).expect("a tag");
        let begin = "<span lang=\"en\" dir=\"ltr\">Continue to Microsoft</span>";
        assert_eq!(said(danish("da"), Phrase::Begin, &[]), begin);
        for english in [Language::ENGLISH, danish("en-GB"), danish("EN")] {
            assert_eq!(said(english, Phrase::Begin, &[]), "Continue to Microsoft");
        }
        assert_eq!(said(Language::KOREAN, Phrase::Begin, &[]), "Microsoft로 계속");
    }

    #[test]
    fn what_is_filled_in_is_escaped_and_filled_in_once() {
        let fact = ("time", html! { "<{panel}>" });
        let shown = said(Language::ENGLISH, Phrase::GoodUntil, &[fact]);
        assert_eq!(shown, "This page is good until &lt;{panel}&gt;.");
        let shown = said(Language::ENGLISH, Phrase::Account, &[]);
        assert_eq!(shown, "Account at A &amp; B {time}");
        let shown = said(Language::ENGLISH, Phrase::GoodUntil, &[]);
        assert_eq!(shown, "This page is good until {time}.", "nothing is dropped");
    }
}
