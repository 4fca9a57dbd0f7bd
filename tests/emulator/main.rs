//! The emulator against raw HTTP: each refusal sends the wrong thing and reads the answer.

mod aadsts;
mod admin;
mod admin_consent;
mod app_only;
mod authorize;
mod authorize_v1;
mod bench;
mod bounds;
mod browser;
mod certificate;
mod claims;
mod client;
mod code;
mod conditional_access;
mod directory;
mod graph;
mod key_vault;
mod keys;
mod ledger;
mod load;
mod logout;
mod manifest;
mod pages;
mod partner_center;
mod people;
mod redirects;
mod refresh;
mod safeguards;
mod script;
mod signin;
mod site;
mod sitting;
mod v1;

#[path = "../world/mod.rs"]
mod world;
