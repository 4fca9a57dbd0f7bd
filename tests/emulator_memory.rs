//! What the emulator remembers of a thousand tenants and a hundred thousand token requests. It has a
//! process of its own, for the system counts the memory of a process.

#![cfg(target_os = "linux")]

use cpv_consent::emulator::Emulator;
use load::{Client, Crowd, Outcome, memory};

mod load;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "half a minute: .ci/run runs it"]
async fn a_thousand_tenants_and_a_hundred_thousand_requests_stay_within_500_megabytes()
-> Outcome<()> {
    let entra = Emulator::builder().load_mode().start().await?;
    let crowd = Crowd::gather(&entra, 10, 99).await?;
    let (tenants, address) = (crowd.requests.len(), crowd.address);
    let run = move || Client::connect(address, 32)?.run(&crowd.requests, REQUESTS);
    tokio::task::spawn_blocking(run).await??;
    let served = entra.count_tokens(|request| request.result.is_ok());
    assert_eq!((tenants, served), (1000, REQUESTS + 10), "each partner signed in once");
    let most = memory("VmHWM")?;
    assert!(most < 500.0, "{most:.0} MB");
    Ok(())
}

const REQUESTS: usize = 100_000;
