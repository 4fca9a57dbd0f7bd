//! The pages after an answer tell what came of it to the browser that gave it, and to nobody else.

use super::*;
use crate::door::two_steps::APPROVE;

const PAGES: [(&str, &str); 3] = [
    ("/consent/approved", "The first step is done"),
    ("/consent/done", "The consent is given"),
    ("/consent/declined", "Nothing was given"),
];

/// Which of these pages says something to this person.
async fn told(person: &Person<'_>) -> Vec<&'static str> {
    let mut told = Vec::new();
    for (at, claim) in PAGES {
        let response = person.get(at).await;
        assert_eq!(response.status(), StatusCode::OK, "{at}");
        let page = text(&response);
        match page.contains(claim) {
            true => told.push(at),
            false => assert!(page.contains("Nothing was answered here just now"), "{at}: {page}"),
        }
    }
    told
}

#[tokio::test]
async fn whoever_types_the_address_is_told_nothing() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    assert!(told(&person).await.is_empty());
    let found = person.find(&path, &world.admin).await;
    assert!(told(&person).await.is_empty(), "nothing is answered yet");
    let confirmed = person.post(&found, "answer=confirm").await;
    person.follow(&confirmed).await;
    assert_eq!(told(&person).await, ["/consent/done"], "as often as it looks");
    assert!(told(&Person::new(&door)).await.is_empty(), "another browser has answered nothing");
    person.language = "ko";
    let page = text(&person.get("/consent/declined").await);
    assert!(page.contains("방금 이 브라우저에서 답하신 내용이 없습니다"), "{page}");
}

#[tokio::test]
async fn each_answer_is_told_by_its_own_page() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    let declined = person.post(&found, "answer=decline").await;
    person.follow(&declined).await;
    assert_eq!(told(&person).await, ["/consent/declined"]);

    let mut administrator = Person::new(&door);
    let microsoft = administrator.press(&path, APPROVE).await;
    let callback = administrator.walk(&microsoft, &world.admin, Answer::Accept).await;
    let back = door.answer(callback).await;
    administrator.follow(&back).await;
    assert_eq!(told(&administrator).await, ["/consent/approved"]);
}

#[tokio::test]
async fn the_note_of_an_answer_stays_with_this_site_and_ends_soon() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    let refused = person.post(&found, "answer=yes").await;
    assert!(!refused.headers().contains_key(SET_COOKIE), "nothing was answered");
    let confirmed = person.post(&found, "answer=confirm").await;
    let note = "__Host-cpv-consent-done=1; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax";
    let cookies: Vec<_> = confirmed.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(cookies.len(), 2, "and the flow's own is taken away");
    assert!(cookies.contains(&&http::HeaderValue::from_static(note)), "{cookies:?}");
}
