//! Every line of the verdict, and what no line may ever let through.

use serde_json::{Value, json};

use super::KeptBecause::{
    BetterProvenHere, EndedThere, HereAlready, NewerHere, OtherAccountHere, OtherUserHere,
    WithdrawnHere,
};
use super::*;
use crate::model::clock::{from_unix_seconds, unix_seconds};

type Change = (&'static str, Value);

/// The consent of generation 3 that stands here: begun at 100, confirmed at 110, its token of 200.
fn consent(changes: &[Change]) -> StoredConsent {
    let id = "22222222-2222-4222-8222-222222222222";
    let user =
        json!({ "id": id, "subject": "subject", "name": null, "guest": "no", "roles": null });
    let mut stored = json!({
        "consent": {
            "partner": id, "account": "panel-1", "user": user, "scopes": [], "mfa": proof("PartnerCenter"),
            "flow": "flow", "generation": 3, "withdrawn_at": null, "begun_at": 100,
            "confirmed_at": 110, "token_issued_at": 200, "state": "Live",
        },
        "token": "refresh-token",
    });
    for (place, value) in changes {
        *stored.pointer_mut(&format!("/consent/{place}")).expect("it is there") = value.clone();
    }
    serde_json::from_value(stored).expect("a consent")
}

fn proof(source: &str) -> Value {
    json!({ "source": source, "signed_in": { "earliest": 100, "latest": 105 } })
}

fn tombstone(generation: u64, at: u64) -> StoredConsent {
    let withdrawn = consent(&[]).withdrawn_as(generation, from_unix_seconds(at));
    assert!(withdrawn.token.is_none());
    withdrawn
}

fn mark(generation: u64, at: u64) -> Destroyed {
    Destroyed { generation, at: from_unix_seconds(at) }
}

fn shredded(generation: u64, at: u64) -> Item {
    let partner = consent(&[]).consent.partner;
    Item::Shredded { partner, generation, at: from_unix_seconds(at) }
}

fn item(stored: StoredConsent) -> Item {
    Item::Consent(Box::new(stored))
}

fn judged(ours: Option<&StoredConsent>, mark: Option<Destroyed>, theirs: &Item) -> Verdict {
    match judge(theirs, ours, mark, &Policies::default(), from_unix_seconds(1000)) {
        Ok(Next::Record(next)) => Ok(Some(next.consent)),
        Ok(Next::Memory(_)) => Ok(None),
        Err(why) => Err(why),
    }
}

/// What stands here then; `None` if no more than a memory.
type Verdict = Result<Option<Consent>, KeptBecause>;

fn ended() -> Change {
    ("state", json!({ "Ended": { "cause": "GrantExpired", "since": 300 } }))
}

/// Another consent of the partner, newer in every respect.
fn newer(changes: &[Change]) -> Item {
    let newer = [
        ("flow", json!("another")),
        ("generation", json!(4)),
        ("begun_at", json!(300)),
        ("confirmed_at", json!(310)),
        ("token_issued_at", json!(305)),
    ];
    item(consent(&[&newer, changes].concat()))
}

#[test]
fn a_consent_meets_one_that_stands() {
    let ours = consent(&[]);
    let other = json!("33333333-3333-4333-8333-333333333333");
    let weaker = ("mfa", proof("AccessToken"));
    for (name, theirs, expected) in [
        ("newer in every respect", newer(&[]), Ok(())),
        ("newer, of a higher number", newer(&[("generation", json!(9))]), Ok(())),
        ("another account", newer(&[("account", json!("panel-2"))]), Err(OtherAccountHere)),
        ("a lower number", newer(&[("generation", json!(2))]), Err(NewerHere)),
        ("the same number", newer(&[("generation", json!(3))]), Err(NewerHere)),
        ("confirmed earlier", newer(&[("confirmed_at", json!(109))]), Err(NewerHere)),
        ("an older token", newer(&[("token_issued_at", json!(199))]), Err(NewerHere)),
        ("a token as old", newer(&[("token_issued_at", json!(200))]), Ok(())),
        ("over", newer(&[ended()]), Err(EndedThere)),
        ("another user", newer(&[("user/id", other)]), Err(OtherUserHere)),
        ("a weaker proof", newer(&[weaker]), Err(BetterProvenHere)),
        ("no proof", newer(&[("mfa", json!(null))]), Err(BetterProvenHere)),
        ("the same", item(consent(&[])), Err(HereAlready)),
        ("the same, younger", item(consent(&[("token_issued_at", json!(201))])), Ok(())),
        ("the same, older", item(consent(&[("token_issued_at", json!(199))])), Err(HereAlready)),
        ("the same, over", item(consent(&[ended()])), Err(HereAlready)),
        (
            "the same, younger and over",
            item(consent(&[("token_issued_at", json!(201)), ended()])),
            Err(EndedThere),
        ),
    ] {
        assert_eq!(judged(Some(&ours), None, &theirs).map(drop), expected, "{name}");
    }
    let over = consent(&[ended()]);
    assert!(judged(Some(&over), None, &newer(&[ended()])).is_ok(), "neither works");
    let fresh = consent(&[("confirmed_at", json!(400)), ("token_issued_at", json!(190))]);
    assert_eq!(
        judged(Some(&fresh), None, &newer(&[])).map(drop),
        Err(NewerHere),
        "confirmed since"
    );
    let back = consent(&[("withdrawn_at", json!(300))]);
    assert_eq!(judged(Some(&back), None, &newer(&[])).map(drop), Err(WithdrawnHere), "and back");
}

#[test]
fn a_consent_meets_a_tombstone_a_memory_or_nothing() {
    // R-129, F-24
    let gone = |generation, at| Some(tombstone(generation, at));
    for (name, ours, memory, theirs, expected) in [
        ("nothing", None, None, newer(&[]), Ok(())),
        ("nothing, and it is over", None, None, newer(&[ended()]), Ok(())),
        ("a memory from before", None, Some(mark(3, 299)), newer(&[]), Ok(())),
        ("a memory of its second", None, Some(mark(3, 300)), newer(&[]), Err(WithdrawnHere)),
        ("a memory of its number", None, Some(mark(4, 299)), newer(&[]), Err(WithdrawnHere)),
        ("a tombstone from before", gone(3, 299), None, newer(&[]), Ok(())),
        ("a tombstone of its second", gone(3, 300), None, newer(&[]), Err(WithdrawnHere)),
        ("a tombstone of its number", gone(4, 299), None, newer(&[]), Err(NewerHere)),
        ("a tombstone of a higher one", gone(5, 299), None, newer(&[]), Err(NewerHere)),
        ("both", gone(3, 299), Some(mark(4, 299)), newer(&[]), Err(WithdrawnHere)),
    ] {
        let found = judged(ours.as_ref(), memory, &theirs);
        assert_eq!(found.as_ref().err(), expected.as_ref().err(), "{name}");
        let kept = found.map(|next| next.expect("a record").withdrawn_at);
        assert_eq!(kept, expected.map(|()| ours.and_then(|ours| ours.consent.withdrawn_at)));
    }
}

/// Generation and time of the last withdrawal, where one came of it.
fn let_go(verdict: Verdict) -> Result<(u64, u64), KeptBecause> {
    let consent = verdict?.expect("a record");
    let told = Destroyed::told_by(&consent).expect("a tombstone");
    Ok((told.generation, unix_seconds(told.at)))
}

#[test]
fn a_withdrawal_or_a_shredding_meets_what_is_here() {
    //
    let standing = || consent(&[]);
    for (name, ours, (generation, at), expected) in [
        ("begun before", standing(), (3, 500), Ok((3, 500))),
        ("begun before, a lower number", standing(), (1, 500), Ok((3, 500))),
        ("begun before, a higher number", standing(), (7, 500), Ok((7, 500))),
        ("begun in its second", standing(), (3, 100), Ok((3, 100))),
        ("begun later", standing(), (3, 99), Err(NewerHere)),
        ("begun later, a higher number", standing(), (7, 99), Err(NewerHere)),
        ("over, begun later", consent(&[ended()]), (7, 99), Err(NewerHere)),
        ("a tombstone that knows", tombstone(4, 500), (3, 500), Err(HereAlready)),
        ("a tombstone that knows more", tombstone(9, 600), (3, 500), Err(HereAlready)),
        ("a tombstone of a lower number", tombstone(4, 500), (7, 400), Ok((7, 500))),
        ("a tombstone of an earlier time", tombstone(8, 500), (3, 600), Ok((7, 600))),
    ] {
        let there = tombstone(generation + 1, at);
        for theirs in [item(there.clone()), shredded(generation, at)] {
            assert_eq!(let_go(judged(Some(&ours), None, &theirs)), expected, "{name}");
        }
    }
    assert_eq!(judged(None, None, &shredded(3, 500)), Ok(None));
    assert_eq!(let_go(judged(None, None, &item(tombstone(4, 500)))), Ok((3, 500)));
    assert_eq!(let_go(judged(None, Some(mark(9, 900)), &item(tombstone(4, 500)))), Ok((3, 500)));
    let elsewhere = consent(&[("account", json!("panel-2"))]);
    let found = judged(Some(&elsewhere), None, &item(tombstone(4, 500)));
    assert_eq!(found, Err(OtherAccountHere));
    assert!(judged(Some(&elsewhere), None, &shredded(3, 500)).is_ok(), "it names no account");
}

#[test]
fn nothing_newer_gives_way_whatever_else_is_so() {
    //
    let times = [90, 150, 200, 250];
    for (begun, issued, generation) in product(times, times, [1, 3, 4, 9]) {
        for (ours, is_over) in [(consent(&[]), false), (consent(&[ended()]), true)] {
            for state in [json!("Live"), ended().1] {
                let theirs = consent(&[
                    ("flow", json!("another")),
                    ("generation", json!(generation)),
                    ("begun_at", json!(begun)),
                    ("token_issued_at", json!(issued)),
                    ("state", state.clone()),
                ]);
                let taken = judged(Some(&ours), None, &item(theirs)).is_ok();
                let better = generation > 3 && issued >= 200 && (is_over || state == json!("Live"));
                assert_eq!(taken, better, "{begun} {issued} {generation} {state}");
            }
            let withdrawn = judged(Some(&ours), None, &item(tombstone(generation, begun))).is_ok();
            assert_eq!(withdrawn, begun >= 100, "{begun} {generation}");
        }
    }
}

fn product(a: [u64; 4], b: [u64; 4], c: [u64; 4]) -> impl Iterator<Item = (u64, u64, u64)> {
    a.into_iter()
        .flat_map(move |a| b.into_iter().flat_map(move |b| c.into_iter().map(move |c| (a, b, c))))
}

#[test]
fn an_expired_proof_keeps_nothing_out() {
    let weaker = newer(&[("mfa", proof("AccessToken"))]);
    let standing = |expires: u64| {
        let mut lasting = proof("PartnerCenter");
        lasting["expires"] = json!(expires);
        consent(&[("mfa", lasting)])
    };
    assert_eq!(judged(Some(&standing(1001)), None, &weaker).err(), Some(BetterProvenHere));
    assert!(judged(Some(&standing(1000)), None, &weaker).is_ok(), "it counts as none");
}
