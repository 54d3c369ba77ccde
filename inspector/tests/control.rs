//! What the command changes: eviction, with and without a person who is asked.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use netpoller::inspect::{Listen, Server};
use netpoller::{Desc, Kind, Poller};
use netpoller_tests::program::netpoller;
use netpoller_tests::pty;
use tempfile::TempDir;

/// A process, this one, that shows a descriptor and lets it be evicted.
struct Fixture {
    server: Server,
    desc: Desc,
    ours: UnixStream,
    _theirs: UnixStream,
    scratch: TempDir,
}

impl Fixture {
    fn new(poller: &str) -> Self {
        let scratch = TempDir::new().expect("make a directory");
        let server = Server::builder()
            .listen(Listen::Unix(scratch.path().join("look")))
            .control(Listen::Unix(scratch.path().join("change")))
            .start()
            .expect("start");
        let poller = Poller::builder().name(poller).build().expect("a poller");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        Self {
            server,
            desc: poller.open(ours.as_fd(), Kind::Unix).expect("open"),
            ours,
            _theirs: theirs,
            scratch,
        }
    }

    fn fd(&self) -> String {
        use std::os::fd::AsRawFd;

        format!("fd:{}", self.ours.as_raw_fd())
    }

    fn evict(&self, arguments: &[&str]) -> Command {
        let mut command = netpoller(self.scratch.path());
        command
            .args(["-t", self.server.target(), "evict"])
            .args(["--control", &self.server.control_targets()[0]])
            .args(arguments);
        command
    }
}

#[track_caller]
fn json(output: &Output) -> serde_json::Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

#[test]
fn what_is_evicted_by_its_number_is_told_by_its_id() {
    let fixture = Fixture::new("evicted_by_number");
    let evict = || {
        let arguments = [&*fixture.fd(), "--yes", "--format", "json"];
        json(&fixture.evict(&arguments).output().expect("run netpoller"))
    };
    let evicted = evict();
    assert_eq!(evicted["id"], fixture.desc.id().to_string());
    assert_eq!(evicted["poller"], "evicted_by_number");
    assert_eq!(evicted["evicted"], true);
    let again = evict();
    assert_eq!(
        (&again["id"], &again["evicted"]),
        (&evicted["id"], &serde_json::json!(false))
    );
}

#[test]
fn what_is_evicted_by_its_id_is_told_as_it_was_named() {
    let fixture = Fixture::new("evicted_by_id");
    let name = format!("evicted_by_id/{}", fixture.desc.id());
    let text = fixture.evict(&[&name, "--yes"]).output().expect("run");
    assert_eq!(
        String::from_utf8_lossy(&text.stdout),
        format!("evicted {name}: 0 waiters released\n")
    );
    let arguments = [&*name, "--yes", "--format", "json"];
    let again = json(&fixture.evict(&arguments).output().expect("run"));
    assert_eq!(again["id"], fixture.desc.id().to_string());
    assert_eq!(again["poller"], "evicted_by_id");
}

#[test]
fn an_id_of_several_pollers_is_answered_with_what_can_be_written() {
    let one = Fixture::new("ambiguous_one");
    let other = Poller::builder()
        .name("ambiguous_other")
        .build()
        .expect("a poller");
    let (socket, _peer) = UnixStream::pair().expect("a pair");
    let desc = other.open(socket.as_fd(), Kind::Unix).expect("open");
    assert_eq!(one.desc.id(), desc.id(), "both are the first of theirs");
    let output = one
        .evict(&[&desc.id().to_string(), "--yes"])
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let name = format!("ambiguous_other/{}", desc.id());
    assert!(
        said.contains("is one of several") && said.contains(&name),
        "{said}"
    );
    assert!(
        said.contains(&format!("ambiguous_one/{}", desc.id())),
        "{said}"
    );
    let output = one.evict(&[&name, "--yes"]).output().expect("run");
    assert!(output.status.success());
    assert!(one.desc.reset(netpoller::Direction::Read).is_ok());
    assert!(desc.reset(netpoller::Direction::Read).is_err());
}

/// The command at a terminal at which somebody gives this answer: its exit code, what it asked, and
/// what it said.
fn asked(fixture: &Fixture, answer: &str) -> (Option<i32>, String, String) {
    let (mut control, terminal) = pty::terminal(80, 24);
    control.write_all(answer.as_bytes()).expect("answer");
    let output = fixture
        .evict(&[&fixture.fd()])
        .stdin(terminal)
        .output()
        .expect("run netpoller");
    // Whatever it has not read is thrown away with the terminal.
    drop(control);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stderr),
        text(&output.stdout),
    )
}

#[test]
fn a_person_who_says_no_is_obeyed_and_a_script_can_tell() {
    let fixture = Fixture::new("declined");
    // An empty line is a no, and so is the end of the input.
    for answer in ["n\n", "\n", "perhaps\n", "\u{4}"] {
        let (code, said, done) = asked(&fixture, answer);
        assert_eq!(code, Some(7), "{answer:?}: {said}");
        assert!(said.contains("Go on? [y/N]"), "{said}");
        let id = format!("declined/{}", fixture.desc.id());
        assert!(said.contains(&id), "it asks about what was found: {said}");
        assert!(said.contains("nothing was done") && done.is_empty());
    }
    assert!(fixture.desc.reset(netpoller::Direction::Read).is_ok());
    let (code, said, done) = asked(&fixture, "y\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(done.starts_with("evicted fd:"), "{done}");
}

#[test]
fn the_exit_codes_are_those_of_the_readme() {
    let scratch = TempDir::new().expect("make a directory");
    let help = netpoller(scratch.path())
        .arg("--help")
        .output()
        .expect("run netpoller");
    let help = String::from_utf8_lossy(&help.stdout);
    let listed = help.split("Exit codes: ").nth(1).expect("a list of codes");
    let of_help: Vec<&str> = listed
        .split(',')
        .filter_map(|item| item.split_whitespace().next())
        .collect();
    let mut readme = String::new();
    File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))
        .and_then(|mut file| file.read_to_string(&mut readme))
        .expect("read the readme");
    let table = readme.split("| code | means |").nth(1).expect("a table");
    let of_readme: Vec<&str> = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.split(" |").next())
        .collect();
    assert_eq!(of_help, of_readme);
    assert!(of_help.len() >= 9);
}
