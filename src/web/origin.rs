//! Where the pages stand, and whether a request was sent by one of them.

use http::HeaderMap;
use http::header::ORIGIN;
use url::Url;

use crate::model::invalid::Invalid;

/// The public address of the pages, which the registration says: never a header of a request, since
/// anybody may forge those.
#[derive(Debug, Clone)]
pub(super) struct Site {
    origin: String,
    front: String,
}

impl Site {
    pub(super) fn of(redirect: &Url, start: Option<&Url>) -> Result<Self, Invalid> {
        const BESIDE: &str = "one beside the redirect address, ending with /invited";
        let front =
            redirect.path().strip_suffix("/callback").filter(|_| redirect.query().is_none());
        let front = front.ok_or(Invalid::new(
            "redirect address",
            "does not end with /callback",
            "one where the pages stand, like https://panel.example/consent/callback",
        ))?;
        let start = start.ok_or(Invalid::new("start page", "is not set", BESIDE))?;
        let beside = start.path().trim_end_matches('/') == format!("{front}/invited");
        if !beside || start.origin() != redirect.origin() {
            return Err(Invalid::new("start page", "lies elsewhere", BESIDE));
        }
        let origin = redirect.origin().ascii_serialization();
        Ok(Self { origin, front: front.to_owned() })
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.front)
    }

    /// Whether a page of ours sent this request: browsers say so in a header that no page can set
    /// (Fetch Metadata). Whoever leaves it out must name the origin, which an older browser does not do
    /// from pages without a referrer.
    pub(super) fn sent(&self, headers: &HeaderMap) -> bool {
        match headers.get("sec-fetch-site") {
            Some(site) => site == "same-origin",
            None => headers.get(ORIGIN).is_some_and(|origin| origin == self.origin.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn the_pages_stand_side_by_side() {
        let at = |redirect: &str, start: &str| Site::of(&url(redirect), Some(&url(start)));
        let site =
            at("https://p.example/a/callback", "https://p.example/a/invited").expect("beside");
        assert_eq!(site.path("/done"), "/a/done");
        at("https://p.example/callback", "https://p.example/invited/").expect("beside");
        for (redirect, start) in [
            ("https://p.example/a/back", "https://p.example/a/invited"),
            ("https://p.example/a/callback?x=1", "https://p.example/a/invited"),
            ("https://p.example/a/callback", "https://p.example/b/invited"),
            ("https://p.example/a/callback", "https://q.example/a/invited"),
        ] {
            at(redirect, start).expect_err("elsewhere");
        }
        Site::of(&url("https://p.example/callback"), None).expect_err("no start page");
    }

    #[test]
    fn only_a_page_of_ours_sends_what_acts() {
        let pages = (url("https://p.example/callback"), url("https://p.example/invited"));
        let site = Site::of(&pages.0, Some(&pages.1)).expect("beside");
        let sent = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| {
                map.insert(*name, value.parse().expect("a value"));
            });
            site.sent(&map)
        };
        assert!(sent(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(sent(&[("origin", "https://p.example")]));
        let evil = "https://evil.example";
        for forged in [
            &[][..],
            &[("origin", "null")],
            &[("origin", evil)],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://p.example")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("host", "p.example"), ("x-forwarded-host", "p.example"), ("origin", evil)],
        ] {
            assert!(!sent(forged), "{forged:?}");
        }
    }
}
