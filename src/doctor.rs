//! A look at everything before the first partner is invited.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::broker::BrokerBuilder;
use crate::journeys::checkup::{Checkup, Given};
use crate::model::manifest::Manifest;

impl BrokerBuilder {
    /// Looks at everything that can be looked at before the first partner is invited, whether or not
    /// a broker could be built: settings, manifest, addresses, authority, Partner Center, clock,
    /// credential, keys and store. It says what it could not look at, and fails never.
    ///
    /// It changes nothing that lasts: the store keeps a made-up record for a moment, and Entra is
    /// shown one refresh token that is none.
    pub const fn doctor(&self) -> Doctor<'_> {
        Doctor { builder: self, given: Given { manifest: None, panel: None, pages: Ok(()) } }
    }
}

/// A look at everything about to be taken: await it.
#[derive(Debug)]
#[must_use = "nothing is looked at until this is awaited"]
pub struct Doctor<'b> {
    pub(crate) builder: &'b BrokerBuilder,
    pub(crate) given: Given<'b>,
}

impl<'b> Doctor<'b> {
    /// The application's registration, as Microsoft Graph answers it.
    pub const fn manifest(mut self, manifest: &'b Manifest) -> Self {
        self.given.manifest = Some(manifest);
        self
    }

    /// The host that partners open, such as `panel.example`: consents must come back to it.
    pub fn panel(mut self, host: impl Into<String>) -> Self {
        self.given.panel = Some(host.into());
        self
    }
}

impl<'b> IntoFuture for Doctor<'b> {
    type Output = Checkup;
    type IntoFuture = Pin<Box<dyn Future<Output = Checkup> + Send + 'b>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.builder.examiner().await.examine(&self.given).await })
    }
}
