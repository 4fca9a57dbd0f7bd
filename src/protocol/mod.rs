//! What we say.

pub(crate) mod authorization;
pub(crate) mod challenge;
pub(crate) mod discovery;
pub(crate) mod id_token;
pub(crate) mod json;
pub(crate) mod partner_center;
pub(crate) mod token_endpoint;
