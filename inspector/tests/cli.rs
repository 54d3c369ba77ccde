//! The real binary against a mock of the endpoint.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::mock::{Mock, Running};
use tempfile::TempDir;

/// The command with an environment of its own, so that nothing of this machine shows through.
fn netpoller(scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpoller"));
    command
        .env_clear()
        .env("XDG_RUNTIME_DIR", scratch)
        .stdin(Stdio::null());
    command
}

fn run(scratch: &Path, arguments: &[&str]) -> Output {
    netpoller(scratch)
        .args(arguments)
        .output()
        .expect("run netpoller")
}

#[track_caller]
fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_str(stdout(output)).expect("a JSON document")
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "stdout is for data");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
}

/// A mock under a plain name, which has to be named with `-t`.
fn serve(mock: Mock) -> (TempDir, Running, String) {
    let scratch = TempDir::new().expect("make a directory");
    let running = Running::start(mock, scratch.path().join("mock.sock"));
    let target = format!("unix:{}", running.socket.display());
    (scratch, running, target)
}

/// Where a process of this user would put its sockets.
fn runtime_dir(scratch: &Path) -> std::path::PathBuf {
    let directory = scratch.join("netpoller");
    fs::create_dir(&directory).expect("make a directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))
        .expect("close the directory to others");
    directory
}

/// The name of a socket of this process.
fn own_socket_name() -> String {
    let stat = fs::read_to_string("/proc/self/stat").expect("read /proc/self/stat");
    let start = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_ascii_whitespace()
        .nth(19)
        .expect("a start time");
    format!("{}-{start}.sock", std::process::id())
}

#[test]
fn ls_prints_one_aligned_line_for_each_descriptor() {
    let (scratch, _running, target) = serve(Mock::new(40));
    let output = run(scratch.path(), &["-t", &target, "ls"]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 41);
    let titles: Vec<&str> = lines[0].split_ascii_whitespace().collect();
    assert_eq!(
        titles,
        [
            "ID", "FD", "KIND", "LOCAL", "PEER", "RD", "WR", "SINCE", "DEADLINE", "EDGES", "WHERE"
        ]
    );
    let column = lines[0].find("RD").expect("RD");
    for line in &lines[1..] {
        let state = line[column..].split(' ').next().expect("a state");
        assert!(
            ["nil", "ready", "wait", "parked"].contains(&state),
            "{line}"
        );
        assert_eq!(line.trim_end(), *line, "no trailing blanks");
    }
}

#[test]
fn without_a_terminal_no_verb_means_ls() {
    let (scratch, _running, target) = serve(Mock::new(3));
    let output = netpoller(scratch.path())
        .env("NETPOLLER_TARGET", target)
        .output()
        .expect("run netpoller");
    assert_eq!(stdout(&output).lines().count(), 4);
    assert!(!stdout(&output).contains('\x1b'));
}

#[test]
fn json_has_every_field_of_the_contract() {
    let (scratch, _running, target) = serve(Mock::new(60));
    let document = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "--format", "json"],
    ));
    assert_eq!(document["schema"], "netpoller/v1/descriptors");
    assert_eq!(document["target"]["pid"], 4242);
    assert_eq!(document["captured_at"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(document["complete"], true);
    let items = document["items"].as_array().expect("items");
    assert_eq!(items.len(), 60);
    for item in items {
        for field in [
            "id",
            "poller",
            "fd",
            "kind",
            "local",
            "peer",
            "label",
            "opened_at",
            "read",
            "write",
        ] {
            assert!(item.get(field).is_some(), "{field} is missing in {item}");
        }
        for side in ["read", "write"] {
            let side = &item[side];
            for field in [
                "state",
                "since_ns",
                "age_ns",
                "waiter",
                "deadline_ns",
                "transitions",
            ] {
                assert!(side.get(field).is_some(), "{field} is missing in {side}");
            }
            assert_eq!(side["waiter"].is_null(), side["state"] != "parked");
            assert!(side["transitions"]["ready_parked"].is_u64());
        }
    }
    let parked = items
        .iter()
        .find(|item| item["read"]["state"] == "parked")
        .expect("somebody waits");
    assert!(
        parked["read"]["waiter"]["location"]
            .as_str()
            .is_some_and(|location| location.contains(".rs:"))
    );
    assert!(parked["id"].as_str().is_some_and(|id| id.contains('.')));
}

#[test]
fn a_table_of_many_pages_is_complete() {
    let (scratch, _running, target) = serve(Mock::new(15_321));
    let output = run(scratch.path(), &["-t", &target, "ls", "-f", "jsonl"]);
    let ids: std::collections::HashSet<String> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object")["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 15_321);
}

#[test]
fn waiters_have_a_row_for_each_parked_direction() {
    let (scratch, _running, target) = serve(Mock::new(80));
    let all = json(&run(scratch.path(), &["-t", &target, "ls", "-f", "json"]));
    let parked: usize = all["items"]
        .as_array()
        .expect("items")
        .iter()
        .flat_map(|item| [&item["read"], &item["write"]])
        .filter(|side| side["state"] == "parked")
        .count();
    let waiters = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "waiters", "-f", "json"],
    ));
    assert_eq!(waiters["schema"], "netpoller/v1/waiters");
    let items = waiters["items"].as_array().expect("items");
    assert_eq!(items.len(), parked);
    for item in items {
        for field in [
            "id",
            "fd",
            "kind",
            "dir",
            "task",
            "thread",
            "location",
            "age_ns",
            "deadline_ns",
        ] {
            assert!(item.get(field).is_some(), "{field} is missing in {item}");
        }
    }
    let table = run(scratch.path(), &["-t", &target, "ls", "waiters"]);
    let titles: Vec<&str> = stdout(&table)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(
        titles,
        [
            "ID", "FD", "KIND", "DIR", "TASK", "THREAD", "AGE", "DEADLINE", "LOCATION", "LOCAL",
            "PEER"
        ]
    );
}

#[test]
fn deadlines_and_pollers_are_tables_too() {
    let (scratch, _running, target) = serve(Mock::new(80));
    let deadlines = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "deadlines", "-f", "json"],
    ));
    let items = deadlines["items"].as_array().expect("items");
    assert!(!items.is_empty());
    assert!(
        items
            .iter()
            .all(|item| item["deadline_expired"] == true || item["deadline_ns"].is_u64())
    );
    let pollers = run(scratch.path(), &["-t", &target, "ls", "pollers"]);
    assert!(stdout(&pollers).contains("shard-1"));
    let pollers = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "pollers", "-f", "json"],
    ));
    assert_eq!(pollers["items"][0]["name"], "global");
}

#[test]
fn rows_are_filtered_sorted_limited_and_cut_to_columns() {
    let (scratch, _running, target) = serve(Mock::new(200));
    let output = run(
        scratch.path(),
        &[
            "-t",
            &target,
            "ls",
            "-w",
            "rd=parked && kind=tcp",
            "--sort",
            "fd:desc",
            "-n",
            "5",
            "--columns",
            "fd,rd,kind",
            "--no-header",
        ],
    );
    let rows: Vec<Vec<&str>> = stdout(&output)
        .lines()
        .map(|line| line.split_ascii_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 5);
    assert!(
        rows.iter().all(|row| row[1..] == ["parked", "tcp"]),
        "{rows:?}"
    );
    let fds: Vec<i32> = rows
        .iter()
        .map(|row| row[0].parse().expect("a number"))
        .collect();
    assert!(fds.is_sorted_by(|left, right| left > right), "{fds:?}");
    let cut = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "-n", "5", "-f", "json"],
    ));
    assert_eq!(cut["complete"], false);
}

#[test]
fn csv_is_one_record_for_each_row() {
    let (scratch, _running, target) = serve(Mock::new(10));
    let output = run(scratch.path(), &["-t", &target, "ls", "-f", "csv"]);
    let mut reader = csv::Reader::from_reader(stdout(&output).as_bytes());
    assert_eq!(&reader.headers().expect("a header")[0], "id");
    assert_eq!(reader.records().count(), 10);
}

#[test]
fn stats_show_transitions_counters_quantiles_and_laws() {
    let (scratch, _running, target) = serve(Mock::new(1_500));
    let output = run(scratch.path(), &["-t", &target, "stats"]);
    let text = stdout(&output);
    for word in [
        "POLLER global",
        "ready_parked",
        "break_coalesced",
        "wake_latency",
        "P99.9",
        "LAW",
        "OK",
        " 1 500\n",
        " 1 200\n",
    ] {
        assert!(text.contains(word), "`{word}` is missing in:\n{text}");
    }
    let document = json(&run(
        scratch.path(),
        &["-t", &target, "stats", "-f", "json"],
    ));
    let poller = &document["items"][0];
    assert_eq!(poller["poller"]["name"], "global");
    assert!(poller["transitions"]["read"]["park"].is_u64());
    assert!(poller["counters"]["opened"].is_u64());
    let histogram = &poller["histograms"][1];
    assert_eq!(histogram["name"], "wake_latency");
    assert!(histogram["p50"].as_u64() <= histogram["p99_9"].as_u64());
    assert_eq!(poller["laws"][1]["violated"], false);
}

#[test]
fn top_repeats_the_table_with_a_blank_line_between() {
    let (scratch, _running, target) = serve(Mock::new(2));
    let output = run(
        scratch.path(),
        &["-t", &target, "top", "-C", "2", "--interval", "100ms"],
    );
    assert_eq!(
        stdout(&output)
            .lines()
            .filter(|line| line.is_empty())
            .count(),
        1
    );
    assert_eq!(stdout(&output).lines().count(), 7);
}

#[test]
fn the_only_target_need_not_be_named() {
    let scratch = TempDir::new().expect("make a directory");
    let socket = runtime_dir(scratch.path()).join(own_socket_name());
    let running = Running::start(Mock::new(5), socket);
    let output = run(scratch.path(), &["ls", "--no-header"]);
    assert_eq!(stdout(&output).lines().count(), 5);
    let pid = format!("pid:{}", std::process::id());
    assert_eq!(
        stdout(&run(scratch.path(), &["-t", &pid, "ls", "--no-header"]))
            .lines()
            .count(),
        5
    );

    let targets = json(&run(scratch.path(), &["targets", "-f", "json"]));
    assert_eq!(targets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(targets["items"][0]["state"], "ok");
    assert_eq!(targets["items"][0]["pid"], std::process::id());
    let table = run(scratch.path(), &["targets"]);
    let titles: Vec<&str> = stdout(&table)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(
        titles,
        [
            "PID", "START", "EXE", "SOCKET", "PROTO", "POLLERS", "FDS", "STATE"
        ]
    );
    drop(running);
}

#[test]
fn one_of_several_targets_must_be_chosen() {
    let scratch = TempDir::new().expect("make a directory");
    let directory = runtime_dir(scratch.path());
    let _running = Running::start(Mock::new(1), directory.join(own_socket_name()));
    let _other = Running::start(Mock::new(1), directory.join("1-1.sock"));
    assert_fails(
        &run(scratch.path(), &["ls"]),
        2,
        &["2 processes", "--target pid:1 "],
    );
}

#[test]
fn no_target_at_all_is_said_with_what_to_do() {
    let scratch = TempDir::new().expect("make a directory");
    assert_fails(
        &run(scratch.path(), &["ls"]),
        2,
        &["no process", "--target", "netpoller demo"],
    );
    assert!(stderr(&run(scratch.path(), &["targets"])).contains("no process"));
}

#[test]
fn sockets_of_dead_processes_are_removed_and_others_are_not() {
    let scratch = TempDir::new().expect("make a directory");
    let directory = runtime_dir(scratch.path());
    // No process of ours started at tick 1 of this boot.
    let stale = directory.join(format!("{}-1.sock", std::process::id()));
    drop(UnixListener::bind(&stale).expect("bind"));
    let stale_control = directory.join(format!("{}-1.control.sock", std::process::id()));
    drop(UnixListener::bind(&stale_control).expect("bind"));
    let refusing = directory.join(own_socket_name());
    drop(UnixListener::bind(&refusing).expect("bind"));
    let targets = json(&run(scratch.path(), &["targets", "-f", "json"]));
    assert_eq!(targets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(targets["items"][0]["state"], "unreachable");
    assert!(!stale.exists(), "nobody can ever listen there again");
    assert!(!stale_control.exists(), "nor there");
    assert!(refusing.exists(), "its process lives");
}

#[test]
fn a_directory_open_to_others_is_not_trusted() {
    let scratch = TempDir::new().expect("make a directory");
    let directory = runtime_dir(scratch.path());
    let _running = Running::start(Mock::new(1), directory.join(own_socket_name()));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("open the directory");
    assert_fails(&run(scratch.path(), &["ls"]), 2, &["no process"]);
}

#[test]
fn nobody_there_is_exit_4_with_target_reason_and_advice() {
    let scratch = TempDir::new().expect("make a directory");
    let missing = scratch.path().join("none.sock");
    let target = format!("unix:{}", missing.display());
    assert_fails(
        &run(scratch.path(), &["-t", &target, "ls"]),
        4,
        &[&target, "No such file", "netpoller targets"],
    );
    let left = scratch.path().join("left.sock");
    drop(UnixListener::bind(&left).expect("bind"));
    assert_fails(
        &run(scratch.path(), &["-t", &left.display().to_string(), "ls"]),
        4,
        &["refused", "left over"],
    );
    for path in ["/etc/passwd", "unix:/etc"] {
        assert_fails(
            &run(scratch.path(), &["-t", path, "ls"]),
            4,
            &[path, "not a socket", "netpoller targets"],
        );
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|it| it.local_addr())
        .expect("a free port")
        .port();
    let target = format!("http://127.0.0.1:{port}");
    assert_fails(
        &run(scratch.path(), &["-t", &target, "ls"]),
        4,
        &[&target, "refused"],
    );
    assert_fails(
        &run(scratch.path(), &["-t", "pid:1", "ls"]),
        4,
        &["pid:1", "no socket", "usual place", "-t unix:PATH"],
    );
}

#[test]
fn a_target_may_be_a_tcp_address() {
    let scratch = TempDir::new().expect("make a directory");
    let running = Running::start_tcp(Mock::new(5));
    let target = format!("http://{}", running.socket.display());
    assert_eq!(
        stdout(&run(scratch.path(), &["-t", &target, "ls", "--no-header"]))
            .lines()
            .count(),
        5
    );
}

#[test]
fn something_else_that_listens_is_exit_4() {
    let scratch = TempDir::new().expect("make a directory");
    let path = scratch.path().join("other.sock");
    let listener = UnixListener::bind(&path).expect("bind");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ =
                stream.and_then(|mut stream| stream.write_all(b"220 mail.example.org ESMTP\r\n"));
        }
    });
    let target = path.display().to_string();
    assert_fails(
        &run(scratch.path(), &["-t", &target, "ls"]),
        4,
        &[&target, "not an inspection endpoint"],
    );
}

#[test]
fn flags_can_be_set_in_the_environment_and_are_beaten_by_the_command_line() {
    let (scratch, _running, target) = serve(Mock::new(5));
    let run = |arguments: &[&str]| {
        netpoller(scratch.path())
            .envs([
                ("NETPOLLER_TARGET", target.as_str()),
                ("NETPOLLER_NO_HEADER", "1"),
                ("NETPOLLER_LIMIT", "2"),
            ])
            .args(arguments)
            .output()
            .expect("run netpoller")
    };
    assert_eq!(stdout(&run(&["ls"])).lines().count(), 2);
    assert_eq!(stdout(&run(&["ls", "-n", "3"])).lines().count(), 3);
}

#[test]
fn another_version_of_the_protocol_is_exit_5() {
    let (scratch, _running, target) = serve(Mock {
        protocol: 2,
        ..Mock::new(1)
    });
    assert_fails(
        &run(scratch.path(), &["-t", &target, "ls"]),
        5,
        &["version 2", "version 1", "same release"],
    );
}

#[test]
fn a_target_that_does_not_answer_is_exit_124() {
    let (scratch, _running, target) = serve(Mock {
        silent: true,
        ..Mock::new(1)
    });
    assert_fails(
        &run(scratch.path(), &["-t", &target, "ls", "--timeout", "200ms"]),
        124,
        &["200ms", "--timeout"],
    );
}

#[test]
fn silence_is_waited_for_once_however_the_target_is_found() {
    let scratch = TempDir::new().expect("make a directory");
    let mock = Mock {
        silent: true,
        ..Mock::new(1)
    };
    let _running = Running::start(mock, runtime_dir(scratch.path()).join(own_socket_name()));
    let pid = format!("pid:{}", std::process::id());
    for arguments in [&["ls"][..], &["ls", "-t", &pid]] {
        let began = Instant::now();
        let output = run(scratch.path(), &[arguments, &["--timeout", "2s"]].concat());
        assert_fails(&output, 124, &["2s", "--timeout"]);
        let took = began.elapsed();
        assert!(took < Duration::from_millis(3_500), "{took:?}");
    }
}

#[test]
fn what_makes_no_sense_is_exit_2() {
    let (scratch, _running, target) = serve(Mock::new(1));
    for (arguments, words) in [
        (&["frobnicate"][..], &["unrecognized subcommand"][..]),
        (&["ls", "-w", "sinse>5s"], &["did you mean `since`?"]),
        (&["ls", "--sort", "pear"], &["did you mean `peer`?"]),
        (&["ls", "--columns", "fd,knd"], &["did you mean `kind`?"]),
        (&["-t", "localhost", "ls"], &["http://host:port"]),
        (
            &["-t", "shm:/x", "ls"],
            &["`shm:`", "unix:PATH", "http://host:port", "pid:N"],
        ),
        (&["-t", "uinx:/x", "ls"], &["`uinx:`", "unix:PATH"]),
        (&["ls", "--interval", "1ms"], &["100ms"]),
        (&["stats", "-w", "fd=1"], &["means nothing"]),
        (&["tui"], &["needs a terminal"]),
    ] {
        let mut all = vec!["-t", &target];
        if arguments.contains(&"-t") {
            all.clear();
        }
        all.extend(arguments);
        assert_fails(&run(scratch.path(), &all), 2, words);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (scratch, _running, target) = serve(Mock::new(5_000));
    for format in ["table", "json", "jsonl", "csv"] {
        let mut child = netpoller(scratch.path())
            .args(["-t", &target, "ls", "-f", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run netpoller");
        let mut first = [0; 16];
        let mut pipe = child.stdout.take().expect("a pipe");
        pipe.read_exact(&mut first).expect("the first bytes");
        drop(pipe);
        let output = child.wait_with_output().expect("wait");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{format}: {}",
            stderr(&output)
        );
        assert!(output.stderr.is_empty(), "{format}: {}", stderr(&output));
    }
}

#[test]
fn completions_name_the_verbs() {
    let scratch = TempDir::new().expect("make a directory");
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            stdout(&run(scratch.path(), &["completions", shell])).contains("targets"),
            "{shell}"
        );
    }
}
