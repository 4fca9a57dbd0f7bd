//! What a row in the place of a partner's key remembers, and which rows are none.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;

use super::*;
use crate::model::clock::VirtualClock;
use crate::model::cloud::{Cloud, Environment, Realm};
use crate::model::consent::{ConsentState, ConsentingUser, Guest};
use crate::model::enforcement::Enforcement;
use crate::model::partner_kind::PartnerKind;
use crate::model::scope::Scopes;
use crate::model::tenant::{AccountId, ClientId, TenantId, UserId};
use crate::storage::keyring::{KeyRing, KeyWrap, LocalKey};

const ID: &str = "33333333-3333-4333-8333-333333333333";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn let_go(generation: u64, seconds: u64) -> Destroyed {
    Destroyed { generation, at: at(seconds) }
}

fn tombstone(generation: u64, withdrawn_at: Option<u64>, state: ConsentState) -> Consent {
    let user = ConsentingUser {
        id: UserId::parse(ID).expect("a GUID"),
        subject: "subject".to_owned(),
        name: None,
        guest: Guest::No,
        roles: None,
    };
    Consent {
        partner: TenantId::parse(ID).expect("a GUID"),
        account: AccountId::new("panel-1").expect("plain"),
        user,
        scopes: Scopes::default(),
        kind: PartnerKind::Direct,
        mfa: None,
        flow: "flow".to_owned(),
        generation,
        withdrawn_at,
        begun_at: at(1),
        confirmed_at: at(2),
        token_issued_at: at(2),
        state,
        enforcement: Enforcement::default(),
    }
}

#[test]
fn only_a_tombstone_tells_of_a_withdrawal() {
    //
    let gone = || ConsentState::Withdrawn { at: at(600) };
    let told = |generation, at, state| Destroyed::told_by(&tombstone(generation, at, state));
    assert_eq!(told(4, Some(600), gone()), Some(let_go(3, 600)));
    assert_eq!(told(0, Some(600), gone()), Some(let_go(0, 600)));
    assert_eq!(told(4, None, gone()), None);
    assert_eq!(told(4, Some(600), ConsentState::Live), None, "it was, and has consented anew");
}

#[test]
fn two_memories_are_the_higher_and_the_later() {
    assert_eq!(let_go(3, 600).with(let_go(2, 700)), let_go(3, 700));
    assert_eq!(let_go(2, 700).with(let_go(3, 600)), let_go(3, 700));
}

#[test]
fn what_began_within_the_same_second_was_overtaken() {
    let gone = let_go(3, 600);
    assert!(gone.overtook(at(599)) && gone.overtook(at(600)));
    assert!(gone.overtook(at(600) + Duration::from_millis(999)) && !gone.overtook(at(601)));
}

#[test]
fn a_key_remembers_what_it_is_told() {
    let key = PartnerKey::from(&DataKey::generate().expect("random bytes"));
    assert_eq!(key.let_go(), None);
    assert_eq!(key.remembering(Some(let_go(3, 600))).let_go(), Some(let_go(3, 600)));
}

fn holder(key: impl KeyWrap) -> Keyholder {
    Keyholder::new(KeyRing::new(key), Arc::new(VirtualClock::default()))
}

fn ring() -> Keyholder {
    holder(LocalKey::generate("a").expect("a key"))
}

fn realm() -> Realm {
    let application = ClientId::parse(ID).expect("a GUID");
    Realm::new(&Cloud::Global, Environment::Production, application)
}

fn place(realm: &Realm) -> Identity<'_> {
    Identity { realm, kind: "partner-key", partner: None, id: "record" }
}

/// Signed by the ring, so that only its form can be at fault.
fn read(clear: Vec<u8>) -> Result<Option<Destroyed>, UnwrapError> {
    let (realm, ring) = (realm(), ring());
    let sealed = sign(&place(&realm), &ring, clear).expect("signs");
    said_to_be_under(&sealed)?;
    KeyRow::read(&place(&realm), &ring, &sealed).map(|row| row.destroyed())
}

fn key_row(after: Option<Destroyed>) -> Vec<u8> {
    [start(KEY, after, &ring()), vec![0, 3, 1, 2, 3]].concat()
}

#[test]
fn a_row_is_whole_or_it_is_none() {
    //
    let gone = Some(let_go(3, 600));
    assert_eq!(read(key_row(None)), Ok(None));
    assert_eq!(read(key_row(gone)), Ok(gone));
    assert_eq!(read(start(MARK, gone, &ring())), Ok(gone));
    let more = |mut row: Vec<u8>| {
        row.push(0);
        row
    };
    let other = |magic: &[u8; 4], format: u8| {
        let mut row = start(magic, gone, &ring());
        row[4] = format;
        row
    };
    for (row, damage) in [
        (more(key_row(gone)), Damage::Shape),
        (more(start(MARK, gone, &ring())), Damage::Shape),
        (start(MARK, None, &ring()), Damage::Shape),
        (start(KEY, gone, &ring()), Damage::Shape),
        (other(b"CPVX", FORMAT), Damage::Shape),
        (other(MARK, 9), Damage::Format(9)),
    ] {
        assert_eq!(read(row), Err(damage.into()));
    }
}

#[test]
fn a_mark_is_told_by_its_first_bytes() {
    let marks = |clear: Vec<u8>| Sealed::from_bytes(clear).marks_destruction();
    assert!(marks(start(MARK, Some(let_go(3, 600)), &ring())));
    assert!(!marks(key_row(None)));
}

#[test]
fn a_row_that_is_told_of_a_letting_go_remembers_it() {
    let (realm, ring) = (realm(), ring());
    let row = sign(&place(&realm), &ring, key_row(None)).expect("signs");
    let row = KeyRow::read(&place(&realm), &ring, &row).expect("ours");
    let row = row.remembering(let_go(3, 600));
    assert_eq!((row.destroyed(), row.mark()), (Some(let_go(3, 600)), None));
}

/// Hides nothing, in so many bytes.
#[derive(Debug)]
struct Long(KeyId, DataKey, usize);

#[async_trait]
impl KeyWrap for Long {
    fn id(&self) -> &KeyId {
        &self.0
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        let mut wrapped = key.expose().to_vec();
        wrapped.resize(self.2, 0);
        Ok(wrapped)
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let key = wrapped.get(..DataKey::LENGTH).unwrap_or_default();
        DataKey::from_slice(key).map_err(|_| KeyError::Refused { id: self.0.clone() })
    }

    fn origin(&self) -> &DataKey {
        &self.1
    }
}

#[tokio::test]
async fn a_wrapped_key_that_does_not_fit_is_refused() {
    let (realm, key) = (realm(), DataKey::generate().expect("random bytes"));
    let wrapped = async |length| {
        let origin = DataKey::generate().expect("random bytes");
        let ring = holder(Long(KeyId::new("long").expect("an id"), origin, length));
        wrap_key(&place(&realm), &ring, &key, None).await.is_ok()
    };
    assert!(wrapped(65_535).await && !wrapped(65_536).await);
}
