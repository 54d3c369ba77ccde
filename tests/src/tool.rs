//! Tools that ignored tests need, and programs that cargo has built.

use std::path::PathBuf;

/// Where the first of `names` is that is installed.
///
/// # Panics
///
/// If none is: a test that was asked for does not pass without having tested.
#[track_caller]
pub fn tool(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = || std::env::split_paths(&path);
    let mut found = names
        .iter()
        .flat_map(|name| folders().map(move |folder| folder.join(name)));
    found.find(|path| path.is_file()).unwrap_or_else(|| {
        let names = names.join("` or `");
        panic!("`{names}` is missing: install it, or run without --ignored")
    })
}

/// Where cargo has put the example `name`: beside the test that asks.
///
/// # Panics
///
/// If it has not built it.
#[track_caller]
pub fn example(name: &str) -> PathBuf {
    built(&format!("examples/{name}"))
}

/// Where cargo has put the program `name`: beside the test that asks.
///
/// # Panics
///
/// If it has not built it.
#[track_caller]
pub fn built(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    let folder = this.ancestors().nth(2).expect("the folder of the profile");
    let path = folder.join(name);
    let advice = "`cargo test --workspace` builds it";
    assert!(path.is_file(), "{} is missing: {advice}", path.display());
    path
}
