//! Any descriptor that epoll takes, with calls of the user's own; and files, which it does not
//! take.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::desc::Kind;
use crate::driver::{self, RuntimeLink};
use crate::error::{Error, NotRegistered};
use crate::fd::{Attempt, Op, Operation, Read, Target, Write};
use crate::poller::{Desc, Poller, Sides};
use crate::{budget, sys};

/// A descriptor of any kind, registered with a poller: a netlink socket, an inotify instance, a
/// character device, a socket of another library.
///
/// A regular file cannot be registered. [`Pollable::new_or_plain`] takes it all the same: it never
/// blocks, and has no deadlines.
///
/// ```
/// # netpoller::block_on(async {
/// use netpoller::pollable::Pollable;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// let (a, mut b) = UnixStream::pair()?;
/// let a = Pollable::new(a).map_err(|e| e.error)?;
/// b.write_all(b"x")?;
/// let n = a.read_with(|mut socket| socket.read(&mut [0; 8])).await?;
/// assert_eq!(n, 1);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Pollable<T: AsFd> {
    runtime_link: RuntimeLink,
    // Before `inner`, so that it is deregistered before it is closed.
    desc: Option<Desc>,
    inner: T,
    /// A call is under way in this direction.
    busy: [AtomicBool; 2],
}

impl<T: AsFd> Pollable<T> {
    /// Registers `inner` with the current poller (see [`driver`]) and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// Gives `inner` back: see [`Poller::open`].
    #[track_caller]
    pub fn new(inner: T) -> Result<Self, NotRegistered<T>> {
        let location = Location::caller();
        match driver::current() {
            Ok(poller) => Self::new_at(&poller, inner, location),
            Err(error) => Err(NotRegistered { inner, error }),
        }
    }

    /// Wraps as [`Pollable::new`], but what epoll does not take (a regular file) is wrapped
    /// unregistered: its calls are made at once, and setting a deadline is refused with
    /// [`Error::NoDeadline`].
    ///
    /// # Errors
    ///
    /// As [`Pollable::new`], without EPERM.
    #[track_caller]
    pub fn new_or_plain(inner: T) -> Result<Self, NotRegistered<T>> {
        let location = Location::caller();
        let registered = match driver::current() {
            Ok(poller) => Self::new_at(&poller, inner, location),
            Err(error) => return Err(NotRegistered { inner, error }),
        };
        registered.or_else(|refused| {
            if refused.error.kind() == io::ErrorKind::PermissionDenied {
                return Ok(Self {
                    runtime_link: RuntimeLink::default(),
                    busy: Default::default(),
                    desc: None,
                    inner: refused.inner,
                });
            }
            Err(refused)
        })
    }

    fn new_at(
        poller: &Poller,
        inner: T,
        location: &'static Location<'static>,
    ) -> Result<Self, NotRegistered<T>> {
        let fd = inner.as_fd().as_raw_fd();
        // Registered first: what is refused keeps its flags.
        let desc = driver::prepare(poller)
            .and_then(|()| {
                poller
                    .open_at(fd, Kind::Other, location)
                    .map_err(io::Error::from)
            })
            .and_then(|desc| sys::io::set_nonblocking(fd).map(|()| desc));
        match desc {
            Ok(desc) => Ok(Self {
                runtime_link: RuntimeLink::default(),
                busy: Default::default(),
                desc: Some(desc),
                inner,
            }),
            Err(error) => Err(NotRegistered { inner, error }),
        }
    }

    /// Returns the inner value.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Deregisters it and gives it back, still non-blocking.
    pub fn into_inner(self) -> T {
        drop(self.desc);
        self.inner
    }

    /// Returns whether it is registered. If not, it never waits.
    pub fn is_registered(&self) -> bool {
        self.desc.is_some()
    }

    /// Returns the registration, for those who want the seam itself.
    pub fn desc(&self) -> Option<&Desc> {
        self.desc.as_ref()
    }

    /// Sets the deadline of `sides`, `None` for no deadline.
    ///
    /// # Errors
    ///
    /// [`Error::NoDeadline`] if it is not registered.
    pub fn set_deadline(&self, deadline: Option<Instant>, sides: Sides) -> io::Result<()> {
        self.desc
            .as_ref()
            .ok_or(Error::NoDeadline)?
            .set_deadline(deadline, sides);
        Ok(())
    }

    /// Sets the deadline of reading, `None` for no deadline.
    ///
    /// # Errors
    ///
    /// As [`set_deadline`](Self::set_deadline).
    pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_deadline(deadline, Sides::Read)
    }

    /// Sets the deadline of writing, `None` for no deadline.
    ///
    /// # Errors
    ///
    /// As [`set_deadline`](Self::set_deadline).
    pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_deadline(deadline, Sides::Write)
    }

    /// Names it in the inspector's tables.
    pub fn set_label(&self, label: &str) {
        if let Some(desc) = &self.desc {
            desc.set_label(label);
        }
    }

    /// Runs `call`, and again after each EAGAIN once there is something to read. It gets a shared
    /// reference: types like `&UnixStream` read through it.
    ///
    /// Cancel safe if `call` does nothing when it says EAGAIN.
    ///
    /// # Errors
    ///
    /// What `call` said, [`Error::DeadlineExceeded`], or [`Error::Busy`] if somebody else reads.
    #[track_caller]
    pub fn read_with<'a, R: 'a>(
        &'a self,
        call: impl FnMut(&T) -> io::Result<R> + 'a,
    ) -> impl Future<Output = io::Result<R>> + 'a {
        self.run(Operation::<Read>::new(Location::caller()), call)
    }

    /// Runs `call`, and again after each EAGAIN once there is room to write.
    ///
    /// # Errors
    ///
    /// As [`Pollable::read_with`].
    #[track_caller]
    pub fn write_with<'a, R: 'a>(
        &'a self,
        call: impl FnMut(&T) -> io::Result<R> + 'a,
    ) -> impl Future<Output = io::Result<R>> + 'a {
        // It may go to another queue, and who knows what the call does.
        let operation = Operation::<Write>::new(Location::caller()).with_queue_elsewhere(true);
        self.run(operation, call)
    }

    async fn run<O: Op, R>(
        &self,
        operation: Operation<O>,
        mut call: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut turn = None;
        let mut trying = None;
        let poll = |cx: &mut Context<'_>| {
            if turn.is_none() {
                turn = Some(Turn::take(&self.busy[O::DIRECTION.index()])?);
            }
            let Some(desc) = &self.desc else {
                return Poll::Ready(self.run_plain(&mut call));
            };
            let registered = Registered {
                desc,
                runtime_link: &self.runtime_link,
            };
            let attempt = || GiveUpOnDrop(Attempt::new(registered, operation));
            let GiveUpOnDrop(attempt) = trying.get_or_insert_with(attempt);
            attempt.poll(desc.local(), cx, &mut |_| call(&self.inner))
        };
        let give_way = || {
            if let Some(desc) = &self.desc {
                desc.shared.give_way();
            }
        };
        let result = budget::cooperative(poll, give_way).await;
        drop(trying);
        drop(turn);
        match &self.desc {
            // What a call of the user's returns need not be a number of bytes.
            Some(desc) => operation.end(desc.local(), result, |_| None),
            None => result,
        }
    }

    /// A file that is not registered never blocks.
    fn run_plain<R>(&self, call: &mut impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        loop {
            match call(&self.inner) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// What is registered of it, for an operation.
#[derive(Clone, Copy)]
struct Registered<'a> {
    desc: &'a Desc,
    runtime_link: &'a RuntimeLink,
}

impl<'a> Target<'a> for Registered<'a> {
    fn raw(self) -> RawFd {
        self.desc.fd()
    }

    fn desc(self) -> &'a Desc {
        self.desc
    }

    fn runtime_link(self) -> &'a RuntimeLink {
        self.runtime_link
    }

    fn drained(self) -> Option<&'a AtomicBool> {
        None
    }
}

/// Ends an attempt, if that has not come about.
struct GiveUpOnDrop<'a, O: Op>(Attempt<'a, Registered<'a>, O>);

impl<O: Op> Drop for GiveUpOnDrop<'_, O> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// One call in a direction at a time, from its reset to its end: the reset of another one in
/// between would take an edge down that this one still needs.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(busy: &'a AtomicBool) -> Result<Self, Error> {
        if busy.swap(true, Ordering::Acquire) {
            return Err(Error::Busy);
        }
        Ok(Turn(busy))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
