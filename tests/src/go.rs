//! Releases of Go that tests build programs with.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are: the paths of their `go`, with `:` between them, the oldest first.
const RELEASES: &str = "GOS";

/// Returns the `go` of several releases.
///
/// # Panics
///
/// If the environment does not say where they are.
#[must_use]
#[track_caller]
pub fn releases() -> Vec<PathBuf> {
    let paths = env::var_os(RELEASES).unwrap_or_default();
    let paths: Vec<PathBuf> = env::split_paths(&paths).collect();
    assert!(
        paths.len() > 1,
        "set {RELEASES} to the paths of `go` of several releases, with `:` between them"
    );
    paths
}

/// Returns a command of `go` that goes by its arguments alone, and asks nobody for anything.
#[must_use]
pub fn command(go: &Path) -> Command {
    let mut command = Command::new(go);
    command.envs([
        ("CGO_ENABLED", "0"),
        ("GOENV", "off"),
        ("GOFLAGS", ""),
        ("GOOS", "linux"),
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOWORK", "off"),
    ]);
    command
}

/// Builds the program whose source is in a folder.
///
/// # Panics
///
/// If it does not build.
#[track_caller]
pub fn build(go: &Path, source: &Path, to: &Path) {
    let mut command = command(go);
    command.args(["build", "-o"]).arg(to).arg(".");
    let built = command.current_dir(source).status();
    assert!(built.expect("go runs").success(), "{}", go.display());
}
