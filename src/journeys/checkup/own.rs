//! What lies on the vendor's side: the key ring and the stores.

use super::Examiner;
use super::result::{Checked, CheckupLine, Topic};
use super::trouble::Trouble;
use crate::model::cloud::Cloud;
use crate::storage::keyring::KeyError;
use crate::storage::ledger::LedgerError;
use crate::storage::receipts::signed_by;
use crate::storage::store::{Kind, Store, Tried, Unkept, rehearse};

impl Examiner {
    /// The ring's primary key wraps a made-up key and gives it back. Older keys have wrapped nothing
    /// here yet.
    pub(super) async fn keys(&self) -> Option<CheckupLine> {
        let proven = match self.ledger.prove_primary().await {
            Err(LedgerError::Key { error, .. }) => Err(Trouble::Key(error)),
            _ => self.not_retired().await,
        };
        Some(CheckupLine::of(Topic::Keys, proven))
    }

    /// A store that does not answer has a line of its own.
    async fn not_retired(&self) -> Result<(), Trouble> {
        let id = self.ledger.primary_key();
        match self.ledger.retired(id).await {
            Ok(true) => Err(Trouble::Key(KeyError::Retired { id: id.clone() })),
            Err(LedgerError::Key { error, .. }) => Err(Trouble::Key(error)),
            _ => Ok(()),
        }
    }

    /// A made-up text is signed, and the signature fits.
    pub(super) async fn receipt_key(&self) -> Option<CheckupLine> {
        let signer = self.signer.as_deref()?;
        let signed = signed_by(signer, &*self.clock, MADE_UP).await;
        Some(CheckupLine::of(Topic::ReceiptKey, signed.map(drop).map_err(Trouble::ReceiptKey)))
    }

    pub(super) async fn stores(&self) -> Vec<CheckupLine> {
        let mut lines = Vec::new();
        for (topic, store) in
            [Topic::Store, Topic::WorkingStore].into_iter().zip(self.stores.each())
        {
            lines.push(self.store(topic, store).await);
        }
        lines
    }

    async fn store(&self, topic: Topic, store: &dyn Store) -> CheckupLine {
        let promises = store.promises();
        if promises.kinds.contains(&Kind::Consent) && topic == Topic::Store && !promises.durable {
            return CheckupLine::of(topic, Err(Trouble::Forgetful));
        }
        let outcome = match rehearse(store, self.ledger.realm(), self.clock.now()).await {
            Ok(Tried::Written) => Checked::Passed,
            Ok(Tried::Read) => Checked::NotChecked(READ_ONLY),
            Err(Unkept::Failed(error)) => Checked::Failed(Trouble::Store(error)),
            Err(Unkept::Promise(promise)) => Checked::Failed(Trouble::BrokenPromise(promise)),
        };
        CheckupLine { topic, outcome }
    }
}

pub(super) const fn is_sovereign(cloud: &Cloud) -> bool {
    matches!(cloud, Cloud::UsGovernment | Cloud::UsGovernmentDod | Cloud::China)
}

/// No receipt: one is an object of JSON.
const MADE_UP: &[u8] = b"a doctor has looked";
const READ_ONLY: &str = "it answers, and was read only: it keeps consents alone, and a made-up one \
                         could be taken for a partner's; the first consent shows whether it can be \
                         written";
