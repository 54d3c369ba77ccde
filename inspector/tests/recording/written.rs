//! What is written, and what is refused.

use super::*;

#[test]
fn what_cannot_be_recorded_is_refused_and_nothing_is_written_over() {
    let process = Process::new();
    let live = process.endpoint.target();
    let there = process.path("there.npl");
    std::fs::write(&there, "mine").expect("written");
    let path = there.to_str().expect("UTF-8");
    let refused = |target: &str, arguments: &[&str], code: i32, reason: &str| {
        let output = process.ask(target, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(reason), "{error}");
    };
    refused(live, &["record", "-o", path], 2, "--force");
    assert_eq!(std::fs::read(&there).expect("it is there"), b"mine");
    let nowhere = process.path("none/x.npl");
    let nowhere = nowhere.to_str().expect("UTF-8");
    refused(live, &["record", "-o", nowhere], 1, "creating");
    refused(live, &["record", "-o", "x", "--max-size", "1"], 2, "64KiB");
    let recording = process.record("first.npl");
    refused(
        &recording,
        &["record", "-o", nowhere],
        2,
        "is a recording already",
    );
    refused(
        &recording,
        &["hist", "--by", "location"],
        1,
        "--by descriptor",
    );
    let mut forced: Command = netpoller(process.scratch.path());
    forced.args([
        "-t",
        live,
        "record",
        "-o",
        path,
        "--force",
        "--max-size",
        "64KiB",
    ]);
    let output = forced
        .args(["--interval", "100ms"])
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("as large as it may be"), "{error}");
    assert!(std::fs::metadata(&there).expect("it is there").len() <= 64 << 10);
    process.end();
}
