//! Calls that fail at the kernel's own entry, by strace: a sample of what the sweep does in front
//! of the C library, to be sure that nothing goes past that.

use std::process::Command;

use netpoller_tests::tool;

const SCRIPTS: &str = "\
script tcp
pair tcp a b
go R read b 4
parked R
write a 4
done R
write b 2
read a 2
script listener
listen tcp l
go A accept l
parked A
dial c l
done A
write c 3
read A.acc 3
script unix
pair unix a b
go R read b 4
parked R
write a 4
done R
script deadline
pair unix a b
go R read a 1
parked R
rdl a +20ms
done R
";

const EXPECTED: &str = "\
== tcp
  parked R                 -> PARKED
  write a 4                -> OK n=4
  done R                   -> OK n=4
  write b 2                -> OK n=2
  read a 2                 -> OK n=2
== listener
  parked A                 -> PARKED
  done A                   -> OK n=0
  write c 3                -> OK n=3
  read A.acc 3             -> OK n=3
== unix
  parked R                 -> PARKED
  write a 4                -> OK n=4
  done R                   -> OK n=4
== deadline
  parked R                 -> PARKED
  rdl a +20ms              -> OK n=0
  done R                   -> TIMEOUT n=0
";

/// What the scripts print while strace makes calls fail as `inject` says.
#[track_caller]
fn with(inject: &str) -> String {
    let place = tempfile::tempdir().expect("a directory");
    let (scripts, log) = (place.path().join("scripts.txt"), place.path().join("log"));
    std::fs::write(&scripts, SCRIPTS).expect("a file");
    let output = Command::new(tool(&["strace"]))
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .args(["-e", &format!("inject={inject}")])
        .arg(env!("CARGO_BIN_EXE_oracle"))
        .args(["--form", "block-on", "--threads", "1", "--jobs", "1"])
        .arg(&scripts)
        .output()
        .expect("strace runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{inject}: {said}");
    let log = std::fs::read_to_string(&log).expect("a log");
    assert!(log.contains("(INJECTED)"), "{inject}: never came: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "needs strace"]
fn signals_and_peers_that_have_left_are_never_seen() {
    for inject in [
        "epoll_wait:error=EINTR:when=1+2",
        "epoll_pwait2:error=EINTR:when=1+2",
        "recvfrom:error=EINTR:when=1+2",
        "sendto:error=EINTR:when=1+2",
        "accept4:error=ECONNABORTED:when=1+2",
        "accept4:error=EINTR:when=1+2",
        "close:error=EINTR:when=20+3",
        // From a kernel, or a sandbox, that does not know it.
        "epoll_pwait2:error=ENOSYS",
        "epoll_pwait2:error=EPERM",
    ] {
        assert_eq!(with(inject), EXPECTED, "{inject}");
    }
}

#[test]
#[ignore = "needs strace"]
fn what_the_kernel_has_no_room_for_is_the_error_of_that_operation_and_the_program_goes_on() {
    for (inject, name) in [
        ("epoll_ctl:error=ENOMEM:when=3", "ENOMEM"),
        ("epoll_ctl:error=ENOSPC:when=3", "ENOSPC"),
        ("accept4:error=EMFILE:when=1", "EMFILE"),
        ("accept4:error=ENFILE:when=2+", "ENFILE"),
        ("recvfrom:error=ENOMEM:when=2", "ENOMEM"),
        ("sendto:error=ENOBUFS:when=2", "ENOBUFS"),
        ("socket:error=EMFILE:when=2", "EMFILE"),
    ] {
        let found = with(inject);
        // strace counts the calls of each thread, and each script has a thread of its own: some
        // fail, some do not come that far.
        let pairs = scripts(EXPECTED).zip(scripts(&found));
        let departures: Vec<_> = pairs
            .filter(|(expected, found)| expected != found)
            .map(|(expected, found)| first_difference(expected, found))
            .collect();
        assert_eq!(scripts(&found).count(), 4, "{inject}: it goes on: {found}");
        assert!(!departures.is_empty(), "{inject}: nobody was told: {found}");
        let told = departures.iter().all(|line| line.contains(name));
        assert!(told, "{inject}: {departures:?} in {found}");
    }
}

fn scripts(text: &str) -> impl Iterator<Item = &str> {
    text.split("== ").skip(1)
}

fn first_difference<'a>(expected: &str, found: &'a str) -> &'a str {
    let mut lines = found
        .lines()
        .zip(expected.lines().chain(std::iter::repeat("")));
    let differs = lines.find(|(found, expected)| found != expected);
    differs.map_or("", |(found, _)| found)
}
