//! A process that embeds nothing and does not know that it is read: what is told of it is the
//! truth, whatever it does meanwhile, and where it may not be read, that is said.

mod access;
mod told;
mod truth;

use std::env;
use std::path::PathBuf;

/// The toolchains, by the paths of their `go`.
const TOOLCHAINS: &str = "GOS";

/// The `go` of several releases.
#[track_caller]
fn toolchains() -> Vec<PathBuf> {
    let paths = env::var_os(TOOLCHAINS).unwrap_or_default();
    let paths: Vec<PathBuf> = env::split_paths(&paths).collect();
    assert!(
        paths.len() > 1,
        "set {TOOLCHAINS} to the paths of `go` of several releases, with `:` between them"
    );
    paths
}
