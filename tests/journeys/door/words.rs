//! What the pages call things: English on a page of another language, permissions, what stays at Microsoft.

use cpv_consent::DirectoryRole::{GlobalAdministrator, GlobalReader};

use super::*;

/// As it is marked on a page that is not English.
fn marked(words: &str) -> String {
    format!("<span lang=\"en\" dir=\"ltr\">{words}</span>")
}

#[tokio::test]
async fn english_on_a_page_of_another_language_says_so() {
    let (world, broker, door) = doors().await;
    let roles = [GlobalAdministrator, GlobalReader].map(|role| role.template_id().to_owned());
    world.entra.change_user(&world.admin, |user| user.roles = roles.to_vec());
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person { language: "ko", ..Person::new(&door) };
    let found = person.find(&path, &world.admin).await;
    let page = text(&person.get(&found).await);
    for words in [
        "Global Administrator, Global Reader",
        "<code>Microsoft Graph: Directory.Read.All</code>",
        "<code>offline_access</code>",
    ] {
        assert!(page.contains(&marked(words)), "{words}: {page}");
    }

    let danish = Language::new("da", |phrase| (phrase == Phrase::Begin).then_some("Videre"));
    let door = door.clone().languages([danish.expect("no blanks are left out")]);
    person.door = &door;
    let page = text(&person.get(&path).await);
    for words in [
        "<title lang=\"en\">Example Panel asks for your organization’s consent – Example Panel</title>",
        &format!("<h1>{}</h1>", marked("Example Panel asks for your organization’s consent")),
        &format!(
            "<button class=\"quiet\" name=\"step\" value=\"approve\">{}</button>",
            marked("Approve as an administrator")
        ),
        "<button>Videre</button>",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn an_english_page_marks_nothing() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    for at in [path.as_str(), &found] {
        let page = text(&person.get(at).await);
        assert!(!page.contains("<span lang") && !page.contains("<title lang"), "{page}");
    }
}

#[tokio::test]
async fn each_permission_is_said_in_plain_words() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    let found = person.find(&path, &world.admin).await;
    for (language, means) in [
        ("en", ["work in Partner Center as this user", "read the directory", "keep this access"]),
        ("ko", ["Partner Center에서 고객", "디렉터리의 정보를 읽습니다", "이 권한을 유지합니다"]),
    ] {
        person.language = language;
        for at in [path.as_str(), &found] {
            let page = text(&person.get(at).await);
            for (name, means) in
                ["Partner Center: user_impersonation", "Directory.Read.All", "offline_access"]
                    .into_iter()
                    .zip(means)
            {
                let rest = page.split(name).nth(1).unwrap_or_else(|| panic!("{name}: {page}"));
                let item = rest.split("</li>").next().unwrap_or_default();
                assert!(item.contains(means), "{means}: {item}");
            }
        }
    }
}

#[tokio::test]
async fn who_says_no_at_microsoft_is_told_what_may_stay_there() {
    let (world, broker, door) = doors().await;
    let (_sent, path) = invited(&world, &broker).await;
    let mut person = Person::new(&door);
    for answer in [Answer::Cancel, Answer::FailMfa] {
        let microsoft = person.begin(&path).await;
        let callback = person.walk(&microsoft, &world.admin, answer).await;
        let page = text(&door.answer(callback).await);
        assert!(!page.contains("Nothing was given"), "{page}");
        assert!(page.contains("under “Enterprise applications”"), "{page}");
        assert!(page.contains("By that alone Example Panel can do nothing"), "{page}");
    }
}
