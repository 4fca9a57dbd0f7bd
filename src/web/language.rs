//! In which language a page speaks.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use super::phrase::Phrase;
use super::{english, korean};

/// A language of the pages: its tag, and what it says for each phrase.
#[derive(Debug, Clone, Copy)]
pub struct Language {
    tag: &'static str,
    direction: &'static str,
    says: fn(Phrase) -> Option<&'static str>,
}

impl Language {
    /// English, which also says what other tables leave out.
    pub const ENGLISH: Self = Self::new("en", |phrase| Some(english::says(phrase)));
    /// Korean.
    pub const KOREAN: Self = Self::new("ko", |phrase| Some(korean::says(phrase)));

    /// Another language by its tag (RFC 5646), from left to right. A text may hold what stands in
    /// braces in the English one, like `{panel}`.
    #[must_use]
    pub const fn new(tag: &'static str, says: fn(Phrase) -> Option<&'static str>) -> Self {
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

    pub(super) fn says(&self, phrase: Phrase) -> &'static str {
        (self.says)(phrase).unwrap_or_else(|| english::says(phrase))
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
    use crate::web::phrase::Problem;

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

    #[test]
    fn what_a_table_leaves_out_is_said_in_english() {
        let danish = Language::new("da", |phrase| (phrase == Phrase::Confirm).then_some("Bekræft"));
        assert_eq!(danish.says(Phrase::Confirm), "Bekræft");
        assert_eq!(danish.says(Phrase::Decline), english::says(Phrase::Decline));
    }

    #[test]
    fn of_two_spellings_of_a_language_each_is_to_be_had() {
        let of = |tag| Language::new(tag, |_| None);
        let known = [of("zh-CN"), of("zh-TW")];
        for (asked, tag) in [("zh-TW", "zh-TW"), ("ZH-tw,zh;q=0.5", "zh-TW"), ("zh", "zh-CN")] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, asked.parse().expect("a header"));
            assert_eq!(Language::wanted(&known, &headers).tag(), tag, "{asked}");
        }
    }

    /// What a text leaves to be filled in.
    fn blanks(text: &str) -> Vec<&str> {
        let mut blanks: Vec<_> =
            text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|b| b.0).collect();
        blanks.sort_unstable();
        blanks.dedup();
        blanks
    }

    #[test]
    fn both_say_the_verdict_and_fill_in_the_same() {
        for phrase in [
            Phrase::OwnNumber,
            Phrase::KindDirect,
            Phrase::KindProvider,
            Phrase::KindReseller,
            Phrase::RolesOther,
            Phrase::SignedIn,
            Phrase::ProofLasts,
            Phrase::PolicyWarns,
            Phrase::WarnsPowerful,
            Phrase::WarnsRolesUnknown,
            Phrase::WarnsGuest,
            Phrase::WarnsGuestPerhaps,
            Phrase::WarnsBeyond,
            Phrase::WarnsNoFactor,
            Phrase::WarnsFactorUnknown,
            Phrase::WarnsWeaker,
            Phrase::WarnsExpired,
            Phrase::WarnsKind,
        ] {
            let [english, korean] = [english::says(phrase), korean::says(phrase)];
            assert!(!english.is_empty() && english != korean, "{phrase:?}");
            let facts = |text| blanks(text).into_iter().filter(|blank| *blank != "panel");
            assert!(facts(english).eq(facts(korean)), "{phrase:?}: {english} {korean}");
        }
    }

    #[test]
    fn both_say_everything_and_fill_in_the_same() {
        for problem in Problem::ALL {
            let titles =
                [english::says(Phrase::Title(problem)), korean::says(Phrase::Title(problem))];
            let texts = [english::says(Phrase::Text(problem)), korean::says(Phrase::Text(problem))];
            for [english, korean] in [titles, texts] {
                assert!(!english.is_empty() && english != korean, "{problem:?}");
                let facts = |text| blanks(text).into_iter().filter(|blank| *blank != "panel");
                assert!(facts(english).eq(facts(korean)), "{problem:?}: {english} {korean}");
            }
        }
    }
}
