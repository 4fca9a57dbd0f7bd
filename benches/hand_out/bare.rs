//! The maps without anything around them.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, PoisonError, RwLock};

use cpv_consent::measure::TokenPlace;

type Value = Arc<[u8]>;

pub(crate) trait Bare: Default {
    fn put(&self, place: TokenPlace);
    fn find(&self, place: &TokenPlace) -> Option<Value>;
}

/// 64 maps, each behind a lock of its own.
pub(crate) struct Shelves(Vec<Shelf>);

#[derive(Default)]
#[repr(align(128))]
struct Shelf(RwLock<HashMap<TokenPlace, Value>>);

impl Default for Shelves {
    fn default() -> Self {
        Self((0..64).map(|_| Shelf::default()).collect())
    }
}

impl Bare for Shelves {
    fn put(&self, place: TokenPlace) {
        let shelf = &self.0[place.spread() % 64];
        shelf.0.write().unwrap_or_else(PoisonError::into_inner).insert(place, value());
    }

    fn find(&self, place: &TokenPlace) -> Option<Value> {
        let shelf = &self.0[place.spread() % 64];
        shelf.0.read().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }
}

/// A map that readers do not lock.
#[derive(Default)]
pub(crate) struct Papaya(papaya::HashMap<TokenPlace, Value, RandomState>);

impl Bare for Papaya {
    fn put(&self, place: TokenPlace) {
        self.0.pin().insert(place, value());
    }

    fn find(&self, place: &TokenPlace) -> Option<Value> {
        self.0.pin().get(place).cloned()
    }
}

/// As long as a token is.
fn value() -> Value {
    Arc::from([0_u8; 1500])
}
