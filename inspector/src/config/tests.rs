//! What files say, and what is said of those that say nothing good.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use super::said::Config;
use super::{load, read};
use crate::failure::Failure;

/// Some of the common flags, in small.
fn command() -> Command {
    let global = |name: &'static str| Arg::new(name).long(name).global(true);
    Command::new("netpoller").args([
        global("interval").value_parser(humantime::parse_duration),
        global("theme").value_parser(["dark", "light"]),
        global("limit"),
        global("where"),
        global("sort"),
        global("columns").value_delimiter(','),
        global("ascii").action(ArgAction::SetTrue),
        global("config"),
    ])
}

fn of(text: &str) -> Result<Config, Failure> {
    read::read(PathBuf::from("/etc/np.toml"), text, &command())
}

#[track_caller]
fn good(text: &str) -> Config {
    of(text).unwrap_or_else(|failure| panic!("{text}: {failure}"))
}

#[test]
fn a_setting_is_called_as_its_flag_and_stands_in_its_place() {
    let config = good(
        "interval = '2s'\nlimit = 20\nascii = true\ncolumns = ['id', 'peer']\nwhere = 'kind=tcp'\n\
         sort = 'since:desc'\ntheme = 'light'\n",
    );
    let values = |name: &str| config.flags[name].values.join("+");
    assert_eq!(values("interval"), "2s");
    assert_eq!(values("limit"), "20");
    assert_eq!(values("ascii"), "true");
    assert_eq!(values("columns"), "id+peer");
    assert_eq!(config.flags["columns"].line, 4);
    let command = config.defaults(command());
    let matches = command.get_matches_from(["netpoller", "--limit", "3"]);
    let said = |id: &str| matches.get_one::<String>(id).cloned();
    assert_eq!(said("limit").as_deref(), Some("3"));
    assert_eq!(said("theme").as_deref(), Some("light"));
    assert!(matches.get_flag("ascii"));
    let columns: Vec<&String> = matches.get_many("columns").expect("columns").collect();
    assert_eq!(columns, ["id", "peer"]);
}

#[test]
fn targets_views_and_keys_are_read() {
    let config = good(
        "[targets]\nhere = 'pid:7'\nfar = { target = 'https://far:1', tls-ca = '/ca.pem' }\n\
         [views.waiters]\ncolumns = ['task', 'age']\nsort = 'age:desc'\n\
         [keys]\nfreeze = ['f', 'space']\nquit = 'Q'\n",
    );
    assert_eq!(config.targets["here"].text, "pid:7");
    let far = &config.targets["far"];
    assert_eq!(far.access.tls_ca, Some(PathBuf::from("/ca.pem")));
    assert!(far.target.is_tls());
    let view = &config.views["waiters"];
    assert_eq!(
        view.columns.as_deref(),
        Some(&["task".into(), "age".into()][..])
    );
    assert!(view.sort.as_ref().is_some_and(|sort| sort.descending));
    let bindings = config.keymap.bindings().iter();
    let keys = |name: &str| {
        bindings
            .clone()
            .find(|it| it.name == name)
            .map(|it| it.labels(true))
    };
    assert_eq!(keys("freeze").as_deref(), Some("f space"));
    assert_eq!(keys("quit").as_deref(), Some("Q"));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_write() {
    for (text, line, words) in [
        ("\nintervall = '1s'", 2, "did you mean `interval`?"),
        ("config = '/x'", 1, "no setting is called `config`"),
        ("interval = 'soon'", 1, "`soon` is no interval"),
        (
            "interval = 2",
            1,
            "`interval` is a text in quotes, and no integer",
        ),
        ("theme = 'lihgt'", 1, "did you mean `light`?"),
        ("ascii = 'yes'", 1, "true or false"),
        ("columns = 3", 1, "a list"),
        ("columns = ['id', 'pere']", 1, "did you mean `peer`?"),
        ("where = 'knid=tcp'", 1, "did you mean `kind`?"),
        ("sort = 'since:down'", 1, "write `asc` or `desc`"),
        ("sort = 'sinse'", 1, "did you mean `since`?"),
        ("targets = 'x'", 1, "under [targets]"),
        ("[targets]\n'a/b' = 'pid:7'", 2, "taken for a name"),
        ("[targets]\na = 'pid:x'", 2, "no process id"),
        ("[targets]\na = { tls-ca = 'x' }", 2, "`target` is missing"),
        (
            "[targets]\na = { target = 'pid:7', tsl-ca = 'x' }",
            2,
            "did you mean `tls-ca`?",
        ),
        (
            "[views.waitres]\nsort = 'age'",
            1,
            "did you mean `waiters`?",
        ),
        ("[views.waiters]\ncolumns = []", 2, "names none"),
        (
            "[views.waiters]\ncolumns = ['taks']",
            2,
            "did you mean `task`?",
        ),
        ("[views.waiters]\nsrot = 'age'", 2, "did you mean `sort`?"),
        (
            "[views.pollers]\nsort = 'peer'",
            2,
            "no column is called `peer`",
        ),
        ("[keys]\nfrezee = 'f'", 2, "did you mean `freeze`?"),
        ("[keys]\nfreeze = 'hyper-f'", 2, "is no key"),
        (
            "[keys]\nfreeze = 'f'\nfilter = 'f'",
            3,
            "given to `freeze` in line 2",
        ),
        ("[keys]\nquit = []", 2, "no key is left for `quit`"),
        ("interval = \n", 1, "this is no TOML"),
        ("ascii = true\nascii = true", 2, "this is no TOML"),
    ] {
        let failure = of(text).expect_err(text);
        assert_eq!(failure.code(), 2);
        let told = failure.to_string();
        assert!(
            told.starts_with(&format!("/etc/np.toml:{line}: ")),
            "{text}: {told}"
        );
        assert!(told.contains(words), "{text}: {told}");
        assert!(told.contains("--config /dev/null"), "{told}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines() {
    let told = of("theme = 'x'\n\n[keys]\nfoo = 'x'\n[views.bar]\n")
        .expect_err("three things are wrong")
        .to_string();
    let lines: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(
        lines[..3],
        ["/etc/np.toml:1", "/etc/np.toml:4", "/etc/np.toml:5"]
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let missing = PathBuf::from("/nowhere/np.toml");
    let failure = load(Some(missing), &command()).expect_err("it is not there");
    assert!(failure.to_string().contains("config init"), "{failure}");
}
