//! The soak command, for seconds: that it soaks, judges and says so. What it finds in half an hour
//! is in tests/PROOF.md.

use std::process::{Command, Output};

use serde_json::Value;

fn soak(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(arguments)
        .output()
        .expect("it runs")
}

#[test]
fn a_short_soak_does_some_of_everything_and_finds_nothing_wrong() {
    let output = soak(&["--for", "4s", "--clients", "60", "--format", "json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(report["wrong"], serde_json::json!([]), "{report:#}");
    assert!(output.status.success(), "{said}");

    let done = report["done"].as_object().expect("an object");
    assert_eq!(done.len(), 9, "{done:?}");
    assert!(
        done.values().all(|count| count.as_u64() > Some(0)),
        "{done:?}"
    );
    assert!(
        report["frames"].as_u64() > Some(0),
        "the inspectors have seen nothing"
    );
    assert!(
        report["end"]["descriptors"].as_u64() > Some(60),
        "there was no load at the end"
    );
    let laws = report["laws"].as_array().expect("an array");
    assert!(
        !laws.is_empty() && laws.iter().all(|law| law["lhs"] == law["rhs"]),
        "{laws:?}"
    );
    // Progress is on stderr, so that stdout can be read by a script.
    assert!(said.contains("running") || said.contains("start"), "{said}");
}

#[test]
fn what_cannot_be_soaked_is_refused_with_a_reason() {
    for (arguments, reason) in [
        (["--for", "10ms"], "give it 1s or more"),
        (["--for", "soon"], "invalid value 'soon'"),
        (["--clients", "3"], "3 is not in 20..=5000"),
    ] {
        let output = soak(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
}
