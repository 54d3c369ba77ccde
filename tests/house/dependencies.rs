//! What the workspace depends on is what deny.toml allows. Known vulnerabilities are for `cargo
//! deny check`, which asks the network; everything else is in the packages themselves.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// All packages of the lock file that Linux needs.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--all-features"])
        .args(["--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(ROOT)
        .output()
        .expect("run cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The strings of a list in deny.toml.
fn list(start: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/deny.toml")).expect("deny.toml");
    let (_, rest) = text.split_once(start).expect("the list");
    let (list, _) = rest.split_once(']').expect("its end");
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether a licence expression can be satisfied with what is allowed. AND binds tighter than OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Old manifests have a slash for OR.
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    let mut depth = 0;
    let mut words = Vec::new();
    for part in expression.split_inclusive(['(', ')', ' ']) {
        depth += i32::from(part.contains('(')) - i32::from(part.contains(')'));
        match words.last_mut() {
            Some((word, before)) if *before > 0 => {
                *word = format!("{word}{part}");
                *before = depth;
            }
            _ => words.push((part.to_owned(), depth)),
        }
    }
    let words: Vec<&str> = words.iter().map(|(word, _)| word.trim()).collect();
    words.split(|word| *word == "OR").any(|all| {
        all.split(|word| *word == "AND").all(|one| {
            let one = one.join(" ");
            let one = one.trim();
            match one.strip_prefix('(').and_then(|one| one.strip_suffix(')')) {
                Some(inner) => is_allowed(inner, allowed),
                None => allowed.contains(one),
            }
        })
    })
}

#[test]
fn every_package_has_a_licence_that_is_allowed() {
    let allowed = list("allow = [");
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(
            is_allowed(licence, &allowed),
            "{} has the licence {licence}: allow it in deny.toml, or do without",
            package["name"]
        );
    }
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT", "ISC"].map(str::to_owned).into();
    for expression in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "MIT AND ISC",
        "GPL-3.0 AND X OR MIT",
        "(MIT OR GPL-3.0) AND ISC",
        "ISC AND (GPL-3.0 OR MIT)",
    ] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    for expression in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT WITH X",
        "(MIT OR ISC) AND GPL-3.0",
        "(GPL-3.0 OR X) AND MIT",
    ] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}

#[test]
fn there_is_one_source_of_packages_and_one_implementation_of_tls() {
    let banned = list("deny = [");
    assert!(banned.contains("openssl"), "{banned:?}");
    let packages = packages();
    let sources: BTreeSet<_> = packages
        .iter()
        .filter_map(|package| package["source"].as_str())
        .collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(sources.iter().all(|source| source.starts_with("registry+")));
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        assert!(!banned.contains(name), "{name} is banned in deny.toml");
    }
}
