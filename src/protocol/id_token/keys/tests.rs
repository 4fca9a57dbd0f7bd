use super::*;
use crate::model::clock::VirtualClock;
use crate::transport::http::Reqwest;

fn cache() -> KeyCache {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::default());
    let wire = Wire::new(Arc::new(Reqwest::new().expect("a client")), Arc::clone(&clock));
    KeyCache::new(wire, clock)
}

fn place(number: usize) -> Url {
    Url::parse(&format!("https://login.example/{number}/keys")).expect("an address")
}

/// Makes the set of a place, fetched so many seconds after the start.
fn fetched(cache: &KeyCache, number: usize) {
    let after = Duration::from_secs(number as u64);
    lock(&cache.set(&place(number)).held).keys = Some((after, Vec::new().into()));
}

#[test]
fn of_many_sets_the_oldest_makes_room_for_one_more_and_for_no_known_one() {
    let cache = cache();
    (0..MOST_SETS).for_each(|number| fetched(&cache, number));
    let holds = |number| lock(&cache.sets).contains_key(&place(number));
    let known = cache.set(&place(7));
    assert!(lock(&known.held).keys.is_some() && (0..MOST_SETS).all(holds));
    fetched(&cache, MOST_SETS);
    assert!(!holds(0) && (1..=MOST_SETS).all(holds));
}

#[test]
fn a_numbers_zeros_in_front_make_it_no_longer() {
    //
    for (number, expected) in
        [(&[][..], 0), (&[0, 0], 0), (&[1], 1), (&[0, 255], 8), (&[0, 1, 0], 9)]
    {
        assert_eq!(bits(number), expected, "{number:?}");
    }
    let exponent = [1, 0, 1];
    let padded = |bytes: usize| [vec![0; 8], vec![255; bytes]].concat();
    assert!(!is_strong(&padded(255), &exponent) && is_strong(&padded(256), &exponent));
    assert!(is_strong(&padded(1024), &exponent) && !is_strong(&padded(1025), &exponent));
}

#[test]
fn a_set_has_a_hundred_keys_at_most() {
    //
    let of = |count| serde_json::json!({ "keys": vec![serde_json::json!({}); count] }).to_string();
    assert!(parse(of(100).as_bytes()).is_some() && parse(of(101).as_bytes()).is_none());
}
