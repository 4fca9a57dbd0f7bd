//! Attackers: one who writes into the database, one who crafts callbacks, one with an account.

mod approvals;
mod callbacks;
mod credentials;
mod damage;
mod forgery;
mod invitations;
#[cfg(unix)]
mod openings;
mod people;
mod realms;
