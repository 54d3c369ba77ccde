//! A demo with a black box that is killed, and what is told of it then.

use netpoller_tests::program::{items, netpoller};
use netpoller_tests::{eventually, until};
use serde_json::Value;

use super::demo;

#[test]
fn what_a_process_that_was_killed_waited_for_is_in_its_black_box() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("box.npl").display().to_string();
    let target = format!("file:{path}");
    let demo = demo("20", &["--black-box", &path, "--plant", "lost-edge"]);
    let tell = |arguments: &[&str]| -> Option<Value> {
        let mut command = netpoller(scratch.path());
        command
            .args(["-t", &target, "--format", "json"])
            .args(arguments);
        let output = command.output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    };
    let finds = |document: &Value| items(document).iter().any(|it| it["lint"] == "lost-edge");
    // While it is written it can be read.
    until("the fault is in the file", || {
        tell(&["doctor"]).is_some_and(|document| finds(&document))
    });
    let wait = &["ls", "waiters", "-w", "task~stuck && dir=read"][..];
    let stuck = eventually("a wait that does not end", || {
        items(&demo.json(wait)).first().cloned()
    });
    until("that is in the file", || {
        tell(wait).is_some_and(|it| items(&it).iter().any(|it| it["id"] == stuck["id"]))
    });
    // By SIGKILL.
    drop(demo);

    let after = tell(wait).expect("what it has told");
    let waits = items(&after).iter().find(|it| it["id"] == stuck["id"]);
    let same = |field: &str| assert_eq!(waits.unwrap()[field], stuck[field], "{field}");
    ["fd", "task", "location", "since_monotonic_ns"]
        .into_iter()
        .for_each(same);
    assert!(finds(&tell(&["doctor"]).expect("findings")));
    let id = stuck["id"].as_str().unwrap();
    let mut command = netpoller(scratch.path());
    let output = command
        .args(["-t", &target, "describe", id])
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("it has no end"), "{said}");
}
