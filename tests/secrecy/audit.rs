//! What is left for an auditor: who did what at which tenant, and when; and nobody else's line.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use cpv_consent::emulator::{Failure, Rule, Tampering};
use cpv_consent::{
    Actor, Broker, Cause, Clock, ConsentState, Error, Event, FreezeScope, LocalKey, Purpose,
    ReceiptKey, Refused, Resource,
};
use serde_json::json;

use crate::logs;
use crate::witness::Witness;
use crate::world::{GRAPH, HOUR, MINUTE, accept, account, capture, refused, tampered};

/// What an observer was told, and when.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<(SystemTime, Event)>>>);

impl Ledger {
    /// What was told since it was last asked; all of it at this time.
    fn told_at(&self, now: SystemTime) -> Vec<Event> {
        let told = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        assert!(told.iter().all(|(at, _)| *at == now), "each is told when it happens: {told:?}");
        told.into_iter().map(|(_, event)| event).collect()
    }
}

/// A broker that is listened to, and signs receipts.
async fn audited(witness: &Witness) -> (Broker, Ledger) {
    let (ledger, clock) = (Ledger::default(), witness.world.clock.clone());
    let told = ledger.clone();
    let key = ReceiptKey::new(&LocalKey::generate("receipts-1").expect("a key"));
    let builder = witness.world.builder(witness.world.store().await);
    let builder = builder.http(witness.recorder.clone()).receipts(key);
    let builder = builder.observer(move |event: &Event| {
        told.0.lock().expect("not poisoned").push((clock.now(), event.clone()));
    });
    (builder.build().await.expect("a broker"), ledger)
}

#[tokio::test]
async fn an_auditor_learns_who_did_what_at_which_tenant_and_when() {
    //
    let witness = Witness::new().await;
    let world = &witness.world;
    let (broker, ledger) = audited(&witness).await;
    let (contoso, fabrikam, user) = (world.contoso, world.fabrikam, world.admin.id);
    let told = || ledger.told_at(world.clock.now());

    witness.onboard(&broker).await;
    let confirmed = told();
    for event in [
        Event::ConsentRequested { partner: Some(contoso), account: world.account() },
        Event::ConsentFound { partner: contoso, user },
        Event::ConsentConfirmed { partner: contoso, user, account: world.account(), generation: 1 },
    ] {
        assert!(confirmed.contains(&event), "{event:?}: {confirmed:?}");
    }

    world.clock.advance(2 * HOUR);
    let partner = broker.partner(contoso);
    let actor = Actor::new("user-17").expect("plain text");
    let purpose = Purpose::new("invoices").expect("plain text");
    let asked = partner.token(Resource::PartnerCenter).by(actor.clone());
    asked.for_purpose(purpose.clone()).await.expect("a token");
    let exchanged = told();
    let is_rotation = |event: &Event| {
        matches!(event, Event::Exchanged { partner, tenant, resource, rotated: true, actor: by, purpose: what, .. }
            if (*partner, *tenant) == (contoso, contoso) && *resource == Resource::PartnerCenter
                && by.as_ref() == Some(&actor) && what.as_ref() == Some(&purpose))
    };
    assert!(exchanged.iter().any(is_rotation), "{exchanged:?}");

    let rule = Rule::any().tenant(fabrikam).resource(GRAPH);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(65001));
    let no = partner.customer(fabrikam).token(Resource::Graph).by(actor.clone()).await;
    let Error::Entra { error, .. } = witness.fault(no) else { panic!("not Entra's") };
    scripted.clear();
    let refusal = Event::ExchangeRefused {
        partner: contoso,
        tenant: fabrikam,
        resource: Resource::Graph,
        cause: Cause::ConsentMissing,
        correlation_id: error.correlation_id().map(str::to_owned),
        actor: Some(actor),
        purpose: None,
    };
    assert!(error.correlation_id().is_some(), "Entra gave one");
    assert_eq!(told(), [refusal]);

    let frozen = broker.freeze(FreezeScope::Partner(contoso), "a theft").await.expect("stored");
    broker.lift(frozen.name()).await.expect("removed");
    let (name, scope) = (frozen.name().to_owned(), FreezeScope::Partner(contoso));
    let reason = "a theft".to_owned();
    let lifted = Event::Lifted { name: name.clone(), scope: scope.clone() };
    assert_eq!(told(), [Event::Frozen { name, scope, reason }, lifted]);

    let moved = witness.begin(broker.first_consent(account("panel-2"))).await;
    let moved = accept(&moved, &world.admin).await;
    let not_yours = refused(capture(&broker, &moved).await);
    assert_eq!(not_yours, Refused::NotYours(contoso));
    let requested = Event::ConsentRequested { partner: None, account: account("panel-2") };
    let refusal = Event::ConsentRefused { partner: Some(contoso), refused: not_yours };
    assert_eq!(told(), [requested, refusal]);

    world.clock.advance(MINUTE);
    partner.withdraw().await.expect("a tombstone");
    partner.shred().await.expect("shredded");
    let at = world.clock.now();
    let withdrawn = Event::StateChanged {
        partner: contoso,
        from: ConsentState::Live,
        to: ConsentState::Withdrawn { at },
    };
    assert_eq!(told(), [withdrawn, Event::Shredded { partner: contoso }]);
    let receipts = broker.receipts(contoso).await.expect("readable");
    let proven: Vec<_> = receipts.iter().map(|one| (one.change().as_str(), one.at())).collect();
    let confirmed_at = at - MINUTE - 2 * HOUR;
    assert_eq!(proven, [("confirmed", confirmed_at), ("withdrawn", at), ("shredded", at)]);
    assert!(receipts.iter().all(|one| one.partner() == contoso));
    witness.assert_silent();
}

/// What would be another line, or seem to be one.
const BREAKS: [&str; 6] = ["\n", "\r\n", "\u{85}", "\u{2028}", "\u{1b}[2K", "\u{8}"];
const FORGED: &str = "FORGED consent event";

/// A text that begins a line of its own in every way there is.
fn forging() -> String {
    BREAKS.map(|way| format!("Ann{way}{FORGED}")).concat()
}

fn is_forged(text: &str) -> bool {
    BREAKS.iter().any(|way| text.contains(&format!("{way}{FORGED}")))
}

#[tokio::test]
async fn nothing_that_others_write_begins_a_line_of_its_own() {
    //
    assert!(is_forged(&forging()), "or nothing is shown by what follows");
    let witness = Witness::new().await;
    let world = &witness.world;
    let (broker, ledger) = audited(&witness).await;
    // By a name.
    for claim in ["name", "preferred_username"] {
        world.entra.token_tampering(Tampering::With(claim.to_owned(), json!(forging())));
        let found = witness.find(&broker).await.expect("anybody may have any name");
        found.decline().await.expect("erased");
    }
    let consent = witness.onboard(&broker).await;
    assert!(consent.user().name().is_some_and(|name| name.contains(FORGED)), "it is kept");
    assert!(!is_forged(&consent.user().to_string()));
    world.clock.advance(MINUTE);
    let next = world.entra.add_user(world.contoso, "successor@contoso.example");
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &next).await;
    let other = capture(&broker, &request).await.expect("everything holds").confirm().await;
    let other = witness.fault(other);
    assert!(matches!(other, Error::Refused(Refused::OtherUser { .. })), "{other:?}");
    // By an answer, through a browser and at the back.
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &next).await;
    let words: String = url::form_urlencoded::byte_serialize(forging().as_bytes()).collect();
    let no = format!("error=server_error&error_description={words}&unread=");
    let no = tampered(&request, |fields| fields.replacen("code=", &no, 1));
    let said = match capture(&broker, &no).await {
        Err(error @ (Error::Callback(_) | Error::Entra { .. })) => witness.fault::<()>(Err(error)),
        other => panic!("{other:?}"),
    };
    let reply = json!({
        "error": forging(), "suberror": forging(), "error_description": forging(),
        "trace_id": forging(), "correlation_id": forging(), "timestamp": forging(),
    });
    let reply = Failure::reply(400, "application/json", reply.to_string());
    world.entra.fail_tokens(Rule::any(), reply);
    world.clock.advance(2 * HOUR);
    let refused = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    let refused = witness.fault(refused);
    for error in [other, said, refused] {
        assert!(!is_forged(&format!("{error} {error:?} {error:#?}")), "{error}");
    }
    for event in ledger.0.lock().expect("not poisoned").iter() {
        assert!(!is_forged(&format!("{event:?}")), "{event:?}");
    }
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let mut file = Vec::new();
    receipts.write_to(&mut file).expect("a vector takes all");
    let file = String::from_utf8(file).expect("UTF-8");
    assert!(file.contains(FORGED) && !is_forged(&file), "{file}");
    assert_eq!(file.lines().count(), receipts.len());
    let lines = String::from_utf8_lossy(&logs::lines()).into_owned();
    assert!(lines.contains(FORGED), "the name was logged");
    assert!(!is_forged(&lines));
}
