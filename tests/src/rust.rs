//! Programs on tokio that tests build, with one release of it after another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Releases of tokio, the oldest first.
const RELEASES: &[&str] = &["1.40.0", "1.42.0", "1.44.2", "1.47.1", "1.50.0", "1.54.1"];
/// Which of these are taken, with `:` between them; all where it is not set.
const CHOSEN: &str = "TOKIOS";

/// Returns the releases of tokio that tests build programs with, the oldest first.
///
/// # Panics
///
/// If the environment names one that is none of them, or none at all.
#[must_use]
#[track_caller]
pub fn releases() -> Vec<&'static str> {
    let Some(chosen) = std::env::var_os(CHOSEN) else {
        return RELEASES.to_vec();
    };
    let chosen = chosen.to_string_lossy();
    let is_chosen = |release: &&str| chosen.split(':').any(|it| it == *release);
    let releases: Vec<&str> = RELEASES.iter().copied().filter(is_chosen).collect();
    assert_eq!(
        releases.len(),
        chosen.split(':').count(),
        "{CHOSEN} is {chosen}, but there are {RELEASES:?}"
    );
    releases
}

/// The manifest of a program says this of tokio, and where its source is.
const RELEASE: &str = "version = \"1.40\"";
const SOURCE: &str = "path = \"src/main.rs\"";

/// How a program is built.
#[derive(Clone, Copy, Debug, Default)]
pub struct Build<'a> {
    /// The release of tokio.
    pub tokio: &'a str,
    /// Whether it is optimised.
    pub release: bool,
    /// Features of the program.
    pub features: &'a [&'a str],
    /// What cargo and the compiler are told by their environment.
    pub settings: &'a [(&'a str, &'a str)],
    /// What it does not have any more then.
    pub stripped: Stripped,
}

/// What is taken from a program after it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stripped {
    /// It is as it was built.
    #[default]
    Nothing,
    /// Its debug information.
    Debug,
    /// That, and its symbols.
    All,
}

/// What is built is kept here, below the folder of this very test: it is not built twice.
fn kept() -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    let target = this.ancestors().nth(3).expect("the folder of the build");
    target.join("tokio")
}

/// Builds the program whose package is in a folder, and has its name.
///
/// # Panics
///
/// If it does not build.
#[track_caller]
pub fn build(package: &Path, how: &Build<'_>, to: &Path) {
    // Whatever is built comes to the same place.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = fs::read_to_string(package.join("Cargo.toml")).expect("a manifest");
    let name = manifest.split('"').nth(1).expect("a name");
    let folder = kept().join(format!("{name}-{}", how.tokio));
    write_manifest(package, &manifest, how.tokio, &folder);
    // Without a network first: what is not there is then fetched.
    let built = run(&folder, how, true) || run(&folder, how, false);
    assert!(built, "{how:?}");
    let profile = ["debug", "release"][usize::from(how.release)];
    let program = kept().join(profile).join(name);
    // By a process of its own: what another thread of this one starts meanwhile would hold the copy
    // open for a moment, and it could not be started (ETXTBSY).
    let status = Command::new("cp").arg(program).arg(to).status();
    assert!(status.expect("it runs").success(), "it is built");
    let option = match how.stripped {
        Stripped::Nothing => return,
        Stripped::Debug => "--strip-debug",
        Stripped::All => "--strip-all",
    };
    // It comes with a C compiler.
    let status = Command::new("strip").arg(option).arg(to).status();
    assert!(status.expect("it runs").success(), "{how:?}");
}

/// The same package, with another release of tokio.
fn write_manifest(package: &Path, manifest: &str, tokio: &str, folder: &Path) {
    let source = package.join("src/main.rs").display().to_string();
    let mut text = manifest.to_owned();
    for (was, becomes) in [
        (RELEASE, format!("version = \"={tokio}\"")),
        (SOURCE, format!("path = {source:?}")),
    ] {
        assert_eq!(text.matches(was).count(), 1, "{was}");
        text = text.replace(was, &becomes);
    }
    fs::create_dir_all(folder).expect("a folder");
    let path = folder.join("Cargo.toml");
    if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
        fs::write(path, text).expect("written");
    }
}

fn run(folder: &Path, how: &Build<'_>, offline: bool) -> bool {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--target-dir"])
        .arg(kept());
    command.args(["--features", &how.features.join(",")]);
    command.args(how.release.then_some("--release"));
    if offline {
        command.arg("--offline").stderr(Stdio::null());
    }
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PROFILE_") || name.contains("RUSTFLAGS") {
            command.env_remove(&*name);
        }
    }
    let settings = how.settings.iter().copied();
    command.env("CARGO_INCREMENTAL", "0").envs(settings);
    let status = command.current_dir(folder).status();
    status.expect("cargo runs").success()
}
