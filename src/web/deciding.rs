//! What a person may answer on the last page, and what a yes would cost.

use maud::{Markup, html};

use super::pages::Pages;
use super::phrase::Phrase;
use crate::journeys::onboarding::Found;
use crate::model::consent::{ConsentingUser, Loss};

impl Pages<'_> {
    pub(super) fn answers(&self, found: &Found) -> Markup {
        html! {
            form method="post" {
                @match found.replaces() {
                    None if found.loses_unapproved() => {},
                    None => button name="answer" value="confirm" { (self.says(Phrase::Confirm)) },
                    Some(standing) => (self.replacement(found, standing)),
                }
                button .quiet name="answer" value="decline" { (self.says(Phrase::Decline)) }
            }
        }
    }

    /// Both users by name, and a button only where the host has approved just this.
    fn replacement(&self, found: &Found, standing: &ConsentingUser) -> Markup {
        let approved = found.approved_replacement().is_some();
        let phrase = if approved { Phrase::Replaces } else { Phrase::OtherStands };
        let facts = [("standing", html! { (standing) }), ("found", html! { (found.user()) })];
        html! {
            p .warning { (self.says_of(phrase, &facts)) }
            @if approved && !found.loses_unapproved() {
                button name="answer" value="replace" { (self.says(Phrase::Replace)) }
            }
        }
    }

    /// Customers that would be lost, whether or not the panel has said that they may be.
    pub(super) fn losses(&self, losses: &[Loss], are_approved: bool) -> Markup {
        let text = if are_approved { Phrase::LosesApproved } else { Phrase::LosesText };
        html! {
            @if !losses.is_empty() {
                h2 { (self.says(Phrase::Loses)) }
                p .warning { (self.says(text)) }
                ul { @for loss in losses { li { (self.loss(loss)) } } }
            }
        }
    }

    fn loss(&self, loss: &Loss) -> Markup {
        let said = html! { (loss.resource()) " · " (loss.cause().words()) };
        html! { code { (loss.customer()) } " · " (self.english(&said)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entra_error::Cause;
    use crate::model::scope::Resource;
    use crate::model::tenant::TenantId;
    use crate::web::{Brand, Language};

    fn shown(language: Language, are_approved: bool) -> String {
        let customer = TenantId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let loss = Loss { customer, resource: Resource::Graph, cause: Cause::RelationshipMissing };
        let brand = Brand::new("Example Panel").expect("plain text");
        Pages::new(&brand, language, "/style.css").losses(&[loss], are_approved).into_string()
    }

    #[test]
    fn customers_whose_loss_is_approved_are_not_asked_about_again() {
        let (asked, approved) = (shown(Language::ENGLISH, false), shown(Language::ENGLISH, true));
        assert!(asked.contains("tell Example Panel") && !asked.contains("has approved"), "{asked}");
        assert!(approved.contains("Example Panel has approved that they are lost"), "{approved}");
        assert!(!approved.contains("tell Example Panel"), "{approved}");
        for page in [asked, approved] {
            assert!(page.contains("Microsoft Graph · relationship missing"), "{page}");
        }
    }

    #[test]
    fn microsofts_own_words_are_marked_as_english_on_a_korean_page() {
        let page = shown(Language::KOREAN, false);
        let marked = "<span lang=\"en\" dir=\"ltr\">Microsoft Graph · relationship missing</span>";
        assert!(page.contains(marked), "{page}");
    }
}
