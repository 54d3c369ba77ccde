//! The program that is scraped: descriptors that wait, and a few that echo.

use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use netpoller::Poller;
use netpoller::net::TcpStream;

/// Connections that echo.
const ECHOES: usize = 16;

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

pub(crate) struct Load {
    /// The other ends of those that echo.
    peers: Vec<std::net::TcpStream>,
    waiting: Vec<Waiting>,
}

impl Load {
    /// Begins to echo, on a thread of its own, which ends with the process.
    pub(crate) fn start() -> io::Result<Self> {
        let (mut peers, mut echoes) = (Vec::new(), Vec::new());
        for _ in 0..ECHOES {
            let (peer, stream) = pair()?;
            peers.push(peer);
            echoes.push(TcpStream::from_std(stream)?);
        }
        thread::spawn(move || {
            let executor = async_executor::LocalExecutor::new();
            for echo in echoes {
                executor.spawn(answer(echo)).detach();
            }
            netpoller::block_on(executor.run(std::future::pending::<()>()));
        });
        Ok(Self {
            peers,
            waiting: Vec::new(),
        })
    }

    /// Opens connections until there are so many descriptors, and parks a waiter on each end.
    pub(crate) fn grow_to(&mut self, descriptors: usize) -> io::Result<()> {
        let mut cx = Context::from_waker(Waker::noop());
        while self.peers.len() + self.waiting.len() < descriptors {
            let (client, server) = pair()?;
            for stream in [client, server] {
                let stream = Arc::new(TcpStream::from_std(stream)?);
                let mut wait: Waiting = Box::pin(async move {
                    // Nothing ever comes.
                    let _ = stream.read(&mut [0]).await;
                });
                if wait.as_mut().poll(&mut cx).is_ready() {
                    return Err(io::Error::other("a wait is over at once"));
                }
                self.waiting.push(wait);
            }
        }
        let parked = usize::try_from(Poller::global().waiters()).unwrap_or_default();
        if parked < self.waiting.len() {
            return Err(io::Error::other(format!("only {parked} are parked")));
        }
        Ok(())
    }

    /// The 99th percentile of a round trip.
    pub(crate) fn p99(&self, time: Duration) -> io::Result<Duration> {
        let (mut trips, until) = (Vec::new(), Instant::now() + time);
        while Instant::now() < until {
            for mut peer in &self.peers {
                let began = Instant::now();
                peer.write_all(&[7; 128])?;
                peer.read_exact(&mut [0; 128])?;
                trips.push(began.elapsed());
            }
        }
        trips.sort();
        let rank = trips.len() * 99 / 100;
        let p99 = trips.get(rank).copied();
        p99.ok_or_else(|| io::Error::other("no round trip has ended"))
    }
}

async fn answer(stream: TcpStream) {
    let mut buf = [0; 128];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
}

/// A connection, by both of its ends.
fn pair() -> io::Result<(std::net::TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}
