//! What a token takes in memory beyond its text.

use std::alloc::System;

use cpv_consent::measure::plant;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Runtime;

use crate::{Outcome, broker};

/// The system's allocator, which counts.
pub(crate) type Counting = &'static StatsAlloc<System>;
pub(crate) const COUNTING: Counting = &INSTRUMENTED_SYSTEM;

/// The bytes per token beyond its text, beside the 256 that it may take.
pub(crate) fn per_token(runtime: &Runtime) -> Outcome<()> {
    const PARTNERS: u64 = 10;
    const CUSTOMERS: u64 = 10_000;
    const LENGTH: usize = 1500;
    let broker = runtime.block_on(broker())?;
    runtime.block_on(plant(&broker, PARTNERS, 0, LENGTH))?;
    let region = Region::new(COUNTING);
    runtime.block_on(plant(&broker, PARTNERS, CUSTOMERS, LENGTH))?;
    let change = region.change();
    let grown = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    let each = grown / usize::try_from(PARTNERS * CUSTOMERS)?;
    println!("ratio token_bytes_beyond_its_text {} goal 256", each.saturating_sub(LENGTH));
    Ok(())
}
