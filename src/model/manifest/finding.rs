//! What stands between a manifest and its registration: each with why it matters and how to mend it.

use std::fmt;
use std::time::SystemTime;

use super::permission;
use crate::model::scope::Scope;
use crate::model::tenant::ClientId;

/// Something in a manifest that stops a partner, weakens the vendor, or could be better.
///
/// Its [`Display`](fmt::Display) says what was found; [`why`](Self::why) it matters and how to
/// [`mend`](Self::mend) it stand beside it. A later version may find more.
///
/// Sources: Microsoft identity platform, "App manifest (Microsoft Graph app resource)", "Redirect URI
/// restrictions and limitations", "Error codes" and "Optional claims reference"; Microsoft Graph,
/// `verifiedPublisher` and `servicePrincipalLockConfiguration` resources; Partner Center, "Partner
/// security requirements".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestFinding {
    /// It is the manifest of another application.
    #[error("the manifest is of application {found}")]
    OtherApplication {
        /// Its application id.
        found: ClientId,
    },
    /// It does not say of which application it is.
    #[error("the manifest has no appId")]
    ApplicationNotNamed,
    /// `signInAudience` does not admit the accounts of every organisation, and those alone.
    #[error("signInAudience is {found}")]
    WrongAudience {
        /// What it says.
        found: String,
    },
    /// The registration's redirect address is not among `web.redirectUris`.
    #[error("web.redirectUris lacks the address that consents come back to")]
    RedirectMissing,
    /// The registration's redirect address is registered for an application in a browser or on a
    /// device.
    #[error("the address that consents come back to is in {member}.redirectUris")]
    RedirectOfPublicClient {
        /// `spa` or `publicClient`.
        member: &'static str,
    },
    /// A redirect address is none that Entra takes.
    #[error("web.redirectUris[{index}] {problem}")]
    RedirectNotTaken {
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There are more redirect addresses than 256.
    #[error("there are {0} redirect addresses")]
    TooManyRedirects(usize),
    /// Consents come back to another host than the one that partners open.
    #[error("consents come back to {redirect}, and partners open {panel}")]
    RedirectElsewhere {
        /// The redirect address's host.
        redirect: String,
        /// The panel's host.
        panel: String,
    },
    /// A permission that the registration asks for is not in `requiredResourceAccess`.
    #[error("requiredResourceAccess lacks {0}")]
    PermissionMissing(Scope),
    /// A permission that every sign-in asks for is not in `requiredResourceAccess`.
    #[error("requiredResourceAccess lacks {0} of Microsoft Graph")]
    SignInPermissionMissing(&'static str),
    /// The id of a permission that the registration asks for is not known to this crate, so nobody
    /// has looked whether it is there.
    #[error("whether requiredResourceAccess has {0} was not looked for")]
    PermissionNotLookedFor(Scope),
    /// There are permissions that the registration does not ask for.
    #[error(
        "requiredResourceAccess has {permission} of {}, which is not asked for",
        name_of_resource(*resource)
    )]
    PermissionBeyond {
        /// The resource's application id.
        resource: ClientId,
        /// The permission's name where it is known, else its id.
        permission: String,
    },
    /// There is an application permission: one that needs no user.
    #[error(
        "requiredResourceAccess has an application permission of {} ({id})",
        name_of_resource(*resource)
    )]
    ApplicationPermission {
        /// The resource's application id.
        resource: ClientId,
        /// The permission's id.
        id: String,
    },
    /// There is an application permission of Partner Center.
    #[error("requiredResourceAccess has an application permission of Partner Center ({id})")]
    AppOnlyPartnerCenter {
        /// The permission's id.
        id: String,
    },
    /// There are permissions of Azure AD Graph.
    #[error("requiredResourceAccess names Azure AD Graph")]
    AzureAdGraph,
    /// It can act as a client without any credential.
    #[error("isFallbackPublicClient is true")]
    FallbackPublicClient,
    /// The authorize endpoint may hand tokens to the browser.
    #[error("web.implicitGrantSettings.{member} is true")]
    ImplicitGrant {
        /// Which tokens.
        member: &'static str,
    },
    /// Other tenants' rules may rewrite the claims of its tokens.
    #[error("api.acceptMappedClaims is true")]
    MappedClaims,
    /// A partner's tenant may change the application's credentials there.
    #[error("servicePrincipalLockConfiguration does not lock every property")]
    Unlocked,
    /// The registration shows a certificate, which the manifest does not have.
    #[error("keyCredentials lacks the certificate that the registration shows")]
    CertificateMissing,
    /// The registration shows an application password, and the manifest has none.
    #[error("passwordCredentials is empty")]
    SecretMissing,
    /// There are application passwords beside certificates or federated credentials.
    #[error("there are {0} application passwords beside a better credential")]
    SecretBesideBetter(usize),
    /// A credential has ended.
    #[error("credential {name} ended {}", date(*at))]
    CredentialEnded {
        /// Its name, or its id.
        name: String,
        /// When.
        at: SystemTime,
    },
    /// A credential ends within 30 days.
    #[error("credential {name} ends {}", date(*at))]
    CredentialEndsSoon {
        /// Its name, or its id.
        name: String,
        /// When.
        at: SystemTime,
    },
    /// `auth_time` is not asked for in ID tokens.
    #[error("optionalClaims.idToken lacks auth_time")]
    AuthTimeNotAsked,
    /// `acct` is not asked for in ID tokens.
    #[error("optionalClaims.idToken lacks acct")]
    AcctNotAsked,
    /// `groupMembershipClaims` does not ask for directory roles.
    #[error("groupMembershipClaims does not ask for directory roles")]
    RolesNotAsked,
    /// The publisher is not verified.
    #[error("verifiedPublisher is empty")]
    PublisherNotVerified,
}

/// How much a finding matters. The greater, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// All works without; with it more is known, or people are asked for less.
    Advice,
    /// It works, and is less safe than it could be, or will stop one day.
    Weakness,
    /// Partners cannot consent, or what they give is of no use.
    Fault,
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Advice => "advice",
            Self::Weakness => "weakness",
            Self::Fault => "fault",
        })
    }
}

impl ManifestFinding {
    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.told().0
    }

    /// Why it matters.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        self.told().1
    }

    /// How to mend it.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        self.told().2
    }

    /// One place for all of it, so that no finding is without any.
    const fn told(&self) -> (Severity, &'static str, &'static str) {
        use Severity::{Advice, Fault, Weakness};
        match self {
            Self::OtherApplication { .. } => (
                Fault,
                "nothing else that is said of it is about this registration",
                "take the manifest of the client id that the registration names",
            ),
            Self::ApplicationNotNamed => (
                Weakness,
                "whether anything that is said of it is about this registration is not known",
                "take the manifest as Microsoft Graph answers it, with its appId",
            ),
            Self::WrongAudience { .. } => (
                Fault,
                "an application of one tenant is refused at every other (AADSTS50194); one for \
                 personal accounts too may not ask for optional claims",
                "set signInAudience to AzureADMultipleOrgs",
            ),
            Self::RedirectMissing => (
                Fault,
                "Entra sends nobody to an address that is not registered, letter by letter \
                 (AADSTS50011)",
                "add the registration's redirect address to web.redirectUris",
            ),
            Self::RedirectOfPublicClient { .. } => (
                Fault,
                "a code that came to such an address is redeemed without the credential; of spa, \
                 by a browser only, and the refresh token lives for 24 hours",
                "move the address to web.redirectUris",
            ),
            Self::RedirectNotTaken { .. } => (
                Fault,
                "Entra does not store such an address, or warns of it",
                "write it as https, absolute, within 256 characters, without wildcards and without \
                 ! $ ' ( ) , ;",
            ),
            Self::TooManyRedirects(_) => (
                Fault,
                "Entra keeps 256 for work and school accounts",
                "take out those that are not used any more",
            ),
            Self::RedirectElsewhere { .. } => (
                Fault,
                "the cookie that ties a flow to its browser belongs to one host, so every consent \
                 would come back as another browser's",
                "have partners start at the redirect address's host, or register an address of the \
                 panel's",
            ),
            Self::PermissionMissing(_) => (
                Fault,
                "an administrator's approval covers what is registered, and Entra refuses what is \
                 not (AADSTS65005, 650056, 650057)",
                "add the permission as type Scope, or do not ask for it",
            ),
            Self::SignInPermissionMissing(_) => (
                Weakness,
                "an administrator's approval covers what is registered: whoever signs in afterwards \
                 is asked for this one, and may not be allowed to give it",
                "add the permission as type Scope",
            ),
            Self::PermissionNotLookedFor(_) => (
                Advice,
                "the ids of this API's permissions are not known here",
                "look it up in the portal, under API permissions",
            ),
            Self::PermissionBeyond { .. } => (
                Advice,
                "an administrator who approves what is registered gives more than is used",
                "take it out, or ask for it",
            ),
            Self::ApplicationPermission { .. } => (
                Weakness,
                "an administrator who approves what is registered gives the application a power in \
                 the partner's tenant that needs no user; this crate never uses one",
                "take it out; where a delegated permission of that name is meant, add it as type Scope",
            ),
            Self::AppOnlyPartnerCenter { .. } => (
                Weakness,
                "a control panel vendor may not act for partners without a user",
                "take it out: user_impersonation, of type Scope, is all that is needed",
            ),
            Self::AzureAdGraph => (
                Weakness,
                "Azure AD Graph is deprecated since June 2023",
                "take resource 00000002-0000-0000-c000-000000000000 out and ask Microsoft Graph",
            ),
            Self::FallbackPublicClient => (
                Weakness,
                "whoever knows the client id could ask for tokens without a credential",
                "set isFallbackPublicClient to false",
            ),
            Self::ImplicitGrant { .. } => (
                Weakness,
                "tokens in an address end in histories and logs; this crate asks for a code alone",
                "set both members of web.implicitGrantSettings to false",
            ),
            Self::MappedClaims => (
                Weakness,
                "Microsoft says never to set it for an application of several tenants",
                "set api.acceptMappedClaims to false",
            ),
            Self::Unlocked => (
                Weakness,
                "who administers a partner's tenant could add a credential of his own to the \
                 application there",
                "set isEnabled and allProperties of servicePrincipalLockConfiguration to true",
            ),
            Self::CertificateMissing => (
                Fault,
                "Entra refuses what an unknown key has signed (AADSTS700027)",
                "add the certificate to keyCredentials; look at its thumbprint if it seems to be \
                 there",
            ),
            Self::SecretMissing => (
                Fault,
                "Entra refuses a password that it does not have (AADSTS7000215)",
                "have Entra make one up, under Certificates & secrets, or show a certificate",
            ),
            Self::SecretBesideBetter(_) => (
                Weakness,
                "an application is as safe as the weakest of its credentials",
                "remove the passwords once the other credential is proven",
            ),
            Self::CredentialEnded { .. } => (
                Weakness,
                "Entra refuses it (AADSTS7000222 for a password); if it is the one that is shown, \
                 no partner is served",
                "show another, then remove this one",
            ),
            Self::CredentialEndsSoon { .. } => (
                Weakness,
                "from then on Entra refuses it, and with it every partner's token",
                "add its successor now, list it first, and remove this one once the other is proven",
            ),
            Self::AuthTimeNotAsked => (
                Advice,
                "when a person signed in is then known only as between the start of the flow and \
                 its end",
                "add auth_time to optionalClaims.idToken",
            ),
            Self::AcctNotAsked => (
                Advice,
                "whether the account is a guest is then told by its issuer alone",
                "add acct to optionalClaims.idToken",
            ),
            Self::RolesNotAsked => (
                Advice,
                "a confirmation page can then not warn of a Global Administrator: nobody says which \
                 roles the user has",
                "set groupMembershipClaims to DirectoryRole",
            ),
            Self::PublisherNotVerified => (
                Advice,
                "partners see the application as unverified, and a tenant's rules may let its users \
                 consent to verified publishers only",
                "have the publisher verified, under Branding & properties, with the vendor's Partner \
                 Center account",
            ),
        }
    }
}

fn name_of_resource(resource: ClientId) -> String {
    let id = resource.to_string();
    permission::name_of_resource(&id).map_or(id, str::to_owned)
}

/// As a log has it.
fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at)
}
