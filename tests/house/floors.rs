//! The shape of the house: no circle among the files of a crate, and no import from a higher floor.
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
type Module = Vec<String>;

/// Floors of the library, from the ground up: no file imports from a floor above its own. Folders
/// and files of the root that are not here are on no floor: they hold what every floor may use, and
/// themselves use nothing above the first.
const FLOORS: &[&[&str]] = &[
    &["sys", "sync", "clock", "error", "budget"],
    &["observe"],
    &["desc", "timers"],
    &["poller"],
    &["driver"],
    &["fd"],
    &["net", "pipe", "pollable", "time", "task"],
    &["view"],
    &["internals"],
];

/// The crates of the library, from the ground up: none depends on one above its own. Endpoint and
/// metrics stand side by side, and the core with its tests knows nothing of either.
const CRATES: &[&[&str]] = &[&["core"], &["host"], &["endpoint", "metrics"]];

/// Floors of the endpoint.
const ENDPOINT: &[&[&str]] = &[
    &["limits", "error", "guard", "notice"],
    &["door"],
    &["methods"],
    &["streams", "console"],
    &["service"],
    &["reflection"],
    &["server"],
];

/// Floors of the inspector.
const INSPECTOR: &[&[&str]] = &[
    &["text", "paint", "clock", "failure", "foreign", "quantile"],
    &["source"],
    &["model"],
    &["table"],
    &["query", "document"],
    &["out", "tui"],
    &["globals"],
    &["verbs", "demo"],
    &["cli"],
];

/// The sources of a crate: what each module imports.
struct Sources {
    modules: BTreeMap<Module, syn::File>,
    /// What each module hands on, by the name under which it does.
    shown: BTreeMap<Module, BTreeMap<String, Module>>,
}

/// Whether an item is compiled for tests or models alone.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_cfg = |it: &&syn::Attribute| it.path().is_ident("cfg");
    attributes
        .iter()
        .filter(is_cfg)
        .any(|it| asks_for_tests(&it.meta))
}

/// Whether a condition of `cfg` holds in tests and models alone.
fn asks_for_tests(condition: &syn::Meta) -> bool {
    let list = match condition {
        syn::Meta::Path(path) => return path.is_ident("test") || path.is_ident("loom"),
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
    fn read(root: &str) -> Self {
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
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
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

fn collect(folder: &Path, module: &Module, found: &mut Vec<(Module, String)>) {
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

/// The modules from which one comes back to where one was.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reach = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = imports[from].iter().collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(&imports[module]);
            }
        }
        reached
    };
    let inside: Vec<_> = imports.keys().filter(|it| reach(it).contains(it)).collect();
    let of_inside = |module: &Module| -> Vec<String> {
        let others = imports[module].iter().filter(|it| inside.contains(it));
        others.map(|it| it.join("/")).collect()
    };
    let line =
        |module: &&Module| format!("{} -> {}", module.join("/"), of_inside(module).join(", "));
    inside.iter().map(line).collect()
}

/// The imports from a higher floor.
fn against(
    imports: &BTreeMap<Module, BTreeSet<Module>>,
    floors: &[&[&str]],
) -> Vec<(String, String)> {
    let floor = |module: &Module| {
        let room = module.first()?.as_str();
        floors.iter().position(|rooms| rooms.contains(&room))
    };
    let mut found = Vec::new();
    for (module, others) in imports {
        for other in others {
            if let (Some(from), Some(to)) = (floor(module), floor(other))
                && to > from
            {
                found.push((module.join("/"), other.join("/")));
            }
        }
    }
    found
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn imports(of: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    imports_in(of, &format!("{ROOT}/{of}/src"))
}

fn imports_in(of: &str, folder: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let imports = Sources::read(folder).imports();
    let all: usize = imports.values().map(BTreeSet::len).sum();
    // The few files of a small crate may stand side by side.
    assert!(
        all > imports.len() || imports.len() < 8,
        "the imports of {of} are found"
    );
    imports
}

#[test]
fn no_file_is_needed_by_what_it_needs() {
    for of in [
        "poller/core",
        "poller/endpoint",
        "poller/host",
        "poller/metrics",
        "inspector",
        "tests",
    ] {
        let found = circles(&imports(of));
        assert!(found.is_empty(), "{of}:\n{}", found.join("\n"));
    }
    // Commands whose sources stand beside their tests.
    for of in ["conformance/oracle", "chaos/soak", "chaos/sweep"] {
        let found = circles(&imports_in(of, &format!("{ROOT}/tests/{of}")));
        assert!(found.is_empty(), "{of}:\n{}", found.join("\n"));
    }
}

#[test]
fn lower_floors_of_the_library_never_import_higher_ones() {
    let found = against(&imports("poller/core"), FLOORS);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_crate_of_the_library_depends_on_those_below_it_alone_and_the_core_has_features_of_its_own() {
    let read = |path: String| read_to_string(path).expect("a file");
    for (floor, crates) in CRATES.iter().enumerate() {
        for of in *crates {
            let manifest = read(format!("{ROOT}/poller/{of}/Cargo.toml"));
            let (_, after) = manifest.split_once("\n[dependencies]\n").expect("some");
            let dependencies = after.split("\n[").next().expect("them");
            let above: Vec<_> = CRATES[floor..].iter().copied().flatten().collect();
            for other in above {
                let name = format!("netpoller-{other}");
                assert!(!dependencies.contains(&name), "{of} depends on {name}");
            }
        }
    }
    let manifest = read(format!("{ROOT}/poller/core/Cargo.toml"));
    let (_, after) = manifest.split_once("\n[features]\n").expect("features");
    let features = after.split("\n[").next().expect("them").lines();
    let features: Vec<_> = features
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        features,
        ["default", "tokio", "futures-io", "hyper", "faults"]
    );
    let mut files = Vec::new();
    let root = format!("{ROOT}/poller/core/src");
    collect(Path::new(&root), &Module::new(), &mut files);
    for (module, text) in files {
        for line in text.lines().filter(|it| !it.trim().starts_with("//")) {
            let of_others = ["netpoller::", "netpoller_endpoint", "netpoller_metrics"];
            let found = of_others.iter().find(|name| line.contains(**name));
            assert_eq!(found, None, "{}: {line}", module.join("/"));
        }
    }
}

#[test]
fn lower_floors_of_the_endpoint_never_import_higher_ones() {
    let found = against(&imports("poller/endpoint"), ENDPOINT);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn lower_floors_of_the_inspector_never_import_higher_ones() {
    let found = against(&imports("inspector"), INSPECTOR);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_circle_and_an_import_against_the_floors_are_seen() {
    let module = |name: &str| name.split('/').map(str::to_owned).collect::<Module>();
    let graph = |edges: &[(&str, &[&str])]| {
        let edge =
            |(from, to): &(&str, &[&str])| (module(from), to.iter().map(|it| module(it)).collect());
        edges.iter().map(edge).collect::<BTreeMap<_, BTreeSet<_>>>()
    };
    let sound = graph(&[
        ("net/tcp", &["fd/mutex"]),
        ("fd/mutex", &["sys"]),
        ("sys", &[]),
    ]);
    assert!(circles(&sound).is_empty());
    assert!(against(&sound, FLOORS).is_empty());
    let wrong = graph(&[
        ("net/tcp", &["fd/mutex"]),
        ("fd/mutex", &["sys"]),
        ("sys", &["net/tcp"]),
    ]);
    assert_eq!(circles(&wrong).len(), 3);
    assert_eq!(against(&wrong, FLOORS), [("sys".into(), "net/tcp".into())]);
}
