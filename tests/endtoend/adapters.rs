//! Each way to Prometheus gives what the dashboards ask for: the route of a server of one's own and
//! the collector of `prometheus-client`; and promtool has nothing to say of either.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use netpoller::prometheus::{Collector, encode, respond};
use netpoller_tests::program::{Killed, isolated};
use netpoller_tests::{example, new_poller, tool};
use prometheus_client::registry::Registry;

const DASHBOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards");

/// What a registry of `prometheus-client` gives, as the text of Prometheus.
fn collected() -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collector));
    let mut text = String::new();
    prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).unwrap();
    text
}

/// What a route answers that has no more than the one line.
fn routed() -> String {
    use hyper::body::Body;
    let request = hyper::Request::get("/metrics").body(()).unwrap();
    let response = respond(&request);
    assert_eq!(response.status(), 200);
    assert!(response.body().size_hint().exact().unwrap() > 10_000);
    // The body is in one piece, so one look has it.
    let mut body = std::pin::pin!(response.into_body());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else {
        panic!("there is no body");
    };
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

/// Fails with what `command` says, if it fails.
#[track_caller]
fn passes(mut command: Command, input: &str) {
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

#[test]
#[ignore = "needs prometheus and python3"]
fn each_adapter_is_clean_and_has_every_name_and_label_of_every_dashboard() {
    let _poller = new_poller();
    let scratch = tempfile::tempdir().unwrap();
    let expositions = [
        ("encode", encode()),
        ("respond", routed()),
        ("collector", collected()),
    ];
    for (name, text) in expositions {
        let mut check = Command::new(tool(&["promtool"]));
        check.args(["check", "metrics"]);
        passes(check, &text);
        let scrape = scratch.path().join(name);
        std::fs::write(&scrape, text).unwrap();
        for board in ["oncall", "netpoller", "fleet"] {
            has_all_of(board, &scrape);
        }
    }
}

/// The scrape has every name and label of the dashboard.
#[track_caller]
fn has_all_of(board: &str, scrape: &Path) {
    let mut check = Command::new(tool(&["python3"]));
    check
        .arg(Path::new(DASHBOARDS).join("check.py"))
        .arg("--dashboard")
        .arg(Path::new(DASHBOARDS).join(format!("{board}.json")))
        .arg("--metrics")
        .arg(scrape);
    passes(check, "");
}

/// What the address answers to a GET, without its head.
fn get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    body.to_owned()
}

#[test]
#[ignore = "needs python3"]
fn a_service_in_axum_with_the_line_of_the_readme_has_what_is_asked_on_call() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = isolated(example("axum"), scratch.path());
    let mut service = Killed(
        command
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut address = String::new();
    let stdout = service.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut address).unwrap();
    let address = address.trim();
    assert_eq!(get(address, "/"), "hello\n");
    let scrape = scratch.path().join("scrape");
    let text = get(address, "/metrics");
    assert!(
        text.contains("netpoller_registrations_total{poller=\"tokio\",kind=\"listener\"} 1\n"),
        "{text}"
    );
    std::fs::write(&scrape, text).unwrap();
    has_all_of("oncall", &scrape);
}
