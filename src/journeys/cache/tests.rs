use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::journeys::offers::{Offer, Offers};
use crate::journeys::standing::tests::standing;
use crate::journeys::token::{Issue, Life};
use crate::model::clock::{Clock, VirtualClock};
use crate::model::secret::AccessToken;

const HOUR: Duration = Duration::from_secs(3600);

fn tenant(number: usize) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-{number:012}")).expect("a GUID")
}

fn place(partner: usize, customer: usize) -> Place {
    Place { partner: tenant(partner), tenant: tenant(customer), offer: 0 }
}

fn offer() -> Arc<Offer> {
    Offers::plain().find(&Resource::PartnerCenter).expect("always there").clone()
}

fn token(clock: &VirtualClock, left: Duration, length: usize) -> Token {
    let secret = AccessToken::new(format!("marker{}", "x".repeat(length))).expect("plain text");
    let offer = offer();
    let (granted, standing) = ((*offer.scopes).clone(), standing(1));
    let life = Life::of(left, clock);
    Token::new(Issue {
        secret,
        tenant: tenant(9),
        offer,
        granted,
        standing,
        life,
        instead_until: 0,
    })
}

fn finds(cache: &Cache, place: Place) -> bool {
    cache.find(&place, |_| true).is_some()
}

#[test]
fn another_partner_tenant_or_api_never_shares_an_entry() {
    //
    let clock = VirtualClock::default();
    let cache = Cache::new(usize::MAX);
    cache.keep(place(1, 9), token(&clock, HOUR, 1), clock.glance());
    assert!(finds(&cache, place(1, 9)));
    for other in [place(2, 9), place(1, 8), Place { offer: 1, ..place(1, 9) }] {
        assert!(!finds(&cache, other));
    }
    cache.drop_partner(tenant(2));
    assert!(finds(&cache, place(1, 9)));
    cache.drop_partner(tenant(1));
    assert!(!finds(&cache, place(1, 9)));
}

#[test]
fn what_leaves_the_cache_is_handed_out_from_no_other_hand() {
    let clock = VirtualClock::default();
    let cache = Cache::new(usize::MAX);
    let kept = token(&clock, HOUR, 1);
    cache.keep(place(1, 9), kept.clone(), clock.glance());
    assert!(kept.is_good(clock.glance()));
    cache.drop_all();
    assert!(!kept.is_good(clock.glance()));
}

#[test]
fn a_token_is_good_until_its_margin_by_whichever_clock_comes_first() {
    // F-15, R-112
    let clock = VirtualClock::default();
    let kept = token(&clock, HOUR, 1);
    let at = |wall: i64, monotonic: u64| {
        let now = clock.now();
        let wall_then = match u64::try_from(wall) {
            Ok(later) => now + Duration::from_secs(later),
            Err(_) => now - Duration::from_secs(wall.unsigned_abs()),
        };
        Glance::new(wall_then, clock.monotonic() + Duration::from_secs(monotonic))
    };
    let margin = 120;
    assert!(kept.is_good(at(3599 - margin, 3599 - 120)));
    assert!(!kept.is_good(at(3600 - margin, 0)), "the wall clock jumped ahead");
    assert!(!kept.is_good(at(-86_400, 3600 - 120)), "the wall clock was set back");
    assert!(kept.is_alive(at(3599, 3599)) && !kept.is_alive(at(3600, 3599)));
    let short = token(&clock, Duration::from_secs(60), 1);
    assert!(short.is_good(at(29, 29)) && !short.is_good(at(30, 30)), "half of a short life");
    assert!(!token(&clock, Duration::ZERO, 1).is_good(clock.glance()));
}

#[test]
fn a_successor_is_fetched_by_one_some_minutes_ahead_of_the_margin() {
    let clock = VirtualClock::default();
    let mut firsts = Vec::new();
    for _ in 0..64 {
        let kept = token(&clock, HOUR, 1);
        let asks = |minute: u64| {
            let then = Duration::from_secs(60 * minute);
            Glance::new(clock.now() + then, clock.monotonic() + then)
        };
        let is_due = |minute: &u64| kept.life().wants_renewal(asks(*minute));
        let first = (0..60).find(is_due).expect("some time");
        assert!((48..=53).contains(&first), "{first}");
        assert!(kept.begins_renewal() && !kept.begins_renewal(), "one is enough");
        kept.renewal_failed();
        assert!(kept.begins_renewal(), "the next try");
        firsts.push(first);
    }
    firsts.sort_unstable();
    firsts.dedup();
    assert!(firsts.len() > 2, "they are spread: {firsts:?}");
}

#[test]
fn beyond_the_bound_the_greatest_give_way_and_those_with_few_keep_theirs() {
    let clock = VirtualClock::default();
    let bound = 400 * (1000 + 256 + "marker".len());
    let cache = Cache::new(bound);
    for customer in 0..20 {
        cache.keep(place(1, customer), token(&clock, HOUR, 1000), clock.glance());
    }
    for customer in 0..2000 {
        let left = HOUR + Duration::from_secs(customer as u64);
        cache.keep(place(2, customer), token(&clock, left, 1000), clock.glance());
        assert!(cache.weight.load(Ordering::Relaxed) <= bound, "{customer}");
    }
    assert!((0..20).all(|customer| finds(&cache, place(1, customer))), "its share is larger");
    assert!(!finds(&cache, place(2, 0)), "it ends soonest");
    assert!(finds(&cache, place(2, 1999)), "it ends last");
    let kept = (0..2000).filter(|customer| finds(&cache, place(2, *customer))).count();
    assert!((300..=380).contains(&kept), "{kept}");
}

#[test]
fn what_has_ended_is_swept_and_its_hits_are_remembered() {
    let clock = VirtualClock::default();
    let cache = Cache::new(usize::MAX);
    let ended = token(&clock, HOUR, 1);
    ended.hit();
    cache.keep(place(1, 1), ended, clock.glance());
    clock.advance(HOUR);
    let kept = token(&clock, HOUR, 1);
    kept.hit();
    cache.keep(place(1, 2), kept, clock.glance());
    cache.sweep(clock.glance());
    assert!(!finds(&cache, place(1, 1)) && finds(&cache, place(1, 2)));
    assert_eq!(cache.hits(), 2);
    cache.keep(place(1, 2), token(&clock, HOUR, 1), clock.glance());
    assert_eq!(cache.hits(), 2, "a token that was replaced counts too");
    cache.drop_all();
    assert_eq!(cache.weight.load(Ordering::Relaxed), 0);
}

#[test]
fn a_token_shows_no_secret() {
    //
    assert!(!format!("{:?}", token(&VirtualClock::default(), HOUR, 1)).contains("marker"));
}
