//! The journeys, each the only place where its story is told.

pub(crate) mod cache;
pub(crate) mod casebook;
pub(crate) mod checkup;
pub(crate) mod circuit;
pub(crate) mod diagnosis;
pub(crate) mod exchange;
pub(crate) mod flight;
pub(crate) mod freezing;
pub(crate) mod guard;
pub(crate) mod invitation;
pub(crate) mod lasting;
pub(crate) mod offboarding;
pub(crate) mod offers;
pub(crate) mod onboarding;
pub(crate) mod receipts;
pub(crate) mod rekeying;
pub(crate) mod scan;
pub(crate) mod sharing;
pub(crate) mod standing;
pub(crate) mod sweeping;
pub(crate) mod tally;
pub(crate) mod token;
pub(crate) mod transfer;
pub(crate) mod verification;
pub(crate) mod watch;
