//! Client secrets as they lie in the bytes of a request, read by a decoder of these tests' own.

use cpv_consent::ClientCredential;

use crate::world::World;
use crate::world::recorder::Recorder;
use crate::{customer, own};

/// The fields of a form, by the letter of the URL Standard's `application/x-www-form-urlencoded`.
fn fields(form: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let cut = |pair: &[u8]| {
        let middle = pair.iter().position(|byte| *byte == b'=').expect("a name and a value");
        (decoded(&pair[..middle]), decoded(&pair[middle + 1..]))
    };
    pairs.map(cut).collect()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.iter();
    let hex = |digit: Option<&u8>| {
        let digit = char::from(*digit.expect("two digits")).to_digit(16);
        u8::try_from(digit.expect("hexadecimal")).expect("below 16")
    };
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => 16 * hex(rest.next()) + hex(rest.next()),
            plain => *plain,
        });
    }
    bytes
}

#[test]
fn the_decoder_of_these_tests_is_one() {
    let read = fields(b"a=%2B%26%3d&b=x+y&c=");
    let expected = [("a", "+&="), ("b", "x y"), ("c", "")];
    let expected = expected.map(|(name, value)| (name.into(), value.into()));
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_secret_of_any_characters_is_once_in_the_body_and_reads_back_as_it_is() {
    //
    let all: String = (b'!'..=b'~').map(char::from).collect();
    let each = all.chars().map(|one| format!("a{one}b{one}{one}")).collect::<Vec<_>>();
    let joined = each.concat();
    for secret in
        [&all, &joined, "+&=%:/?", "%20", "%", "a%zz", "&client_secret=x&", "==", "++", "#frag"]
    {
        let credential = ClientCredential::secret(secret).expect("visible ASCII");
        let world = World::proving(credential).await;
        let recorder = Recorder::new();
        let builder = world.builder(world.store().await).http(recorder.clone());
        let broker = builder.build().await.expect("a broker");
        world.onboard(&broker).await;
        own(&world, &broker).await.expect("a token");
        customer(&world, &broker).await.expect("a token");
        let seen = recorder.seen();
        let token_requests =
            seen.iter().filter(|seen| seen.request.uri().path().ends_with("/token"));
        let mut checked = 0;
        for request in token_requests.map(|seen| &seen.request) {
            assert_eq!((request.method().as_str(), request.uri().query()), ("POST", None));
            assert!(!request.headers().contains_key("authorization"));
            let fields = fields(request.body());
            let values: Vec<_> =
                fields.iter().filter(|(name, _)| name == b"client_secret").collect();
            let [(_, value)] = values.as_slice() else { panic!("{secret}: {}", values.len()) };
            assert_eq!(value, secret.as_bytes(), "{secret}");
            let named: std::collections::BTreeSet<_> =
                fields.iter().map(|(name, _)| name).collect();
            assert_eq!(named.len(), fields.len(), "no name comes twice");
            checked += 1;
        }
        assert_eq!(checked, 4, "a code and three refresh tokens");
    }
}
