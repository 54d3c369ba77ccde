//! Questions to the kernel about a descriptor that somebody else owns. None of them waits, or
//! changes anything.
//!
//! A number can be closed, and given to another file, while it is asked about. Whoever asks makes
//! sure afterwards that the slot it came from is still live; a wrong number is a wrong answer or an
//! `EBADF` here, never a memory error.

use std::io;
use std::os::fd::RawFd;

use super::syscall;

/// Descriptors of one poll(2). The kernel refuses more than the limit of open files, which may be
/// low.
const POLL_CHUNK: usize = 256;

/// What poll(2) says about each of `polls` now; the answers are in their `revents`.
pub(crate) fn poll_all(polls: &mut [libc::pollfd]) -> io::Result<()> {
    for chunk in polls.chunks_mut(POLL_CHUNK) {
        // SAFETY: the chunk is valid for its length.
        syscall!(unsafe { libc::poll(chunk.as_mut_ptr(), chunk.len() as libc::nfds_t, 0) })?;
    }
    Ok(())
}

/// Bytes that can be read (FIONREAD, SIOCINQ). An error for what has no such number, as a listener.
pub(crate) fn receive_queue(fd: RawFd) -> io::Result<u64> {
    queue(fd, libc::FIONREAD)
}

/// Bytes not yet acknowledged, or not yet taken by the peer (SIOCOUTQ).
pub(crate) fn send_queue(fd: RawFd) -> io::Result<u64> {
    queue(fd, libc::TIOCOUTQ)
}

/// The first epoll instance of this process for which `foreign` holds: it is given its number and
/// those that it watches. `Err` if /proc does not tell.
#[cfg(feature = "tokio")]
pub(crate) fn find_epoll(foreign: impl Fn(RawFd, &[RawFd]) -> bool) -> io::Result<Option<RawFd>> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        // It may have been closed meanwhile.
        let (Some(fd), Ok(target)) = (number, std::fs::read_link(entry.path())) else {
            continue;
        };
        if target.as_os_str() != "anon_inode:[eventpoll]" {
            continue;
        }
        let text = match std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            // With no file left to open nothing is known of it.
            Err(error) => return Err(error),
        };
        let watched = |line: &str| {
            line.strip_prefix("tfd:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        let watched: Vec<RawFd> = text.lines().filter_map(watched).collect();
        if foreign(fd, &watched) {
            return Ok(Some(fd));
        }
    }
    Ok(None)
}

fn queue(fd: RawFd, request: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: both requests write one int.
    syscall!(unsafe { libc::ioctl(fd, request, &raw mut bytes) })?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

/// Whether the open file is in blocking mode: without O_NONBLOCK.
pub(crate) fn is_blocking(fd: RawFd) -> io::Result<bool> {
    // SAFETY: no pointers.
    let flags = syscall!(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    Ok(flags & libc::O_NONBLOCK == 0)
}

/// Which file a descriptor stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    pub(crate) inode: u64,
    /// A socket has an inode to itself; the two ends of a pipe share one, and all eventfds and
    /// timerfds do.
    pub(crate) is_socket: bool,
}

/// fstat(2).
pub(crate) fn file_id(fd: RawFd) -> io::Result<FileId> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is valid for a write.
    syscall!(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so it has written all of it.
    let stat = unsafe { stat.assume_init() };
    Ok(FileId {
        inode: stat.st_ino,
        is_socket: stat.st_mode & libc::S_IFMT == libc::S_IFSOCK,
    })
}

/// Whether `fd` still stands for the file that `epoll` watches under that number (kcmp(2)). `None`
/// if the kernel does not tell.
///
/// It holds the mutex of the epoll instance for the time of one search, as epoll_ctl(2) does.
pub(crate) fn is_watched(epoll: RawFd, fd: RawFd) -> Option<bool> {
    const KCMP_EPOLL_TFD: libc::c_long = 7;
    /// More files than these were not closed under one number while a duplicate kept them alive.
    const SAME_NUMBER: u32 = 8;
    let (Ok(epoll), Ok(number)) = (u32::try_from(epoll), u32::try_from(fd)) else {
        return None;
    };
    // Not the process: its main thread may have ended, and has no files any more.
    // SAFETY: no arguments; cannot fail.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    let fd = libc::c_long::from(fd);
    for at in 0..SAME_NUMBER {
        // struct kcmp_epoll_slot: the instance, the number, and which of the files of that number.
        let slot: [u32; 3] = [epoll, number, at];
        // SAFETY: the kernel reads the three words of `slot`.
        match syscall!(unsafe {
            libc::syscall(
                libc::SYS_kcmp,
                thread,
                thread,
                KCMP_EPOLL_TFD,
                fd,
                slot.as_ptr(),
            )
        }) {
            Ok(0) => return Some(true),
            // Another file.
            Ok(_) => {}
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::EBADF) => return Some(false),
                _ => return None,
            },
        }
    }
    Some(false)
}

/// The part of TCP_INFO that tells who waits for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TcpInfo {
    pub(crate) state: u8,
    /// How long ago data was last sent; `None` if none was.
    pub(crate) last_sent_ms: Option<u32>,
    /// How long ago data last came; `None` if none did.
    pub(crate) last_received_ms: Option<u32>,
    /// Smoothed round trip; `None` before the first was measured.
    pub(crate) rtt_us: Option<u32>,
    /// Segments sent again since the connection was made.
    pub(crate) retransmits: u32,
    /// How often the peer was tried without an answer, since the last one.
    pub(crate) unanswered: u8,
    /// How long ago the peer last answered.
    pub(crate) last_ack_ms: u32,
    /// Connections that wait to be accepted, and how many may, of a listener.
    pub(crate) accept_queue: Option<(u32, u32)>,
    /// Bytes that were written and not sent yet.
    pub(crate) unsent: u32,
    /// Bytes that were sent, each counted once.
    pub(crate) bytes_sent: u64,
    /// Bytes that came in order.
    pub(crate) bytes_received: u64,
    /// Segments on their way; of a listener, connections to accept.
    pub(crate) unacked: u32,
}

impl TcpInfo {
    pub(crate) const SYN_SENT: u8 = 2;
    pub(crate) const CLOSE_WAIT: u8 = 8;
    pub(crate) const LISTEN: u8 = 10;

    /// The name of the state, as ss(8) and the standard have it.
    pub(crate) fn state_name(&self) -> &'static str {
        tcp_state_name(self.state)
    }

    /// It has been connected.
    pub(crate) fn is_connected(&self) -> bool {
        !matches!(self.state, Self::SYN_SENT | Self::LISTEN)
    }

    /// From a `struct tcp_info` (include/uapi/linux/tcp.h), of which an older kernel knows less.
    /// `None` if even what Linux 4.6 has is missing.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            word.try_into().ok().map(u32::from_ne_bytes)
        };
        let long = |at: usize| {
            let long = bytes.get(at..at + 8)?;
            long.try_into().ok().map(u64::from_ne_bytes)
        };
        let state = *bytes.first()?;
        let (segments_in, segments_out) = (word(152)?, word(156)?);
        // The kernel numbers the end of the stream as a byte, and counts it with the others.
        let end = u64::from(matches!(state, Self::CLOSE_WAIT | 9 | 11));
        Some(Self {
            state,
            // Before the first these tell when the connection was made.
            last_sent_ms: word(44).filter(|_| segments_out > 0),
            last_received_ms: word(52).filter(|_| segments_in > 0),
            rtt_us: word(68).filter(|rtt| *rtt > 0),
            retransmits: word(100)?,
            // Segments sent again, or probes.
            unanswered: bytes[2].max(bytes[3]),
            last_ack_ms: word(56)?,
            accept_queue: word(24).zip(word(28)).filter(|_| state == Self::LISTEN),
            unsent: word(144)?,
            unacked: word(24)?,
            bytes_sent: long(200)
                .unwrap_or(0)
                .saturating_sub(long(208).unwrap_or(0)),
            bytes_received: long(128)?.saturating_sub(end),
        })
    }
}

/// The name of a state of TCP, as ss(8) and the standard have it.
pub(crate) fn tcp_state_name(state: u8) -> &'static str {
    // include/net/tcp_states.h, from 1.
    const NAMES: [&str; 12] = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "NEW_SYN_RECV",
    ];
    usize::from(state)
        .checked_sub(1)
        .and_then(|index| NAMES.get(index))
        .unwrap_or(&"UNKNOWN")
}

/// TCP_INFO. An error for what is no TCP socket.
pub(crate) fn tcp_info(fd: RawFd) -> io::Result<TcpInfo> {
    let mut info = [0u8; 256];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, and as many as it knows.
    syscall!(unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    info.get(..length as usize)
        .and_then(TcpInfo::parse)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOPROTOOPT))
}

/// How much a socket has dropped because a queue of it was full: of a listener, connections
/// (SO_MEMINFO).
pub(crate) fn dropped(fd: RawFd) -> io::Result<u32> {
    const SK_MEMINFO_DROPS: usize = 8;
    let mut info = [0u32; SK_MEMINFO_DROPS + 1];
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes.
    syscall!(unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok(info[SK_MEMINFO_DROPS])
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_kernel_says_how_much_is_there_to_read_and_how_much_is_on_its_way() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.write_all(b"seven b").unwrap();
        assert_eq!(receive_queue(reader.as_raw_fd()).unwrap(), 7);
        assert!(send_queue(writer.as_raw_fd()).unwrap() >= 7);
        assert_eq!(send_queue(reader.as_raw_fd()).unwrap(), 0);
    }

    #[test]
    fn more_descriptors_than_one_call_takes_are_all_asked_about() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.write_all(b"x").unwrap();
        let ask = |socket: &UnixStream| libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut polls: Vec<_> = (0..2 * POLL_CHUNK + 1)
            .map(|index| ask(if index % 2 == 0 { &reader } else { &writer }))
            .collect();
        poll_all(&mut polls).unwrap();
        for (index, poll) in polls.iter().enumerate() {
            assert_eq!(poll.revents & libc::POLLIN != 0, index % 2 == 0, "{index}");
        }
    }

    #[test]
    fn a_mode_and_a_file_are_told_and_a_closed_number_is_an_error() {
        let (a, b) = UnixStream::pair().unwrap();
        b.set_nonblocking(true).unwrap();
        assert!(is_blocking(a.as_raw_fd()).unwrap() && !is_blocking(b.as_raw_fd()).unwrap());
        let duplicate = a.try_clone().unwrap();
        let id = file_id(a.as_raw_fd()).unwrap();
        assert!(id.is_socket && id.inode != 0);
        assert_eq!(file_id(duplicate.as_raw_fd()).unwrap(), id);
        assert_ne!(file_id(b.as_raw_fd()).unwrap(), id);
        assert!(is_blocking(-1).is_err() && file_id(-1).is_err() && receive_queue(-1).is_err());
    }

    #[test]
    fn a_tcp_connection_tells_its_state_and_nothing_else_does() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let state = |fd| tcp_info(fd).map(|info| info.state_name());
        assert_eq!(state(stream.as_raw_fd()).unwrap(), "ESTABLISHED");
        assert_eq!(state(listener.as_raw_fd()).unwrap(), "LISTEN");
        let (unix, _peer) = UnixStream::pair().unwrap();
        assert!(tcp_info(unix.as_raw_fd()).is_err());
    }

    #[test]
    fn data_has_come_and_gone_when_there_was_some_and_the_end_of_a_stream_is_none() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        let told = |stream: &std::net::TcpStream| tcp_info(stream.as_raw_fd()).unwrap();
        let silent = told(&ours);
        assert_eq!((silent.last_sent_ms, silent.last_received_ms), (None, None));
        assert_eq!((silent.bytes_sent, silent.bytes_received), (0, 0));

        ours.write_all(b"seven b").unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        while told(&theirs).state_name() != "CLOSE_WAIT" {
            std::thread::yield_now();
        }
        let (sent, received) = (told(&ours), told(&theirs));
        assert!(sent.last_sent_ms.is_some() && sent.last_received_ms.is_none());
        assert!(received.last_received_ms.is_some() && received.last_sent_ms.is_none());
        assert_eq!((sent.bytes_sent, received.bytes_received), (7, 7));
    }

    #[test]
    fn a_number_that_stands_for_another_file_than_the_one_that_is_watched_is_noticed() {
        // SAFETY: no pointers; it is closed below.
        let epoll = syscall!(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = (std::os::fd::OwnedFd::from(ours), theirs);
        let watch = |fd| {
            let mut event = libc::epoll_event { events: 0, u64: 0 };
            // SAFETY: `event` is valid for the call.
            syscall!(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) })
        };
        watch(ours.as_raw_fd()).unwrap();
        // A kernel without kcmp(2) tells nothing.
        let told = is_watched(epoll, ours.as_raw_fd());
        assert_ne!(told, Some(false));
        assert_ne!(is_watched(epoll, theirs.as_raw_fd()), Some(true));
        // It lives on behind another number.
        let _duplicate = ours.try_clone().unwrap();
        crate::sys::replace(std::os::fd::AsFd::as_fd(&theirs), &ours).unwrap();
        assert_ne!(is_watched(epoll, ours.as_raw_fd()), Some(true));
        // Both are watched under the same number now.
        watch(ours.as_raw_fd()).unwrap();
        assert_eq!(is_watched(epoll, ours.as_raw_fd()), told);
        // SAFETY: it was opened above, and is used no more.
        unsafe { libc::close(epoll) };
    }
}
