//! The same from other languages: rules and failures as JSON.

use std::error::Error;

use cpv_consent::emulator::Emulator;
use serde_json::{Value, json};

use super::super::bench::{Outcome, Reply};
use super::places::Heard;

struct Desk {
    entra: Emulator,
    http: reqwest::Client,
}

impl Desk {
    async fn open() -> Result<Self, Box<dyn Error>> {
        let entra = Emulator::builder().admin().start().await?;
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        Ok(Self { entra, http })
    }

    async fn run(&self, operation: &str, members: &Value) -> Result<Reply, Box<dyn Error>> {
        let admin = self.entra.admin().expect("it is on");
        let request = self.http.post(format!("{}/v1/{operation}", admin.url()));
        let request = request.bearer_auth(admin.token()).body(members.to_string());
        Reply::read(request.send().await?).await
    }

    async fn fail(&self, failure: &Value) -> Result<Value, Box<dyn Error>> {
        let members = json!({ "rule": { "endpoint": "keys" }, "failure": failure });
        let reply = self.run("fail", &members).await?;
        assert_eq!(reply.status, 200, "{failure}: {}", reply.json);
        Ok(reply.json)
    }

    async fn keys(&self) -> Result<Heard, reqwest::Error> {
        let url = format!("{}/common/discovery/v2.0/keys", self.entra.login_origin());
        Heard::of(self.http.get(url)).await
    }
}

#[tokio::test]
async fn every_kind_has_a_form() -> Outcome {
    let desk = Desk::open().await?;
    let sheet = [
        (json!({ "aadsts": 90033, "status": 500 }), 500, "pragma", "no-cache"),
        (json!({ "status": 502, "retry_after": 9 }), 502, "retry-after", "9"),
        (json!({ "status": 200, "content_type": "a/b", "body": "x" }), 200, "content-type", "a/b"),
        (
            json!({ "partner_center": { "status": 409, "code": "1" } }),
            409,
            "content-type",
            "application/json; charset=utf-8",
        ),
        (
            json!({ "graph": { "status": 403, "code": "x" } }),
            403,
            "content-type",
            "application/json; charset=utf-8",
        ),
        (json!({ "key_vault": { "status": 429, "code": "x" } }), 429, "cache-control", "no-cache"),
        (json!({ "huge": 7 }), 200, "content-length", "7"),
        (json!({ "huge_unannounced": 7 }), 200, "transfer-encoding", "chunked"),
        (json!({ "content_type": "a/b" }), 200, "content-type", "a/b"),
        (json!({ "truth": true, "headers": { "x-odd": "so" } }), 200, "x-odd", "so"),
        (json!({ "clock_skew": 0, "headers": { "x-odd": "so" } }), 200, "x-odd", "so"),
        (json!({ "latency": 0.001, "headers": { "x-odd": "so" } }), 200, "x-odd", "so"),
        (
            json!({ "drip": { "bytes": 9999, "every": 1 }, "headers": { "x-odd": "so" } }),
            200,
            "x-odd",
            "so",
        ),
    ];
    for (failure, status, name, value) in sheet {
        let id = desk.fail(&failure).await?;
        let heard = desk.keys().await?;
        assert_eq!((heard.status, heard.header(name)), (status, Some(value)), "{failure}");
        assert_eq!(desk.run("hits", &id).await?.json, json!({ "hits": 1 }), "{failure}");
        desk.run("clear", &id).await?;
    }
    for failure in [json!({ "reset": true }), json!({ "lost_answer": true })] {
        let id = desk.fail(&failure).await?;
        assert!(desk.keys().await.is_err(), "{failure}");
        desk.run("clear", &id).await?;
    }
    desk.fail(&json!({ "truncation": 3 })).await?;
    assert!(desk.keys().await?.body.is_err());
    Ok(())
}

#[tokio::test]
async fn counts_outages_and_holds_have_forms_too() -> Outcome {
    let desk = Desk::open().await?;
    desk.fail(&json!({ "status": 418, "after": 1, "times": 1, "percent": 100 })).await?;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(desk.keys().await?.status);
    }
    assert_eq!(heard, [200, 418, 200]);
    let id = desk.run("outage", &json!({ "endpoint": "entra" })).await?.json;
    assert!(desk.keys().await.is_err());
    desk.run("clear", &id).await?;
    let id = desk.run("hold", &json!({ "rule": { "endpoint": "keys" } })).await?.json;
    let release = async {
        while desk.run("waiting", &id).await?.json != json!({ "requests": 1 }) {}
        desk.run("clear", &id).await
    };
    let (held, released) = tokio::join!(desk.keys(), release);
    assert_eq!((held?.status, released?.status), (200, 200));
    Ok(())
}

#[tokio::test]
async fn what_a_form_does_not_have_is_said() -> Outcome {
    let desk = Desk::open().await?;
    for (rule, failure, said) in [
        (json!({}), json!({}), "one kind"),
        (json!({}), json!({ "reset": true, "hang": true }), "one kind"),
        (json!({}), json!({ "times": 1 }), "one kind"),
        (json!({}), json!({ "explode": true }), "unknown field `explode`"),
        (json!({}), json!({ "redirect": "nowhere" }), "relative URL"),
        (json!({}), json!({ "latency": -1.0 }), "negative"),
        (json!({}), json!({ "truth": true, "headers": { "a b": "c" } }), "header name"),
        (json!({ "endpoint": "moon" }), json!({ "reset": true }), "unknown variant `moon`"),
        (json!({ "grant": "implicit" }), json!({ "reset": true }), "not implicit"),
        (json!({ "planet": 1 }), json!({ "reset": true }), "unknown field `planet`"),
    ] {
        let reply = desk.run("fail", &json!({ "rule": rule, "failure": failure })).await?;
        assert_eq!(reply.status, 400, "{rule} {failure}");
        assert!(reply.text("error").contains(said), "{failure}: {}", reply.json);
    }
    assert_eq!(desk.keys().await?.status, 200);
    Ok(())
}
