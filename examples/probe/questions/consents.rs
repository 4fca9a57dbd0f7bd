//! What Partner Center leaves open about application consents. Each question puts back what it
//! changed.

use cpv_consent::{Error, Resource};
use tokio::time::sleep;

use super::super::probe::{Probe, Reply, Silence};
use super::super::wire::Exchange;
use super::Answer;
use super::standing::{Principal, Standing};

pub(super) async fn again(probe: &Probe) -> Result<Answer, Silence> {
    Standing::guard(probe, async |standing| {
        let reply = standing.create().await?;
        let phrase = reply.body.to_string().contains("Permission entry already exists");
        let phrase = if phrase { ", with \"Permission entry already exists\"" } else { "" };
        let answer = Answer::new(format!("{reply}{phrase}"));
        Ok(answer.doubt("consent_exists_status", reply.status))
    })
    .await
}

pub(super) async fn change(probe: &Probe) -> Result<Answer, Silence> {
    Standing::guard(probe, async |standing| {
        let reply = standing.change().await?;
        Ok(Answer::new(match reply.status {
            200..=299 => format!("yes: {reply}"),
            404 | 405 | 501 => format!("no: {reply}"),
            _ => format!("nothing can be said: {reply}"),
        }))
    })
    .await
}

pub(super) async fn delete(probe: &Probe) -> Result<Answer, Silence> {
    Standing::guard(probe, async |standing| {
        let reply = deleted(standing).await?;
        let principal = standing.principal_after().await?;
        let refusal = refusal_after(probe).await?;
        let shown = refusal.as_ref().map_or("a token is still issued".to_owned(), |refusal| {
            format!("a token is refused then with {}", refusal.0)
        });
        let fate = match principal {
            Principal::Gone => "the service principal is gone".to_owned(),
            Principal::There => "the service principal stays".to_owned(),
            Principal::Unseen(status) => format!("the service principal cannot be seen ({status})"),
        };
        let mut answer = Answer::new(format!("{reply}; {fate}; {shown}"));
        answer = answer.doubt("consent_deleted_status", reply.status);
        if let Principal::Gone | Principal::There = principal {
            let gone = principal == Principal::Gone;
            answer = answer.doubt("consent_delete_removes_principal", gone);
        }
        match refusal {
            Some((_, Some(number))) if principal == Principal::Gone => {
                Ok(answer.doubt("absent_application", number))
            }
            _ => Ok(answer),
        }
    })
    .await
}

pub(super) async fn delete_unknown(probe: &Probe) -> Result<Answer, Silence> {
    Standing::guard(probe, async |standing| {
        deleted(standing).await?;
        let reply = standing.delete().await?;
        let answer = Answer::new(reply.to_string());
        Ok(answer.doubt("consent_delete_unknown_status", reply.status))
    })
    .await
}

async fn deleted(standing: &Standing<'_>) -> Result<Reply, Silence> {
    let reply = standing.delete().await?;
    if reply.is_success() {
        return Ok(reply);
    }
    Err(Silence::not_answered(format!("the consent that is there is not deleted: {reply}")))
}

/// How a token for the customer is refused once it is: in words, and its first AADSTS number.
async fn refusal_after(probe: &Probe) -> Result<Option<(String, Option<u32>)>, Silence> {
    for _ in 0..probe.settings.patience.looks {
        match probe.token(probe.settings.customer, Resource::Graph).await {
            Ok(_) | Err(Error::ScopesMissing { .. }) => {
                sleep(probe.settings.patience.pause).await;
            }
            Err(Error::Entra { .. }) => {
                let latest = probe.latest(Exchange::is_for_token);
                let refused = latest.as_ref().and_then(Exchange::refusal);
                return Ok(refused.map(|it| (it.to_string(), it.numbers.first().copied())));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
