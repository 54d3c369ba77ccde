//! The C library's functions that the poller and the standard library call, in front of the real
//! ones.
//!
//! A function of the executable goes before one of the same name in a shared library, so every call
//! of this process comes here first: the library under test is built as it ships, and knows nothing
//! of this. Each function asks the plan and then calls the real one, or answers in its stead as the
//! kernel would.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use libc::{
    epoll_event, iovec, mode_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t,
};

use super::plan::{Answer, answer, came_to_nothing, is_watched};
use super::site::Site;

/// The function of this name behind ours.
macro_rules! real {
    ($name:ident as $type:ty) => {{
        static REAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
        let mut real = REAL.load(Ordering::Relaxed);
        if real.is_null() {
            let name = concat!(stringify!($name), "\0");
            // SAFETY: the name ends with a zero byte.
            real = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast()) };
            if real.is_null() {
                std::process::abort();
            }
            REAL.store(real, Ordering::Relaxed);
        }
        // SAFETY: it is the function of the C library with this name, whose signature is the type.
        unsafe { std::mem::transmute::<*mut c_void, $type>(real) }
    }};
}

/// Functions that go in front of the real ones. Behind the arrow is which site a call is, `None`
/// for one that is not swept; `short` is the call with less to write.
///
/// Those that C declares with `...` have a fixed number of arguments here: on x86-64 and aarch64
/// Linux both are passed alike, and an argument that the caller left out is passed on as the
/// rubbish it is, and ignored as it would have been.
macro_rules! intercept {
    ($(
        fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty
        => $site:expr $(, short $short:expr)?;
    )+) => {$(
        /// # Safety
        /// As the function of the C library with this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            let real = real!($name as unsafe extern "C" fn($($type),*) -> $result);
            // SAFETY: with what our caller has vouched for.
            let call = || unsafe { real($($arg),*) };
            let Some(site) = is_watched().then(|| $site).flatten() else {
                return call();
            };
            match answer(site) {
                Answer::Real => call(),
                Answer::RealThen(errno) => hide(call(), errno),
                Answer::Fail(errno) => fail(errno),
                Answer::Again => {
                    let fd = first!($($arg),*);
                    if !is_ready(fd, site) {
                        // No edge would follow. That the kernel says EAGAIN as well, or the end, is
                        // its own affair.
                        came_to_nothing();
                        return call();
                    }
                    edge(fd);
                    fail(libc::EAGAIN)
                }
                Answer::Short => shorter!(real, call $(, $short)?),
            }
        }
    )+};
}

/// The call with less to write, where there is one.
macro_rules! shorter {
    ($real:ident, $call:ident) => {
        $call()
    };
    ($real:ident, $call:ident, $short:expr) => {
        // SAFETY: the first byte of what our caller has vouched for.
        unsafe { ($short)($real) }
    };
}

/// The descriptor that a call is about: the first argument, where it is one.
macro_rules! first {
    ($first:ident $(, $rest:ident)*) => {
        $first as c_int
    };
}

fn set_errno(errno: c_int) {
    // SAFETY: the place of this thread's error number, always valid.
    unsafe { *libc::__errno_location() = errno };
}

fn get_errno() -> c_int {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

fn fail<R: From<i8>>(errno: c_int) -> R {
    set_errno(errno);
    R::from(-1)
}

/// The answer of a call whose success is kept from the caller; if it failed there is nothing to
/// hide.
fn hide<R: From<i8> + PartialEq>(real: R, errno: c_int) -> R {
    let goes_on = get_errno() == libc::EINPROGRESS;
    if real == R::from(-1) && !goes_on {
        return real;
    }
    fail(errno)
}

/// What a descriptor is registered for.
struct Registration {
    /// The instance; 0, which is standard input, for none.
    epoll: AtomicI32,
    events: AtomicU32,
    data: AtomicU64,
}

/// Descriptors beyond are not swept.
const MOST: usize = 4096;

static REGISTERED: [Registration; MOST] = [const {
    Registration {
        epoll: AtomicI32::new(0),
        events: AtomicU32::new(0),
        data: AtomicU64::new(0),
    }
}; MOST];

fn entry(fd: c_int) -> Option<&'static Registration> {
    REGISTERED.get(usize::try_from(fd).ok()?)
}

/// The events that `fd` is registered for, if it is.
fn interest(fd: c_int) -> Option<u32> {
    let entry = entry(fd)?;
    (entry.epoll.load(Ordering::Acquire) != 0).then(|| entry.events.load(Ordering::Relaxed))
}

/// Registered as the poller registers what it is given. Its own descriptors, and nobody else's, are
/// level-triggered.
fn is_polled(fd: c_int) -> bool {
    interest(fd).is_some_and(|events| events & libc::EPOLLET as u32 != 0)
}

fn forget(fd: c_int) {
    if let Some(entry) = entry(fd) {
        entry.epoll.store(0, Ordering::Release);
    }
}

/// Lets the kernel report once more what is ready: EPOLL_CTL_MOD with the same mask is an edge.
fn edge(fd: c_int) {
    let real =
        real!(epoll_ctl as unsafe extern "C" fn(c_int, c_int, c_int, *mut epoll_event) -> c_int);
    let Some(entry) = entry(fd) else { return };
    let mut event = epoll_event {
        events: entry.events.load(Ordering::Relaxed),
        u64: entry.data.load(Ordering::Relaxed),
    };
    let epoll = entry.epoll.load(Ordering::Acquire);
    // SAFETY: `event` lives through the call. Of a descriptor that was closed meanwhile it is an
    // error.
    unsafe { real(epoll, libc::EPOLL_CTL_MOD, fd, &raw mut event) };
}

/// Whether the kernel has an edge to give for a call at `site`.
fn is_ready(fd: c_int, site: Site) -> bool {
    let real = real!(poll as unsafe extern "C" fn(*mut pollfd, nfds_t, c_int) -> c_int);
    let mut poll = pollfd {
        fd,
        events: match site {
            Site::Send | Site::SendMessage | Site::WritePipe => libc::POLLOUT,
            _ => libc::POLLIN | libc::POLLRDHUP,
        },
        revents: 0,
    };
    // SAFETY: one valid pollfd.
    unsafe { real(&raw mut poll, 1, 0) == 1 }
}

fn option(fd: c_int, name: c_int) -> Option<c_int> {
    let real = real!(
        getsockopt
            as unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int
    );
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: the kernel writes one int at most.
    let result = unsafe {
        real(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(value)
}

/// [`by_type`], but for a call that goes past the poller: urgent bytes, by the script itself.
fn by_flags(fd: c_int, flags: c_int, stream: Site, message: Site) -> Option<Site> {
    if flags & libc::MSG_OOB != 0 {
        return None;
    }
    by_type(fd, stream, message)
}

/// `stream` or `message`, by the type of the socket.
fn by_type(fd: c_int, stream: Site, message: Site) -> Option<Site> {
    if !is_polled(fd) {
        return None;
    }
    Some(match option(fd, libc::SO_TYPE)? {
        libc::SOCK_STREAM => stream,
        _ => message,
    })
}

/// `pipe` or, of the poller's own eventfd, `event`.
fn by_file(fd: c_int, pipe: Site, event: Option<Site>) -> Option<Site> {
    match interest(fd)? as c_int {
        libc::EPOLLIN => event,
        _ => is_pipe(fd).then_some(pipe),
    }
}

fn is_pipe(fd: c_int) -> bool {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is valid for a write, and read only if the call has succeeded.
    unsafe {
        libc::fstat(fd, stat.as_mut_ptr()) == 0
            && stat.assume_init().st_mode & libc::S_IFMT == libc::S_IFIFO
    }
}

fn connecting(fd: c_int) -> Option<Site> {
    match option(fd, libc::SO_DOMAIN)? {
        libc::AF_UNIX => Some(Site::ConnectUnix),
        _ => (option(fd, libc::SO_TYPE)? == libc::SOCK_STREAM).then_some(Site::ConnectTcp),
    }
}

/// The first byte of a vectored write.
///
/// # Safety
/// `slices` points to `count` slices.
unsafe fn first_byte(slices: *const iovec, count: usize) -> iovec {
    // SAFETY: by contract.
    let slices = unsafe { std::slice::from_raw_parts(slices, count) };
    let slice = slices.iter().find(|slice| slice.iov_len > 0);
    slice.map_or(
        iovec {
            iov_base: null_mut(),
            iov_len: 0,
        },
        |slice| iovec {
            iov_base: slice.iov_base,
            iov_len: 1,
        },
    )
}

intercept! {
    fn epoll_create1(flags: c_int) -> c_int => Some(Site::EpollCreate);
    fn eventfd(initial: c_uint, flags: c_int) -> c_int => Some(Site::EventFd);
    fn timerfd_create(clock: c_int, flags: c_int) -> c_int => Some(Site::TimerFd);
    fn epoll_wait(epoll: c_int, events: *mut epoll_event, room: c_int, timeout: c_int) -> c_int => Some(Site::Wait);
    fn syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long
        => (number == libc::SYS_epoll_pwait2).then_some(Site::Pwait2);

    fn read(fd: c_int, buf: *mut c_void, room: size_t) -> ssize_t
        => by_file(fd, Site::ReadPipe, Some(Site::ReadEvent));
    fn readv(fd: c_int, slices: *const iovec, count: c_int) -> ssize_t
        => if is_pipe(fd) { is_polled(fd).then_some(Site::ReadPipe) } else { by_type(fd, Site::Recv, Site::RecvMessage) };
    fn recv(fd: c_int, buf: *mut c_void, room: size_t, flags: c_int) -> ssize_t
        => by_flags(fd, flags, Site::Recv, Site::RecvMessage);
    fn recvfrom(fd: c_int, buf: *mut c_void, room: size_t, flags: c_int, from: *mut sockaddr, length: *mut socklen_t) -> ssize_t
        => by_type(fd, Site::Recv, Site::RecvMessage);
    fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t
        => by_type(fd, Site::Recv, Site::RecvMessage);

    fn write(fd: c_int, buf: *const c_void, size: size_t) -> ssize_t
        => by_file(fd, Site::WritePipe, Some(Site::WriteEvent)),
        short |real: unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t| real(fd, buf, size.min(1));
    fn writev(fd: c_int, slices: *const iovec, count: c_int) -> ssize_t
        => by_file(fd, Site::WritePipe, None),
        short |real: unsafe extern "C" fn(c_int, *const iovec, c_int) -> ssize_t| {
            let byte = first_byte(slices, count as usize);
            real(fd, &raw const byte, 1)
        };
    fn send(fd: c_int, buf: *const c_void, size: size_t, flags: c_int) -> ssize_t
        => by_flags(fd, flags, Site::Send, Site::SendMessage),
        short |real: unsafe extern "C" fn(c_int, *const c_void, size_t, c_int) -> ssize_t| {
            real(fd, buf, size.min(1), flags)
        };
    fn sendto(fd: c_int, buf: *const c_void, size: size_t, flags: c_int, to: *const sockaddr, length: socklen_t) -> ssize_t
        => by_type(fd, Site::Send, Site::SendMessage);
    fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t
        => by_type(fd, Site::Send, Site::SendMessage),
        short |real: unsafe extern "C" fn(c_int, *const msghdr, c_int) -> ssize_t| {
            let mut byte = first_byte((*message).msg_iov, (*message).msg_iovlen);
            let mut message = *message;
            message.msg_iov = &raw mut byte;
            message.msg_iovlen = 1;
            real(fd, &raw const message, flags)
        };

    fn accept4(fd: c_int, from: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int
        => is_polled(fd).then_some(Site::Accept);
    fn connect(fd: c_int, to: *const sockaddr, length: socklen_t) -> c_int => connecting(fd);
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int => Some(Site::Socket);
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, ends: *mut c_int) -> c_int => Some(Site::Socketpair);
    fn pipe2(ends: *mut c_int, flags: c_int) -> c_int => Some(Site::Pipe);
    fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int
        => (command == libc::F_DUPFD_CLOEXEC).then_some(Site::Dup);
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: socklen_t) -> c_int
        => Some(Site::SetOption);
    fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, length: *mut socklen_t) -> c_int
        => Some(Site::GetOption);
    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int => Some(Site::Open);
    fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int => Some(Site::Open);
    fn poll(polls: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int => Some(Site::Poll);
}

/// Keeps the table: an edge can be sent for what is registered.
///
/// # Safety
/// As epoll_ctl(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    let real =
        real!(epoll_ctl as unsafe extern "C" fn(c_int, c_int, c_int, *mut epoll_event) -> c_int);
    if operation == libc::EPOLL_CTL_DEL {
        forget(fd);
    }
    if operation == libc::EPOLL_CTL_ADD
        && is_watched()
        && let Answer::Fail(errno) = answer(Site::Add)
    {
        return fail(errno);
    }
    // SAFETY: with what our caller has vouched for.
    let result = unsafe { real(epoll, operation, fd, event) };
    if result == 0
        && operation == libc::EPOLL_CTL_ADD
        && let Some(entry) = entry(fd)
    {
        // SAFETY: the kernel has just read it.
        let event = unsafe { *event };
        entry.events.store(event.events, Ordering::Relaxed);
        entry.data.store(event.u64, Ordering::Relaxed);
        entry.epoll.store(epoll, Ordering::Release);
    }
    result
}

/// Keeps the table. What close says, the number is free.
///
/// # Safety
/// As close(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    let real = real!(close as unsafe extern "C" fn(c_int) -> c_int);
    forget(fd);
    // SAFETY: with what our caller has vouched for.
    let result = unsafe { real(fd) };
    match is_watched().then(|| answer(Site::Close)) {
        Some(Answer::RealThen(errno)) => hide(result, errno),
        _ => result,
    }
}
