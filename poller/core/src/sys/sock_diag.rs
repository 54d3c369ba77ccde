//! What the kernel knows of all sockets of this network namespace (NETLINK_SOCK_DIAG,
//! sock_diag(7)), as ss(8) asks for it. No right is needed, and nothing of the process is waited
//! for.
//!
//! The crates for it bring a family of others along, for some hundred bytes whose form is fixed.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::query::TcpInfo;

/// The most that the kernel puts into one message of a dump is half of that.
const BUFFER: usize = 64 * 1024;

const HEADER: usize = 16;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const NLMSG_DONE: u16 = libc::NLMSG_DONE as u16;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// Attributes of an answer, and the bits that ask for them are one less.
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_SKMEMINFO: u16 = 7;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UDIAG_SHOW_NAME: u32 = 0x1;
const UDIAG_SHOW_PEER: u32 = 0x4;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
/// Those that belong to a descriptor: neither TIME_WAIT nor what is not accepted yet.
const TCP_STATES: u32 = 0xfff & !(1 << 6);

/// A part of the sockets, which one dump tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Tcp4,
    Tcp6,
    Udp4,
    Udp6,
    Unix,
}

impl Family {
    pub(crate) const ALL: [Self; 5] = [Self::Tcp4, Self::Tcp6, Self::Udp4, Self::Udp6, Self::Unix];

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp4 => "TCP over IPv4",
            Self::Tcp6 => "TCP over IPv6",
            Self::Udp4 => "UDP over IPv4",
            Self::Udp6 => "UDP over IPv6",
            Self::Unix => "Unix",
        }
    }

    fn numbers(self) -> (u8, u8) {
        let (family, protocol) = match self {
            Self::Tcp4 => (libc::AF_INET, libc::IPPROTO_TCP),
            Self::Tcp6 => (libc::AF_INET6, libc::IPPROTO_TCP),
            Self::Udp4 => (libc::AF_INET, libc::IPPROTO_UDP),
            Self::Udp6 => (libc::AF_INET6, libc::IPPROTO_UDP),
            Self::Unix => (libc::AF_UNIX, 0),
        };
        (family as u8, protocol as u8)
    }

    /// `struct inet_diag_req_v2` or `struct unix_diag_req`, behind a header.
    fn request(self, sequence: u32) -> Vec<u8> {
        let (family, protocol) = self.numbers();
        let mut body = vec![family, protocol];
        if self == Self::Unix {
            body.extend([0; 2]);
            // All states, and no particular one.
            body.extend(u32::MAX.to_ne_bytes());
            body.extend(0u32.to_ne_bytes());
            let show = UDIAG_SHOW_RQLEN | UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
            body.extend(show.to_ne_bytes());
            body.extend([0; 8]);
        } else {
            body.extend([
                1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_SKMEMINFO - 1),
                0,
            ]);
            body.extend(TCP_STATES.to_ne_bytes());
            // Whatever its addresses are.
            body.extend([0; 48]);
        }
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        let mut request = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        request.extend(flags.to_ne_bytes());
        request.extend(sequence.to_ne_bytes());
        request.extend(0u32.to_ne_bytes());
        request.extend(body);
        request
    }

    /// Where its attributes begin: behind `struct inet_diag_msg` or `struct unix_diag_msg`.
    fn attributes_at(self) -> usize {
        if self == Self::Unix { 16 } else { 72 }
    }

    /// From `struct inet_diag_msg` or `struct unix_diag_msg`, and what follows it.
    fn parse(self, message: &[u8]) -> Option<Diag> {
        let is_unix = self == Self::Unix;
        let (state_at, inode_at) = if is_unix { (2, 4) } else { (1, 68) };
        let state = *message.get(state_at)?;
        let mut diag = Diag {
            inode: word(message, inode_at)?.into(),
            state,
            queues: None,
            dropped: None,
            tcp: None,
        };
        if !is_unix {
            diag.queues = Some([word(message, 56)?, word(message, 60)?]);
        }
        for (kind, value) in attributes(message.get(self.attributes_at()..)?) {
            match kind {
                UNIX_DIAG_RQLEN if is_unix => {
                    diag.queues = word(value, 0).zip(word(value, 4)).map(<[u32; 2]>::from);
                }
                INET_DIAG_INFO if matches!(self, Self::Tcp4 | Self::Tcp6) => {
                    diag.tcp = TcpInfo::parse(value);
                }
                // SK_MEMINFO_DROPS.
                INET_DIAG_SKMEMINFO if !is_unix => diag.dropped = word(value, 8 * 4),
                _ => {}
            }
        }
        Some(diag)
    }
}

/// What the kernel says of one socket, as it came.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Its state, its queues, and of TCP its numbers; `None` if the message was cut.
    pub(crate) fn diag(&self) -> Option<Diag> {
        self.family.parse(self.bytes)
    }

    /// Both ends of a socket of IP; the second one, if it is connected.
    pub(crate) fn addresses(&self) -> Option<(SocketAddr, Option<SocketAddr>)> {
        // `struct inet_diag_sockid` at 4: ports in the order of the network, then two addresses of
        // sixteen bytes each.
        let end = |port_at: usize, address_at: usize| {
            let port = self.bytes.get(port_at..)?.first_chunk().copied()?;
            let bytes: [u8; 16] = self.bytes.get(address_at..)?.first_chunk().copied()?;
            let address: IpAddr = match self.family {
                Family::Tcp4 | Family::Udp4 => {
                    let [a, b, c, d, ..] = bytes;
                    Ipv4Addr::new(a, b, c, d).into()
                }
                Family::Tcp6 | Family::Udp6 => Ipv6Addr::from(bytes).into(),
                Family::Unix => return None,
            };
            Some(SocketAddr::new(address, u16::from_be_bytes(port)))
        };
        let peer = end(6, 24).filter(|peer| peer.port() != 0);
        Some((end(4, 8)?, peer))
    }

    /// Its name, which begins with a zero byte if it is an abstract one, and the inode of its peer;
    /// of a Unix socket.
    pub(crate) fn names(&self) -> (Option<&'a [u8]>, Option<u64>) {
        let (mut name, mut peer) = (None, None);
        if self.family == Family::Unix {
            let all = self.bytes.get(self.family.attributes_at()..);
            for (kind, value) in attributes(all.unwrap_or_default()) {
                match kind {
                    UNIX_DIAG_NAME => name = Some(value),
                    UNIX_DIAG_PEER => peer = word(value, 0).map(u64::from),
                    _ => {}
                }
            }
        }
        (name, peer)
    }

    /// Of a Unix socket: SOCK_STREAM and so on.
    pub(crate) fn unix_type(&self) -> Option<i32> {
        let kind = self.bytes.get(1).filter(|_| self.family == Family::Unix);
        kind.map(|kind| i32::from(*kind))
    }
}

/// What is said of one socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Diag {
    pub(crate) inode: u64,
    pub(crate) state: u8,
    /// Receive and send queue; of a listener those who wait to be accepted, and how many may.
    pub(crate) queues: Option<[u32; 2]>,
    /// What was dropped because a queue was full.
    pub(crate) dropped: Option<u32>,
    /// Of TCP.
    pub(crate) tcp: Option<TcpInfo>,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..at.checked_add(2)?)?;
    half.try_into().ok().map(u16::from_ne_bytes)
}

/// Everything of netlink begins at a multiple of four.
fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// `struct rtattr`: length, kind, value.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(half(bytes, 0)?);
        let kind = half(bytes, 2)?;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(padded(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// How far a dump has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    More,
    Done {
        /// The kernel says that the sockets changed so much meanwhile that some may be missing.
        interrupted: bool,
    },
}

/// Asks for one family after another.
#[derive(Debug)]
pub(crate) struct SockDiag {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
    interrupted: bool,
}

impl SockDiag {
    pub(crate) fn new() -> io::Result<Self> {
        let socket = Socket::new(
            Domain::from(libc::AF_NETLINK),
            Type::DGRAM,
            Some(Protocol::from(libc::NETLINK_SOCK_DIAG)),
        )?;
        // The kernel answers within send(2) and recv(2). If it ever did not, nobody is to wait.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER],
            sequence: 0,
            interrupted: false,
        })
    }

    /// Asks for the sockets of a family. What is left of another answer is not listened to.
    pub(crate) fn ask(&mut self, family: Family) -> io::Result<()> {
        self.sequence += 1;
        self.interrupted = false;
        self.socket.send(&family.request(self.sequence)).map(drop)
    }

    /// Takes one message of the answer, some dozens of sockets.
    pub(crate) fn receive(
        &mut self,
        family: Family,
        visit: &mut dyn FnMut(Message<'_>),
    ) -> io::Result<Progress> {
        let length = match self.socket.read(&mut self.buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Progress::More),
            Err(error) => return Err(error),
        };
        let too_short = || io::Error::new(io::ErrorKind::InvalidData, "a message was cut");
        let mut left = self.buffer.get(..length).unwrap_or_default();
        while !left.is_empty() {
            let length = word(left, 0).ok_or_else(too_short)? as usize;
            let kind = half(left, 4).ok_or_else(too_short)?;
            let flags = half(left, 6).ok_or_else(too_short)?;
            let body = left.get(HEADER..length).ok_or_else(too_short)?;
            if word(left, 8) == Some(self.sequence) {
                self.interrupted |= flags & NLM_F_DUMP_INTR != 0;
                match kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        // Negative in either; the end of a dump that went well says 0.
                        let errno = word(body, 0).unwrap_or(0).cast_signed();
                        return match errno {
                            0 => Ok(Progress::Done {
                                interrupted: self.interrupted,
                            }),
                            errno => Err(io::Error::from_raw_os_error(-errno)),
                        };
                    }
                    SOCK_DIAG_BY_FAMILY => visit(Message {
                        family,
                        bytes: body,
                    }),
                    _ => {}
                }
            }
            left = left.get(padded(length)..).unwrap_or_default();
        }
        Ok(Progress::More)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::query;

    /// What a family says of the socket `fd`.
    fn told(family: Family, fd: &impl AsRawFd) -> Option<Diag> {
        let inode = query::file_id(fd.as_raw_fd()).unwrap().inode;
        let mut found = None;
        let mut diag = SockDiag::new().unwrap();
        diag.ask(family).unwrap();
        let mut note = |it: Message<'_>| {
            found = found.or(it.diag().filter(|it| it.inode == inode));
        };
        while diag.receive(family, &mut note).unwrap() == Progress::More {}
        found
    }

    #[test]
    fn each_family_tells_its_own_sockets_with_their_queues() {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"five!").unwrap();
        let unix = told(Family::Unix, &b).unwrap();
        assert_eq!((unix.queues.unwrap()[0], unix.tcp), (5, None));
        assert!(told(Family::Tcp4, &b).is_none());

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // One waits to be accepted.
        let of_listener = told(Family::Tcp4, &listener).unwrap();
        assert_eq!(of_listener.state, TcpInfo::LISTEN);
        let [waiting, limit] = of_listener.queues.unwrap();
        assert!(waiting == 1 && limit >= 1, "{of_listener:?}");
        let of_client = told(Family::Tcp4, &client).unwrap();
        assert_eq!(of_client.tcp.unwrap().state_name(), "ESTABLISHED");
        assert_eq!(of_client.dropped, Some(0));
        assert!(told(Family::Tcp6, &client).is_none());
    }

    #[test]
    fn more_sockets_than_one_message_holds_are_all_told() {
        let pairs: Vec<_> = (0..300).map(|_| UnixStream::pair().unwrap()).collect();
        let mut inodes = std::collections::HashSet::new();
        let mut diag = SockDiag::new().unwrap();
        diag.ask(Family::Unix).unwrap();
        let mut messages = 0;
        let mut note = |it: Message<'_>| inodes.extend(it.diag().map(|it| it.inode));
        while diag.receive(Family::Unix, &mut note).unwrap() == Progress::More {
            messages += 1;
        }
        assert!(messages > 1);
        for (a, b) in &pairs {
            for end in [a, b] {
                assert!(inodes.contains(&query::file_id(end.as_raw_fd()).unwrap().inode));
            }
        }
    }

    #[test]
    fn what_is_cut_or_nonsense_is_no_socket_and_no_panic() {
        for family in Family::ALL {
            for length in 0..200 {
                for fill in [0, 1, 0xff] {
                    let bytes = &vec![fill; length][..];
                    let message = Message { family, bytes };
                    let _ = (message.diag(), message.addresses());
                    let _ = (message.names(), message.unix_type());
                }
            }
        }
        assert_eq!(attributes(&[0, 0, 0, 0, 1]).count(), 0);
        assert_eq!(
            attributes(&[5, 0, 9, 0, 7]).collect::<Vec<_>>(),
            [(9, &[7][..])]
        );
    }
}
