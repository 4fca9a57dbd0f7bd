//! What a person sits at, and how the browser was set up: what WebDriver calls capabilities.

use std::path::Path;

use serde_json::{Value, json};

use crate::driver::PATIENCE;

/// What the person holds or sits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Desk,
    /// 360 by 740, with touch: a phone's own layout, not a small window.
    Phone,
    /// The same, where pages' scripts do not run.
    PhoneWithoutScripts,
}

/// How a browser was set up by whom it belongs to.
#[derive(Debug, Clone)]
pub struct Habits {
    device: Device,
    language: &'static str,
    without_cookies_of: Option<String>,
}

impl From<Device> for Habits {
    fn from(device: Device) -> Self {
        Self { device, language: "en", without_cookies_of: None }
    }
}

impl Habits {
    /// Asks every page for this language first.
    pub fn speaking(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    /// Refuses the cookies of this origin.
    pub fn without_cookies_of(mut self, origin: &str) -> Self {
        self.without_cookies_of = Some(origin.to_owned());
        self
    }

    pub fn capabilities(&self, home: &Path) -> Value {
        let patience = PATIENCE.as_millis();
        let timeouts = json!({ "implicit": patience, "pageLoad": patience, "script": patience });
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "timeouts": timeouts,
            "goog:chromeOptions": self.options(home),
        } } })
    }

    fn options(&self, home: &Path) -> Value {
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", home.join("profile").display()));
        let mut options = json!({
            "binary": "/usr/bin/chromium",
            "args": arguments,
            "prefs": self.preferences(),
        });
        if self.device != Device::Desk {
            let touch = self.device == Device::Phone; // chromedriver's finger hangs without scripts
            let metrics = json!({ "width": 360, "height": 740, "pixelRatio": 2, "touch": touch });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        options
    }

    fn preferences(&self) -> Value {
        let mut preferences = json!({ "intl.accept_languages": self.language });
        if self.device == Device::PhoneWithoutScripts {
            preferences["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        if let Some(origin) = &self.without_cookies_of {
            let refused = json!({ format!("{origin},*"): { "setting": 2 } });
            preferences["profile.content_settings.exceptions.cookies"] = refused;
        }
        preferences
    }
}

/// Without a window, and without a word to anybody who was not asked.
const ARGUMENTS: [&str; 12] = [
    "--headless",
    "--window-size=1280,900",
    "--screen-info={1280x900}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
