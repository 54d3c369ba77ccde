//! The sweep of faults, a part of it: that nothing goes wrong, that every kind of call was reached,
//! and that it would tell. `.ci/faults --deep` sweeps all.

use std::process::{Command, Output};

fn sweep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sweep"))
        .args(arguments)
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn whatever_call_fails_nothing_hangs_nothing_leaks_and_no_success_is_wrong() {
    let output = sweep(&["--every", "40", "--jobs", "6"]);
    let (said, report) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{said}\n{report}");
    let reached = |site: &&str| {
        report
            .lines()
            .any(|line| line.split_whitespace().next() == Some(site))
    };
    let wanted = [
        "accept4",
        "connect-tcp",
        "epoll_create1",
        "epoll_ctl-add",
        "epoll_wait",
        "eventfd",
        "read-pipe",
        "recv-message",
        "recv-stream",
        "send-message",
        "send-stream",
        "socket",
        "socketpair",
        "timerfd_create",
        "write-pipe",
    ];
    let missed: Vec<_> = wanted.iter().filter(|site| !reached(site)).collect();
    assert!(missed.is_empty(), "{missed:?} never failed:\n{report}");
}

#[test]
fn a_script_that_does_wrong_is_found_out_with_the_command_that_shows_it() {
    let output = sweep(&["--planted", "--limit", "2s"]);
    let (said, report) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "{said}\n{report}");
    // Each of them twice, for fcntl fails in two ways.
    assert!(report.contains("10 wrong"), "{report}\n{said}");
    for found in [
        "planted: leaks a descriptor / block-on: fcntl-dupfd:1:EMFILE: descriptors are not as before",
        "planted: hangs / block-on: fcntl-dupfd:1:EMFILE: hangs",
        "planted: ends well with less / block-on: fcntl-dupfd:1:EMFILE: it ends well and has done something else: \
         : nothing instead of `all done`",
        "planted: blames something else / block-on: fcntl-dupfd:1:EMFILE: the error does not name EMFILE",
        "planted: crashes / block-on: fcntl-dupfd:1:EMFILE: its process died",
        "sweep replay 'planted: hangs / block-on' 'fcntl-dupfd:1:EMFILE'",
    ] {
        assert!(said.contains(found), "not told: {found}\n{said}");
    }
}

#[test]
fn a_replay_shows_one_fault_and_what_cannot_be_replayed_is_refused_with_a_remedy() {
    let script = "echo over TCP / block-on";
    let output = sweep(&["replay", script, "epoll_ctl-add:2:ENOSPC"]);
    let report = text(&output.stdout);
    assert!(output.status.success(), "{report}");
    assert!(report.contains("which came 1 times"), "{report}");
    assert!(report.contains("fs.epoll.max_user_watches"), "{report}");

    let output = sweep(&["replay", "no such script", "epoll_wait:1:EINTR"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("`sweep scripts` lists them"));
    let output = sweep(&["replay", script, "epoll_wait:1:EWHAT"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("`sweep sites` lists them"));
}
