//! How we speak.

pub(crate) mod client_assertion;
pub(crate) mod http;
pub(crate) mod key_vault;
pub(crate) mod pace;
pub(crate) mod throttle;
