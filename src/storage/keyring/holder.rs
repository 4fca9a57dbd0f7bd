//! The ring at work. Its providers are the host's code: what they do is bounded and caught.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::model::clock::Clock;
use crate::storage::keyring::{DataKey, KeyError, KeyId, KeyRing, KeyWrap};

/// A ring and the clock that bounds its calls.
#[derive(Clone)]
pub(crate) struct Keyholder {
    ring: KeyRing,
    clock: Arc<dyn Clock>,
}

impl Keyholder {
    pub(crate) fn new(ring: KeyRing, clock: Arc<dyn Clock>) -> Self {
        Self { ring, clock }
    }

    /// The names of its keys, the primary one first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.ring.ids()
    }

    /// The name of the key that wraps.
    pub(crate) fn primary(&self) -> &KeyId {
        self.ring.primary().id()
    }

    /// How long what was unwrapped may be trusted.
    pub(crate) const fn cached_for(&self) -> Duration {
        self.ring.cached_for
    }

    /// Wraps under the primary key, and opens it again: what is returned may take the place of the
    /// only copy, and the wrap is another's code.
    pub(crate) async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        let primary = self.ring.primary();
        let wrapped = self.answer(primary.id(), primary.wrap(key)).await?;
        let opened = self.unwrap(primary.id(), &wrapped).await?;
        let same = verify_slices_are_equal(opened.expose(), key.expose());
        same.map_err(|_| KeyError::Refused { id: primary.id().clone() })?;
        Ok(wrapped)
    }

    /// Unwraps with the key of that name.
    pub(crate) async fn unwrap(&self, id: &KeyId, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        self.answer(id, self.ring.find(id)?.unwrap(wrapped)).await
    }

    /// Proves that the holder of the primary key said this.
    pub(crate) fn sign(&self, text: &[u8]) -> Result<[u8; PROOF_LENGTH], KeyError> {
        let tag = origin(self.ring.primary())?.authenticate(text);
        Ok(*tag.as_ref().first_chunk().expect("an HMAC-SHA256 has 32 bytes"))
    }

    /// Whether the holder of the key of that name said this.
    pub(crate) fn verify(&self, id: &KeyId, text: &[u8], proof: &[u8]) -> Result<(), KeyError> {
        let said = origin(self.ring.find(id)?)?.authenticated(text, proof);
        if said { Ok(()) } else { Err(KeyError::Refused { id: id.clone() }) }
    }

    async fn answer<T>(
        &self,
        id: &KeyId,
        call: impl Future<Output = Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        bounded(&*self.clock, id, call).await
    }
}

impl fmt::Debug for Keyholder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ring.fmt(out)
    }
}

/// How many bytes prove who said something.
pub(crate) const PROOF_LENGTH: usize = 32;

const LONGEST_CALL: Duration = Duration::from_secs(30);

/// What a provider of keys answers, if it does so in time and without a panic.
pub(crate) async fn bounded<T>(
    clock: &dyn Clock,
    id: &KeyId,
    call: impl Future<Output = Result<T, KeyError>>,
) -> Result<T, KeyError> {
    let because = "it did not answer within 30 seconds".into();
    tokio::select! {
        biased;
        answer = caught(id, call) => answer,
        () = clock.sleep(LONGEST_CALL) => {
            Err(KeyError::Unavailable { id: id.clone(), because })
        }
    }
}

fn origin(key: &dyn KeyWrap) -> Result<&DataKey, KeyError> {
    catch_unwind(AssertUnwindSafe(|| key.origin())).map_err(|_| panicked(key.id()))
}

/// A future that panicked is not polled again, so that nothing of it is seen half done.
async fn caught<T>(
    id: &KeyId,
    call: impl Future<Output = Result<T, KeyError>>,
) -> Result<T, KeyError> {
    let mut call = pin!(call);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(panicked(id))))
    })
    .await
}

fn panicked(id: &KeyId) -> KeyError {
    KeyError::Panicked { id: id.clone() }
}
