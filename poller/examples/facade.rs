//! A service whose metrics go to the facade `metrics`, and netpoller's with them.
//!
//! ```text
//! cargo run -p netpoller --example facade --features tokio,metrics -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/metrics
//! ```
//!
//! The recorder here stands for the one that a program has already, such as that of
//! `metrics-exporter-prometheus`: it keeps counters and gauges, and writes them as text.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Parser;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use netpoller::net::{TcpListener, TcpStream};
use netpoller::prometheus::Bridge;

/// Serves HTTP on netpoller sockets.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 for any.
    addr: SocketAddr,
}

fn main() -> io::Result<()> {
    let Args { addr } = Args::parse();
    let recorder = Text::default();
    metrics::set_global_recorder(recorder.clone()).map_err(io::Error::other)?;
    metrics::describe_counter!("requests_total", "Requests that were answered.");
    let service = Arc::new(Service {
        recorder,
        bridge: Mutex::new(Bridge::new()),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr)?;
        println!("{}", listener.local_addr()?);
        let mut incoming = listener.into_incoming();
        loop {
            let (stream, peer) = incoming.accept().await?;
            let service = service.clone();
            tokio::spawn(async move {
                if let Err(error) = service.answer(&stream).await {
                    eprintln!("facade: {peer}: {error}");
                }
            });
        }
    })
}

struct Service {
    recorder: Text,
    /// One for as long as the program runs.
    bridge: Mutex<Bridge>,
}

impl Service {
    /// What the recorder was told, and netpoller tells it just now.
    fn text(&self) -> String {
        lock(&self.bridge).sync();
        self.recorder.render()
    }

    /// Answers requests, whatever they ask for: a real service has a crate for this.
    async fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        let mut buf = [0; 1024];
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buf).await? {
                    0 => return Ok(()),
                    n => head.extend_from_slice(&buf[..n]),
                }
            }
            metrics::counter!("requests_total").increment(1);
            let body = match head.starts_with(b"GET /metrics ") {
                true => self.text(),
                false => "hello\n".to_owned(),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// A recorder that keeps what it is told, for a text.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    help: HashMap<String, String>,
    /// By name and type, then by labels.
    values: BTreeMap<(String, &'static str), HashMap<Key, Arc<AtomicU64>>>,
}

impl Text {
    fn describe(&self, name: &KeyName, help: &str) {
        let mut kept = lock(&self.0);
        kept.help.insert(name.as_str().to_owned(), help.to_owned());
    }

    fn register(&self, key: &Key, kind: &'static str) -> Arc<AtomicU64> {
        let mut kept = lock(&self.0);
        let family = kept.values.entry((key.name().to_owned(), kind));
        let series = family.or_default().entry(key.clone());
        series.or_default().clone()
    }

    fn render(&self) -> String {
        let (kept, mut text) = (lock(&self.0), String::new());
        for ((name, kind), series) in &kept.values {
            let help = kept.help.get(name).map_or("", String::as_str);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (key, value) in series {
                let labels = key
                    .labels()
                    .map(|it| format!("{}={:?}", it.key(), it.value()));
                let labels = labels.collect::<Vec<_>>().join(",");
                let value = value.load(Ordering::Relaxed);
                let _ = match *kind {
                    "gauge" => writeln!(text, "{name}{{{labels}}} {}", f64::from_bits(value)),
                    _ => writeln!(text, "{name}{{{labels}}} {value}"),
                };
            }
        }
        text
    }
}

impl Recorder for Text {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key, "counter"))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key, "gauge"))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
