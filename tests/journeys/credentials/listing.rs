//! A vendor's configuration, which lists its credentials and can be changed at any time.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cpv_consent::{ClientCredential, CredentialError, CredentialProvider};

/// Clones share the list.
#[derive(Clone, Default)]
pub struct Listing(Arc<Mutex<Listed>>);

#[derive(Default)]
struct Listed {
    credentials: Vec<ClientCredential>,
    reads: usize,
    is_down: bool,
    hangs: bool,
}

impl Listing {
    pub fn of(credentials: impl Into<Vec<ClientCredential>>) -> Self {
        let listing = Self::default();
        listing.now(credentials);
        listing
    }

    /// Changes the list.
    pub fn now(&self, credentials: impl Into<Vec<ClientCredential>>) {
        self.0.lock().expect("a list").credentials = credentials.into();
    }

    pub fn is_down(&self, is_down: bool) {
        self.0.lock().expect("a list").is_down = is_down;
    }

    pub fn hangs(&self, hangs: bool) {
        self.0.lock().expect("a list").hangs = hangs;
    }

    /// How often it was asked.
    pub fn reads(&self) -> usize {
        self.0.lock().expect("a list").reads
    }

    fn answer(&self) -> (bool, Result<Vec<ClientCredential>, CredentialError>) {
        let mut listed = self.0.lock().expect("a list");
        listed.reads += 1;
        let down = || CredentialError::unavailable("it is down");
        let credentials = Some(listed.credentials.clone()).filter(|_| !listed.is_down);
        (listed.hangs, credentials.ok_or_else(down))
    }

    pub fn credential(&self) -> ClientCredential {
        ClientCredential::from_provider(self.clone())
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Listing")
    }
}

#[async_trait]
impl CredentialProvider for Listing {
    async fn credentials(&self) -> Result<Vec<ClientCredential>, CredentialError> {
        let (hangs, answer) = self.answer();
        if hangs {
            std::future::pending::<()>().await;
        }
        answer
    }
}
