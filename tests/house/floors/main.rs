//! The shape of the house: no circle among the files of a crate, and no import from a higher floor.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sources::{Module, Sources, collect};

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
    &["limits", "error", "guard", "notice", "wall"],
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
    &["timeline"],
    &["model"],
    &["source"],
    &["table"],
    &[
        "query",
        "document",
        "findings",
        "description",
        "events",
        "comparison",
        "perfetto",
    ],
    &["out", "tui"],
    &["config"],
    &["globals"],
    &["verbs"],
    &["cli"],
];

/// The modules from which one comes back to where one was.
fn circles(imports: &Imports) -> Vec<String> {
    // Whoever imports nobody that is left, or is imported by nobody, is in no circle.
    let mut left: BTreeSet<&Module> = imports.keys().collect();
    loop {
        let imported: BTreeSet<&Module> = left.iter().flat_map(|it| &imports[*it]).collect();
        let is_between = |it: &&Module| {
            imported.contains(*it) && imports[*it].iter().any(|other| left.contains(other))
        };
        let now: BTreeSet<&Module> = left.iter().copied().filter(is_between).collect();
        if now.len() == left.len() {
            break;
        }
        left = now;
    }
    let inside: Vec<_> = left.into_iter().collect();
    let of_inside = |module: &Module| -> Vec<String> {
        let others = imports[module].iter().filter(|it| inside.contains(it));
        others.map(|it| it.join("/")).collect()
    };
    let line =
        |module: &&Module| format!("{} -> {}", module.join("/"), of_inside(module).join(", "));
    inside.iter().map(line).collect()
}

/// The imports from a higher floor.
fn against(imports: &Imports, floors: &[&[&str]]) -> Vec<(String, String)> {
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

type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Those of a crate, which is read once for all tests.
fn imports(of: &'static str) -> Arc<Imports> {
    static READ: Mutex<BTreeMap<&str, Arc<OnceLock<Arc<Imports>>>>> = Mutex::new(BTreeMap::new());
    let read = READ
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(of)
        .or_default()
        .clone();
    let read = read.get_or_init(|| Arc::new(imports_in(of, &format!("{ROOT}/{of}/src"))));
    Arc::clone(read)
}

fn imports_in(of: &str, folder: &str) -> Imports {
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
        [
            "default",
            "tokio",
            "futures-io",
            "hyper",
            "tower",
            "tracing",
            "faults"
        ]
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
