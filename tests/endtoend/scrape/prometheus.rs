//! A Prometheus of a test's own.

use std::fmt::Write;
use std::io::Read;
use std::net::{TcpListener, TcpStream};

use netpoller_tests::program::{Killed, isolated};
use netpoller_tests::{eventually, tool};
use serde_json::Value;
use tempfile::TempDir;

/// It scrapes some targets each second.
pub(crate) struct Prometheus {
    port: u16,
    _process: Killed,
    _scratch: TempDir,
}

impl Prometheus {
    /// Starts one with these features that scrapes each target, by the name of its job, and waits
    /// until it has.
    pub(crate) fn scraping(features: &str, jobs: &[(&str, String)]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let config = scratch.path().join("prometheus.yml");
        let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n".to_owned();
        text += "scrape_configs:\n";
        for (job, target) in jobs {
            let targets = format!("static_configs: [{{targets: ['{target}']}}]");
            let _ = writeln!(text, "  - {{job_name: {job}, {targets}}}");
        }
        std::fs::write(&config, text).unwrap();
        let port = free_port();
        let data = scratch.path().join("data");
        let mut command = isolated(tool(&["prometheus"]), scratch.path());
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--enable-feature={features}"))
            .arg("--log.level=error");
        let prometheus = Self {
            port,
            _process: Killed(command.spawn().unwrap()),
            _scratch: scratch,
        };
        eventually("a scrape of each", || {
            let answer = prometheus.ask("targets?state=active")?;
            let targets = answer["data"]["activeTargets"].as_array()?;
            for target in targets {
                let error = target["lastError"].as_str().unwrap_or_default();
                assert_eq!(error, "", "{target:#}");
            }
            let up = targets.iter().filter(|target| target["health"] == "up");
            (up.count() == jobs.len()).then_some(())
        });
        prometheus
    }

    /// Where it is asked.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What its API answers, once it answers.
    pub(crate) fn ask(&self, path: &str) -> Option<Value> {
        use std::io::Write;
        let port = self.port;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        let head = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }
}

/// A port that nobody listens on, for a moment at least.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
