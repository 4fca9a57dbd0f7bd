//! What makes the pages the host's own.

use url::Url;

use crate::model::invalid::Invalid;

/// The panel's name, logo and colour, as the pages show them.
#[derive(Debug, Clone)]
pub struct Brand {
    panel: String,
    logo: Option<Url>,
    accent: String,
    home: Option<Url>,
}

impl Brand {
    /// A panel of this name: one to 80 characters, no control characters.
    ///
    /// # Errors
    /// [`Invalid`] otherwise.
    pub fn new(panel: impl Into<String>) -> Result<Self, Invalid> {
        let panel = panel.into().trim().to_owned();
        let is_fit = (1..=80).contains(&panel.chars().count());
        if !is_fit || panel.chars().any(char::is_control) {
            return Err(Invalid::new(
                "panel name",
                "has another length or form",
                "1 to 80 letters",
            ));
        }
        Ok(Self { panel, logo: None, accent: "#1f5fbf".to_owned(), home: None })
    }

    /// An image, loaded over https by the person's browser, and by no other address of its origin.
    ///
    /// # Errors
    /// [`Invalid`] when it is no https address.
    pub fn with_logo(mut self, address: &str) -> Result<Self, Invalid> {
        self.logo = Some(https("logo", address)?);
        Ok(self)
    }

    /// The colour of buttons, on which white text is read: `#` and six hexadecimal digits.
    ///
    /// # Errors
    /// [`Invalid`] when it is written otherwise, or so light that white text on it has a contrast
    /// below 4.5 (WCAG 2.2, 1.4.3).
    pub fn with_accent(mut self, colour: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "# and six hexadecimal digits, dark enough for white text";
        let wrong = |why| Invalid::new("accent", why, EXPECTED);
        let channels = channels(colour).ok_or(wrong("is written otherwise"))?;
        if contrast_with_white(channels) < 4.5 {
            return Err(wrong("is too light"));
        }
        colour.clone_into(&mut self.accent);
        Ok(self)
    }

    /// Where the last page leads back to.
    ///
    /// # Errors
    /// [`Invalid`] when it is no https address.
    pub fn with_home(mut self, address: &str) -> Result<Self, Invalid> {
        self.home = Some(https("home", address)?);
        Ok(self)
    }

    pub(super) fn panel(&self) -> &str {
        &self.panel
    }

    pub(super) const fn logo(&self) -> Option<&Url> {
        self.logo.as_ref()
    }

    pub(super) fn accent(&self) -> &str {
        &self.accent
    }

    pub(super) const fn home(&self) -> Option<&Url> {
        self.home.as_ref()
    }
}

fn https(field: &'static str, address: &str) -> Result<Url, Invalid> {
    let url = Url::parse(address).ok().filter(|url| url.scheme() == "https" && url.has_host());
    url.ok_or(Invalid::new(field, "is no https address", "an absolute https address"))
}

fn channels(colour: &str) -> Option<[u8; 3]> {
    let digits =
        colour.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then_some([channel(0)?, channel(2)?, channel(4)?])
}

/// WCAG 2.2, "relative luminance" and "contrast ratio".
fn contrast_with_white(channels: [u8; 3]) -> f64 {
    let [red, green, blue] = channels.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_or_loaded_is_refused() {
        let brand = || Brand::new("Example Panel").expect("plain text");
        for name in ["", " ", "a\nb", &"x".repeat(81)] {
            Brand::new(name).expect_err("no name");
        }
        for colour in ["#ffffff", "#ff0", "red", "#12345g", "#+12345", "#ffcc00", "#12345é"] {
            brand().with_accent(colour).expect_err(colour);
        }
        for address in ["http://a.example/l.png", "/l.png", "data:image/png,x", "javascript:1"] {
            brand().with_logo(address).expect_err(address);
            brand().with_home(address).expect_err(address);
        }
        brand().with_accent("#0b6E4f").expect("dark enough");
    }
}
