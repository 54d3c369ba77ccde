use std::collections::BTreeMap;
use std::env;
use std::fmt::{Result, Write};
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use super::*;

/// Part of the runtime is in a program only if it is used.
const PROGRAM: &str = "package main

import \"os\"

func main() {
	os.Stdin.Read(make([]byte, 1))
}
";

/// Runs a `go`, and returns what it writes.
fn run(go: &Path, architecture: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = netpoller_tests::go::command(go);
    command.args(arguments).current_dir(folder);
    command.envs([("GO111MODULE", "off"), ("GOARCH", architecture)]);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", go.display()));
    assert!(output.status.success(), "{}: {arguments:?}", go.display());
    String::from_utf8(output.stdout).expect("text")
}

/// The release of a `go`, and the layout of what it builds.
fn measure(go: &Path) -> (Release, Layout) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("main.go"), PROGRAM).expect("a program");
    let version = run(go, "amd64", &["env", "GOVERSION"], folder.path());
    let version = version.trim().trim_start_matches("go");
    let layouts = ["amd64", "arm64"].map(|architecture| {
        let arguments = ["build", "-o", architecture, "main.go"];
        run(go, architecture, &arguments, folder.path());
        let file = File::open(folder.path().join(architecture)).expect("the program");
        let layout = Layout::of_debug_info(file);
        layout.unwrap_or_else(|| panic!("{version} on {architecture}: something is missing"))
    });
    let [amd64, arm64] = layouts;
    assert_eq!(amd64, arm64, "{version}");
    (parse(version).expect(version), amd64)
}

/// The file that holds this table.
fn written(table: &BTreeMap<Release, Layout>) -> String {
    let mut text = String::new();
    write(&mut text, table).expect("memory");
    text
}

fn write(to: &mut String, table: &BTreeMap<Release, Layout>) -> Result {
    writeln!(
        to,
        "\
//! Generated from the debug information of programs that real releases of Go have built, which the
//! test of `release` does with each `go` in GOS:
//! `UPDATE=1 GOS=/path/to/go:/path/to/older/go cargo test -p netpoller-inspector --lib -- --ignored
//! the_table_of_layouts`. Releases that are not in GOS keep what is here.

use std::borrow::Cow;

use super::layout::{{G, Layout, Module, PollDesc}};

pub(super) static LAYOUTS: &[((u32, u32, u32), Layout)] = &["
    )?;
    for ((major, minor, patch), layout) in table {
        let Layout {
            poll_desc,
            g,
            module,
            wait_reasons,
        } = layout;
        writeln!(to, "    (")?;
        writeln!(to, "        ({major}, {minor}, {patch}),")?;
        writeln!(to, "        Layout {{")?;
        // As Rust writes them is as rustfmt wants them, but for where they begin.
        for (name, fields) in [
            ("poll_desc", format!("{poll_desc:#?}")),
            ("g", format!("{g:#?}")),
            ("module", format!("{module:#?}")),
        ] {
            let fields = fields.replace("Some(\n        ", "Some(");
            let fields = fields.replace(",\n    ),", "),");
            let fields = fields.replace('\n', "\n            ");
            writeln!(to, "            {name}: {fields},")?;
        }
        writeln!(to, "            wait_reasons: Cow::Borrowed(&[")?;
        for reason in wait_reasons.iter() {
            writeln!(to, "                Cow::Borrowed({reason:?}),")?;
        }
        writeln!(to, "            ]),")?;
        writeln!(to, "        }},")?;
        writeln!(to, "    ),")?;
    }
    writeln!(to, "];")
}

#[test]
#[ignore = "needs several releases of Go"]
fn the_table_of_layouts_is_what_real_releases_have() {
    let paths = netpoller_tests::go::releases();
    let measured: BTreeMap<Release, Layout> = paths.iter().map(|path| measure(path)).collect();
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        let known = LAYOUTS.iter().cloned();
        let mut table: BTreeMap<Release, Layout> = known.chain(measured).collect();
        let all = table.clone();
        // The first release of those that have one layout stands for them.
        table.retain(|(major, minor, patch), layout| {
            let before = all.range((*major, *minor, 0)..(*major, *minor, *patch));
            before.last().is_none_or(|(_, before)| before != layout)
        });
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/process/go/layouts.rs");
        fs::write(file, written(&table)).expect("write the table");
        return;
    }
    for ((major, minor, patch), layout) in measured {
        let release = format!("{major}.{minor}.{patch}");
        assert_eq!(
            Layout::of(&release),
            Some(&layout),
            "go{release} has another layout: layouts.rs says how to write it anew"
        );
    }
}

#[test]
fn a_release_has_the_layout_of_the_latest_one_known_up_to_it() {
    assert_eq!(parse("1.27.3"), Some((1, 27, 3)));
    assert_eq!(parse("1.21"), Some((1, 21, 0)));
    assert_eq!(parse("1.27.3 X:boringcrypto"), Some((1, 27, 3)));
    assert_eq!(parse("1.27.3-custom"), Some((1, 27, 3)));
    for none in ["", "1", "1.28rc1", "1.x", "devel", "1.27.", "99999999999.1"] {
        assert_eq!(parse(none), None, "{none}");
    }
    for ((major, minor, patch), layout) in LAYOUTS {
        for later in [*patch, 99] {
            let found = Layout::of(&format!("{major}.{minor}.{later}"));
            if later == *patch {
                assert_eq!(found, Some(layout));
            }
            assert!(found.is_some());
        }
        assert!(Layout::of(&format!("{major}.{minor}")).is_some());
    }
    assert_eq!(Layout::of("1.2"), None);
    assert_eq!(Layout::of("1.1000"), None);
}
