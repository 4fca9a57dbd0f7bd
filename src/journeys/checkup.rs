//! What can be looked at before the first partner is invited, and what nobody can look at from here.
//!
//! A checkup changes nothing: a made-up record lives for a moment in the store, and one made-up
//! refresh token is shown to Entra, which refuses it. One check's failure stops no other; what rests on
//! one that failed is not checked.

mod network;
mod own;
mod result;
mod trouble;

use std::sync::Arc;

use crate::model::clock::Clock;
use crate::model::invalid::Invalid;
use crate::model::manifest::{Manifest, Severity};
use crate::model::registration::AppRegistration;
use crate::protocol::partner_center::PartnerCenter;
use crate::protocol::token_endpoint::TokenEndpoint;
use crate::storage::ledger::{Ledger, Stores};
use crate::storage::receipts::ReceiptSigner;
use crate::transport::client_assertion::ClientAuthentication;
use crate::transport::http::{HttpError, Wire};

pub use self::result::{Checked, Checkup, CheckupLine, Topic};
pub use self::trouble::Trouble;

/// What a checkup looks at, and what it looks with.
#[derive(Debug)]
pub(crate) struct Examiner {
    pub(crate) app: AppRegistration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stores: Stores,
    pub(crate) ledger: Ledger,
    /// What a broker would refuse to be built with.
    pub(crate) settings: Result<(), Invalid>,
    /// Who signs receipts, where they are made.
    pub(crate) signer: Option<Arc<dyn ReceiptSigner>>,
    pub(crate) speech: Result<Speech, HttpError>,
}

/// How it speaks.
#[derive(Debug)]
pub(crate) struct Speech {
    pub(crate) wire: Wire,
    pub(crate) partner_center: PartnerCenter,
    pub(crate) endpoint: Arc<TokenEndpoint>,
    pub(crate) authentication: ClientAuthentication,
}

/// What only the host can give.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) manifest: Option<&'a Manifest>,
    /// The host that partners open.
    pub(crate) panel: Option<String>,
    /// What the pages that it shows would refuse of the settings.
    pub(crate) pages: Result<(), Invalid>,
}

impl Examiner {
    pub(crate) async fn examine(&self, given: &Given<'_>) -> Checkup {
        let mut lines = vec![self.settings(given)];
        lines.extend(self.manifest(given));
        lines.extend(self.network().await);
        lines.extend(self.keys().await);
        lines.extend(self.receipt_key().await);
        lines.extend(self.stores().await);
        for topic in [Topic::PartnerCenterRegistration, Topic::CpvEnrolment, Topic::Sovereignty] {
            lines.extend(self.beyond_reach(topic));
        }
        Checkup { lines }
    }

    fn settings(&self, given: &Given<'_>) -> CheckupLine {
        let settings = self.settings.clone().and_then(|()| given.pages.clone());
        CheckupLine::of(Topic::Settings, settings.map_err(Trouble::Setting))
    }

    /// One line for each finding.
    fn manifest(&self, given: &Given<'_>) -> Vec<CheckupLine> {
        let line = |outcome| CheckupLine { topic: Topic::Manifest, outcome };
        let Some(manifest) = given.manifest else {
            return vec![line(Checked::NotChecked(NO_MANIFEST))];
        };
        let findings = manifest.lint(&self.app, given.panel.as_deref(), &*self.clock);
        if findings.is_empty() {
            return vec![line(Checked::Passed)];
        }
        let lines = findings.into_iter().map(|finding| match finding.severity() {
            Severity::Advice => line(Checked::Advised(finding)),
            Severity::Weakness => line(Checked::Weak(finding)),
            Severity::Fault => line(Checked::Failed(Trouble::Manifest(finding))),
        });
        lines.collect()
    }

    fn beyond_reach(&self, topic: Topic) -> Option<CheckupLine> {
        let why = match topic {
            Topic::PartnerCenterRegistration => NO_REGISTRATION,
            Topic::CpvEnrolment => NO_ENROLMENT,
            Topic::Sovereignty if own::is_sovereign(self.app.cloud()) => NO_SOVEREIGNTY,
            _ => return None,
        };
        Some(CheckupLine { topic, outcome: Checked::NotChecked(why) })
    }
}

const NO_MANIFEST: &str = "no manifest was given: read it by GET /applications/{id} of Microsoft \
                           Graph, or copy it from the portal's manifest editor";
const NO_REGISTRATION: &str = "nothing that could be asked without a partner says whether the \
                               application is registered in Partner Center; registering it in Entra \
                               is not enough";
const NO_ENROLMENT: &str = "nothing that could be asked says whether the home tenant is enrolled as \
                            a control panel vendor and has accepted the agreement";
const NO_SOVEREIGNTY: &str = "what holds for control panel vendors in this cloud today is not stated \
                              anywhere that we know of: ask Microsoft";
