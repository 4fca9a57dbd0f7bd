//! Certificates as strict clients want them.

use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};

use super::*;
use crate::model::clock::unix_seconds;

fn read(pem: &str) -> Certificate {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    Certificate::from_der(&der).expect("a certificate")
}

#[test]
fn the_authority_is_one_by_the_strictest_reading() {
    let ca = read(Authority::new().pem()).tbs_certificate;
    let (critical, basic) = ca.get::<BasicConstraints>().expect("DER").expect("there");
    assert!(critical && basic.ca && basic.path_len_constraint == Some(0));
    let (critical, usage) = ca.get::<KeyUsage>().expect("DER").expect("there");
    assert!(critical && usage.key_cert_sign() && !usage.digital_signature());
    assert!(ca.get::<SubjectKeyIdentifier>().expect("DER").is_some());
    assert_eq!(ca.subject, ca.issuer);
}

#[test]
fn a_certificate_names_its_servers_and_its_authority() {
    let authority = Authority::new();
    let names = ["panel.localhost", "127.0.0.1"].map(str::to_owned).to_vec();
    let issued = authority.issue(names).expect("names");
    let (ca, leaf) = (read(authority.pem()), read(&issued.certificate).tbs_certificate);
    let (_, alternative) = leaf.get::<SubjectAltName>().expect("DER").expect("there");
    let names = alternative.to_der().expect("DER");
    assert!(names.windows(15).any(|part| part == b"panel.localhost"));
    assert!(names.windows(4).any(|part| part == [127, 0, 0, 1]));
    let (_, of) = leaf.get::<AuthorityKeyIdentifier>().expect("DER").expect("there");
    let (_, its) = ca.tbs_certificate.get::<SubjectKeyIdentifier>().expect("DER").expect("there");
    assert_eq!(of.key_identifier.as_ref(), Some(&its.0));
    let (_, usage) = leaf.get::<ExtendedKeyUsage>().expect("DER").expect("there");
    assert_eq!(usage.0.len(), 1);
    assert!(leaf.get::<BasicConstraints>().expect("DER").is_none_or(|(_, basic)| !basic.ca));
    assert_eq!(leaf.issuer, ca.tbs_certificate.subject);
    assert!(issued.key.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(format!("{issued:?}"), "CertifiedKeyPem { .. }");
}

#[test]
fn it_is_valid_by_the_machines_clock_from_yesterday_for_thirty_days() {
    let ca = read(Authority::new().pem());
    let validity = ca.tbs_certificate.validity;
    let now = unix_seconds(std::time::SystemTime::now());
    let since = now - validity.not_before.to_unix_duration().as_secs();
    let left = validity.not_after.to_unix_duration().as_secs() - now;
    assert!((86_400..86_460).contains(&since), "{since}");
    assert!((30 * 86_400 - 60..=30 * 86_400).contains(&left), "{left}");
}

#[test]
fn names_that_are_none_are_refused() {
    let authority = Authority::new();
    assert!(authority.issue(Vec::new()).is_err());
    assert!(authority.issue(vec!["münchen".to_owned()]).is_err());
}

#[tokio::test]
async fn a_client_must_trust_this_authority_and_mean_this_server() {
    //
    let stage = Stage::new().await;
    let host = authority_of(&stage.https.origins().login).to_owned();
    let shake = async |ca: &str, name: &'static str| {
        let tcp = TcpStream::connect(&host).await.expect("it listens");
        trusting(ca).connect(ServerName::try_from(name).expect("a name"), tcp).await
    };
    assert!(shake(stage.https.ca_pem(), "localhost").await.is_ok());
    assert!(shake(stage.https.ca_pem(), "panel.localhost").await.is_err());
    assert!(shake(Authority::new().pem(), "localhost").await.is_err());
    stage.end().await;
}
