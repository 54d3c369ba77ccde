//! What every test of this tree keeps: it passes on anybody's machine, whatever else runs there and
//! whatever is not installed.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// What a test may need that is not on every machine, in `#[ignore = "needs tmux and
/// tokio-console"]`. `.ci/run` has it all.
const NEEDS: &[&str] = &[
    "chromium",
    "crates of several releases of tokio",
    "libc6-arm64-cross",
    "openssl",
    "prometheus",
    "python3",
    "qemu-user",
    "root",
    "several releases of Go",
    "strace",
    "tmux",
    "tokio-console",
    "wrk",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All sources below `folder`, by their path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let found = files(folder, "rs");
    assert!(found.len() > 2, "the sources of {folder} are read");
    found
}

/// The pages and so on of the root itself.
fn at_the_root(extension: &str) -> Vec<(String, String)> {
    let entries = read_dir(root()).expect("a folder").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .map(|path| {
            (
                path.display().to_string(),
                read_to_string(path).expect("a page"),
            )
        })
        .collect()
}

/// All files below `folder` with this extension.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                // What is built or fetched: the fuzzers are no member of the workspace.
                if !["target", "node_modules"]
                    .iter()
                    .any(|it| entry.file_name() == *it)
                {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == extension) {
                let text = read_to_string(entry.path()).expect("a source");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}

/// The lines of all sources in which `wrong` sees something, with where they are.
fn lines(folders: &[&str], wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let sources = folders.iter().flat_map(|folder| sources(folder));
    let mut found = Vec::new();
    for (path, text) in sources {
        // This file names what it forbids.
        if path == "tests/house/house.rs" {
            continue;
        }
        let numbered = text.lines().enumerate();
        found.extend(
            numbered
                .filter(|(_, line)| wrong(line))
                .map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim())),
        );
    }
    found
}

const ALL: &[&str] = &["poller", "proto", "inspector", "tests"];
const TESTS: &[&str] = &[
    "inspector/tests",
    "tests/conformance",
    "tests/endtoend",
    "tests/chaos",
];

/// What an attribute says is needed: `None` if it gives no such reason.
fn needed(ignore: &str) -> Option<Vec<&str>> {
    let reason = ignore.strip_prefix("#[ignore = \"needs ")?;
    let (reason, _) = reason.split_once("\"]")?;
    Some(
        reason
            .split(", ")
            .flat_map(|it| it.split(" and "))
            .collect(),
    )
}

#[test]
fn a_test_is_ignored_only_for_what_it_needs_and_ci_has() {
    let known = |line: &str| {
        needed(line).is_some_and(|needs| needs.iter().all(|need| NEEDS.contains(need)))
    };
    let unknown = lines(ALL, |line| {
        let line = line.trim();
        line.starts_with("#[ignore") && !known(line)
    });
    assert_eq!(unknown, [""; 0], "not one of {NEEDS:?}");
    let ci = read_to_string(root().join(".ci/run")).expect(".ci/run");
    let readme = read_to_string(root().join("README.md")).expect("README.md");
    for need in NEEDS {
        let here = ci.to_lowercase().contains(&need.to_lowercase());
        assert!(here, ".ci/run does not see to {need}");
        assert!(readme.contains(need), "the README does not say that {need}");
    }
    let command = "cargo test --workspace -- --ignored";
    assert!(ci.contains(command) && readme.contains(command));

    assert_eq!(
        needed("#[ignore = \"needs a, b and c\"]"),
        Some(vec!["a", "b", "c"])
    );
    assert_eq!(needed("#[ignore = \"slow\"]"), None);
    assert_eq!(needed("#[ignore]"), None);
}

#[test]
fn no_test_passes_by_leaving_something_out() {
    let silent = lines(ALL, |line| {
        line.contains("NOT TESTED")
            || line.contains("var_os(\"CI\")")
            || line.contains("var(\"CI\")")
    });
    assert_eq!(silent, [""; 0], "mark it `#[ignore = \"needs …\"]`");
}

/// Whether an attribute keeps what follows for tests, models or fuzzers.
fn is_for_tests(line: &str) -> bool {
    let condition = line.trim().strip_prefix("#[cfg(");
    let words = condition.map(|it| it.split(|it: char| !it.is_alphanumeric()));
    words.is_some_and(|mut it| it.any(|word| ["test", "loom", "fuzzing"].contains(&word)))
        && !line.contains("not(test)")
        && !line.contains("(not(loom)")
        && !line.contains("[cfg(not(")
}

/// What is for tests is a module, or is brought into one from there.
#[test]
fn production_code_holds_no_scaffolding() {
    assert!(is_for_tests("    #[cfg(all(test, not(loom)))]"));
    assert!(is_for_tests("#[cfg(any(test, fuzzing))]"));
    assert!(!is_for_tests("#[cfg(not(loom))]"));
    assert!(!is_for_tests("#[cfg(feature = \"tokio\")]"));
    // The one seam: the kernel of models is memory, and a match on what has one variant is free.
    const SEAM: &str = "poller/core/src/sys/backend.rs";
    let mut scaffolding = Vec::new();
    for (path, text) in ["poller", "inspector", "proto"]
        .into_iter()
        .flat_map(sources)
    {
        if !path.contains("/src/") || path == SEAM {
            continue;
        }
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let next = lines[number..].iter().find(|it| !it.starts_with("#["));
            let next = next.copied().unwrap_or_default();
            let next = next.trim_start_matches("pub").trim_start();
            let next = match next.strip_prefix('(') {
                Some(rest) => rest.split_once(')').map_or("", |(_, it)| it.trim_start()),
                None => next,
            };
            let is_apart = next.starts_with("mod ") || next.starts_with("use ");
            if is_for_tests(line) && !is_apart {
                scaffolding.push(format!("{path}:{}: {next}", number + 1));
            }
        }
    }
    assert!(scaffolding.is_empty(), "{scaffolding:#?}");
}

#[test]
fn children_have_an_environment_of_their_own() {
    // One function makes it, for each program of ours that looks around.
    let elsewhere = lines(TESTS, |line| line.contains("CARGO_BIN_EXE_netpoller\""));
    assert_eq!(elsewhere, [""; 0], "use `program::netpoller`");
    // A tool by its bare name would be one of which nobody says that it is missing.
    let bare = lines(TESTS, |line| {
        [
            "kill", "pkill", "killall", "tmux", "wrk", "strace", "python3", "openssl",
        ]
        .iter()
        .any(|name| line.contains(&format!("Command::new(\"{name}\")")))
    });
    assert_eq!(bare, [""; 0]);
}

/// Whether a line of a test says where to listen with a number that another process may have.
fn has_fixed_port(line: &str) -> bool {
    let listens = ["bind(", "--metrics", "--inspect", ".listen("];
    let places = ["127.0.0.1:", "0.0.0.0:", "[::1]:", "[::]:", "localhost:"];
    let numbered = |place: &&str| {
        let rest = line.split(place).skip(1);
        rest.filter_map(|rest| rest.chars().next())
            .any(|first| ('1'..='9').contains(&first))
    };
    let code = line.trim();
    !code.starts_with("//")
        && listens.iter().any(|listens| code.contains(listens))
        && places.iter().any(numbered)
}

#[test]
fn no_test_listens_at_a_port_or_a_path_that_another_may_have() {
    assert!(has_fixed_port("TcpListener::bind(\"127.0.0.1:6670\")"));
    assert!(!has_fixed_port("TcpListener::bind(\"127.0.0.1:0\")"));
    let fixed = lines(&["inspector/tests", "tests", "poller"], has_fixed_port);
    assert_eq!(fixed, [""; 0], "ask for port 0");
    let shared = lines(TESTS, |line| {
        let path = ["\"/tmp", "\"/var/tmp", "\"/run/", "\"/dev/shm"];
        path.iter().any(|path| line.contains(path)) && !line.contains("repeat(")
    });
    assert_eq!(shared, [""; 0], "use `tempfile`");
}

/// Longer lines of comments are tables, or code, or help texts that a table of this crate gives to
/// its users as one line each.
#[test]
fn comments_end_at_a_hundred_columns() {
    let mut long = Vec::new();
    for (path, text) in ALL.iter().flat_map(|folder| sources(folder)) {
        if path.contains("/generated/") {
            continue;
        }
        let is_table_of_texts = text.contains("#[doc = $");
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("//") else {
                continue;
            };
            let is_doc = comment.starts_with(['/', '!']);
            let comment = comment.trim_start_matches(['/', '!', ' ']);
            in_code ^= comment.starts_with("```");
            let may_be_long = comment.starts_with('|') || in_code || is_doc && is_table_of_texts;
            if line.chars().count() > 100 && !may_be_long {
                long.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn pages_end_at_a_hundred_columns() {
    let mut long = Vec::new();
    let pages = ALL.iter().flat_map(|folder| files(folder, "md"));
    for (path, text) in pages
        .chain(files("dashboards", "md"))
        .chain(at_the_root("md"))
    {
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            if line.chars().count() > 100 && !in_code && !line.starts_with(['|', '!']) {
                long.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn what_pages_point_at_exists() {
    let (mut seen, mut missing) = (0, Vec::new());
    let pages = ALL.iter().flat_map(|folder| files(folder, "md"));
    let pages = pages
        .chain(files("dashboards", "md"))
        .chain(at_the_root("md"));
    // What rustdoc resolves is none of a page's.
    for (path, text) in pages.filter(|(path, _)| !path.starts_with("poller/src")) {
        let here = root().join(&path);
        let here = here.parent().expect("a folder");
        let links = text.split("](").skip(1).filter_map(|rest| {
            let (link, _) = rest.split_once([')', '#'])?;
            (!link.is_empty() && !link.starts_with("http")).then(|| here.join(link))
        });
        let spans = text.split('`').skip(1).step_by(2).filter_map(|span| {
            let (folder, _) = span.split_once('/')?;
            let is_path = !span.contains([' ', '*', ':', '{']) && span.contains('.');
            let known = ALL.iter().chain(&["dashboards", ".ci"]);
            let is_ours = known.into_iter().any(|it| *it == folder);
            (is_path && is_ours).then(|| root().join(span))
        });
        for target in links.chain(spans) {
            seen += 1;
            if !target.exists() {
                missing.push(format!("{path}: {}", target.display()));
            }
        }
    }
    assert!(seen > 60, "{seen} are read");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A newcomer goes by the tables at the top of folders.
#[test]
fn tables_of_files_name_files_that_exist() {
    let (mut named, mut missing) = (0, Vec::new());
    for (path, text) in ALL.iter().flat_map(|folder| sources(folder)) {
        let file = root().join(&path);
        let folder = match path.rsplit('/').next() {
            Some("mod.rs" | "lib.rs" | "main.rs") => file.parent().expect("a folder").to_owned(),
            _ => file.with_extension(""),
        };
        let mut is_of_files = false;
        for line in text.lines() {
            let comment = line.strip_prefix("//!").or_else(|| line.strip_prefix("//"));
            let Some(row) = comment.and_then(|it| it.trim().strip_prefix('|')) else {
                is_of_files = false;
                continue;
            };
            let first = row.split('|').next().expect("a cell");
            is_of_files |= first == " file ";
            for name in first.split('`').skip(1).step_by(2).filter(|_| is_of_files) {
                named += 1;
                let exists =
                    [name.to_owned(), format!("{name}.rs")].map(|it| folder.join(it).exists());
                if !exists.contains(&true) {
                    missing.push(format!("{path}: {name}"));
                }
            }
        }
    }
    assert!(named > 200, "{named} names are read");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A test that Cargo does not know of passes for ever.
#[test]
fn every_test_of_the_tree_is_a_target() {
    let manifest = read_to_string(root().join("tests/Cargo.toml")).expect("tests/Cargo.toml");
    let mut tests = 0;
    for (path, text) in ["tests/conformance", "tests/endtoend", "tests/chaos"]
        .iter()
        .chain(&["tests/benches", "tests/house"])
        .flat_map(|folder| sources(folder))
    {
        let (folder, file) = path.rsplit_once('/').expect("a folder");
        let is_test = text.lines().any(|line| line.trim().starts_with("#[test]"));
        // The module of a test is beside its main file, or one folder below.
        let roots = [
            path.clone(),
            format!("{folder}/main.rs"),
            format!("{}/main.rs", folder.rsplit_once('/').expect("one more").0),
        ];
        let is_known = |path: &String| {
            let path = path.strip_prefix("tests/").expect("a path below tests");
            manifest.contains(&format!("\npath = \"{path}\"\n"))
        };
        let of_own = path.starts_with("tests/benches/instructions/");
        if is_test && !of_own {
            assert!(roots.iter().any(is_known), "no target has {path}: {file}");
            tests += 1;
        }
    }
    assert!(tests > 50, "{tests} files of tests");
}

/// A patch that does not apply breaks nothing, and the check that should see it proves nothing.
#[test]
fn the_patches_that_break_the_library_apply_to_it() {
    let mut hunks = 0;
    for folder in ["tests/models/mutants", "tests/chaos/sanitizers/mutants"] {
        for entry in read_dir(root().join(folder)).expect("a folder of patches") {
            let path = entry.expect("an entry").path();
            let patch = read_to_string(&path).expect("a patch");
            let mut files = patch.split("\n--- a/");
            files.next();
            for file in files {
                let (name, rest) = file.split_once('\n').expect("a file name");
                let source = read_to_string(root().join(name)).expect("the file of a patch");
                for hunk in rest.split("\n@@ ").skip(1) {
                    let before: String = hunk
                        .split_inclusive('\n')
                        .skip(1)
                        .filter_map(|line| line.strip_prefix([' ', '-']))
                        .collect();
                    assert!(
                        source.contains(before.trim_end_matches('\n')),
                        "{} does not apply to {name}:\n{before}",
                        path.display()
                    );
                    hunks += 1;
                }
            }
        }
    }
    assert!(hunks > 10, "{hunks} hunks");
}

#[test]
fn each_feature_that_users_choose_has_its_row_in_the_table_of_the_library() {
    let text = |path: &str| std::fs::read_to_string(root().join(path)).expect(path);
    let manifest = text("poller/Cargo.toml");
    let features = manifest.split("[features]").nth(1).expect("features");
    let features = features
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let names: Vec<&str> = features
        .filter_map(|line| line.split_once(" = ["))
        .map(|(name, _)| name)
        // Services have no use for it.
        .filter(|name| !["default", "faults"].contains(name))
        .collect();
    assert!(
        names.contains(&"console") && names.contains(&"full"),
        "{names:?}"
    );
    let page = text("poller/src/lib.rs");
    let has_row = |name: &&str| page.contains(&format!("//! | `{name}` | "));
    let missing: Vec<&str> = names.into_iter().filter(|name| !has_row(name)).collect();
    assert_eq!(missing, [""; 0]);
}
