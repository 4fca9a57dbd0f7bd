//! Secrets are compared in constant time or as hashes, so nothing that holds one has `==`.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::{is_test, sources};

/// What secrets are made of, and those that a macro makes.
const MADE_OF: &[&str] = &[
    "SecretBox",
    "SecretString",
    "Zeroizing",
    "AccessToken",
    "ClientAssertion",
    "ClientSecret",
    "KeyText",
    "RefreshToken",
];

#[test]
fn nothing_that_holds_a_secret_is_compared_by_its_bytes() {
    //
    let of_the_crate = sources().into_iter().filter(|(module, _)| !module.starts_with("emulator"));
    let mut found = Found::default();
    for (_, path) in of_the_crate {
        found.read(&std::fs::read_to_string(path).expect("a source file"));
    }
    let holders = found.holders();
    for known in ["DataKey", "IdTokenText", "FlowProof", "BrowserKey", "ExportCode", "StoredToken"]
    {
        assert!(holders.contains(known), "{known} is not seen");
    }
    assert_eq!(found.faults(), [""; 0]);
}

#[test]
fn a_secret_with_an_equality_is_found() {
    let faults = |text: &str| {
        let mut found = Found::default();
        found.read(text);
        found.faults()
    };
    let inner = "struct Inner(Option<SecretString>);";
    assert_eq!(faults(&format!("#[derive(Clone)] {inner}")), [""; 0]);
    assert_eq!(faults(&format!("#[derive(Clone, PartialEq)] {inner}")), ["Inner has =="]);
    let outer = "#[derive(PartialEq)] enum Outer { A, B { inner: Vec<Inner> } }";
    assert_eq!(faults(&format!("{inner} {outer}")), ["Outer has =="]);
    assert_eq!(faults(&format!("{inner} impl PartialEq for Inner {{}}")), ["Inner has =="]);
    assert_eq!(faults("fn f() { let _ = a.expose() == b; }"), ["a secret is compared by =="]);
    assert_eq!(faults("fn f() { g(a != b.expose_secret().len()); }"), [""; 0]);
    assert_eq!(faults("#[cfg(test)] mod tests { fn f() { a.expose() == b; } }"), [""; 0]);
}

/// The types of the crate.
#[derive(Default)]
struct Found {
    types: Vec<Type>,
    /// Those that are given an equality by hand.
    equal: Vec<String>,
    /// How often a secret itself is compared.
    compared: usize,
}

struct Type {
    name: String,
    /// What it is made of.
    words: BTreeSet<String>,
    /// Whether it derives an equality.
    equal: bool,
}

impl Found {
    fn read(&mut self, text: &str) {
        self.visit_file(&syn::parse_file(text).expect("Rust"));
    }

    fn note<'ast>(
        &mut self,
        name: &syn::Ident,
        attributes: &[syn::Attribute],
        fields: impl Iterator<Item = &'ast syn::Field>,
    ) {
        let mut words = Words::default();
        fields.for_each(|field| words.visit_type(&field.ty));
        let equal = attributes.iter().any(derives_equality);
        self.types.push(Type { name: name.to_string(), words: words.0, equal });
    }

    /// Every name that means a secret, however deep it lies. Where two types share a name, it means
    /// neither.
    fn holders(&self) -> BTreeSet<&str> {
        let once = |name: &str| self.types.iter().filter(|found| found.name == name).count() == 1;
        let mut holders: BTreeSet<&str> = MADE_OF.iter().copied().collect();
        loop {
            let known = holders.len();
            let held = self.types.iter().filter(|found| found.holds(&holders) && once(&found.name));
            let held: Vec<&str> = held.map(|found| found.name.as_str()).collect();
            holders.extend(held);
            if holders.len() == known {
                return holders;
            }
        }
    }

    fn faults(&self) -> Vec<String> {
        let holders = self.holders();
        let derived = self.types.iter().filter(|found| found.equal && found.holds(&holders));
        let by_hand = self.equal.iter().filter(|name| holders.contains(name.as_str()));
        let equal = derived.map(|found| &found.name).chain(by_hand);
        let mut faults: Vec<String> = equal.map(|name| format!("{name} has ==")).collect();
        faults.extend((0..self.compared).map(|_| "a secret is compared by ==".to_owned()));
        faults
    }
}

impl Type {
    fn holds(&self, holders: &BTreeSet<&str>) -> bool {
        self.words.iter().any(|word| holders.contains(word.as_str()))
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.note(&item.ident, &item.attrs, item.fields.iter());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let fields = item.variants.iter().flat_map(|variant| variant.fields.iter());
        self.note(&item.ident, &item.attrs, fields);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        if of.is_some_and(|of| of.ident == "PartialEq") {
            let mut words = Words::default();
            words.visit_type(&item.self_ty);
            self.equal.extend(words.0);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let compares = matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        if compares && [&binary.left, &binary.right].into_iter().any(|side| exposes(side)) {
            self.compared += 1;
        }
        visit::visit_expr_binary(self, binary);
    }
}

fn derives_equality(attribute: &syn::Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        let parsed = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("PartialEq");
            Ok(())
        });
        parsed.expect("a list of traits");
    }
    found
}

/// Whether it is the secret itself, rather than something that is asked of it.
fn exposes(side: &syn::Expr) -> bool {
    match side {
        syn::Expr::MethodCall(call) => {
            call.method == "expose" || call.method == "expose_secret" || {
                call.method == "as_bytes" && exposes(&call.receiver)
            }
        }
        syn::Expr::Unary(unary) => exposes(&unary.expr),
        syn::Expr::Reference(reference) => exposes(&reference.expr),
        _ => false,
    }
}

/// Every name in a type.
#[derive(Default)]
struct Words(BTreeSet<String>);

impl<'ast> Visit<'ast> for Words {
    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        self.0.insert(ident.to_string());
    }
}
