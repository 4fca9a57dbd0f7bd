//! What keeping a record safely costs, beside the bare work under it.
//!
//! Run with `cargo bench --bench storage`, and a name to choose. Both sides of each pair run in
//! turn, so that whatever slows the machine slows both, and a line says
//! `ratio NAME VALUE goal GOAL`: the median of their quotients, and the most it should be.

mod crypto;
mod duel;
mod postgres;
mod rewrap;
#[allow(dead_code, unreachable_pub)] // the tests of PostgreSQL need more of it
#[path = "../../tests/postgres/server.rs"]
mod server;
mod sqlite;

use std::error::Error;

use cpv_consent::{AppRegistration, ClientCredential, ClientId, Cloud, Realm, TenantId};
use criterion::Criterion;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The size of a refresh token, in bytes.
const TOKEN: usize = 1500;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    duel::run::<crypto::SealAndOpen>(&mut criterion);
    duel::run::<sqlite::SinglePut>(&mut criterion);
    duel::run::<sqlite::PutsAtOnce>(&mut criterion);
    duel::run::<sqlite::GetAndOpen>(&mut criterion);
    sqlite::open_a_million(&mut criterion);
    duel::run::<rewrap::Rewrap>(&mut criterion);
    if server::shared().is_some() {
        duel::run::<postgres::SinglePut>(&mut criterion);
    }
    criterion.final_summary();
}

fn app() -> Outcome<AppRegistration> {
    let home = TenantId::parse("11111111-1111-4111-8111-111111111111")?;
    let application = ClientId::parse("c11e0700-2222-4222-8222-222222222222")?;
    let secret = ClientCredential::secret("only-here")?;
    let redirect = "https://panel.example/callback";
    Ok(AppRegistration::new(Cloud::Global, home, application, secret, redirect)?)
}

fn realm() -> Outcome<Realm> {
    Ok(app()?.realm())
}
