//! Bytes that go past tokio, which knows nothing of it: by the number of a descriptor.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, RawFd};

/// Borrows a descriptor that is open, and that stays so.
fn file(fd: RawFd) -> ManuallyDrop<File> {
    // SAFETY: it is one of the service's, open until that closes it, and is not closed here.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

/// Sends one byte.
pub fn send(fd: RawFd) -> io::Result<()> {
    file(fd).write_all(&[0])
}

/// Reads what there is, and returns how much that was.
pub fn take(fd: RawFd) -> io::Result<usize> {
    let (mut buffer, mut taken) = ([0; 1 << 16], 0);
    loop {
        match file(fd).read(&mut buffer) {
            Ok(0) => return Ok(taken),
            Ok(read) => taken += read,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionReset => return Ok(taken),
                _ => return Err(error),
            },
        }
    }
}

/// Connects to a listener.
pub fn connect(to: SocketAddr) -> io::Result<()> {
    TcpStream::connect(to).map(drop)
}

/// Lets the kernel tell of a descriptor no more, as a library may that has got hold of the
/// runtime's epoll set.
pub fn lose(fd: RawFd) -> io::Result<()> {
    let (set, word) = registration(fd)?;
    let mut event = libc::epoll_event {
        events: 0,
        u64: word,
    };
    // SAFETY: the set is one of this process, and the event is read only.
    match unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_MOD, fd, &raw mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The epoll set that has a descriptor, and the word with which it was registered.
fn registration(wanted: RawFd) -> io::Result<(RawFd, u64)> {
    for set in std::fs::read_dir("/proc/self/fdinfo")? {
        let set = set?;
        let text = std::fs::read_to_string(set.path()).unwrap_or_default();
        for line in text.lines().filter(|line| line.starts_with("tfd:")) {
            let after = |name: &str| {
                let mut words = line.split_whitespace().skip_while(|word| *word != name);
                words.nth(1).unwrap_or_default()
            };
            let word = u64::from_str_radix(after("data:"), 16);
            let name = set.file_name();
            let number = name.to_str().and_then(|it| it.parse().ok());
            if let (true, Ok(word), Some(number)) =
                (after("tfd:") == wanted.to_string(), word, number)
            {
                return Ok((number, word));
            }
        }
    }
    Err(io::Error::other(format!(
        "no epoll set has descriptor {wanted}"
    )))
}
