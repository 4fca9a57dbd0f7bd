//! The emulator's own table of AADSTS numbers: what each means, and how it is spelled on the wire.
//!
//! Which status, `error` and `suberror` go with a number is no contract of Microsoft's. [`Basis`]
//! says of each row where its spelling is from:
//!
//! | Basis | Numbers |
//! |---|---|
//! | documented: Microsoft's pages print such a reply | 70008, 70011 |
//! | recorded: replies of the service that its users published | 50034, 50055, 50076, 50126, 50173, 53003, 54005, 70000, 70043, 90002, |
//! | | 500011, 501481, 700016, 700024, 700027, 700082, 900144, 7000215, 7000218, 7000222, 9000410, 9002327 |
//! | doubted: by the class of the error only | all others |
//!
//! A doubted one, or any other, can be spelled anew by [`Doubts`](super::Doubts) and by a scripted
//! [`Failure`](super::Failure).
//!
//! Sources: Microsoft identity platform, "Authentication and authorization error codes" and "OAuth
//! 2.0 authorization code flow"; Microsoft Learn on troubleshooting; issues of its own clients.

/// An AADSTS number as the emulator knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aadsts {
    /// The number.
    pub number: u32,
    /// The HTTP status at the token endpoint.
    pub status: u16,
    /// The OAuth `error`.
    pub error: &'static str,
    /// The `suberror`, if any.
    pub suberror: Option<&'static str>,
    /// Where this spelling is from.
    pub basis: Basis,
    /// What it means, in the emulator's own words.
    pub meaning: &'static str,
}

/// How certain the spelling of a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Basis {
    /// Microsoft's pages print such a reply.
    Documented,
    /// Users of the service published such a reply.
    Recorded,
    /// Nobody did: it is spelled as others of its class are.
    Doubted,
}

impl Aadsts {
    /// Every number that the emulator knows, in order.
    #[must_use]
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        TABLE.iter().copied()
    }

    /// The row of a number; one that is not listed is an `invalid_grant`.
    pub(super) fn of(number: u32) -> Self {
        let unlisted = row(number, 400, "invalid_grant", "", Basis::Doubted, UNLISTED);
        TABLE.binary_search_by_key(&number, |row| row.number).map_or(unlisted, |at| TABLE[at])
    }
}

const UNLISTED: &str = "The request was refused.";

const fn row(
    number: u32,
    status: u16,
    error: &'static str,
    suberror: &'static str,
    basis: Basis,
    meaning: &'static str,
) -> Aadsts {
    let suberror = if suberror.is_empty() { None } else { Some(suberror) };
    Aadsts { number, status, error, suberror, basis, meaning }
}

use Basis::{Documented, Doubted, Recorded};

#[rustfmt::skip]
const TABLE: &[Aadsts] = &[
    row(16_000, 400, "invalid_grant", "", Doubted, "The account does not exist in this tenant; an account of it must be chosen."),
    row(16_003, 400, "invalid_grant", "", Doubted, "The account was not added to the tenant."),
    row(28_000, 400, "invalid_request", "", Doubted, "The parameter scope names more than one resource."),
    row(28_002, 400, "invalid_scope", "", Doubted, "The parameter scope is not one that a token can be asked for with."),
    row(28_003, 400, "invalid_request", "", Doubted, "The parameter scope names no resource and the code has none either."),
    row(50_000, 500, "server_error", "", Doubted, "The token could not be issued."),
    row(50_001, 400, "invalid_resource", "", Doubted, "The resource is disabled or does not exist in the tenant:"),
    row(50_011, 400, "invalid_request", "", Doubted, "The redirect address is not one of the application's."),
    row(50_012, 401, "invalid_client", "", Doubted, "The client assertion's thumbprint belongs to none of the application's certificates."),
    row(50_013, 401, "invalid_client", "", Doubted, "The client assertion is not one for this request:"),
    row(50_014, 400, "invalid_grant", "", Doubted, "The guest's redemption is pending in this tenant."),
    row(50_020, 400, "invalid_grant", "", Doubted, "The account does not exist in this tenant and no relationship admits it."),
    row(50_027, 401, "invalid_client", "", Doubted, "The client assertion is not a JSON Web Token of the expected form."),
    row(50_033, 503, "temporarily_unavailable", "", Doubted, "A retryable error has occurred."),
    row(50_034, 400, "invalid_grant", "bad_token", Recorded, "The account does not exist in the directory."),
    row(50_048, 401, "invalid_client", "", Doubted, "The client assertion's subject differs from its issuer."),
    row(50_053, 400, "invalid_grant", "", Doubted, "The account is locked: too many sign-in attempts or a malicious address."),
    row(50_055, 400, "invalid_grant", "user_password_expired", Recorded, "The password is expired."),
    row(50_057, 400, "invalid_grant", "", Doubted, "The account is disabled."),
    row(50_058, 400, "login_required", "", Doubted, "A silent sign-in was asked for, but nobody is signed in."),
    row(50_059, 400, "invalid_request", "", Doubted, "Neither the request nor the credentials name a tenant."),
    row(50_072, 400, "invalid_grant", "basic_action", Doubted, "A second factor must be registered first."),
    row(50_074, 400, "invalid_grant", "basic_action", Doubted, "Strong authentication is required and was not passed."),
    row(50_076, 400, "invalid_grant", "basic_action", Recorded, "A second factor is required by a policy or at a new location."),
    row(50_078, 400, "invalid_grant", "basic_action", Doubted, "The second factor was shown too long ago for a policy."),
    row(50_079, 400, "invalid_grant", "basic_action", Doubted, "A second factor must be registered before this can be used."),
    row(50_085, 400, "invalid_grant", "", Doubted, "A sign-in with a social account is needed."),
    row(50_087, 503, "temporarily_unavailable", "", Doubted, "The second factor cannot be asked for at the moment."),
    row(50_088, 503, "temporarily_unavailable", "", Doubted, "The limit of calls for a second factor is reached."),
    row(50_089, 400, "invalid_grant", "", Doubted, "The sign-in took too long; start again."),
    row(50_097, 400, "invalid_grant", "additional_action", Doubted, "The device must be authenticated."),
    row(50_105, 400, "invalid_grant", "", Doubted, "The account is not assigned to the application."),
    row(50_125, 400, "invalid_grant", "", Doubted, "The sign-in was interrupted by a password reset."),
    row(50_126, 400, "invalid_grant", "", Recorded, "The name or the password is not right."),
    row(50_128, 400, "invalid_request", "", Doubted, "The domain of the account is not known."),
    row(50_131, 400, "invalid_grant", "message_only", Doubted, "A policy blocks this sign-in."),
    row(50_132, 400, "invalid_grant", "", Doubted, "The session is not valid: the password has expired or was changed."),
    row(50_133, 400, "invalid_grant", "", Doubted, "The session is not valid: the password has expired or was changed."),
    row(50_135, 400, "invalid_grant", "", Doubted, "The password must be changed because the account is at risk."),
    row(50_140, 400, "invalid_grant", "", Doubted, "The sign-in was interrupted by the question whether to stay signed in."),
    row(50_144, 400, "invalid_grant", "", Doubted, "The password in the company's own directory has expired."),
    row(50_147, 400, "invalid_request", "", Doubted, "The code challenge has the wrong size."),
    row(50_155, 400, "invalid_grant", "additional_action", Doubted, "The device could not be authenticated."),
    row(50_158, 400, "invalid_grant", "basic_action", Doubted, "An outside security challenge is not met."),
    row(50_173, 400, "invalid_grant", "bad_token", Recorded, "The grant was revoked and a fresh one is needed."),
    row(50_177, 400, "invalid_grant", "message_only", Doubted, "An outside challenge is not supported for users from elsewhere."),
    row(50_178, 400, "invalid_grant", "message_only", Doubted, "A session control is not supported for users from elsewhere."),
    row(50_187, 400, "invalid_grant", "additional_action", Doubted, "The device could not be authenticated."),
    row(50_194, 400, "invalid_request", "", Doubted, "The application is one of a single tenant and cannot be used at a common endpoint:"),
    row(50_196, 400, "invalid_request", "", Doubted, "The application asks in a loop."),
    row(51_004, 400, "invalid_grant", "", Doubted, "The account does not exist in the directory."),
    row(53_000, 400, "invalid_grant", "additional_action", Doubted, "The device is not compliant."),
    row(53_001, 400, "invalid_grant", "additional_action", Doubted, "The device is not joined to the domain."),
    row(53_002, 400, "invalid_grant", "additional_action", Doubted, "The application is not an approved one."),
    row(53_003, 400, "invalid_grant", "message_only", Recorded, "Access was blocked by Conditional Access policies."),
    row(53_004, 400, "invalid_grant", "message_only", Doubted, "A second factor cannot be registered because of suspicious activity."),
    row(53_005, 400, "unauthorized_client", "protection_policy_required", Doubted, "The application must enforce a protection policy."),
    row(53_010, 400, "invalid_grant", "message_only", Doubted, "A second factor cannot be registered from here."),
    row(53_011, 400, "invalid_grant", "message_only", Doubted, "The account is blocked because of risk in its home tenant."),
    row(54_005, 400, "invalid_grant", "", Recorded, "The authorization code was already redeemed."),
    row(65_001, 400, "invalid_grant", "consent_required", Doubted, "The user or an administrator has not consented to use of the application:"),
    row(65_004, 400, "access_denied", "", Doubted, "The user declined to consent to access the application."),
    row(65_005, 400, "invalid_resource", "", Doubted, "The application's list of required access does not name the resource:"),
    row(70_000, 400, "invalid_grant", "", Recorded, "The grant is malformed, or was issued to another client."),
    row(70_001, 400, "unauthorized_client", "", Doubted, "The application was not found or is disabled."),
    row(70_002, 401, "invalid_client", "", Doubted, "The client's credentials are not valid."),
    row(70_003, 400, "unsupported_grant_type", "", Doubted, "The grant type is not supported:"),
    row(70_004, 400, "invalid_request", "", Doubted, "The redirect address is not valid for the application."),
    row(70_005, 400, "unsupported_response_type", "", Doubted, "The response type is not supported."),
    row(70_007, 400, "invalid_request", "", Doubted, "The response mode is not supported."),
    row(70_008, 400, "invalid_grant", "", Documented, "The authorization code or refresh token has expired; sign in again."),
    row(70_011, 400, "invalid_scope", "", Documented, "The parameter scope is not valid:"),
    row(70_021, 401, "invalid_client", "", Doubted, "No federated credential matches the assertion."),
    row(70_043, 400, "invalid_grant", "token_expired", Recorded, "The sign-in is older than the tenant's sign-in frequency allows."),
    row(70_044, 400, "invalid_grant", "", Doubted, "The session is older than the tenant's sign-in frequency allows."),
    row(90_002, 400, "invalid_request", "", Recorded, "The tenant was not found:"),
    row(90_006, 503, "temporarily_unavailable", "", Doubted, "A retryable error has occurred."),
    row(90_008, 400, "invalid_grant", "consent_required", Doubted, "The application needs at least the permission to sign in."),
    row(90_012, 503, "temporarily_unavailable", "", Doubted, "The request took too long."),
    row(90_014, 400, "invalid_request", "", Doubted, "A required field is missing:"),
    row(90_019, 400, "invalid_request", "", Doubted, "Nothing in the request names a tenant."),
    row(90_023, 400, "invalid_request", "", Doubted, "The request is not valid:"),
    row(90_024, 503, "temporarily_unavailable", "", Doubted, "A retryable error has occurred."),
    row(90_033, 503, "temporarily_unavailable", "", Doubted, "The directory cannot be reached at the moment."),
    row(90_036, 500, "server_error", "", Doubted, "The directory failed unexpectedly."),
    row(90_038, 400, "invalid_request", "", Doubted, "The tenant belongs to another national cloud."),
    row(90_043, 400, "invalid_request", "", Doubted, "The tenant belongs to a cloud that this request cannot reach."),
    row(90_051, 400, "invalid_request", "", Doubted, "The delegation token names a wrong national cloud."),
    row(90_055, 429, "temporarily_unavailable", "", Doubted, "The tenant is throttled: too many requests."),
    row(90_072, 400, "invalid_grant", "", Doubted, "The account must be added to the tenant as an outside user first."),
    row(90_090, 503, "temporarily_unavailable", "", Doubted, "A retryable error has occurred."),
    row(90_094, 400, "access_denied", "", Doubted, "An administrator must grant what the application asks for."),
    row(90_095, 400, "access_denied", "", Doubted, "An administrator must approve what the application asks for."),
    row(90_099, 400, "invalid_grant", "consent_required", Doubted, "The application is not authorised in the customer tenant for delegated access:"),
    row(90_100, 400, "invalid_request", "", Doubted, "A parameter is empty or not valid:"),
    row(90_124, 400, "invalid_request", "", Doubted, "The resource is not supported over this endpoint."),
    row(90_130, 400, "invalid_request", "", Doubted, "The application is not supported over this endpoint:"),
    row(500_011, 400, "invalid_resource", "", Recorded, "The resource principal was not found in the tenant:"),
    row(500_021, 400, "invalid_grant", "message_only", Doubted, "Tenant restrictions deny access to the tenant."),
    row(500_022, 400, "invalid_grant", "message_only", Doubted, "Tenant restrictions deny access to the tenant."),
    row(500_121, 400, "invalid_grant", "", Doubted, "The second factor was not right."),
    row(500_133, 401, "invalid_client", "", Doubted, "The assertion is not within its valid time range."),
    row(500_212, 400, "invalid_grant", "message_only", Doubted, "The home tenant does not let the account out to this one."),
    row(500_213, 400, "invalid_grant", "message_only", Doubted, "The tenant does not let accounts of this other one in."),
    row(501_481, 400, "invalid_grant", "", Recorded, "The code verifier does not match the code challenge of the authorization request."),
    row(501_491, 400, "invalid_request", "", Doubted, "The code challenge or its method is not valid."),
    row(530_032, 400, "invalid_grant", "message_only", Doubted, "A security policy of the tenant blocks this."),
    row(530_034, 400, "invalid_grant", "message_only", Doubted, "The delegated administrator is blocked because of risk in the home tenant."),
    row(530_035, 400, "invalid_grant", "message_only", Doubted, "Security defaults block this."),
    row(650_051, 400, "invalid_grant", "", Doubted, "The service principal is just being made."),
    row(650_052, 400, "invalid_client", "", Doubted, "The tenant has no subscription of the service, or has disabled it:"),
    row(650_053, 400, "invalid_client", "", Doubted, "The application asked for a scope that does not exist on the resource:"),
    row(650_054, 400, "invalid_client", "", Doubted, "The resource was removed or can no longer be used:"),
    row(650_056, 400, "invalid_resource", "", Doubted, "The application is misconfigured: its list of required access is incomplete."),
    row(650_057, 400, "invalid_resource", "", Doubted, "The application's list of required access does not name the resource:"),
    row(700_005, 400, "invalid_grant", "", Doubted, "The authorization code was issued for another tenant than this endpoint's."),
    row(700_011, 400, "unauthorized_client", "", Doubted, "The application was not found in the directory:"),
    row(700_016, 400, "unauthorized_client", "", Recorded, "The application was not found in the directory:"),
    row(700_020, 400, "invalid_grant", "", Doubted, "This grant needs interaction."),
    row(700_021, 401, "invalid_client", "", Doubted, "The client assertion names another application than client_id."),
    row(700_022, 400, "invalid_scope", "", Doubted, "The scope names more than one resource."),
    row(700_023, 400, "invalid_scope", "", Doubted, "The scope names a resource that cannot be asked for."),
    row(700_024, 401, "invalid_client", "", Recorded, "The client assertion is not within its valid time range."),
    row(700_025, 401, "invalid_client", "", Doubted, "The client is public and must not send a credential."),
    row(700_027, 401, "invalid_client", "", Recorded, "The client assertion failed signature validation, or its certificate is unknown."),
    row(700_030, 401, "invalid_client", "", Doubted, "The certificate names no subject that is allowed."),
    row(700_054, 400, "unsupported_response_type", "", Doubted, "The response type id_token is not enabled for the application."),
    row(700_082, 400, "invalid_grant", "bad_token", Recorded, "The refresh token has expired due to inactivity."),
    row(700_229, 401, "invalid_client", "", Doubted, "Only an application's own token can be a federated credential."),
    row(900_023, 400, "invalid_request", "", Doubted, "The tenant is named in a way that is not valid:"),
    row(900_144, 400, "invalid_request", "", Recorded, "The request must contain the parameter:"),
    row(900_382, 400, "invalid_request", "", Doubted, "A confidential client cannot be used across national clouds."),
    row(900_384, 401, "invalid_client", "", Doubted, "The client assertion's signature is not valid."),
    row(900_432, 400, "invalid_request", "", Doubted, "A confidential client cannot be used across national clouds."),
    row(900_971, 400, "invalid_request", "", Doubted, "The request has no redirect address."),
    row(901_002, 400, "invalid_request", "", Doubted, "The parameter resource is not supported."),
    row(1_000_031, 400, "unauthorized_client", "", Doubted, "The application cannot be used at the moment."),
    row(1_000_104, 400, "invalid_request", "", Doubted, "The tenant belongs to another national cloud."),
    row(1_000_502, 401, "invalid_client", "", Doubted, "The certificate is not within its valid time range."),
    row(1_002_012, 400, "invalid_scope", "", Doubted, "An application's own token is asked for with one resource's /.default."),
    row(5_000_224, 400, "invalid_request", "", Doubted, "The tenant is not available."),
    row(7_000_112, 400, "unauthorized_client", "", Doubted, "The application is disabled:"),
    row(7_000_215, 401, "invalid_client", "", Recorded, "The client secret is not the application's."),
    row(7_000_218, 401, "invalid_client", "", Recorded, "The request must contain client_assertion or client_secret."),
    row(7_000_222, 401, "invalid_client", "", Recorded, "The client secret has expired."),
    row(7_000_229, 400, "unauthorized_client", "", Doubted, "The application has no service principal in the tenant:"),
    row(9_000_410, 400, "invalid_request", "", Recorded, "JSON in the request is malformed:"),
    row(9_000_411, 400, "invalid_request", "", Doubted, "The request is not properly formatted; a parameter is duplicated:"),
    row(9_001_023, 400, "invalid_request", "", Doubted, "The grant type is not supported over this endpoint."),
    row(9_002_313, 400, "invalid_request", "", Doubted, "The request is malformed or invalid."),
    row(9_002_327, 400, "invalid_request", "", Doubted, "Codes of a single-page application are redeemed by cross-origin requests only."),
    row(9_002_341, 400, "invalid_grant", "", Doubted, "The user must permit single sign-on."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_a_stranger_is_an_invalid_grant() {
        assert!(TABLE.is_sorted_by(|one, next| one.number < next.number));
        assert_eq!(Aadsts::of(50_173).suberror, Some("bad_token"));
        let stranger = Aadsts::of(999_999);
        assert_eq!((stranger.status, stranger.error), (400, "invalid_grant"));
    }

    #[test]
    fn a_status_fits_its_error() {
        for row in Aadsts::all() {
            let expected = match row.error {
                "invalid_client" if row.number > 650_054 || row.number < 650_052 => 401,
                "server_error" => 500,
                "temporarily_unavailable" if row.number == 90_055 => 429,
                "temporarily_unavailable" => 503,
                _ => 400,
            };
            assert_eq!(row.status, expected, "AADSTS{}", row.number);
            assert!(!row.meaning.is_empty() && row.meaning != UNLISTED);
        }
    }
}
