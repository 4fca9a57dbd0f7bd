//! The emulator against raw HTTP: each refusal sends the wrong thing and reads the answer.

mod authorize;
mod bench;
mod browser;
mod certificate;
mod client;
mod code;
mod partner_center;
mod refresh;
mod script;
