//! Key Vault: who asks it and what it is told, the key that stays there, consents as secrets.
//!
//! All of it over real HTTP against the emulator's vault.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "key_vault/bench.rs"]
mod bench;
#[path = "secrecy/logs.rs"]
mod logs;
#[path = "secrecy/searcher.rs"]
mod searcher;
mod world;

#[path = "key_vault/caller.rs"]
mod caller;
#[path = "key_vault/elsewhere.rs"]
mod elsewhere;
#[path = "key_vault/key.rs"]
mod key;
#[path = "key_vault/panel.rs"]
mod panel;
#[path = "key_vault/patience.rs"]
mod patience;
#[path = "key_vault/removal.rs"]
mod removal;
#[path = "key_vault/store.rs"]
mod store;
#[path = "key_vault/throttling.rs"]
mod throttling;
#[path = "key_vault/versions.rs"]
mod versions;
