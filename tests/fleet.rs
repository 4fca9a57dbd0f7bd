//! Several processes on one store: one rotation, one exchange each, and nothing lost when one of
//! them dies or sleeps in the middle.

#![cfg(unix)]
#![allow(unreachable_pub)] // its modules are of one program

#[path = "fleet/scenarios.rs"]
mod scenarios;
#[allow(dead_code)] // another program uses the rest of it
#[path = "postgres/server.rs"]
mod server;
mod world;

/// Not a test: what the processes of a fleet do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of a fleet, started by the tests"]
async fn fleet_process() {
    world::fleet::serve().await;
}

/// Each scenario, on SQLite files and on a PostgreSQL server.
macro_rules! on_every_store {
    ($($(#[$note:meta])* $scenario:ident,)*) => {
        mod sqlite {
            $($(#[$note])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                crate::scenarios::$scenario(None).await;
            })*
        }

        mod postgres {
            $($(#[$note])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let Some(server) = crate::server::shared() else { return };
                let database = server.database().await;
                let store = format!("postgres:{}", database.url("panel"));
                crate::scenarios::$scenario(Some(store)).await;
            })*
        }
    };
}

on_every_store! {
    two_processes_rotate_once_and_exchange_once_each,
    processes_that_share_access_tokens_exchange_once_in_all,
    a_killed_owner_costs_one_more_at_most_and_nothing_is_lost,
    a_killed_owner_of_shared_tokens_costs_one_more_at_most,
    an_owner_that_slept_past_its_lease_overwrites_nothing,
    a_hundred_processes_take_their_turns,
    hosts_whose_dates_are_wrong_by_an_hour_wait_for_each_other,
    a_lease_that_is_lost_costs_a_request_and_nothing_else,
    after_a_withdrawal_nothing_comes_from_another_process,
}
