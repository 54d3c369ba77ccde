//! The load: connections that each send a message, wait for all of it to come back, and send the
//! next.
//!
//! An epoll loop too, so that it is cheaper than any server it measures.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::error::Context;
use super::stats::Histogram;
use super::sys::{Epoll, Events, mask};

/// A server that answers nothing for this long is broken.
const STALLED: Duration = Duration::from_secs(10);

/// Open connections to one server.
pub(crate) struct Load {
    epoll: Epoll,
    events: Events,
    connections: Vec<Connection>,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    unsent: usize,
    awaited: usize,
    sent_at: Instant,
}

/// What was done in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Messages sent and answered in full.
    pub(crate) requests: u64,
    /// From the first message sent to the last answer.
    pub(crate) elapsed: Duration,
}

impl Load {
    /// Connects, and has one message echoed on each connection: then the server has accepted all of
    /// them.
    pub(crate) fn connect(address: SocketAddr, count: u32, message_size: u32) -> io::Result<Load> {
        let message: Vec<u8> = (0..message_size).map(|index| (index % 251) as u8).collect();
        let epoll = Epoll::new()?;
        let mut connections = Vec::with_capacity(count as usize);
        for index in 0..count {
            let stream = connect(address, &message)
                .context(|| format!("opening connection {index} of {count}"))?;
            // Both directions, for messages larger than the socket's buffers.
            epoll.add(
                &stream,
                mask::IN | mask::OUT | mask::RDHUP | mask::ET,
                u64::from(index),
            )?;
            connections.push(Connection {
                stream,
                unsent: 0,
                awaited: 0,
                sent_at: Instant::now(),
            });
        }
        let buffer = vec![0; message.len().max(4096)];
        Ok(Load {
            epoll,
            events: Events::with_capacity(1024),
            connections,
            message,
            buffer,
        })
    }

    /// Loads the server for `period`, then waits for the answers still due, so that all is idle
    /// again.
    pub(crate) fn run(&mut self, period: Duration, latency: &mut Histogram) -> io::Result<Done> {
        let Load {
            epoll,
            events,
            connections,
            message,
            buffer,
        } = self;
        let start = Instant::now();
        for connection in connections.iter_mut() {
            connection.begin(message, Instant::now())?;
        }
        let mut busy = connections.len();
        let mut requests = 0;
        let mut now = start;
        while busy > 0 {
            epoll.wait(events, Some(STALLED))?;
            if events.is_empty() && now.elapsed() >= STALLED {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "no answer for {} s on {busy} connections",
                        STALLED.as_secs()
                    ),
                ));
            }
            for (token, _) in events.iter() {
                let connection = &mut connections[token as usize];
                if !connection.advance(message, buffer)? {
                    continue;
                }
                now = Instant::now();
                requests += 1;
                latency.record(now.duration_since(connection.sent_at));
                if now.duration_since(start) < period {
                    connection.begin(message, now)?;
                } else {
                    busy -= 1;
                }
            }
        }
        Ok(Done {
            requests,
            elapsed: now.duration_since(start),
        })
    }
}

fn connect(address: SocketAddr, message: &[u8]) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALLED))?;
    stream.set_write_timeout(Some(STALLED))?;
    // In pieces, so that no size can fill the buffers of both directions at once.
    let mut echoed = [0; 4096];
    for piece in message.chunks(echoed.len()) {
        (&stream).write_all(piece)?;
        let echoed = &mut echoed[..piece.len()];
        (&stream).read_exact(echoed)?;
        if echoed != piece {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the server answered other bytes than it was sent",
            ));
        }
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Connection {
    fn begin(&mut self, message: &[u8], now: Instant) -> io::Result<()> {
        self.sent_at = now;
        self.unsent = message.len();
        self.awaited = message.len();
        self.send(message)
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        while self.unsent > 0 {
            match self.stream.write(&message[message.len() - self.unsent..]) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends and reads what can be; returns whether that completed an answer.
    fn advance(&mut self, message: &[u8], buffer: &mut [u8]) -> io::Result<bool> {
        if self.awaited == 0 {
            return Ok(false);
        }
        self.send(message)?;
        while self.awaited > 0 {
            match self.stream.read(buffer) {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server closed a connection",
                    ));
                }
                Ok(count) if count > self.awaited => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "the server answered more than it was sent",
                    ));
                }
                Ok(count) => self.awaited -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // A part of the answer may have made room for the rest of the message.
            self.send(message)?;
        }
        Ok(self.unsent == 0)
    }
}
