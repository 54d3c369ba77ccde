//! An echo server on the driver of your choice.
//!
//! ```text
//! cargo run --release -p netpoller --example echo --features tokio,inspect -- 127.0.0.1:7000 --driver inline
//! ```

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use futures_lite::FutureExt;
use netpoller::driver::ThreadDriver;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Poller, task};

/// Echoes what it receives.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 for any.
    addr: SocketAddr,
    /// Who polls.
    #[arg(long, value_enum, default_value_t = Driver::Inline)]
    driver: Driver,
    /// Close a connection that sends nothing for this long, for example 30s.
    #[arg(long, value_name = "DUR", value_parser = humantime::parse_duration)]
    read_deadline: Option<Duration>,
    /// Serve the inspection endpoint there, for example unix:/tmp/echo.sock (needs the feature
    /// `inspect`).
    #[arg(long, value_name = "unix:PATH")]
    inspect: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Driver {
    /// This thread: it runs the tasks, and polls when there is nothing to run.
    Inline,
    /// tokio's current-thread runtime (needs the feature `tokio`).
    Tokio,
    /// A thread that only polls; the tasks run on an executor that knows nothing of it.
    Thread,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let _endpoint = inspect(args.inspect.as_deref())?;
    match args.driver {
        Driver::Inline => {
            let executor = async_executor::LocalExecutor::new();
            netpoller::block_on(executor.run(serve(args, |task| executor.spawn(task).detach())))
        }
        Driver::Thread => {
            let _driver = ThreadDriver::start(Poller::global())?;
            let executor = async_executor::LocalExecutor::new();
            futures_lite::future::block_on(
                executor.run(serve(args, |task| executor.spawn(task).detach())),
            )
        }
        Driver::Tokio => run_tokio(args),
    }
}

#[cfg(feature = "tokio")]
fn run_tokio(args: &Args) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve(args, |task| {
        tokio::spawn(task);
    }))
}

#[cfg(not(feature = "tokio"))]
fn run_tokio(_: &Args) -> io::Result<()> {
    Err(io::Error::other(
        "built without tokio: add --features tokio",
    ))
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

async fn serve(args: &Args, spawn: impl Fn(futures_lite::future::Boxed<()>)) -> io::Result<()> {
    let listener = TcpListener::bind(args.addr)?;
    println!("{}", listener.local_addr()?);
    let mut incoming = listener.incoming();
    let deadline = args.read_deadline;
    loop {
        let (stream, _) = incoming.accept().await?;
        spawn(
            async move {
                // A peer that goes away in the middle is its own business.
                let _ = task::named("connection", echo(&stream, deadline)).await;
            }
            .boxed(),
        );
    }
}

async fn echo(stream: &TcpStream, deadline: Option<Duration>) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        if let Some(deadline) = deadline {
            stream.set_read_deadline(Some(Instant::now() + deadline))?;
        }
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..n]).await?;
    }
}
