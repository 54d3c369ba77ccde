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

/// The part of TCP_INFO that tells who waits for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpInfo {
    pub(crate) state: u8,
    /// Since data last came; since the connection was made, if none has.
    pub(crate) last_data_received_ms: u32,
    pub(crate) rtt_us: u32,
    pub(crate) retransmits: u32,
}

impl TcpInfo {
    /// The name of the state, as ss(8) and the standard have it.
    pub(crate) fn state_name(&self) -> &'static str {
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
        usize::from(self.state)
            .checked_sub(1)
            .and_then(|index| NAMES.get(index))
            .unwrap_or(&"UNKNOWN")
    }
}

/// TCP_INFO. An error for what is no TCP socket.
pub(crate) fn tcp_info(fd: RawFd) -> io::Result<TcpInfo> {
    // SAFETY: integers alone; all zeroes are a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, and as many as it knows.
    syscall!(unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    })?;
    Ok(TcpInfo {
        state: info.tcpi_state,
        last_data_received_ms: info.tcpi_last_data_recv,
        rtt_us: info.tcpi_rtt,
        retransmits: info.tcpi_total_retrans,
    })
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
}
