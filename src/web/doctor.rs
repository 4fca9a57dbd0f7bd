//! A look at where the pages would stand, before there is a broker.

use super::origin::Site;
use crate::doctor::Doctor;

impl Doctor<'_> {
    /// The panel shows the pages of a [`WebDoor`](super::WebDoor): what that would refuse of the redirect
    /// address and the start page is said with the settings.
    pub fn web_door(mut self) -> Self {
        let (redirect, start) =
            (self.builder.app.redirect_uri(), self.builder.checked_start_page());
        let site = start.and_then(|start| Site::of(redirect, start.as_ref()));
        self.given.pages = site.map(drop);
        self
    }
}
