//! A file in memory, and a token endpoint that always says yes.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::{Http, HttpError};
use http::{Request, Response};

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("one writer").clone()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one writer").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a new refresh token for any, as Entra does. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Yes(Arc<AtomicU64>);

#[async_trait]
impl Http for Yes {
    async fn send(&self, _: Request<Bytes>, _: usize) -> Result<Response<Bytes>, HttpError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let reply = format!(
            r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"at-{number}","refresh_token":"rt-{number}"}}"#
        );
        Ok(Response::new(reply.into()))
    }
}
