//! What opens, and everything that must not.

use async_trait::async_trait;

use super::*;
use crate::model::clock::{VirtualClock, from_unix_seconds};
use crate::model::cloud::{Cloud, Environment};
use crate::model::tenant::ClientId;
use crate::storage::keyring::{KeyId, KeyRing, KeyWrap, Keyholder, LocalKey};

const APPLICATION: &str = "11111111-1111-4111-8111-111111111111";
const CONTOSO: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const FABRIKAM: &str = "33333333-3333-4333-8333-333333333333";

fn tenant(text: &str) -> Option<TenantId> {
    Some(TenantId::parse(text).expect("a GUID"))
}

fn realm_of(cloud: &Cloud, environment: Environment, application: &str) -> Realm {
    Realm::new(cloud, environment, ClientId::parse(application).expect("a GUID"))
}

fn realm() -> Realm {
    realm_of(&Cloud::Global, Environment::Production, APPLICATION)
}

fn place(realm: &Realm) -> Identity<'_> {
    Identity { realm, kind: "consent", partner: tenant(CONTOSO), id: "record" }
}

fn data_key() -> DataKey {
    DataKey::generate().expect("random bytes")
}

fn partner_key() -> PartnerKey {
    PartnerKey::from(&data_key())
}

fn sealed(identity: &Identity<'_>, key: &PartnerKey, text: &str) -> Sealed {
    let plaintext = Zeroizing::new(text.as_bytes().to_vec());
    seal(identity, 7, key, plaintext).expect("random bytes")
}

fn damage(identity: &Identity<'_>, key: &PartnerKey, sealed: &Sealed) -> Damage {
    open(identity, key, sealed).err().expect("it must not open")
}

#[test]
fn what_was_sealed_opens_in_its_place() {
    let (realm, key) = (realm(), partner_key());
    let opened = open(&place(&realm), &key, &sealed(&place(&realm), &key, "text")).expect("ours");
    assert_eq!((opened.generation, opened.plaintext.as_slice()), (7, b"text".as_slice()));
}

#[test]
fn the_same_text_twice_differs_in_every_random_part() {
    //
    let (realm, key) = (realm(), partner_key());
    let [first, second] = [(); 2].map(|()| sealed(&place(&realm), &key, "text"));
    let first = Envelope::parse(&first).expect("an envelope");
    let second = Envelope::parse(&second).expect("an envelope");
    assert_ne!(first.key_nonce, second.key_nonce);
    assert_ne!(first.wrapped_key, second.wrapped_key);
    assert_ne!(first.nonce, second.nonce);
    assert_ne!(first.ciphertext, second.ciphertext);
}

#[test]
fn one_changed_bit_anywhere_does_not_open() {
    //
    let (realm, key) = (realm(), partner_key());
    let sealed = sealed(&place(&realm), &key, "text");
    for bit in 0..sealed.as_bytes().len() * 8 {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&place(&realm), &key, &Sealed(bytes)).is_err(), "bit {bit}");
    }
}

#[test]
fn a_cut_or_lengthened_envelope_does_not_open() {
    let (realm, key) = (realm(), partner_key());
    let sealed = sealed(&place(&realm), &key, "text");
    for length in 0..sealed.as_bytes().len() {
        let cut = Sealed(sealed.as_bytes()[..length].to_vec());
        assert!(open(&place(&realm), &key, &cut).is_err(), "{length} bytes");
    }
    let longer = Sealed([sealed.as_bytes(), &[0]].concat());
    assert_eq!(damage(&place(&realm), &key, &longer), Damage::Forged);
}

#[test]
fn an_empty_text_is_the_shortest_that_opens() {
    let (realm, key) = (realm(), partner_key());
    let sealed = sealed(&place(&realm), &key, "");
    assert!(open(&place(&realm), &key, &sealed).expect("ours").plaintext.is_empty());
    let cut = Sealed(sealed.as_bytes()[..sealed.as_bytes().len() - 1].to_vec());
    assert_eq!(damage(&place(&realm), &key, &cut), Damage::Shape);
}

#[test]
fn an_envelope_fills_the_room_that_was_made_for_it() {
    let sealed = sealed(&place(&realm()), &partner_key(), "text");
    assert_eq!(sealed.0.capacity(), sealed.0.len());
}

#[test]
fn every_part_of_the_place_is_bound() {
    //
    let key = partner_key();
    let (home, own) = (realm(), realm());
    let here = place(&home);
    let sealed = sealed(&here, &key, "text");
    assert!(open(&place(&own), &key, &sealed).is_ok());
    for other in [
        Identity { kind: "found", ..here },
        Identity { partner: tenant(FABRIKAM), ..here },
        Identity { partner: None, ..here },
        Identity { id: "another", ..here },
    ] {
        assert_eq!(damage(&other, &key, &sealed), Damage::Forged, "{other:?}");
    }
    for realm in other_realms() {
        assert_eq!(damage(&place(&realm), &key, &sealed), Damage::Forged, "{realm}");
    }
}

/// Each differs from [`realm`] in one part only, the last one in its login origin and name.
fn other_realms() -> [Realm; 4] {
    let origins = crate::model::cloud::Origins {
        login: "https://login.microsoftonline.com",
        partner_center: "https://pc.example",
        graph: "https://graph.example",
    };
    let same_origin = Cloud::custom("global", origins).expect("https origins");
    [
        realm_of(&Cloud::Global, Environment::Sandbox, APPLICATION),
        realm_of(&Cloud::Global, Environment::Production, FABRIKAM),
        realm_of(&same_origin, Environment::Production, APPLICATION),
        realm_of(&Cloud::China, Environment::Production, APPLICATION),
    ]
}

#[test]
fn bound_fields_cannot_be_shifted_into_one_another() {
    //
    assert_ne!(length_prefixed(&[b"ab", b"c"]), length_prefixed(&[b"a", b"bc"]));
    assert_ne!(length_prefixed(&[b"ab", b""]), length_prefixed(&[b"", b"ab"]));
    let (realm, key) = (realm(), partner_key());
    let shifted = Identity { kind: "con", id: "sent", ..place(&realm) };
    let here = Identity { kind: "cons", id: "ent", ..place(&realm) };
    assert_eq!(damage(&shifted, &key, &sealed(&here, &key, "text")), Damage::Forged);
}

#[test]
fn another_partner_key_does_not_open() {
    let (realm, key) = (realm(), partner_key());
    let sealed = sealed(&place(&realm), &key, "text");
    assert_eq!(damage(&place(&realm), &partner_key(), &sealed), Damage::Forged);
    assert_eq!(said(&sealed).expect("an envelope").under, key.id());
}

#[test]
fn unknown_formats_and_algorithms_are_named_and_not_guessed() {
    //
    let (realm, key) = (realm(), partner_key());
    let sealed = sealed(&place(&realm), &key, "text");
    let with = |place: usize, value: u8| {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[place] = value;
        Sealed(bytes)
    };
    assert_eq!(damage(&place(&realm), &key, &with(0, b'X')), Damage::Shape);
    assert_eq!(damage(&place(&realm), &key, &with(4, 9)), Damage::Format(9));
    assert_eq!(damage(&place(&realm), &key, &with(5, 9)), Damage::Algorithm(9));
}

#[test]
fn sealed_bytes_show_their_length_only() {
    //
    assert_eq!(format!("{:?}", Sealed(b"CPVS".to_vec())), "Sealed(4 bytes)");
    assert_eq!(format!("{:?}", partner_key()), "PartnerKey([redacted])");
}

fn holder(key: impl KeyWrap) -> Keyholder {
    Keyholder::new(KeyRing::new(key), std::sync::Arc::new(VirtualClock::default()))
}

fn ring(id: &str) -> Keyholder {
    holder(LocalKey::generate(id).expect("a key"))
}

fn refused(id: &str) -> UnwrapError {
    KeyError::Refused { id: KeyId::new(id).expect("an id") }.into()
}

async fn unwrapped(
    identity: &Identity<'_>,
    holder: &Keyholder,
    sealed: &Sealed,
) -> Result<PartnerKeyId, UnwrapError> {
    let key = KeyRow::read(identity, holder, sealed)?.unwrap(holder).await?;
    Ok(PartnerKey::from(&key.expect("no mark")).id())
}

fn key_place(realm: &Realm) -> Identity<'_> {
    Identity { kind: "partner-key", ..place(realm) }
}

fn destroyed() -> Destroyed {
    Destroyed { generation: 7, at: from_unix_seconds(1_800_000_000) }
}

#[tokio::test]
async fn a_wrapped_partner_key_opens_in_its_place_only() {
    //
    let (realm, ring, key) = (realm(), ring("a"), data_key());
    let here = key_place(&realm);
    let sealed = wrap_key(&here, &ring, &key, None).await.expect("wraps");
    let id = PartnerKey::from(&key).id();
    assert_eq!(unwrapped(&here, &ring, &sealed).await, Ok(id));
    let elsewhere = Identity { partner: tenant(FABRIKAM), ..here };
    assert_eq!(unwrapped(&elsewhere, &ring, &sealed).await, Err(refused("a")));
}

#[tokio::test]
async fn a_changed_partner_key_or_mark_is_not_believed() {
    //
    let (realm, ring) = (realm(), ring("a"));
    let here = key_place(&realm);
    let key = wrap_key(&here, &ring, &data_key(), Some(destroyed())).await.expect("wraps");
    let mark = mark(&here, &ring, destroyed()).expect("signs");
    for sealed in [key, mark] {
        assert!(KeyRow::read(&here, &ring, &sealed).is_ok());
        for bit in 0..sealed.as_bytes().len() * 8 {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(KeyRow::read(&here, &ring, &Sealed(bytes)).is_err(), "bit {bit}");
        }
        for length in 0..sealed.as_bytes().len() {
            let cut = Sealed(sealed.as_bytes()[..length].to_vec());
            assert!(KeyRow::read(&here, &ring, &cut).is_err(), "{length} bytes");
        }
    }
}

#[tokio::test]
async fn another_ring_refuses_and_a_ring_without_the_key_names_it() {
    //
    let realm = realm();
    let here = key_place(&realm);
    let sealed = wrap_key(&here, &ring("a"), &data_key(), None).await.expect("wraps");
    assert_eq!(unwrapped(&here, &ring("a"), &sealed).await, Err(refused("a")));
    let unknown = KeyError::Unknown { id: KeyId::new("a").expect("an id") };
    assert_eq!(unwrapped(&here, &ring("b"), &sealed).await, Err(unknown.into()));
}

#[tokio::test]
async fn a_mark_says_what_was_destroyed_and_a_later_key_remembers_it() {
    //
    let (realm, ring) = (realm(), ring("a"));
    let here = key_place(&realm);
    let marked = mark(&here, &ring, destroyed()).expect("signs");
    assert!(marked.marks_destruction());
    let row = KeyRow::read(&here, &ring, &marked).expect("ours");
    assert_eq!((row.mark(), row.destroyed()), (Some(destroyed()), Some(destroyed())));
    assert!(row.unwrap(&ring).await.expect("nothing to ask for").is_none());
    let key = wrap_key(&here, &ring, &data_key(), Some(destroyed())).await.expect("wraps");
    assert!(!key.marks_destruction());
    let row = KeyRow::read(&here, &ring, &key).expect("ours");
    assert_eq!((row.mark(), row.destroyed()), (None, Some(destroyed())));
}

#[tokio::test]
async fn what_is_rewrapped_stays_what_it_is() {
    let realm = realm();
    let here = key_place(&realm);
    let (old, new) = ([4; 32], [5; 32]);
    let local = |id, bytes: [u8; 32]| {
        LocalKey::from_bytes(id, &[&bytes[..31], &[0]].concat()).expect("32 bytes")
    };
    let before = holder(local("old", old));
    let ring = KeyRing::new(local("new", new)).readable(local("old", old)).expect("two names");
    let both = Keyholder::new(ring, std::sync::Arc::new(VirtualClock::default()));
    let after = holder(local("new", new));
    let key = data_key();
    let sealed = wrap_key(&here, &before, &key, Some(destroyed())).await.expect("wraps");
    let marked = mark(&here, &before, destroyed()).expect("signs");
    for (sealed, is_mark) in [(sealed, false), (marked, true)] {
        let row = KeyRow::read(&here, &both, &sealed).expect("ours");
        let rewrapped = row.rewrap(&here, &both).await.expect("wraps");
        assert_eq!(said_to_be_under(&rewrapped).expect("a row").as_str(), "new");
        let row = KeyRow::read(&here, &after, &rewrapped).expect("under the new key alone");
        assert_eq!(row.destroyed(), Some(destroyed()));
        let found = row.unwrap(&after).await.expect("under the new key alone");
        assert_eq!(found.is_none(), is_mark);
        assert!(found.is_none_or(|found| found.expose() == key.expose()));
    }
}

/// Wraps as a public key would: anyone can, and only the origin is the holder's.
#[derive(Debug)]
pub(crate) struct PublicWrap {
    id: KeyId,
    origin: DataKey,
}

impl PublicWrap {
    pub(crate) fn held_by(origin: DataKey) -> Self {
        Self { id: KeyId::new("public").expect("an id"), origin }
    }
}

#[async_trait]
impl KeyWrap for PublicWrap {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        Ok(key.expose().map(|byte| !byte).to_vec())
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let key: Vec<u8> = wrapped.iter().map(|byte| !byte).collect();
        DataKey::from_slice(&key).map_err(|_| KeyError::Refused { id: self.id.clone() })
    }

    fn origin(&self) -> &DataKey {
        &self.origin
    }
}

#[tokio::test]
async fn who_can_only_wrap_cannot_forge() {
    let realm = realm();
    let here = key_place(&realm);
    let [owner, forger] = [(); 2].map(|()| holder(PublicWrap::held_by(data_key())));
    let theirs = data_key();
    let forged = wrap_key(&here, &forger, &theirs, None).await.expect("anyone can wrap");
    assert_eq!(unwrapped(&here, &forger, &forged).await, Ok(PartnerKey::from(&theirs).id()));
    assert_eq!(unwrapped(&here, &owner, &forged).await, Err(refused("public")));
    let forged = mark(&here, &forger, destroyed()).expect("signs");
    assert_eq!(KeyRow::read(&here, &owner, &forged).expect_err("forged"), refused("public"));
}
