//! What each file of a crate imports.
//!
//! Each file is parsed, and each path in it that begins with `crate`, `self`, `super` or the name
//! of a module is followed to the file in which what it names is defined. A `pub use` hands
//! something on and is no import: so a `mod.rs` may show what its files hold, and they may use each
//! other. Tests, models and what only they need do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::Path;

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

/// A module by the names that lead to it; the root of the crate has none.
pub(super) type Module = Vec<String>;

/// The sources of a crate: what each module imports.
pub(super) struct Sources {
    modules: BTreeMap<Module, syn::File>,
    /// What each module hands on, by the name under which it does.
    shown: BTreeMap<Module, BTreeMap<String, Module>>,
}

/// Whether an item is compiled for tests, models or fuzzers alone.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_cfg = |it: &&syn::Attribute| it.path().is_ident("cfg");
    attributes
        .iter()
        .filter(is_cfg)
        .any(|it| asks_for_tests(&it.meta))
}

/// Whether a condition of `cfg` holds in tests, models and fuzzers alone.
fn asks_for_tests(condition: &syn::Meta) -> bool {
    let list = match condition {
        syn::Meta::Path(path) => {
            return ["test", "loom", "fuzzing"]
                .iter()
                .any(|it| path.is_ident(it));
        }
        syn::Meta::List(list) => list,
        syn::Meta::NameValue(_) => return false,
    };
    let parts = list
        .parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated)
        .unwrap_or_default();
    if list.path.is_ident("any") {
        parts.iter().all(asks_for_tests)
    } else {
        !list.path.is_ident("not") && parts.iter().any(asks_for_tests)
    }
}

/// Whether a module holds tests, by its name.
fn holds_tests(module: &Module) -> bool {
    module.iter().any(|name| {
        [
            "tests",
            "models",
            "fixture",
            "support",
            "schedules",
            "validate",
        ]
        .contains(&name.as_str())
            || name.ends_with("_tests")
    })
}

/// Calls `found` with each path of a `use`, as its names and the name that it gives.
fn paths(tree: &syn::UseTree, before: &Module, found: &mut impl FnMut(Module, String)) {
    let with = |name: &syn::Ident| {
        let name = name.to_string();
        before.iter().cloned().chain([name]).collect::<Module>()
    };
    match tree {
        syn::UseTree::Path(path) => paths(&path.tree, &with(&path.ident), found),
        syn::UseTree::Name(name) if name.ident == "self" => {
            found(before.clone(), before.last().cloned().unwrap_or_default());
        }
        syn::UseTree::Name(name) => found(with(&name.ident), name.ident.to_string()),
        syn::UseTree::Rename(rename) => found(with(&rename.ident), rename.rename.to_string()),
        syn::UseTree::Glob(_) => found(before.clone(), "*".into()),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                paths(tree, before, found);
            }
        }
    }
}

/// What one file mentions.
#[derive(Default)]
struct Mentions {
    used: Vec<Module>,
    shown: Vec<(Module, String)>,
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_shown = !matches!(item.vis, syn::Visibility::Inherited);
        paths(&item.tree, &Module::new(), &mut |path, name| {
            if is_shown {
                self.shown.push((path, name));
            } else {
                self.used.push(path);
            }
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|it| it.ident.to_string());
        self.used.push(names.collect());
        visit::visit_path(self, path);
    }

    /// What a macro is given is no syntax yet; what begins as a path is one.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let tokens = without_texts(&mac.tokens.to_string());
        let mut tokens = tokens
            .split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)))
            .filter(|token| !token.is_empty())
            .flat_map(|token| token.split_inclusive("::"))
            .peekable();
        while let Some(first) = tokens.next() {
            let mut path = vec![first.trim_end_matches(':').to_owned()];
            let mut more = first.ends_with("::") || tokens.next_if_eq(&"::").is_some();
            while more && let Some(name) = tokens.next() {
                path.push(name.trim_end_matches(':').to_owned());
                more = name.ends_with("::") || tokens.next_if_eq(&"::").is_some();
            }
            if path.len() > 1 && ["crate", "self", "super"].contains(&path[0].as_str()) {
                self.used.push(path);
            }
        }
        visit::visit_macro(self, mac);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::view)` imports nothing.
    }
}

/// `code` without its string literals: links of docs import nothing.
fn without_texts(code: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    code.chars()
        .filter(|c| {
            let ends = *c == '"' && !escaped;
            escaped = inside && *c == '\\' && !escaped;
            inside ^= ends;
            !inside && !ends
        })
        .collect()
}

impl Sources {
    pub(super) fn read(root: &str) -> Self {
        let mut files = Vec::new();
        collect(Path::new(root), &Module::new(), &mut files);
        let modules: BTreeMap<_, _> = files
            .into_iter()
            .filter(|(module, _)| !holds_tests(module))
            .map(|(module, text)| {
                let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{module:?}: {e}"));
                (module, file)
            })
            .collect();
        let mut sources = Self {
            modules,
            shown: BTreeMap::new(),
        };
        // What is shown may be shown on: until nothing is new.
        for _ in 0..8 {
            for module in sources.modules.keys().cloned().collect::<Vec<_>>() {
                let shown = sources.mentions(&module).shown;
                for (path, name) in shown {
                    if let Some(to) = sources.follow(&module, &path) {
                        let of = sources.shown.entry(module.clone()).or_default();
                        of.insert(name, to);
                    }
                }
            }
        }
        sources
    }

    fn mentions(&self, module: &Module) -> Mentions {
        let mut mentions = Mentions::default();
        mentions.visit_file(&self.modules[module]);
        mentions
    }

    /// The module in which what `path` names, said in `module`, is defined.
    fn follow(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut rest = path.iter().peekable();
        let mut at = match rest.peek()?.as_str() {
            "crate" => {
                rest.next();
                Module::new()
            }
            "self" => {
                rest.next();
                module.clone()
            }
            "super" => {
                let mut at = module.clone();
                while rest.next_if(|name| *name == "super").is_some() {
                    at.pop();
                }
                at
            }
            name => {
                let child: Module = module.iter().cloned().chain([name.to_owned()]).collect();
                if path.len() < 2 || !self.modules.contains_key(&child) {
                    return None;
                }
                module.clone()
            }
        };
        for name in rest {
            let child: Module = at.iter().cloned().chain([name.clone()]).collect();
            if self.modules.contains_key(&child) {
                at = child;
            } else {
                let shown = self.shown.get(&at).and_then(|shown| shown.get(name));
                match shown {
                    Some(to) => at = to.clone(),
                    None => break,
                }
            }
        }
        Some(at)
    }

    /// What each module imports from which others.
    pub(super) fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let of = |module: &Module| {
            let used = self.mentions(module).used;
            used.iter()
                .filter_map(|path| self.follow(module, path))
                .filter(|to| to != module && self.modules.contains_key(to))
                .collect()
        };
        self.modules.keys().map(|it| (it.clone(), of(it))).collect()
    }
}

/// The sources below `folder`, by their modules.
pub(super) fn collect(folder: &Path, module: &Module, found: &mut Vec<(Module, String)>) {
    for entry in read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mut inner = module.clone();
        if path.is_dir() {
            inner.push(name);
            collect(&path, &inner, found);
        } else if path.extension().is_some_and(|it| it == "rs") && name != "main" {
            if !["lib", "mod"].contains(&name.as_str()) {
                inner.push(name);
            }
            found.push((inner, read_to_string(&path).expect("a source")));
        }
    }
}
