//! Links that are guessed, forwarded or moved, and rows that are copied.

use cpv_consent::emulator::Tampering;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, Environment, Error, Origins,
    Refused, Resource, SentInvitation, ShownName,
};
use http::HeaderMap;

use crate::world::{
    REDIRECT, SECRET, START_PAGE, World, accept, account, answer, browser_of, capture, cookies_of,
    raw, refused, registration, start, token_of,
};

async fn opened(broker: &Broker, token: &str) -> [Refused; 2] {
    let begun = refused(broker.begin_invited(token, &HeaderMap::new()).await);
    [refused(broker.open_invitation(token).await), begun]
}

const UNKNOWN: [Refused; 2] = [Refused::InvitationUnknown, Refused::InvitationUnknown];

#[tokio::test]
async fn a_link_that_is_guessed_or_cut_short_leads_nowhere() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let (sent, other) = (world.invite(&broker).await, world.invite(&broker).await);
    let before = raw::rows(&world.store_folder());
    let (token, theirs) = (token_of(&sent), token_of(&other));
    let (id, secret) = token.split_once('.').expect("two parts");
    let (their_id, their_secret) = theirs.split_once('.').expect("two parts");
    let hash = raw::row(&world.store_folder(), "invitation", id);
    for guess in [
        String::new(),
        ".".to_owned(),
        id.to_owned(),
        format!("{id}."),
        format!(".{secret}"),
        format!("{id}.{}", "A".repeat(43)),
        format!("{id}.{their_secret}"),
        format!("{their_id}.{secret}"),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}/"),
        token.to_lowercase(),
        format!("{id}.{secret}.{secret}"),
        format!("{id}\0.{secret}"),
        "../../../etc/passwd".to_owned(),
        "%2e%2e".to_owned(),
        format!("{}.{secret}", "' OR 1=1 --".repeat(2)),
        "x".repeat(1 << 20),
        String::from_utf8_lossy(&hash.sealed).into_owned(),
    ] {
        assert_eq!(opened(&broker, &guess).await, UNKNOWN, "{:.80}", guess);
    }
    assert_eq!(raw::rows(&world.store_folder()), before, "a guess leaves nothing");
    broker.open_invitation(&token).await.expect("the right one");
}

#[tokio::test]
async fn who_has_the_whole_store_and_the_keys_still_has_no_link() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let token = token_of(&sent);
    let (id, secret) = token.split_once('.').expect("two parts");
    start(&broker, &sent).await.expect("a flow");
    let holds = |text: &str| {
        let files = raw::files(&world.store_folder());
        files.iter().any(|(_, bytes)| bytes.windows(text.len()).any(|w| w == text.as_bytes()))
    };
    assert!(holds(id), "the id names the row, or nothing is shown by what follows");
    assert!(!holds(secret) && !holds(&secret[..12]));
}

fn other_application(world: &World) -> AppRegistration {
    let client_id = ClientId::parse("c11e0700-9999-4222-8222-222222222222").expect("a GUID");
    let credential = ClientCredential::secret(SECRET).expect("plain text");
    let (cloud, home) = (world.app.cloud().clone(), world.app.home());
    AppRegistration::new(cloud, home, client_id, credential, REDIRECT)
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a valid registration")
}

/// A broker on the same store with the same keys. A cloud on this machine refuses a store that others
/// use, so there is nothing in it when it is built.
async fn beside(world: &World, app: AppRegistration) -> Broker {
    for kind in ["invitation", "partner-key"] {
        raw::execute(&world.store_folder(), kind, "DELETE FROM record");
    }
    let builder = Broker::builder(app, world.store().await, world.keys());
    let builder = builder.clock(world.clock.clone()).start_page(START_PAGE);
    builder.build().await.expect("an empty store")
}

#[tokio::test]
async fn a_link_of_another_application_or_cloud_leads_nowhere() {
    //
    let world = World::new().await;
    let origins = Origins {
        login: world.entra.login_origin(),
        partner_center: world.entra.partner_center_origin(),
        graph: world.entra.graph_origin(),
    };
    let renamed = Cloud::danger_loopback("another", origins).expect("loopback");
    let one = world.broker().await;
    for app in [
        other_application(&world),
        world.app.clone().environment(Environment::Sandbox),
        registration(renamed),
    ] {
        let other = beside(&world, app).await;
        let sent = world.invite(&one).await;
        one.open_invitation(&token_of(&sent)).await.expect("its own");
        assert_eq!(opened(&other, &token_of(&sent)).await, UNKNOWN);
        let id = sent.invitation().id();
        assert_eq!(refused(other.invitations().find(id).await), Refused::InvitationUnknown);
        assert_eq!(refused(other.invitations().revoke(id).await), Refused::InvitationUnknown);
        let page = other.invitations().page(9, None).await.expect("a page");
        assert!(page.invitations().is_empty() && page.damaged().is_empty());
    }
}

#[tokio::test]
async fn a_row_that_was_copied_over_another_does_not_open() {
    // F-23, R-122
    let world = World::new().await;
    let broker = world.broker().await;
    let rich = broker.partner(world.contoso).invite(account("victim")).await.expect("invited");
    let mallory = broker.first_invitation(account("mallory")).await.expect("an invitation");
    let (folder, id) =
        (world.store_folder(), |sent: &SentInvitation| sent.invitation().id().to_string());
    let begun = answer(&broker, &rich, &world.admin).await;
    let theirs = raw::row(&folder, "invitation", &id(&mallory)).sealed;
    raw::overwrite(&folder, "invitation", &id(&rich), &theirs);
    let error =
        broker.open_invitation(&token_of(&rich)).await.expect_err("it is no row of this place");
    assert!(matches!(error, Error::Damaged { kind: "invitation", .. }), "{error:?}");
    let error = capture(&broker, &begun).await.expect_err("its invitation does not open");
    assert!(matches!(error, Error::Damaged { kind: "invitation", .. }), "{error:?}");
    world.assert_nothing_stored(&broker).await;
    broker.open_invitation(&token_of(&mallory)).await.expect("its own place");
}

#[tokio::test]
async fn an_older_row_put_back_does_not_make_a_spent_invitation_good_again() {
    // an older row opens, so what the consent says decides
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let request = answer(&broker, &sent, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let older = raw::row(&world.store_folder(), "invitation", &sent.invitation().id().to_string());
    let standing = found.confirm().await.expect("a consent");
    let rows = raw::rows(&world.store_folder());
    let now = rows.iter().find(|row| row.id == older.id).expect("it is kept");
    raw::overwrite(&world.store_folder(), "invitation", &older.id, &older.sealed);
    assert_ne!(now.sealed, older.sealed);
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let request = answer(&broker, &sent, &intern).await;
    let outcome = capture(&broker, &request).await.expect("it is open again").confirm().await;
    assert!(matches!(refused(outcome), Refused::OtherUser { .. }), "the standing one is named");
    let consent = broker.partner(world.contoso).consent().await.expect("readable").expect("stands");
    assert_eq!(consent.user().id(), standing.user().id());
}

#[tokio::test]
async fn a_forwarded_invitation_is_not_for_another_tenant_or_user() {
    // attack-forwarded-invitation
    let world = World::new().await;
    let broker = world.broker().await;
    let attacker = world.entra.add_tenant("Attacker");
    let mallory = world.entra.add_user(attacker, "mallory@attacker.example");
    let colleague = world.entra.add_user(world.contoso, "colleague@contoso.example");
    let request = broker.partner(world.contoso).invite(world.account());
    let sent = request.only_for(world.admin.id).await.expect("an invitation");

    let pending = start(&broker, &sent).await.expect("a flow");
    let nowhere = browser_of(&pending).consent(pending.authorize_url(), &mallory).await;
    nowhere.expect_err("Entra asks for an account of the partner");
    world.entra.token_tampering(Tampering::OtherTenant(attacker));
    let request = answer(&broker, &sent, &world.admin).await;
    let other = refused(capture(&broker, &request).await);
    assert_eq!(other, Refused::OtherTenant { expected: world.contoso, found: attacker });
    world.entra.token_tampering(Tampering::None);
    let request = answer(&broker, &sent, &colleague).await;
    let other = refused(capture(&broker, &request).await);
    let (partner, invited, found) = (world.contoso, world.admin.id, colleague.id);
    assert_eq!(other, Refused::OtherInvitee { partner, invited, found });
    world.assert_nothing_stored(&broker).await;
    let request = answer(&broker, &sent, &world.admin).await;
    capture(&broker, &request).await.expect("everything holds").confirm().await.expect("a consent");
}

#[tokio::test]
async fn the_reverse_of_consent_csrf_names_the_attackers_account() {
    // attack-reverse-csrf: the attacker's account, the victim's browser, the right administrator
    let world = World::new().await;
    let broker = world.broker().await;
    let request = broker.first_invitation(account("mallory"));
    let request = request.invited_by(ShownName::unverified("Your own vendor").expect("a name"));
    let sent = request.await.expect("an invitation");
    // Begun in the attacker's browser, it is no good in the victim's.
    let begun = start(&broker, &sent).await.expect("a flow of the attacker's browser");
    let mut request = accept(&begun, &world.admin).await;
    request.headers_mut().remove(http::header::COOKIE);
    assert_eq!(refused(capture(&broker, &request).await), Refused::OtherBrowser);
    // Begun in the victim's, it says before anything counts who would receive the power.
    let shown = broker.open_invitation(&token_of(&sent)).await.expect("an invitation");
    assert_eq!(shown.account(), &account("mallory"));
    assert!(shown.account_name().is_none() && !shown.inviter().expect("said").is_verified());
    let request = answer(&broker, &sent, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    assert_eq!(found.account(), &account("mallory"));
    assert!(!found.invitation().and_then(|by| by.inviter()).expect("said").is_verified());
    found.decline().await.expect("the person has read it");
    world.assert_nothing_stored(&broker).await;
    // And a tenant that is somebody's already cannot be had at all.
    world.onboard(&broker).await;
    let request = answer(&broker, &sent, &world.admin).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::NotYours(world.contoso));
}

#[tokio::test]
async fn an_invited_callback_in_another_browser_is_refused_and_may_be_brought_by_the_right_one() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let pending = start(&broker, &sent).await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let other = start(&broker, &sent).await.expect("a flow of another browser");
    let mut elsewhere = request.clone();
    *elsewhere.headers_mut() = request.headers().clone();
    elsewhere.headers_mut().remove(http::header::COOKIE);
    elsewhere.headers_mut().extend(cookies_of(&other));
    assert_eq!(refused(capture(&broker, &elsewhere).await), Refused::OtherBrowser);
    capture(&broker, &request).await.expect("the right one").confirm().await.expect("a consent");
}

#[tokio::test]
async fn a_cookie_of_a_live_flow_cannot_be_forged_to_end_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let victim = start(&broker, &sent).await.expect("a flow");
    let cookies = cookies_of(&victim);
    let cookie = cookies[http::header::COOKIE].to_str().expect("ASCII");
    let (name, _) = cookie.split_once('=').expect("a pair");
    let forged = format!("{name}={}", "A".repeat(43));
    let headers = HeaderMap::from_iter([(http::header::COOKIE, forged.parse().expect("a header"))]);
    broker.begin_invited(&token_of(&sent), &headers).await.expect("a flow of its own");
    let request = accept(&victim, &world.admin).await;
    capture(&broker, &request).await.expect("it was not ended");
}
