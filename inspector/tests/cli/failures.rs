//! What goes wrong, with its exit code and what to do; and flags, which everything takes.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{assert_fails, netpoller, own_socket_name, run, runtime_dir, stderr, stdout};
use netpoller_tests::mock::{Mock, Running};

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
    // Beyond the most that Linux gives out.
    assert_fails(
        &run(scratch.path(), &["-t", "pid:4194305", "ls"]),
        4,
        &["pid:4194305", "no such process", "netpoller targets"],
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
    let (scratch, _running, target) = Running::alone(Mock::new(5));
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
    let (scratch, _running, target) = Running::alone(Mock {
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
    let (scratch, _running, target) = Running::alone(Mock {
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
fn a_target_that_gives_an_answer_up_is_exit_124() {
    let (scratch, _running, target) = Running::alone(Mock {
        gives_up: true,
        ..Mock::new(1)
    });
    assert_fails(
        &run(scratch.path(), &["-t", &target, "ls"]),
        124,
        &[&target, "gave the table up", "--where"],
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
    let (scratch, _running, target) = Running::alone(Mock::new(1));
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
        (&["ls", "--tls-ca", "/x"], &["means nothing", "https://"]),
        (
            &["-t", "http://localhost:1", "ls", "--tls-name", "x"],
            &["means nothing to this target", "https://"],
        ),
        (&["demo", "--headless"], &["--target means nothing", "runs"]),
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
    let (scratch, _running, target) = Running::alone(Mock::new(5_000));
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
fn each_verb_has_a_manual_page() {
    let scratch = TempDir::new().expect("make a directory");
    let output = run(scratch.path(), &["man", "leaks"]);
    let page = stdout(&output);
    for part in [
        ".TH netpoller-leaks 1",
        "\\-\\-watch",
        "which lines of code open",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let pages = scratch.path().join("pages/man1");
    let to = pages.to_str().expect("a path");
    let output = run(scratch.path(), &["man", "--dir", to]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let names = std::fs::read_dir(&pages).expect("a folder");
    let names: Vec<_> = names
        .filter_map(|it| it.ok()?.file_name().into_string().ok())
        .collect();
    for name in ["netpoller.1", "netpoller-ls.1", "netpoller-break.1"] {
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
    }
    let output = run(scratch.path(), &["man", "leeks"]);
    assert_fails(&output, 2, &["leeks", "did you mean `leaks`?"]);
    let output = run(scratch.path(), &["man", "--dir", "/proc/nowhere"]);
    assert_fails(&output, 1, &["/proc/nowhere"]);
}

#[test]
fn a_process_that_is_older_than_a_verb_is_exit_5() {
    let (scratch, _running, target) = Running::alone(Mock::new(1));
    let output = run(scratch.path(), &["-t", &target, "leaks"]);
    assert_fails(&output, 5, &["does not have the open sites", "older"]);
}
