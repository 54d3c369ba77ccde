//! What the names of a script stand for.

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream,
};
use netpoller::pipe::{PipeReader, PipeWriter};
use netpoller::pollable::Pollable;
use netpoller::{Direction, Error, Poller, Sides};
use socket2::SockRef;

/// One thing with a name.
#[derive(Debug)]
#[allow(missing_docs, reason = "the types of the library")]
pub(super) enum Thing {
    Tcp(TcpStream),
    Unix(UnixStream),
    Packet(UnixSeqpacket),
    /// With its path, if it is bound. What can be reached has its address beside it.
    Gram(UnixDatagram, Option<PathBuf>),
    Udp(UdpSocket, SocketAddr),
    TcpListener(TcpListener, SocketAddr),
    UnixListener(UnixListener, PathBuf),
    PacketListener(UnixSeqpacketListener, PathBuf),
    Reader(PipeReader),
    Writer(PipeWriter),
    File(PlainFile),
    Fifo(PathBuf),
}

/// Where a socket is reached.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the kinds of addresses")]
pub(super) enum Address {
    Internet(SocketAddr),
    Path(PathBuf),
}

/// A regular file, which no poller takes.
#[derive(Debug)]
pub(super) struct PlainFile(Mutex<Option<Arc<Pollable<File>>>>);

impl PlainFile {
    /// Opens one without a name.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn temporary() -> io::Result<Self> {
        let file = Pollable::new_or_plain(tempfile::tempfile()?).map_err(|e| e.error)?;
        Ok(Self(Mutex::new(Some(Arc::new(file)))))
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Pollable<File>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, while it is open.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub(super) fn get(&self) -> io::Result<Arc<Pollable<File>>> {
        Ok(self.slot().clone().ok_or(Error::Closed)?)
    }

    fn close(&self) -> io::Result<()> {
        Ok(self.slot().take().map(drop).ok_or(Error::Closed)?)
    }
}

/// Does the same with whatever is registered; a file and a path have arms of their own.
macro_rules! registered {
    ($thing:expr, $x:ident => $do:expr, file $file:pat => $plain:expr, path => $path:expr) => {
        match $thing {
            Thing::Tcp($x) => $do,
            Thing::Unix($x) => $do,
            Thing::Packet($x) => $do,
            Thing::Gram($x, _) => $do,
            Thing::Udp($x, _) => $do,
            Thing::TcpListener($x, _) => $do,
            Thing::UnixListener($x, _) => $do,
            Thing::PacketListener($x, _) => $do,
            Thing::Reader($x) => $do,
            Thing::Writer($x) => $do,
            Thing::File($file) => $plain,
            Thing::Fifo(_) => $path,
        }
    };
}

/// The parser lets nobody do this.
pub(super) fn misused() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the script asks for what this cannot do",
    )
}

impl Thing {
    /// `slot.generation`, by which the tables name it; `None` if it is not registered.
    pub(super) fn id(&self) -> Option<netpoller::DescId> {
        registered!(self, x => Some(x.id()), file _ => None, path => None)
    }

    /// How many operations queue behind the one under way.
    pub(super) fn queued(&self, direction: Direction) -> usize {
        registered!(self, x => x.queued(direction), file _ => 0, path => 0)
    }

    /// Sets a deadline.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub(super) fn set_deadline(&self, sides: Sides, deadline: Option<Instant>) -> io::Result<()> {
        registered!(
            self,
            x => match sides {
                Sides::Read => x.set_read_deadline(deadline),
                Sides::Write => x.set_write_deadline(deadline),
                Sides::Both => x.set_deadline(deadline),
            },
            file file => file.get()?.set_deadline(deadline, sides),
            path => Err(misused())
        )
    }

    /// Closes it and waits until its number is free.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub(super) async fn close(&self) -> io::Result<()> {
        registered!(
            self,
            x => {
                x.close()?.await;
                Ok(())
            },
            file file => file.close(),
            path => Err(misused())
        )
    }

    /// Closes it for everybody, whatever it may say: a script is over.
    pub(super) fn give_up(&self) {
        registered!(self, x => drop(x.close()), file file => drop(file.close()), path => ());
    }

    /// Closes it so that its peer is told of a reset.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub(super) async fn reset(&self) -> io::Result<()> {
        if let Thing::Tcp(tcp) = self {
            tcp.set_linger(Some(Duration::ZERO))?;
        }
        self.close().await
    }

    /// Ends one direction.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Thing::Tcp(x) => x.shutdown(how),
            Thing::Unix(x) => x.shutdown(how),
            Thing::Packet(x) => x.shutdown(how),
            _ => Err(misused()),
        }
    }

    fn duplicate(&self) -> io::Result<OwnedFd> {
        registered!(self, x => x.duplicate(), file _ => Err(misused()), path => Err(misused()))
    }

    /// Sets both of its socket's buffers.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub(super) fn set_buffers(&self, size: usize) -> io::Result<()> {
        // Through a duplicate, as most types have no way to their options: both share the socket.
        let socket = self.duplicate()?;
        let socket = SockRef::from(&socket);
        socket.set_recv_buffer_size(size)?;
        socket.set_send_buffer_size(size)
    }

    /// Runs `f` with the options of a TCP connection.
    ///
    /// # Errors
    ///
    /// What `f` says.
    pub(super) fn with_tcp<R>(
        &self,
        f: impl FnOnce(SockRef<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Thing::Tcp(tcp) => tcp.with_options(f),
            _ => Err(misused()),
        }
    }

    /// Another descriptor for the same open file, registered for itself.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub(super) fn dup(&self, poller: &Poller) -> io::Result<Thing> {
        let fd = self.duplicate()?;
        let _entered = poller.enter();
        Ok(match self {
            Thing::Tcp(_) => Thing::Tcp(TcpStream::from_std(fd.into())?),
            Thing::Unix(_) => Thing::Unix(UnixStream::from_std(fd.into())?),
            Thing::Reader(_) => Thing::Reader(PipeReader::from_owned_fd(fd)?),
            Thing::Writer(_) => Thing::Writer(PipeWriter::from_owned_fd(fd)?),
            _ => return Err(misused()),
        })
    }

    /// Where it is reached, or was: as in Go, a closed socket knows.
    ///
    /// # Errors
    ///
    /// If nothing is ever reached there.
    pub(super) fn address(&self) -> io::Result<Address> {
        match self {
            Thing::TcpListener(_, address) | Thing::Udp(_, address) => {
                Ok(Address::Internet(*address))
            }
            Thing::UnixListener(_, path)
            | Thing::PacketListener(_, path)
            | Thing::Gram(_, Some(path)) => Ok(Address::Path(path.clone())),
            _ => Err(misused()),
        }
    }
}
