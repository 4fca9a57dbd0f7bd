//! A look before the first partner: all in order, then each thing broken in turn, and only that line
//! fails.

mod bench;
mod microsoft;
mod registered;
mod vendor;
