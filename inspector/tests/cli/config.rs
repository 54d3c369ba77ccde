//! The configuration file: what it says, where it means something, and what is said of a bad one.

use std::fs;
use std::path::Path;

use crate::{assert_fails, json, netpoller, run, stderr, stdout};
use netpoller_tests::mock::{Mock, Running};

/// Puts a file at the usual place, which is in the home of what a test runs.
fn configure(scratch: &Path, text: &str) {
    let folder = scratch.join(".config/netpoller");
    fs::create_dir_all(&folder).expect("make a folder");
    fs::write(folder.join("config.toml"), text).expect("write the file");
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let (scratch, _running, target) = Running::alone(Mock::new(40));
    configure(scratch.path(), &format!("limit = 3\ntarget = '{target}'\n"));
    let rows = |environment: Option<&str>, flag: Option<&str>| {
        let mut command = netpoller(scratch.path());
        if let Some(limit) = environment {
            command.env("NETPOLLER_LIMIT", limit);
        }
        let output = command
            .args(["ls", "--no-header"])
            .args(flag.map(|limit| ["-n", limit]).into_iter().flatten())
            .output()
            .expect("run netpoller");
        stdout(&output).lines().count()
    };
    assert_eq!(rows(None, None), 3);
    assert_eq!(rows(Some("5"), None), 5);
    assert_eq!(rows(Some("5"), Some("7")), 7);
}

#[test]
fn every_setting_is_shown_with_where_it_comes_from() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    configure(
        scratch.path(),
        "\ninterval = '2s'\ntheme = 'light'\n[targets]\nx = 'pid:7'\n",
    );
    let output = netpoller(scratch.path())
        .env("NETPOLLER_THEME", "mono")
        .env("NETPOLLER_FORMAT", "json")
        .args(["config", "show", "--limit", "4"])
        .output()
        .expect("run netpoller");
    let document = json(&output);
    let item = |name: &str| {
        let items = document["items"].as_array().expect("items");
        let found = items.iter().find(|it| it["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not shown"));
        let text = |field: &str| found[field].as_str().unwrap_or("-").to_owned();
        (text("value"), text("origin"), text("place"))
    };
    let place = |line| {
        format!(
            "{}/.config/netpoller/config.toml:{line}",
            scratch.path().display()
        )
    };
    let told = |value: &str, origin: &str, place: &str| {
        (value.to_owned(), origin.to_owned(), place.to_owned())
    };
    assert_eq!(item("limit"), told("4", "flag", "-"));
    assert_eq!(item("theme"), told("mono", "env", "NETPOLLER_THEME"));
    assert_eq!(item("interval"), told("2s", "file", &place(2)));
    assert_eq!(item("color"), told("auto", "default", "-"));
    assert_eq!(item("targets.x"), told("pid:7", "file", &place(5)));
    assert_eq!(item("keys.quit"), told("q ctrl-c", "default", "-"));
}

#[test]
fn a_target_has_a_name_and_a_table_the_columns_that_people_chose() {
    let (scratch, _running, target) = Running::alone(Mock::new(9));
    configure(
        scratch.path(),
        &format!(
            "[targets]\nmine = '{target}'\n\
             [views.descriptors]\ncolumns = ['peer', 'id']\nsort = 'id:desc'\n"
        ),
    );
    let table = run(scratch.path(), &["-t", "mine", "ls"]);
    let lines: Vec<Vec<&str>> = stdout(&table)
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["PEER", "ID"]);
    assert!(lines[1][1].ends_with("/8.9"), "{lines:?}");
    // Scripts get what they ask for, and other tables are as they were.
    let document = json(&run(scratch.path(), &["-t", "mine", "ls", "-f", "json"]));
    assert!(document["items"][0]["read"].is_object(), "{document}");
    let waiters = run(scratch.path(), &["-t", "mine", "ls", "waiters"]);
    assert!(stdout(&waiters).starts_with("ID"));
    let named = run(scratch.path(), &["-t", "mine", "ls", "-c", "fd"]);
    assert!(stdout(&named).starts_with("FD"));
}

#[test]
fn a_setting_is_passed_over_where_it_means_nothing() {
    let (scratch, _running, target) = Running::alone(Mock::new(4));
    configure(
        scratch.path(),
        &format!(
            "target = '{target}'\nformat = 'csv'\nwhere = 'kind=tcp'\ncolumns = ['id', 'rd']\n\
             sort = 'since'\nlimit = 2\ninterval = '200ms'\n"
        ),
    );
    for verb in [
        &["describe", "1.1"][..],
        &["stats"],
        &["ls", "pollers"],
        &["targets"],
        &["fields"],
        &["completions", "bash"],
    ] {
        let output = run(scratch.path(), verb);
        assert_ne!(
            output.status.code(),
            Some(2),
            "{verb:?}: {}",
            stderr(&output)
        );
    }
    assert_eq!(
        stdout(&run(scratch.path(), &["ls"])).lines().next(),
        Some("id,rd")
    );
}

#[test]
fn a_bad_file_stops_every_verb_but_those_that_help_to_mend_it() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    configure(scratch.path(), "theme = 'dark'\nintervall = '1s'\n");
    for verb in [&["ls"][..], &["targets"], &["config", "show"]] {
        let output = run(scratch.path(), verb);
        let words = ["config.toml:2: ", "did you mean `interval`?", "--config"];
        assert_fails(&output, 2, &words);
    }
    for verb in [
        &["config", "path"][..],
        &["config", "schema"],
        &["completions", "zsh"],
        &["man", "ls"],
        &["--config", "/dev/null", "config", "show"],
    ] {
        stdout(&run(scratch.path(), verb));
    }
    let missing = run(scratch.path(), &["--config", "/nowhere.toml", "targets"]);
    assert_fails(&missing, 2, &["/nowhere.toml", "config init"]);
}

#[test]
fn a_new_file_is_written_once() {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    let path = run(scratch.path(), &["config", "path"]);
    let path = Path::new(stdout(&path).trim_end()).to_owned();
    assert_eq!(path, scratch.path().join(".config/netpoller/config.toml"));
    assert!(!path.exists());
    stdout(&run(scratch.path(), &["config", "init"]));
    let text = fs::read_to_string(&path).expect("it is written");
    assert!(text.contains("#interval = \"1s\""), "{text}");
    assert_fails(&run(scratch.path(), &["config", "init"]), 2, &["--force"]);
    fs::write(&path, "nonsense").expect("write");
    stdout(&run(scratch.path(), &["config", "init", "--force"]));
    assert_eq!(fs::read_to_string(&path).expect("it is written"), text);
}
