//! The door, where an administrator has to approve before a service account can sign in.

use super::*;

pub(super) const APPROVE: &str = "step=approve";

/// A service account that signs in too early; returns the page that says so.
async fn turned_away(person: &mut Person<'_>, path: &str, service: &User) -> String {
    let microsoft = person.begin(path).await;
    let callback = person.walk(&microsoft, service, Answer::Accept).await;
    let response = person.door.answer(callback).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    text(&response)
}

/// Where the page's form leads to.
fn action(page: &str) -> &str {
    let action = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
    action.unwrap_or_else(|| panic!("no form: {page}"))
}

/// Goes to Microsoft as an administrator, and back.
async fn approve(
    person: &mut Person<'_>,
    at: &Url,
    user: &User,
    answer: Answer,
) -> Response<Bytes> {
    assert!(at.path().ends_with("/v2.0/adminconsent"), "{at}");
    let callback = person.walk(at, user, answer).await;
    assert_eq!(callback.method(), Method::GET);
    person.door.answer(callback).await
}

async fn is_noted(broker: &Broker, sent: &SentInvitation) -> bool {
    let found = broker.invitations().find(sent.invitation().id()).await.expect("listed");
    found.approval_reported_at().is_some()
}

#[tokio::test]
async fn an_administrator_opens_the_same_link_and_approves_first() {
    //
    let (world, broker, door) = doors().await;
    let service = world.service_account();
    let (sent, path) = invited(&world, &broker).await;
    let mut clerk = Person::new(&door);
    let page = turned_away(&mut clerk, &path, &service).await;
    assert!(page.contains("An administrator must approve first"), "{page}");
    assert!(page.contains("Send the link from your invitation to one"), "{page}");

    let mut administrator = Person::new(&door);
    let page = text(&administrator.get(&path).await);
    assert!(page.contains("Approve as an administrator") && !page.contains("was reported on"));
    let microsoft = administrator.press(&path, APPROVE).await;
    assert!(!is_noted(&broker, &sent).await);
    let back = approve(&mut administrator, &microsoft, &world.admin, Answer::Accept).await;
    assert_eq!((back.status(), location(&back)), (StatusCode::SEE_OTHER, "/consent/approved"));
    let page = text(&administrator.follow(&back).await);
    assert!(page.contains("The first step is done"), "{page}");
    assert!(page.contains("they open the same link from the invitation"), "{page}");
    assert_eq!(status(&broker, &sent).await, InvitationStatus::Started { times: 1 }, "not spent");
    assert!(is_noted(&broker, &sent).await && !has_consent(&world, &broker).await);

    world.clock.advance(DAY);
    let page = text(&clerk.get(&path).await);
    assert!(page.contains("An approval was reported on"), "{page}");
    let found = clerk.find(&path, &service).await;
    let response = clerk.post(&found, "answer=confirm").await;
    assert_eq!(location(&response), "/consent/done");
    assert!(has_consent(&world, &broker).await);
    let late = administrator.post(&path, APPROVE).await;
    assert_eq!(late.status(), StatusCode::GONE, "{}", text(&late));
}

#[tokio::test]
async fn who_is_turned_away_may_have_an_administrator_approve_there_and_then() {
    let (world, broker, door) = doors().await;
    let service = world.service_account();
    let (sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let page = turned_away(&mut person, &path, &service).await;
    let at = action(&page).to_owned();
    assert!(at.starts_with("/consent/approve/"), "{at}");
    assert!(page.contains("Then approve here, in this browser"), "{page}");
    let microsoft = person.press(&at, "").await;
    let known = approve(&mut person, &microsoft, &world.admin, Answer::Accept).await;
    assert!(text(&known).contains("An administrator must approve first"), "it is still signed in");
    person.browser = Browser::new(); // signed out at Microsoft
    let microsoft = person.press(&at, "").await;
    let back = approve(&mut person, &microsoft, &world.admin, Answer::Accept).await;
    assert_eq!(location(&back), "/consent/approved");
    assert!(is_noted(&broker, &sent).await, "it belongs to the invitation");
    let found = person.find(&path, &service).await;
    person.post(&found, "answer=confirm").await;
    assert!(has_consent(&world, &broker).await);
}

#[tokio::test]
async fn no_other_page_and_no_other_browser_begins_an_approval() {
    //
    let (world, broker, door) = doors().await;
    let service = world.service_account();
    let (sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let page = turned_away(&mut person, &path, &service).await;
    let at = action(&page).to_owned();
    for (room, body) in [(path.as_str(), APPROVE), (&at, "")] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            (ORIGIN.as_str(), "https://evil.example"),
            ("x-forwarded-host", "panel.example"),
        ] {
            let mut request = person.request(Method::POST, room, body);
            request.headers_mut().insert(name, value.parse().expect("a value"));
            let response = door.answer(request).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}: {value}");
            assert!(!response.headers().contains_key(SET_COOKIE));
        }
    }
    let response = door.answer(person.request(Method::GET, &at, "")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "a reload begins nothing");
    assert_eq!(response.headers()[ALLOW], "POST");
    let other = Person::new(&door);
    let elsewhere = other.post(&at, "").await;
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    assert!(text(&elsewhere).contains("This browser did not begin it"));
    let long = "A".repeat(5_000);
    for unknown in ["A".repeat(43).as_str(), "x", "approval.x", "%2e%2e", &long] {
        let response = person.post(&format!("/consent/approve/{unknown}"), "").await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{unknown}: {}", text(&response));
    }
    let kept = broker.invitations().find(sent.invitation().id()).await.expect("listed");
    assert_eq!(kept.approvals_left(), 10, "none of these has begun");
    world.clock.advance(30 * MINUTE);
    let late = person.post(&at, "").await;
    assert_eq!(late.status(), StatusCode::GONE, "{}", text(&late));
}

#[tokio::test]
async fn an_approval_that_fails_says_what_to_do() {
    let (world, broker, door) = doors().await;
    let service = world.service_account();
    let (sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    for (user, answer, shown) in [
        (&world.admin, Answer::Cancel, "You said no at Microsoft"),
        (&service, Answer::Accept, "An administrator must approve first"),
    ] {
        let microsoft = person.press(&path, APPROVE).await;
        let callback = person.walk(&microsoft, user, answer).await;
        let response = door.answer(callback.clone()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(text(&response).contains(shown), "{}", text(&response));
        let again = door.answer(callback).await;
        assert_eq!(again.status(), StatusCode::CONFLICT, "a reload changes nothing");
        person.browser = Browser::new();
    }
    assert!(!is_noted(&broker, &sent).await);
    assert_eq!(status(&broker, &sent).await, InvitationStatus::Open);
}

#[tokio::test]
async fn who_has_begun_approvals_too_often_may_still_sign_in() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    for _ in 0..10 {
        person.press(&path, APPROVE).await;
    }
    let over = person.post(&path, APPROVE).await;
    assert_eq!(over.status(), StatusCode::GONE);
    let page = text(&over);
    assert!(page.contains("An approval was begun too often"), "{page}");
    assert!(page.contains("can still open the link") && page.contains("tell them what you see"));
    let found = person.find(&path, &world.admin).await;
    person.post(&found, "answer=confirm").await;
    assert!(has_consent(&world, &broker).await);
}

#[tokio::test]
async fn it_says_all_of_this_in_korean() {
    let (world, broker, door) = doors().await;
    let service = world.service_account();
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    person.language = "ko";
    let page = text(&person.get(&path).await);
    assert!(page.contains("관리자의 승인이 먼저 필요하다면"), "{page}");
    assert!(page.contains("관리자로서 승인"), "{page}");
    let microsoft = person.begin(&path).await;
    let mut callback = person.walk(&microsoft, &service, Answer::Accept).await;
    callback.headers_mut().insert(ACCEPT_LANGUAGE, "ko".parse().expect("a value"));
    let page = text(&door.answer(callback).await);
    assert!(page.contains("먼저 관리자의 승인이 필요합니다"), "{page}");
    assert!(page.contains("이 브라우저에서 바로 승인할 수 있습니다"), "{page}");
    person.browser = Browser::new(); // signed out at Microsoft
    let microsoft = person.press(&path, APPROVE).await;
    let back = approve(&mut person, &microsoft, &world.admin, Answer::Accept).await;
    let page = text(&person.follow(&back).await);
    assert!(
        page.contains("첫 단계가 끝났습니다") && page.contains("같은 초대 링크를 열고"),
        "{page}"
    );
}
