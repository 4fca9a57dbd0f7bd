//! Callers who go away, at each point where they could.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use cpv_consent::emulator::Grant;
use cpv_consent::{Broker, Clock as _, Error, Refused};
use tokio::time::timeout;

use crate::world::{DAY, HOUR, World, capture, raw, refused, rows};
use crate::{FAIL_SAFE, consent, customer, expire_tokens, own, redemptions, told};

/// A future that is given up at its n-th wait.
struct GivenUp<F> {
    inner: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for GivenUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.inner.as_mut().poll(context).map(Some)
    }
}

/// Polls so often and then drops it; `None` if it was not done by then.
async fn give_up<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    timeout(FAIL_SAFE, GivenUp { inner: Box::pin(future), polls }).await.expect("it hangs")
}

/// What comes in time, for nothing is in the way.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(FAIL_SAFE, future).await.expect("a lock is held")
}

/// A partner whose tokens have ended; other brokers stand for other processes.
async fn stage() -> (World, Broker, Broker) {
    let world = World::new().await;
    let (broker, other) = (world.broker().await, world.broker().await);
    world.onboard(&broker).await;
    expire_tokens(&world);
    (world, broker, other)
}

#[tokio::test]
async fn a_caller_who_goes_away_anywhere_leaves_a_flight_that_lands_and_is_stored() {
    // F-30, R-116
    let (world, broker, other) = stage().await;
    for polls in 0.. {
        expire_tokens(&world);
        let done = give_up(polls, own(&world, &broker)).await;
        soon(own(&world, &broker)).await.expect("a token");
        assert_eq!(redemptions(&world), 1, "given up after {polls} polls: one exchange in all");
        let deadline = consent(&world, &broker).await.deadline();
        assert_eq!(deadline, world.clock.now() + 90 * DAY, "given up after {polls}: not stored");
        expire_tokens(&world);
        soon(own(&world, &other)).await.expect("no lease is left in another process's way");
        assert_eq!(redemptions(&world), 1);
        if done.is_some() {
            assert!(polls > 1, "it never waited");
            break;
        }
    }
}

#[tokio::test]
async fn nobody_need_wait_for_a_flight_to_land() {
    // F-30
    let (world, broker, _) = stage().await;
    for ask in ["own", "customer"] {
        expire_tokens(&world);
        let before = told(&world, |event| matches!(event, cpv_consent::Event::Exchanged { .. }));
        let hold = world.entra.hold_tokens();
        let only = {
            let (broker, contoso, fabrikam) = (broker.clone(), world.contoso, world.fabrikam);
            tokio::spawn(async move {
                let partner = broker.partner(contoso);
                match ask {
                    "own" => partner.token(cpv_consent::Resource::PartnerCenter).await,
                    _ => partner.customer(fabrikam).token(cpv_consent::Resource::Graph).await,
                }
            })
        };
        soon(hold.waiting(1)).await;
        only.abort();
        assert!(only.await.expect_err("given up").is_cancelled());
        hold.release();
        let exchanged =
            || told(&world, |event| matches!(event, cpv_consent::Event::Exchanged { .. }));
        soon(async {
            while exchanged() == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let token = match ask {
            "own" => soon(own(&world, &broker)).await,
            _ => soon(customer(&world, &broker)).await,
        };
        token.expect("what the flight brought");
        assert_eq!(redemptions(&world), 1, "{ask}: it was kept");
    }
}

#[tokio::test]
async fn a_customers_caller_who_goes_away_anywhere_holds_up_nobody() {
    // F-30
    let (world, broker, other) = stage().await;
    for polls in 0.. {
        world.clock.advance(8 * DAY); // the partner's own token is due too
        world.entra.forget_ledger();
        let done = give_up(polls, customer(&world, &broker)).await;
        soon(customer(&world, &broker)).await.expect("a token");
        soon(own(&world, &broker)).await.expect("a token");
        assert_eq!(redemptions(&world), 2, "given up after {polls} polls: one for each");
        assert_eq!(consent(&world, &broker).await.deadline(), world.clock.now() + 90 * DAY);
        expire_tokens(&world);
        soon(customer(&world, &other)).await.expect("a token");
        if done.is_some() {
            assert!(polls > 1, "it never waited");
            break;
        }
    }
}

#[tokio::test]
async fn a_callback_that_is_given_up_anywhere_leaves_half_of_nothing() {
    // F-30, F-06, R-016
    for polls in 0.. {
        let world = World::new().await;
        let broker = world.broker().await;
        let request = world.callback(&broker).await;
        let done = give_up(polls, capture(&broker, &request)).await;
        if let Some(found) = done {
            found.expect("everything holds");
            assert!(polls > 5, "{polls} waits are too few to prove anything");
            break;
        }
        let codes = world.entra.count_tokens(|asked| asked.grant == Some(Grant::Code));
        assert!(codes <= 1);
        assert_eq!(rows(&world.store_folder(), "consent"), 0, "after {polls} polls");
        match soon(capture(&broker, &request)).await {
            Ok(found) => drop(soon(found.confirm()).await.expect("nothing was spent")),
            Err(Error::Refused(refused)) => assert_eq!(refused, Refused::StateReplayed),
            Err(other) => panic!("after {polls} polls: {other:?}"),
        }
        let codes = world.entra.count_tokens(|asked| asked.grant == Some(Grant::Code));
        assert!(codes <= 1, "a code is never sent twice");
        soon(world.onboard(&broker)).await;
        soon(own(&world, &broker)).await.expect("a flow of its own");
    }
}

#[tokio::test]
async fn a_confirmation_that_is_given_up_anywhere_counts_whole_or_not_at_all() {
    // F-30, R-032
    for polls in 0.. {
        let world = World::new().await;
        let broker = world.broker().await;
        let request = world.callback(&broker).await;
        let found = capture(&broker, &request).await.expect("everything holds");
        let id = found.id().clone();
        let done = give_up(polls, found.confirm()).await;
        if let Some(confirmed) = done {
            confirmed.expect("a consent");
            assert!(polls > 1, "{polls} waits are too few to prove anything");
            break;
        }
        let waits = soon(broker.found(&id, request.headers())).await;
        match waits {
            Ok(found) => drop(soon(found.confirm()).await.expect("it still waits")),
            Err(error) => assert_eq!(refused::<()>(Err(error)), Refused::NothingToConfirm),
        }
        let stored = raw::rows(&world.store_folder());
        let consents = stored.iter().filter(|row| row.kind == "consent").count();
        assert_eq!(consents, 1, "after {polls} polls");
        soon(own(&world, &broker)).await.expect("the consent stands");
    }
}

#[tokio::test]
async fn a_withdrawal_that_is_given_up_anywhere_can_be_made_again() {
    // F-30, R-129
    for polls in 0.. {
        let world = World::new().await;
        let (broker, other) = (world.broker().await, world.broker().await);
        world.onboard(&broker).await;
        let partner = broker.partner(world.contoso);
        let done = give_up(polls, partner.withdraw()).await;
        if done.is_none() {
            // Done or not, it may be said again.
            let again = soon(partner.withdraw()).await;
            assert!(matches!(again, Ok(_) | Err(Error::NoConsent { .. })), "{again:?}");
        }
        for broker in [&broker, &other] {
            world.clock.advance(HOUR);
            let token = soon(own(&world, broker)).await;
            assert!(matches!(token, Err(Error::NoConsent { .. })), "{polls}: {token:?}");
        }
        if done.is_some() {
            assert!(polls > 1, "{polls} waits are too few to prove anything");
            break;
        }
    }
}
