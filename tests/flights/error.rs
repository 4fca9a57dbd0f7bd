//! As much of the crate's error as the races can meet.

use std::time::Duration;

use crate::model::entra_error::Cause;
use crate::model::policy::Refused;
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;
use crate::storage::ledger::LedgerError;

#[derive(Debug, Clone)]
pub enum Error {
    Refused(Refused),
    NoConsent { partner: TenantId, absence: Absence },
    Superseded { partner: TenantId },
    TokenRefused { partner: TenantId, tenant: TenantId, resource: Resource, left: Duration },
    ForeignToken {},
    Damaged {},
    Entra,
    Closed,
    Defect(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    Never,
    Ended(Cause),
    Withdrawn,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<LedgerError> for Error {
    fn from(_: LedgerError) -> Self {
        Self::Damaged {}
    }
}
