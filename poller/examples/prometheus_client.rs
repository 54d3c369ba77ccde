//! A service whose metrics are in a registry of `prometheus-client`, and netpoller's among them.
//!
//! ```text
//! cargo run -p netpoller --example prometheus_client --features tokio,prometheus-client -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/metrics
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::prometheus::Collector;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Serves HTTP on netpoller sockets.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 for any.
    addr: SocketAddr,
}

/// What the service counts.
struct Metrics {
    registry: Registry,
    requests: Counter,
}

impl Metrics {
    fn new() -> Self {
        let (mut registry, requests) = (Registry::default(), Counter::default());
        registry.register("requests", "Requests that were answered", requests.clone());
        // All that netpoller has to tell.
        registry.register_collector(Box::new(Collector));
        Self { registry, requests }
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn main() -> io::Result<()> {
    let Args { addr } = Args::parse();
    let metrics = Arc::new(Metrics::new());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr)?;
        println!("{}", listener.local_addr()?);
        let mut incoming = listener.into_incoming();
        loop {
            let (stream, peer) = incoming.accept().await?;
            let metrics = metrics.clone();
            tokio::spawn(async move {
                if let Err(error) = answer(&stream, &metrics).await {
                    eprintln!("prometheus_client: {peer}: {error}");
                }
            });
        }
    })
}

/// Answers requests, whatever they ask for: a real service has a crate for this.
async fn answer(stream: &TcpStream, metrics: &Metrics) -> io::Result<()> {
    let mut buf = [0; 1024];
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buf).await? {
                0 => return Ok(()),
                n => head.extend_from_slice(&buf[..n]),
            }
        }
        metrics.requests.inc();
        let body = match head.starts_with(b"GET /metrics ") {
            true => metrics.text().map_err(io::Error::other)?,
            false => "hello\n".to_owned(),
        };
        let (kind, length) = (netpoller::prometheus::CONTENT_TYPE, body.len());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}
