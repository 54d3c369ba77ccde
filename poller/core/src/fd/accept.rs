//! Accepting, also when the process is out of descriptors.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::time::Duration;

use super::descriptor::Fd;
use super::operation::{Accept, Operation};
use crate::observe::{Counter, Direction};
use crate::sys::{self, AcceptFailure, AcceptPause};

impl Fd {
    /// Accepts one connection. EINTR and ECONNABORTED are retried; other errors surface (semantics
    /// 55).
    pub(crate) async fn accept(
        &self,
        location: &'static Location<'static>,
    ) -> io::Result<(OwnedFd, socket2::SockAddr)> {
        let operation = Operation::<Accept>::new(location);
        self.run(operation, sys::socket::accept).await
    }
}

/// What an accept loop keeps to get over the limit of open files.
///
/// At the limit the connection stays in the kernel's queue and no further edge tells of it, so a
/// loop that just goes on spins, and one that waits stalls (tokio#3529, golang/go's #19 of the
/// kind). So: one descriptor is kept in reserve; it is given up to take the connection and close
/// it, which tells the peer at once; and the loop pauses, longer each time.
#[derive(Debug)]
pub(crate) struct AcceptBackoff {
    reserve: Option<OwnedFd>,
    pause: AcceptPause,
}

impl AcceptBackoff {
    /// Takes the reserve at once: the limit may be reached before the first connection comes.
    pub(crate) fn new() -> Self {
        Self {
            reserve: sys::io::reserve_descriptor().ok(),
            pause: AcceptPause::default(),
        }
    }

    /// After a success: sees to it that there is a reserve.
    fn refill(&mut self) {
        self.pause.reset();
        if self.reserve.is_none() {
            self.reserve = sys::io::reserve_descriptor().ok();
        }
    }

    /// Accepts one connection, at the limit of open files once some are free again. Close and
    /// deadlines hold in the pauses as well.
    pub(crate) async fn accept(
        &mut self,
        listener: &Fd,
        location: &'static Location<'static>,
    ) -> io::Result<(OwnedFd, socket2::SockAddr)> {
        loop {
            match listener.accept(location).await {
                Err(error) if AcceptFailure::of(&error).is_shortage() => {
                    let pause = self.shed(listener);
                    let turn = listener.turn(Direction::Read, location).await?;
                    turn.pause(Operation::<Accept>::new(location), pause)
                        .await?;
                }
                result => {
                    if result.is_ok() {
                        self.refill();
                    }
                    return result;
                }
            }
        }
    }

    /// Refuses the connection at the head of the queue with the reserve descriptor, and says how
    /// long to pause.
    fn shed(&mut self, listener: &Fd) -> Duration {
        listener.count(Counter::AcceptBackoffs);
        let refuse = || listener.with(|fd| sys::socket::accept(fd).map(drop));
        if self.reserve.take().is_some() && refuse().is_ok() {
            listener.count(Counter::AcceptShed);
        }
        // Somebody else may have taken the number meanwhile; then the next turn tries again.
        self.reserve = sys::io::reserve_descriptor().ok();
        self.pause.longer()
    }
}
