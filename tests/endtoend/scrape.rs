//! A real Prometheus scrapes the server, by an address of this machine that is not the one it was
//! told to listen on, and has the exemplars.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use netpoller::prometheus::Server;
use netpoller::{Poller, block_on_poller, time};
use netpoller_tests::program::{Killed, isolated};
use netpoller_tests::{eventually, new_poller, tool};
use serde_json::Value;
use tempfile::TempDir;

/// What the API of a Prometheus answers, once it answers.
fn ask(port: u16, path: &str) -> Option<Value> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    let head = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// A port that nobody listens on, for a moment at least.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A Prometheus that scrapes a server of this process by 127.0.0.2.
struct Scraped {
    _server: Server,
    _poller: Poller,
    _scratch: TempDir,
    _prometheus: Killed,
    port: u16,
}

impl Scraped {
    /// With these features, once it has scraped. A sleep was slept by then.
    fn start(features: &str) -> Self {
        let any = "0.0.0.0:0".parse().unwrap();
        let server = Server::builder(any).allow_remote(true).start().unwrap();
        let target = format!("127.0.0.2:{}", server.local_addr().port());
        let poller = new_poller();
        block_on_poller(&poller, time::sleep(Duration::from_millis(30)));

        let scratch = tempfile::tempdir().unwrap();
        let config = scratch.path().join("prometheus.yml");
        let jobs = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: own, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(&config, jobs).unwrap();
        let port = free_port();
        let mut command: Command = isolated(tool(&["prometheus"]), scratch.path());
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}/data",
                scratch.path().display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--enable-feature={features}"))
            .arg("--log.level=error");
        let scraped = Self {
            _prometheus: Killed(command.spawn().unwrap()),
            _server: server,
            _poller: poller,
            _scratch: scratch,
            port,
        };
        eventually("a scrape", || {
            let answer = scraped.ask("targets?state=active")?;
            let target = answer["data"]["activeTargets"].get(0)?;
            let error = target["lastError"].as_str().unwrap_or_default();
            assert_eq!(error, "", "{target:#}");
            (target["health"] == "up").then_some(())
        });
        scraped
    }

    fn ask(&self, path: &str) -> Option<Value> {
        ask(self.port, path)
    }
}

#[test]
#[ignore = "needs prometheus"]
fn a_real_prometheus_scrapes_by_any_address_of_the_machine_and_has_exemplars() {
    let scraped = Scraped::start("exemplar-storage");
    let name = "netpoller_timer_block_duration_seconds";
    let exemplar = eventually("an exemplar", || {
        let path = format!("query_exemplars?query={name}_bucket&start=0&end=9999999999");
        let answer = scraped.ask(&path)?;
        answer["data"][0]["exemplars"].get(0).cloned()
    });
    let location = exemplar["labels"]["location"].as_str().unwrap();
    assert!(location.contains("scrape.rs:"), "{exemplar}");
    assert!(exemplar["labels"]["descriptor"].is_string(), "{exemplar}");
    let value: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
    assert!(value >= 0.003, "{exemplar}");
}

#[test]
#[ignore = "needs prometheus"]
fn a_prometheus_that_takes_native_histograms_has_them() {
    let scraped = Scraped::start("native-histograms");
    let name = "netpoller_timer_block_duration_seconds";
    let quantile = eventually("a quantile", || {
        let path = format!("query?query=histogram_quantile(0.5,{name})");
        let answer = scraped.ask(&path)?;
        let results = answer["data"]["result"].as_array()?.iter();
        let values = results.filter_map(|it| it["value"][1].as_str()?.parse::<f64>().ok());
        values.into_iter().find(|value| value.is_finite())
    });
    // Of the 30 ms some may have gone by before it was parked.
    assert!(quantile >= 0.003, "{quantile}");
}
