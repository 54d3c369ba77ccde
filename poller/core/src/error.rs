//! What can go wrong, said so that a user knows what to do.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// Why a wait, and the operation behind it, ended without doing anything.
///
/// Operations return [`io::Error`]; [`Error::of`] finds this one inside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor was closed, by this program, while or before the operation ran (Go's
    /// `ErrClosed`).
    Closed,
    /// The deadline of the direction has expired (Go's `ErrDeadlineExceeded`). The descriptor stays
    /// usable once another deadline is set. As an [`io::Error`] its kind is
    /// [`io::ErrorKind::TimedOut`].
    DeadlineExceeded,
    /// The kernel reports an error on the descriptor and nothing else, so waiting to read makes no
    /// sense (Go's `ErrNotPollable`).
    NotPollable,
    /// The descriptor is not registered with a poller, as a regular file, so it cannot have a
    /// deadline (Go's `ErrNoDeadline`).
    NoDeadline,
    /// The poller is that of a process from which this one was forked, see
    /// [`Poller`](crate::Poller#fork).
    Forked,
    /// Another wait is going on in the same direction of the same [`Desc`](crate::Desc). The types
    /// of [`net`](crate::net) queue instead.
    Busy,
}

impl Error {
    /// Returns the error inside an [`io::Error`] that an operation of this crate returned.
    ///
    /// ```
    /// use std::io;
    /// let error = io::Error::from(netpoller::Error::Closed);
    /// assert_eq!(netpoller::Error::of(&error), Some(netpoller::Error::Closed));
    /// ```
    pub fn of(error: &io::Error) -> Option<Error> {
        let inner = error.get_ref()?;
        match inner.downcast_ref::<Context>() {
            // What was being done stands around it, as in "cannot connect to 10.0.0.1:80: deadline
            // exceeded".
            Some(context) => Error::of(&context.source),
            None => inner.downcast_ref::<Error>().copied(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Closed => "use of a closed descriptor: it was closed by this program",
            Error::DeadlineExceeded => "deadline exceeded: set a later one, or none, to go on using the descriptor",
            Error::NotPollable => "not pollable: the kernel reports an error on this descriptor and nothing to read",
            Error::NoDeadline => {
                "deadlines need a pollable descriptor: a regular file or the like never blocks and cannot have one"
            }
            Error::Forked => {
                "this process was forked from the one that the poller belongs to: make one here with Poller::builder() and \
                 enter() it, or exec"
            }
            Error::Busy => "another wait is going on in this direction: let it end, or use a type that queues",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::DeadlineExceeded => io::ErrorKind::TimedOut,
            Error::NoDeadline => io::ErrorKind::Unsupported,
            Error::Busy => io::ErrorKind::ResourceBusy,
            Error::Closed | Error::NotPollable | Error::Forked => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// A descriptor could not be registered. It is still the caller's, open and unchanged.
#[derive(Debug)]
pub struct RegisterError {
    pub(crate) fd: RawFd,
    pub(crate) poller: String,
    pub(crate) source: io::Error,
}

impl RegisterError {
    /// Returns the descriptor's number.
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    /// Returns the kernel's error number, `None` if the poller itself refused.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// What the user can do.
    fn advice(&self) -> &'static str {
        match self.source.raw_os_error() {
            Some(libc::EBADF) => "the descriptor is closed; register it while it is open",
            Some(libc::EEXIST) => {
                "it is registered already, or was closed behind the poller's back while a duplicate is open; close it \
                 through the type that registered it"
            }
            Some(libc::EPERM) => {
                "epoll does not support this kind of file (a regular file, a directory, /dev/null); use it without the \
                 poller, it never blocks"
            }
            Some(libc::ENOSPC) => {
                "the user's limit of epoll watches is reached; raise it with sysctl fs.epoll.max_user_watches"
            }
            Some(libc::ENOMEM) => "the kernel has no memory for another watch",
            Some(libc::EINVAL) => "it is not a descriptor that epoll can watch",
            _ => "the descriptor was left as it was",
        }
    }
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fd, poller, source } = self;
        write!(
            f,
            "cannot register descriptor {fd} with poller \"{poller}\": {source}: {}",
            self.advice()
        )
    }
}

// An error is not left in the middle of anything, whatever lies inside.
impl std::panic::UnwindSafe for RegisterError {}
impl std::panic::RefUnwindSafe for RegisterError {}

impl std::error::Error for RegisterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What was to be taken over and could not be registered, given back with the reason. Who has no
/// use for it lets `?` turn this into an [`io::Error`], and closes it by that.
///
/// ```no_run
/// # fn take(stream: std::net::TcpStream) -> std::io::Result<()> {
/// use netpoller::net::TcpStream;
/// let stream = TcpStream::from_std(stream)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct NotRegistered<T> {
    /// What was to be registered, unchanged but perhaps non-blocking.
    pub inner: T,
    /// Why it was not.
    pub error: io::Error,
}

impl<T> NotRegistered<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> NotRegistered<U> {
        NotRegistered {
            inner: f(self.inner),
            error: self.error,
        }
    }
}

impl<T> fmt::Display for NotRegistered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: fmt::Debug> std::error::Error for NotRegistered<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

// An error is not left in the middle of anything, whatever lies inside.
impl<T: std::panic::UnwindSafe> std::panic::UnwindSafe for NotRegistered<T> {}
impl<T: std::panic::RefUnwindSafe> std::panic::RefUnwindSafe for NotRegistered<T> {}

impl<T> From<NotRegistered<T>> for io::Error {
    fn from(refused: NotRegistered<T>) -> Self {
        refused.error
    }
}

impl From<RegisterError> for io::Error {
    fn from(error: RegisterError) -> Self {
        io::Error::new(error.source.kind(), error)
    }
}

/// Whether there was too little of something that may be there again in a moment: files, memory.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let inner = error.get_ref();
    if let Some(context) = inner.and_then(|inner| inner.downcast_ref::<Context>()) {
        return is_shortage(&context.source);
    }
    if let Some(refused) = inner.and_then(|inner| inner.downcast_ref::<RegisterError>()) {
        return is_shortage(&refused.source);
    }
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOSPC)
    )
}

/// Adds what was being done to an error, and keeps its kind. The number of a kernel error stays in
/// the text.
pub(crate) fn context(action: impl fmt::Display, error: io::Error) -> io::Error {
    let advice = advice(&error);
    let kind = error.kind();
    io::Error::new(
        kind,
        Context {
            text: format!("{action}: {error}{advice}"),
            source: error,
        },
    )
}

/// Returns what the user can do about an error of the kernel's, behind a colon; nothing if that is
/// not known.
pub fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => {
            ": the process is at its limit of open files; raise it with ulimit -n, or close some"
        }
        Some(libc::ENFILE) => {
            ": the system is at its limit of open files; raise it with sysctl fs.file-max"
        }
        Some(libc::EADDRINUSE) => {
            ": another socket has this address; stop it, or choose another port (0 for any)"
        }
        Some(libc::EACCES) => ": not permitted; ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

#[derive(Debug)]
struct Context {
    text: String,
    source: io::Error,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Context {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
