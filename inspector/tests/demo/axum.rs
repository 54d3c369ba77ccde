//! The axum example: from which line its connections wait, and under `wrk`.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use netpoller_tests::program::{Running, isolated, items};
use netpoller_tests::{eventually, example, tool};

/// Starts it. Returns where it serves, and its endpoint.
fn start() -> (Running, String, String) {
    let scratch = tempfile::tempdir().unwrap();
    let target = format!("unix:{}", scratch.path().join("axum.sock").display());
    let mut command = isolated(example("axum"), scratch.path());
    command.args(["127.0.0.1:0", "--inspect", &target]);
    let mut axum = Running::start(scratch, command, &["attach with: "]);
    let mut line = String::new();
    let mut stdout = BufReader::new(axum.child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    (axum, line.trim().to_owned(), target)
}

#[test]
fn a_connection_of_axum_waits_at_the_line_that_accepted_it_and_is_told_which_line_that_is() {
    let (axum, addr, target) = start();
    let _silent = TcpStream::connect(addr).unwrap();
    let listed = |format| axum.ask(&["ls", "waiters", "-t", &target, "--format", format]);
    let waiter = eventually("the connection waits", || {
        let rows = axum.json(&["ls", "waiters", "-t", &target]);
        let is_tcp = |row: &&serde_json::Value| row["kind"] == "tcp";
        items(&rows).iter().find(is_tcp).cloned()
    });
    let source = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../poller/examples/axum.rs"
    ));
    let source = source.unwrap();
    let accept = source
        .lines()
        .position(|line| line.contains(".accept().await"));
    let own = format!("poller/examples/axum.rs:{}", accept.unwrap() + 1);
    let library = waiter["location"].as_str().unwrap();
    assert!(library.contains("/hyper-util-"), "{waiter}");
    assert_eq!(
        waiter["nearest"],
        serde_json::json!({"location": own, "kind": "accepted"})
    );

    // Tables, filters and descriptions say it as well, and the last has the library's line too.
    let shown = format!("{own} (accepted here)");
    let table = String::from_utf8(listed("wide").stdout).unwrap();
    assert!(table.contains(&shown), "{table}");
    let rows = |filter| axum.json(&["ls", "waiters", "-t", &target, "-w", filter]);
    let own_rows = rows("where~axum.rs && kind=tcp");
    let library_rows = rows("where~hyper-util");
    assert_eq!((items(&own_rows).len(), items(&library_rows).len()), (1, 1));
    let id = waiter["id"].as_str().unwrap();
    let described = axum.ask(&["describe", "-t", &target, id]);
    let described = String::from_utf8(described.stdout).unwrap();
    assert!(
        described.contains(&shown) && described.contains(library),
        "{described}"
    );
}

#[test]
#[ignore = "needs wrk"]
fn an_axum_service_answers_wrk_without_errors_while_it_is_listed() {
    let wrk = tool(&["wrk"]);
    let (axum, addr, target) = start();
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
    // It tries the address first, and that connection may still be there.
    assert!(
        (64..=65).contains(&most),
        "{most} connections listed while wrk ran"
    );

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
