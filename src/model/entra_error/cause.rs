//! What the numbers mean: the AADSTS table, as data.
//!
//! Sources: Microsoft Entra, "Authentication and authorization error codes"; the numbers that page
//! lacks were met in the field. A number only refines what `error` and `suberror` have said.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why Entra refused, in the words of what can be done about it.
///
/// Source: Microsoft Entra, "Authentication and authorization error codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// Passes by itself.
    Transient,
    /// Too much was asked; `Retry-After` says how long to wait.
    Throttled,
    /// The same request came too often: Entra takes us for a loop.
    Looping,
    /// The refresh token's time is over.
    GrantExpired,
    /// The refresh token was revoked or is not valid.
    GrantRevoked,
    /// The password was changed, and the session ended with it.
    PasswordChanged,
    /// A person must sign in again; nothing says that the refresh token is dead.
    InteractionRequired,
    /// A second factor must be proven.
    MfaRequired,
    /// The person must first enrol for a second factor.
    MfaEnrolment,
    /// Only a managed or known device may sign in.
    DeviceRequired,
    /// A Conditional Access policy blocks.
    ConditionalAccess,
    /// The person must set a new password.
    PasswordReset,
    /// The account is locked out.
    AccountLocked,
    /// The account is disabled.
    AccountDisabled,
    /// The account is held to be at risk.
    AccountAtRisk,
    /// The directory has no such account.
    AccountNotFound,
    /// The person is not assigned to the application.
    NotAssigned,
    /// Nobody has consented to this application and resource in this tenant.
    ConsentMissing,
    /// An administrator has to approve.
    AdminApprovalRequired,
    /// The person said no.
    Declined,
    /// The partner's user means nothing in this tenant: no relationship, no role.
    RelationshipMissing,
    /// A cross-tenant policy stands between the two tenants.
    CrossTenantPolicy,
    /// The tenant does not know the application.
    ApplicationMissing,
    /// The application is disabled.
    ApplicationDisabled,
    /// The tenant lacks the resource asked for.
    ResourceMissing,
    /// The registration lacks a permission or a setting.
    RegistrationIncomplete,
    /// Our own secret, certificate or assertion was refused.
    CredentialRejected,
    /// The redirect address is not a registered one.
    RedirectRefused,
    /// The request itself was wrong: a defect, a spent code.
    RequestMalformed,
    /// There is no such tenant.
    TenantUnknown,
    /// The tenant was deleted or is unavailable.
    TenantGone,
    /// The tenant lives in another cloud.
    CloudMismatch,
    /// The user lacks a role: of Partner Center's, or in the customer's tenant.
    RoleMissing,
    /// The partner is not, or no more, in Microsoft's programme.
    NotEnrolled,
    /// None of the above.
    #[serde(other)]
    Unknown,
}

/// How far one failure reaches.
///
/// A tenant's reply speaks of more than that tenant only where it judges our own credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// This one request.
    Request,
    /// This tenant and resource.
    Target,
    /// Everything done with this consent.
    Consent,
    /// Everything done with this application.
    Application,
}

impl Cause {
    /// The name under which it is logged and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Looping => "looping",
            Self::GrantExpired => "grant_expired",
            Self::GrantRevoked => "grant_revoked",
            Self::PasswordChanged => "password_changed",
            Self::InteractionRequired => "interaction_required",
            Self::MfaRequired => "mfa_required",
            Self::MfaEnrolment => "mfa_enrolment",
            Self::DeviceRequired => "device_required",
            Self::ConditionalAccess => "conditional_access",
            Self::PasswordReset => "password_reset",
            Self::AccountLocked => "account_locked",
            Self::AccountDisabled => "account_disabled",
            Self::AccountAtRisk => "account_at_risk",
            Self::AccountNotFound => "account_not_found",
            Self::NotAssigned => "not_assigned",
            Self::ConsentMissing => "consent_missing",
            Self::AdminApprovalRequired => "admin_approval_required",
            Self::Declined => "declined",
            Self::RelationshipMissing => "relationship_missing",
            Self::CrossTenantPolicy => "cross_tenant_policy",
            Self::ApplicationMissing => "application_missing",
            Self::ApplicationDisabled => "application_disabled",
            Self::ResourceMissing => "resource_missing",
            Self::RegistrationIncomplete => "registration_incomplete",
            Self::CredentialRejected => "credential_rejected",
            Self::RedirectRefused => "redirect_refused",
            Self::RequestMalformed => "request_malformed",
            Self::TenantUnknown => "tenant_unknown",
            Self::TenantGone => "tenant_gone",
            Self::CloudMismatch => "cloud_mismatch",
            Self::RoleMissing => "role_missing",
            Self::NotEnrolled => "not_enrolled",
            Self::Unknown => "unknown",
        }
    }

    /// Its name as words, for a person to read.
    #[must_use]
    pub fn words(self) -> String {
        self.as_str().replace('_', " ")
    }

    /// Whether the refresh token is dead, where the partner's own tenant says so.
    #[must_use]
    pub const fn ends_consent(self) -> bool {
        matches!(self, Self::GrantExpired | Self::GrantRevoked | Self::PasswordChanged)
    }

    /// Whether waiting is all there is to do.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled)
    }

    /// Whether our own secret, certificate or assertion was refused.
    #[must_use]
    pub const fn is_credential(self) -> bool {
        matches!(self, Self::CredentialRejected)
    }

    /// Whether everything done with this consent is concerned, not one customer's tenant.
    #[must_use]
    pub const fn concerns_whole_consent(self) -> bool {
        matches!(self.reach(), Reach::Consent)
    }

    /// How far it reaches.
    #[must_use]
    pub const fn reach(self) -> Reach {
        match self {
            Self::Transient | Self::RedirectRefused | Self::RequestMalformed | Self::Declined => {
                Reach::Request
            }
            Self::Looping
            | Self::GrantExpired
            | Self::GrantRevoked
            | Self::PasswordChanged
            | Self::MfaEnrolment
            | Self::PasswordReset
            | Self::AccountLocked
            | Self::AccountDisabled
            | Self::AccountAtRisk
            | Self::NotAssigned
            | Self::AdminApprovalRequired => Reach::Consent,
            Self::CredentialRejected => Reach::Application,
            _ => Reach::Target,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Numbers that ask the same of us.
pub(crate) struct Row {
    pub(crate) numbers: &'static [u32],
    pub(crate) cause: Cause,
    pub(crate) meaning: &'static str,
}

/// The row that lists a number.
pub(super) fn row(number: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.numbers.contains(&number))
}

const fn is(numbers: &'static [u32], cause: Cause, meaning: &'static str) -> Row {
    Row { numbers, cause, meaning }
}

#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    is(&[50000], Cause::Transient, "the token could not be issued"),
    is(&[50033, 90006, 90024, 90090], Cause::Transient, "a passing failure"),
    is(&[90012, 90033], Cause::Transient, "the directory is slow or unavailable"),
    is(&[50087, 50088], Cause::Transient, "the second factor could not be sent"),
    is(&[650051], Cause::Transient, "the service principal is being made"),
    is(&[90055], Cause::Throttled, "the tenant is throttled"),
    is(&[50196], Cause::Looping, "the same request came too often"),
    is(&[700082], Cause::GrantExpired, "the refresh token expired through inactivity"),
    is(&[70008], Cause::GrantExpired, "the code or refresh token expired"),
    is(&[70043], Cause::GrantExpired, "the policy on sign-in frequency ended the refresh token"),
    is(&[50089], Cause::GrantExpired, "the session expired"),
    is(&[50173], Cause::GrantRevoked, "the grant was revoked"),
    is(&[70000], Cause::GrantRevoked, "the refresh token is not valid"),
    is(&[50132, 50133], Cause::PasswordChanged, "the password expired or was changed"),
    is(&[9002341], Cause::InteractionRequired, "the user must permit single sign-on"),
    is(&[700020], Cause::InteractionRequired, "the grant requires interaction"),
    is(&[50058, 50085, 50140], Cause::InteractionRequired, "nobody is signed in"),
    is(&[50078], Cause::MfaRequired, "the policy no longer accepts the second factor's age"),
    is(&[50076], Cause::MfaRequired, "a second factor is required"),
    is(&[50074], Cause::MfaRequired, "the second factor was not passed"),
    is(&[50158], Cause::MfaRequired, "an external challenge was not met"),
    is(&[50072, 50079], Cause::MfaEnrolment, "the user must enrol for a second factor"),
    is(&[53004, 53010], Cause::MfaEnrolment, "risk or location forbids to enrol a second factor"),
    is(&[50097, 50155, 50187], Cause::DeviceRequired, "the device did not authenticate"),
    is(&[53000, 53001, 53002], Cause::DeviceRequired, "the device or program is not approved"),
    is(&[53003, 530032, 530035, 50131], Cause::ConditionalAccess, "blocked by policy"),
    is(&[50055, 50125, 50135, 50144], Cause::PasswordReset, "the user must set a new password"),
    is(&[50053], Cause::AccountLocked, "the account is locked, or the address is malicious"),
    is(&[50057], Cause::AccountDisabled, "the account is disabled"),
    is(&[53011], Cause::AccountAtRisk, "the account's own tenant blocks it for risk"),
    is(&[530034], Cause::AccountAtRisk, "the delegated administrator is blocked for risk"),
    is(&[50034, 51004], Cause::AccountNotFound, "the directory has no such user"),
    is(&[50105], Cause::NotAssigned, "the user is not assigned to the application"),
    is(&[65001], Cause::ConsentMissing, "nobody consented to the application and resource"),
    is(&[90099], Cause::ConsentMissing, "the customer has not authorised the application"),
    is(&[90008], Cause::ConsentMissing, "the application lacks the permission to sign in"),
    is(&[90094, 90095], Cause::AdminApprovalRequired, "an administrator has to approve"),
    is(&[65004], Cause::Declined, "the user declined"),
    is(&[50020, 16000, 16003, 50014, 90072], Cause::RelationshipMissing,
        "the user cannot be used in this tenant"),
    is(&[50177, 50178], Cause::CrossTenantPolicy, "a policy that delegated users cannot meet"),
    is(&[500021, 500022, 500212, 500213], Cause::CrossTenantPolicy, "a cross-tenant restriction"),
    is(&[700016, 700011], Cause::ApplicationMissing, "the tenant does not know the application"),
    is(&[7000229], Cause::ApplicationMissing, "the tenant lacks the service principal"),
    is(&[70001, 7000112, 1000031], Cause::ApplicationDisabled, "the application is disabled"),
    is(&[650052, 650054], Cause::ResourceMissing, "the tenant has no such service"),
    is(&[50001, 500011], Cause::ResourceMissing, "the tenant does not know the resource"),
    is(&[65005, 650056, 650057], Cause::RegistrationIncomplete,
        "the registration lacks the permission or resource"),
    is(&[650053], Cause::RegistrationIncomplete, "the resource has no such permission"),
    is(&[50194], Cause::RegistrationIncomplete, "the application is not multi-tenant"),
    is(&[70002, 7000215], Cause::CredentialRejected, "the secret is wrong"),
    is(&[7000222], Cause::CredentialRejected, "the secret expired"),
    is(&[700027], Cause::CredentialRejected, "the assertion's signature is wrong"),
    is(&[50012, 700030, 50048, 50013, 50027, 500133, 900384], Cause::CredentialRejected,
        "the assertion was refused; certificate, subject, clock or form"),
    is(&[700021, 700024, 1000502], Cause::CredentialRejected,
        "the assertion or certificate is out of its time, or of another client"),
    is(&[700211, 700212, 700213], Cause::CredentialRejected,
        "no federated credential has this issuer, audience or subject"),
    is(&[70021, 700229], Cause::CredentialRejected, "no federated credential matches"),
    is(&[7000218, 700025], Cause::CredentialRejected, "secret missing, or not for this client"),
    is(&[50011, 70004, 900971], Cause::RedirectRefused, "the redirect address is not registered"),
    is(&[700054, 70005, 70007], Cause::RequestMalformed, "response type or mode not allowed"),
    is(&[54005], Cause::RequestMalformed, "the code was redeemed before"),
    is(&[700005], Cause::RequestMalformed, "the code belongs to another tenant"),
    is(&[50147, 501481, 501491], Cause::RequestMalformed, "challenge and verifier do not match"),
    is(&[70011, 70003, 28002, 28003, 700022, 700023], Cause::RequestMalformed,
        "scope or grant type not allowed"),
    is(&[901002], Cause::RequestMalformed, "a resource parameter was sent"),
    is(&[900144, 90014, 90023, 90100, 9002313], Cause::RequestMalformed, "a malformed request"),
    is(&[9001023, 90124, 90130], Cause::RequestMalformed, "not allowed at common or consumers"),
    is(&[90002, 50128, 50059, 90019], Cause::TenantUnknown, "there is no such tenant"),
    is(&[5000224, 900023], Cause::TenantGone, "the tenant was deleted or is unavailable"),
    is(&[90038, 90043, 90051, 900382, 900432, 1000104], Cause::CloudMismatch,
        "the tenant lives in another cloud"),
    is(&[90036], Cause::Unknown, "the directory failed for good; ask Microsoft's support"),
];

/// Without a listed number, by `error` alone; whatever is not named here is unknown.
#[rustfmt::skip]
pub(crate) const BY_ERROR: &[(&str, Cause)] = &[
    ("slow_down", Cause::Throttled),
    ("temporarily_unavailable", Cause::Transient),
    ("server_error", Cause::Transient),
    ("invalid_client", Cause::CredentialRejected),
    ("unauthorized_client", Cause::ApplicationMissing),
    ("invalid_grant", Cause::InteractionRequired),
    ("interaction_required", Cause::InteractionRequired),
    ("login_required", Cause::InteractionRequired),
    ("consent_required", Cause::ConsentMissing),
    ("access_denied", Cause::Declined),
    ("invalid_resource", Cause::ResourceMissing),
    ("invalid_request", Cause::RequestMalformed),
    ("invalid_scope", Cause::RequestMalformed),
    ("unsupported_grant_type", Cause::RequestMalformed),
    ("unsupported_response_type", Cause::RequestMalformed),
];

/// Beside an error that speaks of the grant, without a listed number.
#[rustfmt::skip]
pub(crate) const BY_SUBERROR: &[(&str, Cause)] = &[
    ("consent_required", Cause::ConsentMissing),
    ("user_password_expired", Cause::PasswordReset),
    ("device_authentication_failed", Cause::DeviceRequired),
    ("protection_policy_required", Cause::ConditionalAccess),
];

pub(super) fn named(table: &[(&str, Cause)], name: &str) -> Option<Cause> {
    table.iter().find(|(listed, _)| *listed == name).map(|(_, cause)| *cause)
}
