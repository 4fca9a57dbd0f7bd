//! What comes over the wire, believed only where it can be: single odd replies of the token
//! endpoint, the keys endpoint and Partner Center.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "wire/bytes.rs"]
mod bytes;
#[path = "wire/chance.rs"]
mod chance;
#[path = "wire/entra.rs"]
mod entra;
#[path = "wire/front.rs"]
mod front;
#[path = "wire/keys.rs"]
mod keys;
#[path = "wire/partner_center.rs"]
mod partner_center;
#[path = "wire/properties.rs"]
mod properties;
#[path = "wire/relying_party.rs"]
mod relying_party;
#[path = "wire/replies.rs"]
mod replies;
#[path = "wire/signer.rs"]
mod signer;
#[path = "wire/stage.rs"]
mod stage;
#[path = "wire/standing.rs"]
mod standing;
mod world;
