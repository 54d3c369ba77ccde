//! An HTTP service with axum, inside tokio, on netpoller's sockets.
//!
//! ```text
//! cargo run --release -p netpoller --example axum --features tokio,inspect -- 127.0.0.1:8080 --inspect unix:/tmp/axum.sock
//! ```
//!
//! Nothing has to be started: the first socket that is opened inside the runtime attaches the
//! poller to it.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::Listener;
use clap::Parser;
use netpoller::net::{Incoming, TcpListener, TcpStream};

/// Serves HTTP on netpoller sockets.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 for any.
    addr: SocketAddr,
    /// Serve the inspection endpoint there, for example unix:/tmp/axum.sock (needs the feature
    /// `inspect`).
    #[arg(long, value_name = "unix:PATH")]
    inspect: Option<String>,
}

/// What axum asks of a listener, by a listener of ours.
struct Sockets(Incoming);

impl Listener for Sockets {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    return (stream, peer);
                }
                Err(error) => {
                    eprintln!("axum: {error}");
                    netpoller::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.listener().local_addr()
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let _endpoint = inspect(args.inspect.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.addr)?;
        println!("{}", listener.local_addr()?);
        let app = Router::new()
            .route("/", get(|| async { "hello\n" }))
            .route("/slow", get(slow));
        #[cfg(feature = "prometheus")]
        let app = app.route("/metrics", get(metrics));
        axum::serve(Sockets(listener.into_incoming()), app).await
    })
}

/// Answers after a second, so that there is something to see in the table of waiters.
async fn slow() -> &'static str {
    netpoller::time::sleep(Duration::from_secs(1)).await;
    "that took a while\n"
}

/// What Prometheus asks for.
#[cfg(feature = "prometheus")]
async fn metrics(request: axum::extract::Request) -> impl axum::response::IntoResponse {
    netpoller::prometheus::respond(&request)
}

#[cfg(feature = "inspect")]
fn inspect(addr: Option<&str>) -> io::Result<Option<netpoller::inspect::Server>> {
    addr.map(|addr| {
        let addr = addr.parse().map_err(io::Error::other)?;
        let server = netpoller::inspect::Server::builder().listen(addr).start();
        let server = server.map_err(io::Error::other)?;
        eprintln!("attach with: netpoller -t {}", server.target());
        Ok(server)
    })
    .transpose()
}

#[cfg(not(feature = "inspect"))]
fn inspect(addr: Option<&str>) -> io::Result<()> {
    match addr {
        Some(_) => Err(io::Error::other(
            "built without the endpoint: add --features inspect",
        )),
        None => Ok(()),
    }
}
