//! Where Microsoft's sources disagree: both readings, and which of them is in force.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is not certain about Entra and Partner Center; each part can be read either way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Doubts {
    /// Whether a password that its owner changes ends the refresh tokens of confidential clients.
    /// "Refresh tokens in the Microsoft identity platform" says no; the text of AADSTS50173 says
    /// yes. No by default.
    pub password_change_revokes: bool,
    /// Whether a password that an administrator resets does. The same page says no for the Azure
    /// portal and yes for the Entra admin center. Yes by default.
    pub password_reset_revokes: bool,
    /// Whether deleting an application consent at Partner Center takes the service principal with
    /// it, as Microsoft's samples imply, or leaves it without grants. Yes by default.
    pub consent_delete_removes_principal: bool,
    /// The status for deleting a consent that is not there: 404 by default. Clients have seen other
    /// errors.
    pub consent_delete_unknown_status: u16,
    /// The status for creating a consent that is there: 409, as Graph has it, by default. Partner
    /// Center's is not documented.
    pub consent_exists_status: u16,
    /// The status for creating a consent: 201 by default, or 200, which the page lists as well.
    pub consent_created_status: u16,
    /// The status for deleting a consent: 204 by default, as clients have it. The page lists 200
    /// and 201.
    pub consent_deleted_status: u16,
    /// Whether a consent to several resources, of which one cannot be granted, grants the others
    /// before it is refused. It does by default; no source says.
    pub consents_in_part: bool,
    /// Whether a consent's `displayName` must be the application's. Samples send it and clients
    /// leave it out, so it need not by default.
    pub consent_display_name_checked: bool,
    /// Whether the continuation tokens of a list of customers end when the list changes. They go on
    /// by default; no source says.
    pub continuation_tokens_end: bool,
    /// Whether Partner Center's JSON begins with a byte order mark, which clients were seen to cut
    /// off. It does not by default.
    pub partner_center_bom: bool,
    /// What is said about an application that a tenant has no trace of: 65001 by default, as seen
    /// by clients at customers' tenants, or 700016 or 90099, which the error reference has.
    pub absent_application: u32,
    /// Whether every ID token of the v1.0 endpoint is signed. By default those of a code are and
    /// those of a refresh token are not, which the v1.0 pages describe as unsigned.
    pub v1_id_tokens_signed: bool,
    /// Whether an account that is locked (AADSTS50053), or whose password is to be changed
    /// (AADSTS50055), is refused when a refresh token is redeemed, as the error reference has it, or
    /// at sign-in only, as "Refresh tokens in the Microsoft identity platform" implies. At both by
    /// default.
    pub sign_in_blocks_redemption: bool,
    /// Whether a refresh token is refused once a newer one was had for it, as servers do that rotate
    /// strictly (RFC 9700, section 4.14.2). No by default: "Refresh tokens in the Microsoft identity
    /// platform" says that older ones are not revoked.
    pub redemption_ends_refresh_token: bool,
    /// Whether callbacks with a code carry the issuer (RFC 9207). No by default: Entra's pages do
    /// not mention it.
    pub callback_issuer: bool,
    /// Whether who acts in a customer's tenant must be in `AdminAgents` as well as in a group that
    /// has a role there, as "App authentication" of Partner Center says, or in such a group only, as
    /// "GDAP frequently asked questions" implies. In both by default.
    pub gdap_needs_admin_agents: bool,
    /// Whether the claim `wids`, where it is asked for, names also the role that every member of a
    /// tenant has, so that it is there for who has no other. Tokens in the field have it, and
    /// Microsoft's pages do not mention it. Yes by default.
    pub wids_name_every_user: bool,
    /// Other spellings of AADSTS numbers: status, `error`, `suberror`. Which of them go together is
    /// no contract of Microsoft's. They hold wherever a number is sent, unless a scripted
    /// [`Failure`](crate::emulator::Failure) spells it out.
    pub pairings: BTreeMap<u32, (u16, String, Option<String>)>,
}

impl Default for Doubts {
    fn default() -> Self {
        Self {
            password_change_revokes: false,
            password_reset_revokes: true,
            consent_delete_removes_principal: true,
            consent_delete_unknown_status: 404,
            consent_exists_status: 409,
            consent_created_status: 201,
            consent_deleted_status: 204,
            consents_in_part: true,
            consent_display_name_checked: false,
            continuation_tokens_end: false,
            partner_center_bom: false,
            absent_application: 65_001,
            v1_id_tokens_signed: false,
            sign_in_blocks_redemption: true,
            redemption_ends_refresh_token: false,
            callback_issuer: false,
            gdap_needs_admin_agents: true,
            wids_name_every_user: true,
            pairings: BTreeMap::new(),
        }
    }
}
