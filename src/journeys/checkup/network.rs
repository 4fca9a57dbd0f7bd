//! What lies on Microsoft's side, as far as it answers somebody without a partner.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::DATE;
use http::{Response, StatusCode};
use url::Url;

use super::result::{Checked, CheckupLine, Topic};
use super::trouble::Trouble;
use super::{Examiner, Speech};
use crate::model::clock::age;
use crate::model::cloud::Authority;
use crate::model::entra_error::{Cause, EntraError};
use crate::model::scope::Resource;
use crate::model::secret::RefreshToken;
use crate::protocol::discovery::{self, Metadata};
use crate::protocol::token_endpoint::TokenError;
use crate::transport::http::HttpError;
use crate::transport::pace::Ticket;

/// An answer, with when it was asked for and when it came.
struct Heard {
    host: String,
    asked_at: SystemTime,
    came_at: SystemTime,
    answer: Result<Response<Bytes>, HttpError>,
}

impl Examiner {
    pub(super) async fn network(&self) -> Vec<CheckupLine> {
        let speech = match &self.speech {
            Ok(speech) => speech,
            Err(error) => return without_client(error),
        };
        let authority = self.home();
        let login = self.hear(self.app.cloud().login(), discovery::ask(&speech.wire, &authority));
        let login = login.await;
        let knock = speech.partner_center.knock();
        let partner_center = self.hear(self.app.cloud().partner_center(), knock).await;
        let metadata = login.metadata();
        vec![
            CheckupLine::of(Topic::Addresses, addresses(&login, &metadata, &authority)),
            self.authority(metadata.ok().as_ref(), &authority),
            CheckupLine::of(Topic::PartnerCenter, answers(&partner_center)),
            clock(&[login, partner_center]),
            self.shown(speech, &authority).await,
            self.taken(speech, &authority).await,
        ]
    }

    /// The vendor's own tenant: no partner is needed to ask there.
    fn home(&self) -> Authority {
        Authority::of(self.app.cloud(), self.app.home())
    }

    async fn hear(
        &self,
        origin: &str,
        asking: impl Future<Output = Result<Response<Bytes>, HttpError>>,
    ) -> Heard {
        let host = Url::parse(origin).ok().and_then(|url| url.host_str().map(str::to_owned));
        let (host, asked_at) = (host.unwrap_or_default(), self.clock.now());
        let answer = asking.await;
        Heard { host, asked_at, came_at: self.clock.now(), answer }
    }

    fn authority(&self, metadata: Option<&Metadata>, authority: &Authority) -> CheckupLine {
        let Some(metadata) = metadata else {
            return CheckupLine::not_checked(Topic::Authority, NO_METADATA);
        };
        let expected = authority.issuer(self.app.home());
        let same = metadata.issuer == expected;
        let other = || Trouble::OtherIssuer { found: shortened(&metadata.issuer), expected };
        CheckupLine::of(Topic::Authority, if same { Ok(()) } else { Err(other()) })
    }

    async fn shown(&self, speech: &Speech, authority: &Authority) -> CheckupLine {
        let proof = speech.authentication.proof(&authority.token_url()).await;
        CheckupLine::of(Topic::CredentialShown, proof.map(drop).map_err(Trouble::Credential))
    }

    /// Shows the credential beside a refresh token that is none. What Entra says of the credential is
    /// believed; that it speaks of the token instead is no proof, since nobody states in which order
    /// it looks.
    async fn taken(&self, speech: &Speech, authority: &Authority) -> CheckupLine {
        let token = RefreshToken::new(NO_TOKEN).expect("visible ASCII");
        let (resource, scopes) = (Resource::PartnerCenter, self.app.scopes());
        // One request, before there is anybody to share a budget with.
        let (leave, endpoint) = (Ticket::FREE, &speech.endpoint);
        let asked =
            endpoint.redeem_refresh_token(leave, authority, &token, &resource, scopes, None);
        let outcome = match asked.await {
            Err(TokenError::Entra(error)) => judged(error),
            Err(TokenError::Credential(_)) => Checked::NotChecked(NOTHING_SHOWN),
            _ => Checked::NotChecked(NO_ANSWER),
        };
        CheckupLine { topic: Topic::CredentialTaken, outcome }
    }
}

impl Heard {
    fn metadata(&self) -> Result<Metadata, Trouble> {
        let host = || self.host.clone();
        let reply = self.answer.as_ref().map_err(|error| Trouble::Unreachable(error.clone()))?;
        if reply.status() != StatusCode::OK {
            return Err(Trouble::Answered { host: host(), status: reply.status().as_u16() });
        }
        discovery::read(reply).ok_or_else(|| Trouble::NoMetadata { host: host() })
    }

    /// How far our clock is from theirs, and whether it is the later one. A date has whole seconds,
    /// and may have been written at any time while we waited.
    fn distance(&self) -> Option<(Duration, bool)> {
        let date = self.answer.as_ref().ok()?.headers().get(DATE)?.to_str().ok()?;
        let date = httpdate::parse_http_date(date).ok()?;
        let ahead = age(self.asked_at, date + SECOND);
        let behind = age(date, self.came_at);
        Some(if ahead > behind { (ahead, true) } else { (behind, false) })
    }
}

/// Without certificate authorities nobody can be asked.
fn without_client(error: &HttpError) -> Vec<CheckupLine> {
    let rest = [
        Topic::Authority,
        Topic::PartnerCenter,
        Topic::Clock,
        Topic::CredentialShown,
        Topic::CredentialTaken,
    ];
    let trouble = Trouble::Unreachable(error.clone());
    let first = CheckupLine::of(Topic::Addresses, Err(trouble));
    let rest = rest.into_iter().map(|topic| CheckupLine::not_checked(topic, NO_CLIENT));
    std::iter::once(first).chain(rest).collect()
}

fn addresses(
    login: &Heard,
    metadata: &Result<Metadata, Trouble>,
    authority: &Authority,
) -> Result<(), Trouble> {
    let metadata = metadata.as_ref().map_err(Clone::clone)?;
    match metadata.other_address(authority) {
        Some(member) => Err(Trouble::OtherAddress { host: login.host.clone(), member }),
        None => Ok(()),
    }
}

/// Whoever comes without a token is refused there.
fn answers(partner_center: &Heard) -> Result<(), Trouble> {
    let reply = partner_center.answer.as_ref();
    let reply = reply.map_err(|error| Trouble::Unreachable(error.clone()))?;
    let (host, status) = (partner_center.host.clone(), reply.status());
    if status == StatusCode::UNAUTHORIZED {
        return Ok(());
    }
    Err(Trouble::Answered { host, status: status.as_u16() })
}

/// The nearest counts: a cache between may keep an old date.
fn clock(heard: &[Heard]) -> CheckupLine {
    let distances = heard.iter().filter_map(|one| Some((one.distance()?, &one.host)));
    let Some(((by, ahead), host)) = distances.min_by_key(|((by, _), _)| *by) else {
        return CheckupLine::not_checked(Topic::Clock, NO_DATE);
    };
    let off = Trouble::ClockOff { host: host.clone(), by, ahead };
    CheckupLine::of(Topic::Clock, if by > MOST_OFF { Err(off) } else { Ok(()) })
}

fn judged(error: EntraError) -> Checked {
    match error.cause() {
        Cause::CredentialRejected
        | Cause::ApplicationMissing
        | Cause::ApplicationDisabled
        | Cause::RegistrationIncomplete
        | Cause::TenantUnknown
        | Cause::TenantGone
        | Cause::CloudMismatch => Checked::Failed(Trouble::Refused(error)),
        Cause::Transient | Cause::Throttled => Checked::NotChecked(NO_ANSWER),
        _ => Checked::NotChecked(ABOUT_THE_TOKEN),
    }
}

/// What a stranger wrote, as far as it can be shown.
fn shortened(text: &str) -> String {
    let plain = text.chars().take_while(|c| c.is_ascii_graphic() && !"?#".contains(*c));
    plain.take(200).collect()
}

/// What every clock that is set by a time server keeps.
const MOST_OFF: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const NO_TOKEN: &str = "no-refresh-token.cpv-consent-doctor";

const NO_METADATA: &str = "Entra sent no metadata";
const NO_CLIENT: &str = "no https client could be made";
const NO_DATE: &str = "no answer had a date";
const NO_ANSWER: &str = "Entra gave no answer that speaks of it";
const NOTHING_SHOWN: &str = "there is none to show";
const ABOUT_THE_TOKEN: &str = "Entra refused the made-up refresh token beside it, and not the \
                               credential; whether it looks at the credential first is not stated \
                               anywhere, so the first consent proves it";
