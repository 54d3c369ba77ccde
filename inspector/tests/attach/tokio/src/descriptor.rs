//! Descriptors that change by commands alone.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::unix::pipe::{self, Receiver, Sender};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixStream};

use crate::home::Home;
use crate::places;
use crate::waiter::{How, Starter, Waiter};

/// A direction. Who accepts reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Read,
    Write,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Read, Self::Write];

    pub fn named(name: &str) -> Result<Self, String> {
        let mut both = Self::BOTH.into_iter();
        let found = both.find(|side| side.name() == name);
        found.ok_or_else(|| format!("no direction: {name}"))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
}

/// What tokio has of one.
enum Socket {
    Tcp(Home<TcpStream>),
    Unix(Home<UnixStream>),
    Split(Home<OwnedReadHalf>, Home<OwnedWriteHalf>),
    Receiver(Home<Receiver>),
    Sender(Home<Sender>),
    Udp(Home<UdpSocket>),
    Listener(Home<TcpListener>),
}

pub struct Descriptor {
    /// Never given to another one, as `fd` is.
    pub id: i64,
    pub kind: String,
    pub fd: RawFd,
    /// The other end, if that is one of these.
    pub peer: Option<i64>,
    /// To what to connect for somebody here to accept.
    pub address: Option<SocketAddr>,
    socket: Socket,
    /// Those that wait, or have waited, to read and to write.
    waiters: [Vec<Waiter>; 2],
    /// The tasks that have ended while they were in the slot: their wakers may be there still.
    left: [Option<i64>; 2],
}

/// Both ends of something, or the one there is.
pub async fn open(kind: &str) -> io::Result<Vec<Descriptor>> {
    let one = |fd, socket, address| Descriptor {
        id: 0,
        kind: kind.to_owned(),
        fd,
        peer: None,
        address,
        socket,
        waiters: [Vec::new(), Vec::new()],
        left: [None, None],
    };
    Ok(match kind {
        "listener" => {
            let it = TcpListener::bind("127.0.0.1:0").await?;
            let address = it.local_addr()?;
            vec![one(
                it.as_raw_fd(),
                Socket::Listener(Home::new(it)),
                Some(address),
            )]
        }
        "udp" => {
            let it = UdpSocket::bind("127.0.0.1:0").await?;
            // It is its own other end.
            it.connect(it.local_addr()?).await?;
            vec![one(it.as_raw_fd(), Socket::Udp(Home::new(it)), None)]
        }
        "tcp" => {
            let ends = tcp().await?.into_iter();
            ends.map(|it| one(it.as_raw_fd(), Socket::Tcp(Home::new(it)), None))
                .collect()
        }
        "split" => {
            let ends = tcp().await?.into_iter().map(|it| {
                let fd = it.as_raw_fd();
                let (read, write) = it.into_split();
                one(fd, Socket::Split(Home::new(read), Home::new(write)), None)
            });
            ends.collect()
        }
        "unix" => {
            let (near, far) = UnixStream::pair()?;
            let ends = [near, far].into_iter();
            ends.map(|it| one(it.as_raw_fd(), Socket::Unix(Home::new(it)), None))
                .collect()
        }
        "pipe" => {
            let (write, read) = pipe::pipe()?;
            vec![
                one(read.as_raw_fd(), Socket::Receiver(Home::new(read)), None),
                one(write.as_raw_fd(), Socket::Sender(Home::new(write)), None),
            ]
        }
        _ => return Err(io::Error::other(format!("no kind of descriptor: {kind}"))),
    })
}

/// Both ends of a connection, with small buffers, so that a writer soon waits, and for good.
async fn tcp() -> io::Result<[TcpStream; 2]> {
    let small = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(64 << 10)?;
        socket.set_recv_buffer_size(64 << 10)?;
        io::Result::Ok(socket)
    };
    let listens = small()?;
    listens.bind(([127, 0, 0, 1], 0).into())?;
    let listener = listens.listen(1)?;
    let near = small()?.connect(listener.local_addr()?).await?;
    let (far, _) = listener.accept().await?;
    Ok([near, far])
}

impl Descriptor {
    pub fn has(&self, side: Side) -> bool {
        match self.socket {
            Socket::Tcp(_) | Socket::Unix(_) | Socket::Split(..) => true,
            Socket::Sender(_) => side == Side::Write,
            Socket::Receiver(_) | Socket::Udp(_) | Socket::Listener(_) => side == Side::Read,
        }
    }

    /// Whoever waits there now.
    pub fn waiters(&self, side: Side) -> impl Iterator<Item = &Waiter> {
        self.waiters[side as usize]
            .iter()
            .filter(|it| !it.is_over())
    }

    pub fn left(&self, side: Side) -> Option<i64> {
        self.left[side as usize]
    }

    pub fn add(&mut self, side: Side, waiter: Waiter) {
        if waiter.how != How::List {
            self.left[side as usize] = None;
        }
        self.waiters[side as usize].retain(|it| !it.is_over());
        self.waiters[side as usize].push(waiter);
    }

    /// Ends the last one that is a task.
    pub fn abort(&mut self, side: Side) -> Result<(), String> {
        let tasks = self.waiters(side).filter(|it| !it.is_thread());
        let last = tasks.last().ok_or("no task waits there")?;
        last.abort()?;
        if last.how != How::List {
            self.left[side as usize] = last.id();
        }
        Ok(())
    }

    /// Starts one there.
    pub fn start(&self, side: Side, starter: &Starter<'_>) -> Result<Waiter, String> {
        match (&self.socket, side) {
            (Socket::Tcp(it), Side::Read) => places::tcp_read(starter, it),
            (Socket::Tcp(it), Side::Write) => places::tcp_write(starter, it),
            (Socket::Unix(it), Side::Read) => places::unix_read(starter, it),
            (Socket::Unix(it), Side::Write) => places::unix_write(starter, it),
            (Socket::Split(it, _), Side::Read) => places::split_read(starter, it),
            (Socket::Split(_, it), Side::Write) => places::split_write(starter, it),
            (Socket::Receiver(it), Side::Read) => places::pipe_read(starter, it),
            (Socket::Sender(it), Side::Write) => places::pipe_write(starter, it),
            (Socket::Udp(it), Side::Read) => places::udp_read(starter, it),
            (Socket::Listener(it), Side::Read) => places::listener_read(starter, it),
            _ => Err(format!("it has no direction: {}", side.name())),
        }
    }
}
