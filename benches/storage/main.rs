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
use duel::Duel as _;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The size of a refresh token, in bytes.
const TOKEN: usize = 1500;

fn main() -> Outcome<()> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let benches: [(&str, fn() -> Outcome<()>); 7] = [
        (crypto::SealAndOpen::NAME, duel::run::<crypto::SealAndOpen>),
        (sqlite::SinglePut::NAME, duel::run::<sqlite::SinglePut>),
        (sqlite::PutsAtOnce::NAME, duel::run::<sqlite::PutsAtOnce>),
        (sqlite::GetAndOpen::NAME, duel::run::<sqlite::GetAndOpen>),
        (sqlite::OPEN_A_MILLION, sqlite::open_a_million),
        (rewrap::Rewrap::NAME, duel::run::<rewrap::Rewrap>),
        (postgres::SinglePut::NAME, postgres::single_put),
    ];
    for (name, bench) in benches {
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            bench()?;
        }
    }
    Ok(())
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
