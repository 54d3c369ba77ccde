//! What becomes of the process that is looked at: it is stopped, it ends, another takes its place.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use netpoller_tests::eventually;
use netpoller_tests::program::{Killed, items, kill, netpoller};
use rustix::process::Signal;

use crate::demo;

#[test]
fn a_process_that_is_stopped_is_told_at_once_and_has_its_name_of_the_configuration() {
    let demo = demo("5", &[]);
    let config = demo.scratch.path().join("c.toml");
    let target = demo.said("attach with: netpoller -t ");
    std::fs::write(&config, format!("[targets]\nshop = '{target}'\n")).expect("write it");
    let config = config.to_str().expect("a path");
    kill(demo.child.id(), Signal::STOP);
    // Whoever asked it would wait for as long as this.
    let listed = ["--config", config, "--timeout", "1h", "targets", "-e"];
    let item = eventually("it is stopped", || {
        let document = demo.json(&listed);
        let item = items(&document).first().cloned()?;
        (item["state"] == "stopped").then_some(item)
    });
    kill(demo.child.id(), Signal::CONT);
    assert_eq!(item["alias"], "shop");
}

/// A demo at a path of its own, which is printed when it can be asked.
fn at(scratch: &std::path::Path, path: &str) -> Killed {
    let mut command = netpoller(scratch);
    command.args(["demo", "--headless", "--for", "300s", "--connections", "5"]);
    command.args(["--inspect", &format!("unix:{path}")]);
    let child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn();
    let child = Killed(child.expect("start the demo"));
    eventually("it answers", || {
        let mut command = netpoller(scratch);
        let output = command.args(["-t", path, "stats", "-f", "json"]).output();
        let output = output.expect("run netpoller");
        output.status.success().then_some(())
    });
    child
}

#[test]
fn a_process_that_was_restarted_is_said_to_be_another_one() {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = scratch.path().join("x.sock");
    let path = path.to_str().expect("a path");
    let first = at(scratch.path(), path);
    let old = first.id();
    let mut top = netpoller(scratch.path());
    top.args(["-t", path, "top", "pollers", "--count", "5"]);
    let top = top.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut top = Killed(top.expect("start top"));
    let mut shown = BufReader::new(top.stdout.take().expect("piped")).lines();
    shown.next().expect("a first look").expect("text");
    // It does not look while nobody is there.
    kill(top.id(), Signal::STOP);
    drop(first);
    let second = at(scratch.path(), path);
    kill(top.id(), Signal::CONT);
    std::thread::spawn(move || shown.for_each(drop));
    let told = format!(
        "process {old} has ended, and process {} answers",
        second.id()
    );
    let mut said = BufReader::new(top.stderr.take().expect("piped")).lines();
    assert!(
        said.any(|line| line.expect("text").contains(&told)),
        "{told}"
    );
}
