//! Values, parsed once, without I/O.

pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod consent;
#[cfg_attr(not(test), expect(dead_code, reason = "hand-outs do not ask it yet"))]
pub(crate) mod enforcement;
pub(crate) mod entra_error;
pub(crate) mod event;
pub(crate) mod freeze;
pub(crate) mod invalid;
pub(crate) mod mfa;
pub(crate) mod motive;
pub(crate) mod policy;
pub(crate) mod registration;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod tenant;
