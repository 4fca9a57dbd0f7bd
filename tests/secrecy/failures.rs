//! What goes wrong, in every way there is.

use cpv_consent::emulator::{Failure, MfaAnswer, MfaMethod, Rule, Tampering};
use cpv_consent::{
    AccessToken, Broker, Callback, ClientCredential, ClientSecret, Error, Event, KeyRing, LocalKey,
    RefreshToken, Resource, ResponseMode,
};
use serde_json::{Value, json};

use crate::witness::{CLIENT_SECRET, Witness};
use crate::world::{HOUR, MINUTE, accept, account, capture, raw, tampered};

#[tokio::test]
async fn refused_consents_leave_no_secret_anywhere() {
    //
    let witness = Witness::new().await;
    let world = &witness.world;
    let broker = witness.broker().await;
    for tampering in [
        Tampering::BadSignature,
        Tampering::AlgNone,
        Tampering::PublicKeyAsSecret,
        Tampering::UnknownKid,
        Tampering::WrongIssuer,
        Tampering::WrongAudience,
        Tampering::WrongNonce,
        Tampering::MissingNonce,
        Tampering::Expired,
        Tampering::NotYetValid,
        Tampering::OtherTenant(world.fabrikam),
        Tampering::Without("oid".into()),
        Tampering::With("exp".into(), json!("canary")),
    ] {
        world.entra.token_tampering(tampering);
        witness.fault(witness.find(&broker).await);
    }
    world.entra.token_tampering(Tampering::None);
    for answer in [MfaAnswer::NotCompliant, MfaAnswer::Status(500)] {
        world.entra.partner_center_mfa(answer);
        witness.fault(witness.find(&broker).await);
    }
    world.entra.partner_center_mfa(MfaAnswer::Honest);
    world.entra.change_user(&world.admin, |user| user.mfa = MfaMethod::None);
    witness.fault(witness.find(&broker).await);
    world.entra.change_user(&world.admin, |user| user.administrator = false);
    witness.fault(witness.find(&broker).await);
    witness.keep_files();
    witness.assert_silent();
}

#[tokio::test]
async fn strange_callbacks_leave_no_secret_anywhere() {
    //
    let witness = Witness::new().await;
    let world = &witness.world;
    let broker = witness.broker().await;
    let request = witness.request(&broker, ResponseMode::FormPost);
    let good = witness.callback(request, &world.admin).await;
    let code = std::str::from_utf8(good.body()).expect("a form");
    let code = code.split('&').find_map(|field| field.strip_prefix("code=")).expect("a code");
    witness.plant("code in the browser", code.as_bytes());
    let doubled = tampered(&good, |fields| format!("{fields}&{fields}"));
    let denied = tampered(&good, |fields| {
        fields.replacen("code=", "error=access_denied&error_description=AADSTS65004:%20", 1)
    });
    let mut elsewhere = good.clone();
    elsewhere.headers_mut().remove(http::header::COOKIE);
    let unknown = tampered(&good, |fields| fields.replacen("&state=", "&state=x", 1));
    let issued = tampered(&good, |fields| format!("{fields}&iss={code}"));
    for request in [&doubled, &elsewhere, &unknown, &issued] {
        if let Ok(callback) = Callback::from_request(request) {
            witness.show("callback", &callback);
        }
        witness.fault(capture(&broker, request).await);
    }
    witness.fault(capture(&broker, &denied).await);
    witness.fault(capture(&broker, &good).await);
    world.clock.advance(HOUR);
    witness.fault(capture(&broker, &good).await);
    witness.assert_silent();
}

/// Asks for a token at the partner's own tenant and at a customer's; both must fail.
async fn fail_twice(witness: &Witness, broker: &Broker) -> Error {
    witness.world.clock.advance(12 * HOUR);
    let partner = broker.partner(witness.world.contoso);
    let customer = partner.customer(witness.world.fabrikam);
    witness.fault(customer.token(Resource::Graph).await);
    witness.fault(partner.token(Resource::PartnerCenter).await)
}

#[tokio::test]
async fn failures_of_every_class_leave_no_secret_anywhere() {
    //
    let witness = Witness::new().await;
    let world = &witness.world;
    let broker = witness.broker().await;
    witness.onboard(&broker).await;
    let token = witness.recorder.seen().iter().rev().find_map(|seen| seen.field("refresh_token"));
    let echo = format!("AADSTS50076: {CLIENT_SECRET} {}", token.expect("a redemption"));
    let said = json!({
        "error": echo, "suberror": echo, "error_description": echo, "error_codes": [echo],
        "trace_id": echo, "correlation_id": echo, "timestamp": echo, "error_uri": echo,
    });
    let description = json!({ "error": "invalid_grant", "error_description": echo });
    for failure in [
        Failure::aadsts(50053),
        Failure::aadsts(65001),
        Failure::aadsts(7_000_215),
        Failure::aadsts(50173),
        Failure::status(503),
        Failure::reply(400, "application/json", said.to_string()),
        Failure::reply(400, "application/json", description.to_string()),
        Failure::reply(502, "text/html", format!("<html>{echo}</html>")),
        Failure::reply(200, "text/html", format!("<html>{echo}</html>")),
        Failure::reply(200, "application/json", format!("{{\"x\":\"{echo}")),
        Failure::reply(307, "text/html", echo.clone()),
        Failure::reply(200, "text/plain", echo.repeat(20_000)),
    ] {
        let scripted = world.entra.fail_tokens(Rule::any(), failure);
        fail_twice(&witness, &broker).await;
        scripted.clear();
    }
    let changes: [fn(&mut Value); 4] = [
        |reply| reply["token_type"] = json!("mac"),
        |reply| reply["refresh_token"] = json!([reply["refresh_token"], reply["access_token"]]),
        |reply| reply["scope"] = json!(""),
        |reply| reply["id_token"] = reply["access_token"].clone(),
    ];
    for change in changes {
        let scripted = world.entra.alter_tokens(Rule::any(), change);
        fail_twice(&witness, &broker).await;
        scripted.clear();
        witness.show("broker in trouble", &broker);
    }
    witness.keep_files();
    world.entra.shutdown().await;
    let error = fail_twice(&witness, &broker).await;
    assert!(matches!(error, Error::Http(_)), "{error:?}");
    witness.assert_silent();
}

#[tokio::test]
async fn an_unsaved_rotation_leaves_no_secret_anywhere() {
    // F-11
    let witness = Witness::new().await;
    let world = &witness.world;
    let broker = witness.broker().await;
    witness.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    let folder = world.store_folder();
    raw::execute(&folder, "consent", "ALTER TABLE clock RENAME TO hidden");
    let partner = broker.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    assert!(world.events().contains(&Event::Unsaved { partner: world.contoso }));
    let error = witness.fault(partner.token(Resource::Graph).await);
    assert!(matches!(error, Error::Unsaved { .. }), "{error:?}");
    witness.show("broker with an unsaved token", &broker);
    let asked = partner.request_consent(world.account()).await;
    assert!(matches!(witness.fault(asked), Error::Store(_)));
    witness.keep_files();
    raw::execute(&folder, "consent", "ALTER TABLE hidden RENAME TO clock");
    let clone = broker.clone();
    broker.close(MINUTE).await;
    assert!(world.events().contains(&Event::Saved { partner: world.contoso }));
    witness.fault(clone.partner(world.contoso).token(Resource::PartnerCenter).await);
    witness.assert_silent();
}

#[tokio::test]
async fn damaged_rows_and_wrong_keys_leave_no_secret_anywhere() {
    // F-22
    let witness = Witness::new().await;
    let world = &witness.world;
    let broker = witness.broker().await;
    witness.onboard(&broker).await;
    let (folder, contoso) = (world.store_folder(), world.contoso.to_string());
    let good = raw::row(&folder, "consent", &contoso).sealed;
    for place in [0, 4, 5, 6, 20, 35, 60, 95, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        raw::overwrite(&folder, "consent", &contoso, &bad);
        let error = witness.fault(broker.partner(world.contoso).token(Resource::Graph).await);
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    }
    raw::overwrite(&folder, "consent", &contoso, &good);
    for id in ["test-1", "test-2"] {
        let ring = KeyRing::new(LocalKey::generate(id).expect("a key"));
        let builder = Broker::builder(world.app.clone(), world.store().await, ring);
        let error = witness.fault(builder.clock(world.clock.clone()).build().await);
        assert!(matches!(error, Error::Key { .. }), "{error:?}");
    }
    raw::execute(&folder, "consent", "ALTER TABLE record RENAME TO hidden");
    witness.fault(broker.partner(world.contoso).consent().await);
    raw::execute(&folder, "consent", "ALTER TABLE hidden RENAME TO record");
    witness.assert_silent();
}

#[tokio::test]
async fn a_refused_setting_does_not_repeat_its_value() {
    //
    const MARKER: &str = "canary marker with spaces";
    let witness = Witness::new().await;
    witness.plant("marker", MARKER);
    let world = &witness.world;
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----\n");
    for invalid in [
        ClientCredential::secret(MARKER).expect_err("spaces"),
        ClientCredential::certificate(MARKER).expect_err("no PEM"),
        ClientCredential::certificate(&pem).expect_err("no PEM"),
        ClientSecret::new(MARKER).expect_err("spaces"),
        AccessToken::new(MARKER).expect_err("spaces"),
        RefreshToken::new(MARKER).expect_err("spaces"),
        LocalKey::from_base64("a", MARKER).expect_err("no base64"),
        LocalKey::from_bytes("a", MARKER.as_bytes()).expect_err("too short"),
    ] {
        witness.fault::<()>(Err(invalid.into()));
    }
    let broker = witness.broker().await;
    let unregistered = Resource::custom("https://manage.office.com").expect("a resource");
    witness.fault(broker.partner(world.contoso).token(unregistered).await);
    witness.fault(broker.partner(world.app.home()).token(Resource::Graph).await);
    witness.onboard(&broker).await;
    let stranger = broker.account(account("panel-2"));
    witness.fault(stranger.partner(world.contoso).token(Resource::Graph).await);
    let pending = witness.begin(broker.first_consent(account("panel-2"))).await;
    let request = accept(&pending, &world.admin).await;
    witness.fault(capture(&broker, &request).await);
    witness.assert_silent();
}
