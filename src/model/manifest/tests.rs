//! A registration, its manifest in good order, and what is read and written of it.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::*;
use crate::model::clock::{VirtualClock, from_unix_seconds};
use crate::model::cloud::Cloud;
use crate::model::registration::ClientCredential;
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

mod linting;
mod properties;

const REDIRECT: &str = "https://panel.example/consent/callback";
const PANEL: Option<&str> = Some("panel.example");

fn registration_in(cloud: Cloud, credential: ClientCredential) -> AppRegistration {
    let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
    let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
    AppRegistration::new(cloud, home, client_id, credential, REDIRECT)
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a registration")
}

fn secret() -> ClientCredential {
    ClientCredential::secret("canary~secret").expect("plain text")
}

fn registration() -> AppRegistration {
    registration_in(Cloud::Global, secret())
}

fn now() -> SystemTime {
    from_unix_seconds(1_800_000_000)
}

fn clock() -> VirtualClock {
    VirtualClock::starting_at(now())
}

/// As Graph would answer for an application in good order.
fn good() -> Value {
    let mut all = Manifest::of(&registration(), "Vendor Panel").all;
    all["id"] = json!("aaaaaaaa-1111-4111-8111-111111111111");
    all["passwordCredentials"] = json!([
        { "displayName": "2026", "hint": "can", "secretText": null, "endDateTime": "2999-01-31T00:00:00.12Z" },
    ]);
    all["keyCredentials"] = json!([]);
    all["verifiedPublisher"] = json!({ "verifiedPublisherId": "1234567", "displayName": "Vendor" });
    all["spa"] = json!({ "redirectUris": [] });
    all["publicClient"] = json!({ "redirectUris": [] });
    all["info"] = json!({ "logoUrl": null });
    all
}

fn read(all: &Value) -> Manifest {
    Manifest::from_json(&all.to_string()).expect("a manifest")
}

fn certificate() -> ClientCredential {
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let params = CertificateParams::new(vec![]).expect("no names");
    let pem = params.self_signed(&key).expect("a certificate").pem() + &key.serialize_pem();
    ClientCredential::certificate(&pem).expect("valid")
}

#[test]
fn what_is_written_needs_only_what_entra_and_people_add() {
    let names = |app: &AppRegistration| {
        let manifest = Manifest::of(app, "Vendor Panel");
        assert_eq!(Manifest::from_json(&manifest.to_json()), Ok(manifest.clone()));
        manifest.lint(app, PANEL, &clock())
    };
    let publisher = ManifestFinding::PublisherNotVerified;
    assert_eq!(names(&registration()), [ManifestFinding::SecretMissing, publisher.clone()]);
    assert_eq!(names(&registration_in(Cloud::Global, certificate())), [publisher]);
    assert_eq!(names(&registration_in(Cloud::UsGovernment, certificate())), []);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let refused = |text: &str| Manifest::from_json(text).expect_err(text);
    for text in [
        "",
        "[]",
        "\"x\"",
        "{} {}",
        r#"{"displayName":"x","displayName":"y"}"#,
        r#"{"displayName":"x","api":{"acceptMappedClaims":true,"acceptMappedClaims":false}}"#,
        r#"{"displayName":"x","signInAudience":1}"#,
        r#"{"displayName":"x","appId":"panel"}"#,
        r#"{"displayName":"x","publicClient":true}"#,
        r#"{"displayName":"x","web":"x"}"#,
        r#"{"displayName":"x","web":[["https://panel.example/"],null]}"#,
        r#"{"displayName":"x","optionalClaims":{"idToken":[["acct"]]}}"#,
        r#"{"displayName":"x","passwordCredentials":[{"endDateTime":"tomorrow"}]}"#,
        r#"{"displayName":"x","passwordCredentials":[{"endDateTime":"2027-02-30T00:00:00Z"}]}"#,
        r#"{"displayName":"x","requiredResourceAccess":[{"resourceAppId":
            "00000003-0000-0000-c000-000000000000","resourceAccess":[{"id":"x","type":"Both"}]}]}"#,
    ] {
        assert!(matches!(refused(text), ManifestError::Malformed { .. }), "{text}");
    }
    for text in ["{}", r#"{"value":[]}"#, r#"{"displayName":""}"#] {
        assert_eq!(refused(text), ManifestError::NotAnApplication, "{text}");
    }
    for member in OLD_FORMAT {
        let text = json!({ "displayName": "x", member: null }).to_string();
        assert_eq!(refused(&text), ManifestError::OldFormat(member));
    }
    let tags = |count| json!({ "displayName": "x", "tags": vec!["x"; count] }).to_string();
    assert_eq!(refused(&tags(1201)), ManifestError::TooManyEntries(1201));
    assert!(Manifest::from_json(&tags(1200)).is_ok());
}

#[test]
fn no_secret_is_shown() {
    // R-137
    let secret = "kept-to-itself~1";
    let text = json!({ "displayName": "x", "passwordCredentials": [{ "secretText": secret }] });
    let manifest = read(&text);
    let findings = manifest.lint(&registration(), None, &clock());
    assert!(!format!("{manifest:?} {findings:?}").contains(secret));
    assert!(manifest.to_json().contains(secret), "it is kept as it was");
    for text in [
        format!(r#"{{"displayName":"x","passwordCredentials":"{secret}"}}"#),
        format!(r#"{{"displayName":"x","passwordCredentials":[{{"endDateTime":"{secret}"}}]}}"#),
        format!("{{ {secret} }}"),
    ] {
        let error = Manifest::from_json(&text).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
    assert!(!Manifest::of(&registration(), "x").to_json().contains("canary~secret"));
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}
