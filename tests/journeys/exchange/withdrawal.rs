//! A partner is let go in one process: after the interval nothing of it comes from another, whatever
//! that one has in its hands.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cpv_consent::{Absence, Access, Broker, ClaimsChallenge, Error, Resource, Token};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::exchange::ask;
use crate::world::{self, HOUR, World, raw};

const INTERVAL: std::time::Duration = std::time::Duration::from_secs(6);

/// Everything that a process has resolved and was handed before.
struct Hands {
    broker: Broker,
    handles: Vec<Access>,
    own: Token,
    customers: Token,
}

impl Hands {
    async fn filled(world: &World, broker: Broker) -> Self {
        let partner = broker.partner(world.contoso);
        let customer = partner.customer(world.fabrikam);
        let account = broker.account(world.account()).partner(world.contoso);
        let handles = vec![
            partner.access(Resource::PartnerCenter),
            partner.access(Resource::Graph),
            customer.access(Resource::Graph),
            account.access(Resource::PartnerCenter),
            account.customer(world.fabrikam).access(Resource::Graph),
        ];
        for handle in &handles {
            handle.token().await.expect("a token");
        }
        let own = partner.token(Resource::PartnerCenter).await.expect("a token");
        let customers = customer.token(Resource::Graph).await.expect("a token");
        Self { broker, handles, own, customers }
    }

    /// Through every door.
    async fn ask(&self, world: &World) -> Vec<Result<Token, Error>> {
        let partner = self.broker.partner(world.contoso);
        let account = self.broker.account(world.account()).partner(world.contoso);
        let mut answers = Vec::new();
        for handle in &self.handles {
            answers.push(handle.token().await);
        }
        for door in [partner, account] {
            let customer = door.customer(world.fabrikam);
            answers.push(door.token(Resource::PartnerCenter).await);
            answers.push(door.token(Resource::Graph).await);
            answers.push(customer.token(Resource::Graph).await);
            answers.push(door.token(Resource::PartnerCenter).instead_of(&self.own).await);
            answers.push(customer.token(Resource::Graph).instead_of(&self.customers).await);
            answers.push(door.token(Resource::Graph).satisfying(&challenge()).await);
            answers.push(customer.token(Resource::Graph).satisfying(&challenge()).await);
        }
        answers
    }
}

fn challenge() -> ClaimsChallenge {
    let claims = STANDARD.encode(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    let value = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value.parse().expect("a header"))]);
    ClaimsChallenge::from_headers(&headers).expect("well formed").expect("a challenge")
}

#[track_caller]
fn is_gone(answer: &Result<Token, Error>) {
    let gone = matches!(answer, Err(Error::NoConsent { absence: Absence::Withdrawn, .. }));
    assert!(gone, "{answer:?}");
}

async fn sharing(world: &World) -> Broker {
    let builder = world.builder(world.store().await).share_access_tokens();
    builder.build().await.expect("a broker")
}

#[tokio::test]
async fn nothing_comes_from_any_hand_of_another_process() {
    // R-129
    let world = World::new().await;
    let (one, other) = (sharing(&world).await, sharing(&world).await);
    world.onboard(&one).await;
    let hands = Hands::filled(&world, other).await;
    assert!(hands.ask(&world).await.iter().all(Result::is_ok), "all of them work");
    let shared = |row: &raw::Row| row.kind == "access-token";
    let shelf: Vec<_> = raw::rows(&world.store_folder()).into_iter().filter(shared).collect();
    assert_eq!(shelf.len(), 3);

    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert!(!raw::rows(&world.store_folder()).iter().any(shared), "the shelf is empty");
    // A flight that lands late puts its token there all the same.
    shelf.iter().for_each(|row| raw::put_back(&world.store_folder(), row));
    world.clock.advance(INTERVAL);
    world.entra.forget_ledger();
    for _ in 0..2 {
        hands.ask(&world).await.iter().for_each(is_gone);
    }
    let fresh = sharing(&world).await;
    is_gone(&fresh.partner(world.contoso).token(Resource::PartnerCenter).await);
    is_gone(&ask(&world, &one, Resource::Graph).await.expect("no panic"));
    assert_eq!(world.entra.ledger().len(), 0, "nobody was asked");
}

#[tokio::test]
async fn what_was_under_way_for_longer_than_the_interval_is_handed_to_nobody() {
    // R-129
    for is_customers in [false, true] {
        let world = World::new().await;
        let (one, other) = (world.broker().await, world.broker().await);
        world.onboard(&one).await;
        world.clock.advance(2 * HOUR);
        let hold = world.entra.hold_tokens();
        let asked = {
            let (broker, contoso, fabrikam) = (other.clone(), world.contoso, world.fabrikam);
            tokio::spawn(async move {
                let partner = broker.partner(contoso);
                match is_customers {
                    true => partner.customer(fabrikam).token(Resource::Graph).await,
                    false => partner.token(Resource::Graph).await,
                }
            })
        };
        hold.waiting(1).await;
        one.partner(world.contoso).withdraw().await.expect("a tombstone");
        world.clock.advance(INTERVAL);
        hold.release();
        let answer = asked.await.expect("no panic");
        let gone = matches!(answer, Err(Error::NoConsent { .. } | Error::Superseded { .. }));
        assert!(gone, "{answer:?}");
        let partner = other.partner(world.contoso);
        is_gone(&partner.token(Resource::Graph).await);
        is_gone(&partner.customer(world.fabrikam).token(Resource::Graph).await);
    }
}

#[tokio::test]
async fn a_new_consent_is_served_and_no_token_of_before_with_it() {
    // R-104, R-129
    let world = World::new().await;
    let (one, other) = (sharing(&world).await, sharing(&world).await);
    world.onboard(&one).await;
    let hands = Hands::filled(&world, other).await;
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.clock.advance(std::time::Duration::from_secs(1));
    world.onboard(&one).await;
    world.clock.advance(INTERVAL);
    let before = [hands.own.secret().expose(), hands.customers.secret().expose()];
    for answer in hands.ask(&world).await {
        let token = answer.expect("the partner is back");
        assert!(!before.contains(&token.secret().expose()), "a token of before");
    }
    assert_eq!(world::rows(&world.store_folder(), "consent"), 1);
}
