//! The life of keys: from one key of the ring to the next under traffic, and a partner's key until
//! it is destroyed.

#[cfg(unix)]
mod acceptance;
mod ring;
mod shredding;
