//! A folder is a layer: every module imports only what stands before it.
//!
//! The list below is the architecture. Whoever needs an import against it has found a new design,
//! and changes the list and the picture in `src/lib.rs` first.

use std::path::{Path, PathBuf};

use syn::visit::Visit;

#[path = "layers/equality.rs"]
mod equality;

/// From the ground up; each module may import those before it.
const ORDER: &[&str] = &[
    "model::sync",
    "model::invalid",
    "model::clock",
    "model::tenant",
    "model::cloud",
    "model::scope",
    "model::resource_id",
    "model::secret",
    "model::fingerprint",
    "model::registration",
    "model::manifest",
    "model::entra_error",
    "model::mfa",
    "model::enforcement",
    "model::role",
    "model::partner_kind",
    "model::receipt",
    "model::consent",
    "model::policy",
    "model::invitation",
    "model::freeze",
    "model::motive",
    "model::event",
    "transport::throttle",
    "transport::pace",
    "transport::http",
    "transport::client_assertion",
    "transport::key_vault",
    "storage::keyring",
    "storage::seal",
    "storage::store",
    "storage::ledger",
    "storage::consents",
    "storage::receipts",
    "storage::parcel",
    "storage::lease",
    "storage::roll",
    "storage::budget",
    "protocol::json",
    "protocol::discovery",
    "protocol::challenge",
    "protocol::authorization",
    "protocol::token_endpoint",
    "protocol::id_token",
    "protocol::partner_center",
    "error",
    "journeys::freezing",
    "journeys::standing",
    "journeys::offers",
    "journeys::token",
    "journeys::watch",
    "journeys::cache",
    "journeys::flight",
    "journeys::sharing",
    "journeys::tally",
    "journeys::lasting",
    "journeys::lately",
    "journeys::receipts",
    "journeys::casebook",
    "journeys::circuit",
    "journeys::guard",
    "journeys::invitation",
    "journeys::onboarding",
    "journeys::exchange",
    "journeys::office",
    "journeys::customers",
    "journeys::granting",
    "journeys::diagnosis",
    "journeys::offboarding",
    "journeys::rollback",
    "journeys::rekeying",
    "journeys::sweeping",
    "journeys::scan",
    "journeys::transfer",
    "journeys::verification",
    "journeys::checkup",
    "broker",
    "partner",
    "doctor",
    "metrics",
    "web",
    "measure",
];

/// The emulator reads the protocol on its own, so that one misreading cannot sit on both sides.
const EMULATOR_MAY: &[&str] =
    &["model::invalid", "model::clock", "model::tenant", "model::secret", "model::registration"];

/// Only its façade, so that a registration can name its addresses: no room learns Microsoft's here.
const FACADE_MAY: &[&str] = &["model::cloud"];

/// The emulator's own rooms from the ground up; the last is its façade, every file beside `mod.rs`.
const EMULATOR: &[&str] = &[
    "emulator::chance",
    "emulator::aadsts",
    "emulator::refusal",
    "emulator::fields",
    "emulator::scopes",
    "emulator::site",
    "emulator::script",
    "emulator::state",
    "emulator::bearer",
    "emulator::app_token",
    "emulator::stage",
    "emulator::entra",
    "emulator::partner_center",
    "emulator::graph",
    "emulator::key_vault",
    "emulator::browser",
    "emulator",
];

#[test]
fn every_import_looks_back() {
    let (mut files, mut wrong) = (0, Vec::new());
    for (module, path) in sources() {
        let text = std::fs::read_to_string(&path).expect("a source file");
        files += 1;
        wrong.extend(judge(&module, &text));
    }
    assert!(files > ORDER.len(), "only {files} files were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_room_exists_and_is_listed() {
    let found: Vec<String> =
        sources().into_iter().filter_map(|(module, _)| room(&module)).collect();
    for listed in ORDER.iter().chain(EMULATOR) {
        assert!(found.iter().any(|room| room == listed), "{listed} is listed and does not exist");
    }
    for room in &found {
        let known = ORDER.contains(&room.as_str()) || EMULATOR.contains(&room.as_str());
        assert!(known, "{room} exists and is not listed");
    }
}

#[test]
fn imports_that_look_forward_or_hide_are_found() {
    let wrong = |module: &str, text: &str| !judge(module, text).is_empty();
    assert!(!wrong("model::tenant", "use crate::model::clock::Clock;"));
    assert!(wrong("model::clock", "use crate::model::tenant::TenantId;"));
    assert!(wrong("model::clock", "use super::tenant::TenantId;"));
    assert!(wrong("model::clock", "use super::{invalid::Invalid, tenant::TenantId};"));
    assert!(wrong("model::clock", "use crate::model::{invalid, tenant};"));
    assert!(wrong("model::clock", "fn f() { crate::broker::Broker::builder(); }"));
    assert!(wrong("model::clock", "fn f() { println!(\"{}\", crate::broker::X); }"));
    assert!(wrong("storage::ledger", "use crate::AppRegistration;"));
    assert!(wrong("storage::ledger", "use crate::*;"));
    assert!(wrong("storage::ledger", "use crate as root;"));
    assert!(wrong("journeys::exchange::unsaved", "use super::super::offboarding::X;"));
    assert!(!wrong("journeys::exchange::unsaved", "use super::super::standing::X;"));
    assert!(!wrong("journeys::exchange::unsaved", "use super::Desk;"));
    assert!(wrong("emulator::entra::token", "use crate::protocol::id_token::X;"));
    assert!(wrong("emulator", "use crate::model::scope::Scope;"));
    assert!(wrong("emulator::entra::token", "use crate::model::cloud::Cloud;"));
    assert!(wrong("emulator::state::flow", "use crate::emulator::entra::mint::X;"));
    assert!(wrong("emulator::script", "use super::Emulator;"));
    assert!(!wrong("emulator::entra::token", "use crate::emulator::state::World;"));
    assert!(!wrong("emulator::controls", "use super::script::Rule;"));
    assert!(!wrong("model::clock", "#[cfg(test)] mod tests { use crate::broker::Broker; }"));
}

/// What a file imports that it may not.
fn judge(module: &str, text: &str) -> Vec<String> {
    let file = syn::parse_file(text).expect("Rust");
    let mut imports = Imports { module, inner: Vec::new(), found: Vec::new() };
    imports.visit_file(&file);
    let allowed = |target: &str| may_import(module, target);
    imports
        .found
        .iter()
        .filter(|target| !allowed(target))
        .map(|target| format!("{module} imports {target}"))
        .collect()
}

fn may_import(module: &str, target: &str) -> bool {
    let Some(from) = room(module) else { return true };
    let Some(to) = room(target) else { return false };
    if from == to {
        return true;
    }
    if EMULATOR.contains(&from.as_str()) {
        let may = EMULATOR_MAY.contains(&to.as_str()) || stands_before(EMULATOR, &to, &from);
        return may || from == "emulator" && FACADE_MAY.contains(&to.as_str());
    }
    stands_before(ORDER, &to, &from)
}

fn stands_before(order: &[&str], to: &str, from: &str) -> bool {
    let rank = |room: &str| order.iter().position(|listed| *listed == room);
    matches!((rank(from), rank(to)), (Some(from), Some(to)) if to < from)
}

/// The listed module that a path lies in: `journeys::exchange::unsaved` is in `journeys::exchange`.
fn room(path: &str) -> Option<String> {
    const FOLDERS: [&str; 5] = ["model", "transport", "storage", "protocol", "journeys"];
    let mut parts = path.split("::");
    let first = parts.next().filter(|first| !first.is_empty())?;
    if FOLDERS.contains(&first) {
        return parts.next().map(|second| format!("{first}::{second}"));
    }
    if first == "emulator" {
        let second = parts.next().map(|second| format!("emulator::{second}"));
        let listed = second.filter(|second| EMULATOR.contains(&second.as_str()));
        return Some(listed.unwrap_or_else(|| first.to_owned()));
    }
    const FILES: [&str; 7] = ["error", "broker", "partner", "doctor", "metrics", "web", "measure"];
    FILES.contains(&first).then(|| first.to_owned())
}

/// Collects every path that begins with `crate`, `super` or `self`, as a path from the root.
struct Imports<'a> {
    module: &'a str,
    inner: Vec<String>,
    found: Vec<String>,
}

impl Imports<'_> {
    fn note(&mut self, parts: &[String]) {
        let mut base: Vec<String> = self.module.split("::").map(str::to_owned).collect();
        base.extend(self.inner.iter().cloned());
        let mut parts = parts;
        match parts.first().map(String::as_str) {
            Some("crate") => (base, parts) = (Vec::new(), &parts[1..]),
            Some("self") => parts = &parts[1..],
            Some("super") => {}
            _ => return,
        }
        while parts.first().is_some_and(|part| part == "super") {
            base.pop();
            parts = &parts[1..];
        }
        base.extend(parts.iter().cloned());
        self.found.push(base.join("::"));
    }

    fn walk(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.walk(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|t| self.walk(t, before)),
        }
    }

    /// Inside a macro there is no syntax tree; its text is read word by word.
    fn scan(&mut self, tokens: &str) {
        let words: Vec<&str> = tokens.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            if ["crate", "super"].contains(word) && words.get(at + 1) == Some(&"::") {
                let tail = words[at..].chunks(2).take_while(|c| c.get(1) == Some(&"::"));
                let mut parts: Vec<String> = tail.map(|chunk| chunk[0].to_owned()).collect();
                parts.extend(words.get(at + 2 * parts.len()).map(ToString::to_string));
                self.note(&parts);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inner.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.inner.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.walk(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if parts.len() > 1 {
            self.note(&parts);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.scan(&call.tokens.to_string().replace("::", " :: "));
        syn::visit::visit_macro(self, call);
    }

    /// `pub(in crate::…)` opens a door; it imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// Every file under `src` with its module path, `lib.rs` aside: it only re-exports.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((module(&root, &path), path));
            }
        }
    }
    found.retain(|(module, _)| module != "lib");
    found
}

fn module(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).expect("below src").with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let named = parts.iter().filter(|part| *part != "mod").cloned();
    named.collect::<Vec<_>>().join("::")
}
