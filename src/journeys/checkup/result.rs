//! What a checkup says, line by line.

use std::fmt;

use super::trouble::Trouble;
use crate::model::manifest::ManifestFinding;

/// What was looked at before the first partner is invited: see
/// [`BrokerBuilder::doctor`](crate::BrokerBuilder::doctor). Its [`Display`](fmt::Display) is a page to
/// read.
#[derive(Debug, Clone)]
pub struct Checkup {
    pub(super) lines: Vec<CheckupLine>,
}

impl Checkup {
    /// Every line, in the order of [`Topic`]'s variants.
    #[must_use]
    pub fn lines(&self) -> &[CheckupLine] {
        &self.lines
    }

    /// What must be mended.
    pub fn failures(&self) -> impl Iterator<Item = (Topic, &Trouble)> {
        self.lines.iter().filter_map(|line| match &line.outcome {
            Checked::Failed(trouble) => Some((line.topic, trouble)),
            _ => None,
        })
    }

    /// Whether nothing failed. What was not checked may still be wrong, and a weakness is no failure.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.failures().next().is_none()
    }
}

/// One thing that was looked at, and what came of it.
#[derive(Debug, Clone)]
pub struct CheckupLine {
    pub(super) topic: Topic,
    pub(super) outcome: Checked,
}

impl CheckupLine {
    pub(super) fn of(topic: Topic, result: Result<(), Trouble>) -> Self {
        let outcome = result.map_or_else(Checked::Failed, |()| Checked::Passed);
        Self { topic, outcome }
    }

    pub(super) const fn not_checked(topic: Topic, why: &'static str) -> Self {
        Self { topic, outcome: Checked::NotChecked(why) }
    }

    /// What was looked at.
    #[must_use]
    pub const fn topic(&self) -> Topic {
        self.topic
    }

    /// What came of it.
    #[must_use]
    pub const fn outcome(&self) -> &Checked {
        &self.outcome
    }
}

/// What a checkup looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Topic {
    /// What a broker would refuse to be built with, or its pages.
    Settings,
    /// The registration in Entra, from its manifest. Each finding has a line.
    Manifest,
    /// Whether Entra answers, for the vendor's own tenant, with the addresses that are asked.
    Addresses,
    /// Whether it calls itself as the ID tokens must.
    Authority,
    /// Whether Partner Center answers.
    PartnerCenter,
    /// Whether the clock agrees with theirs.
    Clock,
    /// Whether the application has a credential to show: within its dates, signed by its own key.
    CredentialShown,
    /// Whether Entra takes it.
    CredentialTaken,
    /// Whether the key ring seals, and opens what it sealed.
    Keys,
    /// Whether who signs receipts does so with the key that it names, where receipts are made.
    ReceiptKey,
    /// Whether the store keeps what is put there.
    Store,
    /// Whether the store for all but consents does, where there is one.
    WorkingStore,
    /// Whether the application is registered in Partner Center.
    PartnerCenterRegistration,
    /// Whether the vendor is enrolled as a control panel vendor.
    CpvEnrolment,
    /// What else holds in a cloud of one country.
    Sovereignty,
}

impl fmt::Display for Topic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Settings => "settings",
            Self::Manifest => "manifest",
            Self::Addresses => "addresses",
            Self::Authority => "authority",
            Self::PartnerCenter => "partner center",
            Self::Clock => "clock",
            Self::CredentialShown => "credential shown",
            Self::CredentialTaken => "credential taken",
            Self::Keys => "keys",
            Self::ReceiptKey => "receipt key",
            Self::Store => "store",
            Self::WorkingStore => "working store",
            Self::PartnerCenterRegistration => "pc registration",
            Self::CpvEnrolment => "cpv enrolment",
            Self::Sovereignty => "sovereign cloud",
        })
    }
}

/// What came of a look.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Checked {
    /// It is as it should be.
    Passed,
    /// It works, and could be better.
    Advised(ManifestFinding),
    /// It works, and is less safe than it could be, or will stop one day.
    Weak(ManifestFinding),
    /// It must be mended: [`Trouble::mend`] says how.
    Failed(Trouble),
    /// Nobody looked, for this reason.
    NotChecked(&'static str),
}

impl fmt::Display for Checkup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

impl fmt::Display for CheckupLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.topic;
        match &self.outcome {
            Checked::Passed => write!(out, "passed       {topic}"),
            Checked::Advised(finding) => {
                write!(out, "advice       {topic:<17} {finding}{TO_MEND}{}", finding.mend())
            }
            Checked::Weak(finding) => {
                write!(out, "weakness     {topic:<17} {finding}{TO_MEND}{}", finding.mend())
            }
            Checked::Failed(trouble) => {
                write!(out, "FAILED       {topic:<17} {trouble}{TO_MEND}{}", trouble.mend())
            }
            Checked::NotChecked(why) => write!(out, "not checked  {topic:<17} {why}"),
        }
    }
}

/// On a line of its own, below what was found.
const TO_MEND: &str = "\n                               -> ";
