//! The programs that are compared: the bench `echo` and this one, each built with other flags.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::cases::{Case, Group};

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    /// As users build it.
    On,
    /// Without instrumentation.
    Off,
    /// With tokio's instrumentation.
    Console,
}

impl Variant {
    fn flags(self) -> &'static str {
        match self {
            Variant::On => "",
            Variant::Off => "--cfg netpoller_bare",
            Variant::Console => "--cfg tokio_unstable",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Variant::On => "on",
            Variant::Off => "off",
            Variant::Console => "console",
        }
    }
}

/// The programs of each variant, by name of the bench.
pub(crate) struct Variants(BTreeMap<(Variant, &'static str), PathBuf>);

impl Variants {
    /// Builds what `cases` need. All variants are built alike, in folders of their own, so that
    /// their flags are the only difference.
    pub(crate) fn build(cases: &[Case]) -> io::Result<Variants> {
        let mut programs = BTreeMap::new();
        let mut variants = vec![Variant::On, Variant::Off];
        if cases.iter().any(|case| case.group == Group::Console) {
            variants.push(Variant::Console);
        }
        for variant in variants {
            eprintln!("overhead: building the servers ({})", variant.directory());
            for (name, path) in build(variant)? {
                programs.insert((variant, name), path);
            }
        }
        Ok(Variants(programs))
    }

    /// A command that runs the bench `name` as `variant`.
    pub(crate) fn command(&self, variant: Variant, name: &'static str) -> io::Result<Command> {
        let program = self.0.get(&(variant, name)).ok_or_else(|| {
            io::Error::other(format!("the bench {name} was not built as {variant:?}"))
        })?;
        Ok(Command::new(program))
    }
}

const BENCHES: [&str; 2] = ["echo", "overhead"];

fn build(variant: Variant) -> io::Result<Vec<(&'static str, PathBuf)>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    let target = workspace.join("target/overhead").join(variant.directory());
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["build", "--profile", "bench", "-p", "netpoller-tests"])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target)
        .env("RUSTFLAGS", variant.flags())
        .stdout(Stdio::piped());
    for bench in BENCHES {
        command.args(["--bench", bench]);
    }
    let mut cargo = command.spawn()?;
    let messages = cargo
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("cargo says nothing"))?;
    let mut programs = Vec::new();
    for line in BufReader::new(messages).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        let name = message["target"]["name"].as_str().unwrap_or_default();
        if let Some(bench) = BENCHES.into_iter().find(|bench| *bench == name)
            && let Some(path) = message["executable"].as_str()
        {
            programs.push((bench, path.into()));
        }
    }
    let status = cargo.wait()?;
    if !status.success() || programs.len() != BENCHES.len() {
        return Err(io::Error::other(format!(
            "building the servers with RUSTFLAGS={:?} failed ({status})",
            variant.flags()
        )));
    }
    Ok(programs)
}
