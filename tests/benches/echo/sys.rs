//! The kernel: what the standard library has no safe call for.
#![allow(unsafe_code)]

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// epoll masks, under their own names.
pub(crate) mod mask {
    pub(crate) const IN: u32 = libc::EPOLLIN as u32;
    pub(crate) const OUT: u32 = libc::EPOLLOUT as u32;
    pub(crate) const RDHUP: u32 = libc::EPOLLRDHUP as u32;
    pub(crate) const HUP: u32 = libc::EPOLLHUP as u32;
    pub(crate) const ERR: u32 = libc::EPOLLERR as u32;
    pub(crate) const ET: u32 = libc::EPOLLET as u32;
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// An epoll instance.
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: epoll_create1(2) takes no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: epoll_create1(2) returned a descriptor that nobody else owns.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn add(&self, fd: impl AsFd, mask: u32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, mask, token)
    }

    pub(crate) fn modify(&self, fd: impl AsFd, mask: u32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, mask, token)
    }

    fn control(&self, op: libc::c_int, fd: impl AsFd, mask: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: mask,
            u64: token,
        };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: `event` is live for the call, and both descriptors are borrowed for it.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &mut event) }).map(drop)
    }

    /// Waits for events, for ever if `timeout` is `None`; none when it has passed or a signal came.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let timeout_ms = timeout.map_or(-1, |timeout| {
            timeout.as_millis().min(i32::MAX as u128) as i32
        });
        let list = &mut events.list;
        list.clear();
        // SAFETY: the list has room for `capacity` events and is borrowed for the call.
        let result = check(unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                list.as_mut_ptr(),
                list.capacity() as i32,
                timeout_ms,
            )
        });
        match result {
            Ok(count) => {
                // SAFETY: epoll_wait(2) has written the first `count` events, and count <=
                // capacity.
                unsafe { list.set_len(count as usize) };
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The events of one wait.
pub(crate) struct Events {
    list: Vec<libc::epoll_event>,
}

impl Events {
    pub(crate) fn with_capacity(capacity: usize) -> Events {
        Events {
            list: Vec::with_capacity(capacity),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Token and mask of each event.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.list.iter().map(|event| (event.u64, event.events))
    }
}

/// Accepts a connection that is nonblocking from the start, which std's accept needs another call
/// for.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let no_address = std::ptr::null_mut();
    // SAFETY: the address is not asked for, so both pointers may be null.
    let fd = check(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            no_address,
            std::ptr::null_mut(),
            flags,
        )
    })?;
    // SAFETY: accept4(2) returned a stream socket that nobody else owns.
    Ok(unsafe { TcpStream::from_raw_fd(fd) })
}

/// The cores that this process may run on, ascending.
pub(crate) fn allowed_cores() -> io::Result<Vec<usize>> {
    // SAFETY: cpu_set_t is a plain bit set, for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live for the call and the size is its own.
    check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) })?;
    // SAFETY: CPU_ISSET only reads `set`, at an index below its size.
    Ok((0..libc::CPU_SETSIZE as usize)
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect())
}

/// Binds this thread, and those it will start, to one core.
pub(crate) fn pin_to(core: usize) -> io::Result<()> {
    if core >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: cpu_set_t is a plain bit set, for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the index was checked against the size of the set.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: `set` is live for the call and the size is its own.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) }).map(drop)
}

/// Has the kernel kill this process when the thread that started it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) }).map(drop)
}

/// Makes sure that `count` descriptors can be open, here and in processes started from here.
pub(crate) fn allow_open_files(count: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is live for the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur >= count {
        return Ok(());
    }
    let wanted = libc::rlimit {
        rlim_cur: count,
        rlim_max: limit.rlim_max.max(count),
    };
    // SAFETY: `wanted` is live for the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) }).map(drop).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "{count} open files are needed and the hard limit is {}; use fewer --connections or raise it with \
                 `ulimit -Hn {count}` ({error})",
                limit.rlim_max
            ),
        )
    })
}

/// The CPU time of a process, user and system, of all its threads.
#[derive(Clone, Copy)]
pub(crate) struct CpuClock(libc::clockid_t);

impl CpuClock {
    pub(crate) fn of(pid: u32) -> io::Result<CpuClock> {
        let mut clock = 0;
        // SAFETY: `clock` is live for the call.
        match unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) } {
            0 => Ok(CpuClock(clock)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Exact only while the process sleeps: the time slice of a thread running elsewhere is added
    /// at a tick.
    pub(crate) fn now(self) -> io::Result<Duration> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is live for the call.
        check(unsafe { libc::clock_gettime(self.0, &mut time) })?;
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}
