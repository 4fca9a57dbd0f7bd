//! Which store keeps what.

use std::sync::Arc;

use crate::storage::store::{Guarded, Kind, Store};

/// The host's stores, by what they keep.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    main: Arc<dyn Store>,
    working: Option<Arc<dyn Store>>,
}

impl Stores {
    /// Consents lie in `main`; all else does too, unless there is a working store.
    pub(crate) fn new(main: Arc<dyn Store>, working: Option<Arc<dyn Store>>) -> Self {
        let guarded = |store| -> Arc<dyn Store> { Arc::new(Guarded::new(store)) };
        Self { main: guarded(main), working: working.map(guarded) }
    }

    /// Every store there is.
    pub(crate) fn each(&self) -> impl Iterator<Item = &dyn Store> {
        std::iter::once(&self.main).chain(&self.working).map(AsRef::as_ref)
    }

    /// The store of one kind.
    pub(crate) fn of(&self, kind: Kind) -> &dyn Store {
        match (kind, &self.working) {
            (Kind::Consent, _) | (_, None) => self.main.as_ref(),
            (_, Some(working)) => working.as_ref(),
        }
    }
}
