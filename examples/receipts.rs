//! Proof of what became of a consent, for somebody who trusts neither the panel nor its database.
//!
//! Makes receipts on an emulated Entra, exports them to a file, verifies that file with nothing but the
//! public key and a checkpoint, and shows what alterations look like. Last, a person is erased.
//!
//! ```text
//! cargo run --example receipts
//! cargo run --example receipts -- FOLDER     and leaves the files in a new folder, to verify by hand
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccountId, Broker, Callback, Checkpoint, Found, KeyRing, LocalKey, ReceiptKey, ReceiptKeys,
    ReceiptSigner, Receipts, TenantId, VirtualClock,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let clock = VirtualClock::default();
    let entra = Emulator::builder().clock(clock.clone()).start().await?;
    let app = entra.registration("https://panel.example/consent/callback")?;
    entra.register(&app);
    let contoso = entra.add_tenant("Contoso");
    let jane = entra.add_user(contoso, "jane@contoso.example");
    let john = entra.add_user(contoso, "john@contoso.example");

    // In no key ring: whoever opens records cannot sign receipts.
    let key = ReceiptKey::new(&LocalKey::generate("receipts-2026")?);
    let keys = ReceiptKeys::new(key.public()).to_json();
    let pem = key.public().to_pem();
    let ring = KeyRing::new(LocalKey::generate("2026-11")?);
    let builder = Broker::builder(app, Memory::new(), ring).clock(clock.clone());
    let broker = builder.receipts(key).build().await?;

    found(&broker, contoso, &jane).await?.confirm().await?;
    clock.advance(Duration::from_secs(60));
    found(&broker, contoso, &john).await?.confirm_instead_of(jane.id).await?;
    broker.partner(contoso).withdraw().await?;

    let temporary = tempfile::tempdir()?;
    let folder = std::env::args_os().nth(1).map_or(temporary.path().join("files"), Into::into);
    let refused = |error| format!("{}: {error}; name a new folder", folder.display());
    fs::create_dir(&folder).map_err(refused)?;
    let (file, point) = (folder.join("receipts.jsonl"), folder.join("checkpoint"));
    fs::write(folder.join("receipts-2026.pem"), pem)?;
    export(&broker, contoso, &file).await?;
    fs::write(&point, broker.checkpoint_receipts().await?.to_text())?;

    let offline = Verifier { keys: ReceiptKeys::from_json(&keys)?, point: read_point(&point)? };
    let text = fs::read_to_string(&file)?;
    println!("{} lines, as they are", text.lines().count());
    if !offline.show(&text) || alterations(&offline, &text) {
        return Err("what holds was not told from what does not".into());
    }

    let erased = broker.erase_person(contoso, jane.id).await?;
    export(&broker, contoso, &file).await?;
    let text = fs::read_to_string(&file)?;
    println!(
        "\njane is erased from {erased} receipt; her name in the file: {}",
        text.contains("jane")
    );
    if offline.show(&text) { Ok(()) } else { Err("a chain must outlive its persons".into()) }
}

/// A file for whoever verifies.
async fn export(broker: &Broker, partner: TenantId, file: &Path) -> Outcome {
    let receipts = broker.receipts(partner).await?;
    for receipt in receipts.iter() {
        let user = receipt.personal("user.name").unwrap_or("-");
        println!("{:>3}  {:<10} {user}", receipt.sequence(), receipt.change().as_str());
    }
    Ok(receipts.write_to(fs::File::create(file)?)?)
}

fn read_point(file: &Path) -> Outcome<Checkpoint> {
    Ok(Checkpoint::read(&fs::read_to_string(file)?)?)
}

/// Somebody elsewhere: no broker, no store, no secret.
struct Verifier {
    keys: ReceiptKeys,
    point: Checkpoint,
}

impl Verifier {
    /// Whether nothing is wrong.
    fn show(&self, text: &str) -> bool {
        let audit = Receipts::read(text.as_bytes()).verify(&self.keys, Some(&self.point));
        println!("     {} hold, {} without their person", audit.receipts(), audit.undisclosed());
        for finding in audit.findings() {
            println!("     {finding}");
        }
        if audit.is_sound() {
            println!("     nothing is wrong");
        }
        audit.is_sound()
    }
}

/// Whether one of them was not noticed.
fn alterations(offline: &Verifier, text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != left_out);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let mut unnoticed = false;
    for (what, altered) in [
        ("another account", text.replace("panel-17", "panel-18")),
        ("another name", text.replace("jane@contoso", "joan@contoso")),
        ("the second is missing", without(1)),
        ("the last is missing", without(lines.len() - 1)),
        ("all are missing", String::new()),
    ] {
        println!("\n{what}");
        unnoticed |= offline.show(&altered);
    }
    unnoticed
}

/// Somebody of the partner consents; what is found waits for its confirmation.
async fn found(broker: &Broker, partner: TenantId, user: &User) -> Outcome<Found> {
    let pending = broker.partner(partner).request_consent(AccountId::new("panel-17")?).await?;
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    let request = browser.consent(pending.authorize_url(), user).await?;
    Ok(broker.capture_consent(Callback::from_request(&request)?).await?)
}
