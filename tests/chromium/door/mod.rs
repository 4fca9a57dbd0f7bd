//! A panel with the crate's own web door nested, and links to it in the mail.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cpv_consent::web::{Brand, WebDoor};
use cpv_consent::{Event, InvitationRequest, InvitationStatus, SentInvitation, ShownName};

use crate::driver::Chromium;
use crate::ground::{Ground, serve};
use crate::person::{accept, sign_in};
use crate::world::account;

mod attempts;
mod browsers;
mod looks;
mod strangers;
mod tabs;
mod view;

pub struct Door {
    ground: Ground,
    loses_a_reply: Arc<AtomicBool>,
}

impl Door {
    pub async fn new() -> Self {
        let (ground, listener) = Ground::new().await;
        let loses_a_reply = Arc::default();
        let door =
            WebDoor::new(ground.broker.clone(), brand(&ground.origin)).expect("side by side");
        let line = from_fn_with_state(Arc::clone(&loses_a_reply), over_the_line);
        let panel = Router::new()
            .route("/logo.svg", get(|| async { ([(CONTENT_TYPE, "image/svg+xml")], LOGO) }))
            .nest("/consent", door.router().layer(line));
        serve(listener, panel);
        Self { ground, loses_a_reply }
    }

    /// From now on, the reply to the next callback does not arrive.
    pub fn loses_the_next_reply(&self) {
        self.loses_a_reply.store(true, Ordering::SeqCst);
    }

    /// Contoso's invitation, as it is mailed.
    pub async fn invite(&self) -> SentInvitation {
        named(self.broker.partner(self.contoso).invite(account("panel-1"))).await.expect("invited")
    }

    /// An invitation for whichever organization signs in.
    pub async fn invite_anybody(&self) -> SentInvitation {
        named(self.broker.first_invitation(account("panel-1"))).await.expect("invited")
    }

    pub async fn status(&self, sent: &SentInvitation) -> InvitationStatus {
        let found = self.broker.invitations().find(sent.invitation().id()).await;
        found.expect("listed").status().clone()
    }

    /// Opens the link and presses its button: Microsoft asks for the name.
    pub async fn begin(&self, browser: &Chromium, sent: &SentInvitation) {
        browser.open(sent.link().as_str()).await;
        browser.arrives_at("Example Panel asks for your organization’s consent").await;
        browser.click("Continue to Microsoft").await;
        browser.arrives_at("Sign in").await;
        assert!(browser.address().await.as_str().starts_with(self.login()));
    }

    /// From the link to the page that asks for the confirmation.
    pub async fn find(&self, browser: &Chromium, sent: &SentInvitation) {
        self.begin(browser, sent).await;
        sign_in(browser, &self.admin).await;
        accept(browser).await;
        browser.arrives_at("Is this what you want?").await;
    }

    /// Whatever was tried: there is no consent, and the link can still be begun by.
    pub async fn has_given_nothing(&self, sent: &SentInvitation, starts: u32) {
        assert!(self.consent().await.is_none(), "nobody has confirmed");
        assert_eq!(self.records("consent"), 0);
        let expected = match starts {
            0 => InvitationStatus::Open,
            times => InvitationStatus::Started { times },
        };
        assert_eq!(self.status(sent).await, expected);
    }

    /// It was confirmed by this link, once.
    pub async fn has_one_consent(&self, sent: &SentInvitation) {
        let consent = self.consent().await.expect("a consent");
        assert_eq!((consent.account(), consent.user().id()), (&account("panel-1"), self.admin.id));
        assert!(consent.mfa().is_some());
        assert!(matches!(self.status(sent).await, InvitationStatus::Confirmed { .. }));
        assert_eq!(self.confirmed(), [1], "one confirmation, of the first generation");
        assert_eq!(self.records("consent"), 1);
    }

    /// The generations of all that was confirmed.
    pub fn confirmed(&self) -> Vec<u64> {
        self.told(|event| match event {
            Event::ConsentConfirmed { generation, .. } => Some(*generation),
            _ => None,
        })
    }
}

impl Deref for Door {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

fn named(invitation: InvitationRequest<'_>) -> InvitationRequest<'_> {
    let inviter = ShownName::unverified("Ann Example").expect("plain text");
    let account = ShownName::verified("Contoso Hosting").expect("plain text");
    invitation.account_name(account).invited_by(inviter)
}

fn brand(origin: &str) -> Brand {
    Brand::new("Example Panel")
        .and_then(|brand| brand.with_logo(&format!("{origin}/logo.svg")))
        .and_then(|brand| brand.with_home(&format!("{origin}/partners")))
        .expect("https")
}

/// A network in front of the panel, which may lose what the door answers to a callback.
async fn over_the_line(
    State(loses_a_reply): State<Arc<AtomicBool>>,
    request: Request,
    next: Next,
) -> Response {
    let is_callback = request.uri().path().ends_with("/callback");
    let reply = next.run(request).await;
    if is_callback && loses_a_reply.swap(false, Ordering::SeqCst) {
        let page = "<!doctype html><h1>Bad gateway</h1>";
        return (StatusCode::BAD_GATEWAY, [(CONTENT_TYPE, "text/html")], page).into_response();
    }
    reply
}

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\">\
<rect width=\"40\" height=\"40\" rx=\"8\" fill=\"#1f5fbf\"/>\
<path d=\"M12 20l6 6 11-12\" fill=\"none\" stroke=\"#fff\" stroke-width=\"4\"/></svg>";
