use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::super::fingerprint::Fingerprint;
use super::super::policy::Refused;
use super::super::scope::{Resource, Scope};
use super::*;
use crate::model::invalid::is_invisible;

const MINUTE: Duration = Duration::from_secs(60);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).expect("a GUID")
}

fn contoso() -> TenantId {
    tenant("11111111-1111-4111-8111-111111111111")
}

fn user() -> UserId {
    UserId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID")
}

fn scopes(names: &[&str]) -> Scopes {
    names.iter().map(|name| Scope::new(Resource::Graph, name).expect("a scope")).collect()
}

fn stored() -> (StoredInvitation, LinkToken) {
    let account = AccountId::new("panel-1").expect("plain text");
    let token = LinkToken::drawn(&InvitationId::drawn());
    let terms = Terms::new(Some(contoso()), account);
    (StoredInvitation::new(terms, scopes(&["A.Read"]), &token, now()), token)
}

fn live(flow: &str) -> LiveFlow {
    let (flow, browser) = (flow.to_owned(), Fingerprint::of(flow));
    LiveFlow { flow, browser, until: now() + 40 * MINUTE }
}

fn claim(flow: &str, above: u64) -> Claim {
    let (flow, partner, user, at) = (flow.to_owned(), contoso(), user(), now());
    Claim { flow, partner, user, above, at, mark: 0, until: now() + 10 * MINUTE }
}

fn status(invitation: &StoredInvitation, at: SystemTime) -> String {
    let application = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
    invitation.shown(application, at).status().to_string()
}

#[test]
fn an_approval_is_counted_and_noted_and_moves_nothing_else() {
    let (mut invitation, _) = stored();
    invitation.start(live("one"), |_| false, now()).expect("the first");
    let (invited, before) = (invitation.flow(), status(&invitation, now()));
    for _ in 0..MOST_STARTS {
        invitation.start_approval(&invited).expect("one of ten");
    }
    assert_eq!(invitation.start_approval(&invited), Err(Refused::InvitationExhausted));
    let at = now() + MINUTE;
    invitation.note_approval(&invited, at + Duration::from_millis(7)).expect("its own link");
    let client = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
    let shown = invitation.shown(client, now());
    assert_eq!((shown.approvals_left(), shown.starts_left()), (0, 9));
    assert_eq!(shown.approval_reported_at(), Some(at), "as it will be read");
    assert_eq!(status(&invitation, now()), before);
    invitation.check_flow(&invited, "one").expect("the sign-in goes on");

    let token = LinkToken::drawn(&invitation.id);
    invitation.resend(&token, invitation.scopes.clone(), now()).expect("open");
    assert_eq!(invitation.start_approval(&invited), Err(Refused::InvitationReplaced));
    assert_eq!(invitation.note_approval(&invited, now()), Err(Refused::InvitationReplaced));
    let shown = invitation.shown(client, now());
    assert_eq!((shown.approvals_left(), shown.approval_reported_at()), (10, Some(at)));
}

#[test]
fn one_that_was_stored_before_there_were_approvals_is_read() {
    let (invitation, _) = stored();
    let mut kept = serde_json::to_value(&invitation).expect("JSON");
    assert!(kept.get("approval").is_none(), "nothing is said before there is something");
    kept["link"].as_object_mut().expect("a link").remove("approvals").expect("counted");
    let mut read: StoredInvitation = serde_json::from_value(kept).expect("an older one");
    read.start_approval(&read.flow()).expect("the first");
}

#[test]
fn a_link_is_read_as_it_was_written_and_ends_with_a_letter_or_digit() {
    // What a link is drawn from is what state, nonce and verifier are drawn from.
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let drawn = LinkToken::drawn(&InvitationId::drawn());
        let text = drawn.text();
        assert!(text.ends_with(|last: char| last.is_ascii_alphanumeric()), "{}", *text);
        let read = LinkToken::parse(&text).expect("as written");
        assert_eq!((&read.id, &*read.secret), (&drawn.id, &*drawn.secret));
        assert!(seen.insert(drawn.secret.to_string()) && seen.insert(drawn.id.to_string()));
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_of_links_stumble(text in "\\PC*") {
        prop_assert!(LinkToken::parse(&text).is_none_or(|token| *token.text() == text));
        prop_assert!(InvitationId::parse(&text).map_or(true, |id| id.to_string() == text));
    }

    #[test]
    fn a_link_with_another_sign_is_another_link(at in 0_usize..66, sign in "[A-Za-z0-9_.%/ -]") {
        //
        let (invitation, token) = stored();
        let mut text = token.text().to_string();
        text.replace_range(at..=at, &sign);
        let read = LinkToken::parse(&text);
        let same = text == *token.text();
        let fits = |read: LinkToken| {
            read.id == token.id && invitation.check_link(&read.secret).is_ok()
        };
        prop_assert_eq!(read.is_some_and(fits), same);
    }

    #[test]
    fn a_name_that_is_taken_is_one_line_and_reads_one_way(name in "\\PC{0,80}") {
        //
        if let Ok(name) = ShownName::verified(name) {
            prop_assert!(!name.name().chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}

#[test]
fn a_name_that_misleads_is_refused() {
    //
    for wrong in ["", "  ", "two\nlines", "a bell\u{7}", "\u{202e}moc.elpmaxe", "a\u{2028}b"] {
        assert_eq!(ShownName::verified(wrong).expect_err(wrong).field(), "shown name");
    }
    ShownName::unverified("x".repeat(201)).expect_err("too long");
    assert!(ShownName::verified("김민준 (Contoso)").expect("a name").is_verified());
    assert!(!ShownName::unverified("Ann").expect("a name").is_verified());
}

#[test]
fn a_life_that_nobody_can_use_is_refused() {
    let (invitation, _) = stored();
    let with = |life| Terms { life, ..invitation.terms.clone() }.check();
    for wrong in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(90 * 86_400 + 1)] {
        assert_eq!(with(wrong).expect_err("refused").field(), "expires in");
    }
    with(MINUTE).expect("short");
    with(Duration::from_secs(90 * 86_400)).expect("long");
}

#[test]
fn only_its_present_link_opens_it() {
    //
    let (mut invitation, first) = stored();
    assert_eq!(invitation.check_link(&first.secret), Ok(()));
    let second = LinkToken::drawn(&first.id);
    assert_eq!(invitation.check_link(&second.secret), Err(Refused::InvitationUnknown));
    invitation.resend(&second, scopes(&["A.Read"]), now()).expect("open");
    assert_eq!(invitation.check_link(&second.secret), Ok(()));
    assert_eq!(invitation.check_link(&first.secret), Err(Refused::InvitationReplaced));
    for _ in 0..50 {
        let next = LinkToken::drawn(&first.id);
        invitation.resend(&next, scopes(&["A.Read"]), now()).expect("open");
    }
    assert_eq!(invitation.check_link(&first.secret), Err(Refused::InvitationUnknown));
    let text = serde_json::to_string(&invitation).expect("JSON");
    assert!(text.len() < 4000, "what is remembered of older links is bounded: {}", text.len());
    assert!(!text.contains(&**second.secret), "a secret is stored");
}

#[test]
fn it_ends_at_its_time_and_says_no_more_than_it_said() {
    let (invitation, _) = stored();
    let end = now() + Duration::from_secs(7 * 86_400);
    let asked = scopes(&["A.Read"]);
    assert_eq!(invitation.admit(&asked, end - MINUTE), Ok(()));
    assert_eq!(invitation.admit(&asked, end), Err(Refused::InvitationExpired));
    assert_eq!(invitation.admit(&scopes(&[]), now()), Ok(()), "to ask for less is no harm");
    let more = invitation.admit(&scopes(&["A.Read", "B.Write"]), now());
    assert_eq!(more, Err(Refused::InvitationOutgrown(scopes(&["B.Write"]))));
    assert_eq!(
        (status(&invitation, now()), status(&invitation, end)),
        ("open".into(), "expired".into())
    );
    assert!(invitation.due() > end, "it is listed for a while");
}

#[test]
fn ten_starts_and_one_flow_in_each_browser() {
    //
    let (mut invitation, _) = stored();
    invitation.start(live("a"), |_| false, now()).expect("the first");
    invitation.start(live("b"), |_| false, now()).expect("another browser");
    let invited = invitation.flow();
    assert_eq!(invitation.check_flow(&invited, "a"), Ok(()));
    invitation.start(live("c"), |other| other.flow == "a", now()).expect("the first browser again");
    assert_eq!(invitation.check_flow(&invited, "a"), Err(Refused::BegunAnew));
    assert_eq!(invitation.check_flow(&invited, "b"), Ok(()));
    assert_eq!(invitation.check_flow(&invited, "c"), Ok(()));
    assert_eq!(status(&invitation, now()), "started 3 times");
    for _ in 3..10 {
        invitation.start(live("d"), |_| false, now()).expect("one of ten");
    }
    let eleventh = invitation.start(live("e"), |_| false, now());
    assert_eq!(eleventh, Err(Refused::InvitationExhausted));
    let next = LinkToken::drawn(&invitation.id);
    invitation.resend(&next, scopes(&["A.Read"]), now()).expect("open");
    assert_eq!(invitation.check_flow(&invited, "b"), Err(Refused::InvitationReplaced));
    invitation.start(live("e"), |_| false, now()).expect("ten more");
    assert_eq!(status(&invitation, now()), "started once");
}

#[test]
fn a_claim_is_settled_by_the_consent_that_stands() {
    let claimed = || {
        let (mut invitation, _) = stored();
        invitation.claim_by(claim("a", 3));
        invitation
    };
    let after = |standing, minutes| {
        let mut invitation = claimed();
        invitation.settle(standing, now() + minutes * MINUTE);
        (invitation.claim().is_some(), status(&invitation, now()))
    };
    let (undecided, open, confirmed) = ((true, "open"), (false, "open"), (false, "confirmed"));
    for (standing, minutes, expected, why) in [
        (None, 0, undecided, "nothing stands yet"),
        (Some(("before", 3)), 9, undecided, "its finding waits"),
        (Some(("a", 4)), 0, confirmed, "its own consent stands"),
        (Some(("a", 4)), 99, confirmed, "its own consent stands"),
        (Some(("other", 4)), 9, undecided, "another's came between"),
        (Some(("other", 5)), 10, confirmed, "its own may have been replaced"),
        (Some(("before", 3)), 10, open, "it was never confirmed"),
        (None, 10, open, "it was never confirmed"),
    ] {
        let (is_claimed, status) = after(standing, minutes);
        assert_eq!((is_claimed, status.as_str()), expected, "{why}");
    }
}

#[test]
fn a_claim_keeps_others_out_and_only_its_own_flow_ends_it() {
    let (mut invitation, _) = stored();
    let invited = invitation.flow();
    let Claim { partner, user, .. } = claim("a", 0);
    let whose = (partner, user, now());
    assert!(invitation.claim().is_none());
    invitation.claim_by(claim("a", 0));
    assert_eq!(invitation.claim().map(|claim| claim.flow.as_str()), Some("a"));
    invitation.release("b", 0);
    invitation.release("a", 1);
    invitation.confirm("b", &invited, whose);
    assert!(invitation.claim().is_some());
    invitation.release("a", 0);
    assert!(invitation.claim().is_none());
    let mut given_up = invitation.clone();
    given_up.confirm("a", &invited, whose);
    assert_eq!(status(&given_up, now()), "confirmed", "its consent stands all the same");
    let mut resent = invitation.clone();
    resent.resend(&LinkToken::drawn(&resent.id), scopes(&[]), now()).expect("open");
    resent.confirm("a", &invited, whose);
    assert_eq!(status(&resent, now()), "open", "the newer link is another matter");
    invitation.claim_by(claim("a", 0));
    invitation.confirm("a", &invited, whose);
    invitation.release("a", 0);
    assert_eq!(status(&invitation, now()), "confirmed");
    assert_eq!(invitation.admit(&scopes(&[]), now()), Err(Refused::InvitationSpent));
    assert_eq!(invitation.revoke(now()), Err(Refused::InvitationSpent));
    let next = LinkToken::drawn(&invitation.id);
    assert_eq!(invitation.resend(&next, scopes(&[]), now()), Err(Refused::InvitationSpent));
}

#[test]
fn what_was_revoked_stays_so() {
    let (mut invitation, _) = stored();
    invitation.revoke(now()).expect("open");
    invitation.revoke(now() + MINUTE).expect("twice is once");
    let application = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
    let shown = invitation.shown(application, now() + 30 * 1440 * MINUTE);
    assert_eq!(*shown.status(), InvitationStatus::Revoked { at: now() });
    let next = LinkToken::drawn(&invitation.id);
    assert_eq!(invitation.resend(&next, scopes(&[]), now()), Err(Refused::InvitationRevoked));
    assert_eq!(invitation.admit(&scopes(&[]), now()), Err(Refused::InvitationRevoked));
}

#[test]
fn one_user_or_any() {
    let (mut invitation, _) = stored();
    let other = UserId::parse("44444444-4444-4444-8444-444444444444").expect("a GUID");
    assert_eq!(invitation.check_user(contoso(), other), Ok(()));
    invitation.terms.user = Some(user());
    assert_eq!(invitation.check_user(contoso(), user()), Ok(()));
    let refused = invitation.check_user(contoso(), other).expect_err("another");
    assert!(matches!(refused, Refused::OtherInvitee { found, .. } if found == other));
}

#[test]
fn what_is_said_to_a_person_is_debugged_by_nobody() {
    //
    let (mut invitation, token) = stored();
    invitation.terms.claims = Some("canary-claims".to_owned());
    invitation.terms.login_hint = Some("canary-hint".to_owned());
    let application = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
    let shown = invitation.shown(application, now());
    let link = Url::parse(&format!("https://panel.example/{}", *token.text())).expect("a URL");
    let sent = SentInvitation { invitation: shown, link };
    let text = format!("{sent:?} {invitation:?}");
    assert!(!text.contains("canary") && !text.contains(&**token.secret));
}

fn tenant_of_nobody() -> TenantId {
    tenant("44444444-4444-4444-8444-444444444444")
}

fn other() -> UserId {
    UserId::parse("55555555-5555-4555-8555-555555555555").expect("a GUID")
}

/// One for this user, if for one, with a sign-in name to be filled in.
fn hinting(only_for: Option<UserId>) -> StoredInvitation {
    let (mut invitation, _) = stored();
    invitation.terms.user = only_for;
    invitation.terms.login_hint = Some("jane@contoso.example".to_owned());
    invitation
}

fn knows(invitation: &StoredInvitation, text: &str) -> bool {
    serde_json::to_string(invitation).expect("JSON").contains(text)
}

#[test]
fn what_was_for_an_erased_person_is_for_nobody() {
    let over = now() + 8 * 24 * 60 * MINUTE;
    for (at, was) in [(now(), "open"), (over, "expired")] {
        let mut invitation = hinting(Some(user()));
        assert_eq!(status(&invitation, at), was);
        assert_eq!(invitation.erase(contoso(), Whom::One(user()), at), Erasure::Revoked);
        assert_eq!(status(&invitation, at), "revoked");
        assert!(!knows(&invitation, &user().to_string()) && !knows(&invitation, "jane@"));
        let again = invitation.erase(contoso(), Whom::One(user()), at);
        assert_eq!(again, Erasure::Untouched, "twice is once");
    }
    let mut revoked = hinting(Some(user()));
    revoked.revoke(now()).expect("open");
    assert_eq!(revoked.erase(contoso(), Whom::One(user()), now()), Erasure::Erased);
    assert!(!knows(&revoked, &user().to_string()));
}

#[test]
fn what_is_somebody_elses_stays_and_what_may_be_anybodys_does_not() {
    let mut others = hinting(Some(other()));
    assert_eq!(others.erase(contoso(), Whom::One(user()), now()), Erasure::Untouched);
    others.terms.replaces = Some(user());
    assert_eq!(others.erase(contoso(), Whom::One(user()), now()), Erasure::Erased);
    assert!(knows(&others, &other().to_string()) && knows(&others, "jane@"));
    assert!(!knows(&others, &user().to_string()));
    let mut elsewhere = hinting(Some(user()));
    let erased = elsewhere.erase(tenant_of_nobody(), Whom::One(user()), now());
    assert_eq!(erased, Erasure::Untouched, "another partner's");

    let mut anybodys = hinting(None);
    assert_eq!(anybodys.erase(contoso(), Whom::One(user()), now()), Erasure::Erased);
    assert_eq!((status(&anybodys, now()).as_str(), knows(&anybodys, "jane@")), ("open", false));
    let mut first = hinting(Some(user()));
    first.terms.partner = None;
    assert_eq!(first.erase(contoso(), Whom::Everybody, now()), Erasure::Untouched);
    assert_eq!(first.erase(tenant_of_nobody(), Whom::One(other()), now()), Erasure::Untouched);
    assert_eq!(first.erase(tenant_of_nobody(), Whom::One(user()), now()), Erasure::Revoked);
}

#[test]
fn whoever_confirms_is_erased_once_that_is_decided_and_shredded_at_once() {
    let claimed = || {
        let mut invitation = hinting(None);
        invitation.terms.partner = None;
        invitation.claim_by(claim("one", 0));
        invitation
    };
    let mut invitation = claimed();
    let erased = invitation.erase(contoso(), Whom::One(user()), now());
    assert_eq!((erased, knows(&invitation, "jane@")), (Erasure::Undecided, true));
    assert_eq!(invitation.erase(contoso(), Whom::One(other()), now()), Erasure::Erased);
    assert!(invitation.claim().is_some(), "nobody else's claim ends by it");
    let mut invitation = claimed();
    let other_partners = invitation.erase(tenant_of_nobody(), Whom::Everybody, now());
    assert_eq!(other_partners, Erasure::Untouched);
    assert_eq!(invitation.erase(contoso(), Whom::Everybody, now()), Erasure::Revoked);
    let flow = invitation.flow();
    invitation.confirm("one", &flow, (contoso(), user(), now()));
    assert_eq!(status(&invitation, now()), "revoked", "nor is it confirmed after all");
    assert!(!knows(&invitation, &user().to_string()));
}

#[test]
fn that_it_was_confirmed_is_known_without_by_whom() {
    let (mut invitation, _) = stored();
    let flow = invitation.flow();
    invitation.confirm("one", &flow, (contoso(), user(), now()));
    let kept = serde_json::to_value(&invitation).expect("JSON");
    let read: StoredInvitation = serde_json::from_value(kept).expect("as written");
    assert!(knows(&read, &user().to_string()));
    assert_eq!(invitation.erase(contoso(), Whom::One(other()), now()), Erasure::Untouched);
    assert_eq!(invitation.erase(contoso(), Whom::One(user()), now()), Erasure::Erased);
    assert!(!knows(&invitation, &user().to_string()));
    let kept = serde_json::to_value(&invitation).expect("JSON");
    let read: StoredInvitation = serde_json::from_value(kept).expect("without anybody");
    assert_eq!(status(&read, now()), "confirmed");
    assert!(read.concerns(contoso()));
}
