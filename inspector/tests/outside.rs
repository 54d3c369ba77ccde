//! A process that embeds nothing, read from outside: this one, of which the test knows all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Output, Stdio};

use netpoller_tests::program::{Killed, netpoller};
use rustix::event::epoll;
use serde_json::Value;
use tempfile::TempDir;

/// What a process may have open, and somebody who waits.
struct Process {
    set: OwnedFd,
    /// Two connections wait to be accepted.
    listener: TcpListener,
    _waiting: [TcpStream; 2],
    /// Its peer has written five bytes.
    connection: TcpStream,
    peer: TcpStream,
    /// Its peer has closed.
    held: TcpStream,
    /// In no set.
    pipe: (std::io::PipeReader, std::io::PipeWriter),
    scratch: TempDir,
}

impl Process {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let connect = || TcpStream::connect(address).expect("it listens");
        let accept = || listener.accept().expect("a connection").0;
        let mut peer = connect();
        let connection = accept();
        peer.write_all(b"five!").expect("there is room");
        let closes = connect();
        let held = accept();
        drop(closes);
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll set");
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(7);
        for fd in [listener.as_fd(), connection.as_fd(), held.as_fd()] {
            epoll::add(&set, fd, data, flags).expect("registered");
        }
        Self {
            set,
            _waiting: [connect(), connect()],
            connection,
            peer,
            held,
            listener,
            pipe: std::io::pipe().expect("a pipe"),
            scratch: tempfile::tempdir().expect("a directory"),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = netpoller(self.scratch.path());
        let me = format!("pid:{}", std::process::id());
        command.args(["-t", &me]).args(arguments);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// The items of a document, and what was said beside it.
    #[track_caller]
    fn items(&self, arguments: &[&str]) -> (Vec<Value>, String) {
        let output = self.output(&[&["-f", "json"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{said}", String::from_utf8_lossy(&output.stdout))
        });
        (document["items"].as_array().expect("items").clone(), said)
    }

    fn set(&self) -> String {
        format!("epoll-{}", self.set.as_raw_fd())
    }
}

#[track_caller]
fn row<'a>(rows: &'a [Value], poller: &str, fd: &impl AsRawFd) -> &'a Value {
    let is_it = |row: &&Value| row["poller"] == poller && row["fd"] == fd.as_raw_fd();
    let row = rows.iter().find(is_it);
    row.unwrap_or_else(|| panic!("{poller} has no {}: {rows:#?}", fd.as_raw_fd()))
}

#[test]
fn its_descriptors_are_listed_with_what_the_kernel_knows_of_them() {
    let process = Process::new();
    let (rows, said) = process.items(&["ls"]);
    assert!(said.contains("is read from outside"), "{said}");
    let set = process.set();

    let listener = row(&rows, &set, &process.listener);
    let address = process
        .listener
        .local_addr()
        .expect("an address")
        .to_string();
    assert_eq!(
        (&listener["kind"], &listener["local"]),
        (&"tcp_listener".into(), &address.into())
    );
    assert_eq!(
        (&listener["socket"]["acceptq"], &listener["opened_at"]),
        (&2.into(), &Value::Null)
    );

    let connection = row(&rows, &set, &process.connection);
    let peer = process.peer.local_addr().expect("an address").to_string();
    assert_eq!(
        (&connection["kind"], &connection["peer"]),
        (&"tcp".into(), &peer.into())
    );
    assert_eq!(connection["socket"]["recvq"], 5);
    assert_eq!(connection["read"]["state"], "unknown");
    assert_eq!(
        row(&rows, &set, &process.held)["socket"]["tcp_state"],
        "CLOSE_WAIT"
    );

    assert_eq!(row(&rows, "unpolled", &process.peer)["kind"], "tcp");
    assert_eq!(row(&rows, "unpolled", &process.pipe.0)["kind"], "pipe");
    let fd = |row: &Value| row["fd"].as_i64();
    let of_set = rows.iter().filter(|it| it["poller"] == set.as_str());
    assert_eq!(of_set.filter_map(fd).count(), 3);
}

#[test]
fn it_is_listed_among_the_targets_unless_those_with_an_endpoint_are_asked_for() {
    let process = Process::new();
    let targets = |arguments: &[&str]| {
        let mut command = netpoller(process.scratch.path());
        let output = command
            .args(["targets", "-f", "json"])
            .args(arguments)
            .output();
        let output = output.expect("it runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let items = document["items"].as_array().expect("items").clone();
        items.into_iter().find(|it| it["pid"] == std::process::id())
    };
    assert_eq!(targets(&["--endpoints"]), None);
    let me = targets(&[]).expect("it has an epoll set");
    assert_eq!(
        (&me["state"], &me["socket"]),
        (&"outside".into(), &"".into())
    );
    // What it is made of, its executable tells, and that of a test need not.
    assert!(
        me["runtime"].as_str().is_some_and(|it| !it.is_empty()),
        "{me}"
    );
    assert!(
        me["pollers"].as_u64() >= Some(1) && me["descriptors"].as_u64() >= Some(7),
        "{me}"
    );
}

#[test]
fn filters_orders_and_limits_hold_as_they_do_of_an_endpoint() {
    let process = Process::new();
    let set = process.set();
    let held = format!("poller = \"{set}\" && tcp_state = \"CLOSE_WAIT\"");
    let (rows, _) = process.items(&["ls", "--where", &held]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["fd"], process.held.as_raw_fd());
    let of_set = format!("poller = \"{set}\"");
    let (rows, _) = process.items(&[
        "ls", "--where", &of_set, "--sort", "fd:desc", "--limit", "2",
    ]);
    let fds: Vec<_> = rows.iter().filter_map(|it| it["fd"].as_i64()).collect();
    let mut expected = [
        process.listener.as_raw_fd(),
        process.connection.as_raw_fd(),
        process.held.as_raw_fd(),
    ];
    expected.sort_unstable();
    assert_eq!(fds, [expected[2], expected[1]].map(i64::from));
}

#[test]
fn one_of_them_is_described_with_its_registration() {
    let process = Process::new();
    let fd = format!("fd:{}", process.connection.as_raw_fd());
    let output = process.output(&["describe", &fd]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for part in ["for IN ET", "ESTABLISHED", "blocking mode"] {
        let words = part.split(' ').all(|word| text.contains(word));
        assert!(words, "{part}: {text}");
    }
    assert!(!text.contains("ready now"), "{text}");
}

#[test]
fn who_waits_in_a_call_is_told_with_the_call() {
    let process = Process::new();
    let mut pipe = process.pipe.0.try_clone().expect("a duplicate");
    let waits = std::thread::Builder::new().name("waits-in-read".into());
    let waits = waits
        .spawn(move || drop(pipe.read(&mut [0])))
        .expect("a thread");
    let waiter = netpoller_tests::eventually("it waits in read(2)", || {
        let (rows, said) = process.items(&["ls", "waiters"]);
        // Where a thread is takes the right to trace, which not everybody has.
        if said.contains("in which call its threads wait") {
            return Some(None);
        }
        let mut threads = rows.into_iter();
        threads.find(|it| it["thread"] == "waits-in-read").map(Some)
    });
    if let Some(waiter) = waiter {
        assert_eq!(waiter["location"], "read(2)");
        assert_eq!(
            (&waiter["dir"], &waiter["state"]),
            (&"read".into(), &"parked".into())
        );
    }
    let mut writer = &process.pipe.1;
    writer.write_all(b"x").expect("there is room");
    waits.join().expect("it has read");
}

#[test]
fn what_comes_and_goes_is_followed() {
    let process = Process::new();
    let mut command = process.command(&["watch", "-f", "jsonl", "--where", "kind = udp"]);
    let child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut child = Killed(child);
    let lines = BufReader::new(child.0.stdout.take().expect("a pipe")).lines();
    let lines = &mut lines.map(|it| it.expect("a line"));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let fd = socket.as_raw_fd().to_string();
    let is_of_it = |line: &String| line.contains(&format!("\"fd\":{fd},"));
    let opened = lines.find(is_of_it).expect("it goes on");
    assert!(opened.contains("udp"), "{opened}");
    let key: Value = serde_json::from_str(&opened).expect("JSON");
    let id = key["descriptor"]["id"]
        .as_str()
        .or(key["id"].as_str())
        .expect("an id")
        .to_owned();
    drop(socket);
    assert!(lines.any(|line| line.contains(&id)), "{id} is gone");
}

#[test]
fn faults_that_the_kernel_knows_of_are_found_with_their_descriptors() {
    let process = Process::new();
    let (findings, _) = process.items(&["doctor"]);
    let of = |lint: &str, fd: i32| {
        let is_it = |it: &&Value| it["lint"] == lint && it["descriptor"]["fd"] == fd;
        findings.iter().any(|it| is_it(&it))
    };
    assert!(
        of("accept-stalled", process.listener.as_raw_fd()),
        "{findings:#?}"
    );
    assert!(
        of("close-wait-held", process.held.as_raw_fd()),
        "{findings:#?}"
    );
    assert!(
        !of("close-wait-held", process.connection.as_raw_fd()),
        "{findings:#?}"
    );
}

#[test]
fn what_nobody_can_know_from_outside_is_refused_and_said_to_be() {
    let process = Process::new();
    for verb in ["audit", "hist", "leaks", "events"] {
        let output = process.output(&[verb]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{verb}: {said}");
        assert!(said.contains("endpoint tells it"), "{verb}: {said}");
    }
    let output = process.output(&["stats"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains(&process.set()) && !text.contains("ready_idle"),
        "{text}"
    );
}

/// Names are the process's own, and may be made to be read by a terminal.
#[test]
fn nothing_that_a_terminal_obeys_comes_through() {
    let process = Process::new();
    let path = process.scratch.path().join("\x1b[2J\u{202e}name");
    let listener = std::os::unix::net::UnixListener::bind(path).expect("a listener");
    let fd = listener.as_raw_fd();
    let only = format!("fd = {fd}");
    for format in ["table", "wide", "csv", "json", "jsonl"] {
        let output = process.output(&["-f", format, "ls", "--where", &only]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("[2J"),
            "{format}: {output:?}"
        );
        assert!(!text.contains(['\x1b', '\u{202e}']), "{format}: {text:?}");
    }
}

#[test]
fn a_process_that_ends_is_said_to_have_ended() {
    let scratch = tempfile::tempdir().expect("a directory");
    let sleeps = Command::new("sleep").arg("600").spawn().expect("it runs");
    let mut sleeps = Killed(sleeps);
    let mut command = netpoller(scratch.path());
    let target = format!("pid:{}", sleeps.0.id());
    let child = command
        .args(["-t", &target, "watch", "--interval", "100ms"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut child = Killed(child);
    let mut said = BufReader::new(child.0.stderr.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("it is read from outside");
    assert!(line.contains("read from outside"), "{line}");
    sleeps.0.kill().expect("it runs");
    sleeps.0.wait().expect("it has ended");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("it ends");
    assert!(rest.contains("has ended"), "{rest}");
    assert_ne!(child.0.wait().expect("it ends").code(), Some(0));
}
