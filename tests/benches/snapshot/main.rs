//! How long it takes to read the table of 20 000 descriptors, beside the system calls that ask only
//! for their addresses.
//!
//! ```text
//! cargo bench -p netpoller-tests --bench snapshot
//! ```
//!
//! 19 000 ends of TCP connections and 1000 sleeps, each with a parked waiter. `first` asks the
//! kernel for all addresses; `again` is what a watching inspector does each second. The last column
//! is the time divided by that of one getsockname(2) and one getpeername(2) for each socket, made
//! in turn with it.

use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller::net::TcpStream;
use netpoller::{Poller, view};

const CONNECTIONS: usize = 9_500;
const SLEEPS: usize = 1_000;
const ROUNDS: usize = 15;

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

fn main() -> io::Result<()> {
    let poller = Poller::global();
    let (sockets, waiting) = open()?;
    let rows = 2 * CONNECTIONS + SLEEPS;

    let mut again_reader = view::Reader::new();
    again_reader.snapshot(poller);
    let mut figures: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let (kernel, first, again) = (
            timed(|| sockets.iter().try_for_each(ask)),
            timed(|| whole(view::Reader::new().snapshot(poller), rows)),
            timed(|| whole(again_reader.snapshot(poller), rows)),
        );
        for (figure, took) in figures.iter_mut().zip([kernel?, first?, again?]) {
            figure.push(took);
        }
    }
    let median = |index: usize| {
        let mut sorted = figures[index].clone();
        sorted.sort();
        sorted[sorted.len() / 2]
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{rows} rows, median of {ROUNDS}")?;
    for (index, name) in ["addresses alone", "first", "again"]
        .into_iter()
        .enumerate()
    {
        let ratio = median(index).as_secs_f64() / median(0).as_secs_f64();
        let ms = median(index).as_secs_f64() * 1e3;
        writeln!(out, "{name:<16} {ms:>7.2} ms  {ratio:>5.2}")?;
    }
    drop(waiting);
    Ok(())
}

fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn ask(socket: &Arc<TcpStream>) -> io::Result<()> {
    socket.local_addr()?;
    socket.peer_addr()?;
    Ok(())
}

/// Every row is there, and says who waits.
fn whole(snapshot: view::Snapshot, rows: usize) -> io::Result<()> {
    let parked = snapshot
        .rows
        .iter()
        .filter(|row| row.read.waiter.is_some())
        .count();
    if (snapshot.rows.len(), parked) == (rows, rows) {
        return Ok(());
    }
    let found = snapshot.rows.len();
    Err(io::Error::other(format!(
        "{found} rows with {parked} waiters instead of {rows}"
    )))
}

/// Opens everything, and parks a waiter on each.
fn open() -> io::Result<(Vec<Arc<TcpStream>>, Vec<Waiting>)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = std::net::TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        for stream in [client, server] {
            let stream = TcpStream::from_std(stream)?;
            sockets.push(Arc::new(stream));
        }
    }
    let mut cx = Context::from_waker(Waker::noop());
    let mut waiting: Vec<Waiting> = Vec::new();
    for socket in &sockets {
        let socket = socket.clone();
        waiting.push(Box::pin(async move {
            // Nothing ever comes.
            let _ = socket.read(&mut [0]).await;
        }));
    }
    for _ in 0..SLEEPS {
        waiting.push(Box::pin(netpoller::time::sleep(Duration::from_secs(3600))));
    }
    for wait in &mut waiting {
        if wait.as_mut().poll(&mut cx).is_ready() {
            return Err(io::Error::other("a wait is over at once"));
        }
    }
    Ok((sockets, waiting))
}
