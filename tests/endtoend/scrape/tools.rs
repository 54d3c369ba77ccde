//! The tools that look at an exposition.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use netpoller_tests::tool;

/// The dashboards.
pub(crate) const BOARDS: [&str; 3] = ["oncall", "netpoller", "fleet"];

/// A program of the folder with the dashboards, which Python runs.
pub(crate) fn python(program: &str) -> Command {
    let mut command = Command::new(tool(&["python3"]));
    command.arg(dashboards().join(program));
    command
}

fn dashboards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

/// Fails with what `command` says, if it fails.
#[track_caller]
pub(crate) fn passes(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The lines that promtool has to say of an exposition.
pub(crate) fn promtool(text: &str) -> Vec<String> {
    let mut child = Command::new(tool(&["promtool"]))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let said = [stdout, stderr].concat();
    let said: Vec<_> = String::from_utf8_lossy(&said)
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(status.success(), said.is_empty(), "{said:?}");
    said
}

/// The scrape has every name and label of the dashboard.
#[track_caller]
pub(crate) fn has_all_of(board: &str, text: &str) {
    let scrape = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(scrape.path(), text).unwrap();
    let file = dashboards().join(format!("{board}.json"));
    let mut check = python("check.py");
    check.arg("--dashboard").arg(file);
    passes(check.arg("--metrics").arg(scrape.path()));
}
