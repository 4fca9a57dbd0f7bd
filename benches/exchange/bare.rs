//! The parts of an exchange without anything around them.

use std::time::{Duration, Instant};

use cpv_consent::TenantId;
use cpv_consent::measure::partner;
use rusqlite::{Connection, params};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::task::JoinSet;
use url::form_urlencoded;

use crate::{APPLICATION, Outcome, SECRET};

/// reqwest, and JSON.
#[derive(Clone)]
pub(crate) struct Plain {
    client: reqwest::Client,
}

/// What whoever trusts the server reads.
#[derive(Deserialize)]
pub(crate) struct Reply {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) id_token: String,
    pub(crate) expires_in: u64,
    pub(crate) scope: String,
    pub(crate) token_type: String,
}

impl Plain {
    /// A client with the settings that an exchange cannot do without.
    pub(crate) fn new() -> Outcome<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30))
            .user_agent("bare")
            .build()?;
        Ok(Self { client })
    }

    /// Redeems a refresh token.
    pub(crate) async fn redeem(&self, url: &str, refresh_token: &str) -> Outcome<Reply> {
        let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.ask(url, &grant).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem_code(&self, url: &str, code: &str) -> Outcome<Reply> {
        let verifier = "v".repeat(43);
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier.as_str()),
            ("redirect_uri", crate::REDIRECT),
        ];
        self.ask(url, &grant).await
    }

    /// Asks Partner Center for one customer.
    pub(crate) async fn probe(&self, origin: &str, token: &str) -> Outcome<serde_json::Value> {
        let request = self.client.get(format!("{origin}/v1/customers?size=1"));
        let request = request.bearer_auth(token).header("ValidateMfa", "true");
        Ok(serde_json::from_slice(&request.send().await?.bytes().await?)?)
    }

    async fn ask(&self, url: &str, grant: &[(&str, &str)]) -> Outcome<Reply> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", APPLICATION), ("scope", SCOPES)])
            .extend_pairs(grant)
            .extend_pairs([("client_secret", SECRET)])
            .finish();
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form);
        let body = request.send().await?.error_for_status()?.bytes().await?;
        let reply: Reply = serde_json::from_slice(&body)?;
        if reply.expires_in == 0 || reply.token_type != "Bearer" || reply.scope.is_empty() {
            return Err("not a token".into());
        }
        Ok(reply)
    }

    /// All of these addresses at once.
    pub(crate) async fn at_once(self, urls: Vec<String>) -> Outcome<Duration> {
        let refresh_token = "t".repeat(1500);
        let mut callers = JoinSet::new();
        let begun = Instant::now();
        for url in urls {
            let plain = self.clone();
            let refresh_token = refresh_token.clone();
            callers.spawn(async move { plain.redeem(&url, &refresh_token).await });
        }
        while let Some(done) = callers.join_next().await {
            std::hint::black_box(done??);
        }
        Ok(begun.elapsed())
    }
}

/// SQLite as it is, with the settings and row sizes of the embedded store.
pub(crate) struct Rows {
    db: Connection,
    _folder: TempDir,
}

impl Rows {
    pub(crate) fn new(rows: u64) -> Outcome<Self> {
        let folder = TempDir::new()?;
        let db = Connection::open(folder.path().join("bare.sqlite3"))?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             CREATE TABLE record (id TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT; BEGIN",
        )?;
        let mut insert = db.prepare("INSERT INTO record VALUES (?1, ?2)")?;
        for number in 0..rows {
            insert.execute(params![partner(number).to_string(), vec![0_u8; SEALED]])?;
        }
        drop(insert);
        db.execute_batch("COMMIT")?;
        Ok(Self { db, _folder: folder })
    }

    /// The rows of these partners, in one commit.
    pub(crate) fn update(&self, of: &[TenantId]) -> Outcome<Duration> {
        let begun = Instant::now();
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let mut update = self.db.prepare_cached("UPDATE record SET sealed = ?2 WHERE id = ?1")?;
        for partner in of {
            let changed = update.execute(params![partner.to_string(), vec![1_u8; SEALED]])?;
            assert_eq!(changed, 1);
        }
        drop(update);
        self.db.execute_batch("COMMIT")?;
        Ok(begun.elapsed())
    }
}

/// A consent with a refresh token of 1500 bytes, once it is sealed.
const SEALED: usize = 1500 + 700;
const SCOPES: &str = "openid profile offline_access \
                      https://api.partnercenter.microsoft.com/user_impersonation";
