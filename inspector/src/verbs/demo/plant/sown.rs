//! A fault that was planted, and what it is made of.

use std::any::Any;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use netpoller::Desc;

use super::fault::Fault;

/// A planted fault: its threads, and what must live for it to stay.
#[derive(Default)]
pub(super) struct Plant {
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) kept: Vec<Box<dyn Any + Send>>,
}

impl Plant {
    /// A fault that stays as long as `thing` lives.
    pub(super) fn keeping(thing: impl Any + Send) -> Self {
        Self::default().and(thing)
    }

    pub(super) fn and(mut self, thing: impl Any + Send) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    /// Runs `work` on a thread that bears the fault's name.
    pub(super) fn thread(
        mut self,
        fault: Fault,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let builder = std::thread::Builder::new().name(fault.poller_name());
        self.threads.push(builder.spawn(work)?);
        Ok(self)
    }
}

/// Two connected TCP sockets: ours, which does not block, and the peer's.
pub(super) fn tcp_pair() -> io::Result<(std::net::TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let ours = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (theirs, _) = listener.accept()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// Two connected Unix sockets, neither of which blocks.
pub(super) fn unix_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// A registration and the descriptor it is for, which are given up in this order.
pub(super) struct Registered<T> {
    pub(super) desc: Desc,
    pub(super) file: T,
}
