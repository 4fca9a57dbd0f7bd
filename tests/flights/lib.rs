//! What decides over hand-outs, compiled over a model checker's locks, atomics and tasks.
//!
//! The modules of `src` that are named here are the very files; `sync` takes the place of
//! `model::sync`, and `stand_in` and `desk` that of the store, Entra, and whatever else plays no part
//! in the races. A scenario is what happens in one execution; `tests/flights.rs` tries it under many
//! schedules.
//!
//! It is a package of its own because `cfg(test)` must be off: the files' own tests want real locks.
#![allow(dead_code, unused_imports, reason = "a stand-in house has rooms that nobody enters")]

mod error;
pub mod scenarios;
mod stand_in;
mod sync;

#[path = "../../src/model"]
mod model {
    pub(crate) mod clock;
    pub(crate) mod cloud;
    pub(crate) mod consent;
    pub(crate) mod enforcement;
    pub(crate) mod entra_error;
    pub(crate) mod event;
    pub(crate) mod freeze;
    pub(crate) mod invalid;
    pub(crate) mod mfa;
    pub(crate) mod motive;
    pub(crate) mod policy;
    pub(crate) mod receipt;
    pub(crate) mod scope;
    pub(crate) mod secret;
    pub(crate) mod tenant;

    pub(crate) use crate::stand_in::{invitation, registration};
    pub(crate) use crate::sync;
}

mod storage {
    pub(crate) use crate::stand_in::{ledger, roll, store};
}

mod protocol {
    pub(crate) use crate::stand_in::challenge;
}

#[path = "../../src/journeys"]
mod journeys {
    pub(crate) mod cache;
    pub(crate) mod flight;
    pub(crate) mod offers;
    pub(crate) mod standing;
    pub(crate) mod token;
    pub(crate) mod watch;

    pub(crate) use crate::stand_in::{freezing, sharing};

    pub(crate) mod exchange {
        #[path = "../../../tests/flights/desk.rs"]
        mod desk;
        mod flying;
        mod hand_out;
        mod unsaved;
        mod view;

        pub(crate) use desk::*;
        pub(crate) use hand_out::Access;
        use view::usable;
    }
}
