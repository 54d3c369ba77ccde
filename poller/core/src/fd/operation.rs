//! What an operation is: its kind, its counts, and how it ends.

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::panic::Location;

use crate::error::Error;
use crate::observe::{Counter, Direction, Local, OpKind, OpResult};
use crate::sys;

/// A kind of operation, as a type: what follows from it is worked out when it is compiled.
pub(crate) trait Op: Copy + Send + Sync + Unpin + 'static {
    const KIND: OpKind;
    const DIRECTION: Direction = match Self::KIND {
        OpKind::Read | OpKind::Accept => Direction::Read,
        OpKind::Write | OpKind::Connect => Direction::Write,
    };
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Read;
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write;
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accept;
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connect;

impl Op for Read {
    const KIND: OpKind = OpKind::Read;
}
impl Op for Write {
    const KIND: OpKind = OpKind::Write;
}
impl Op for Accept {
    const KIND: OpKind = OpKind::Accept;
}
impl Op for Connect {
    const KIND: OpKind = OpKind::Connect;
}

/// What an operation is, apart from the call itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<O> {
    /// The call that waits, for tables.
    pub(crate) location: &'static Location<'static>,
    /// In one byte, which is moved as one.
    traits: u8,
    kind: PhantomData<O>,
}

/// It may begin with waiting if the last read was short.
const ELIDES: u8 = 1;
/// It reads a stream, and has room: no bytes are the end.
const ENDS: u8 = 1 << 1;
/// It writes to a queue that is not the descriptor's own, and of which no event tells.
const ELSEWHERE: u8 = 1 << 2;
/// It has no bytes to move: it is done as soon as it has its turn, whatever the deadline says
/// (semantics 37).
const IDLE: u8 = 1 << 3;
/// It only waits until it could go on, and counts for none.
const PEEKS: u8 = 1 << 4;

/// A trait of operations: `with_…` to set it if a condition holds, `…` to ask.
macro_rules! traits {
    ($($with:ident, $has:ident, $bit:ident;)*) => {$(
        #[inline]
        pub(crate) fn $with(self, condition: bool) -> Self {
            let traits = self.traits | if condition { $bit } else { 0 };
            Self { traits, ..self }
        }

        #[inline]
        pub(super) fn $has(self) -> bool {
            self.traits & $bit != 0
        }
    )*};
}

impl<O: Op> Operation<O> {
    #[inline]
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        Self {
            location,
            traits: 0,
            kind: PhantomData,
        }
    }

    traits! {
        with_elision, elides, ELIDES;
        with_end, ends, ENDS;
        with_queue_elsewhere, is_elsewhere, ELSEWHERE;
        with_idleness, is_idle, IDLE;
        with_peeking, peeks, PEEKS;
    }

    /// Counts how it has ended, with the bytes that it has moved, as far as `bytes` tells. Hands
    /// the result on.
    #[inline(always)]
    pub(crate) fn end<R>(
        self,
        local: Local<'_>,
        result: io::Result<R>,
        bytes: impl FnOnce(&R) -> Option<usize>,
    ) -> io::Result<R> {
        match result {
            Ok(moved) => {
                self.count_success(local, bytes(&moved));
                Ok(moved)
            }
            Err(error) => Err(self.count_failure(local, error)),
        }
    }

    /// Counts that it has ended well.
    #[inline]
    pub(super) fn count_success(self, local: Local<'_>, bytes: Option<usize>) {
        if let Some(bytes) = bytes {
            self.count_bytes(local, bytes);
        }
        match bytes {
            Some(0) if O::DIRECTION == Direction::Read => self.count_nothing(local),
            _ => local.count(O::KIND.op(OpResult::Ok)),
        }
    }

    /// A read has ended well, without any bytes.
    #[cold]
    fn count_nothing(self, local: Local<'_>) {
        local.count(O::KIND.op(match self.ends() {
            true => OpResult::Eof,
            false => OpResult::Ok,
        }));
    }

    /// Counts how it has failed.
    #[cold]
    pub(super) fn count_failure(self, local: Local<'_>, error: io::Error) -> io::Error {
        local.count(O::KIND.op(failure(&error)));
        error
    }

    #[inline]
    pub(super) fn count_bytes(self, local: Local<'_>, bytes: usize) {
        let counter = match O::DIRECTION {
            Direction::Read => Counter::BytesRead,
            Direction::Write => Counter::BytesWritten,
        };
        local.add(counter, bytes as u64);
    }
}

/// How an operation has failed.
fn failure(error: &io::Error) -> OpResult {
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
