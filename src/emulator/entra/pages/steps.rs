//! The pages of a sign-in. What they ask is told from their form's id; what comes next is for the
//! flow to know.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::page;
use crate::emulator::state::directory::MfaMethod;

/// What every page of a flow shows.
pub(in crate::emulator::entra) struct Asking<'a> {
    /// The word of the flow.
    pub(in crate::emulator::entra) flow: &'a str,
    /// Who is signing in, once that is known.
    pub(in crate::emulator::entra) name: &'a str,
    /// What was wrong with the last answer.
    pub(in crate::emulator::entra) wrong: Option<&'a str>,
}

/// What the consent page shows.
pub(in crate::emulator::entra) struct ConsentPage<'p> {
    pub(in crate::emulator::entra) application: &'p str,
    /// The name of the resource, and the permission.
    pub(in crate::emulator::entra) permissions: &'p [(String, String)],
    /// Whether it can only be given for everyone.
    pub(in crate::emulator::entra) for_everyone: bool,
    pub(in crate::emulator::entra) administrator: bool,
}

/// Asks which account to go on with.
pub(in crate::emulator::entra) fn account(asking: &Asking<'_>, names: &[String]) -> Response {
    let fields = html! {
        div .choices {
            @for name in names {
                button name="account" value=(name) { (name) }
            }
            button name="answer" value="other" { "Use another account" }
        }
    };
    asking.page("account", "Pick an account", &fields, &html! {})
}

/// Asks who is there.
pub(in crate::emulator::entra) fn name(asking: &Asking<'_>, hint: Option<&str>) -> Response {
    let field = Field {
        name: "name",
        label: "Work account",
        autocomplete: "username",
        input_mode: Some("email"),
        value: hint,
        ..Field::default()
    };
    asking.page("name", "Sign in", &field.with(asking.wrong), &next_or_cancel("Next"))
}

/// Asks for the password.
pub(in crate::emulator::entra) fn password(asking: &Asking<'_>) -> Response {
    let field = Field {
        name: "password",
        label: "Password",
        kind: "password",
        autocomplete: "current-password",
        ..Field::default()
    };
    asking.page("password", "Enter password", &field.with(asking.wrong), &next_or_cancel("Sign in"))
}

/// Asks for a new password in place of one that has expired.
pub(in crate::emulator::entra) fn new_password(asking: &Asking<'_>) -> Response {
    let new = Field {
        name: "new_password",
        label: "New password",
        kind: "password",
        autocomplete: "new-password",
        ..Field::default()
    };
    let again = Field { name: "again", label: "New password, again", ..new };
    let fields = html! { (new.with(asking.wrong)) (again.with(None)) };
    asking.page("new-password", "Update your password", &fields, &next_or_cancel("Sign in"))
}

/// Asks for the second factor.
pub(in crate::emulator::entra) fn code(asking: &Asking<'_>, method: MfaMethod) -> Response {
    let field = match method {
        MfaMethod::Phone => Field { label: "Code that we sent to your phone", ..CODE },
        _ => CODE,
    };
    let field = field.with(asking.wrong);
    asking.page("code", "Verify your identity", &field, &next_or_cancel("Verify"))
}

/// Asks to set a second factor up, and tells what it will show.
pub(in crate::emulator::entra) fn enrolment(asking: &Asking<'_>, code: &str) -> Response {
    let fields = html! {
        p { "Your organization needs more than a password to keep your account secure." }
        p { "From now on your emulated authenticator always shows:" }
        output { (code) }
        (CODE.with(asking.wrong))
    };
    asking.page("enrolment", "More information required", &fields, &next_or_cancel("Register"))
}

/// Says that an administrator is needed; there is only the way back.
pub(in crate::emulator::entra) fn approval(asking: &Asking<'_>, application: &str) -> Response {
    let text = html! {
        p { (application) " needs permissions that only an administrator can grant." }
    };
    let button = html! {
        button name="answer" value="cancel" {
            "Return to the application without granting consent"
        }
    };
    asking.page("approval", "Need admin approval", &text, &button)
}

/// Asks whether the application may have what it asks for.
pub(in crate::emulator::entra) fn consent(asking: &Asking<'_>, page: &ConsentPage<'_>) -> Response {
    let fields = html! {
        @if page.for_everyone { p { "Review for your organization" } }
        p { strong { (page.application) } " would like to:" }
        ul {
            @for (resource, permission) in page.permissions {
                li { (permission) small { (resource) } }
            }
            li { "Sign you in and keep the access that you give it" }
        }
        @if page.for_everyone {
            p { "If you accept, it may do so for everyone in your organization, and nobody else will be asked." }
        } @else if page.administrator {
            label for="for_everyone" {
                input #for_everyone name="for_everyone" type="checkbox" value="yes";
                " Consent on behalf of your organization"
            }
        }
    };
    let id = if page.for_everyone { "admin-consent" } else { "consent" };
    asking.page(id, "Permissions requested", &fields, &next_or_cancel("Accept"))
}

impl Asking<'_> {
    fn page(&self, id: &str, title: &str, fields: &Markup, buttons: &Markup) -> Response {
        let body = html! {
            h1 { (title) }
            @if !self.name.is_empty() { p { (self.name) } }
            @if let Some(wrong) = self.wrong { p #wrong role="alert" { (wrong) } }
            form id={ "step-" (id) } method="post" action="/signin" {
                input type="hidden" name="flow" value=(self.flow);
                (fields)
                p { (buttons) }
            }
        };
        page(StatusCode::OK, title, &body)
    }
}

/// A labelled field that must be filled in.
#[derive(Clone, Copy)]
struct Field<'f> {
    name: &'f str,
    label: &'f str,
    kind: &'f str,
    autocomplete: &'f str,
    input_mode: Option<&'f str>,
    value: Option<&'f str>,
}

impl Default for Field<'_> {
    fn default() -> Self {
        Self {
            name: "",
            label: "",
            kind: "text",
            autocomplete: "off",
            input_mode: None,
            value: None,
        }
    }
}

impl Field<'_> {
    /// Where the last answer was wrong, the focus is on what to correct.
    fn with(&self, wrong: Option<&str>) -> Markup {
        let invalid = wrong.map(|_| "true");
        let described = wrong.map(|_| "wrong");
        html! {
            label for=(self.name) { (self.label) }
            input id=(self.name) name=(self.name) type=(self.kind)
                autocomplete=(self.autocomplete) inputmode=[self.input_mode] value=[self.value]
                aria-invalid=[invalid] aria-describedby=[described] autofocus[wrong.is_some()]
                required;
        }
    }
}

fn next_or_cancel(next: &str) -> Markup {
    html! {
        button name="answer" value="next" { (next) }
        button name="answer" value="cancel" formnovalidate { "Cancel" }
    }
}

const CODE: Field<'static> = Field {
    name: "code",
    label: "Code of your authenticator",
    kind: "text",
    autocomplete: "one-time-code",
    input_mode: Some("numeric"),
    value: None,
};
