//! The baseline: the least that an edge-triggered echo server on one thread can do.
//!
//! On one connection a request costs three system calls: epoll_wait, read, write. A read that does
//! not fill the buffer has drained the socket, so there is no read that finds EAGAIN, unless the
//! event said that the peer is gone.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::super::sys::{self, Epoll, Events, mask};
use super::{BUFFER, Kind, Options};

pub(crate) const KIND: Kind = Kind {
    name: "bare",
    serve,
};

/// Not a descriptor number: connections are filed under theirs.
const LISTENER: u64 = u64::MAX;

/// It has no deadlines at all: with `--read-deadline` it shows what the others' cost.
fn serve(listener: TcpListener, _options: &Options) -> io::Result<Infallible> {
    let epoll = Epoll::new()?;
    epoll.add(&listener, mask::IN | mask::ET, LISTENER)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; BUFFER];
    loop {
        epoll.wait(&mut events, None)?;
        for (token, ready) in events.iter() {
            if token == LISTENER {
                accept_all(&listener, &epoll, &mut connections)?;
                continue;
            }
            let Some(slot) = connections.get_mut(token as usize) else {
                continue;
            };
            let Some(connection) = slot else { continue };
            if !connection
                .on_event(&epoll, ready, &mut buffer)
                .unwrap_or(false)
            {
                *slot = None;
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let stream = match sys::accept(listener) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let fd = stream.as_raw_fd() as usize;
        epoll.add(&stream, Connection::MASK, fd as u64)?;
        if connections.len() <= fd {
            connections.resize_with(fd + 1, || None);
        }
        connections[fd] = Some(Connection {
            stream,
            unsent: Vec::new(),
            watches_out: false,
        });
    }
}

struct Connection {
    stream: TcpStream,
    /// What the socket had no room for; nothing is read while there is any.
    unsent: Vec<u8>,
    watches_out: bool,
}

impl Connection {
    const MASK: u32 = mask::IN | mask::RDHUP | mask::ET;

    /// Returns whether the connection lives on.
    fn on_event(&mut self, epoll: &Epoll, ready: u32, buffer: &mut [u8]) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            self.send(epoll, &unsent)?;
        }
        // After RDHUP no further edge will come: only a read of 0 shows the end.
        let peer_gone = ready & (mask::RDHUP | mask::HUP | mask::ERR) != 0;
        while self.unsent.is_empty() {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.send(epoll, &buffer[..count])?;
                    if count < buffer.len() && !peer_gone {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn send(&mut self, epoll: &Epoll, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(bytes);
                    if !self.watches_out {
                        self.watches_out = true;
                        epoll.modify(
                            &self.stream,
                            Self::MASK | mask::OUT,
                            self.stream.as_raw_fd() as u64,
                        )?;
                    }
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
