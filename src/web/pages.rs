//! The pages themselves.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response, StatusCode};
use maud::{DOCTYPE, Markup, html};
use x509_cert::der::DateTime;

use super::brand::Brand;
use super::language::Language;
use super::permission::Permission;
use super::phrase::Phrase;
use super::problem::Problem;
use super::wording::{Fact, listed};
use crate::error::Error;
use crate::journeys::onboarding::Found;
use crate::model::consent::ConsentingUser;
use crate::model::invitation::{Invitation, ShownName};
use crate::model::mfa::{MfaFinding, MfaSource};
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::Refused;
use crate::model::role::DirectoryRole;
use crate::model::scope::Scopes;
use crate::model::tenant::AccountId;

/// The pages as one person sees them.
pub(super) struct Pages<'d> {
    pub(super) brand: &'d Brand,
    pub(super) language: Language,
    /// Where the style lies.
    style: &'d str,
}

impl<'d> Pages<'d> {
    pub(super) const fn new(brand: &'d Brand, language: Language, style: &'d str) -> Self {
        Self { brand, language, style }
    }

    /// What an invitation asks for, and a button that begins.
    pub(super) fn invitation(&self, invitation: &Invitation) -> Response<Bytes> {
        let body = html! {
            p { (self.says(Phrase::InvitationText)) }
            (self.receives(invitation.account(), Some(invitation)))
            h2 { (self.says(Phrase::Gives)) }
            dl {
                dt { (self.says(Phrase::Tenant)) }
                dd {
                    @match invitation.partner() {
                        Some(partner) => code { (partner) },
                        None => (self.says(Phrase::AnyTenant)),
                    }
                }
                @if let Some(user) = invitation.user() {
                    dt { (self.says(Phrase::User)) }
                    dd { code { (user) } }
                }
            }
            (self.permissions(invitation.scopes()))
            dl {
                dt { (self.says(Phrase::Application)) }
                dd { code { (invitation.application()) } }
            }
            p { (self.says(Phrase::BeginText)) }
            form method="post" { button { (self.says(Phrase::Begin)) } }
            (self.approval_first(invitation))
            (self.good_until(invitation.expires_at()))
        };
        self.page(StatusCode::OK, Phrase::InvitationTitle, &body)
    }

    /// Who gives what to whom, before it counts: who receives it first.
    pub(super) fn confirmation(&self, found: &Found) -> Response<Bytes> {
        let body = html! {
            p { (self.says(Phrase::ConfirmText)) }
            (self.receives(found.account(), found.invitation()))
            h2 { (self.says(Phrase::Gives)) }
            dl {
                dt { (self.says(Phrase::Tenant)) }
                dd { code { (found.tenant()) } }
                dt { (self.says(Phrase::Kind)) }
                dd { (self.says(kind(found.kind()))) }
                (self.user(found.user()))
            }
            (self.permissions(found.scopes()))
            dl {
                dt { (self.says(Phrase::SecondFactor)) }
                dd { (self.proof(found.mfa())) }
                dt { (self.says(Phrase::Policy)) }
                dd { (self.verdict(found.warnings())) }
            }
            (self.losses(found.loses(), !found.loses_unapproved()))
            (self.answers(found))
            (self.good_until(found.expires_at()))
        };
        self.page(StatusCode::OK, Phrase::ConfirmTitle, &body)
    }

    pub(super) fn lost(&self) -> Response<Bytes> {
        self.explain(Problem::Lost, &[], None, None)
    }

    /// What happened, whose turn it is, and what support will ask for.
    pub(super) fn problem(&self, error: &Error) -> Response<Bytes> {
        let mut facts = Vec::new();
        match error {
            Error::Refused(Refused::OtherTenant { expected, found }) => {
                facts = vec![("expected", html! { (expected) }), ("found", html! { (found) })];
            }
            Error::Refused(
                Refused::ScopesMissing(scopes)
                | Refused::ScopesBeyond(scopes)
                | Refused::InvitationOutgrown(scopes),
            ) => facts = vec![("scopes", self.english(&html! { (scopes) }))],
            Error::Refused(Refused::PowerfulRoles(roles)) => {
                facts = vec![("roles", self.english(&html! { (names(roles)) }))];
            }
            Error::Refused(Refused::LosesCustomers { losses, .. }) => {
                let customers = losses.iter().map(|loss| html! { (loss.customer()) });
                facts = vec![("customers", listed(&customers.collect::<Vec<_>>()))];
            }
            _ => {}
        }
        self.explain(Problem::of(error), &facts, reference(error), None)
    }

    pub(super) fn style(&self) -> Response<Bytes> {
        let text = STYLE.replace("ACCENT", self.brand.accent());
        let mut response = Response::new(Bytes::from(text));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        response
    }

    pub(super) fn explain(
        &self,
        problem: Problem,
        facts: &[Fact<'_>],
        reference: Option<String>,
        offer: Option<&Markup>,
    ) -> Response<Bytes> {
        let body = html! {
            p role="alert" { (self.says_of(Phrase::Text(problem), facts)) }
            @if problem.may_stay() { p { (self.says(Phrase::MayStay)) } }
            h2 { (self.says(Phrase::Turn)) }
            p { (self.says(problem.turn())) }
            @if let Some(offer) = offer { (offer) }
            @if let Some(reference) = reference {
                dl { dt { (self.says(Phrase::Reference)) } dd { code { (reference) } } }
            }
            (self.home())
        };
        self.page(problem.status(), Phrase::Title(problem), &body)
    }

    fn receives(&self, account: &AccountId, invitation: Option<&Invitation>) -> Markup {
        html! {
            h2 { (self.says(Phrase::Receives)) }
            dl {
                dt { (self.says(Phrase::Account)) }
                dd {
                    @match invitation.and_then(Invitation::account_name) {
                        Some(name) => (self.name(name)),
                        None => {
                            code { (account) } " "
                            span .verified { (self.says(Phrase::OwnNumber)) }
                        },
                    }
                }
                @if let Some(inviter) = invitation.and_then(Invitation::inviter) {
                    dt { (self.says(Phrase::Inviter)) }
                    dd { (self.name(inviter)) }
                }
            }
        }
    }

    fn name(&self, name: &ShownName) -> Markup {
        let (class, vouched) = match name.is_verified() {
            true => ("verified", Phrase::Verified),
            false => ("unverified", Phrase::Unverified),
        };
        html! { bdi { (name.name()) } " " span class=(class) { (self.says(vouched)) } }
    }

    fn user(&self, user: &ConsentingUser) -> Markup {
        html! {
            dt { (self.says(Phrase::User)) }
            dd {
                @match user.name() {
                    Some(name) => bdi { (name) },
                    None => (self.says(Phrase::Unnamed)),
                }
                " " code { (user.id()) }
            }
            dt { (self.says(Phrase::Roles)) }
            dd { (self.roles(user)) }
        }
    }

    /// Those that are known by name; that there are others is said.
    fn roles(&self, user: &ConsentingUser) -> Markup {
        let (Some(all), Some(known)) = (user.roles(), user.directory_roles()) else {
            return self.says(Phrase::RolesUnknown);
        };
        let named = (!known.is_empty()).then(|| self.english(&html! { (names(&known)) }));
        let others = all.iter().any(|id| is_other(id)).then(|| self.says(Phrase::RolesOther));
        let shown: Vec<_> = named.into_iter().chain(others).collect();
        if shown.is_empty() { self.says(Phrase::RolesNone) } else { listed(&shown) }
    }

    /// Who says so, when the person signed in, and until when that lasts.
    fn proof(&self, mfa: &MfaFinding) -> Markup {
        let Some(proof) = mfa.proof() else {
            return html! { (self.says(Phrase::NotProven)) };
        };
        let by = match proof.source() {
            MfaSource::PartnerCenter => Phrase::ProvenByPartnerCenter,
            _ => Phrase::ProvenByToken,
        };
        let at = |phrase, time| self.says_of(phrase, &[("time", html! { (moment(time)) })]);
        let signed_in = at(Phrase::SignedIn, proof.signed_in().latest());
        let lasts = proof.expires_at().map(|time| at(Phrase::ProofLasts, time));
        let times = [Some(signed_in), lasts];
        html! { (self.says(by)) @for said in times.iter().flatten() { " · " (said) } }
    }

    /// Those that are named, and what every sign-in asks for besides.
    fn permissions(&self, scopes: &Scopes) -> Markup {
        let named = scopes.iter().map(|scope| (html! { (scope) }, Permission::of(scope)));
        let always = Permission::ALWAYS.map(|one| (html! { (one) }, Some(one)));
        html! {
            h2 { (self.says(Phrase::Permissions)) }
            ul {
                @for (name, known) in named.chain(always) {
                    li {
                        (self.english(&html! { code { (name) } }))
                        @if let Some(known) = known {
                            " " span .means { (self.says(Phrase::Means(known))) }
                        }
                    }
                }
            }
        }
    }

    fn good_until(&self, time: SystemTime) -> Markup {
        let time = html! { (moment(time)) };
        html! { p { small { (self.says_of(Phrase::GoodUntil, &[("time", time)])) } } }
    }

    pub(super) fn home(&self) -> Markup {
        html! {
            @if let Some(home) = self.brand.home() {
                p { a href=(home) rel="noreferrer" { (self.says(Phrase::Home)) } }
            }
        }
    }

    pub(super) fn page(&self, status: StatusCode, title: Phrase, body: &Markup) -> Response<Bytes> {
        let (bare, language) = self.says_bare(title);
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) dir=(self.language.direction()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    meta name="color-scheme" content="light dark";
                    title lang=[language] { (bare) " – " (self.brand.panel()) }
                    link rel="stylesheet" href=(self.style);
                }
                body {
                    header {
                        @if let Some(logo) = self.brand.logo() {
                            img src=(logo) alt="" height="40";
                        }
                        span { (self.brand.panel()) }
                    }
                    main { h1 { (self.says(title)) } (body) }
                }
            }
        };
        let mut response = Response::new(Bytes::from(page.into_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        response
    }
}

/// What a person need not know by name: what every user is, and what is not listed here.
fn is_other(id: &str) -> bool {
    DirectoryRole::of(id).is_none() && !id.eq_ignore_ascii_case(EVERY_USER)
}

pub(super) const fn kind(kind: PartnerKind) -> Phrase {
    match kind {
        PartnerKind::Direct => Phrase::KindDirect,
        PartnerKind::IndirectProvider => Phrase::KindProvider,
        PartnerKind::IndirectReseller => Phrase::KindReseller,
    }
}

pub(super) fn names(roles: &[DirectoryRole]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

/// What support asks for: numbers and ids, and no text of others.
fn reference(error: &Error) -> Option<String> {
    let Error::Entra { error, .. } = error else { return None };
    let number = error.number().map(|number| format!("AADSTS{number}"));
    let parts = [number, error.correlation_id().map(str::to_owned)];
    let known: Vec<_> = parts.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(" · "))
}

/// In universal time, read the same everywhere.
pub(super) fn moment(time: SystemTime) -> String {
    DateTime::from_system_time(time).map_or_else(
        |_| "–".to_owned(),
        |at| {
            let (hour, minute) = (at.hour(), at.minutes());
            format!("{}-{:02}-{:02} {hour:02}:{minute:02} UTC", at.year(), at.month(), at.day())
        },
    )
}

/// The template id of what every member of a tenant is, without any power.
///
/// Source: Microsoft Entra, "Built-in roles".
const EVERY_USER: &str = "b79fbf4d-3ef9-4689-8143-76b194e85509";
const STYLE: &str = include_str!("style.css");
