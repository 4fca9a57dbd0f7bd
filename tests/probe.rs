//! The example `probe`, from its first question to its transcript, on the emulator.

#![allow(unreachable_pub)] // its modules are of one program

#[allow(dead_code)]
#[path = "../examples/probe/main.rs"]
mod example;
#[path = "secrecy/searcher.rs"]
mod searcher;
#[path = "probe/wiretap.rs"]
mod wiretap;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use cpv_consent::ClientCredential;
use cpv_consent::emulator::{Answer, Doubts, Emulator, Failure, MfaAnswer, Rule};
use cpv_consent::store::{Filter, Kind, Selection, Stored};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use example::rehearsal::Rehearsal;
use example::{Plan, Settings};
use searcher::{Searcher, Secret};
use wiretap::Wiretap;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// What a run leaves: how it ended, and its file.
struct Run {
    code: ExitCode,
    text: String,
    transcript: Value,
}

impl Run {
    async fn of(rehearsal: &Rehearsal) -> Result<Self, Box<dyn std::error::Error>> {
        Self::with(rehearsal.settings().await?, true, watch::channel(false).1).await
    }

    async fn reading(rehearsal: &Rehearsal) -> Result<Self, Box<dyn std::error::Error>> {
        Self::with(rehearsal.settings().await?, false, watch::channel(false).1).await
    }

    async fn with(
        settings: Settings,
        allow_writes: bool,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("probe.json");
        let plan = Plan { out: Some(file.clone()), allow_writes, callback: true };
        let code = example::run(settings, &plan, stop).await?;
        assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file)?;
        let transcript = serde_json::from_str(&text)?;
        Ok(Self { code, text, transcript })
    }

    fn question(&self, id: &str) -> &Value {
        let questions = self.transcript["questions"].as_array().expect("a list");
        questions.iter().find(|question| question["id"] == id).expect(id)
    }

    fn answer(&self, id: &str) -> &str {
        self.question(id)["answer"].as_str().expect("words")
    }

    fn doubts(&self) -> &Value {
        &self.transcript["doubts"]
    }

    /// The ids of the questions whose answer begins so.
    fn beginning(&self, words: &str) -> BTreeSet<&str> {
        let questions = self.transcript["questions"].as_array().expect("a list").iter();
        let found = questions.filter(|question| {
            question["answer"].as_str().is_some_and(|answer| answer.starts_with(words))
        });
        found.filter_map(|question| question["id"].as_str()).collect()
    }
}

/// The consents in the store, each with the mark of its last write.
async fn consents(rehearsal: &Rehearsal) -> Result<Vec<Stored>, Box<dyn std::error::Error>> {
    let (realm, selection) = (rehearsal.app.realm(), Selection::All);
    let filter = Filter { realm, kind: Kind::Consent, selection, cursor: None, limit: 10 };
    let page = rehearsal.settings().await?.store.list(filter).await?;
    assert_eq!(page.records.len(), 1);
    Ok(page.records)
}

#[tokio::test]
async fn every_question_is_put_and_answered_as_the_emulator_was_set() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    let before = rehearsal.entra.application_consents(rehearsal.customer);
    let stored = consents(&rehearsal).await?;
    let run = Run::of(&rehearsal).await?;
    assert_eq!(run.code, ExitCode::SUCCESS);
    for (id, expected) in [
        ("token-reply", "none"),
        ("mfa-verdict", "true: 200, verdict true; True: 200, verdict true; "),
        ("consents-read", "the list: 404 (code 1000), so it is not offered; one: 404"),
        ("customers-by-gdap", "nothing can be said: each of 1 is listed, as reseller"),
        ("unconsented-at-partner", "https://management.azure.com: AADSTS65001 (400 invalid_grant"),
        ("unconsented-at-customer", "https://management.azure.com: AADSTS65001 (400 invalid_gr"),
        ("outlook-uri", "known: AADSTS65001"),
        ("manage-uri", "known: AADSTS65001"),
        ("clock-tolerance", "0 minutes: taken; 2 minutes: taken; "),
        ("key-vault-challenge", "401 (code Unauthorized); WWW-Authenticate: Bearer authorization"),
        ("callback", "members: code, session_state, state; iss: absent; error_subcode: absent"),
        ("consent-again", "409 (code 409), with \"Permission entry already exists\""),
        ("consent-change", "no: 404"),
        ("consent-delete", "204; the service principal is gone; a token is refused then with AADS"),
        ("consent-delete-unknown", "404 (code 1000); put back: 201"),
        ("key-vault-purge", "204"),
        ("pairings", "AADSTS65001 (400 invalid_grant, suberror consent_required); AADSTS700024"),
        ("new-token-required", "in 0 of "),
        ("byte-order-mark", "no"),
    ] {
        assert!(run.answer(id).starts_with(expected), "{id}: {}", run.answer(id));
    }
    let clock = run.answer("clock-tolerance");
    assert!(clock.contains("; 9 minutes: refused with AADSTS700024"), "{clock}");
    let not_asked = ["documents", "dod-host", "mfa-refusal", "step-up", "v1-claims"];
    assert_eq!(run.beginning("not asked: "), not_asked.into());
    assert_eq!(run.beginning("not answered: "), BTreeSet::new());
    let expected = json!({
        "consent_exists_status": 409, "consent_deleted_status": 204, "consent_created_status": 201,
        "consent_delete_removes_principal": true, "consent_delete_unknown_status": 404,
        "absent_application": 65001, "partner_center_bom": false, "callback_issuer": false,
        "pairings": {
            "65001": [400, "invalid_grant", "consent_required"],
            "700024": [401, "invalid_client", null],
        },
    });
    assert_eq!(*run.doubts(), expected);
    assert_eq!(rehearsal.entra.application_consents(rehearsal.customer), before);
    assert_eq!(consents(&rehearsal).await?, stored, "the store is only read");
    assert!(rehearsal.entra.vault_secret_names().is_empty());
    assert!(rehearsal.entra.vault_deleted_names().is_empty());
    Ok(())
}

/// Everything the other way: a probe that knew its answers beforehand would miss it.
fn read_otherwise(entra: &Emulator) {
    entra.doubts(|doubts| {
        doubts.consent_exists_status = 400;
        doubts.consent_created_status = 200;
        doubts.consent_deleted_status = 200;
        doubts.consent_delete_unknown_status = 500;
        doubts.absent_application = 700_016;
        doubts.partner_center_bom = true;
        doubts.callback_issuer = true;
        let spelling = (401, "interaction_required".to_owned(), None);
        doubts.pairings.insert(65_001, spelling);
        let spelling = (403, "unauthorized_client".to_owned(), Some("message_only".to_owned()));
        doubts.pairings.insert(700_016, spelling);
    });
}

#[tokio::test]
async fn the_answers_follow_the_wire_and_another_emulator_can_follow_them() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    read_otherwise(&rehearsal.entra);
    rehearsal.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let outlook = "00000002-0000-0ff1-ce00-000000000000".parse()?;
    rehearsal.entra.remove_principal(rehearsal.customer, outlook);
    let run = Run::of(&rehearsal).await?;
    assert_eq!(run.code, ExitCode::SUCCESS);
    for (id, expected) in [
        ("mfa-verdict", "true: 200, verdict absent"),
        ("unconsented-at-partner", "https://management.azure.com: AADSTS65001 (401 interaction_re"),
        ("outlook-uri", "not known in that tenant: AADSTS500011"),
        ("callback", "members: code, iss, session_state, state; iss: {entra}/<guid "),
        ("consent-again", "400 (code 400)"),
        ("consent-delete-unknown", "500"),
        ("byte-order-mark", "yes"),
    ] {
        assert!(run.answer(id).starts_with(expected), "{id}: {}", run.answer(id));
    }
    let absent = "200; the service principal is gone; a token is refused then with AADSTS700016 \
                  (403 unauthorized_client, suberror message_only); put back: 200";
    assert_eq!(run.answer("consent-delete"), absent);

    let other = Rehearsal::new().await?;
    let doubts: Doubts = serde_json::from_value(run.doubts().clone())?;
    let mut set = doubts.clone();
    other.entra.doubts(|own| std::mem::swap(own, &mut set));
    assert_ne!(doubts, set, "it was not set so before");
    other.entra.remove_principal(other.customer, outlook);
    let second = Run::of(&other).await?;
    assert_eq!(second.doubts(), run.doubts());
    let answers = ["consent-again", "consent-delete", "consent-delete-unknown", "byte-order-mark"];
    for id in answers {
        assert_eq!(second.answer(id), run.answer(id));
    }
    Ok(())
}

#[tokio::test]
async fn a_principal_that_stays_is_told_from_one_that_goes() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    rehearsal.entra.doubts(|doubts| doubts.consent_delete_removes_principal = false);
    let run = Run::of(&rehearsal).await?;
    assert!(run.answer("consent-delete").starts_with("204; the service principal stays; "));
    assert_eq!(run.doubts()["consent_delete_removes_principal"], false);
    assert_eq!(run.doubts()["absent_application"], Value::Null, "the application is not absent");
    Ok(())
}

#[tokio::test]
async fn what_is_met_by_the_way_is_noted() -> Outcome {
    let mut rehearsal = Rehearsal::new().await?;
    rehearsal.person = Answer::CancelSignIn;
    rehearsal.entra.partner_center_mfa(MfaAnswer::Refused900421);
    let management = Rule::any().resource("https://management.azure.com");
    rehearsal.entra.fail_tokens(management, Failure::aadsts(50_076));
    let run = Run::reading(&rehearsal).await?;
    assert_eq!(run.code, ExitCode::FAILURE, "customers could not be listed");
    assert!(run.beginning("not answered: ").contains("customers-by-gdap"));
    let refusal = "401 with members code, data, description, source; WWW-Authenticate: Bearer \
                   error=\"invalid_token\"";
    assert_eq!(run.answer("mfa-refusal"), refusal);
    assert_eq!(run.question("mfa-refusal")["exchanges"][0]["reply"]["body"]["code"], "900421");
    assert!(run.answer("step-up").starts_with("AADSTS50076 "), "{}", run.answer("step-up"));
    assert!(run.doubts()["pairings"]["50076"].is_array());
    assert!(run.answer("callback").ends_with("error_subcode: cancel"));
    assert_eq!(run.doubts()["callback_issuer"], Value::Null, "no code came");
    Ok(())
}

#[tokio::test]
async fn a_member_that_nobody_knows_is_named_and_its_value_is_not() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    rehearsal.entra.alter_tokens(Rule::any(), |reply| {
        reply["brand_new"] = json!({ "deep": "canary-of-an-unknown-member" });
        reply["refresh_in"] = json!(1800);
        reply["foci"] = json!("1");
    });
    let run = Run::reading(&rehearsal).await?;
    let expected = "beside the documented members: brand_new, foci, refresh_in";
    assert_eq!(run.answer("token-reply"), expected);
    let body = &run.question("token-reply")["exchanges"][0]["reply"]["body"];
    assert!(body["brand_new"]["deep"].as_str().is_some_and(|text| text.starts_with("<text ")));
    assert_eq!((&body["refresh_in"], &body["foci"]), (&json!(1800), &json!("1")));
    assert!(!run.text.contains("canary-of-an-unknown-member"));
    Ok(())
}

#[tokio::test]
async fn nothing_of_whose_it_is_comes_into_the_transcript() -> Outcome {
    //
    const CLIENT_SECRET: &str = "canary+client&secret=8Q~%/?#";
    for credential in [Some(ClientCredential::secret(CLIENT_SECRET)?), None] {
        let rehearsal = match credential {
            Some(secret) => Rehearsal::proving(secret).await?,
            None => Rehearsal::new().await?,
        };
        let tap = Arc::new(Wiretap::new());
        let settings = Settings { http: tap.clone(), ..rehearsal.settings().await? };
        let certificate = settings.app.credential().as_certificate();
        let mut secrets = vec![Secret::new("client secret", CLIENT_SECRET)];
        secrets.extend(certificate.map(|it| Secret::new("certificate", it.der())));
        let run = Run::with(settings, true, watch::channel(false).1).await?;
        secrets.extend(tap.everything_said());
        let heard = secrets.len();
        assert!(heard > 150, "only {heard} values were heard");
        let searcher = Searcher::for_all(&secrets);
        assert!(searcher.find(tap.seen()[0].0.body()).is_some(), "what is there is found");
        assert_eq!(searcher.find(run.text.as_bytes()), None);
        assert!(!run.text.contains("eyJ"), "the beginning of every JWT");
        let (entra, app) = (&rehearsal.entra, &rehearsal.app);
        for canary in [
            rehearsal.partner.to_string(),
            rehearsal.customer.to_string(),
            app.home().to_string(),
            app.client_id().to_string(),
            rehearsal.admin.id.to_string(),
            rehearsal.admin.name.clone(),
            rehearsal.admin.password.clone(),
            entra.login_origin().to_owned(),
            "127.0.0.1".to_owned(),
            "onmicrosoft".to_owned(),
            "Fabrikam".to_owned(),
            "Contoso".to_owned(),
        ] {
            assert!(!run.text.to_lowercase().contains(&canary.to_lowercase()), "{canary}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn without_leave_nothing_is_written() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    let run = Run::reading(&rehearsal).await?;
    assert_eq!(run.code, ExitCode::SUCCESS);
    let writing = [
        "consent-again",
        "consent-change",
        "consent-delete",
        "consent-delete-unknown",
        "key-vault-purge",
    ];
    assert_eq!(run.beginning("not asked: it writes"), writing.into());
    let calls = rehearsal.entra.partner_center_calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.method == Method::GET));
    assert!(rehearsal.entra.vault_calls().iter().all(|call| call.method == "GET"));
    Ok(())
}

#[tokio::test]
async fn an_interrupted_run_ends_after_its_question_and_is_written() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    let (stop, stopped) = watch::channel(false);
    let tap = Wiretap::answering(move |request| {
        if request.uri().path().ends_with("/customers") {
            stop.send_replace(true);
        }
        None
    });
    let settings = Settings { http: Arc::new(tap), ..rehearsal.settings().await? };
    let run = Run::with(settings, true, stopped).await?;
    assert_eq!(run.code, ExitCode::SUCCESS);
    assert!(run.answer("token-reply").starts_with("none"));
    assert!(run.answer("mfa-verdict").ends_with("without: 200, verdict absent"), "it is finished");
    let questions = run.transcript["questions"].as_array().map_or(0, Vec::len);
    assert_eq!(run.beginning("not asked: the run was interrupted").len(), questions - 2);
    Ok(())
}

#[tokio::test]
async fn what_could_not_be_put_back_is_said_and_fails_the_run() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    rehearsal.entra.purge_protection(true);
    let tap = Wiretap::answering(|request| {
        let creates = request.method() == Method::POST
            && request.uri().path().ends_with("/applicationconsents");
        creates.then_some(StatusCode::SERVICE_UNAVAILABLE)
    });
    let settings = Settings { http: Arc::new(tap), ..rehearsal.settings().await? };
    let run = Run::with(settings, true, watch::channel(false).1).await?;
    assert_eq!(run.code, ExitCode::FAILURE);
    let words = run.answer("consent-delete");
    assert!(
        words.contains("; NOT PUT BACK: the customer's consent (its creation was answered 503)")
    );
    let after = "not asked: what is granted in the customer's tenant cannot be read";
    assert!(run.answer("consent-delete-unknown").starts_with(after));
    let words = run.answer("key-vault-purge");
    assert!(words.contains("protected") && words.contains("NOT PUT BACK: a secret"), "{words}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_there_is_kept_and_nobody_is_asked() -> Outcome {
    let rehearsal = Rehearsal::new().await?;
    let tap = Arc::new(Wiretap::new());
    let settings = Settings { http: tap.clone(), ..rehearsal.settings().await? };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("probe.json");
    std::fs::write(&file, "kept")?;
    let plan = Plan { out: Some(file.clone()), ..Plan::default() };
    let outcome = example::run(settings, &plan, watch::channel(false).1).await;
    assert!(outcome.is_err());
    assert_eq!(std::fs::read_to_string(&file)?, "kept");
    assert!(tap.seen().is_empty());
    Ok(())
}
