//! A text that somebody pasted: from a log, a mail, Entra's own page.
//!
//! Nothing of it is kept but numbers, and ids that look like ids. Whoever wrote it is not believed in
//! anything else.

use std::ops::ControlFlow;

use crate::model::entra_error::{BY_ERROR, EntraError, Refusal, numbers_in};

/// What a pasted text holds.
pub(super) struct Pasted {
    /// Whatever looks like the id of a request.
    pub(super) ids: Vec<String>,
    /// What its numbers say, where it has any.
    pub(super) refusal: Option<EntraError>,
}

impl Pasted {
    pub(super) fn read(text: &str) -> Self {
        let text = start_within(text, LONGEST).to_ascii_lowercase();
        let codes = numbers_in(&text.replace("aadsts", "AADSTS"));
        let refusal = Refusal {
            error: error_in(&text).unwrap_or(ASSUMED).to_owned(),
            trace_id: labelled(&text, "trace", is_guid),
            correlation_id: labelled(&text, "correlation", is_guid),
            timestamp: timestamp_in(&text),
            codes: codes.clone(),
            ..Refusal::default()
        };
        let refusal = (!codes.is_empty()).then(|| EntraError::new(refusal));
        Self { ids: ids_in(&text), refusal }
    }
}

/// A number alone says more beside an error about the grant than beside one that nobody knows.
const ASSUMED: &str = "invalid_grant";
/// No message of Entra's comes near.
const LONGEST: usize = 64 * 1024;
const MOST_IDS: usize = 16;
/// Within so many bytes behind a label its id ends, in every form that Entra prints.
const BEHIND: usize = 64;
const MOST_LABELS: usize = LONGEST / BEHIND;

fn start_within(text: &str, longest: usize) -> &str {
    let end = (0..=text.len().min(longest)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn error_in(text: &str) -> Option<&'static str> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.find_map(|word| BY_ERROR.iter().find(|(error, _)| *error == word)).map(|found| found.0)
}

fn ids_in(text: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let _enough = words_in(text).filter(|word| is_guid(word)).try_for_each(|word| {
        if !ids.iter().any(|id| id == word) {
            ids.push(word.to_owned());
        }
        if ids.len() < MOST_IDS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ids
}

/// The first id that follows a label, whatever stands between: `Trace ID: …`, `"trace_id":"…"`.
fn labelled(text: &str, label: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    behind(text, label).find_map(|rest| {
        let rest = rest.trim_start_matches([' ', '_', '-']);
        let mut words = words_in(rest.strip_prefix("id").unwrap_or(rest));
        words.next().filter(|word| fits(word)).map(str::to_owned)
    })
}

/// What stands close behind each label: no more in all than the longest text holds.
fn behind<'t>(text: &'t str, label: &'t str) -> impl Iterator<Item = &'t str> {
    let labels = text.match_indices(label).take(MOST_LABELS);
    labels.map(move |(at, _)| start_within(&text[at + label.len()..], BEHIND))
}

fn words_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| !word.is_empty())
}

/// Entra's spelling of its ids; anything else cannot be told from prose.
fn is_guid(word: &str) -> bool {
    let hyphens = |(at, b): (usize, u8)| (b == b'-') == [8, 13, 18, 23].contains(&at);
    let hex = |b: u8| b.is_ascii_hexdigit() || b == b'-';
    word.len() == 36 && word.bytes().all(hex) && word.bytes().enumerate().all(hyphens)
}

fn timestamp_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("timestamp")?;
    let rest = rest.trim_start_matches([' ', '"', ':', '=']);
    let moment = rest.get(..20).filter(|moment| moment.ends_with('z'))?;
    Some(moment.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entra_error::Cause;

    const TRACE: &str = "0a1b2c3d-1111-4222-8333-444455556666";
    const CORRELATION: &str = "9f8e7d6c-aaaa-4bbb-8ccc-ddddeeeeffff";

    fn refusal(text: &str) -> EntraError {
        Pasted::read(text).refusal.expect("a number")
    }

    #[test]
    fn every_form_in_which_entra_prints_it_is_read() {
        // R-113
        let page = format!(
            "AADSTS65001: The user has not consented. Trace ID: {TRACE} Correlation ID: \
             {CORRELATION} Timestamp: 2026-11-23 11:40:02Z"
        );
        let json = format!(
            r#"{{"error":"invalid_grant","error_description":"AADSTS65001: no\r\n","trace_id":"{TRACE}","correlation_id":"{CORRELATION}","timestamp":"2026-11-23 11:40:02Z"}}"#
        );
        let ours = format!(
            "invalid_grant (AADSTS65001, trace {TRACE}, correlation {CORRELATION}) timestamp=2026-11-23 11:40:02Z"
        );
        for text in [page.to_ascii_uppercase(), page, json, ours] {
            let read = refusal(&text);
            assert_eq!((read.number(), read.cause()), (Some(65001), Cause::ConsentMissing));
            let ids = (read.trace_id(), read.correlation_id());
            assert_eq!(ids, (Some(TRACE), Some(CORRELATION)), "{text}");
            assert_eq!(read.timestamp(), Some("2026-11-23 11:40:02Z"), "{text}");
            assert_eq!(Pasted::read(&text).ids, [TRACE, CORRELATION]);
        }
    }

    #[test]
    fn a_number_alone_says_what_it_means_and_an_error_beside_it_is_heard() {
        assert_eq!(refusal("AADSTS700082").cause(), Cause::GrantExpired);
        assert_eq!(refusal("aadsts50076?").cause(), Cause::MfaRequired);
        assert_eq!(refusal("server_error AADSTS700082").cause(), Cause::Transient);
        assert!(Pasted::read("nothing at all").refusal.is_none());
    }

    #[test]
    fn of_a_text_full_of_labels_no_more_is_looked_at_than_it_holds() {
        // R-136
        let labels = "trace".repeat(LONGEST);
        for text in [start_within(&labels, LONGEST), "trace: é trace", "trace", &"é".repeat(99)] {
            let looked: usize = behind(text, "trace").map(str::len).sum();
            assert!(looked <= text.len().max(LONGEST), "{looked} of {}", text.len());
            assert!(behind(text, "trace").all(|rest| rest.len() <= BEHIND));
        }
        assert_eq!(behind("trace: é trace", "trace").collect::<Vec<_>>(), [": é trace", ""]);
        let found = format!("AADSTS65001 {} Trace ID: {TRACE}", "TRACE of a log\n".repeat(99));
        assert_eq!(refusal(&found).trace_id(), Some(TRACE), "a log has many that are none");
        let late = format!("AADSTS65001 Trace ID: {}{TRACE}", " ".repeat(BEHIND));
        assert_eq!(refusal(&late).trace_id(), None);
    }

    #[test]
    fn a_hostile_text_is_cut_and_leaves_no_word_behind() {
        // R-136
        let hostile = format!(
            "AADSTS65001\u{1b}[31m\r\nTrace ID: <script>canary</script> Correlation ID: canary-{TRACE} \
             timestamp: 2026\n\n\u{2028}canaryzzzz"
        );
        let read = refusal(&hostile);
        assert_eq!((read.trace_id(), read.correlation_id(), read.timestamp()), (None, None, None));
        assert!(!format!("{read} {read:?}").contains("canary"));
        let long = format!("{}é AADSTS65001", "x".repeat(LONGEST - 1));
        assert!(Pasted::read(&long).refusal.is_none(), "cut, and within a character");
        let many: String =
            (0..99).map(|n| format!("{TRACE}{n:02} {n:02}{} ", &TRACE[2..])).collect();
        assert_eq!(Pasted::read(&many).ids.len(), MOST_IDS);
    }
}
