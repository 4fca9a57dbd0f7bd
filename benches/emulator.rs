//! What a token request costs the emulator in load mode, beside a bare axum handler that gives the
//! same bytes; how much it remembers, and how long it takes to start.
//!
//! Run with `cargo bench --bench emulator`. One worker thread serves both sides, and the same client
//! asks them in turns from another thread; the handler is served as plainly as axum can. The ratio is
//! the median of the rounds' quotients: 1 is as fast as the bare handler.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::routing::post;
use bytes::Bytes;
use cpv_consent::emulator::{Emulator, EmulatorBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use load::{Client, Crowd, Outcome, body, memory};

#[path = "../tests/load/mod.rs"]
mod load;

const ROUNDS: usize = 31;
const REQUESTS: usize = 4_000;
const CONNECTIONS: usize = 32;
const STARTS: usize = 21;

fn main() -> Outcome<()> {
    let empty = memory("VmRSS")?;
    let server = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let entra = server.block_on(Emulator::builder().load_mode().start())?;
    let crowd = server.block_on(Crowd::gather(&entra, 10, 99))?;
    let mut emulator = Client::connect(crowd.address, CONNECTIONS)?;
    let reply = emulator.ask(&crowd.requests[1])?;
    let address = server.block_on(serve_bare(body(&reply)?.to_vec().into()))?;
    let mut bare = Client::connect(address, CONNECTIONS)?;
    assert!(undated(&bare.ask(&crowd.requests[1])?) == undated(&reply), "not the same bytes");

    let mut quotients = Vec::new();
    for _ in 0..ROUNDS {
        let ours = emulator.run(&crowd.requests, REQUESTS)?;
        let theirs = bare.run(&crowd.requests, REQUESTS)?;
        quotients.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    println!("ratio load_mode_to_bare {:.2}", median(quotients));

    let (tenants, requests) = (crowd.requests.len(), entra.count_tokens(|_| true));
    let [now, most] = [memory("VmRSS")? - empty, memory("VmHWM")? - empty];
    println!("memory {tenants} tenants, {requests} requests: {now:.0} MB, at most {most:.0} MB");

    println!("start http {:.2} ms", server.block_on(starts(Emulator::builder))?);
    println!("start https {:.2} ms", server.block_on(starts(|| Emulator::builder().https()))?);
    Ok(())
}

/// A handler that does nothing, as axum serves it.
async fn serve_bare(body: Bytes) -> Outcome<SocketAddr> {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (PRAGMA, "no-cache"),
        (CONTENT_TYPE, "application/json; charset=utf-8"),
    ];
    let reply = move || async move { (headers, Body::from(body)) };
    let routes = Router::new().route("/{tenant}/oauth2/v2.0/token", post(reply));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

/// The lines of a reply but for the moment it was sent.
fn undated(reply: &[u8]) -> Vec<&[u8]> {
    let lines = reply.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b"date: ")).collect()
}

/// How many milliseconds it takes until an emulator listens, once its process has a signing key.
async fn starts(builder: fn() -> EmulatorBuilder) -> Outcome<f64> {
    let mut samples = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let entra = builder().start().await?;
        samples.push(begun.elapsed().as_secs_f64() * 1000.0);
        entra.shutdown().await;
    }
    Ok(median(samples))
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
