//! What changes the demo: only where it was asked to let itself be changed.

use netpoller_tests::eventually;
use netpoller_tests::program::netpoller;
use netpoller_tests::pty::Session;

use crate::{demo, stuck};

#[test]
fn evict_and_break_can_be_tried_on_the_demo() {
    let demo = demo("20", &["--control"]);
    let control = eventually("the socket", || {
        let sockets = std::fs::read_dir(demo.scratch.path().join("netpoller")).ok()?;
        let mut paths = sockets.filter_map(|it| Some(it.ok()?.path()));
        paths.find(|it| it.to_string_lossy().ends_with(".control.sock"))
    });
    let control = control.to_str().expect("a path");
    let row = stuck(&demo);
    let id = row["id"].as_str().expect("an id");
    let output = demo.ask(&["evict", id, "-y", "--control", control]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 waiters released"), "{said}: {output:?}");
    let output = demo.ask(&["break", "--control", control]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn the_demo_opens_no_control_endpoint_where_its_notes_would_be_in_the_way() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args(["demo", "--control", "--for", "60s"]);
    let mut session = Session::start(&mut command, 120, 30);
    session.wait_for("add --headless");
    assert_eq!(session.child.wait().expect("it ends").code(), Some(2));
}

#[test]
fn the_endpoint_that_shows_does_not_act() {
    let demo = demo("20", &[]);
    let row = stuck(&demo);
    let target = demo.said("attach with: netpoller -t ").to_owned();
    let output = demo.ask(&[
        "evict",
        row["id"].as_str().unwrap(),
        "--control",
        &target,
        "--yes",
    ]);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("does not serve netpoller.v1.Control"),
        "{said}"
    );
    let unsure = demo.ask(&["evict", row["id"].as_str().unwrap(), "--control", &target]);
    assert_eq!(unsure.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unsure.stderr).contains("--yes"));
}
