//! Values, parsed once, without I/O.

pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod consent;
pub(crate) mod enforcement;
pub(crate) mod entra_error;
pub(crate) mod event;
pub(crate) mod fingerprint;
pub(crate) mod freeze;
pub(crate) mod invalid;
pub(crate) mod invitation;
pub(crate) mod manifest;
pub(crate) mod mfa;
pub(crate) mod motive;
pub(crate) mod partner_kind;
pub(crate) mod policy;
pub(crate) mod receipt;
pub(crate) mod registration;
pub(crate) mod resource_id;
pub(crate) mod role;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod sync;
pub(crate) mod tenant;
