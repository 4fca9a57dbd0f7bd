//! The panel: makes receipts on the emulator, and exports them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccountId, Broker, Callback, Found, KeyRing, LocalKey, ReceiptKey, ReceiptKeys,
    ReceiptPublicKey, ReceiptSigner, TenantId, VirtualClock,
};

use super::Outcome;

/// The file of the partner to whose consent most happened.
pub(crate) const CONTOSO: &str = "contoso.jsonl";
const NORTHWIND: &str = "northwind.jsonl";

pub(crate) struct Panel {
    broker: Broker,
    /// What verifiers are given of the key that signs.
    key: ReceiptPublicKey,
    pub(crate) contoso: TenantId,
    northwind: TenantId,
    jane: User,
}

impl Panel {
    /// Two partners: one has consented; the other has consented, by another user once more, and was let
    /// go.
    pub(crate) async fn open() -> Outcome<Self> {
        let clock = VirtualClock::default();
        let entra = Emulator::builder().clock(clock.clone()).start().await?;
        let app = entra.registration("https://panel.example/consent/callback")?;
        entra.register(&app);
        let [contoso, northwind] = ["Contoso", "Northwind"].map(|name| entra.add_tenant(name));
        let [jane, john] = ["jane", "john"]
            .map(|name| entra.add_user(contoso, &format!("{name}@contoso.example")));
        let ann = entra.add_user(northwind, "ann@northwind.example");

        // In no key ring: whoever opens records cannot sign receipts.
        let signer = ReceiptKey::new(&LocalKey::generate("receipts-2026")?);
        let key = signer.public().clone();
        let ring = KeyRing::new(LocalKey::generate("2026-11")?);
        let builder = Broker::builder(app, Memory::new(), ring).clock(clock.clone());
        let broker = builder.receipts(signer).build().await?;

        found(&broker, contoso, &jane).await?.confirm().await?;
        found(&broker, northwind, &ann).await?.confirm().await?;
        clock.advance(Duration::from_secs(60));
        found(&broker, contoso, &john).await?.confirm_instead_of(jane.id).await?;
        broker.partner(contoso).withdraw().await?;
        Ok(Self { broker, key, contoso, northwind, jane })
    }

    /// What a verifier needs, in a new folder. In life the keys come by a way of their own, once, and
    /// the checkpoint lies where this panel cannot write.
    pub(crate) async fn export(&self, folder: &Path) -> Outcome {
        let refused = |error| format!("{}: {error}; name a new folder", folder.display());
        fs::create_dir(folder).map_err(refused)?;
        fs::write(folder.join("keys.json"), ReceiptKeys::new(&self.key).to_json())?;
        fs::write(folder.join("receipts-2026.pem"), self.key.to_pem())?; // for OpenSSL
        let checkpoint = self.broker.checkpoint_receipts().await?; // what comes later may be more
        fs::write(folder.join("checkpoint"), checkpoint.to_text())?;
        self.write_receipts(folder).await
    }

    pub(crate) async fn write_receipts(&self, folder: &Path) -> Outcome {
        for (name, partner) in [(CONTOSO, self.contoso), (NORTHWIND, self.northwind)] {
            let receipts = self.broker.receipts(partner).await?;
            println!("{name}");
            for receipt in receipts.iter() {
                let user = receipt.personal("user.name").unwrap_or("-");
                println!("{:>7}  {:<10} {user}", receipt.sequence(), receipt.change().as_str());
            }
            receipts.write_to(fs::File::create(folder.join(name))?)?;
        }
        Ok(())
    }

    /// From how many receipts.
    pub(crate) async fn erase_jane(&self) -> Outcome<usize> {
        Ok(self.broker.erase_person(self.contoso, self.jane.id).await?)
    }
}

/// Somebody of the partner consents; what is found waits for its confirmation.
async fn found(broker: &Broker, partner: TenantId, user: &User) -> Outcome<Found> {
    let pending = broker.partner(partner).request_consent(AccountId::new("panel-17")?).await?;
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    let request = browser.consent(pending.authorize_url(), user).await?;
    Ok(broker.capture_consent(Callback::from_request(&request)?).await?)
}
