//! The same questions, asked of the emulator: a vendor, a partner that consented, one customer.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cpv_consent::emulator::{Answer, Browser, Emulator, User, VaultRight, VaultUser};
use cpv_consent::store::Memory;
use cpv_consent::{
    AccessToken, AccountId, AppRegistration, Broker, Callback, ClientCredential, ClientId, Cloud,
    Environment, Http, KeyRing, LocalKey, Origins, Reqwest, Resource, TenantId,
};
use http::Request;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::Value;
use url::Url;

use super::Outcome;
use super::settings::{CallbackDesk, KeyVault, Patience, Settings};

/// A world in which every question can be asked.
pub(crate) struct Rehearsal {
    pub(crate) entra: Emulator,
    pub(crate) app: AppRegistration,
    pub(crate) partner: TenantId,
    pub(crate) admin: User,
    pub(crate) customer: TenantId,
    /// What the person does who is shown the link.
    pub(crate) person: Answer,
    store: Arc<Memory>,
    keys: KeyRing,
    listener: TcpListener,
}

impl Rehearsal {
    pub(crate) async fn new() -> Outcome<Self> {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        let certificate = CertificateParams::new(vec!["vendor.example".to_owned()])?;
        let pem = format!("{}{}", certificate.self_signed(&key)?.pem(), key.serialize_pem());
        Self::proving(ClientCredential::certificate(&pem)?).await
    }

    /// A vendor with this credential.
    pub(crate) async fn proving(credential: ClientCredential) -> Outcome<Self> {
        let entra = Emulator::builder().start().await?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let redirect = format!("http://{}/consent/callback", listener.local_addr()?);
        let app = registration(&entra, credential, &redirect)?;
        entra.register(&app);
        let partner = entra.add_tenant("Contoso");
        let admin = entra.add_user(partner, "admin@contoso.example");
        let customer = entra.add_customer(partner, "Fabrikam");
        entra.grant(customer, app.client_id(), "https://graph.microsoft.com", &GRAPH);
        let keys = KeyRing::new(LocalKey::generate("rehearsal")?);
        let (store, person) = (Arc::new(Memory::new()), Answer::Accept);
        let rehearsal =
            Self { entra, app, partner, admin, customer, person, store, keys, listener };
        rehearsal.onboard().await?;
        Ok(rehearsal)
    }

    async fn onboard(&self) -> Outcome<()> {
        let broker = Broker::builder(self.app.clone(), Arc::clone(&self.store), self.keys.clone());
        let broker = broker.build().await?;
        let account = AccountId::new("example-account")?;
        let pending = broker.partner(self.partner).request_consent(account).await?;
        let mut browser = Browser::new();
        browser.keep_cookie(pending.browser_key().set_cookie().to_str()?);
        let callback = browser.consent(pending.authorize_url(), &self.admin).await?;
        let found = broker.capture_consent(Callback::from_request(&callback)?).await?;
        found.confirm().await?;
        Ok(())
    }

    pub(crate) async fn settings(&self) -> Outcome<Settings> {
        let http: Arc<dyn Http> = Arc::new(Reqwest::new()?);
        let token = Some(self.vault_token(&*http).await?);
        Ok(Settings {
            app: self.app.clone(),
            environment: Environment::Sandbox,
            partner: self.partner,
            customer: self.customer,
            store: self.store.clone(),
            keys: self.keys.clone(),
            http,
            key_vault: Some(KeyVault { origin: self.entra.key_vault_origin().to_owned(), token }),
            callback: Some(self.desk()?),
            patience: Patience { looks: 2, pause: Duration::ZERO },
        })
    }

    /// What a machine in Azure gets from its managed identity.
    async fn vault_token(&self, http: &dyn Http) -> Outcome<AccessToken> {
        let identity = self.entra.add_managed_identity();
        self.entra.vault_rights(VaultUser::Application(identity), &VaultRight::ALL);
        let url = format!(
            "{}/metadata/identity/oauth2/token?api-version=2018-02-01\
             &resource=https://vault.azure.net&client_id={identity}",
            self.entra.managed_identity_origin(),
        );
        let request = Request::get(url).header("metadata", "true").body(Bytes::new())?;
        let reply: Value = serde_json::from_slice(http.send(request, 64 * 1024).await?.body())?;
        let token = reply["access_token"].as_str().ok_or("no token for the vault")?;
        Ok(AccessToken::new(token)?)
    }

    /// The person opens the link as soon as it is shown.
    fn desk(&self) -> Outcome<CallbackDesk> {
        let (admin, person) = (self.admin.clone(), self.person);
        let show = move |link: &Url| {
            let (link, admin) = (link.clone(), admin.clone());
            tokio::spawn(async move {
                let mut browser = Browser::new();
                let callback = browser.walk(&link, &admin, person).await?;
                browser.send(callback).await
            });
        };
        Ok(CallbackDesk { listener: self.listener.try_clone()?, show: Box::new(show) })
    }
}

fn registration(
    entra: &Emulator,
    credential: ClientCredential,
    redirect: &str,
) -> Outcome<AppRegistration> {
    let origins = Origins {
        login: entra.login_origin(),
        partner_center: entra.partner_center_origin(),
        graph: entra.graph_origin(),
    };
    let cloud = Cloud::danger_loopback("emulator", origins)?;
    let home = entra.add_tenant("The vendor");
    let client_id = ClientId::parse("c11e0700-2222-4222-8222-222222222222")?;
    let app = AppRegistration::new(cloud, home, client_id, credential, redirect)?;
    Ok(app.environment(Environment::Sandbox).requesting(Resource::Graph, GRAPH)?)
}

/// Enough to read grants and relationships.
const GRAPH: [&str; 2] = ["Directory.Read.All", "DelegatedAdminRelationship.Read.All"];
