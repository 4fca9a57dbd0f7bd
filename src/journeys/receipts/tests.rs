use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::checkpoint::{ChainText, CheckpointText};
use super::line::{Envelope, Text};
use super::*;
use crate::model::cloud::{Cloud, Environment, Realm};
use crate::model::entra_error::Cause;
use crate::model::receipt::{ConsentChange, Head, Note, hex};
use crate::model::tenant::{ClientId, TenantId};
use crate::storage::keyring::LocalKey;
use crate::storage::receipts::ReceiptKey;

const CONTOSO: &str = "11111111-1111-4111-8111-111111111111";
const FABRIKAM: &str = "22222222-2222-4222-8222-222222222222";

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).expect("a GUID")
}

fn realm(environment: Environment) -> Realm {
    let application = ClientId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
    Realm::new(&Cloud::Global, environment, application)
}

fn key(id: &str) -> ReceiptKey {
    ReceiptKey::new(&LocalKey::generate(id).expect("a key"))
}

fn at(minute: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(60 * minute)
}

/// A chain written by hand: no store and no broker.
struct Paper {
    partner: TenantId,
    realm: Realm,
    last: Option<Head>,
    receipts: Vec<Receipt>,
}

impl Paper {
    fn of(partner: &str) -> Self {
        let realm = realm(Environment::Production);
        Self { partner: tenant(partner), realm, last: None, receipts: Vec::new() }
    }

    async fn add(&mut self, key: &ReceiptKey, change: ConsentChange, at: SystemTime) {
        let mut note = Note::new(change, 7, at);
        if self.receipts.is_empty() {
            note = note.about("user.id", FABRIKAM.to_owned());
            note = note.about("user.name", "Jane Dœ <jane@contoso.example>".to_owned());
        }
        let last = self.last.as_ref();
        let id = key.public().id().as_str();
        let text = Text::after(last, &note, self.partner, &self.realm, id);
        let receipt = signed(key, &text, note.person.clone()).await;
        self.last = Some(receipt.head());
        self.receipts.push(receipt);
    }

    /// Four receipts, a minute apart, from minute 1 on.
    async fn written(partner: &str, key: &ReceiptKey) -> Self {
        let mut paper = Self::of(partner);
        let cause = Cause::GrantRevoked;
        for (minute, change) in [
            (1, ConsentChange::Live),
            (2, ConsentChange::Suspended { cause }),
            (3, ConsentChange::Ended { cause }),
            (4, ConsentChange::Withdrawn),
        ] {
            paper.add(key, change, at(minute)).await;
        }
        paper
    }

    fn receipts(&self) -> Receipts {
        self.receipts.clone().into()
    }

    fn head(&self) -> ChainText {
        ChainText { partner: self.partner, head: self.last.clone().expect("a receipt") }
    }
}

async fn signed(
    key: &ReceiptKey,
    text: &Text,
    person: Vec<crate::model::receipt::Personal>,
) -> Receipt {
    let text = serde_json::to_string(text).expect("JSON");
    let signature = key.sign(text.as_bytes()).await.expect("signed");
    Receipt::of(Envelope::new(text, hex(&signature), person)).expect("a receipt")
}

async fn checkpoint(key: &ReceiptKey, papers: &[&Paper], at: SystemTime) -> Checkpoint {
    let chains = papers.iter().map(|paper| paper.head()).collect();
    let id = key.public().id().as_str();
    let text = CheckpointText::new(&realm(Environment::Production), at, id, chains, Vec::new());
    let signed = serde_json::to_string(&text).expect("JSON");
    let signature = key.sign(signed.as_bytes()).await.expect("signed");
    Checkpoint::signed(text, signed, &signature)
}

fn lines(receipts: &Receipts) -> Vec<u8> {
    let mut bytes = Vec::new();
    receipts.write_to(&mut bytes).expect("a vector takes all");
    bytes
}

fn findings(
    receipts: &Receipts,
    key: &ReceiptKey,
    point: Option<&Checkpoint>,
) -> Vec<ReceiptFinding> {
    receipts.verify(&ReceiptKeys::new(key.public()), point).findings().to_vec()
}

fn place(sequence: u64) -> ReceiptPlace {
    ReceiptPlace { partner: tenant(CONTOSO), sequence }
}

#[tokio::test]
async fn what_was_written_verifies_and_is_read_back_as_it_was() {
    let key = key("one");
    let paper = Paper::written(CONTOSO, &key).await;
    let point = checkpoint(&key, &[&paper], at(5)).await;
    let point = Checkpoint::read(&point.to_text()).expect("as written");
    let read = Receipts::read(&lines(&paper.receipts()));
    assert_eq!(read, paper.receipts());
    let audit = read.verify(&ReceiptKeys::new(key.public()), Some(&point));
    assert_eq!((audit.is_sound(), audit.receipts(), audit.undisclosed()), (true, 4, 0));
    let first = read.iter().next().expect("a receipt");
    assert_eq!(first.personal("user.id"), Some(FABRIKAM));
    assert!(Receipts::read(b"").is_empty());
}

#[tokio::test]
async fn any_single_altered_byte_is_found() {
    let key = key("one");
    let keys = ReceiptKeys::new(key.public());
    let paper = Paper::written(CONTOSO, &key).await;
    let point = checkpoint(&key, &[&paper], at(5)).await;
    let whole = lines(&paper.receipts());
    for (place, byte) in whole.iter().enumerate() {
        for other in [byte ^ 1, byte ^ 0x20] {
            let mut altered = whole.clone();
            altered[place] = other;
            // Whoever verifies without a checkpoint finds it, too.
            let audit = Receipts::read(&altered).verify(&keys, None);
            assert!(!audit.is_sound(), "byte {place}: {byte} became {other}");
        }
    }
    let text = point.to_text();
    for place in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[place] ^= 1;
        let read = String::from_utf8(altered).ok().and_then(|text| Checkpoint::read(&text).ok());
        let holds = |point| paper.receipts().verify(&keys, Some(&point)).is_sound();
        assert!(!read.is_some_and(holds), "byte {place} of the checkpoint");
    }
}

#[tokio::test]
async fn a_byte_that_is_cut_off_or_added_is_found() {
    let key = key("one");
    let whole = lines(&Paper::written(CONTOSO, &key).await.receipts());
    for length in 1..whole.len() {
        // At the end of a line nothing is altered: only a checkpoint shows what is missing.
        let is_cut = whole[length - 1] != b'\n';
        assert_eq!(!findings(&Receipts::read(&whole[..length]), &key, None).is_empty(), is_cut);
    }
    for added in [b"\n".as_slice(), b" ", b"{}", b"{}\n", b"\0"] {
        let longer = [&whole, added].concat();
        assert!(!findings(&Receipts::read(&longer), &key, None).is_empty(), "{added:?}");
    }
    // Another spelling of the same is not what was written.
    let text = String::from_utf8(whole).expect("UTF-8");
    for (one, other) in [(":", ": "), ("\n", " \n"), ("\\\"", "\\u0022"), ("œ", "\\u0153")] {
        let spelled = text.replacen(one, other, 1);
        assert!(text.contains(one), "{one:?}");
        let found = findings(&Receipts::read(spelled.as_bytes()), &key, None);
        assert!(found.contains(&ReceiptFinding::Unreadable { line: 1 }), "{other:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_deleted_tail_shows_beside_a_checkpoint_and_only_there() {
    let key = key("one");
    let mut paper = Paper::written(CONTOSO, &key).await;
    let point = checkpoint(&key, &[&paper], at(5)).await;
    paper.receipts.truncate(2);
    assert_eq!(findings(&paper.receipts(), &key, None), []);
    let missing = ReceiptFinding::TailMissing { place: place(2), missing: 2 };
    assert_eq!(findings(&paper.receipts(), &key, Some(&point)), [missing]);
}

#[tokio::test]
async fn a_deleted_chain_shows_beside_a_checkpoint() {
    let key = key("one");
    let [ours, theirs] =
        [Paper::written(CONTOSO, &key).await, Paper::written(FABRIKAM, &key).await];
    let point = checkpoint(&key, &[&ours, &theirs], at(5)).await;
    let missing = ReceiptFinding::ChainMissing { partner: tenant(FABRIKAM), receipts: 4 };
    assert_eq!(findings(&ours.receipts(), &key, Some(&point)), [missing]);
    let alone = point.only(tenant(CONTOSO));
    assert_eq!(findings(&ours.receipts(), &key, Some(&alone)), []);
    // A new chain in its place is not the one that was.
    let mut both = ours.receipts();
    both.extend([Paper::written(FABRIKAM, &key).await.receipts()]);
    let missing = ReceiptFinding::ChainMissing { partner: tenant(FABRIKAM), receipts: 4 };
    assert_eq!(findings(&both, &key, Some(&point)), [missing]);
}

#[tokio::test]
async fn a_gap_and_a_receipt_in_anothers_place_are_found() {
    let key = key("one");
    let paper = Paper::written(CONTOSO, &key).await;
    let mut gapped = paper.receipts.clone();
    gapped.remove(1);
    let gap = ReceiptFinding::Gap { place: place(3), missing: 1 };
    assert_eq!(findings(&gapped.into(), &key, None), [gap]);
    let headless = paper.receipts[1..].to_vec();
    let gap = ReceiptFinding::Gap { place: place(2), missing: 1 };
    assert_eq!(findings(&headless.into(), &key, None), [gap]);
    // The order of lines says nothing, and a line twice is one line.
    let mut shuffled: Vec<_> = paper.receipts.iter().rev().cloned().collect();
    shuffled.extend(paper.receipts.clone());
    assert_eq!(findings(&shuffled.into(), &key, None), []);
}

#[tokio::test]
async fn a_history_that_was_written_anew_is_another_one() {
    // With the key itself: whoever has it can sign, but not unsay what a checkpoint says.
    let key = key("one");
    let paper = Paper::written(CONTOSO, &key).await;
    let point = checkpoint(&key, &[&paper], at(5)).await;
    let mut forged = Paper::of(CONTOSO);
    forged.last = Some(paper.receipts[2].head());
    forged.receipts = paper.receipts[..3].to_vec();
    forged.add(&key, ConsentChange::Live, at(4)).await;
    assert_eq!(findings(&forged.receipts(), &key, None), []);
    let fork = ReceiptFinding::Fork { place: place(4) };
    let expected = [fork];
    assert_eq!(findings(&forged.receipts(), &key, Some(&point)), expected);
    let mut both = paper.receipts();
    both.extend([forged.receipts()]);
    assert_eq!(findings(&both, &key, None), expected);
    // What followed the true one does not follow the forged one.
    let mut third = Paper::of(CONTOSO);
    third.last = Some(paper.receipts[1].head());
    third.receipts = paper.receipts[..2].to_vec();
    third.add(&key, ConsentChange::Live, at(3)).await;
    third.receipts.push(paper.receipts[3].clone());
    let unlinked = ReceiptFinding::Unlinked { place: place(4) };
    assert_eq!(findings(&third.receipts(), &key, None), [unlinked]);
}

#[tokio::test]
async fn what_is_signed_with_a_retired_key_is_found_whatever_date_it_bears() {
    let (old, new) = (key("old"), key("new"));
    let mut paper = Paper::of(CONTOSO);
    paper.add(&old, ConsentChange::Live, at(1)).await;
    let early = checkpoint(&old, &[&paper], at(2)).await;
    let keys = ReceiptKeys::new(new.public()).and_retired(old.public(), at(10)).expect("two names");
    let audit = |paper: &Paper, point: Option<&Checkpoint>| {
        paper.receipts().verify(&keys, point).findings().to_vec()
    };
    assert_eq!(audit(&paper, Some(&early)), [], "what it signed before stays good");
    let late = checkpoint(&new, &[&paper], at(20)).await;
    let retired =
        |sequence| ReceiptFinding::RetiredKey { place: place(sequence), key: "old".to_owned() };

    // By its own date.
    paper.add(&old, ConsentChange::Withdrawn, at(10)).await;
    assert_eq!(audit(&paper, None), [retired(2)]);
    // With an earlier date, after what the new key has signed.
    paper.receipts.truncate(1);
    paper.last = Some(paper.receipts[0].head());
    paper.add(&new, ConsentChange::Suspended { cause: Cause::Unknown }, at(11)).await;
    paper.add(&old, ConsentChange::Live, at(3)).await;
    assert_eq!(audit(&paper, None), [retired(3)]);
    // With an earlier date, in place of what the new key has signed: a checkpoint was there before.
    paper.receipts.truncate(1);
    paper.last = Some(paper.receipts[0].head());
    paper.add(&old, ConsentChange::Withdrawn, at(3)).await;
    assert_eq!(audit(&paper, None), []);
    assert_eq!(audit(&paper, Some(&late)), [retired(2)]);
    // A chain of its own, which no checkpoint knows.
    let mut other = Paper::of(FABRIKAM);
    other.add(&old, ConsentChange::Live, at(3)).await;
    let mut both = paper.receipts.clone()[..1].to_vec();
    both.extend(other.receipts);
    let found = Receipts::from(both).verify(&keys, Some(&late));
    assert!(matches!(found.findings(), [ReceiptFinding::RetiredKey { .. }]), "{found:?}");
    // A checkpoint that it signs is none.
    let forged = checkpoint(&old, &[&paper], at(30)).await;
    let bad = ReceiptFinding::BadCheckpoint { key: "old".to_owned() };
    assert_eq!(audit(&paper, Some(&forged)), [bad]);
}

fn audited(receipts: &Receipts, keys: &ReceiptKeys, point: &Checkpoint) -> Vec<ReceiptFinding> {
    receipts.verify(keys, Some(point)).findings().to_vec()
}

/// A checkpoint that could not read one receipt.
async fn blind_checkpoint(
    key: &ReceiptKey,
    paper: Option<&Paper>,
    lost: ReceiptPlace,
    at: SystemTime,
) -> Checkpoint {
    let chains = paper.map(Paper::head).into_iter().collect();
    let lost = crate::storage::receipts::Place { partner: lost.partner, sequence: lost.sequence };
    let (realm, id) = (realm(Environment::Production), key.public().id().as_str());
    let text = CheckpointText::new(&realm, at, id, chains, vec![lost.into()]);
    let signed = serde_json::to_string(&text).expect("JSON");
    let signature = key.sign(signed.as_bytes()).await.expect("signed");
    Checkpoint::signed(text, signed, &signature)
}

#[tokio::test]
async fn in_a_place_that_a_checkpoint_could_not_read_a_retired_key_is_vouched_for_by_nobody() {
    let (old, new) = (key("old"), key("new"));
    let keys = ReceiptKeys::new(new.public()).and_retired(old.public(), at(10)).expect("another");
    let mut paper = Paper::written(CONTOSO, &old).await;
    let point = blind_checkpoint(&new, Some(&paper), place(5), at(20)).await;
    paper.add(&old, ConsentChange::Live, at(5)).await;
    let unvouched = ReceiptFinding::Unvouched { place: place(5), key: "old".to_owned() };
    assert_eq!(audited(&paper.receipts(), &keys, &point), [unvouched]);
    let older = checkpoint(&new, &[&paper], at(11)).await;
    assert_eq!(audited(&paper.receipts(), &keys, &older), []);

    // The only receipt of a chain whose name nobody knows.
    let mut made_up = Paper::of(CONTOSO);
    made_up.add(&old, ConsentChange::Live, at(5)).await;
    let point = blind_checkpoint(&new, None, place(1), at(20)).await;
    let found = audited(&made_up.receipts(), &keys, &point);
    assert_eq!(found, [ReceiptFinding::Unvouched { place: place(1), key: "old".to_owned() }]);
}

#[tokio::test]
async fn a_receipt_of_another_chain_does_not_stand_in_for_one_that_is_not_restored() {
    let own = key("own");
    let keys = ReceiptKeys::new(own.public());
    let mut elsewhere = Paper::written(CONTOSO, &own).await;
    elsewhere.add(&own, ConsentChange::Live, at(5)).await;
    let here = Paper::written(CONTOSO, &own).await;
    let point = blind_checkpoint(&own, Some(&here), place(5), at(20)).await;
    let mut both = elsewhere.receipts();
    both.extend([here.receipts()]);
    let found = audited(&both, &keys, &point);
    assert_eq!(found, [ReceiptFinding::NotRestored { place: place(5) }]);
}

#[tokio::test]
async fn a_clock_that_was_far_ahead_once_spoils_nothing_but_its_own_receipt() {
    let (old, new) = (key("old"), key("new"));
    let mut paper = Paper::of(CONTOSO);
    paper.add(&old, ConsentChange::Live, at(1)).await;
    paper.add(&old, ConsentChange::Suspended { cause: Cause::Unknown }, at(99)).await;
    paper.add(&old, ConsentChange::Live, at(3)).await;
    paper.add(&new, ConsentChange::Withdrawn, at(11)).await;
    let keys = ReceiptKeys::new(new.public()).and_retired(old.public(), at(10)).expect("two names");
    let found = paper.receipts().verify(&keys, None).findings().to_vec();
    let retired = ReceiptFinding::RetiredKey { place: place(2), key: "old".to_owned() };
    assert_eq!(found, [retired]);
}

#[tokio::test]
async fn a_key_that_was_not_given_is_believed_by_nobody() {
    let (ours, theirs) = (key("ours"), key("theirs"));
    let paper = Paper::written(CONTOSO, &theirs).await;
    let unknown = findings(&paper.receipts(), &ours, None);
    assert_eq!(unknown.len(), 4);
    assert!(unknown.iter().all(|one| matches!(one, ReceiptFinding::UnknownKey { .. })));
    // A key of the same name is another key.
    let namesake = Paper::written(CONTOSO, &key("ours")).await;
    let altered = findings(&namesake.receipts(), &ours, None);
    assert!(altered.iter().all(|one| matches!(one, ReceiptFinding::Altered { .. })), "{altered:?}");
}

#[tokio::test]
async fn an_erased_person_leaves_a_chain_that_verifies_and_a_wrong_one_does_not() {
    let key = key("one");
    let paper = Paper::written(CONTOSO, &key).await;
    let text = String::from_utf8(lines(&paper.receipts())).expect("UTF-8");
    let (start, end) = (text.find(",\"person\":{\"user.id\":{").expect("beside"), "}}");
    let after = start + text[start..].find(end).expect("its end") + end.len();
    let erased = format!("{}{}", &text[..start], &text[after..]);
    let read = Receipts::read(erased.as_bytes());
    let audit = read.verify(&ReceiptKeys::new(key.public()), None);
    assert_eq!((audit.is_sound(), audit.undisclosed()), (true, 1), "{audit:?}");
    assert!(!erased.contains("jane") && !erased.contains(FABRIKAM), "nothing of hers is left");
    let first = read.iter().next().expect("a receipt");
    assert_eq!(first.personal_fields().collect::<Vec<_>>(), ["user.id", "user.name"]);
    assert_eq!(first.personal("user.name"), None);

    let other = text.replace("jane@contoso", "john@contoso");
    let wrong = ReceiptFinding::WrongPerson { place: place(1), field: "user.name".to_owned() };
    assert_eq!(findings(&Receipts::read(other.as_bytes()), &key, None), [wrong]);
    assert!(!format!("{:?}{audit:?}", paper.receipts()).contains("jane"));
}

#[tokio::test]
async fn a_checkpoint_of_another_environment_is_not_compared_in_silence() {
    let key = key("one");
    let mut paper = Paper::of(CONTOSO);
    paper.realm = realm(Environment::Sandbox);
    paper.add(&key, ConsentChange::Live, at(1)).await;
    let point = checkpoint(&key, &[&paper], at(5)).await;
    let found = findings(&paper.receipts(), &key, Some(&point));
    assert!(found.contains(&ReceiptFinding::OtherRealm { place: place(1) }), "{found:?}");
}

#[tokio::test]
async fn what_is_signed_is_written_as_the_page_says() {
    let page = include_str!("../../../docs/receipts.md");
    let key = key("one");
    let mut paper = Paper::of(CONTOSO);
    paper.add(&key, ConsentChange::Withdrawn, at(1)).await;
    let value: serde_json::Value = serde_json::from_str(paper.receipts[0].signed()).expect("JSON");
    for member in value.as_object().expect("an object").keys() {
        assert!(page.contains(&format!("| `{member}` |")), "{member} is not on the page");
    }
}
