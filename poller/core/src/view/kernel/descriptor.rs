//! What the kernel says about one descriptor, asked by number although somebody else owns it.
//!
//! As with addresses, a number can be closed, and given to another file, between the reading of the
//! slot and the call. It cannot have been if the slot's generation is still live and not closing
//! after the call. What cannot be vouched for is not shown.

use std::os::fd::RawFd;

use super::registrations::kernel_registrations;
use crate::desc::{Kind, PollDesc};
use crate::observe::DescId;
use crate::poller::Poller;
use crate::sys;
use crate::sys::query::{self, FileId, TcpInfo};

/// What poll(2) is asked for: all that epoll would tell.
const ALL: i16 = libc::POLLIN | libc::POLLPRI | libc::POLLOUT | libc::POLLRDHUP;

/// What the kernel says about a file descriptor, at one moment. A field that the kernel does not
/// have for this kind of file is `None`, or empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct KernelView {
    /// It is registered with the epoll instance, by the id that the table knows.
    pub registered: bool,
    /// Epoll bits that were asked for.
    pub events: u32,
    /// What poll(2) says about it now: raw bits.
    pub ready: u32,
    /// The file is in blocking mode, so that an operation may block the whole thread.
    pub blocking: bool,
    /// Bytes that can be read (SIOCINQ, FIONREAD).
    pub receive_queue: Option<u64>,
    /// Bytes not yet acknowledged or sent (SIOCOUTQ).
    pub send_queue: Option<u64>,
    /// State of a TCP socket, for example `ESTABLISHED`; empty for all else.
    pub tcp_state: &'static str,
    /// How long ago data last came (TCP_INFO), a duration; `None` if none has.
    pub last_data_received_ns: Option<u64>,
    /// Smoothed round trip (TCP_INFO), a duration.
    pub rtt_ns: Option<u64>,
    /// Segments sent again, since the connection was made (TCP_INFO).
    pub retransmits: Option<u64>,
    /// Inode, by which ss(8) and /proc know it; 0 if it is not known.
    pub inode: u64,
    /// Why the kernel could not be asked, or did not say all; empty if it did.
    pub error: String,
}

/// Asks the kernel about the descriptor `id` of `poller`. Whether it is registered is
/// read from the kernel's list, which keeps registrations and the delivery of events waiting
/// meanwhile (half a microsecond an entry): on demand only. It does not fail; [`KernelView::error`]
/// says what could not be told.
pub fn kernel_view(poller: &Poller, id: DescId) -> KernelView {
    let DescId { slot, generation } = id;
    let failed = |error: String| KernelView {
        error,
        ..KernelView::default()
    };
    let Some(desc) = poller.shared.cache.get(slot) else {
        return failed(format!("there is no slot {slot}"));
    };
    if !desc.is_live(generation) {
        return failed("the descriptor is closed".into());
    }
    if desc.kind() == Kind::Timer || desc.fd() < 0 {
        return failed("a sleep has no file descriptor".into());
    }
    let registrations = kernel_registrations(poller);
    let Some(answer) = Answer::of(desc, generation) else {
        return failed("the descriptor is being closed".into());
    };
    let mut view = answer.view();
    match registrations {
        Err(error) => view.error = error.to_string(),
        Ok(registrations) => {
            let entry = registrations.iter().find(|entry| entry.id == id);
            view.registered = entry.is_some();
            view.events = entry.map_or(0, |entry| entry.events);
            if let Some(entry) = entry
                && view.error.is_empty()
                && entry.inode != view.inode
            {
                view.error = format!(
                    "{} was registered as inode {} and stands for inode {} now: it was closed behind the poller's back",
                    answer.fd, entry.inode, view.inode
                );
            }
        }
    }
    view
}

/// The answers about one descriptor, without those that concern the epoll instance.
#[derive(Clone, Debug)]
pub(in crate::view) struct Answer {
    pub(in crate::view) fd: RawFd,
    /// Raw bits of poll(2); POLLNVAL for a number that is closed.
    pub(in crate::view) ready: i16,
    pub(in crate::view) blocking: Option<bool>,
    pub(in crate::view) receive_queue: Option<u64>,
    pub(in crate::view) send_queue: Option<u64>,
    pub(in crate::view) tcp: Option<TcpInfo>,
    pub(in crate::view) file: Option<FileId>,
}

impl Answer {
    /// `None` if the descriptor was closed, or has begun to be, so that the answers may concern
    /// another file.
    pub(in crate::view) fn of(desc: &PollDesc, generation: u32) -> Option<Self> {
        let fd = desc.fd();
        // A listener has no queues of bytes, although the kernel gives numbers for some.
        let bytes = !desc.kind().is_listener();
        let queue = |ask: fn(RawFd) -> std::io::Result<u64>| bytes.then(|| ask(fd).ok()).flatten();
        let answer = Self {
            fd,
            ready: sys::io::poll_now(fd, ALL).unwrap_or(libc::POLLNVAL),
            blocking: query::is_blocking(fd).ok(),
            receive_queue: queue(query::receive_queue),
            send_queue: queue(query::send_queue),
            tcp: query::tcp_info(fd).ok(),
            file: query::file_id(fd).ok(),
        };
        (desc.is_live(generation) && !desc.info().closing()).then_some(answer)
    }

    /// The number is closed, although the table has it: somebody closed it behind the poller's
    /// back.
    pub(in crate::view) fn is_closed(&self) -> bool {
        self.ready & libc::POLLNVAL != 0
    }

    /// How long ago data last came, in nanoseconds; `None` if none has.
    pub(in crate::view) fn last_data_received_ns(&self) -> Option<u64> {
        let ago_ms = self.tcp.filter(TcpInfo::is_connected)?.last_received_ms?;
        Some(u64::from(ago_ms) * 1_000_000)
    }

    /// How long ago data was last sent, in nanoseconds; `None` if none was.
    pub(in crate::view) fn last_data_sent_ns(&self) -> Option<u64> {
        let ago_ms = self.tcp.filter(TcpInfo::is_connected)?.last_sent_ms?;
        Some(u64::from(ago_ms) * 1_000_000)
    }

    fn view(&self) -> KernelView {
        let connected = self.tcp.filter(|tcp| tcp.state != TcpInfo::LISTEN);
        KernelView {
            registered: false,
            events: 0,
            ready: u32::from(self.ready.cast_unsigned()),
            blocking: self.blocking.unwrap_or_default(),
            receive_queue: self.receive_queue,
            send_queue: self.send_queue,
            tcp_state: self.tcp.map_or("", |tcp| tcp.state_name()),
            last_data_received_ns: self.last_data_received_ns(),
            rtt_ns: connected.and_then(|tcp| Some(u64::from(tcp.rtt_us?) * 1_000)),
            retransmits: connected.map(|tcp| u64::from(tcp.retransmits)),
            inode: self.file.map_or(0, |file| file.inode),
            error: if self.is_closed() {
                format!(
                    "{} is closed, although it is registered: it was closed behind the poller's back",
                    self.fd
                )
            } else {
                String::new()
            },
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn poller() -> Poller {
        Poller::builder().build().unwrap()
    }

    #[test]
    fn a_connection_tells_its_registration_queues_and_state() {
        let poller = poller();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        let desc = poller.open(client.as_fd(), Kind::Tcp).unwrap();
        server.write_all(b"hello").unwrap();

        let view = kernel_view(&poller, desc.id());
        assert_eq!(view.error, "");
        assert!(view.registered && !view.blocking, "{view:?}");
        assert_eq!(view.events & libc::EPOLLIN as u32, libc::EPOLLIN as u32);
        assert_ne!(view.ready & libc::POLLIN as u32, 0);
        assert_eq!((view.receive_queue, view.send_queue), (Some(5), Some(0)));
        assert_eq!(view.tcp_state, "ESTABLISHED");
        assert!(view.last_data_received_ns.is_some() && view.rtt_ns.is_some());
        assert!(view.inode != 0 && view.retransmits == Some(0));
    }

    #[test]
    fn what_the_kernel_does_not_have_is_not_made_up() {
        let poller = poller();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
        let view = kernel_view(&poller, desc.id());
        assert_eq!(
            (view.receive_queue, view.send_queue, view.rtt_ns),
            (None, None, None)
        );
        assert_eq!((view.tcp_state, view.blocking), ("LISTEN", true));
    }

    #[test]
    fn a_descriptor_that_is_gone_or_has_been_closed_behind_the_pollers_back_is_said_to_be() {
        let poller = poller();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
        let id = desc.id();
        assert!(kernel_view(&poller, id).registered);
        desc.close();
        assert_eq!(kernel_view(&poller, id).error, "the descriptor is closed");
        let slot = u32::MAX - 2;
        let never = DescId { slot, ..id };
        assert!(kernel_view(&poller, never).error.contains("no slot"));

        // The number may be another test's next file at once, so what is said of it is not looked
        // at.
        let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
        drop(ours);
        assert!(!kernel_view(&poller, desc.id()).registered);
    }
}
