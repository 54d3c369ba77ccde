//! What the kernel has registered with an epoll instance, from /proc.
//!
//! On demand only: the kernel holds the instance's mutex while it writes the list, which keeps
//! registrations and the delivery of events waiting (about half a microsecond an entry).

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::observe::DescId;
use crate::poller::Poller;
use crate::sys::Tag;

/// One entry of the kernel's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The number under which it was registered. It may have been closed, or stand for another
    /// file, since.
    pub fd: RawFd,
    /// Epoll bits that are asked for.
    pub events: u32,
    /// The id that its events name; of generation 0 for the poller's own descriptors.
    pub id: DescId,
    /// Inode of the registered file, which may no longer be what `fd` stands for. Sockets have one
    /// each; the ends of a pipe share one, and all eventfds, timerfds and the like do.
    pub inode: u64,
    /// Device of the file system that the inode belongs to, as the kernel numbers it.
    pub device: u64,
}

thread_local! {
    static TOOK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// For how long this thread has kept the kernel writing its lists since this was last asked.
pub(crate) fn list_took() -> Duration {
    TOOK.take()
}

/// Reads what the kernel has registered with `poller`, its own break and timer descriptors
/// included.
///
/// # Errors
///
/// If /proc is not mounted or cannot be read.
pub fn kernel_registrations(poller: &Poller) -> io::Result<Vec<Registration>> {
    let Some(epoll) = poller.shared.backend.as_fd() else {
        return Ok(Vec::new());
    };
    let path = format!("/proc/self/fdinfo/{}", epoll.as_raw_fd());
    let began = Instant::now();
    let text = std::fs::read_to_string(&path);
    TOOK.set(TOOK.get() + began.elapsed());
    let text = text.map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("cannot read the kernel's registrations from {path}: {e}"),
        )
    })?;
    Ok(text.lines().filter_map(parse).collect())
}

/// `tfd:        5 events: 8000201d data:                5  pos:0 ino:a5e9b sdev:9`
fn parse(line: &str) -> Option<Registration> {
    let mut words = line.strip_prefix("tfd:")?.split_whitespace();
    let fd = words.next()?.parse().ok()?;
    let mut field = |name| {
        words
            .next()
            .filter(|word| *word == name)
            .and_then(|_| words.next())
    };
    let events = u32::from_str_radix(field("events:")?, 16).ok()?;
    let tag = Tag::from_data(u64::from_str_radix(field("data:")?, 16).ok()?);
    let mut file = |name| {
        let value = words.find_map(|word| word.strip_prefix(name))?;
        u64::from_str_radix(value, 16).ok()
    };
    let (inode, device) = (file("ino:")?, file("sdev:")?);
    Some(Registration {
        fd,
        events,
        id: DescId {
            slot: tag.slot,
            generation: tag.generation,
        },
        inode,
        device,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_fdinfo_is_taken_apart() {
        let line = "tfd:        7 events: 8000201d data:        300000002  pos:0 ino:a5e9b sdev:9";
        assert_eq!(
            parse(line),
            Some(Registration {
                fd: 7,
                events: 0x8000_201d,
                id: DescId {
                    slot: 3,
                    generation: 2,
                },
                inode: 0xa5e9b,
                device: 9,
            })
        );
        assert_eq!(parse("pos:\t0"), None);
    }
}
