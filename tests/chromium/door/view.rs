//! One way of looking at the door: from which screen, by day or by night, in which language.

use cpv_consent::SentInvitation;
use cpv_consent::emulator::User;

use super::Door;
use crate::driver::Chromium;
use crate::habits::{Device, Habits};
use crate::person::{accept, sign_in};
use crate::readable::judge;

pub struct View {
    pub browser: Chromium,
    name: &'static str,
    language: &'static str,
}

impl View {
    /// Named after what is looked from: `desk` or `phone`, then `ko` for Korean, or `dark`.
    pub async fn new(door: &Door, name: &'static str) -> Self {
        let device = if name.starts_with("desk") { Device::Desk } else { Device::Phone };
        let (language, asked) =
            if name.ends_with("-ko") { ("ko", "ko-KR,ko,en") } else { ("en", "en-GB,en") };
        let browser = door.browser(Habits::from(device).speaking(asked)).await;
        if name.ends_with("-dark") {
            browser.prefers_dark().await;
        }
        Self { browser, name, language }
    }

    /// Waits for the page with this heading, keeps a picture of it and judges it.
    pub async fn look(&self, english: &str, picture: &str) {
        judge(&self.browser, self.says(english), &format!("{}-{picture}", self.name)).await;
        let language = self.browser.run("return document.documentElement.lang").await;
        assert_eq!(language, self.language, "{english}");
    }

    pub async fn open(&self, sent: &SentInvitation) {
        self.browser.open(sent.link().as_str()).await;
    }

    /// Opens the link and presses its button: Microsoft asks for the name.
    pub async fn begin(&self, sent: &SentInvitation) {
        self.open(sent).await;
        self.click("Continue to Microsoft").await;
        self.browser.arrives_at("Sign in").await;
    }

    /// From the link to what comes after Microsoft.
    pub async fn consent(&self, sent: &SentInvitation, user: &User) {
        self.begin(sent).await;
        sign_in(&self.browser, user).await;
        accept(&self.browser).await;
    }

    pub async fn click(&self, english: &str) {
        self.browser.click(self.says(english)).await;
    }

    /// The same in the language of the view.
    pub fn says<'w>(&self, english: &'w str) -> &'w str {
        if self.language == "en" {
            return english;
        }
        let both = KOREAN.iter().find(|(known, _)| *known == english);
        both.unwrap_or_else(|| panic!("{english} in Korean?")).1
    }
}

const KOREAN: [(&str, &str); 17] = [
    (
        "Example Panel asks for your organization’s consent",
        "Example Panel에서 귀 조직의 동의를 요청합니다",
    ),
    ("Continue to Microsoft", "Microsoft로 계속"),
    ("Is this what you want?", "이대로 진행할까요?"),
    ("Yes, give consent", "예, 동의합니다"),
    ("No, give nothing", "아니요, 동의하지 않습니다"),
    ("The consent is given", "동의가 완료되었습니다"),
    ("Nothing was given", "아무 권한도 부여되지 않았습니다"),
    ("You said no at Microsoft", "Microsoft 화면에서 동의하지 않으셨습니다"),
    ("There was no second factor", "다단계 인증을 사용하지 않았습니다"),
    ("Another organization signed in", "다른 조직으로 로그인했습니다"),
    ("There is nothing left to confirm", "확인할 내용이 남아 있지 않습니다"),
    ("The invitation was used", "이미 사용한 초대입니다"),
    ("There is a newer link", "더 새로운 링크가 있습니다"),
    ("The invitation has expired", "초대가 만료되었습니다"),
    ("The invitation was taken back", "초대가 취소되었습니다"),
    ("There is no invitation at this link", "이 링크에는 초대가 없습니다"),
    ("There is no such page", "없는 페이지입니다"),
];
