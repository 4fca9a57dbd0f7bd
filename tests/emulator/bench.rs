//! A vendor, a partner and a customer, and the raw requests that the tests change.

use std::error::Error;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cpv_consent::emulator::{Answer, Browser, BrowserError, Emulator, EmulatorBuilder, User};
use cpv_consent::{
    AppRegistration, ClientCredential, ClientId, Clock as _, Cloud, Origins, Resource, TenantId,
    VirtualClock,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request};
use serde_json::Value;
use url::{Url, form_urlencoded};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

pub(crate) const REDIRECT: &str = "https://panel.example/consent/callback";
pub(crate) const SECRET: &str = "s3cret+&=%~";
pub(crate) const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const NOBODY: &str = "33333333-3333-4333-8333-333333333333";
/// SHA-256 of the verifier: the example of RFC 7636, appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SCOPE: &str = "openid profile offline_access \
                     https://api.partnercenter.microsoft.com/user_impersonation \
                     https://graph.microsoft.com/Directory.Read.All";

/// A vendor, a partner with an administrator, and one customer.
pub(crate) struct Bench {
    pub(crate) entra: Emulator,
    pub(crate) clock: VirtualClock,
    pub(crate) app: AppRegistration,
    pub(crate) contoso: TenantId,
    pub(crate) admin: User,
    pub(crate) fabrikam: TenantId,
    pub(crate) http: reqwest::Client,
}

impl Bench {
    pub(crate) async fn new() -> Result<Self, Box<dyn Error>> {
        Self::with(ClientCredential::secret(SECRET)?).await
    }

    pub(crate) async fn with(credential: ClientCredential) -> Result<Self, Box<dyn Error>> {
        Self::started(Emulator::builder(), credential).await
    }

    /// As in every run with this seed.
    pub(crate) async fn seeded(seed: u64) -> Result<Self, Box<dyn Error>> {
        Self::started(Emulator::builder().seed(seed), ClientCredential::secret(SECRET)?).await
    }

    /// In load mode.
    pub(crate) async fn loaded() -> Result<Self, Box<dyn Error>> {
        Self::started(Emulator::builder().load_mode(), ClientCredential::secret(SECRET)?).await
    }

    /// Serving by https as well.
    pub(crate) async fn over_https() -> Result<Self, Box<dyn Error>> {
        Self::started(Emulator::builder().https(), ClientCredential::secret(SECRET)?).await
    }

    async fn started(
        builder: EmulatorBuilder,
        credential: ClientCredential,
    ) -> Result<Self, Box<dyn Error>> {
        let clock = VirtualClock::default();
        let entra = builder.clock(clock.clone()).start().await?;
        let origins = Origins {
            login: entra.login_origin(),
            partner_center: entra.partner_center_origin(),
            graph: entra.graph_origin(),
        };
        let cloud = Cloud::danger_loopback("emulated", origins)?;
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111")?;
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222")?;
        let app = AppRegistration::new(cloud, home, client_id, credential, REDIRECT)?
            .requesting(Resource::Graph, ["Directory.Read.All"])?;
        entra.register(&app);
        let contoso = entra.add_tenant("Contoso");
        let admin = entra.add_user(contoso, "admin@contoso.example");
        let fabrikam = entra.add_customer(contoso, "Fabrikam");
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { entra, clock, app, contoso, admin, fabrikam, http })
    }

    /// Another registration of the same vendor.
    pub(crate) fn registration(
        &self,
        client: &str,
        secret: &str,
    ) -> Result<AppRegistration, Box<dyn Error>> {
        let (cloud, home) = (self.app.cloud().clone(), self.app.home());
        let (client, secret) = (ClientId::parse(client)?, ClientCredential::secret(secret)?);
        Ok(AppRegistration::new(cloud, home, client, secret, REDIRECT)?)
    }

    pub(crate) fn now(&self) -> u64 {
        let since = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        since.expect("after 1970").as_secs()
    }

    pub(crate) fn token_url(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.entra.login_origin())
    }

    /// A right authorize URL of a tenant, with some parameters replaced, added or (empty) left out.
    pub(crate) fn authorize_url(&self, tenant: &str, changes: &[(&str, &str)]) -> Url {
        let client_id = self.app.client_id().to_string();
        let right = [
            ("client_id", client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", SCOPE),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let url = format!("{}/{tenant}/oauth2/v2.0/authorize", self.entra.login_origin());
        let mut url = Url::parse(&url).expect("a URL");
        url.query_pairs_mut().extend_pairs(changed(&right, changes));
        url
    }

    /// The fields that come back to the application from Contoso's own sign-in.
    pub(crate) async fn callback(
        &self,
        user: &User,
        answer: Answer,
        changes: &[(&str, &str)],
    ) -> Result<FieldList, BrowserError> {
        let url = self.authorize_url(&self.contoso.to_string(), changes);
        let request = Browser::new().walk(&url, user, answer).await?;
        Ok(FieldList::of_query(&request))
    }

    pub(crate) async fn code(&self) -> Result<String, Box<dyn Error>> {
        Ok(self.callback(&self.admin, Answer::Accept, &[]).await?.code()?.to_owned())
    }

    pub(crate) async fn post(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn Error>> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url).header(CONTENT_TYPE, FORM).body(body);
        Reply::read(request.send().await?).await
    }

    /// Redeems a code at Contoso.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn Error>> {
        self.redeem_at(&self.contoso.to_string(), code, changes).await
    }

    pub(crate) async fn redeem_at(
        &self,
        tenant: &str,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn Error>> {
        self.redeem_by(&self.token_url(tenant), code, changes).await
    }

    pub(crate) async fn redeem_by(
        &self,
        url: &str,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn Error>> {
        let client_id = self.app.client_id().to_string();
        let right = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id.as_str()),
            ("client_secret", SECRET),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.post(url, &changed(&right, changes)).await
    }

    pub(crate) async fn refresh_token(&self) -> Result<String, Box<dyn Error>> {
        self.refresh_token_of(&self.admin).await
    }

    pub(crate) async fn refresh_token_of(&self, user: &User) -> Result<String, Box<dyn Error>> {
        let fields = self.callback(user, Answer::Accept, &[]).await?;
        let reply = self.redeem(fields.code()?, &[]).await?;
        Ok(reply.text("refresh_token").to_owned())
    }

    pub(crate) async fn exchange(
        &self,
        tenant: &str,
        token: &str,
        changes: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn Error>> {
        let client_id = self.app.client_id().to_string();
        let scope = format!("openid offline_access {PARTNER_CENTER}/user_impersonation");
        let right = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id.as_str()),
            ("client_secret", SECRET),
            ("refresh_token", token),
            ("scope", scope.as_str()),
        ];
        self.post(&self.token_url(tenant), &changed(&right, changes)).await
    }

    /// As [`exchange`](Self::exchange), at the endpoint of v1.0, which takes a resource.
    pub(crate) async fn exchange_v1(
        &self,
        tenant: &str,
        token: &str,
        changes: &[(&str, &str)],
    ) -> Result<Reply, Box<dyn Error>> {
        let client_id = self.app.client_id().to_string();
        let right = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id.as_str()),
            ("client_secret", SECRET),
            ("refresh_token", token),
            ("resource", PARTNER_CENTER),
        ];
        let url = self.token_url(tenant).replace("/v2.0/", "/");
        self.post(&url, &changed(&right, changes)).await
    }

    /// A read of an API, with the question about the second factor, which only one understands.
    pub(crate) async fn read(&self, url: &str, access: &str) -> Result<Reply, Box<dyn Error>> {
        let request = self.http.get(url).header("ValidateMfa", "true");
        Reply::read(request.header(AUTHORIZATION, format!("Bearer {access}")).send().await?).await
    }

    pub(crate) fn customers_url(&self) -> String {
        format!("{}/v1/customers", self.entra.partner_center_origin())
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) async fn read(reply: reqwest::Response) -> Result<Self, Box<dyn Error>> {
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let body = reply.bytes().await?;
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Self { status, headers, body, json })
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.json[member].as_str().unwrap_or_default()
    }

    /// Status, error, suberror and AADSTS number of a refusal that can be traced.
    pub(crate) fn refusal(&self) -> (u16, &str, &str, u64) {
        let number = self.json["error_codes"][0].as_u64().unwrap_or_default();
        let text = self.text("error_description");
        for member in ["trace_id", "correlation_id"].into_iter().filter(|_| number != 0) {
            let id = self.text(member);
            assert!(id.len() == 36 && text.contains(id), "{member} {id:?} in {text:?}");
        }
        (self.status, self.text("error"), self.text("suberror"), number)
    }

    pub(crate) fn number(&self) -> u64 {
        self.refusal().3
    }

    pub(crate) fn claims(&self, token: &str) -> Value {
        self.part(token, 1)
    }

    pub(crate) fn part(&self, token: &str, part: usize) -> Value {
        let text = self.text(token).split('.').nth(part).expect("a JWT");
        let json = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        serde_json::from_slice(&json).expect("JSON")
    }
}

/// The fields of a callback.
pub(crate) struct FieldList(Vec<(String, String)>);

impl FieldList {
    pub(crate) fn of_query(request: &Request<Bytes>) -> Self {
        Self::decode(request.uri().query().unwrap_or_default().as_bytes())
    }

    pub(crate) fn decode(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn code(&self) -> Result<&str, Box<dyn Error>> {
        self.find("code").ok_or_else(|| format!("no code but {:?}", self.0).into())
    }

    /// The AADSTS number of a refusal that carries no code.
    pub(crate) fn refusal(&self) -> Option<u32> {
        aadsts(self.find("error_description").filter(|_| self.find("code").is_none())?)
    }
}

/// The number on the page that a browser got stuck at.
pub(crate) fn stuck_at(error: &BrowserError) -> Option<u32> {
    match error {
        BrowserError::Stuck { text } => aadsts(text),
        _ => None,
    }
}

pub(crate) fn aadsts(text: &str) -> Option<u32> {
    let digits = text.split("AADSTS").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

pub(crate) fn changed<'f>(
    right: &[(&'f str, &'f str)],
    by: &[(&'f str, &'f str)],
) -> Vec<(&'f str, &'f str)> {
    let kept = right.iter().filter(|(name, _)| by.iter().all(|(changed, _)| changed != name));
    kept.chain(by.iter().filter(|(_, value)| !value.is_empty())).copied().collect()
}
