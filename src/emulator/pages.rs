//! What people see: small pages with labelled forms.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::errors::{Refusal, Trace};
use super::state::World;

/// Asks which account to go on with.
pub(super) fn account(flow: &str, name: &str) -> Response {
    let buttons = html! {
        button name="answer" value="continue" { (name) }
        button name="answer" value="other" { "Use another account" }
    };
    step("account", "Pick an account", flow, None, html! {}, buttons)
}

/// Asks who is there.
pub(super) fn name(flow: &str, hint: Option<&str>, wrong: Option<&str>) -> Response {
    let fields = html! {
        label for="name" { "Work account" }
        input #name name="name" type="email" autocomplete="username" required
            value=(hint.unwrap_or_default());
    };
    step("name", "Sign in", flow, wrong, fields, next_or_cancel("Next"))
}

/// Asks for the password.
pub(super) fn password(flow: &str, name: &str, wrong: Option<&str>) -> Response {
    let fields = html! {
        p { (name) }
        label for="password" { "Password" }
        input #password name="password" type="password" autocomplete="current-password" required;
    };
    step("password", "Enter password", flow, wrong, fields, next_or_cancel("Sign in"))
}

/// Asks for the second factor.
pub(super) fn code(flow: &str, name: &str, wrong: Option<&str>) -> Response {
    let fields = html! {
        p { (name) }
        label for="code" { "Code of your authenticator" }
        input #code name="code" inputmode="numeric" autocomplete="one-time-code" required;
    };
    step("code", "Verify your identity", flow, wrong, fields, next_or_cancel("Verify"))
}

/// Says that an administrator is needed; there is only the way back.
pub(super) fn approval(flow: &str, application: &str) -> Response {
    let text = html! {
        p { (application) " needs permissions that only an administrator can grant." }
    };
    let button = html! {
        button name="answer" value="cancel" {
            "Return to the application without granting consent"
        }
    };
    step("approval", "Need admin approval", flow, None, text, button)
}

/// What the consent page shows.
pub(super) struct ConsentPage<'p> {
    pub(super) flow: &'p str,
    pub(super) application: &'p str,
    pub(super) name: &'p str,
    pub(super) permissions: &'p [(String, String)],
    pub(super) administrator: bool,
}

/// Asks whether the application may have what it asks for.
pub(super) fn consent(page: &ConsentPage<'_>) -> Response {
    let fields = html! {
        p { (page.name) }
        p { strong { (page.application) } " would like to:" }
        ul {
            @for (resource, permission) in page.permissions {
                li { (permission) " of " (resource) }
            }
            li { "sign you in and keep the access you give it" }
        }
        @if page.administrator {
            label for="for_everyone" {
                input #for_everyone name="for_everyone" type="checkbox" value="yes";
                " Consent on behalf of your organization"
            }
        }
    };
    let buttons = html! {
        button name="answer" value="next" { "Accept" }
        button name="answer" value="cancel" formnovalidate { "Cancel" }
    };
    step("consent", "Permissions requested", page.flow, None, fields, buttons)
}

/// Carries an answer to the application by a form that posts itself.
pub(super) fn form_post(action: &str, fields: &[(&str, &str)]) -> Response {
    let body = html! {
        form #callback method="post" action=(action) {
            @for (name, value) in fields {
                input type="hidden" name=(name) value=(value);
            }
            noscript {
                p { "Scripts are off: press the button to go on." }
                button { "Continue" }
            }
        }
        script { (PreEscaped("document.getElementById('callback').submit()")) }
    };
    page(StatusCode::OK, "Working…", &body)
}

/// Says what is wrong where the application cannot be told.
pub(super) fn refusal(world: &World, refusal: &Refusal) -> Response {
    let description = refusal.description(&Trace::new(world.now(), None));
    let body = html! {
        h1 { "Sorry, but we’re having trouble signing you in." }
        @for line in description.lines() { p { (line) } }
    };
    page(StatusCode::BAD_REQUEST, "Sign in", &body)
}

fn step(
    id: &str,
    title: &str,
    flow: &str,
    wrong: Option<&str>,
    fields: Markup,
    buttons: Markup,
) -> Response {
    let body = html! {
        h1 { (title) }
        @if let Some(wrong) = wrong { p role="alert" { (wrong) } }
        form id={ "step-" (id) } method="post" action="/signin" {
            input type="hidden" name="flow" value=(flow);
            (fields)
            p { (buttons) }
        }
    };
    page(StatusCode::OK, title, &body)
}

fn next_or_cancel(next: &str) -> Markup {
    html! {
        button name="answer" value="next" { (next) }
        button name="answer" value="cancel" formnovalidate { "Cancel" }
    }
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
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
    ];
    (status, headers, page.into_string()).into_response()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f2f2f2;color:#1b1b1b}\
main{max-width:26rem;margin:3rem auto;padding:2rem;background:#fff}\
label,input:not([type=checkbox]){display:block;width:100%;box-sizing:border-box;font:inherit}\
input:not([type=checkbox]){padding:.5rem;margin:.25rem 0 1rem}\
button{font:inherit;padding:.5rem 1.25rem;margin:.25rem .5rem .25rem 0}\
[role=alert]{color:#a80000}";
