//! What a shell completes, asked as its script asks.

use std::path::Path;

use crate::{netpoller, run, stderr, stdout};
use netpoller_tests::mock::{Mock, Running};

/// What can stand in place of the last of these words.
#[track_caller]
fn completed(scratch: &Path, words: &[&str]) -> Vec<String> {
    let output = netpoller(scratch)
        .env("NETPOLLER_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .args(["--", "netpoller"])
        .args(words)
        .output()
        .expect("run netpoller");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn verbs_flags_and_words_of_flags_are_completed() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    assert_eq!(completed(scratch.path(), &["descr"]), ["describe"]);
    let kinds = completed(scratch.path(), &["events", "--kind", "ready_p"]);
    assert_eq!(kinds, ["ready_parked"]);
    let themes = completed(scratch.path(), &["ls", "--theme", "high"]);
    assert_eq!(themes, ["high-contrast"]);
}

#[test]
fn columns_are_those_of_the_table_and_the_list_goes_on_behind_a_comma() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    let columns = |words: &[&str]| completed(scratch.path(), words);
    assert_eq!(columns(&["ls", "-c", "pee"]), ["peer"]);
    assert_eq!(columns(&["ls", "-c", "id,pee"]), ["id,peer"]);
    assert_eq!(columns(&["ls", "pollers", "-c", "driv"]), ["driver"]);
    assert_eq!(columns(&["targets", "-c", "exe"]), ["exe"]);
    assert_eq!(columns(&["ls", "pollers", "-c", "pee"]), [""; 0]);
    assert_eq!(
        columns(&["ls", "--sort", "deadl"]),
        ["deadline", "deadline:desc"]
    );
}

#[test]
fn filters_have_their_fields_and_the_few_values_of_one() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    let filters = |text: &str| completed(scratch.path(), &["ls", "-w", text]);
    assert_eq!(filters("sin"), ["since"]);
    assert_eq!(filters("kind=tcp and pee"), ["kind=tcp and peer"]);
    assert!(filters("kind=").contains(&"kind=tcp".to_owned()));
    assert_eq!(filters("(state=park"), ["(state=parked"]);
}

#[test]
fn targets_ids_and_lints_are_those_that_there_are() {
    let (scratch, _running, target) = Running::alone(Mock::new(12));
    let folder = scratch.path().join(".config/netpoller");
    std::fs::create_dir_all(&folder).expect("make a folder");
    let file = format!("[targets]\nstaging = '{target}'\n");
    std::fs::write(folder.join("config.toml"), file).expect("write it");
    assert_eq!(completed(scratch.path(), &["-t", "stag"]), ["staging"]);
    for named in [target.as_str(), "staging"] {
        let ids = completed(scratch.path(), &["-t", named, "describe", "global/1"]);
        assert!(ids.contains(&"global/1.2".to_owned()), "{ids:?}");
    }
    let lints = completed(scratch.path(), &["doctor", "--allow", "stuck"]);
    assert_eq!(lints, ["stuck-waiter"]);
    // Nobody there is no reason for noise.
    assert_eq!(
        completed(scratch.path(), &["-t", "/nowhere", "describe", "1"]),
        [""; 0]
    );
}

#[test]
fn every_shell_has_a_script_that_asks() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(scratch.path(), &["completions", shell]);
        assert!(stdout(&output).contains("NETPOLLER_COMPLETE"), "{shell}");
    }
}
