//! Microsoft's side, broken: addresses, authority, Partner Center, clock, credential.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::emulator::{Endpoint, Failure, Rule};
use cpv_consent::{
    AppRegistration, Cause, Checked, ClientCredential, Clock, Cloud, Http, HttpError, HttpFault,
    Origins, Reqwest, Topic, Trouble, VirtualClock,
};
use http::{Request, Response};

use super::bench::{builder, builder_of, look, only, outcome};
use crate::world::{REDIRECT, World, registration_proving};

fn not_checked(checkup: &cpv_consent::Checkup, topics: &[Topic]) {
    for topic in topics {
        assert!(matches!(outcome(checkup, *topic), Checked::NotChecked(_)), "{topic}: {checkup}");
    }
}

/// Replaces a text in Entra's metadata.
#[derive(Debug)]
struct Rewritten {
    http: Reqwest,
    from: &'static str,
    to: &'static str,
}

#[async_trait]
impl Http for Rewritten {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let is_metadata = request.uri().path().ends_with("/openid-configuration");
        let reply = self.http.send(request, longest_body).await?;
        if !is_metadata {
            return Ok(reply);
        }
        let text = String::from_utf8_lossy(reply.body()).replace(self.from, self.to);
        Ok(reply.map(|_| text.into()))
    }
}

async fn reading(world: &World, from: &'static str, to: &'static str) -> cpv_consent::Checkup {
    let http = Rewritten { http: Reqwest::new().expect("a client"), from, to };
    look(world, &builder(world).await.http(http)).await
}

#[tokio::test]
async fn another_issuer_is_found() {
    // R-078, oidcc-client-test-discovery-issuer-mismatch
    let world = World::new().await;
    let checkup = reading(&world, "/v2.0\",\"jwks", "/v1.0?canary\",\"jwks").await;
    let Trouble::OtherIssuer { found, expected } = only(&checkup, Topic::Authority) else {
        panic!("{checkup}")
    };
    assert_eq!(expected, format!("{}/{}/v2.0", world.entra.login_origin(), world.app.home()));
    assert_eq!(found, expected.replace("/v2.0", "/v1.0"), "and no query");
    for none in ["\"issuer_was\":", "\"issuer\":[],\"was\":", "\"issuer\":null,\"was\":"] {
        let checkup = reading(&world, "\"issuer\":", none).await;
        let failures: Vec<_> = checkup.failures().collect();
        assert!(matches!(failures[..], [(_, Trouble::NoMetadata { .. })]), "{none}: {checkup}");
    }
}

#[tokio::test]
async fn addresses_that_are_not_the_clouds_are_found() {
    // R-079, oidcc-client-test-discovery-openid-config
    let world = World::new().await;
    for (from, to, member) in [
        ("/oauth2/v2.0/token", "/oauth2/token", "token_endpoint"),
        ("/oauth2/v2.0/authorize", "/x", "authorization_endpoint"),
        ("/discovery/v2.0/keys", "/x", "jwks_uri"),
    ] {
        let checkup = reading(&world, from, to).await;
        let host = "127.0.0.1".to_owned();
        assert_eq!(only(&checkup, Topic::Addresses), Trouble::OtherAddress { host, member });
    }
    let checkup = reading(&world, "{", "<").await;
    assert!(matches!(only(&checkup, Topic::Addresses), Trouble::NoMetadata { .. }));
    not_checked(&checkup, &[Topic::Authority]);
}

/// A registration whose cloud has these origins.
fn at(world: &World, login: &str, partner_center: &str) -> AppRegistration {
    let origins = Origins { login, partner_center, graph: world.entra.graph_origin() };
    let cloud = Cloud::danger_loopback("emulator", origins).expect("loopback origins");
    registration_proving(cloud, ClientCredential::secret(super::bench::SECRET).expect("plain"))
}

const NOBODY: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn a_login_host_that_does_not_answer_is_one_failure() {
    let world = World::new().await;
    let app = at(&world, NOBODY, world.entra.partner_center_origin());
    let checkup = look(&world, &builder_of(&world, app).await).await;
    let unreachable = Trouble::Unreachable(HttpError::new(HttpFault::Connect, "127.0.0.1"));
    assert_eq!(only(&checkup, Topic::Addresses), unreachable);
    not_checked(&checkup, &[Topic::Authority, Topic::CredentialTaken]);
}

#[tokio::test]
async fn a_tenant_that_entra_does_not_know_is_one_failure() {
    let world = World::new().await;
    world.entra.remove_tenant(world.app.home());
    let checkup = look(&world, &builder(&world).await).await;
    let failures: Vec<_> = checkup.failures().map(|(topic, _)| topic).collect();
    assert_eq!(failures, [Topic::Addresses, Topic::CredentialTaken], "{checkup}");
    assert!(checkup.to_string().contains("home tenant"), "{checkup}");
}

#[tokio::test]
async fn partner_center_must_answer_as_itself() {
    let world = World::new().await;
    let app = at(&world, world.entra.login_origin(), NOBODY);
    let checkup = look(&world, &builder_of(&world, app).await).await;
    assert!(matches!(only(&checkup, Topic::PartnerCenter), Trouble::Unreachable(_)));
    for status in [200, 403, 404, 503] {
        let rule = world.entra.fail(Rule::at(Endpoint::Customers), Failure::status(status));
        let checkup = look(&world, &builder(&world).await).await;
        let host = "127.0.0.1".to_owned();
        assert_eq!(only(&checkup, Topic::PartnerCenter), Trouble::Answered { host, status });
        rule.clear();
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_found_whichever_way() {
    let world = World::new().await;
    for (shift, expected) in [(600, Some(true)), (-600, Some(false)), (55, None), (-55, None)] {
        let now = world.clock.now();
        let by = Duration::from_secs(u64::from(i32::unsigned_abs(shift)));
        let other = if shift > 0 { now + by } else { now - by };
        let clock = VirtualClock::starting_at(other);
        let checkup = look(&world, &builder(&world).await.clock(clock)).await;
        let Some(later) = expected else {
            assert!(checkup.is_healthy(), "{checkup}");
            continue;
        };
        let Trouble::ClockOff { by, ahead, .. } = only(&checkup, Topic::Clock) else {
            panic!("{checkup}")
        };
        assert!(ahead == later && by > Duration::from_secs(500), "{checkup}");
    }
}

#[tokio::test]
async fn a_date_that_only_a_cache_has_kept_is_no_failure() {
    let world = World::new().await;
    world.entra.fail(Rule::at(Endpoint::Discovery), Failure::clock_skew(-3600));
    let checkup = look(&world, &builder(&world).await).await;
    assert!(checkup.is_healthy(), "{checkup}");
    world.entra.fail(Rule::at(Endpoint::Customers), Failure::clock_skew(-3600));
    let checkup = look(&world, &builder(&world).await).await;
    assert!(matches!(only(&checkup, Topic::Clock), Trouble::ClockOff { ahead: true, .. }));
}

#[tokio::test]
async fn a_credential_that_entra_refuses_is_found() {
    let world = World::new().await;
    let refused = async |builder| {
        let checkup = look(&world, &builder).await;
        match only(&checkup, Topic::CredentialTaken) {
            Trouble::Refused(error) => (error.cause(), error.number()),
            other => panic!("{other:?}"),
        }
    };
    let wrong = ClientCredential::secret("another-secret").expect("plain text");
    let app = AppRegistration::new(
        world.app.cloud().clone(),
        world.app.home(),
        world.app.client_id(),
        wrong,
        REDIRECT,
    );
    let app =
        app.and_then(|app| app.requesting(cpv_consent::Resource::Graph, ["Directory.Read.All"]));
    let wrong = builder_of(&world, app.expect("a registration")).await;
    assert_eq!(refused(wrong).await, (Cause::CredentialRejected, Some(7_000_215)));
    world.entra.disable_application(world.app.client_id(), true);
    let disabled = refused(builder(&world).await).await;
    assert_eq!(disabled.0, Cause::ApplicationDisabled);
    world.entra.disable_application(world.app.client_id(), false);
    world.entra.expire_secrets(world.app.client_id());
    let rationed = builder(&world).await.token_budget(std::num::NonZeroU32::MIN);
    let expired = refused(rationed).await;
    assert_eq!(expired, (Cause::CredentialRejected, Some(7_000_222)));
}

#[tokio::test]
async fn a_look_leaves_no_token_behind() {
    let world = World::new().await;
    look(&world, &builder(&world).await).await;
    let requests = world.entra.ledger();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].result, Err(70_000), "no token is issued");
}
