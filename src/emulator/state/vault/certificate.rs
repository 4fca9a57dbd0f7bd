//! A certificate as the vault makes it for one of its keys: signed by that key itself.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, Error, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
    SigningKey, date_time_ymd,
};

use super::Pair;
use crate::model::clock::unix_seconds;

impl Pair {
    /// In PEM, without the key, which stays where it is.
    pub(crate) fn certificate(&self, from: SystemTime, lifetime: Duration) -> String {
        let mut params = CertificateParams::new([]).expect("no name is no wrong name");
        let from = date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_seconds(from));
        (params.not_before, params.not_after) = (from, from + lifetime);
        params.distinguished_name.push(DnType::CommonName, "cpv-consent emulator");
        params.self_signed(&Own(self)).expect("a key of our own signs").pem()
    }
}

struct Own<'p>(&'p Pair);

impl PublicKeyData for Own<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Own<'_> {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign_text(text))
    }
}
