//! What a lane does: one operation, with the library's futures, or with its blocking handles.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::sync::Arc;

use netpoller::net::WriteAllError;
use netpoller::{Poller, block_on_poller};

use super::dial::dial;
use super::make::Make;
use super::outcome::Outcome;
use super::script::Kind;
use super::thing::{Address, Thing, misused};

/// One operation, with what it works on.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// An operation on one thing.
    Io(Arc<Thing>, Io),
    /// A datagram.
    Sendto(Arc<Thing>, Address, usize),
    /// A connection to a listener of this kind, which is reached there.
    Dial(Kind, Address),
    /// Something new.
    Make(Make),
}

/// An operation on one thing.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub(super) enum Io {
    Read(usize),
    Write(usize),
    Readv(Vec<usize>),
    Writev(Vec<usize>),
    Recvfrom(usize),
    Accept,
    Oob,
    Readoob,
    Close,
    Rst,
}

/// How an operation ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// In the words of the goldens.
    pub(super) outcome: Outcome,
    /// What it made.
    pub(super) made: Vec<Thing>,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            made: Vec::new(),
        }
    }
}

impl Work {
    /// Does it with futures.
    pub(super) async fn run(self, poller: &Poller) -> Ended {
        match self {
            Work::Io(on, io) => run_io(&on, io).await,
            Work::Sendto(from, to, size) => send_to(&from, to, size).await.into(),
            Work::Dial(kind, to) => made(dial(poller, kind, to).await.map(|thing| vec![thing])),
            Work::Make(make) => made(make.run(poller).await),
        }
    }

    /// Does it on this thread, with blocking handles where there are some.
    pub(super) fn block(self, poller: &Poller) -> Ended {
        if let Work::Io(on, io) = &self {
            let done = match &**on {
                Thing::Tcp(x) => read(x.blocking(), io)
                    .or_else(|| write(x.blocking(), io, |buf| x.blocking().try_write_all(buf))),
                Thing::Unix(x) => read(x.blocking(), io)
                    .or_else(|| write(x.blocking(), io, |buf| x.blocking().try_write_all(buf))),
                Thing::Reader(x) => read(x.blocking(), io),
                Thing::Writer(x) => write(x.blocking(), io, |buf| x.blocking().try_write_all(buf)),
                _ => None,
            };
            if let Some(outcome) = done {
                return outcome.into();
            }
        }
        block_on_poller(poller, self.run(poller))
    }
}

/// Buffers of these sizes, and their bytes in all.
fn buffers(sizes: &[usize]) -> (Vec<Vec<u8>>, usize) {
    let buffers = sizes.iter().map(|size| vec![0; *size]).collect();
    (buffers, sizes.iter().sum())
}

fn read(mut from: impl Read, io: &Io) -> Option<Outcome> {
    match io {
        Io::Read(size) => {
            let result = from.read(&mut vec![0; *size]);
            Some(Outcome::read(result, *size, true))
        }
        Io::Readv(sizes) => {
            let (mut bufs, room) = buffers(sizes);
            let mut bufs: Vec<_> = bufs.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
            Some(Outcome::read(from.read_vectored(&mut bufs), room, true))
        }
        _ => None,
    }
}

fn write(
    mut to: impl Write,
    io: &Io,
    write_all: impl FnOnce(&[u8]) -> Result<(), WriteAllError>,
) -> Option<Outcome> {
    match io {
        Io::Write(size) => Some(written(write_all(&vec![0; *size]), *size)),
        Io::Writev(sizes) => {
            let (bufs, size) = buffers(sizes);
            let mut bufs: Vec<_> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
            let mut rest = &mut bufs[..];
            let mut n = 0;
            // The kernel takes a part, as of any write.
            while n < size {
                match to.write_vectored(rest) {
                    Ok(taken) => {
                        n += taken;
                        IoSlice::advance_slices(&mut rest, taken);
                    }
                    Err(error) => return Some(Outcome::failed(&error, n)),
                }
            }
            Some(Outcome::ok(n))
        }
        _ => None,
    }
}

fn written(result: Result<(), WriteAllError>, size: usize) -> Outcome {
    match result {
        Ok(()) => Outcome::ok(size),
        Err(error) => {
            let n = error.written();
            Outcome::failed(&error.into_inner(), n)
        }
    }
}

fn sent(result: io::Result<usize>) -> Outcome {
    match result {
        Ok(n) => Outcome::ok(n),
        Err(error) => Outcome::failed(&error, 0),
    }
}

async fn run_io(on: &Thing, io: Io) -> Ended {
    let outcome = match io {
        Io::Read(size) => read_async(on, size).await,
        Io::Write(size) => write_async(on, &vec![0; size]).await,
        Io::Readv(sizes) => {
            let (mut bufs, room) = buffers(&sizes);
            let mut bufs: Vec<_> = bufs.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
            let result = match on {
                Thing::Tcp(x) => x.read_vectored(&mut bufs).await,
                Thing::Unix(x) => x.read_vectored(&mut bufs).await,
                Thing::Reader(x) => x.read_vectored(&mut bufs).await,
                _ => Err(misused()),
            };
            Outcome::read(result, room, true)
        }
        Io::Writev(sizes) => write_vectored(on, &sizes).await,
        Io::Recvfrom(size) => {
            let mut buf = vec![0; size];
            let result = match on {
                Thing::Udp(x, _) => x.recv_from(&mut buf).await.map(|(n, _)| n),
                Thing::Gram(x, _) => x.recv_from(&mut buf).await.map(|(n, _)| n),
                _ => Err(misused()),
            };
            Outcome::read(result, size, false)
        }
        Io::Accept => return accept(on).await,
        Io::Oob => sent(on.with_tcp(|socket| socket.send_out_of_band(&[0]))),
        Io::Readoob => {
            sent(on.with_tcp(|socket| socket.recv_out_of_band(&mut [MaybeUninit::uninit()])))
        }
        Io::Close => Outcome::plain(on.close().await),
        Io::Rst => Outcome::plain(on.reset().await),
    };
    outcome.into()
}

async fn read_async(on: &Thing, size: usize) -> Outcome {
    let mut buf = vec![0; size];
    let mut ends = true;
    let result = match on {
        Thing::Tcp(x) => x.read(&mut buf).await,
        Thing::Unix(x) => x.read(&mut buf).await,
        Thing::Packet(x) => x.recv(&mut buf).await,
        Thing::Reader(x) => x.read(&mut buf).await,
        Thing::Gram(x, _) => {
            ends = false;
            x.recv(&mut buf).await
        }
        Thing::Udp(x, _) => {
            ends = false;
            x.recv(&mut buf).await
        }
        Thing::File(file) => match file.get() {
            Ok(file) => file.read_with(|mut file| file.read(&mut buf)).await,
            Err(error) => Err(error),
        },
        _ => Err(misused()),
    };
    Outcome::read(result, size, ends)
}

async fn write_async(on: &Thing, buf: &[u8]) -> Outcome {
    let size = buf.len();
    match on {
        Thing::Tcp(x) => written(x.write_all(buf).await, size),
        Thing::Unix(x) => written(x.write_all(buf).await, size),
        Thing::Writer(x) => written(x.write_all(buf).await, size),
        Thing::Packet(x) => sent(x.send(buf).await),
        Thing::Gram(x, _) => sent(x.send(buf).await),
        Thing::Udp(x, _) => sent(x.send(buf).await),
        Thing::File(file) => match file.get() {
            Ok(file) => sent(file.write_with(|mut file| file.write(buf)).await),
            Err(error) => Outcome::failed(&error, 0),
        },
        _ => Outcome::failed(&misused(), 0),
    }
}

async fn write_vectored(on: &Thing, sizes: &[usize]) -> Outcome {
    let (bufs, size) = buffers(sizes);
    let mut rest: &[Vec<u8>] = &bufs;
    let (mut n, mut skip) = (0, 0);
    while n < size {
        // Slices are made anew each time, so that the future of the type borrows nothing for longer
        // than one call.
        let slices: Vec<_> = rest
            .iter()
            .enumerate()
            .map(|(i, buf)| IoSlice::new(if i == 0 { &buf[skip..] } else { buf }))
            .collect();
        let result = match on {
            Thing::Tcp(x) => x.write_vectored(&slices).await,
            Thing::Unix(x) => x.write_vectored(&slices).await,
            _ => Err(misused()),
        };
        match result {
            Ok(taken) => {
                n += taken;
                skip += taken;
                while let Some(first) = rest.first()
                    && skip >= first.len()
                {
                    skip -= first.len();
                    rest = &rest[1..];
                }
            }
            Err(error) => return Outcome::failed(&error, n),
        }
    }
    Outcome::ok(n)
}

async fn accept(on: &Thing) -> Ended {
    let result = match on {
        Thing::TcpListener(x, _) => x.accept().await.map(|(x, _)| Thing::Tcp(x)),
        Thing::UnixListener(x, _) => x.accept().await.map(|(x, _)| Thing::Unix(x)),
        Thing::PacketListener(x, _) => x.accept().await.map(Thing::Packet),
        _ => Err(misused()),
    };
    match result {
        Ok(thing) => Ended {
            outcome: Outcome::ok(0),
            made: vec![thing],
        },
        Err(error) => Outcome::failed(&error, 0).into(),
    }
}

async fn send_to(from: &Thing, to: Address, size: usize) -> Outcome {
    let buf = vec![0; size];
    sent(match (from, to) {
        (Thing::Udp(x, _), Address::Internet(to)) => x.send_to(&buf, to).await,
        (Thing::Gram(x, _), Address::Path(to)) => x.send_to(&buf, to).await,
        _ => Err(misused()),
    })
}

/// The end of what makes things. A deadline can only be that of a dial.
fn made(result: io::Result<Vec<Thing>>) -> Ended {
    let (made, result) = match result {
        Ok(made) => (made, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    Ended {
        outcome: Outcome::dialled(&result),
        made,
    }
}
