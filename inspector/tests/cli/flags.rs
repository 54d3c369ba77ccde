//! Flags and the environment: what means something where, and what filters can be about.

use crate::{assert_fails, netpoller, run, stderr, stdout};
use netpoller_tests::mock::{Mock, Running};

#[test]
fn what_the_environment_says_is_passed_over_where_it_means_nothing() {
    let (scratch, _running, target) = Running::alone(Mock::new(40));
    let environment = [
        ("NETPOLLER_WHERE", "kind=tcp"),
        ("NETPOLLER_COLUMNS", "id,rd"),
        ("NETPOLLER_SORT", "since:desc"),
        ("NETPOLLER_LIMIT", "3"),
        ("NETPOLLER_INTERVAL", "200ms"),
        ("NETPOLLER_FORMAT", "csv"),
    ];
    for verb in [
        &["stats"][..],
        &["ls", "pollers"],
        &["ls"],
        &["ls", "waiters"],
        &["top", "-C", "1"],
        &["hist"],
        &["watch"],
        &["targets"],
        &["fields"],
        &["completions", "bash"],
        &["doctor", "--list"],
    ] {
        for (name, value) in environment {
            let output = netpoller(scratch.path())
                .env("NETPOLLER_TARGET", &target)
                .env(name, value)
                .args(verb)
                .args(if verb == ["watch"] {
                    &["-n", "1"][..]
                } else {
                    &[]
                })
                .output()
                .expect("run netpoller");
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(0), "{name} {verb:?}: {said}");
        }
    }
    // And it does what it says where it means something.
    let output = netpoller(scratch.path())
        .env("NETPOLLER_TARGET", &target)
        .envs(environment)
        .arg("ls")
        .output()
        .expect("run netpoller");
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "id,rd"));
}

/// The variables that the help names.
fn variables() -> Vec<String> {
    let scratch = tempfile::TempDir::new().expect("make a directory");
    let help = run(scratch.path(), &["--help"]);
    let named = stdout(&help).split("[env: ").skip(1);
    named
        .map(|rest| rest.split(['=', ']']).next().expect("a name").to_owned())
        .collect()
}

#[test]
fn an_empty_variable_is_no_value_whatever_flag_it_is_of() {
    let (scratch, _running, target) = Running::alone(Mock::new(40));
    let names = variables();
    for name in ["NETPOLLER_LIMIT", "NETPOLLER_SORT", "NETPOLLER_TLS_CA"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    let plain = run(scratch.path(), &["-t", &target, "ls"]);
    let plain = stdout(&plain);
    assert_eq!(plain.lines().count(), 41);
    for (name, value) in names.iter().flat_map(|name| [(name, ""), (name, " ")]) {
        let output = netpoller(scratch.path())
            .env(name, value)
            .args(["-t", &target, "ls"])
            .output()
            .expect("run netpoller");
        assert_eq!(stdout(&output), plain, "{name}={value:?}");
    }
    let empty = names.iter().map(|name| (name, ""));
    let output = netpoller(scratch.path())
        .envs(empty)
        .args(["-t", &target, "ls"])
        .output()
        .expect("run netpoller");
    assert_eq!(stdout(&output), plain, "all of them");

    // Where one is needed, it is missing; on the command line, nothing is a value and a wrong one.
    let output = netpoller(scratch.path())
        .env("NETPOLLER_CONTROL", "")
        .args(["break"])
        .output()
        .expect("run netpoller");
    assert_fails(&output, 2, &["required", "--control <TARGET>"]);
    let output = run(scratch.path(), &["-t", &target, "ls", "--limit", ""]);
    assert_fails(&output, 2, &["--limit", "no number of rows"]);
}

#[test]
fn a_slip_of_the_pen_in_the_environment_is_told() {
    let (scratch, _running, target) = Running::alone(Mock::new(1));
    for (name, value, word) in [
        ("NETPOLLER_WHERE", "knd=tcp", "did you mean `kind`?"),
        ("NETPOLLER_COLUMNS", "id,knd", "did you mean `kind`?"),
        ("NETPOLLER_SORT", "sinse", "did you mean `since`?"),
    ] {
        let output = netpoller(scratch.path())
            .env(name, value)
            .args(["-t", &target, "ls"])
            .output()
            .expect("run netpoller");
        assert_fails(&output, 2, &[word]);
    }
}

#[test]
fn a_flag_is_honoured_or_refused_and_never_passed_over() {
    let (scratch, _running, target) = Running::alone(Mock::new(1));
    for arguments in [
        &["stats", "-n", "3"][..],
        &["stats", "--sort", "fd"],
        &["stats", "--interval", "2s"],
        &["describe", "0.1", "-c", "id"],
        &["describe", "0.1", "-f", "csv"],
        &["hist", "-w", "fd=1"],
        &["targets", "-w", "kind=tcp"],
        &["targets", "--interval", "2s"],
        &["ls", "pollers", "-w", "kind=tcp"],
        &["ls", "--interval", "2s"],
        &["watch", "--sort", "fd"],
        &["watch", "-f", "csv"],
        &["events", "-c", "id"],
        &["audit", "--interval", "2s"],
        &["doctor", "-n", "1"],
        &["tui", "-c", "id"],
        &["tui", "-n", "5"],
        &["tui", "-f", "json"],
        &["completions", "bash", "-w", "fd=1"],
        &["evict", "0.1", "--control", "/x", "-n", "1"],
        &["demo", "-n", "1"],
    ] {
        let arguments = match arguments[0] {
            "targets" | "completions" | "demo" => arguments.to_vec(),
            _ => [&["-t", &target], arguments].concat(),
        };
        let output = run(scratch.path(), &arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let output = run(scratch.path(), &["-t", &target, "tui", "--sort", "pear"]);
    assert_fails(&output, 2, &["did you mean `peer`?"]);
}

#[test]
fn a_filter_that_can_hold_for_nothing_is_refused() {
    let (scratch, _running, target) = Running::alone(Mock::new(50));
    for (verb, filter, words) in [
        (&["ls"][..], "dir=read", &["rd=parked"][..]),
        (&["top", "-C", "1"], "fd>0 && !(dir=write)", &["rd=parked"]),
        (&["watch", "-n", "1"], "dir=read", &["rd=parked"]),
        (
            &["ls"],
            "poller=gobal",
            &["no poller is called `gobal`", "did you mean `global`?"],
        ),
        (
            &["ls", "waiters"],
            "poller in (global, other)",
            &["`other`", "shard-1"],
        ),
        (
            &["watch", "-n", "1"],
            "poller!=gobal",
            &["did you mean `global`?"],
        ),
        (&["ls"], "id=gobal/0.1", &["did you mean `global`?"]),
        (&["ls"], "id=42", &["no id", "POLLER/42.7"]),
        (&["ls"], "since>-5s", &["never negative"]),
        (&["ls"], "edges<-1", &["never negative"]),
        (&["ls"], "peer~[12", &["no regular expression"]),
        (&["ls"], "peer~(1|2)", &["quote"]),
        (&["events"], "since>5s", &["no field of events", "thread"]),
        (&["events"], "rd=parked", &["no field of events"]),
        (&["events"], "poller=gobal", &["did you mean `global`?"]),
    ] {
        let output = run(
            scratch.path(),
            &[&["-t", &target], verb, &["-w", filter]].concat(),
        );
        assert_fails(&output, 2, words);
    }
    let arguments = ["-t", &target, "watch", "--until", "dir=read"];
    assert_fails(&run(scratch.path(), &arguments), 2, &["rd=parked"]);
}

#[test]
fn a_tilde_looks_for_a_regular_expression() {
    let (scratch, _running, target) = Running::alone(Mock::new(200));
    let count = |filter: &str| {
        let arguments = ["-t", &target, "ls", "--no-header", "-w", filter];
        stdout(&run(scratch.path(), &arguments)).lines().count()
    };
    let all = count("peer~10");
    assert!(all > 100);
    assert_eq!(count("peer~^10"), all);
    assert_eq!(count("peer~^0"), 0);
    assert_eq!(count("peer!~^10") + all, 200);
    assert_eq!(count("peer~\"^10\\.0\\.0\\.(3|4):\""), 2);
    assert_eq!(count("peer~:4000[12]$"), 2);
    assert_eq!(count("!(peer~^10 && fd>0) || fd=8"), 200 - all + 1);
    // The server is asked for less than that, or for nothing, and the limit still holds.
    let arguments = [
        "-t",
        &target,
        "ls",
        "--no-header",
        "-n",
        "3",
        "-w",
        "peer~:400.5$",
    ];
    assert_eq!(stdout(&run(scratch.path(), &arguments)).lines().count(), 3);
}

#[test]
fn the_help_of_watch_says_what_no_line_tells_of() {
    let scratch = tempfile::tempdir().unwrap();
    let output = run(scratch.path(), &["watch", "--help"]);
    let help = stdout(&output);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("comes and goes within --interval"), "{help}");
    let instead = "events --kind opened,closed";
    assert!(help.contains(instead), "{help}");
}

#[test]
fn help_names_every_field_and_operator() {
    let (scratch, _running, _) = Running::alone(Mock::new(1));
    for arguments in [&["help", "fields"][..], &["fields"], &["fields", "--help"]] {
        let output = run(scratch.path(), arguments);
        let text = stdout(&output);
        for name in netpoller_proto::filter::Field::names() {
            assert!(text.contains(name), "{name} is missing in {arguments:?}");
        }
        for word in [
            "!~",
            "in (A, B)",
            "regular expression",
            "10ms",
            "read|write",
        ] {
            assert!(text.contains(word), "{word} is missing in {arguments:?}");
        }
    }
    let help = run(scratch.path(), &["--help"]);
    assert!(stdout(&help).contains("netpoller fields"));
}
