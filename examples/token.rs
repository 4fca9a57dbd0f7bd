//! A token before every call: for the partner, for its customers, in a hot loop; and what to do when
//! an API refuses one, when many ask at once, and when hand-outs must stop.
//!
//! Everything runs here, on an emulated Entra; the numbers of requests are its own.
//!
//! ```text
//! cargo run --example token
//! ```

mod help;

use std::error::Error;
use std::time::Instant;

use cpv_consent::emulator::{Browser, Emulator, Grant};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, FreezeScope, KeyRing, LocalKey, Purpose,
    Resource, TenantId,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const GRAPH: &str = "https://graph.microsoft.com";
const PERMISSION: &str = "Directory.Read.All";
const CALLERS: usize = 1000;
const CALLS: u32 = 100_000;

#[tokio::main]
async fn main() -> Outcome {
    if help::is_given(include_str!("token.rs")) {
        return Ok(());
    }
    let entra = Emulator::builder().start().await?;
    let app = entra.registration("https://panel.example/consent/callback")?;
    let app = app.requesting(Resource::Graph, [PERMISSION])?;
    entra.register(&app);
    let keys = KeyRing::new(LocalKey::generate("2026-11")?);
    let broker = Broker::builder(app.clone(), Memory::new(), keys).build().await?;
    let (contoso, fabrikam) = consent(&entra, &broker, &app).await?;

    one_each(&broker, contoso, fabrikam).await?;
    many_at_once(&entra, &broker, contoso, fabrikam).await?;
    in_a_hot_loop(&broker, contoso, fabrikam).await?;
    refused_by_the_api(&broker, contoso, fabrikam).await?;
    frozen(&broker, contoso).await
}

/// The line that a panel writes everywhere.
async fn one_each(broker: &Broker, contoso: TenantId, fabrikam: TenantId) -> Outcome {
    let partner = broker.partner(contoso);
    let own = partner.token(Resource::PartnerCenter).await?;
    println!("partner   {}", own.scopes());
    let purpose = Purpose::new("nightly-report")?;
    let customer = partner.customer(fabrikam);
    let theirs = customer.token(Resource::Graph).for_purpose(purpose).await?;
    println!("customer  {}", theirs.scopes());
    let request = http::Request::get("https://graph.microsoft.com/v1.0/organization")
        .header(http::header::AUTHORIZATION, theirs.bearer())
        .body(())?;
    println!("to send   {} {}, the token marked sensitive", request.method(), request.uri());
    Ok(())
}

async fn many_at_once(
    entra: &Emulator,
    broker: &Broker,
    contoso: TenantId,
    fabrikam: TenantId,
) -> Outcome {
    // For an incident only: here it empties the memory, as at a start.
    broker.credential_compromised().await?;
    entra.forget_ledger();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let broker = broker.clone();
            let ask = async move {
                broker.partner(contoso).customer(fabrikam).token(Resource::Graph).await
            };
            tokio::spawn(ask)
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let requests = entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken));
    println!("\n{CALLERS} callers at once, {requests} request to Entra");
    Ok(())
}

async fn in_a_hot_loop(broker: &Broker, contoso: TenantId, fabrikam: TenantId) -> Outcome {
    let before = broker.hits();
    let graph = broker.partner(contoso).customer(fabrikam).access(Resource::Graph);
    let begun = Instant::now();
    for _ in 0..CALLS {
        std::hint::black_box(graph.token().await?);
    }
    let each = begun.elapsed() / CALLS;
    println!(
        "{} hits by a handle, {} ns each in this build",
        broker.hits() - before,
        each.as_nanos()
    );
    Ok(())
}

/// An API answered 401: say which token it was.
async fn refused_by_the_api(broker: &Broker, contoso: TenantId, fabrikam: TenantId) -> Outcome {
    let customer = broker.partner(contoso).customer(fabrikam);
    let refused = customer.token(Resource::Graph).await?;
    let other = customer.token(Resource::Graph).instead_of(&refused).await?;
    let differs = refused.secret().expose() != other.secret().expose();
    println!("\ninstead of a refused token: another one: {differs}");
    let error = customer.token(Resource::Graph).instead_of(&other).await;
    println!("and if that is refused too: {}", error.err().ok_or("no third token")?);
    Ok(())
}

/// Nobody gets a token any more, in any process, until it is lifted by its name.
async fn frozen(broker: &Broker, contoso: TenantId) -> Outcome {
    let freeze = broker.freeze(FreezeScope::Partner(contoso), "under investigation").await?;
    let error = broker.partner(contoso).token(Resource::PartnerCenter).await;
    println!("\n{}", error.err().ok_or("it is frozen")?);
    broker.lift(freeze.name()).await?;
    broker.partner(contoso).token(Resource::PartnerCenter).await?;
    println!("lifted: tokens are handed out again");
    Ok(())
}

/// A partner that consented, with a customer that has granted what is asked for.
async fn consent(
    entra: &Emulator,
    broker: &Broker,
    app: &AppRegistration,
) -> Outcome<(TenantId, TenantId)> {
    let contoso = entra.add_tenant("Contoso");
    let admin = entra.add_user(contoso, "admin@contoso.example");
    let pending = broker.partner(contoso).request_consent(AccountId::new("panel-17")?).await?;
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
    let request = browser.consent(pending.authorize_url(), &admin).await?;
    broker.capture_consent(Callback::from_request(&request)?).await?.confirm().await?;
    let fabrikam = entra.add_customer(contoso, "Fabrikam");
    entra.grant(fabrikam, app.client_id(), GRAPH, &[PERMISSION]);
    Ok((contoso, fabrikam))
}
