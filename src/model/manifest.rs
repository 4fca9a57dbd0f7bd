//! The application's registration as Microsoft Graph writes it: read, written, and looked at for what
//! would stop a partner or weaken the vendor.
//!
//! Members that are not known here are kept as they are. Strict is what a judgement rests on: a
//! member that is known has the type that Graph gives it and occurs once, and nothing of the older
//! Azure AD Graph format is taken for an absence.
//!
//! Sources: Microsoft identity platform, "App manifest (Microsoft Graph app resource)" and "Redirect
//! URI restrictions and limitations"; Microsoft Graph, `application` and `verifiedPublisher`
//! resources.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::Clock;
use super::registration::AppRegistration;
use super::tenant::ClientId;

mod document;
mod finding;
mod lint;
mod permission;
mod redirect;
mod writing;

use self::document::{Document, Object};
pub use self::finding::{ManifestFinding, Severity};
use self::lint::Lint;

/// An application's registration in the form of Microsoft Graph's `application`: what
/// `GET /applications/{id}` answers and the portal's manifest editor shows.
///
/// ```
/// # use cpv_consent::{AppRegistration, ClientCredential, Cloud, Manifest, SystemClock};
/// # let app = AppRegistration::new(
/// #     Cloud::Global,
/// #     "11111111-1111-4111-8111-111111111111".parse()?,
/// #     "22222222-2222-4222-8222-222222222222".parse()?,
/// #     ClientCredential::secret("not-a-real-secret")?,
/// #     "https://panel.example/consent/callback",
/// # )?;
/// let text = Manifest::of(&app, "Vendor Panel").to_json();   // what to register
/// let stored = Manifest::from_json(&text)?;                  // what is registered
/// for finding in stored.lint(&app, Some("panel.example"), &SystemClock::new()) {
///     println!("{}: {finding}; {}", finding.severity(), finding.mend());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Microsoft identity platform, "App manifest (Microsoft Graph app resource)".
#[derive(Clone)]
pub struct Manifest {
    /// All of it, what is not known here included.
    all: Value,
    /// What is known here.
    read: Document,
}

/// Why a text is no manifest. It never repeats what is in it, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no JSON object, names a member twice, or gives one a type that Graph does not.
    #[error("the manifest is not of Graph's form at line {line}, column {column}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// It is in the format of Azure AD Graph, which Entra no longer takes.
    #[error(
        "member {0} belongs to the Azure AD Graph format: take the manifest from Microsoft Graph"
    )]
    OldFormat(&'static str),
    /// It has no `displayName`, so it is not an application.
    #[error("the manifest has no displayName: is it one application, and all of it")]
    NotAnApplication,
    /// It has more entries in all lists together than Entra keeps.
    #[error("the manifest has {0} entries in all lists together, of which Entra keeps 1200")]
    TooManyEntries(usize),
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] says where, and never what is there.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        let all: Value = serde_json::from_str(text).map_err(malformed)?;
        if let Some(old) = OLD_FORMAT.into_iter().find(|member| all.get(*member).is_some()) {
            return Err(ManifestError::OldFormat(old));
        }
        // From the text and not from what was read of it: only there a member occurs twice.
        let Object(read): Object<Document> = serde_json::from_str(text).map_err(malformed)?;
        if read.display_name.as_deref().unwrap_or_default().is_empty() {
            return Err(ManifestError::NotAnApplication);
        }
        match entries(&all) {
            many if many > MOST_ENTRIES => Err(ManifestError::TooManyEntries(many)),
            _ => Ok(Self { all, read }),
        }
    }

    /// The manifest that a registration needs, under the name that partners see when they consent:
    /// its audience, address, permissions, claims and lock, and its certificate where it has one. An
    /// application password is added by Entra, which makes it up.
    ///
    /// A permission whose id is not known to this crate is left out:
    /// [`lint`](Self::lint) names it ([`ManifestFinding::PermissionNotLookedFor`]).
    #[must_use]
    pub fn of(app: &AppRegistration, display_name: &str) -> Self {
        let mut all = json!({ "appId": app.client_id(), "displayName": display_name });
        writing::add_certificate(&mut all, app.credential());
        Self::written(all).fitted_to(app)
    }

    /// The same with what the registration needs put right, and all else as it is: other addresses
    /// and permissions, credentials, and every member that is not known here. What only Entra or a
    /// person can change stays to be found by [`lint`](Self::lint).
    #[must_use]
    pub fn fitted_to(mut self, app: &AppRegistration) -> Self {
        writing::fit(&mut self.all, app);
        Self::written(self.all)
    }

    /// What stands between this manifest and the registration, in the order of
    /// [`ManifestFinding`]'s variants; what occurs twice, in the order of the manifest.
    ///
    /// `panel` is the host that partners open, where it is known. The clock tells which credentials
    /// have ended.
    #[must_use]
    pub fn lint(
        &self,
        app: &AppRegistration,
        panel: Option<&str>,
        clock: &dyn Clock,
    ) -> Vec<ManifestFinding> {
        Lint { manifest: &self.read, app, panel, now: clock.now() }.findings()
    }

    /// The manifest as JSON, with every member that it was read with. A password's text is in it only
    /// if it was there.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}", self.all)
    }

    /// The name that partners see when they consent.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.read.display_name.as_deref().unwrap_or_default()
    }

    /// Which application it is, where it says so.
    #[must_use]
    pub const fn client_id(&self) -> Option<ClientId> {
        self.read.app_id
    }

    /// What this module has written, or changed.
    fn written(all: Value) -> Self {
        let read = Object::deserialize(&all);
        let Object(read) = read.expect("what is written here is of Graph's form");
        Self { all, read }
    }
}

/// Two are the same when they say the same.
impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

/// Nothing else: a password's text may be in it.
impl fmt::Debug for Manifest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Manifest")
            .field("client_id", &self.client_id())
            .field("display_name", &self.display_name())
            .finish_non_exhaustive()
    }
}

/// The parser's own words could repeat a secret.
fn malformed(error: serde_json::Error) -> ManifestError {
    ManifestError::Malformed { line: error.line(), column: error.column() }
}

/// How many entries all lists have together.
fn entries(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len() + list.iter().map(entries).sum::<usize>(),
        Value::Object(members) => members.values().map(entries).sum(),
        _ => 0,
    }
}

const MOST_ENTRIES: usize = 1200;

/// Members by which the older format is known; whatever it exports has all three.
const OLD_FORMAT: [&str; 3] =
    ["accessTokenAcceptedVersion", "oauth2AllowIdTokenImplicitFlow", "replyUrlsWithType"];

#[cfg(test)]
mod tests;
