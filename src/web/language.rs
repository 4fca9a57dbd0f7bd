//! In which language a page speaks.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use super::phrase::Phrase;
use super::{blanks, english, korean};
use crate::model::invalid::Invalid;

/// A language of the pages: its tag, and what it says for each phrase.
#[derive(Debug, Clone, Copy)]
pub struct Language {
    tag: &'static str,
    direction: &'static str,
    says: fn(Phrase) -> Option<&'static str>,
}

impl Language {
    /// English, which also says what other tables leave out.
    pub const ENGLISH: Self = Self::of("en", |phrase| Some(english::says(phrase)));
    /// Korean.
    pub const KOREAN: Self = Self::of("ko", |phrase| Some(korean::says(phrase)));

    /// Another language by its tag (RFC 5646), from left to right. Where its table has nothing,
    /// [English](Phrase::english) stands in, and is marked as English on the page.
    ///
    /// A text has the blanks of the English one, which stand in braces: each of them, wherever it likes,
    /// and no other. `{panel}` alone may stand in any text, and be left out of any.
    ///
    /// # Errors
    /// [`Invalid`] when the tag is none, or a text is empty or has other blanks: it names the phrase and
    /// the blank, for whoever wrote the table.
    pub fn new(
        tag: &'static str,
        says: fn(Phrase) -> Option<&'static str>,
    ) -> Result<Self, Invalid> {
        if !is_tag(tag) {
            return Err(Invalid::new("language", "has no tag", "a tag like da or pt-BR"));
        }
        for phrase in Phrase::all() {
            let fault = says(phrase).and_then(|text| blanks::fault(phrase.english(), text));
            if let Some(fault) = fault {
                let problem = format!("{tag}: the text of {phrase:?} {fault}");
                return Err(Invalid::new("language", problem, "the blanks of Phrase::english"));
            }
        }
        Ok(Self::of(tag, says))
    }

    const fn of(tag: &'static str, says: fn(Phrase) -> Option<&'static str>) -> Self {
        Self { tag, direction: "ltr", says }
    }

    /// Written from right to left.
    #[must_use]
    pub const fn right_to_left(mut self) -> Self {
        self.direction = "rtl";
        self
    }

    pub(super) const fn tag(&self) -> &'static str {
        self.tag
    }

    pub(super) const fn direction(&self) -> &'static str {
        self.direction
    }

    /// Nothing where its table has nothing.
    pub(super) fn says(&self, phrase: Phrase) -> Option<&'static str> {
        (self.says)(phrase)
    }

    pub(super) fn is_english(&self) -> bool {
        self.is_meant_by("en")
    }

    /// The one that a browser likes best (RFC 9110, section 12.5.4); else the first.
    pub(super) fn wanted(known: &[Self], headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|asked| asked.to_str().ok());
        let mut wishes: Vec<(&str, u16)> =
            asked.unwrap_or_default().split(',').take(MOST_WISHES).filter_map(wish).collect();
        wishes.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let find = |tag: &str| {
            let same = |language: &&Self| language.tag.eq_ignore_ascii_case(tag);
            known.iter().find(same).or(known.iter().find(|language| language.is_meant_by(tag)))
        };
        let best = wishes.iter().find_map(|(tag, _)| find(tag));
        best.or(known.first()).copied().unwrap_or(Self::ENGLISH)
    }

    /// `ko-KR` means `ko`, and the other way round.
    fn is_meant_by(&self, asked: &str) -> bool {
        let first = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        first(self.tag) == first(asked)
    }
}

impl Phrase {
    /// What it is in English, with its blanks in braces.
    #[must_use]
    pub const fn english(self) -> &'static str {
        english::says(self)
    }
}

/// Whether it has the shape of a tag: subtags of one to eight letters or digits, the first of letters
/// (RFC 5646, section 2.1).
fn is_tag(tag: &str) -> bool {
    let plain = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let first = tag.split('-').next().unwrap_or_default();
    tag.split('-').all(plain) && first.len() > 1 && first.bytes().all(|b| b.is_ascii_alphabetic())
}

/// A language with its weight in thousandths; none that is not wanted.
fn wish(part: &str) -> Option<(&str, u16)> {
    let mut fields = part.split(';').map(str::trim);
    let tag = fields.next().filter(|tag| !tag.is_empty())?;
    let weight = match fields.find_map(|field| field.strip_prefix("q=")) {
        None => 1000,
        Some(weight) => thousandths(weight)?,
    };
    (weight > 0).then_some((tag, weight))
}

fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let is_plain = part.len() <= 3 && part.bytes().all(|digit| digit.is_ascii_digit());
    match whole {
        "1" => Some(1000),
        "0" if is_plain => format!("{part:0<3}").parse().ok(),
        _ => None,
    }
}

const MOST_WISHES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::problem::Problem;

    #[test]
    fn a_browser_gets_what_it_likes_best_of_what_there_is() {
        let known = [Language::ENGLISH, Language::KOREAN];
        for (asked, tag) in [
            ("ko", "ko"),
            ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
            ("en;q=0.5, KO;q=0.75", "ko"),
            ("de-CH, fr", "en"),
            ("ko;q=0", "en"),
            ("ko;q=nonsense, en;q=0.1", "en"),
            ("", "en"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, asked.parse().expect("a header"));
            assert_eq!(Language::wanted(&known, &headers).tag(), tag, "{asked}");
        }
        assert_eq!(Language::wanted(&known, &HeaderMap::new()).tag(), "en");
    }

    fn problem_of(text: &'static str, says: fn(Phrase) -> Option<&'static str>) -> String {
        Language::new("da", says).expect_err(text).to_string()
    }

    #[test]
    fn a_table_that_would_drop_what_stands_in_a_blank_is_refused_by_name() {
        let says = problem_of("misspelt", |phrase| {
            (phrase == Phrase::Text(Problem::WrongTenant)).then_some("{expected} {fuond}")
        });
        let [phrase, blank] = ["Text(WrongTenant)", "leaves out {found} and has {fuond} beyond it"];
        assert!(says.contains(phrase) && says.contains(blank), "{says}");
        let says =
            problem_of("missing", |phrase| (phrase == Phrase::WarnsPowerful).then_some("Pas på."));
        assert!(says.contains("da: the text of WarnsPowerful leaves out {roles}"), "{says}");
        let says = problem_of("empty", |phrase| (phrase == Phrase::Begin).then_some(" "));
        assert!(says.contains("Begin is empty"), "{says}");
        let says =
            problem_of("open", |phrase| (phrase == Phrase::Begin).then_some("Videre {panel"));
        assert!(says.contains("Begin has a brace that is not closed"), "{says}");
        Language::new("da", |phrase| (phrase == Phrase::Begin).then_some("Videre fra {panel}"))
            .expect("the panel is known everywhere");
    }

    #[test]
    fn what_no_header_can_carry_is_no_tag() {
        for tag in ["", "d", "dä", "da_DK", "da\n", "-da", "da-", "1a", "abcdefghi"] {
            Language::new(tag, |_| None).expect_err(tag);
        }
        for tag in ["da", "pt-BR", "zh-Hant-TW", "de-1996"] {
            Language::new(tag, |_| None).expect(tag);
        }
    }

    #[test]
    fn of_two_spellings_of_a_language_each_is_to_be_had() {
        let of = |tag| Language::new(tag, |_| None).expect("a tag");
        let known = [of("zh-CN"), of("zh-TW")];
        for (asked, tag) in [("zh-TW", "zh-TW"), ("ZH-tw,zh;q=0.5", "zh-TW"), ("zh", "zh-CN")] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, asked.parse().expect("a header"));
            assert_eq!(Language::wanted(&known, &headers).tag(), tag, "{asked}");
        }
    }

    #[test]
    fn korean_says_everything_and_fills_in_the_same() {
        Language::new("ko", |phrase| Some(korean::says(phrase))).expect("the same blanks");
        for phrase in Phrase::all() {
            assert_ne!(phrase.english(), korean::says(phrase), "{phrase:?}");
        }
    }
}
