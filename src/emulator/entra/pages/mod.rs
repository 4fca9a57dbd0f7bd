//! What people see: small pages with labelled forms, without anything from elsewhere.
//!
//! Source: WCAG 2.2; Content Security Policy Level 3.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::emulator::refusal::{Refusal, Trace};

mod steps;

pub(super) use steps::{
    Asking, ConsentPage, account, approval, code, consent, enrolment, name, new_password, password,
};

/// Carries an answer to the application by a form that posts itself.
pub(super) fn form_post(action: &str, fields: &[(&str, &str)]) -> Response {
    let body = html! {
        form #callback method="post" action=(action) {
            @for (name, value) in fields {
                input type="hidden" name=(name) value=(value);
            }
            noscript {
                h1 { "One more step" }
                p { "Scripts are off: press the button to go on." }
                button { "Continue" }
            }
        }
        script { (PreEscaped(SUBMIT)) }
    };
    page(StatusCode::OK, "Working…", &body)
}

/// Says what is wrong where the application cannot be told, with what support would ask for.
pub(super) fn refusal(trace: &Trace, refusal: &Refusal) -> Response {
    let description = refusal.description(trace);
    let mut lines = description.lines();
    let text = lines.next().unwrap_or_default();
    let body = html! {
        h1 { "Sorry, but we’re having trouble signing you in." }
        p role="alert" { (text) }
        dl {
            @for (term, value) in lines.filter_map(|line| line.split_once(": ")) {
                dt { (term) }
                dd { (value) }
            }
        }
    };
    page(StatusCode::BAD_REQUEST, "Sign in", &body)
}

/// Says that nobody is signed in any more.
pub(super) fn signed_out() -> Response {
    let body = html! {
        h1 { "You signed out of your account" }
        p { "It is a good idea to close all browser windows." }
    };
    page(StatusCode::OK, "Signed out", &body)
}

fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) p { small { "Emulated: no real account is involved." } } } }
        }
    };
    let fixed = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`, with which browsers hide the origin of the forms that they post.
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
    ];
    let policy = [(CONTENT_SECURITY_POLICY, content_security_policy())];
    (status, fixed, policy, page.into_string()).into_response()
}

/// Forms may lead to any site: browsers apply `form-action` to every redirect that follows, and
/// where an application goes on to after its callback is its own affair.
fn content_security_policy() -> HeaderValue {
    let hash =
        |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; form-action http: https:; \
         base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SUBMIT),
    );
    HeaderValue::try_from(policy).expect("base64 is visible ASCII")
}

const SUBMIT: &str = "document.getElementById('callback').submit()";

const STYLE: &str = "\
*{box-sizing:border-box}\
body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:#f2f2f2;color:#1b1b1b;\
overflow-wrap:anywhere}\
main{max-width:27.5rem;margin:auto;padding:1.5rem;background:#fff}\
@media(min-width:30rem){main{margin:4rem auto;padding:2.75rem;box-shadow:0 2px 6px #0003}}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25;font-weight:600}\
ul{padding-left:1.25rem}\
li{margin:.25rem 0}\
li small{display:block}\
dt{margin-top:.5rem;font-weight:600}\
dd{margin:0}\
label{display:block}\
label:has(input){display:flex;align-items:center;gap:.5rem;padding:.5rem 0}\
input[type=checkbox]{flex:none;width:1.25rem;height:1.25rem;margin:0}\
input:not([type=checkbox]){width:100%;min-height:2.75rem;margin:.25rem 0 1rem;padding:.5rem;\
border:1px solid #666;border-radius:2px;font:inherit}\
input[aria-invalid]{border-color:#a80000}\
button{min-height:2.75rem;margin:.25rem .5rem .25rem 0;padding:.5rem 1.25rem;\
border:1px solid #666;border-radius:2px;background:#fff;color:inherit;font:inherit}\
button:first-of-type{border-color:#0b5cad;background:#0b5cad;color:#fff}\
.choices button{display:block;width:100%;text-align:left;border-color:#666;background:#fff;\
color:inherit}\
:focus-visible{outline:3px solid #0b5cad;outline-offset:2px}\
small{color:#5c5c5c}\
output{display:block;margin-bottom:1rem;font-size:1.5rem;letter-spacing:.2em}\
[role=alert]{color:#a80000}";
