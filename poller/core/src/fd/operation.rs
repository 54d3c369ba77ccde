//! What an operation is: its kind, its counts, and how it ends.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;

use crate::error::Error;
use crate::observe::{Counter, Direction, Local, OpKind, OpResult};
use crate::sys;

/// What an operation is, apart from the call itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) direction: Direction,
    pub(crate) kind: OpKind,
    /// The call that waits, for tables.
    pub(crate) location: &'static Location<'static>,
    /// It may begin with waiting if the last read was short.
    pub(crate) elide: bool,
    /// It reads a stream, and has room: no bytes are the end.
    pub(crate) ends: bool,
    /// It writes to a queue that is not the descriptor's own, and of which no event tells.
    pub(crate) elsewhere: bool,
    /// It has no bytes to move: it is done as soon as it has its turn, whatever the deadline says
    /// (semantics 37).
    pub(crate) idle: bool,
    /// It only waits until it could go on, and counts for none.
    pub(crate) peeks: bool,
}

impl Operation {
    pub(crate) fn new(kind: OpKind, location: &'static Location<'static>) -> Self {
        Self {
            direction: match kind {
                OpKind::Read | OpKind::Accept => Direction::Read,
                OpKind::Write | OpKind::Connect => Direction::Write,
            },
            kind,
            location,
            elide: false,
            ends: false,
            elsewhere: false,
            idle: false,
            peeks: false,
        }
    }

    /// Counts how it has ended, and the bytes that it has moved.
    #[inline]
    pub(crate) fn count<R: Moved>(&self, local: Local<'_>, result: Result<&R, &io::Error>) {
        let end = match result {
            Ok(moved) => {
                let bytes = moved.bytes();
                if let Some(bytes) = bytes {
                    self.count_bytes(local, bytes);
                }
                if bytes == Some(0) && self.ends {
                    OpResult::Eof
                } else {
                    OpResult::Ok
                }
            }
            Err(error) => failure(error),
        };
        local.count(self.kind.op(end));
    }

    #[inline]
    pub(super) fn count_bytes(&self, local: Local<'_>, bytes: usize) {
        let counter = match self.direction {
            Direction::Read => Counter::BytesRead,
            Direction::Write => Counter::BytesWritten,
        };
        local.add(counter, bytes as u64);
    }
}

/// How an operation has failed.
#[cold]
pub(super) fn failure(error: &io::Error) -> OpResult {
    match Error::of(error) {
        Some(Error::DeadlineExceeded) => OpResult::Timeout,
        Some(Error::Closed) => OpResult::Closed,
        _ => OpResult::Error,
    }
}

/// What calls return.
pub(crate) trait Moved {
    /// The bytes that were moved, if that is what it tells.
    fn bytes(&self) -> Option<usize> {
        None
    }
}

impl Moved for usize {
    fn bytes(&self) -> Option<usize> {
        Some(*self)
    }
}

impl Moved for (usize, socket2::SockAddr) {
    fn bytes(&self) -> Option<usize> {
        Some(self.0)
    }
}

impl Moved for sys::io::Received {
    fn bytes(&self) -> Option<usize> {
        Some(self.bytes)
    }
}

impl Moved for () {}

impl Moved for (OwnedFd, socket2::SockAddr) {}
