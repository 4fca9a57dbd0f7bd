//! Tokens: what they say, how they are signed, and how the opaque ones are sealed.

pub(super) mod jwt;
pub(super) mod mint;
pub(super) mod seal;
