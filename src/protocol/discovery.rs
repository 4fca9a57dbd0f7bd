//! What an authority says of itself, for a look before the first partner: nothing else depends on it,
//! since every address is made from the cloud.
//!
//! Source: OpenID Connect Discovery 1.0, section 4; Microsoft identity platform, "OpenID Connect".

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, Response, StatusCode};

use crate::model::cloud::Authority;
use crate::protocol::json::{Members, Wrong};
use crate::transport::http::{HttpError, Wire};

/// An authority's metadata, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
}

/// Asks for an authority's metadata; whatever is answered is handed back.
pub(crate) async fn ask(wire: &Wire, authority: &Authority) -> Result<Response<Bytes>, HttpError> {
    let request = Request::get(authority.metadata_url().as_str())
        .header(ACCEPT, "application/json")
        .body(Bytes::new())
        .expect("an authority's address makes a request");
    wire.send(request).await
}

/// The metadata in such an answer, where it is some.
pub(crate) fn read(reply: &Response<Bytes>) -> Option<Metadata> {
    let members = Members::parse(reply.body()).filter(|_| reply.status() == StatusCode::OK)?;
    Metadata::of(members).ok().flatten()
}

impl Metadata {
    fn of(mut members: Members) -> Result<Option<Self>, Wrong> {
        let issuer = members.text("issuer")?;
        let authorization_endpoint = members.text("authorization_endpoint")?;
        let token_endpoint = members.text("token_endpoint")?;
        let jwks_uri = members.text("jwks_uri")?;
        let all = (issuer, authorization_endpoint, token_endpoint, jwks_uri);
        let (Some(issuer), Some(authorization_endpoint), Some(token_endpoint), Some(jwks_uri)) =
            all
        else {
            return Ok(None);
        };
        Ok(Some(Self { issuer, authorization_endpoint, token_endpoint, jwks_uri }))
    }

    /// The first member that names another address than the cloud's.
    pub(crate) fn other_address(&self, authority: &Authority) -> Option<&'static str> {
        let own = [
            ("authorization_endpoint", &self.authorization_endpoint, authority.authorize_url()),
            ("token_endpoint", &self.token_endpoint, authority.token_url()),
            ("jwks_uri", &self.jwks_uri, authority.keys_url()),
        ];
        let mut other = own.into_iter().filter(|(_, said, own)| **said != own.as_str());
        other.next().map(|(member, ..)| member)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::cloud::Cloud;
    use crate::model::tenant::TenantId;

    use super::*;

    const BASE: &str = "https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111";

    fn said(token: &str) -> String {
        format!(
            r#"{{"issuer":"{BASE}/v2.0","authorization_endpoint":"{BASE}/oauth2/v2.0/authorize",
                "token_endpoint":"{token}","jwks_uri":"{BASE}/discovery/v2.0/keys","x":1}}"#
        )
    }

    fn reply(status: u16, body: &str) -> Response<Bytes> {
        let reply = Response::builder().status(status).body(Bytes::from(body.to_owned()));
        reply.expect("a reply")
    }

    #[test]
    fn metadata_is_compared_letter_by_letter() {
        let tenant = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let authority = Authority::of(&Cloud::Global, tenant);
        let other = |token: &str| {
            read(&reply(200, &said(token))).expect("metadata").other_address(&authority)
        };
        assert_eq!(other(&format!("{BASE}/oauth2/v2.0/token")), None);
        assert_eq!(other(&format!("{BASE}/oauth2/token")), Some("token_endpoint"));
        assert_eq!(other(""), Some("token_endpoint"));
    }

    #[test]
    fn what_is_no_metadata_is_none() {
        let good = said(&format!("{BASE}/oauth2/v2.0/token"));
        assert!(read(&reply(200, &good)).is_some());
        assert!(read(&reply(400, &good)).is_none());
        for body in ["", "[]", "{}", "<html>", r#"{"issuer":1}"#, &good.replace("jwks_uri", "x2")] {
            assert!(read(&reply(200, body)).is_none(), "{body}");
        }
    }

    #[test]
    fn metadata_that_names_a_member_twice_is_none() {
        // R-081
        let good = said(&format!("{BASE}/oauth2/v2.0/token"));
        for more in [
            format!(r#""issuer":"{BASE}/v2.0""#),
            format!(r#""\u0069ssuer":"{BASE}/v2.0""#),
            r#""token_endpoint":"https://evil.example/token""#.to_owned(),
            r#""x":1"#.to_owned(),
            r#""y":{"z":1,"z":1}"#.to_owned(),
        ] {
            // Whichever of the two is read, the rest is good.
            for body in [
                good.replacen('{', &format!("{{{more},"), 1),
                format!("{},{more}}}", &good[..good.len() - 1]),
            ] {
                assert!(read(&reply(200, &body)).is_none(), "{body}");
            }
        }
        let once = good.replacen('{', r#"{"y":{"z":1},"#, 1);
        assert!(read(&reply(200, &once)).is_some());
    }
}
