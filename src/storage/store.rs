//! Where sealed records are kept: the contract of a store, and the stores of this crate.

pub mod conformance;
mod guarded;
mod key_vault;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod rehearsal;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::model::clock::unix_seconds;
use crate::model::cloud::Realm;
use crate::model::tenant::TenantId;
use crate::storage::seal::Sealed;

pub(crate) use self::guarded::Guarded;
pub use self::key_vault::{KeyVaultSecrets, Leftovers};
pub use self::memory::Memory;
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresBuilder};
pub(crate) use self::rehearsal::{Tried, Unkept, rehearse};
#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A partner's standing consent.
    Consent,
    /// A consent that was asked for and has not come back.
    Pending,
    /// A consent that came back and waits for a person to confirm it.
    Found,
    /// The key of one partner's records. A store keeps these apart from the others and their
    /// backups where it can: destroying one then shreds every copy of what it sealed.
    PartnerKey,
    /// Who may do, for now, what only one may do at a time.
    Lease,
    /// An access token that processes share until it ends.
    AccessToken,
    /// A process at work, with the keys that it can read.
    Process,
    /// A key of the ring that nothing may be wrapped under any more.
    RetiredKey,
    /// A stop on the hand-out of tokens.
    Freeze,
    /// How processes divide what the application may ask for in a second.
    Budget,
    /// What a consent became, signed, one of a partner's chain.
    Receipt,
    /// An invitation to consent.
    Invitation,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 12] = [
        Self::Consent,
        Self::Pending,
        Self::Found,
        Self::PartnerKey,
        Self::Lease,
        Self::AccessToken,
        Self::Process,
        Self::RetiredKey,
        Self::Freeze,
        Self::Budget,
        Self::Receipt,
        Self::Invitation,
    ];

    /// The name under which a store keeps this kind, unchanged from version to version.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Pending => "pending",
            Self::Found => "found",
            Self::PartnerKey => "partner-key",
            Self::Lease => "lease",
            Self::AccessToken => "access-token",
            Self::Process => "process",
            Self::RetiredKey => "retired-key",
            Self::Freeze => "freeze",
            Self::Budget => "budget",
            Self::Receipt => "receipt",
            Self::Invitation => "invitation",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The place of a record. Two keys are the same record when realm, kind and id are equal; the
/// partner stands beside them, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    realm: Realm,
    kind: Kind,
    partner: Option<TenantId>,
    id: String,
}

impl Key {
    /// The place of the record `id`; `partner` is `None` for what belongs to the application.
    pub fn new(realm: Realm, kind: Kind, partner: Option<TenantId>, id: impl Into<String>) -> Self {
        Self { realm, kind, partner, id: id.into() }
    }

    /// The cloud, environment and application that the record belongs to.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// What the record is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose record it is.
    #[must_use]
    pub const fn partner(&self) -> Option<TenantId> {
        self.partner
    }

    /// Its id, of any characters; compared byte by byte.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A mark that a store gives to each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(u64);

impl Revision {
    /// Before every write.
    pub const ZERO: Self = Self(0);

    /// The mark with this number, as a store issues it.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, as a store keeps it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a writer believes is in the store: there is no blind write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// There is no such record.
    Absent,
    /// The record is as it was written at this revision.
    At(Revision),
}

/// What a store keeps of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The record itself.
    pub sealed: Sealed,
    /// When the record wants attention: an index in clear, in whole seconds, never the truth.
    pub due: Option<SystemTime>,
}

/// A record as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place, with the partner as the store has it.
    pub key: Key,
    /// What was put there last.
    pub entry: Entry,
    /// The mark of that write.
    pub revision: Revision,
}

/// Which records a list names, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// Every one, by id.
    All,
    /// Those due at this time or before, the longest due first, then by id.
    DueBy(SystemTime),
    /// Those written after this mark, in the order of their last write.
    ChangedAfter(Revision),
}

impl Selection {
    /// Whether it names this record.
    #[must_use]
    pub fn admits(&self, stored: &Stored) -> bool {
        match self {
            Self::All => true,
            Self::DueBy(by) => {
                stored.entry.due.is_some_and(|due| unix_seconds(due) <= unix_seconds(*by))
            }
            Self::ChangedAfter(mark) => stored.revision > *mark,
        }
    }

    /// Where this record stands in the list.
    #[must_use]
    pub fn place(&self, stored: &Stored) -> Cursor {
        let number = match self {
            Self::All => 0,
            Self::DueBy(_) => stored.entry.due.map_or(0, unix_seconds),
            Self::ChangedAfter(_) => stored.revision.number(),
        };
        Cursor { number, id: stored.key.id().to_owned() }
    }
}

/// The place of a page's last record in its list; the next page holds what is greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The due time in seconds since 1970, or the revision, or 0: as the selection orders.
    pub number: u64,
    /// The record's id.
    pub id: String,
}

/// A question for a list of records.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only records of this realm.
    pub realm: Realm,
    /// Only records of this kind.
    pub kind: Kind,
    /// Which of them, in which order.
    pub selection: Selection,
    /// Only what comes after the page that ended here.
    pub cursor: Option<Cursor>,
    /// How many records a page holds at most; 0 counts as 1.
    pub limit: usize,
}

/// Some records of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<Stored>,
    /// The ids of records of this page whose rows the store cannot make out. They hide no others.
    pub damaged: Vec<String>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// What a store can do, as it says itself.
///
/// ```
/// use cpv_consent::store::Promises;
///
/// let mine = Promises { compare_and_swap: true, durable: true, ..Promises::NONE };
/// assert!(!mine.shared_between_processes);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Of several writers who expect the same, one succeeds and the others learn that they lost.
    pub compare_and_swap: bool,
    /// What was written outlives the process and a loss of power.
    pub durable: bool,
    /// Several processes may have the store open at once.
    pub shared_between_processes: bool,
    /// The kinds of records that it keeps.
    pub kinds: &'static [Kind],
    /// How many sealed bytes a record may have.
    pub longest_record: usize,
    /// How many bytes an id may have.
    pub longest_id: usize,
}

impl Promises {
    /// No more than the contract asks of every store: each kind, records of 1 MiB, ids of 10,000
    /// bytes.
    pub const NONE: Self = Self {
        compare_and_swap: false,
        durable: false,
        shared_between_processes: false,
        kinds: &Kind::ALL,
        longest_record: 1 << 20,
        longest_id: 10_000,
    };

    /// Refuses a record that goes beyond them, for a store that keeps no more than it promises.
    ///
    /// # Errors
    /// [`StoreError::Unfit`].
    pub fn admit(&self, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        let because = match () {
            () if !self.kinds.contains(&key.kind()) => "it keeps no records of this kind",
            () if key.id().len() > self.longest_id => "its id is too long",
            () if entry.sealed.as_bytes().len() > self.longest_record => "it is too long",
            () => return Ok(()),
        };
        Err(StoreError::unfit(because))
    }
}

/// Keeps sealed records. A store is dumb on purpose: it orders and compares, and opens nothing.
///
/// Each promise is checked by the test of its name in [`conformance`].
///
/// 1. `a_put_is_read_back`: `get` and `list` give the key, the bytes and the due time (in whole
///    seconds) of the last successful `put`, at the revision that `put` returned.
/// 2. `absent_means_absent`: a put that expects no record conflicts with one, and changes nothing.
/// 3. `a_moved_revision_conflicts`: a put or removal at any but the present revision, or where
///    there is no record, is [`StoreError::Conflict`] and changes nothing.
/// 4. `one_of_many_racing_writers_wins`, if `compare_and_swap` is promised; between processes too,
///    if `shared_between_processes` is.
/// 5. `revisions_grow_and_are_never_reused`: each is greater than all before it in the whole store,
///    those of removed records included.
/// 6. `identities_never_mix`: realms, kinds and ids are compared byte by byte, whatever is in them.
/// 7. `a_list_is_bound_to_its_realm_and_kind`.
/// 8. `pages_return_each_record_once`: no page is longer than its limit, and a record that does not
///    change while the pages are read is in exactly one of them.
/// 9. `due_records_come_oldest_first`, and those without a due time, or due later, not at all.
/// 10. `changes_come_in_order`: a record changed after a mark is listed after it, whoever wrote it.
/// 11. `realms_names_every_realm_that_has_a_record`, and no other.
/// 12. `a_removed_record_is_gone`, and its place can be taken again.
/// 13. `what_was_written_survives_reopening`, if `durable` is promised.
/// 14. `a_dropped_call_has_happened_or_not`, or does so soon after, whole or not at all. After
///     [`StoreError::Unavailable`] nobody knows; after any other error it has not happened.
/// 15. `no_error_shows_what_is_in_a_record`, nor does `Debug`.
/// 16. `what_goes_beyond_its_promises_is_kept_whole_or_refused` as [`StoreError::Unfit`]: records
///     too long, ids too long, other kinds.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The record at this key.
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;
    /// Writes a record if the store is as expected, and returns the mark of this write.
    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError>;
    /// Removes a record if it is still at this revision.
    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError>;
    /// One page of a list.
    async fn list(&self, filter: Filter) -> Result<Page, StoreError>;
    /// Every realm that has a record, as [`Realm`] prints itself.
    async fn realms(&self) -> Result<Vec<String>, StoreError>;
    /// What this store can do.
    fn promises(&self) -> Promises;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.as_ref().get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.as_ref().put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.as_ref().remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.as_ref().list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.as_ref().realms().await
    }

    fn promises(&self) -> Promises {
        self.as_ref().promises()
    }
}

/// Why a store did not do what it was asked. Each variant says whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another writer came first: read again and decide anew.
    #[error("the record was changed by another writer")]
    Conflict,
    /// The store did not answer, and whether a write happened is not known: try again.
    #[error("the store is unavailable: {because}")]
    Unavailable {
        /// What stood in the way.
        because: Cow<'static, str>,
    },
    /// There is no room: an operator makes some.
    #[error("the store is full: make room for it")]
    Full,
    /// The store cannot be written: an operator finds out why.
    #[error("the store is read only: let this process write there")]
    ReadOnly,
    /// What the store holds is broken: an operator restores it.
    #[error("the store is damaged: {because}")]
    Damaged {
        /// What is broken.
        because: Cow<'static, str>,
    },
    /// The store does not keep such records: whoever chose it adds one that does.
    #[error("the store cannot keep this record: {because}")]
    Unfit {
        /// What is too much for it.
        because: Cow<'static, str>,
    },
    /// This is no store that this program may use: whoever set it up puts it right.
    #[error("the store cannot be used: {because}")]
    Unusable {
        /// What is wrong with it.
        because: Cow<'static, str>,
    },
}

impl StoreError {
    /// The store did not answer; `because` says what stood in the way, without a secret in it.
    pub fn unavailable(because: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable { because: because.into() }
    }

    /// What the store holds is broken; `because` says what, without a secret in it.
    pub fn damaged(because: impl Into<Cow<'static, str>>) -> Self {
        Self::Damaged { because: because.into() }
    }

    /// The store does not keep such records; `because` says what is too much for it.
    pub fn unfit(because: impl Into<Cow<'static, str>>) -> Self {
        Self::Unfit { because: because.into() }
    }

    /// This is no store that may be used; `because` says why, without a secret in it.
    pub fn unusable(because: impl Into<Cow<'static, str>>) -> Self {
        Self::Unusable { because: because.into() }
    }
}
