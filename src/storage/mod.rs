//! How we keep: keys that wrap keys, sealed records, and the stores that hold them.

pub(crate) mod budget;
pub(crate) mod consents;
pub(crate) mod keyring;
pub(crate) mod lease;
pub(crate) mod ledger;
pub(crate) mod parcel;
pub(crate) mod receipts;
pub(crate) mod roll;
pub(crate) mod seal;
pub mod store;
