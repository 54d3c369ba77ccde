//! The small programs of `poller/examples`, each with another way to Prometheus.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use netpoller_tests::example;
use netpoller_tests::program::{Killed, isolated};
use tempfile::TempDir;

use super::prometheus::Prometheus;
use super::tools::{has_all_of, passes, promtool, python};

const EXAMPLES: [&str; 4] = ["axum", "facade", "hyper", "prometheus_client"];

/// One that runs.
struct Service {
    address: String,
    _process: Killed,
    _scratch: TempDir,
}

impl Service {
    fn start(name: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = isolated(example(name), scratch.path());
        command.arg("127.0.0.1:0").stdout(Stdio::piped());
        let mut process = Killed(command.spawn().unwrap());
        let mut address = String::new();
        let stdout = process.0.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        Self {
            address: address.trim().to_owned(),
            _process: process,
            _scratch: scratch,
        }
    }

    /// What it answers to a GET, without its head.
    fn get(&self, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begin = head.len();
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
            let line = head[begin..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut body = vec![0; length];
        lines.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

#[test]
#[ignore = "needs prometheus and python3"]
fn each_example_answers_has_its_listener_and_what_is_asked_on_call() {
    for name in EXAMPLES {
        let service = Service::start(name);
        assert_eq!(service.get("/"), "hello\n", "{name}");
        let text = service.get("/metrics");
        let listener = "netpoller_registrations_total{poller=\"tokio\",kind=\"listener\"} 1\n";
        assert!(text.contains(listener), "{name}: {text}");
        // Types are looked at too, and the facade's histograms are gauges.
        if name != "facade" {
            has_all_of("oncall", &text);
        }
    }
}

/// The facade has no histograms of counts, so there they are gauges.
#[test]
#[ignore = "needs prometheus"]
fn promtool_has_nothing_to_say_of_the_examples_but_that_the_facades_histograms_are_gauges() {
    let of_gauges = [
        "non-histogram metrics should not have \"_bucket\" suffix",
        "non-histogram metrics should not have \"le\" label",
        "non-histogram and non-summary metrics should not have \"_sum\" suffix",
        "non-histogram and non-summary metrics should not have \"_count\" suffix",
    ];
    for name in EXAMPLES {
        let mut said = promtool(&Service::start(name).get("/metrics"));
        if name == "facade" {
            let before = said.len();
            said.retain(|line| !of_gauges.iter().any(|it| line.ends_with(it)));
            assert_ne!(said.len(), before, "{name}");
        }
        assert_eq!(said, [""; 0], "{name}");
    }
}

#[test]
#[ignore = "needs prometheus and python3"]
fn every_expression_of_every_dashboard_answers_on_each_example() {
    let services = EXAMPLES.map(|name| (name, Service::start(name)));
    let jobs = services
        .each_ref()
        .map(|(name, it)| (*name, it.address.clone()));
    let prometheus = Prometheus::scraping("exemplar-storage", &jobs);
    let mut query = python("query.py");
    query
        .arg(prometheus.url())
        .args(["--samples", "3", "--idle"]);
    query.args(EXAMPLES.iter().flat_map(|name| ["--job", name]));
    // Inside tokio it is tokio that sleeps, so how long is not known.
    passes(query.args(["--may-be-empty", "Utilisation"]));
}
