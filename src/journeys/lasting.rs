//! Work that is done to its end, whether or not its caller waits for it.

use std::future::Future;

use tracing::Instrument;

use crate::error::Error;

/// Does `work` in a task of its own. A caller who goes away in the middle of a write changes nothing
/// about what has to follow it.
pub(crate) async fn lasting<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let landed = tokio::spawn(work.in_current_span()).await;
    landed.unwrap_or(Err(Error::Defect("a write was lost")))
}
