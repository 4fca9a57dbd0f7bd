//! A good manifest has no finding; each break gives just its own.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{PANEL, REDIRECT, certificate, clock, good, list, now, read, registration};
use super::{registration_in, secret};
use crate::model::clock::from_unix_seconds;
use crate::model::cloud::Cloud;
use crate::model::manifest::{Manifest, ManifestFinding, permission, writing};
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scope};
use crate::model::tenant::ClientId;

#[test]
fn a_good_manifest_has_no_finding() {
    assert_eq!(findings_of(&good()), []);
}

#[test]
fn who_may_sign_in_and_whose_manifest_it_is() {
    let other = "33333333-3333-4333-8333-333333333333";
    let found = ClientId::parse(other).expect("a GUID");
    assert_eq!(
        after(|all| all["appId"] = json!(other)),
        [ManifestFinding::OtherApplication { found }]
    );
    assert_eq!(after(|all| all["appId"] = Value::Null), [ManifestFinding::ApplicationNotNamed]);
    for (audience, found) in [
        (json!("AzureADMyOrg"), "AzureADMyOrg"),
        (json!("AzureADandPersonalMicrosoftAccount"), "AzureADandPersonalMicrosoftAccount"),
        (json!("PersonalMicrosoftAccount"), "PersonalMicrosoftAccount"),
        (json!("azureadmultipleorgs"), "azureadmultipleorgs"),
        (Value::Null, "not set"),
    ] {
        let found = found.to_owned();
        let findings = after(|all| all["signInAudience"] = audience);
        assert_eq!(findings, [ManifestFinding::WrongAudience { found }]);
    }
}

#[test]
fn addresses_to_come_back_to() {
    for own in ["https://panel.example/consent/callback/", "https://panel.example/Consent/callback"]
    {
        let findings = after(|all| all["web"]["redirectUris"] = json!([own]));
        assert_eq!(findings, [ManifestFinding::RedirectMissing], "{own}");
    }
    for member in ["spa", "publicClient"] {
        let findings = after(|all| all[member]["redirectUris"] = json!([REDIRECT]));
        assert_eq!(findings, [ManifestFinding::RedirectOfPublicClient { member }]);
    }
    let many: Vec<_> = (0..256).map(|n| format!("https://panel.example/{n}")).collect();
    let findings = after(|all| all["spa"]["redirectUris"] = json!(many));
    assert_eq!(findings, [ManifestFinding::TooManyRedirects(257)]);
    let fewer = after(|all| all["spa"]["redirectUris"] = json!(many[1..]));
    assert_eq!(fewer, []);
}

#[test]
fn addresses_that_entra_does_not_take() {
    let long = format!("https://panel.example/{}", "x".repeat(256));
    for (uri, problem) in [
        ("/callback", "is not absolute"),
        ("http://panel.example/", "is http elsewhere than on localhost"),
        ("http://127.0.0.2/", "is http elsewhere than on localhost"),
        ("https://[::1]/", "has an IPv6 address"),
        ("panel://callback", "is neither https nor http on localhost"),
        ("https://*.panel.example/", "has a wildcard"),
        ("https://panel.example/a(b)", "has a character that Entra forbids"),
        (&long, "is longer than 256 characters"),
    ] {
        let findings = after(|all| all["web"]["redirectUris"] = json!([REDIRECT, uri]));
        assert_eq!(findings, [ManifestFinding::RedirectNotTaken { index: 1, problem }], "{uri}");
    }
    for uri in ["http://localhost:1/x", "http://127.0.0.1/x", "https://other.example/x?y=1"] {
        assert_eq!(after(|all| all["web"]["redirectUris"] = json!([REDIRECT, uri])), [], "{uri}");
    }
}

#[test]
fn consents_come_back_to_the_panel() {
    let lint = |panel| read(&good()).lint(&registration(), panel, &clock());
    let (redirect, panel) = ("panel.example".to_owned(), "www.panel.example".to_owned());
    let elsewhere = ManifestFinding::RedirectElsewhere { redirect, panel };
    assert_eq!(lint(Some("www.panel.example")), [elsewhere]);
    for panel in ["Panel.Example", "panel.example:8443", "https://panel.example/partners"] {
        assert_eq!(lint(Some(panel)), [], "{panel}");
    }
    assert_eq!(lint(None), []);
}

#[test]
fn the_port_of_this_machine_counts_nowhere() {
    let of = |own: &str, registered: &str, panel| {
        let home = registration().home();
        let client_id = registration().client_id();
        let app = AppRegistration::new(Cloud::Global, home, client_id, secret(), own);
        let app = app.and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]));
        let mut all = good();
        all["web"]["redirectUris"] = json!([registered]);
        read(&all).lint(&app.expect("a registration"), Some(panel), &clock())
    };
    let found =
        of("http://localhost:8400/x/callback", "http://localhost/x/callback", "localhost:80");
    assert_eq!(found, []);
    for (own, registered, panel) in [
        ("http://localhost:8400/x", "http://localhost/y", "localhost"),
        ("http://localhost:8400/x", "https://localhost/x", "localhost"),
        ("https://panel.example:8400/x", "https://panel.example/x", "panel.example"),
    ] {
        assert_eq!(of(own, registered, panel), [ManifestFinding::RedirectMissing], "{own}");
    }
    let name = of(
        "https://b\u{fc}cher.example/x",
        "https://xn--bcher-kva.example/x",
        "B\u{fc}cher.example",
    );
    assert_eq!(name, []);
}

#[test]
fn permissions_that_are_missing() {
    let graph = scope(Resource::Graph, "Directory.Read.All");
    let partner_center = scope(Resource::PartnerCenter, "user_impersonation");
    let without = |resource: &str, id: &str| {
        after(|all| {
            for one in list(&mut all["requiredResourceAccess"]) {
                if one["resourceAppId"] == resource {
                    list(&mut one["resourceAccess"]).retain(|access| access["id"] != id);
                }
            }
        })
    };
    assert_eq!(
        without(permission::GRAPH, READ_ALL),
        [ManifestFinding::PermissionMissing(graph.clone())]
    );
    assert_eq!(
        without(permission::PARTNER_CENTER, "1cebfa2a-fb4d-419e-b5f9-839b4383e05a"),
        [ManifestFinding::PermissionMissing(partner_center)]
    );
    let as_role = after(|all| {
        for one in list(&mut all["requiredResourceAccess"]) {
            for access in list(&mut one["resourceAccess"]) {
                if access["id"] == READ_ALL {
                    access["type"] = json!("Role");
                }
            }
        }
    });
    assert_eq!(as_role[0], ManifestFinding::PermissionMissing(graph), "a role has another id");
    for name in ["openid", "profile", "offline_access"] {
        let asked = scopes_named(name);
        let findings = without(permission::GRAPH, asked);
        assert_eq!(findings, [ManifestFinding::SignInPermissionMissing(name)]);
    }
}

/// The id of a permission that every sign-in asks for.
fn scopes_named(name: &str) -> &'static str {
    let mut all = permission::Permission::sign_in();
    let named =
        |one: &permission::Permission| permission::name_of(one.resource, one.id) == Some(name);
    all.find(named).expect("asked for").id
}

#[test]
fn ids_are_compared_without_their_case() {
    let upper = good().to_string().replace(READ_ALL, &READ_ALL.to_uppercase());
    let manifest = Manifest::from_json(&upper).expect("a manifest");
    assert_eq!(manifest.lint(&registration(), PANEL, &clock()), []);
}

#[test]
fn a_permission_whose_id_is_not_known_is_not_called_missing() {
    let api = Resource::custom("https://billing.example").expect("a URI");
    let app = registration().requesting(api.clone(), ["Invoice.Read"]).expect("a name");
    let mut all = good();
    list(&mut all["requiredResourceAccess"]).push(json!({
        "resourceAppId": "66666666-6666-4666-8666-666666666666",
        "resourceAccess": [{ "id": "77777777-7777-4777-8777-777777777777", "type": "Scope" }],
    }));
    let found = read(&all).lint(&app, PANEL, &clock());
    assert_eq!(found, [ManifestFinding::PermissionNotLookedFor(scope(api, "Invoice.Read"))]);
}

#[test]
fn an_unknown_id_of_a_known_api_may_be_the_one_that_is_asked_for() {
    let app = registration().requesting(Resource::Graph, ["Group.Read.All"]).expect("a name");
    let with = |id: &str| {
        let mut all = good();
        let required = list(&mut all["requiredResourceAccess"]).iter_mut();
        for one in required.filter(|one| one["resourceAppId"] == permission::GRAPH) {
            list(&mut one["resourceAccess"]).push(json!({ "id": id, "type": "Scope" }));
        }
        read(&all).lint(&app, PANEL, &clock())
    };
    let asked = scope(Resource::Graph, "Group.Read.All");
    let not_looked_for = ManifestFinding::PermissionNotLookedFor(asked);
    let found = with("5f8c59db-677d-491f-a6b8-5f174b11ec1d");
    assert_eq!(found, std::slice::from_ref(&not_looked_for));
    let [first, second] = with(USER_READ_ALL).try_into().expect("two findings");
    assert_eq!(first, not_looked_for);
    assert!(matches!(second, ManifestFinding::PermissionBeyond { .. }), "{second}");
}

#[test]
fn permissions_that_nobody_asks_for() {
    let with = |resource: &str, id: &str, kind: &str| {
        after(|all| {
            list(&mut all["requiredResourceAccess"]).push(json!({
                "resourceAppId": resource, "resourceAccess": [{ "id": id, "type": kind }],
            }));
        })
    };
    let beyond = |resource: &str, permission: &str| {
        let resource = ClientId::parse(resource).expect("a GUID");
        [ManifestFinding::PermissionBeyond { resource, permission: permission.to_owned() }]
    };
    let other = "66666666-6666-4666-8666-666666666666";
    assert_eq!(
        with(permission::GRAPH, USER_READ_ALL, "Scope"),
        beyond(permission::GRAPH, "User.Read.All")
    );
    let resource = ClientId::parse(permission::GRAPH).expect("a GUID");
    assert_eq!(
        with(permission::GRAPH, other, "Role"),
        [ManifestFinding::ApplicationPermission { resource, id: other.to_owned() }]
    );
    assert_eq!(with(other, READ_ALL, "Scope"), beyond(other, READ_ALL));
    let id = other.to_owned();
    assert_eq!(
        with(permission::PARTNER_CENTER, other, "Role"),
        [ManifestFinding::AppOnlyPartnerCenter { id }]
    );
    assert_eq!(
        with(permission::AZURE_AD_GRAPH, "311a71cc-e848-46a1-bdf8-97ff7156d8e6", "Scope"),
        [ManifestFinding::AzureAdGraph]
    );
}

#[test]
fn ways_in_that_are_not_needed() {
    assert_eq!(
        after(|all| all["isFallbackPublicClient"] = json!(true)),
        [ManifestFinding::FallbackPublicClient]
    );
    for member in ["enableIdTokenIssuance", "enableAccessTokenIssuance"] {
        let findings = after(|all| all["web"]["implicitGrantSettings"][member] = json!(true));
        assert_eq!(findings, [ManifestFinding::ImplicitGrant { member }]);
    }
    assert_eq!(
        after(|all| all["api"]["acceptMappedClaims"] = json!(true)),
        [ManifestFinding::MappedClaims]
    );
    for lock in [json!(null), json!({ "isEnabled": true }), json!({ "allProperties": true })] {
        let findings = after(|all| all["servicePrincipalLockConfiguration"] = lock.clone());
        assert_eq!(findings, [ManifestFinding::Unlocked], "{lock}");
    }
}

/// The moment so many days from now, as Graph writes it.
fn in_days(days: u64) -> (String, SystemTime) {
    let at = now() + Duration::from_secs(days * DAY);
    let text = x509_cert::der::DateTime::from_system_time(at).expect("a date").to_string();
    (text, at)
}

#[test]
fn credentials_end() {
    let ending =
        |text: &str| after(|all| all["passwordCredentials"][0]["endDateTime"] = json!(text));
    let name = || "2026".to_owned();
    let at = from_unix_seconds(1_799_999_999);
    assert_eq!(
        ending("2027-01-15T07:59:59Z"),
        [ManifestFinding::CredentialEnded { name: name(), at }]
    );
    let (text, at) = in_days(0);
    assert_eq!(ending(&text), [ManifestFinding::CredentialEnded { name: name(), at }]);
    let (text, at) = in_days(30);
    assert_eq!(ending(&text), [ManifestFinding::CredentialEndsSoon { name: name(), at }]);
    assert_eq!(ending(&in_days(31).0), []);
    let bare = after(|all| all["passwordCredentials"] = json!([]));
    assert_eq!(bare, [ManifestFinding::SecretMissing]);
    let both = after(|all| all["keyCredentials"] = json!([{ "keyId": "x", "key": null }]));
    assert_eq!(both, [ManifestFinding::SecretBesideBetter(1)]);
}

#[test]
fn a_certificate_is_known_by_its_bytes_or_its_thumbprint() {
    let app = registration_in(Cloud::Global, certificate());
    let mut all = good();
    all["passwordCredentials"] = json!([]);
    let lint = |all: &Value| read(all).lint(&app, PANEL, &clock());
    assert_eq!(lint(&all), [ManifestFinding::CertificateMissing]);
    let written = Manifest::of(&app, "Vendor Panel").all["keyCredentials"].clone();
    all["keyCredentials"] = written.clone();
    assert_eq!(lint(&all), []);
    all["keyCredentials"][0]["key"] = Value::Null;
    assert_eq!(lint(&all), [], "as it is exported");
    let thumbprint = writing::thumbprint(app.credential().as_certificate().expect("one"));
    let hex: String = thumbprint.iter().map(|byte| format!("{byte:02x}")).collect();
    all["keyCredentials"][0]["customKeyIdentifier"] = json!(hex);
    assert_eq!(lint(&all), [], "as the portal shows it");
    all["keyCredentials"][0]["customKeyIdentifier"] = json!("x");
    assert_eq!(lint(&all), [ManifestFinding::CertificateMissing]);
}

#[test]
fn claims_that_a_consent_is_judged_by() {
    let claims = |names: &[&str]| {
        let claims: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        after(|all| all["optionalClaims"]["idToken"] = json!(claims))
    };
    assert_eq!(claims(&["acct"]), [ManifestFinding::AuthTimeNotAsked]);
    assert_eq!(claims(&["auth_time"]), [ManifestFinding::AcctNotAsked]);
    let neither = after(|all| all["optionalClaims"] = Value::Null);
    assert_eq!(neither, [ManifestFinding::AuthTimeNotAsked, ManifestFinding::AcctNotAsked]);
    for asked in [json!(null), json!("None"), json!("ApplicationGroup")] {
        let findings = after(|all| all["groupMembershipClaims"] = asked.clone());
        assert_eq!(findings, [ManifestFinding::RolesNotAsked], "{asked}");
    }
    for asked in ["All", "SecurityGroup, DirectoryRole"] {
        assert_eq!(after(|all| all["groupMembershipClaims"] = json!(asked)), [], "{asked}");
    }
}

#[test]
fn publishers_are_verified_where_that_can_be() {
    for none in [json!(null), json!({ "verifiedPublisherId": null })] {
        let findings = after(|all| all["verifiedPublisher"] = none);
        assert_eq!(findings, [ManifestFinding::PublisherNotVerified]);
    }
    let mut all = good();
    all["verifiedPublisher"] = Value::Null;
    let app = registration_in(Cloud::China, secret());
    assert_eq!(read(&all).lint(&app, PANEL, &clock()), []);
}

#[test]
fn findings_come_in_the_order_of_their_declaration() {
    let findings = after(|all| {
        all["verifiedPublisher"] = Value::Null;
        all["passwordCredentials"][0]["endDateTime"] = json!("2001-01-01T00:00:00Z");
        all["isFallbackPublicClient"] = json!(true);
        all["requiredResourceAccess"] = json!([]);
        all["web"]["redirectUris"] = json!(["x"]);
        all["signInAudience"] = json!("AzureADMyOrg");
    });
    let names: Vec<String> = findings.iter().map(|finding| format!("{finding:?}")).collect();
    let names: Vec<&str> = names.iter().filter_map(|name| name.split([' ', '(']).next()).collect();
    assert_eq!(
        names,
        [
            "WrongAudience",
            "RedirectMissing",
            "RedirectNotTaken",
            "PermissionMissing",
            "PermissionMissing",
            "SignInPermissionMissing",
            "SignInPermissionMissing",
            "SignInPermissionMissing",
            "FallbackPublicClient",
            "CredentialEnded",
            "PublisherNotVerified"
        ]
    );
}

fn findings_of(all: &Value) -> Vec<ManifestFinding> {
    read(all).lint(&registration(), PANEL, &clock())
}

/// What is found once a good manifest was changed so.
fn after(change: impl FnOnce(&mut Value)) -> Vec<ManifestFinding> {
    let mut all = good();
    change(&mut all);
    findings_of(&all)
}

fn scope(resource: Resource, name: &str) -> Scope {
    Scope::new(resource, name).expect("a scope")
}

const DAY: u64 = 86_400;
const READ_ALL: &str = "06da0dbc-49e2-44d2-8312-53f166ab848a";
const USER_READ_ALL: &str = "a154be20-db9c-4678-8ab7-66f6cc099a59";
