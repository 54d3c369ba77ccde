//! Scripts of our own: what the language of the oracle has no words for.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future;
use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket, UnixStream,
};
use netpoller::pipe::pipe;
use netpoller::pollable::Pollable;
use netpoller::{Error, Poller};
use netpoller_tests::loopback;

use super::outcome::Log;

type Running = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Poller, Log) -> Running,
}

impl Scenario {
    pub(crate) fn run(self, poller: &Poller, log: &Log) -> Running {
        (self.run)(poller.clone(), log.clone())
    }
}

/// All that are swept.
pub(crate) const SCENARIOS: [Scenario; 9] = [
    Scenario {
        name: "echo over TCP",
        run: |poller, log| Box::pin(echo(poller, log)),
    },
    Scenario {
        name: "more than fits, over TCP",
        run: |poller, log| Box::pin(bulk(poller, log)),
    },
    Scenario {
        name: "an accept loop",
        run: |poller, log| Box::pin(incoming(poller, log)),
    },
    Scenario {
        name: "Unix sockets of every kind",
        run: |poller, log| Box::pin(unix(poller, log)),
    },
    Scenario {
        name: "datagrams",
        run: |poller, log| Box::pin(datagrams(poller, log)),
    },
    Scenario {
        name: "pipes",
        run: |poller, log| Box::pin(pipes(poller, log)),
    },
    Scenario {
        name: "deadlines",
        run: |poller, log| Box::pin(deadlines(poller, log)),
    },
    Scenario {
        name: "readiness, duplicates and descriptors of others",
        run: |poller, log| Box::pin(readiness(poller, log)),
    },
    Scenario {
        name: "blocking threads",
        run: |poller, log| Box::pin(blocking(poller, log)),
    },
];

/// Reads until `buf` is full or the end.
macro_rules! read_full {
    ($from:expr, $size:expr) => {{
        let mut buf = vec![0; $size];
        let mut n = 0;
        while n < buf.len() {
            match $from.read(&mut buf[n..]).await? {
                0 => break,
                more => n += more,
            }
        }
        buf.truncate(n);
        buf
    }};
}

fn text(bytes: &[u8]) -> String {
    format!("{} bytes {:?}", bytes.len(), String::from_utf8_lossy(bytes))
}

async fn tcp_pair(poller: &Poller) -> io::Result<(TcpStream, TcpStream)> {
    let listener = poller.in_scope(|| TcpListener::bind(loopback()))?;
    let address = listener.local_addr()?;
    let client = poller.in_scope(|| TcpStream::connect(address));
    let (client, server) = future::try_zip(client, listener.accept()).await?;
    Ok((client, server.0))
}

async fn echo(poller: Poller, log: Log) -> io::Result<()> {
    let (client, server) = tcp_pair(&poller).await?;
    client.set_nodelay(true)?;
    let serve = async {
        loop {
            let mut buf = [0; 64];
            let n = server.read(&mut buf).await?;
            if n == 0 {
                log.line("server", "end");
                return server.shutdown(Shutdown::Write);
            }
            server.write_all(&buf[..n]).await?;
        }
    };
    let ask = async {
        for word in ["one", "another", "and a third"] {
            client.write_all(word.as_bytes()).await?;
            let answer = read_full!(client, word.len());
            log.line("client", text(&answer));
        }
        client.shutdown(Shutdown::Write)?;
        log.line("client", text(&read_full!(client, 1)));
        Ok(())
    };
    future::try_zip(serve, ask).await.map(drop)
}

async fn bulk(poller: Poller, log: Log) -> io::Result<()> {
    const SIZE: usize = 400_000;
    let (a, b) = tcp_pair(&poller).await?;
    let set = |socket: socket2::SockRef<'_>| socket.set_send_buffer_size(8192);
    a.with_options(set)?;
    let payload: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let write = async {
        a.write_all(&payload).await?;
        log.line("writer", "all written");
        a.shutdown(Shutdown::Write)
    };
    let read = async {
        let got = read_full!(b, SIZE + 1);
        let intact = got == payload;
        log.line("reader", format!("{} bytes, intact: {intact}", got.len()));
        Ok(())
    };
    future::try_zip(write, read).await.map(drop)
}

/// The other end is gone: nothing was to fail for that.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// A loop that is out of descriptors refuses whom it cannot serve; the client comes again.
async fn incoming(poller: Poller, log: Log) -> io::Result<()> {
    let listener = poller.in_scope(|| TcpListener::bind(loopback()))?;
    let address = listener.local_addr()?;
    let mut incoming = listener.incoming();
    let serve = async {
        loop {
            let (connection, _) = incoming.accept().await?;
            let mut buf = [0; 4];
            match connection.read(&mut buf).await {
                Ok(0) => {}
                Ok(_) => {
                    connection.write_all(b"!").await?;
                    // Not gone before the client is.
                    return match connection.read(&mut buf).await {
                        Err(error) if !is_gone(&error) => Err(error),
                        _ => Ok(()),
                    };
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
    };
    let ask = async {
        loop {
            let connection = poller.in_scope(|| TcpStream::connect(address)).await?;
            let talk = async {
                connection.write_all(b"?").await?;
                connection.read(&mut [0; 4]).await
            };
            match talk.await {
                Ok(0) => {}
                Ok(_) => {
                    log.line("client", "served");
                    return Ok(());
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
    };
    future::try_zip(serve, ask).await.map(drop)
}

async fn unix(poller: Poller, log: Log) -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("s");
    let listener = poller.in_scope(|| UnixListener::bind(&path))?;
    let client = poller.in_scope(|| UnixStream::connect(&path));
    let (client, (server, _)) = future::try_zip(client, listener.accept()).await?;
    let mut slices = [IoSlice::new(b"so"), IoSlice::new(b"cket")];
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        let n = client.write_vectored(slices).await?;
        IoSlice::advance_slices(&mut slices, n);
    }
    let (mut a, mut b) = ([0; 2], [0; 4]);
    let mut room = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    // All of it is there: a Unix socket hands over what is written at once.
    server.read_vectored(&mut room).await?;
    log.line("stream", text(&[&a[..], &b[..]].concat()));
    drop(client);
    log.line("stream", text(&read_full!(server, 1)));

    let (a, b) = poller.in_scope(|| UnixSeqpacket::pair())?;
    let mut buf = [0; 16];
    let (n, ()) = future::try_zip(b.recv(&mut buf), async {
        a.send(b"packet").await.map(drop)
    })
    .await?;
    log.line("packets", text(&buf[..n]));
    let (a, b) = poller.in_scope(|| UnixDatagram::pair())?;
    let (n, ()) =
        future::try_zip(b.recv(&mut buf), async { a.send(b"gram").await.map(drop) }).await?;
    log.line("grams", text(&buf[..n]));
    Ok(())
}

async fn datagrams(poller: Poller, log: Log) -> io::Result<()> {
    let a = poller.in_scope(|| UdpSocket::bind(loopback()))?;
    let b = poller.in_scope(|| UdpSocket::bind(loopback()))?;
    let mut buf = [0; 16];
    let to = b.local_addr()?;
    let receive = b.recv_from(&mut buf);
    let ((n, from), _) = future::try_zip(receive, a.send_to(b"ping", to)).await?;
    log.line(
        "",
        format!("{} from a: {}", text(&buf[..n]), from == a.local_addr()?),
    );
    b.connect(from)?;
    let receive = a.recv(&mut buf);
    let (n, sent) = future::try_zip(receive, b.send(b"pong")).await?;
    log.line("", format!("sent {sent}, got {}", text(&buf[..n])));
    Ok(())
}

async fn pipes(poller: Poller, log: Log) -> io::Result<()> {
    const SIZE: usize = 200_000;
    let (reader, writer) = poller.in_scope(|| pipe())?;
    let payload: Vec<u8> = (0..SIZE).map(|at| (at % 249) as u8).collect();
    let write = async {
        let written = writer.write_all(&payload).await;
        drop(writer);
        written?;
        log.line("writer", "all written");
        Ok(())
    };
    let read = async {
        let got = read_full!(reader, SIZE + 1);
        let intact = got == payload;
        log.line("reader", format!("{} bytes, intact: {intact}", got.len()));
        Ok(())
    };
    future::try_zip(write, read).await.map(drop)
}

async fn deadlines(poller: Poller, log: Log) -> io::Result<()> {
    let (a, b) = poller.in_scope(|| UnixStream::pair())?;
    for ms in [3, 1, 5] {
        let deadline = Instant::now() + Duration::from_millis(ms);
        a.set_read_deadline(Some(deadline))?;
        let error = match a.read(&mut [0]).await {
            Ok(n) => format!("{n} bytes out of nothing"),
            Err(error) if Error::of(&error) == Some(Error::DeadlineExceeded) => {
                let early = Instant::now() < deadline;
                format!("timeout, early: {early}")
            }
            Err(error) => return Err(error),
        };
        log.line("", error);
    }
    a.set_read_deadline(Some(Instant::now() + Duration::from_secs(3600)))?;
    let (n, _) = future::try_zip(async { Ok(read_full!(a, 1)) }, b.write(b"x")).await?;
    log.line("", text(&n));
    Ok(())
}

async fn readiness(poller: Poller, log: Log) -> io::Result<()> {
    let (a, b) = tcp_pair(&poller).await?;
    let ready = async {
        a.readable().await?;
        log.line("a", "readable");
        Ok(())
    };
    let write = async { b.write_all(b"x").await.map_err(io::Error::from) };
    future::try_zip(ready, write).await?;
    log.line("a", text(&read_full!(a, 1)));
    b.writable().await?;
    log.line("b", "writable");

    // The other descriptor keeps the connection open, and is registered by itself.
    let duplicate = std::net::TcpStream::from(b.duplicate()?);
    drop(b);
    let b = poller.in_scope(|| TcpStream::from_std(duplicate))?;
    b.write_all(b"y").await?;
    log.line("a", text(&read_full!(a, 1)));

    let (other, peer) = std::os::unix::net::UnixStream::pair()?;
    peer.set_nonblocking(true)?;
    let other = poller
        .in_scope(|| Pollable::new(other))
        .map_err(|refused| refused.error)?;
    drop(peer);
    let n = other
        .read_with(|mut socket| io::Read::read(&mut socket, &mut [0]))
        .await?;
    log.line("other", format!("{n} bytes: the end"));
    Ok(())
}

/// The futures of this one do not wait: threads do.
async fn blocking(poller: Poller, log: Log) -> io::Result<()> {
    use std::io::{Read, Write};

    let (a, b) = poller.in_scope(|| UnixStream::pair())?;
    let (a, b) = (Arc::new(a), Arc::new(b));
    let serve = {
        let (a, log) = (a.clone(), log.clone());
        move || -> io::Result<()> {
            let mut buf = [0; 5];
            let read = a.blocking().read_exact(&mut buf);
            // Nobody is to wait for an answer that does not come.
            if read.is_err() {
                drop(a.close());
            }
            read?;
            log.line("server", text(&buf));
            let written = a.blocking().write_all(b"there");
            if written.is_err() {
                drop(a.close());
            }
            written
        }
    };
    let server = std::thread::spawn(serve);
    let ask = || -> io::Result<()> {
        b.blocking().write_all(b"hello")?;
        let mut buf = [0; 5];
        b.blocking().read_exact(&mut buf)?;
        log.line("client", text(&buf));
        Ok(())
    };
    // On a thread of its own too: this one may be a runtime's worker, which must not block.
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(ask);
        asking
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the client panicked")))
    });
    if asked.is_err() {
        drop(b.close());
    }
    let served = server
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the server panicked")));
    // The one that the other's failure has closed tells that, not what failed.
    match (asked, served) {
        (Err(error), Err(other)) if is_gone(&error) => Err(other),
        (asked, served) => asked.and(served),
    }
}
