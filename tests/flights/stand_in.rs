//! What the races happen around: a store that others write too, and rooms that stay empty.

/// The store. A read takes a moment before it sees the row and another before it answers.
pub(crate) mod ledger {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard};

    use shuttle::future::yield_now;

    use super::store::{Cursor, Kind, Page, Promises, Revision, Row, Selection};
    use crate::model::consent::StoredConsent;
    use crate::model::tenant::TenantId;

    #[derive(Debug, Clone)]
    pub(crate) struct Held<R> {
        pub(crate) record: R,
        pub(crate) revision: Revision,
    }

    #[derive(Debug, Clone)]
    pub(crate) enum LedgerError {
        Damaged {},
        Shredded {},
        Unavailable,
    }

    impl LedgerError {
        pub(crate) fn too_late() -> Self {
            Self::Unavailable
        }
    }

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Ledger(Arc<Mutex<Rows>>);

    #[derive(Default)]
    struct Rows {
        of: BTreeMap<TenantId, Held<StoredConsent>>,
        writes: u64,
        /// What happens between the next reading of a list, or of a row, and its answer.
        after_list: Happening,
        after_row: Happening,
    }

    type Happening = Option<Box<dyn FnOnce() + Send>>;

    impl std::fmt::Debug for Rows {
        fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(out, "Rows({})", self.writes)
        }
    }

    impl Ledger {
        /// Writes a row, as another process does.
        pub(crate) fn write(&self, record: StoredConsent) {
            let mut rows = self.rows();
            rows.writes += 1;
            let revision = Revision(rows.writes);
            rows.of.insert(record.consent.partner, Held { record, revision });
        }

        pub(crate) fn after_list(&self, happens: impl FnOnce() + Send + 'static) {
            self.rows().after_list = Some(Box::new(happens));
        }

        pub(crate) fn after_row(&self, happens: impl FnOnce() + Send + 'static) {
            self.rows().after_row = Some(Box::new(happens));
        }

        pub(crate) fn row(&self, partner: TenantId) -> Option<Held<StoredConsent>> {
            self.rows().of.get(&partner).cloned()
        }

        pub(crate) async fn consent(
            &self,
            partner: TenantId,
        ) -> Result<Option<Held<StoredConsent>>, LedgerError> {
            yield_now().await;
            let row = self.row(partner);
            let happening = self.rows().after_row.take();
            happening.into_iter().for_each(|happens| happens());
            yield_now().await;
            Ok(row)
        }

        pub(crate) async fn revision<R>(
            &self,
            partner: Option<TenantId>,
            _: &str,
        ) -> Result<Option<Revision>, LedgerError> {
            Ok(partner.and_then(|partner| self.row(partner)).map(|row| row.revision))
        }

        pub(crate) async fn row_of(
            &self,
            _: Kind,
            partner: Option<TenantId>,
            id: &str,
        ) -> Result<Option<Row>, LedgerError> {
            let revision = self.revision::<StoredConsent>(partner, id).await?;
            Ok(revision.zip(partner).map(|(revision, partner)| Row::new(partner, revision)))
        }

        pub(crate) async fn page(
            &self,
            _: Kind,
            Selection::ChangedAfter(mark): Selection,
            _: Option<Cursor>,
            _: usize,
        ) -> Result<Page, LedgerError> {
            yield_now().await;
            let (page, happening) = {
                let mut rows = self.rows();
                let changed = rows.of.iter().filter(|(_, held)| held.revision > mark);
                let changed = changed.map(|(partner, held)| Row::new(*partner, held.revision));
                let mut records: Vec<Row> = changed.collect();
                records.sort_by_key(|row| row.revision);
                (Page { records, damaged: Vec::new(), next: None }, rows.after_list.take())
            };
            happening.into_iter().for_each(|happens| happens());
            yield_now().await;
            Ok(page)
        }

        pub(crate) fn promises(&self, kind: Kind) -> Promises {
            Promises { shared_between_processes: kind == Kind::Consent }
        }

        fn rows(&self) -> MutexGuard<'_, Rows> {
            self.0.lock().expect("nobody panics here")
        }
    }
}

/// Events name invitations; nobody is invited here.
pub(crate) mod invitation {
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum InvitationId {}
}

/// The store's words.
pub(crate) mod store {
    use crate::model::tenant::TenantId;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct Revision(pub(super) u64);

    impl Revision {
        pub(crate) const ZERO: Self = Self(0);
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Kind {
        Consent,
        Freeze,
    }

    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Selection {
        ChangedAfter(Revision),
    }

    #[derive(Debug)]
    pub(crate) enum Cursor {}

    #[derive(Debug)]
    pub(crate) struct Page {
        pub(crate) records: Vec<Row>,
        pub(crate) damaged: Vec<String>,
        pub(crate) next: Option<Cursor>,
    }

    #[derive(Debug)]
    pub(crate) struct Row {
        pub(crate) key: Id,
        pub(crate) revision: Revision,
    }

    #[derive(Debug)]
    pub(crate) struct Id(String);

    impl Row {
        pub(crate) fn new(partner: TenantId, revision: Revision) -> Self {
            Self { key: Id(partner.to_string()), revision }
        }
    }

    impl Id {
        pub(crate) fn id(&self) -> &str {
            &self.0
        }
    }

    #[derive(Debug)]
    pub(crate) struct Promises {
        pub(crate) shared_between_processes: bool,
    }
}

/// A process that has not beaten yet: every change is read from the first.
pub(crate) mod roll {
    use super::store::Revision;

    #[derive(Debug)]
    pub(crate) struct Roll;

    impl Roll {
        pub(crate) fn mark(&self) -> Option<Revision> {
            Some(Revision::ZERO)
        }
    }
}

/// Nothing is frozen.
pub(crate) mod freezing {
    use crate::error::Error;
    use crate::model::tenant::{AccountId, TenantId};
    use crate::storage::ledger::LedgerError;

    #[derive(Debug)]
    pub(crate) struct Freezes;

    impl Freezes {
        pub(crate) fn is_on(&self) -> bool {
            false
        }

        pub(crate) fn admit(&self, _: TenantId, _: &AccountId) -> Result<(), Error> {
            Ok(())
        }

        pub(crate) async fn look(&self) -> Result<(), LedgerError> {
            Ok(())
        }
    }
}

/// Nothing is shared.
pub(crate) mod sharing {
    use std::time::Duration;

    use crate::journeys::cache::CacheKey;
    use crate::model::scope::Scopes;
    use crate::model::secret::AccessToken;

    #[derive(Debug)]
    pub(crate) struct Shared {
        pub(crate) secret: AccessToken,
        pub(crate) scopes: Scopes,
        pub(crate) left: Duration,
    }

    #[derive(Debug)]
    pub(crate) struct Sharing;

    impl Sharing {
        pub(crate) fn is_on(&self) -> bool {
            false
        }

        pub(crate) async fn find(&self, _: &CacheKey, _: &Scopes, _: Duration) -> Option<Shared> {
            None
        }

        pub(crate) async fn take_back(&self, _: &CacheKey, _: &Scopes) {}
    }
}

/// No API wants more proven.
pub(crate) mod challenge {
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub(crate) enum ClaimsChallenge {}
}

/// What is asked of each API.
pub(crate) mod registration {
    use crate::model::scope::Scopes;

    #[derive(Debug)]
    pub(crate) struct AppRegistration(pub(crate) Scopes);

    impl AppRegistration {
        pub(crate) fn scopes(&self) -> &Scopes {
            &self.0
        }
    }
}
