//! How we speak.

pub(crate) mod client_assertion;
pub(crate) mod http;
