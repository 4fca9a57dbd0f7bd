//! A person at a browser, page by page, who can send what no page offers.

use std::error::Error;

use bytes::Bytes;
use cpv_consent::emulator::{Browser, User};
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response};
use url::{Url, form_urlencoded};

use super::bench::{FORM, FieldList, aadsts};

/// A browser and the page that it shows.
pub(crate) struct Sitting {
    pub(crate) browser: Browser,
    pub(crate) page: Page,
    signin: String,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Sitting {
    pub(crate) async fn open(url: &Url) -> Result<Self, Box<dyn Error>> {
        Self::open_in(Browser::new(), url).await
    }

    pub(crate) async fn open_in(mut browser: Browser, url: &Url) -> Result<Self, Box<dyn Error>> {
        let page = Page::of(browser.open(url).await?);
        let signin = url.join("/signin")?.to_string();
        Ok(Self { browser, page, signin })
    }

    /// Opens another address in the same browser.
    pub(crate) async fn go_to(&mut self, url: &Url) -> Result<(), Box<dyn Error>> {
        self.page = Page::of(self.browser.open(url).await?);
        Ok(())
    }

    /// Sends the page's form with these fields.
    pub(crate) async fn answer(&mut self, fields: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
        let flow =
            self.page.flow().ok_or_else(|| format!("no form: {}", self.page.text))?.to_owned();
        self.post(&flow, fields, &[]).await
    }

    /// Sends any form, with headers of its own.
    pub(crate) async fn post(
        &mut self,
        flow: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<(), Box<dyn Error>> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("flow", flow).extend_pairs(fields).finish();
        let mut request = Request::builder().method(Method::POST).uri(&self.signin);
        for (name, value) in headers.iter().chain(&[(CONTENT_TYPE.as_str(), FORM)]) {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body))?;
        self.page = Page::of(self.browser.send(request).await?);
        Ok(())
    }

    /// Name, password and code.
    pub(crate) async fn sign_in(&mut self, user: &User) -> Result<(), Box<dyn Error>> {
        self.answer(&[("name", &user.name)]).await?;
        self.answer(&[("password", &user.password)]).await?;
        if self.page.heading() == "Verify your identity" {
            self.answer(&[("code", &user.code)]).await?;
        }
        Ok(())
    }
}

impl Page {
    fn of(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body).into_owned();
        Self { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) fn heading(&self) -> &str {
        between(&self.text, "<h1>", "</h1>").unwrap_or_default()
    }

    pub(crate) fn flow(&self) -> Option<&str> {
        between(&self.text, "name=\"flow\" value=\"", "\"")
    }

    /// The AADSTS number that it shows.
    pub(crate) fn number(&self) -> Option<u32> {
        aadsts(&self.text)
    }

    pub(crate) fn refusal(&self) -> (u16, Option<u32>) {
        (self.status, self.number())
    }

    pub(crate) fn location(&self) -> Option<Url> {
        Url::parse(self.headers.get(LOCATION)?.to_str().ok()?).ok()
    }

    /// What it sends the browser to an application with.
    pub(crate) fn callback(&self) -> FieldList {
        let url = self.location();
        let query = url.as_ref().and_then(Url::query).unwrap_or_default();
        FieldList::decode(query.as_bytes())
    }

    pub(crate) fn cookie(&self) -> &str {
        self.headers.get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}
