//! From a link to a consent, and every way in which it must not get there.

mod world;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cpv_consent::emulator::{Answer, Failure, Grant, MfaAnswer, MfaMethod, Rule, Tampering};
use cpv_consent::{
    Absence, Callback, CallbackError, ConsentState, Error, Event, FoundId, Guest, IdTokenError,
    MfaFinding, MfaSource, Policy, Refused, Remedy, Resource, ResponseMode,
};
use world::{HOUR, MINUTE, World, accept, account, browser_of, capture, refused, tampered};

#[tokio::test]
async fn a_known_partner_consents_by_form_post() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    assert_eq!(request.method(), "POST");

    let found = capture(&broker, &request).await.expect("everything holds");
    assert_eq!(found.tenant(), world.contoso);
    assert_eq!(found.user().id(), world.admin.id);
    assert_eq!(found.account().as_str(), "panel-1");
    assert!(found.scopes() == world.app.scopes());
    let MfaFinding::Proven(proof) = *found.mfa() else { panic!("{:?}", found.mfa()) };
    assert_eq!(proof.source(), MfaSource::PartnerCenter);
    assert!(found.replaces().is_none());
    let none_yet = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(none_yet, Err(Error::NoConsent { absence: Absence::Never, .. })));

    let consent = found.confirm().await.expect("a consent");
    assert_eq!(*consent.state(), ConsentState::Live);
    assert_eq!(consent.generation(), 1);
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert_eq!(token.expect("a token").tenant(), world.contoso);
    let stored = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(stored.expect("stored").user().id(), world.admin.id);
    assert!(world.events().iter().any(|e| matches!(e, Event::ConsentConfirmed { .. })));
}

#[tokio::test]
async fn a_first_contact_consents_by_query() {
    let world = World::new().await;
    let broker = world.broker().await;
    let pending = broker.first_consent(world.account()).answered_by(ResponseMode::Query);
    let pending = pending.await.expect("a flow");
    assert!(pending.authorize_url().path().starts_with("/organizations/"));
    let request = accept(&pending, &world.admin).await;
    assert_eq!(request.method(), "GET");
    let found = capture(&broker, &request).await.expect("everything holds");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!(consent.partner(), world.contoso);
    assert_eq!(consent.account().as_str(), "panel-1");
}

#[tokio::test]
async fn whoever_says_no_is_believed() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let pending = pending.expect("a flow");
    let mut browser = browser_of(&pending);
    let url = pending.authorize_url();
    let request = browser.walk(url, &world.admin, Answer::Cancel).await.expect("a callback");
    assert_eq!(refused(capture(&broker, &request).await), Refused::Declined);
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn somebody_who_is_no_administrator_learns_who_must_approve() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.entra.change_user(&world.admin, |user| user.administrator = false);
    let request = world.callback(&broker).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::AdminApprovalNeeded);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_state_that_is_missing_unknown_altered_or_empty_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let with_state = |state: Option<&str>| {
        tampered(&request, |form| {
            let mut fields: Vec<String> = form
                .split('&')
                .filter(|field| !field.starts_with("state="))
                .map(str::to_owned)
                .collect();
            fields.extend(state.map(|state| format!("state={state}")));
            fields.join("&")
        })
    };
    let missing = refused(capture(&broker, &with_state(None)).await);
    assert_eq!(missing, Refused::StateMissing);
    let unknown = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(refused(capture(&broker, &with_state(Some(unknown))).await), Refused::StateUnknown);
    assert_eq!(refused(capture(&broker, &with_state(Some("x"))).await), Refused::StateUnknown);
    let empty = capture(&broker, &with_state(Some(""))).await;
    assert!(matches!(
        empty,
        Err(Error::Refused(Refused::StateMissing | Refused::StateUnknown) | Error::Callback(_))
    ));
    assert_eq!(world.entra.ledger().len(), 0, "no token request left the machine");
    capture(&broker, &request).await.expect("the flow itself was not harmed");
}

#[tokio::test]
async fn a_replayed_callback_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("the first one");
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    found.confirm().await.expect("the first one is untouched");
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_callbacks_at_once_redeem_one_code() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let request = world.callback(&one).await;
    let tries = (0..8).map(|n| {
        let (broker, request) =
            (if n % 2 == 0 { one.clone() } else { other.clone() }, request.clone());
        tokio::spawn(async move { capture(&broker, &request).await.map(|found| found.tenant()) })
    });
    let mut captured = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.expect("no panic") {
            Ok(tenant) => captured += usize::from(tenant == world.contoso),
            Err(error) => assert_eq!(refused::<()>(Err(error)), Refused::StateReplayed),
        }
    }
    assert_eq!(captured, 1);
    let codes = world.entra.count_tokens(|request| request.grant == Some(Grant::Code));
    assert_eq!(codes, 1);
}

#[tokio::test]
async fn a_callback_that_comes_too_late_is_refused_as_expired() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    world.clock.advance(30 * MINUTE);
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateExpired);
    let flows = || world::rows(&world.store_folder(), "pending");
    broker.sweep().await.expect("swept");
    assert_eq!(flows(), 1, "kept for a while, to tell it apart");
    world.clock.advance(30 * MINUTE);
    broker.sweep().await.expect("swept");
    assert_eq!(flows(), 0);
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateUnknown);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn the_right_state_in_another_browser_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let mut elsewhere = request.clone();
    elsewhere.headers_mut().remove(http::header::COOKIE);
    assert_eq!(refused(capture(&broker, &elsewhere).await), Refused::OtherBrowser);

    let other = world.callback(&broker).await;
    let cookie = other.headers()[http::header::COOKIE].clone();
    elsewhere.headers_mut().insert(http::header::COOKIE, cookie);
    assert_eq!(refused(capture(&broker, &elsewhere).await), Refused::OtherBrowser);

    assert_eq!(world.entra.ledger().len(), 0);
    capture(&broker, &request).await.expect("the flow itself was not harmed");
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let first = world.callback(&broker).await;
    let second = world.callback(&broker).await;
    let both = [&first, &second]
        .map(|request| request.headers()[http::header::COOKIE].to_str().expect("ASCII").to_owned());
    let cookies = http::HeaderValue::try_from(both.join("; ")).expect("ASCII");
    for mut request in [second, first] {
        request.headers_mut().insert(http::header::COOKIE, cookies.clone());
        capture(&broker, &request).await.expect("its own flow");
    }
}

#[tokio::test]
async fn an_answer_in_another_mode_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let form = world.callback(&broker).await;
    let query = std::str::from_utf8(form.body()).expect("a form").to_owned();
    let mut as_query = http::Request::get(format!("/consent/callback?{query}"))
        .body(Bytes::new())
        .expect("a request");
    let cookie = form.headers()[http::header::COOKIE].clone();
    as_query.headers_mut().insert(http::header::COOKIE, cookie);
    assert_eq!(refused(capture(&broker, &as_query).await), Refused::OtherResponseMode);
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_doubled_parameter_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let doubled = tampered(&request, |form| format!("{form}&state=x"));
    let error = capture(&broker, &doubled).await.expect_err("doubled");
    assert!(matches!(error, Error::Callback(_)), "{error:?}");
    let _: CallbackError = Callback::from_request(&doubled).expect_err("doubled");
}

#[tokio::test]
async fn an_administrator_of_another_tenant_is_refused_by_name() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let other = world.entra.add_tenant("Attacker");
    world.entra.token_tampering(Tampering::OtherTenant(other));
    let request = world.callback(&broker).await;
    let expected = Refused::OtherTenant { expected: world.contoso, found: other };
    assert_eq!(refused(capture(&broker, &request).await), expected);
    world.assert_nothing_stored(&broker).await;
    assert!(broker.partner(other).consent().await.expect("readable").is_none());
}

#[tokio::test]
async fn a_code_of_another_tenant_is_refused_where_it_is_redeemed() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let other = world.entra.add_tenant("Attacker");
    let attacker = world.entra.add_user(other, "admin@attacker.example");
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let pending = pending.expect("a flow");
    let mut elsewhere = pending.authorize_url().clone();
    let path = elsewhere.path().replace(&world.contoso.to_string(), &other.to_string());
    elsewhere.set_path(&path);
    let request = browser_of(&pending).consent(&elsewhere, &attacker).await.expect("a callback");
    let error = capture(&broker, &request).await.expect_err("a foreign code");
    let Error::Entra { error: entra, .. } = &error else { panic!("{error:?}") };
    assert_eq!(entra.codes(), [700_005]);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_first_contact_of_a_partner_bound_to_another_account_is_refused() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let outcome = refused(capture(&broker, &request).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
    let begun = broker.partner(world.contoso).request_consent(account("panel-2")).await;
    assert_eq!(refused(begun), Refused::NotYours(world.contoso));
}

#[tokio::test]
async fn a_partner_moves_to_another_account_only_when_the_host_says_so() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let request = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = request.danger_rebind().await.expect("a flow");
    let callback = accept(&pending, &world.admin).await;
    let found = capture(&broker, &callback).await.expect("everything holds");
    let consent = found.confirm().await.expect("moved");
    assert_eq!((consent.account().as_str(), consent.generation()), ("panel-2", 2));
    let former = broker.account(world.account());
    let outcome = refused(former.partner(world.contoso).token(Resource::PartnerCenter).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
}

#[tokio::test]
async fn work_in_the_name_of_another_account_is_refused_without_a_request() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    world.entra.forget_ledger();

    let stranger = broker.account(account("panel-2"));
    let partner = stranger.partner(world.contoso);
    let outcome = refused(partner.token(Resource::PartnerCenter).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
    let customer = partner.customer(world.fabrikam);
    let outcome = refused(customer.token(Resource::Graph).await);
    assert_eq!(outcome, Refused::NotYours(world.contoso));
    assert_eq!(refused(partner.consent().await), Refused::NotYours(world.contoso));
    assert_eq!(refused(partner.withdraw().await), Refused::NotYours(world.contoso));
    assert_eq!(world.entra.ledger().len(), 0);

    let own = broker.account(world.account());
    own.partner(world.contoso).token(Resource::PartnerCenter).await.expect("its own partner");
}

#[tokio::test]
async fn a_personal_account_is_no_partner() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let person = world.entra.add_personal_user("ann@outlook.example");
    let pending = broker.first_consent(world.account()).await.expect("a flow");
    let mut everywhere = pending.authorize_url().clone();
    everywhere.set_path(&everywhere.path().replace("organizations", &person.tenant.to_string()));
    let walked = browser_of(&pending).consent(&everywhere, &person).await;
    if let Ok(request) = walked {
        let outcome = capture(&broker, &request).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    world.assert_nothing_stored(&broker).await;
    let asked = broker.partner(person.tenant).request_consent(world.account()).await;
    assert_eq!(refused(asked), Refused::PersonalAccount);
}

#[tokio::test]
async fn the_vendors_own_tenant_is_never_a_partner() {
    let world = World::new().await;
    let broker = world.broker().await;
    let home = world.app.home();
    let asked = broker.partner(home).request_consent(world.account()).await;
    assert_eq!(refused(asked), Refused::HomeTenant(home));
    let token = broker.partner(home).token(Resource::PartnerCenter).await;
    assert_eq!(refused(token), Refused::HomeTenant(home));
}

#[tokio::test]
async fn a_guest_is_refused_unless_policy_says_otherwise() {
    let world = World::new().await;
    let elsewhere = world.entra.add_tenant("Elsewhere");
    let stranger = world.entra.add_user(elsewhere, "ann@elsewhere.example");
    let guest = world.entra.add_guest(&stranger, world.contoso);
    world.entra.change_user(&guest, |user| user.administrator = true);
    let strict = world.broker().await;
    let pending = strict.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &guest).await;
    assert_eq!(refused(capture(&strict, &request).await), Refused::Guest(Guest::Yes));
    world.assert_nothing_stored(&strict).await;

    let loose = world.broker_with(Policy::default().danger_guests()).await;
    let pending = loose.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), &guest).await;
    let found = capture(&loose, &request).await.expect("policy takes guests");
    assert_eq!(found.user().guest(), Guest::Yes);
}

#[tokio::test]
async fn a_consent_without_a_second_factor_is_refused() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.entra.change_user(&world.admin, |user| user.mfa = MfaMethod::None);
    let request = world.callback(&broker).await;
    let outcome = refused(capture(&broker, &request).await);
    assert_eq!(outcome, Refused::MfaMissing(MfaSource::PartnerCenter));
    world.assert_nothing_stored(&broker).await;
    let told = world.events().iter().any(|event| {
        matches!(event, Event::ConsentRefused { refused: Refused::MfaMissing(_), .. })
    });
    assert!(told, "an auditor was told");
}

#[tokio::test]
async fn what_partner_center_answers_is_proven_disproven_or_unknown() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let missing = Refused::MfaMissing(MfaSource::PartnerCenter);
    for (answer, expected) in [
        (MfaAnswer::NotCompliant, missing.clone()),
        (MfaAnswer::Refused900421, missing),
        (MfaAnswer::HeaderAbsent, Refused::MfaUnknown),
        (MfaAnswer::Status(401), Refused::MfaUnknown),
        (MfaAnswer::Status(403), Refused::MfaUnknown),
        (MfaAnswer::Status(404), Refused::MfaUnknown),
        (MfaAnswer::Status(429), Refused::MfaUnknown),
        (MfaAnswer::Status(500), Refused::MfaUnknown),
    ] {
        world.entra.partner_center_mfa(answer);
        let request = world.callback(&broker).await;
        assert_eq!(refused(capture(&broker, &request).await), expected, "{answer:?}");
        world.assert_nothing_stored(&broker).await;
    }
}

#[tokio::test]
async fn a_lower_rung_counts_only_where_policy_names_it_and_the_higher_one_is_silent() {
    //
    let world = World::new().await;
    let policy = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let broker = world.broker_with(policy).await;
    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("amr says mfa");
    let source = found.mfa().proof().expect("proven").source();
    assert_eq!(source, MfaSource::AccessToken);

    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    let request = world.callback(&broker).await;
    let outcome = refused(capture(&broker, &request).await);
    assert_eq!(outcome, Refused::MfaMissing(MfaSource::PartnerCenter));

    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    world.entra.opaque_access_tokens(true);
    let request = world.callback(&broker).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::MfaUnknown);
}

#[tokio::test]
async fn every_forged_id_token_is_refused_and_leaves_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    for tampering in [
        Tampering::BadSignature,
        Tampering::AlgNone,
        Tampering::WrongIssuer,
        Tampering::WrongAudience,
        Tampering::WrongNonce,
        Tampering::MissingNonce,
        Tampering::Expired,
        Tampering::UnknownKid,
        Tampering::NotYetValid,
        Tampering::PublicKeyAsSecret,
    ] {
        world.entra.token_tampering(tampering.clone());
        let request = world.callback(&broker).await;
        let outcome = capture(&broker, &request).await;
        let Err(Error::IdToken(error)) = outcome else { panic!("{tampering:?}: {outcome:?}") };
        let _: IdTokenError = error;
        world.assert_nothing_stored(&broker).await;
    }
    world.entra.token_tampering(Tampering::None);
    world.onboard(&broker).await;
}

#[tokio::test]
async fn a_code_that_was_used_elsewhere_is_a_defect_and_never_retried() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let rule = Rule::any().grant(Grant::Code);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(54005));
    let error = capture(&broker, &request).await.expect_err("a spent code");
    let Error::Entra { error: entra, .. } = &error else { panic!("{error:?}") };
    assert_eq!(entra.codes(), [54005]);
    assert_eq!(error.remedy(), Remedy::ReportDefect);
    assert_eq!(world.entra.count_tokens(|request| request.grant == Some(Grant::Code)), 1);
    scripted.clear();
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_consent_that_was_never_confirmed_gives_nothing_and_ends_by_itself() {
    let world = World::new().await;
    let broker = world.broker().await;
    let found = {
        let request = world.callback(&broker).await;
        capture(&broker, &request).await.expect("everything holds")
    };
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { .. })));
    world.clock.advance(10 * MINUTE);
    assert_eq!(refused(found.confirm().await), Refused::NothingToConfirm);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_sweep_erases_what_nobody_confirmed() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    capture(&broker, &request).await.expect("everything holds");
    assert_eq!(world::rows(&world.store_folder(), "found"), 1);
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("swept");
    assert_eq!(world::rows(&world.store_folder(), "pending"), 0, "the flow's mark");
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_declined_finding_is_erased() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    found.decline().await.expect("erased");
    world.assert_nothing_stored(&broker).await;
    let again = broker.found(&id, request.headers()).await;
    assert_eq!(refused(again), Refused::NothingToConfirm);
}

#[tokio::test]
async fn the_id_of_a_finding_is_read_as_it_was_written_and_debugged_by_nobody() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let found = capture(&broker, &world.callback(&broker).await).await.expect("everything holds");
    let text = found.id().to_string();
    assert_eq!(&FoundId::parse(&text).expect("an id"), found.id());
    let (tenant, flow) = text.split_once('.').expect("whose it is, and which");
    assert_eq!(tenant, world.contoso.to_string());
    assert!(!format!("{found:?} {:?}", found.id()).contains(flow));
    let other = [
        format!(".{flow}"),
        format!("nobody.{flow}"),
        format!("{}.{flow}", tenant.to_uppercase()),
        format!("{text}="),
        format!("{text}.{flow}"),
        format!("{tenant}."),
        tenant.to_owned(),
    ];
    for text in other {
        FoundId::parse(&text).expect_err(&text);
    }
}

#[tokio::test]
async fn a_finding_named_for_another_partner_is_not_there() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = world.onboard_another(&broker, "litware").await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let text = found.id().to_string();
    let (tenant, flow) = text.split_once('.').expect("whose it is, and which");
    for other in [flow.to_owned(), text.replace(tenant, &litware.to_string())] {
        let id = FoundId::parse(&other).expect("an id");
        let outcome = broker.found(&id, request.headers()).await;
        assert_eq!(refused(outcome), Refused::NothingToConfirm);
    }
}

#[tokio::test]
async fn begun_captured_and_confirmed_by_three_processes() {
    let world = World::new().await;
    let request = {
        let first = world.broker().await;
        world.callback(&first).await
    };
    let id = {
        let second = world.broker().await;
        let found = capture(&second, &request).await.expect("everything holds");
        found.id().to_string()
    };
    let third = world.broker().await;
    let id = FoundId::parse(&id).expect("an id");
    let stranger = http::HeaderMap::new();
    assert_eq!(refused(third.found(&id, &stranger).await), Refused::OtherBrowser);
    let found = third.found(&id, request.headers()).await.expect("the same browser");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!(consent.partner(), world.contoso);
    third.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
}

#[tokio::test]
async fn confirming_twice_is_confirming_once() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let request = world.callback(&one).await;
    let found = capture(&one, &request).await.expect("everything holds");
    let again = other.found(found.id(), request.headers()).await.expect("the same browser");
    let consent = found.confirm().await.expect("a consent");
    let outcome = refused(again.confirm().await);
    assert_eq!(outcome, Refused::NothingToConfirm);
    assert_eq!(consent.generation(), 1);
}

#[tokio::test]
async fn a_confirmation_repeated_after_a_withdrawal_revives_nothing() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let again = broker.found(found.id(), request.headers()).await.expect("the same browser");
    found.confirm().await.expect("a consent");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(again.confirm().await), Refused::NothingToConfirm);
    let state = broker.partner(world.contoso).consent().await.expect("readable").expect("kept");
    assert!(matches!(state.state(), ConsentState::Withdrawn { .. }));
}

#[tokio::test]
async fn another_users_consent_replaces_only_when_both_are_named() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let consent_of = async |user| {
        let pending = broker.partner(world.contoso).request_consent(world.account()).await;
        let request = accept(&pending.expect("a flow"), user).await;
        capture(&broker, &request).await.expect("everything holds")
    };
    let found = consent_of(&intern).await;
    assert_eq!(found.replaces().expect("the administrator").id(), world.admin.id);
    let outcome = refused(found.confirm().await);
    assert!(matches!(outcome, Refused::OtherUser { .. }), "{outcome:?}");
    let standing = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(standing.expect("stands").user().id(), world.admin.id);

    let found = consent_of(&intern).await;
    let wrong = found.confirm_instead_of(intern.id).await;
    assert!(matches!(refused(wrong), Refused::OtherUser { .. }));
    let found = consent_of(&intern).await;
    let consent = found.confirm_instead_of(world.admin.id).await.expect("both were named");
    assert_eq!((consent.user().id(), consent.generation()), (intern.id, 2));
}

#[tokio::test]
async fn a_flow_begun_before_a_withdrawal_does_not_bring_the_partner_back() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let early = world.callback(&broker).await;
    let request = world.callback(&broker).await;
    let waiting = capture(&broker, &request).await.expect("everything holds");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(waiting.confirm().await), Refused::Withdrawn(world.contoso));
    assert_eq!(refused(capture(&broker, &early).await), Refused::Withdrawn(world.contoso));
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { absence: Absence::Withdrawn, .. })));

    world.clock.advance(MINUTE);
    let consent = world.onboard(&broker).await;
    assert_eq!(consent.generation(), 3, "one consent, one withdrawal, one consent");
}

#[tokio::test]
async fn a_flow_from_before_a_withdrawal_stays_refused_after_the_next_consent() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let early = world.callback(&broker).await;
    let request = broker.partner(world.contoso).request_consent(account("panel-x"));
    let pending = request.danger_rebind().await.expect("a flow");
    let captured = accept(&pending, &world.admin).await;
    let found = capture(&broker, &captured).await.expect("everything holds");
    let again = broker.found(found.id(), captured.headers()).await.expect("the same browser");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(found.confirm().await), Refused::Withdrawn(world.contoso));
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    assert_eq!(refused(again.confirm().await), Refused::NothingToConfirm);
    assert_eq!(refused(capture(&broker, &early).await), Refused::Withdrawn(world.contoso));
    let consent = broker.partner(world.contoso).consent().await.expect("readable").expect("stands");
    assert_eq!(consent.account().as_str(), "panel-1");
}

#[tokio::test]
async fn an_older_finding_never_replaces_a_newer_consent() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let older = capture(&broker, &request).await.expect("everything holds");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    assert_eq!(refused(older.confirm().await), Refused::OlderToken(world.contoso));
}

#[tokio::test]
async fn behind_an_accounts_door_nothing_is_begun_for_another_or_moved() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let stranger = broker.account(account("panel-2"));
    let partner = stranger.partner(world.contoso);
    let not_yours = Refused::NotYours(world.contoso);
    assert_eq!(refused(partner.request_consent(world.account()).await), not_yours);
    assert_eq!(refused(partner.request_consent(account("panel-2")).await), not_yours);
    let moved = partner.request_consent(account("panel-2")).danger_rebind();
    assert_eq!(refused(moved.await), not_yours);
}

#[tokio::test]
async fn a_refresh_token_that_comes_with_another_users_id_token_is_never_kept() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let rule = Rule::any().grant(Grant::RefreshToken);
    let scripted = world.entra.alter_tokens(rule, |reply| {
        let text = reply["id_token"].as_str().expect("an ID token").to_owned();
        let parts: Vec<&str> = text.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
        let mut claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        claims["oid"] = "99999999-9999-4999-8999-999999999999".into();
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        reply["id_token"] = [parts[0], &claims, parts[2]].join(".").into();
    });
    let request = world.callback(&broker).await;
    let error = capture(&broker, &request).await.expect_err("another user's");
    assert!(matches!(error, Error::ForeignToken { .. }), "{error:?}");
    world.assert_nothing_stored(&broker).await;
    scripted.clear();
    world.onboard(&broker).await;
}

#[tokio::test]
async fn a_consent_whose_other_resource_cannot_be_had_is_not_complete() {
    let world = World::new().await;
    let broker = world.broker().await;
    let rule = Rule::any().grant(Grant::RefreshToken).resource(world::GRAPH);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(65001));
    let request = world.callback(&broker).await;
    let error = capture(&broker, &request).await.expect_err("Graph was not granted");
    assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None });
    world.assert_nothing_stored(&broker).await;
    scripted.clear();
    world.onboard(&broker).await;
}
