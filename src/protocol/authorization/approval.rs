//! An administrator's approval for a whole tenant, asked for: the address, and the state of its answer.
//!
//! Source: Microsoft identity platform, "Admin consent on the Microsoft identity platform": no code
//! comes of it, so there is neither PKCE nor a nonce, and its answer is always a query.

use std::fmt;

use url::Url;

use super::unguessable;
use crate::model::cloud::Authority;
use crate::model::registration::AppRegistration;

/// One request for an approval.
pub(crate) struct AdminConsentRequest {
    pub(crate) url: Url,
    pub(crate) state: String,
}

impl AdminConsentRequest {
    /// Asks for just what the sign-in will ask for: named scopes, never `.default`.
    pub(crate) fn new(app: &AppRegistration, authority: &Authority) -> Self {
        let state = format!("{MARK}{}", unguessable());
        let mut url = authority.approval_url();
        url.query_pairs_mut()
            .append_pair("client_id", &app.client_id().to_string())
            .append_pair("redirect_uri", app.redirect_uri().as_str())
            .append_pair("scope", &app.scopes().request_value(app.cloud()))
            .append_pair("state", &state);
        Self { url, state }
    }
}

impl fmt::Debug for AdminConsentRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AdminConsentRequest").finish_non_exhaustive()
    }
}

/// Whether a state is that of an approval. What the answer says of itself does not count.
pub(super) fn is_of_approval(state: &str) -> bool {
    state.starts_with(MARK)
}

/// No state of a sign-in has a full stop.
const MARK: &str = "approval.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::model::cloud::{Cloud, Directory};
    use crate::model::registration::ClientCredential;
    use crate::model::scope::Resource;
    use crate::model::tenant::{ClientId, TenantId};

    use super::*;

    fn request(directory: Directory) -> AdminConsentRequest {
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let secret = ClientCredential::secret("canary-secret").expect("plain");
        let redirect = "https://panel.example/callback";
        let app = AppRegistration::new(Cloud::Global, home, client_id, secret, redirect)
            .and_then(|app| app.requesting(Resource::Graph, ["User.Read"]))
            .expect("valid");
        AdminConsentRequest::new(&app, &Authority::new(&Cloud::Global, directory))
    }

    #[test]
    fn the_address_holds_what_it_must_and_nothing_else() {
        //
        let contoso = TenantId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
        for (directory, path) in [
            (Directory::Organizations, "/organizations/v2.0/adminconsent".to_owned()),
            (Directory::Tenant(contoso), format!("/{contoso}/v2.0/adminconsent")),
        ] {
            let request = request(directory);
            assert_eq!(request.url.path(), path);
            let expected = [
                ("client_id", "22222222-2222-4222-8222-222222222222"),
                ("redirect_uri", "https://panel.example/callback"),
                (
                    "scope",
                    "openid profile offline_access \
                     https://api.partnercenter.microsoft.com/user_impersonation \
                     https://graph.microsoft.com/User.Read",
                ),
                ("state", &request.state),
            ];
            let expected: BTreeMap<_, _> =
                expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let found: Vec<_> = request.url.query_pairs().into_owned().collect();
            assert_eq!(found.len(), expected.len(), "none occurs twice");
            assert_eq!(BTreeMap::from_iter(found), expected);
        }
    }

    #[test]
    fn a_state_says_which_step_it_is_of_and_is_shown_nowhere() {
        //
        let [one, other] = [request(Directory::Organizations), request(Directory::Organizations)];
        assert!(one.state != other.state && one.state.len() == MARK.len() + 43);
        assert!(is_of_approval(&one.state) && !is_of_approval(&unguessable()));
        let shown = format!("{one:?}");
        assert!(shown.starts_with("AdminConsentRequest") && !shown.contains(&one.state));
    }
}
