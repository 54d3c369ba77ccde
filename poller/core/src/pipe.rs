//! Pipes and FIFOs. Deadlines, queueing and cancel safety are those of [`net`](crate::net).
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::panic::Location;
use std::path::Path;

use crate::desc::Kind;
use crate::driver;
use crate::error::{NotRegistered, context};
use crate::fd::{Fd, Options};
use crate::net::{Blocking, descriptor_methods, stream_methods, stream_traits};
use crate::poller::Poller;
use crate::sys;

/// The end of a pipe that reads.
#[derive(Debug)]
pub struct PipeReader {
    fd: Fd,
}

descriptor_methods!(PipeReader);
stream_methods!(PipeReader read);
stream_traits!(PipeReader read);

/// The end of a pipe that writes. A write without a reader fails with
/// [`io::ErrorKind::BrokenPipe`], and raises SIGPIPE like any write to a pipe; Rust programs ignore
/// that signal unless told otherwise.
#[derive(Debug)]
pub struct PipeWriter {
    fd: Fd,
}

descriptor_methods!(PipeWriter);
stream_methods!(PipeWriter write);
stream_traits!(PipeWriter write shutdown |_: &PipeWriter| Ok(()));

impl crate::net::HasFd for PipeWriter {
    fn fd(&self) -> &Fd {
        &self.fd
    }
}

/// Makes a pipe, as its reading and its writing end.
///
/// # Errors
///
/// What `pipe2(2)` said, or an error of the registration.
#[track_caller]
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (poller, location) = (driver::current()?, Location::caller());
    let (reader, writer) = sys::io::pipe().map_err(|error| context("cannot make a pipe", error))?;
    let reader = register(&poller, reader, location)?;
    let writer = register(&poller, writer, location)?;
    Ok((PipeReader { fd: reader }, PipeWriter { fd: writer }))
}

fn register(poller: &Poller, fd: OwnedFd, location: &'static Location<'static>) -> io::Result<Fd> {
    driver::prepare(poller)?;
    Ok(Fd::new(poller, fd, Options::new(Kind::Pipe), location)?)
}

/// Opens the FIFO at `path`, which must be one.
fn open_fifo(
    path: &Path,
    options: &OpenOptions,
    location: &'static Location<'static>,
) -> io::Result<Fd> {
    let failed = |error| context(format_args!("cannot open FIFO {}", path.display()), error);
    let mut options = options.clone();
    let file = options
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.file_type().is_fifo() {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a FIFO",
        )));
    }
    register(&driver::current()?, file.into(), location)
}

impl PipeReader {
    /// Opens the FIFO at `path` for reading. Without a writer a read finds the end at once; see
    /// [`PipeReader::open_resilient`].
    ///
    /// # Errors
    ///
    /// Names the path.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        open_fifo(
            path.as_ref(),
            OpenOptions::new().read(true),
            Location::caller(),
        )
        .map(|fd| Self { fd })
    }

    /// Opens as [`PipeReader::open`], and also holds the writing end, so that a read waits for the
    /// next writer instead of finding the end.
    ///
    /// # Errors
    ///
    /// Names the path.
    #[track_caller]
    pub fn open_resilient(path: impl AsRef<Path>) -> io::Result<Self> {
        open_fifo(
            path.as_ref(),
            OpenOptions::new().read(true).write(true),
            Location::caller(),
        )
        .map(|fd| Self { fd })
    }

    /// Returns the same end as one that parks the thread, with std's `Read` and the same deadlines.
    pub fn blocking(&self) -> Blocking<'_, Self> {
        Blocking::new(self)
    }
}

impl PipeWriter {
    /// Opens the FIFO at `path` for writing.
    ///
    /// # Errors
    ///
    /// Names the path; `ENXIO` if nobody reads from it.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        open_fifo(
            path.as_ref(),
            OpenOptions::new().write(true),
            Location::caller(),
        )
        .map(|fd| Self { fd })
    }

    /// Returns the same end as one that parks the thread, with std's `Write` and the same
    /// deadlines.
    pub fn blocking(&self) -> Blocking<'_, Self> {
        Blocking::new(self)
    }
}

impl PipeReader {
    /// Takes an end of a pipe over, making it non-blocking, for both who share it.
    ///
    /// # Errors
    ///
    /// If it cannot be registered; it is given back then.
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> Result<Self, NotRegistered<OwnedFd>> {
        take_over(fd, Location::caller()).map(|fd| Self { fd })
    }
}

impl PipeWriter {
    /// Takes an end of a pipe over, making it non-blocking, for both who share it.
    ///
    /// # Errors
    ///
    /// If it cannot be registered; it is given back then.
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> Result<Self, NotRegistered<OwnedFd>> {
        take_over(fd, Location::caller()).map(|fd| Self { fd })
    }
}

fn take_over(
    fd: OwnedFd,
    location: &'static Location<'static>,
) -> Result<Fd, NotRegistered<OwnedFd>> {
    match driver::current() {
        Ok(poller) => Fd::adopt(&poller, fd, Options::new(Kind::Pipe), location),
        Err(error) => Err(NotRegistered { inner: fd, error }),
    }
}
