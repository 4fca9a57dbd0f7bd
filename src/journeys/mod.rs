//! The journeys, each the only place where its story is told.

pub(crate) mod cache;
pub(crate) mod exchange;
pub(crate) mod flight;
pub(crate) mod offboarding;
pub(crate) mod onboarding;
pub(crate) mod standing;
