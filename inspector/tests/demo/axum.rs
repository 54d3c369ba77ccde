//! The axum example under `wrk`, looked at every second.

use netpoller_tests::program::isolated;
use netpoller_tests::program::{Running, items};
use netpoller_tests::{example, tool};

#[test]
#[ignore = "needs wrk"]
fn an_axum_service_answers_wrk_without_errors_while_it_is_listed() {
    let wrk = tool(&["wrk"]);
    let scratch = tempfile::tempdir().unwrap();
    let target = format!("unix:{}", scratch.path().join("axum.sock").display());
    let mut command = isolated(example("axum"), scratch.path());
    command.args(["127.0.0.1:0", "--inspect", &target]);
    let mut axum = Running::start(scratch, command, &["attach with: "]);
    let addr = {
        use std::io::BufRead;
        let mut line = String::new();
        std::io::BufReader::new(axum.child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        line.trim().to_owned()
    };

    let mut load = isolated(wrk, axum.scratch.path())
        .args([
            "-t1",
            "-c64",
            "-d5s",
            "--timeout",
            "60s",
            &format!("http://{addr}/"),
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut most = 0;
    while load.try_wait().unwrap().is_none() {
        let rows = axum.json(&["ls", "-t", &target]);
        most = most.max(
            items(&rows)
                .iter()
                .filter(|row| row["kind"] == "tcp")
                .count(),
        );
    }
    let output = load.wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    assert!(report.contains("requests in"), "{report}");
    assert!(
        !report.contains("Socket errors") && !report.contains("Non-2xx"),
        "{report}"
    );
    assert_eq!(most, 64, "connections listed while wrk ran");

    // wrk has closed its connections: what is left is the listener, and the laws hold.
    netpoller_tests::eventually("the end of the connections", || {
        let rows = axum.json(&["ls", "-t", &target]);
        (items(&rows)
            .iter()
            .filter(|row| row["kind"] == "tcp")
            .count()
            == 0)
            .then_some(())
    });
    let stats = axum.json(&["stats", "-t", &target]);
    for law in items(&stats)[0]["laws"].as_array().unwrap() {
        assert_eq!(law["violated"], false, "{law}");
        assert_eq!(law["lhs"], law["rhs"], "{law}");
    }
}
