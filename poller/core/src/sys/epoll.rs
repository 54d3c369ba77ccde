//! epoll(7): one instance, its break eventfd, and the buffer that `epoll_wait` fills.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::eventfd::EventFd;
use super::{Tag, Timeout, TimerFd, syscall};

/// What every descriptor is registered for, once and for all (semantics 2). EPOLLERR and EPOLLHUP
/// come unasked.
pub(crate) const INTEREST: u32 =
    (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32;

/// What a TCP stream is registered for. Go does without EPOLLPRI because it reads until EAGAIN. We
/// take a short read for "drained" and save that read, but `recv` also stops short at the urgent
/// mark (tcp(7)), with more bytes behind it whose edge has gone by. EPOLLPRI in the mask of an
/// event tells that there is such a mark.
pub(crate) const INTEREST_URGENT: u32 = INTEREST | libc::EPOLLPRI as u32;

/// Bits after which a short read does not mean that the socket is drained: the end, an error or an
/// urgent mark may be right behind the bytes, and came with the same edge (netty PR 4325,
/// tokio#5866).
pub(crate) const REFUSES_WAIT: u32 =
    (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLPRI) as u32;

/// Set once the kernel, or a seccomp filter, has refused `epoll_pwait2`: from then on timeouts go
/// by milliseconds.
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);

/// Longest timeout in milliseconds that `epoll_wait` is asked for, about 11.5 days (semantics 46).
const MAX_TIMEOUT_MS: u64 = 1_000_000_000;

/// An epoll instance with its break signal.
#[derive(Debug)]
pub(crate) struct Epoll {
    epoll: OwnedFd,
    wake: EventFd,
    /// The timerfd, once there is one; else -1. Kept for [`Epoll::owns`].
    timer: AtomicI32,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a descriptor that is returned is new and ours.
        let epoll =
            unsafe { OwnedFd::from_raw_fd(syscall!(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        let wake = EventFd::new()?;
        let this = Self {
            epoll,
            wake,
            timer: AtomicI32::new(-1),
        };
        // Level-triggered on purpose: a break that nobody has taken yet keeps the instance
        // readable.
        this.ctl_add(this.wake.as_raw_fd(), libc::EPOLLIN as u32, Tag::BREAK)?;
        Ok(this)
    }

    pub(crate) fn add(&self, fd: RawFd, interest: u32, tag: Tag) -> io::Result<()> {
        self.ctl_add(fd, interest, tag)
    }

    fn ctl_add(&self, fd: RawFd, interest: u32, tag: Tag) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest,
            u64: tag.to_data(),
        };
        // SAFETY: `event` is valid for the call; a wrong `fd` is an error, not undefined.
        syscall!(unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event)
        })?;
        Ok(())
    }

    pub(crate) fn delete(&self, fd: RawFd) -> io::Result<()> {
        // Kernels before 2.6.9 wanted a pointer here even for DEL; ours (5.6 on) do not look at it.
        // SAFETY: a null event is allowed for EPOLL_CTL_DEL.
        syscall!(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                fd,
                std::ptr::null_mut(),
            )
        })?;
        Ok(())
    }

    pub(crate) fn add_timer(&self) -> io::Result<TimerFd> {
        let timer = TimerFd::new()?;
        self.ctl_add(timer.as_raw_fd(), libc::EPOLLIN as u32, Tag::TIMER)?;
        self.timer.store(timer.as_raw_fd(), Ordering::Relaxed);
        Ok(timer)
    }

    pub(crate) fn wait(&self, timeout: Timeout, events: &mut EventBuf) -> io::Result<usize> {
        let epoll = self.epoll.as_raw_fd();
        let (buffer, capacity) = events.spare();
        let filled = match timeout {
            // SAFETY: `buffer` has room for `capacity` events.
            Timeout::Never => syscall!(unsafe { libc::epoll_wait(epoll, buffer, capacity, -1) })?,
            // SAFETY: as above.
            Timeout::Zero => syscall!(unsafe { libc::epoll_wait(epoll, buffer, capacity, 0) })?,
            Timeout::Nanos(ns) => wait_nanos(epoll, buffer, capacity, ns)?,
        };
        // SAFETY: the kernel has written the first `filled` events.
        unsafe { events.set_filled(filled as usize) };
        Ok(filled as usize)
    }

    pub(crate) fn signal(&self) -> io::Result<()> {
        self.wake.signal()
    }

    pub(crate) fn drain(&self) {
        self.wake.drain();
    }

    pub(crate) fn owns(&self, fd: RawFd) -> bool {
        fd >= 0
            && (fd == self.epoll.as_raw_fd()
                || fd == self.wake.as_raw_fd()
                || fd == self.timer.load(Ordering::Relaxed))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub(crate) fn break_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

fn wait_nanos(
    epoll: RawFd,
    buffer: *mut libc::epoll_event,
    capacity: i32,
    ns: u64,
) -> io::Result<i32> {
    if !NO_PWAIT2.load(Ordering::Relaxed) {
        let timeout = libc::timespec {
            tv_sec: (ns / 1_000_000_000) as _,
            tv_nsec: (ns % 1_000_000_000) as _,
        };
        let no_mask = std::ptr::null::<libc::sigset_t>();
        // By number: the C library has had a wrapper only since glibc 2.35. SAFETY: `buffer` has
        // room for `capacity` events, `timeout` lives through the call, a null mask means none.
        let result = syscall!(unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll,
                buffer,
                capacity,
                &raw const timeout,
                no_mask,
                0usize,
            )
        });
        match result {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                NO_PWAIT2.store(true, Ordering::Relaxed);
            }
            result => return result.map(|filled| filled as i32),
        }
    }
    // SAFETY: `buffer` has room for `capacity` events.
    syscall!(unsafe { libc::epoll_wait(epoll, buffer, capacity, timeout_ms(ns)) })
}

/// Milliseconds for `epoll_wait`: at least 1, else truncated (semantics 46). Returning early is
/// harmless, for whoever polls looks at the clock again; a deadline never fires early (semantics
/// 38).
fn timeout_ms(ns: u64) -> i32 {
    (ns / 1_000_000).clamp(1, MAX_TIMEOUT_MS) as i32
}

/// The buffer of one `epoll_wait`: fixed room, made once, reused by every poll.
pub(crate) struct EventBuf {
    pub(super) events: Vec<libc::epoll_event>,
    capacity: usize,
}

impl EventBuf {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 65_536);
        Self {
            events: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// Without room, to stand in for one that is in use elsewhere. Does not allocate.
    pub(crate) const fn none() -> Self {
        Self {
            events: Vec::new(),
            capacity: 0,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    fn spare(&mut self) -> (*mut libc::epoll_event, i32) {
        self.events.clear();
        (self.events.as_mut_ptr(), self.capacity as i32)
    }

    /// # Safety
    /// The first `filled` events must have been written since `spare`.
    unsafe fn set_filled(&mut self, filled: usize) {
        debug_assert!(filled <= self.capacity);
        // SAFETY: by contract, and `filled` is at most the capacity that `spare` gave out.
        unsafe { self.events.set_len(filled) };
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }

    /// Number of events.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Mask and tag of each event, in the order of readiness (FIFO).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Tag)> + '_ {
        // Copies the fields: the struct is packed on x86-64, so they must not be borrowed.
        self.events
            .iter()
            .map(|event| (event.events, Tag::from_data(event.u64)))
    }
}

impl std::fmt::Debug for EventBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(
                self.iter()
                    .map(|(mask, tag)| (super::mask_names(mask), tag)),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantics_46_fallback_timeout_is_at_least_a_millisecond_and_capped() {
        assert_eq!(timeout_ms(1), 1);
        assert_eq!(timeout_ms(999_999), 1);
        assert_eq!(timeout_ms(1_999_999), 1);
        assert_eq!(timeout_ms(2_000_000), 2);
        assert_eq!(timeout_ms(u64::MAX), 1_000_000_000);
    }

    #[test]
    fn the_instance_knows_its_own_descriptors() {
        let epoll = Epoll::new().unwrap();
        assert!(epoll.owns(epoll.epoll.as_raw_fd()));
        assert!(epoll.owns(epoll.wake.as_raw_fd()));
        let timer = epoll.add_timer().unwrap();
        assert!(epoll.owns(timer.as_raw_fd()));
        assert!(!epoll.owns(0));
        assert!(!epoll.owns(-1));
    }

    #[test]
    fn its_descriptors_are_closed_on_exec() {
        let epoll = Epoll::new().unwrap();
        for fd in [
            epoll.epoll.as_raw_fd(),
            epoll.wake.as_raw_fd(),
            epoll.add_timer().unwrap().as_raw_fd(),
        ] {
            // SAFETY: no pointers; the descriptor is open.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        }
    }

    #[test]
    fn a_wait_in_nanoseconds_ends_soon_after() {
        let epoll = Epoll::new().unwrap();
        let mut events = EventBuf::with_capacity(4);
        let before = std::time::Instant::now();
        assert_eq!(epoll.wait(Timeout::Nanos(200_000), &mut events).unwrap(), 0);
        assert!(before.elapsed() >= std::time::Duration::from_micros(200));
    }
}
