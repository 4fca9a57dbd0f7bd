//! Just enough HTML to read the emulator's own pages.

/// A form of a page with what it sends unasked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) hidden: Vec<(String, String)>,
}

impl Form {
    pub(super) fn first(page: &str) -> Option<Self> {
        let start = page.find("<form ")?;
        let form = &page[start..];
        let form = &form[..form.find("</form>")?];
        let mut tags = form.split('<').skip(1);
        let opening = tags.next()?;
        let hidden = tags
            .filter(|tag| tag.starts_with("input ") && attribute(tag, "type") == Some("hidden"))
            .filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?)))
            .collect();
        Some(Self { id: value(opening, "id")?, action: value(opening, "action")?, hidden })
    }
}

/// What a page says, without its tags.
pub(super) fn text(page: &str) -> String {
    let body = page.find("<main>").map_or(page, |start| &page[start..]);
    let pieces = body.split('<').filter_map(|piece| Some(piece.split_once('>')?.1.trim()));
    let pieces: Vec<_> = pieces.filter(|piece| !piece.is_empty()).map(unescaped).collect();
    pieces.join(" ")
}

fn value(tag: &str, name: &str) -> Option<String> {
    attribute(tag, name).map(unescaped)
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let rest = &tag[start..];
    Some(&rest[..rest.find('"')?])
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_what_it_hides() {
        let page = "<main><form id=\"callback\" method=\"post\" action=\"https://p.example/?a&amp;b\">\
                    <input type=\"hidden\" name=\"code\" value=\"x&quot;&amp;lt;\">\
                    <input id=\"c\" name=\"c\" type=\"checkbox\" value=\"yes\"></form>";
        let form = Form::first(page).expect("a form");
        assert_eq!(form.action, "https://p.example/?a&b");
        assert_eq!(form.hidden, [("code".to_owned(), "x\"&lt;".to_owned())]);
    }
}
