//! The table of findings in `docs/registration.md`, from the findings themselves.

use std::time::UNIX_EPOCH;

use super::{check_page, code, doc, docs_of, head, row, variant};
use crate::model::manifest::ManifestFinding;
use crate::model::scope::{Resource, Scope};
use crate::model::tenant::ClientId;

#[test]
fn registration_page_is_as_the_code_is() {
    check_page("registration.md", &[("findings", findings())]);
}

fn findings() -> String {
    let docs = docs_of(include_str!("../../model/manifest/finding.rs"), "ManifestFinding");
    let samples = samples();
    let listed: Vec<String> = samples.iter().map(variant).collect();
    let all: Vec<String> = docs.iter().map(|(variant, _)| variant.clone()).collect();
    assert_eq!(listed, all, "add a sample of each variant, in the order of their declaration");
    let mut table = head(&["Finding", "What was found", "", "Why it matters", "How to mend it"]);
    for (finding, variant) in samples.iter().zip(listed) {
        let (what, severity) = (doc(&docs, &variant), finding.severity().to_string());
        row(&mut table, &[&code(&variant), &what, &severity, finding.why(), finding.mend()]);
    }
    table
}

fn samples() -> Vec<ManifestFinding> {
    let id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
    let scope = Scope::new(Resource::Graph, "User.Read").expect("a scope");
    let (text, at) = (String::new, UNIX_EPOCH);
    vec![
        ManifestFinding::OtherApplication { found: id },
        ManifestFinding::ApplicationNotNamed,
        ManifestFinding::WrongAudience { found: text() },
        ManifestFinding::RedirectMissing,
        ManifestFinding::RedirectOfPublicClient { member: "spa" },
        ManifestFinding::RedirectNotTaken { index: 0, problem: "" },
        ManifestFinding::TooManyRedirects(257),
        ManifestFinding::RedirectElsewhere { redirect: text(), panel: text() },
        ManifestFinding::PermissionMissing(scope.clone()),
        ManifestFinding::SignInPermissionMissing("openid"),
        ManifestFinding::PermissionNotLookedFor(scope),
        ManifestFinding::PermissionBeyond { resource: id, permission: text() },
        ManifestFinding::ApplicationPermission { resource: id, id: text() },
        ManifestFinding::AppOnlyPartnerCenter { id: text() },
        ManifestFinding::AzureAdGraph,
        ManifestFinding::FallbackPublicClient,
        ManifestFinding::ImplicitGrant { member: "enableIdTokenIssuance" },
        ManifestFinding::MappedClaims,
        ManifestFinding::Unlocked,
        ManifestFinding::CertificateMissing,
        ManifestFinding::SecretMissing,
        ManifestFinding::SecretBesideBetter(1),
        ManifestFinding::CredentialEnded { name: text(), at },
        ManifestFinding::CredentialEndsSoon { name: text(), at },
        ManifestFinding::AuthTimeNotAsked,
        ManifestFinding::AcctNotAsked,
        ManifestFinding::RolesNotAsked,
        ManifestFinding::PublisherNotVerified,
    ]
}
