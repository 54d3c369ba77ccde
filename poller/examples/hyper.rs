//! An HTTP service with hyper alone, inside tokio, on netpoller's sockets. Its metrics are a route,
//! in one line.
//!
//! ```text
//! cargo run -p netpoller --example hyper --features tokio,hyper,prometheus -- 127.0.0.1:8080
//! curl http://127.0.0.1:8080/metrics
//! ```

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use clap::Parser;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use netpoller::net::TcpListener;

/// Serves HTTP on netpoller sockets.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 for any.
    addr: SocketAddr,
}

fn main() -> io::Result<()> {
    let Args { addr } = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr)?;
        println!("{}", listener.local_addr()?);
        let mut incoming = listener.into_incoming();
        loop {
            let (stream, peer) = incoming.accept().await?;
            tokio::spawn(async move {
                let served = http1::Builder::new().serve_connection(stream, service_fn(answer));
                if let Err(error) = served.await {
                    eprintln!("hyper: {peer}: {error}");
                }
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/metrics" => netpoller::prometheus::respond(&request),
        _ => Response::new(Full::from("hello\n")),
    })
}
