//! What an operation ended with, in the words of the goldens.

use std::fmt;
use std::io;

use netpoller::Error;

use crate::errno;

/// What an operation ended with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    word: String,
    /// Bytes; `None` for the outcomes that have no count.
    n: Option<usize>,
}

impl Outcome {
    /// It did what it was asked to, with `n` bytes.
    pub(super) fn ok(n: usize) -> Self {
        Self::counted("OK", n)
    }

    /// The end of what can be read.
    pub(super) fn eof() -> Self {
        Self::counted("EOF", 0)
    }

    /// It has not ended in time, and never will.
    pub(super) fn hang() -> Self {
        Self::word("HANG")
    }

    /// It panicked.
    pub(super) fn panic() -> Self {
        Self::word("PANIC")
    }

    fn counted(word: impl Into<String>, n: usize) -> Self {
        Self {
            word: word.into(),
            n: Some(n),
        }
    }

    fn word(word: &str) -> Self {
        Self {
            word: word.to_owned(),
            n: None,
        }
    }

    /// It failed after `n` bytes.
    pub(super) fn failed(error: &io::Error, n: usize) -> Self {
        let word = match Error::of(error) {
            Some(Error::Closed) => "CLOSED",
            Some(Error::DeadlineExceeded) => "TIMEOUT",
            Some(Error::NoDeadline) => "NODEADLINE",
            Some(Error::NotPollable) => "NOTPOLLABLE",
            _ => match errno(error) {
                Some(number) => return Self::counted(errno_name(number), n),
                None => return Self::counted(format!("ERROR[{error}]"), n),
            },
        };
        Self::counted(word, n)
    }

    /// That of a dial, whose timeout is not the error of a deadline.
    pub(super) fn dialled(result: &io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::ok(0),
            Err(error) if Error::of(error) == Some(Error::DeadlineExceeded) => {
                Self::counted("TIMEOUT*", 0)
            }
            Err(error) => Self::failed(error, 0),
        }
    }

    /// That of a call without bytes.
    pub(super) fn plain(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::ok(0),
            Err(error) => Self::failed(&error, 0),
        }
    }

    /// That of a read of `room` bytes. A count of 0 is the end, if `ends` says that it can be and
    /// there was room.
    pub(super) fn read(result: io::Result<usize>, room: usize, ends: bool) -> Self {
        match result {
            Ok(0) if room > 0 && ends => Self::eof(),
            Ok(n) => Self::ok(n),
            Err(error) => Self::failed(&error, 0),
        }
    }

    /// Whether it did what it was asked to.
    pub(super) fn is_ok(&self) -> bool {
        self.word == "OK"
    }

    /// As it is printed, without the count if `masked`.
    pub(super) fn text(&self, masked: bool) -> String {
        match self.n {
            Some(_) if masked => format!("{} n=*", self.word),
            Some(n) => format!("{} n={n}", self.word),
            None => self.word.clone(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

macro_rules! errno_names {
    ($($name:ident)+) => {
        /// The name of an error number, as in `errno(3)`.
        fn errno_name(number: i32) -> String {
            match number {
                $(libc::$name => stringify!($name).to_owned(),)+
                _ => format!("ERRNO{number}"),
            }
        }
    };
}

errno_names! {
    EPERM ENOENT EINTR EIO ENXIO EBADF EAGAIN ENOMEM EACCES EBUSY EEXIST EINVAL ENFILE EMFILE ENOTTY EFBIG ENOSPC ESPIPE
    EPIPE ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EOPNOTSUPP EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH
    ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS
}
