use crate::storage::lease::tests::Fleet;
use crate::storage::ledger::Ledger;

use super::*;

const MARGIN: Duration = Duration::from_secs(120);

fn tenant(last: u8) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-1111111111{last:02}")).expect("a GUID")
}

fn key(partner: u8, customer: u8, generation: u64) -> CacheKey {
    let (partner, tenant) = (tenant(partner), tenant(customer));
    CacheKey::plain(partner, generation, tenant, Resource::Graph)
}

fn scopes(names: &[&str]) -> Scopes {
    use crate::model::scope::Scope;
    let scope = |name: &&str| Scope::new(Resource::Graph, name).expect("a scope");
    names.iter().map(scope).collect()
}

fn token(scopes: Scopes, left: Duration) -> Shared {
    let secret = AccessToken::new("eyJ0.marker").expect("plain text");
    Shared { secret, scopes, left }
}

fn sharing(fleet: &Fleet, ledger: Ledger) -> Sharing {
    Sharing::new(ledger, Arc::new(fleet.clock.clone()), true)
}

#[tokio::test]
async fn what_one_process_shares_another_finds_under_exactly_the_same_ask() {
    //
    let fleet = Fleet::new();
    let (one, other) = (sharing(&fleet, fleet.ledger()), sharing(&fleet, fleet.ledger()));
    let asked = scopes(&["Directory.Read.All"]);
    let hour = Duration::from_secs(3600);
    one.keep(&key(1, 9, 1), &asked, &token(asked.clone(), hour)).await;
    let found = other.find(&key(1, 9, 1), &asked, MARGIN).await.expect("shared");
    assert_eq!((found.secret.expose(), found.left), ("eyJ0.marker", hour));
    for another in [key(2, 9, 1), key(1, 8, 1), key(1, 9, 2)] {
        assert!(other.find(&another, &asked, MARGIN).await.is_none(), "{another:?}");
    }
    let more = scopes(&["Directory.Read.All", "User.Read.All"]);
    assert!(other.find(&key(1, 9, 1), &more, MARGIN).await.is_none(), "it may do less");
    fleet.clock.advance(hour - MARGIN);
    assert!(other.find(&key(1, 9, 1), &asked, MARGIN).await.is_none(), "within the margin");
}

#[tokio::test]
async fn a_newer_token_takes_the_place_of_an_older_and_a_dropped_partner_leaves_none() {
    //
    let fleet = Fleet::new();
    let one = sharing(&fleet, fleet.ledger());
    let asked = scopes(&["Directory.Read.All"]);
    let hour = Duration::from_secs(3600);
    for customer in 0..80 {
        one.keep(&key(1, customer, 1), &asked, &token(asked.clone(), hour)).await;
    }
    one.keep(&key(2, 9, 1), &asked, &token(asked.clone(), hour)).await;
    one.keep(&key(1, 9, 1), &asked, &token(asked.clone(), 2 * hour)).await;
    let found = one.find(&key(1, 9, 1), &asked, MARGIN).await.expect("shared");
    assert_eq!(found.left, 2 * hour);
    one.drop_partner(tenant(1)).await;
    for customer in 0..80 {
        assert!(one.find(&key(1, customer, 1), &asked, MARGIN).await.is_none(), "{customer}");
    }
    assert!(one.find(&key(2, 9, 1), &asked, MARGIN).await.is_some(), "another partner's stays");
}

#[tokio::test]
async fn an_end_written_by_a_clock_that_is_ahead_is_not_believed_for_longer_than_a_token_lives() {
    // F-10
    let fleet = Fleet::new();
    let asked = scopes(&["Directory.Read.All"]);
    let hour = Duration::from_secs(3600);
    let ahead = crate::model::clock::VirtualClock::starting_at(fleet.clock.now() + hour);
    let one = Sharing::new(fleet.ledger(), Arc::new(ahead), true);
    one.keep(&key(1, 9, 1), &asked, &token(asked.clone(), hour)).await;
    let other = sharing(&fleet, fleet.ledger());
    let found = other.find(&key(1, 9, 1), &asked, MARGIN).await.expect("shared");
    assert_eq!(found.left, hour);
}
