//! Whatever a manifest holds: nothing is lost, nothing panics, and what is fitted is right.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PANEL, REDIRECT, clock, good, read, registration};
use crate::model::manifest::{Manifest, ManifestFinding, permission};

/// Any JSON under names that nobody knows.
fn unknown() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9 é\"\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("x[a-z]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Places where Graph may have members that are not known here.
const PLACES: [&str; 9] = [
    "",
    "/web",
    "/web/implicitGrantSettings",
    "/api",
    "/optionalClaims",
    "/optionalClaims/idToken/0",
    "/servicePrincipalLockConfiguration",
    "/requiredResourceAccess/0",
    "/passwordCredentials/0",
];

proptest! {
    #[test]
    fn unknown_members_are_kept(added in prop::collection::vec((0..PLACES.len(), "x[a-z]{0,6}", unknown()), 0..8)) {
        let mut all = good();
        for (place, name, value) in &added {
            all.pointer_mut(PLACES[*place]).expect("a place")[name.as_str()] = value.clone();
        }
        let read = read(&all);
        let back: Value = serde_json::from_str(&read.to_json()).expect("JSON");
        prop_assert_eq!(&back, &all);
        let fitted = read.fitted_to(&registration()).all;
        prop_assert_eq!(&fitted, &all, "what is right already is left alone");
    }

    #[test]
    fn what_is_fitted_lacks_nothing_that_a_manifest_can_have(broken in prop::collection::vec(0..BREAKS.len(), 0..12)) {
        let mut all = good();
        broken.iter().for_each(|at| BREAKS[*at](&mut all));
        let fitted = read(&all).fitted_to(&registration());
        let left = fitted.lint(&registration(), PANEL, &clock());
        prop_assert_eq!(left, vec![]);
        prop_assert_eq!(&fitted.clone().fitted_to(&registration()), &fitted);
    }
}

/// Members that are read, each of which somebody may fill with anything.
const READ: [&str; 24] = [
    "/appId",
    "/displayName",
    "/signInAudience",
    "/web",
    "/web/redirectUris",
    "/web/redirectUris/0",
    "/web/implicitGrantSettings",
    "/web/implicitGrantSettings/enableIdTokenIssuance",
    "/spa",
    "/spa/redirectUris",
    "/requiredResourceAccess",
    "/requiredResourceAccess/0",
    "/requiredResourceAccess/0/resourceAppId",
    "/requiredResourceAccess/0/resourceAccess",
    "/requiredResourceAccess/0/resourceAccess/0",
    "/keyCredentials",
    "/passwordCredentials",
    "/passwordCredentials/0",
    "/passwordCredentials/0/endDateTime",
    "/optionalClaims",
    "/optionalClaims/idToken",
    "/optionalClaims/idToken/0",
    "/groupMembershipClaims",
    "/servicePrincipalLockConfiguration",
];

proptest! {
    //
    #[test]
    fn whatever_is_written_is_read_whole_or_refused(
        place in prop::sample::select(&READ[..]),
        value in unknown(),
    ) {
        let mut all = good();
        *all.pointer_mut(place).expect("a place") = value;
        if let Ok(read) = Manifest::from_json(&all.to_string()) {
            prop_assert_eq!(&read.all, &all);
            let _looked_at = read.lint(&registration(), PANEL, &clock());
            let left = read.fitted_to(&registration()).lint(&registration(), PANEL, &clock());
            prop_assert!(!left.contains(&ManifestFinding::RedirectMissing), "{:?}", left);
        }
    }

    //
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,64}") {
        let _ = Manifest::from_json(&text);
    }
}

/// What `fitted_to` puts right.
const BREAKS: [fn(&mut Value); 14] = [
    |all| all["signInAudience"] = json!("AzureADMyOrg"),
    |all| all["isFallbackPublicClient"] = json!(true),
    |all| all["web"] = Value::Null,
    |all| all["spa"] = json!({ "redirectUris": [REDIRECT] }),
    |all| all["publicClient"] = json!({ "redirectUris": [REDIRECT, "https://panel.example/x"] }),
    |all| all["requiredResourceAccess"] = Value::Null,
    |all| {
        all["requiredResourceAccess"] = json!([
            { "resourceAppId": permission::AZURE_AD_GRAPH, "resourceAccess": [{ "id": "x", "type": "Scope" }] },
            { "resourceAppId": permission::PARTNER_CENTER, "resourceAccess": [{ "id": "x", "type": "Role" }] },
        ]);
    },
    |all| all["optionalClaims"] = Value::Null,
    |all| all["optionalClaims"] = json!({ "idToken": [{ "name": "email" }], "accessToken": [] }),
    |all| all["groupMembershipClaims"] = json!("None"),
    |all| all["groupMembershipClaims"] = json!("SecurityGroup"),
    |all| all["api"] = json!({ "acceptMappedClaims": true, "requestedAccessTokenVersion": null }),
    |all| all["servicePrincipalLockConfiguration"] = json!({ "isEnabled": false }),
    |all| all["web"]["implicitGrantSettings"] = json!({ "enableIdTokenIssuance": true }),
];
