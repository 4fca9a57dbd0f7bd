//! Whether a new consent can do what the standing one can: a sample of the customers that worked lately
//! is asked, each in its own tenant, before anybody confirms.
//!
//! Only a plain no counts. What does not answer in time, or not for good, says nothing against the new
//! consent; and where the standing one is refused by now as well, nothing is lost. Both tokens stay as
//! they are: a redemption at a customer's tenant renews nothing, and moves no state.
//!
//! Of what the application may ask for in a second they take their share slowly: the code of a person who
//! signs in meanwhile waits behind two of them, and not behind sixteen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Desk;
use super::ground::Ground;
use crate::model::clock::Clock;
use crate::model::cloud::Authority;
use crate::model::consent::{ConsentState, Loss, StoredConsent, Worked};
use crate::model::entra_error::{Cause, Reach};
use crate::model::registration::AppRegistration;
use crate::model::secret::RefreshToken;
use crate::protocol::token_endpoint::{TokenEndpoint, TokenError};
use crate::transport::pace::Ticket;

/// What the sample has shown.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Who worked by the standing consent and refuses the new one.
    pub(super) losses: Vec<Loss>,
    /// Who works by the new one, or did not say.
    pub(super) worked: Vec<Worked>,
}

impl Desk {
    /// The new refresh token beside what stands on this ground.
    pub(super) async fn compared(&self, ground: &Ground, new: &RefreshToken) -> Comparison {
        let Some((standing, old)) = ground.held().and_then(|held| in_use(&held.record)) else {
            return Comparison::default();
        };
        let (mut trials, trial) = (JoinSet::new(), self.trial());
        for (place, one) in self.lately.of(standing, self.clock.now()).into_iter().enumerate() {
            let (trial, new, old) = (trial.clone(), new.clone(), old.clone());
            let compared = async move { (place, trial.compare(one, &new, &old).await) };
            trials.spawn(compared.in_current_span());
        }
        let mut outcomes = Vec::new();
        while let Some(outcome) = trials.join_next().await {
            outcomes.extend(outcome); // what panicked says nothing
        }
        outcomes.sort_by_key(|(place, _)| *place);
        let mut comparison = Comparison::default();
        for (_, outcome) in outcomes {
            match outcome {
                Outcome::Works(one) => comparison.worked.push(one),
                Outcome::Lost(loss) => comparison.losses.push(loss),
                Outcome::Gone => {}
            }
        }
        comparison
    }

    fn trial(&self) -> Trial {
        let (app, clock) = (self.app.clone(), self.clock.clone());
        let line = Arc::new(Semaphore::new(IN_LINE));
        Trial { app, clock, endpoint: self.endpoint.clone(), line }
    }
}

/// A consent that can be redeemed. What has ended, or was withdrawn, has nothing to lose.
fn in_use(stored: &StoredConsent) -> Option<(&StoredConsent, &RefreshToken)> {
    let over = matches!(stored.consent.state, ConsentState::Ended { .. });
    let token = stored.token.as_ref().filter(|_| !over && !stored.consent.is_withdrawn());
    token.map(|token| (stored, &token.0))
}

enum Outcome {
    Works(Worked),
    Lost(Loss),
    /// The standing consent is refused there, too.
    Gone,
}

/// What each customer is asked with.
#[derive(Clone)]
struct Trial {
    app: AppRegistration,
    clock: Arc<dyn Clock>,
    endpoint: Arc<TokenEndpoint>,
    /// Held by who waits for leave to send.
    line: Arc<Semaphore>,
}

impl Trial {
    async fn compare(&self, one: Worked, new: &RefreshToken, old: &RefreshToken) -> Outcome {
        match self.ask(&one, new).await {
            Some(Ok(())) => Outcome::Works(Worked { at: self.clock.now(), ..one }),
            None => Outcome::Works(one),
            Some(Err(cause)) => match self.ask(&one, old).await {
                None => Outcome::Works(one),
                Some(Err(old)) if is_for_good(old) => Outcome::Gone,
                Some(_) => {
                    let Worked { customer, resource, .. } = one;
                    Outcome::Lost(Loss { customer, resource, cause })
                }
            },
        }
    }

    /// Whether the customer's tenant gives a token, or says no; nothing where it cannot be known.
    async fn ask(&self, at: &Worked, token: &RefreshToken) -> Option<Result<(), Cause>> {
        let answer = tokio::select! {
            biased;
            answer = self.redeem(at, token) => answer,
            () = self.clock.sleep(PATIENCE) => return None,
        };
        match answer {
            Ok(true) => Some(Ok(())),
            Ok(false) => Some(Err(Cause::ConsentMissing)),
            Err(TokenError::Entra(error)) if is_plain(error.cause()) => Some(Err(error.cause())),
            Err(_) => None,
        }
    }

    /// Whether the token that comes may do all that is asked for.
    async fn redeem(&self, at: &Worked, token: &RefreshToken) -> Result<bool, TokenError> {
        let authority = Authority::of(self.app.cloud(), at.customer);
        let scopes = self.app.scopes().of(&at.resource);
        let ticket = self.leave(&authority).await?;
        let redeem = self.endpoint.redeem_refresh_token(
            ticket,
            &authority,
            token,
            &at.resource,
            &scopes,
            None,
        );
        let granted = redeem.await?.granted;
        Ok(granted.is_none_or(|granted| scopes.is_within(&granted)))
    }

    /// Nothing is waited for at a tenant that is left alone.
    async fn leave(&self, authority: &Authority) -> Result<Ticket, TokenError> {
        let _in_line = self.line.acquire().await.map_err(|_| TokenError::Closed)?;
        self.endpoint.check(authority)?;
        self.endpoint.sign_in_ticket(authority).await
    }
}

/// Whether it is about this customer or this user, known, and does not pass.
fn is_plain(cause: Cause) -> bool {
    let about = matches!(cause.reach(), Reach::Target | Reach::Consent);
    about && !cause.is_transient() && !matches!(cause, Cause::Unknown | Cause::Looping)
}

/// Whether the standing consent will not work there again by itself: an account that is locked, or wants
/// to sign in anew, has lost nothing.
fn is_for_good(cause: Cause) -> bool {
    let wants_person = matches!(cause, Cause::InteractionRequired | Cause::MfaRequired);
    cause.ends_consent() || cause.reach() == Reach::Target && !wants_person
}

/// A person waits; so long for each of the two answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many wait for leave at once, of one flow.
const IN_LINE: usize = 2;
