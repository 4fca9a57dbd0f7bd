use crate::storage::keyring::LocalKey;
use crate::storage::lease::tests::Fleet;

use super::*;

impl Fleet {
    fn process(&self) -> Roll {
        Roll::new(self.ledger(), &self.ring, Arc::new(self.clock.clone()))
    }
}

fn ids(mut live: Vec<ProcessRecord>) -> Vec<String> {
    live.sort_by(|one, other| one.id.cmp(&other.id));
    live.into_iter().map(|record| record.id).collect()
}

fn sorted(rolls: &[&Roll]) -> Vec<String> {
    ids(rolls.iter().map(|roll| roll.own().clone()).collect())
}

#[tokio::test]
async fn whoever_is_alone_knows_it_at_once() {
    let fleet = Fleet::new();
    let one = fleet.process();
    one.announce().await.expect("announced");
    assert_eq!(ids(one.live().await.expect("readable")), [one.own().id.clone()]);
}

#[tokio::test]
async fn a_process_that_moves_lives_and_one_that_does_not_is_struck_off() {
    let fleet = Fleet::new();
    let (asker, lives, dead) = (fleet.process(), fleet.process(), fleet.process());
    for roll in [&asker, &lives, &dead] {
        roll.announce().await.expect("announced");
    }
    let (stop, told) = watch::channel(false);
    let staying = tokio::spawn(lives.clone().stay(told));
    let asking = tokio::spawn({
        let asker = asker.clone();
        async move { asker.live().await }
    });
    fleet.waiting(2).await;
    fleet.pass(SILENCE).await;
    let live = asking.await.expect("no panic").expect("readable");
    assert_eq!(ids(live), sorted(&[&asker, &lives]));
    let at = fleet.ledger().revision::<ProcessRecord>(None, &dead.own().id).await;
    assert_eq!(at.expect("readable"), None, "its record is gone");

    dead.announce().await.expect("it was only asleep, and says so at its next beat");
    stop.send_replace(true);
    staying.await.expect("it left");
    let at = fleet.ledger().revision::<ProcessRecord>(None, &lives.own().id).await;
    assert_eq!(at.expect("readable"), None, "who stops leaves the roll");
}

#[tokio::test]
async fn a_process_that_comes_while_somebody_asks_is_among_the_living() {
    let fleet = Fleet::new();
    let (asker, dead) = (fleet.process(), fleet.process());
    dead.announce().await.expect("announced");
    let asking = tokio::spawn({
        let asker = asker.clone();
        async move { asker.live().await }
    });
    fleet.waiting(1).await;
    let late = fleet.process();
    late.announce().await.expect("announced");
    fleet.pass(SILENCE).await;
    let live = asking.await.expect("no panic").expect("readable");
    assert_eq!(ids(live), sorted(&[&asker, &late]));
}

#[tokio::test]
async fn the_roll_tells_which_keys_a_process_reads() {
    let fleet = Fleet::new();
    let ring = KeyRing::new(LocalKey::generate("new").expect("a key"));
    let ring = ring.readable(LocalKey::generate("old").expect("a key")).expect("another name");
    let other = Roll::new(fleet.ledger(), &ring, Arc::new(fleet.clock.clone()));
    let id = |text| KeyId::new(text).expect("a key id");
    let own = other.own();
    assert_eq!((&own.primary, own.readable.as_slice()), (&id("new"), &[id("old")][..]));
    assert!(own.reads(&id("new")) && own.reads(&id("old")) && !own.reads(&id("older")));
}
