//! All sockets of a network namespace, for whoever looks at another process than this one.

use std::collections::HashMap;
use std::io;

use super::Socket;
use crate::clock;
use crate::desc::Kind;
use crate::sys::query::TcpInfo;
use crate::sys::sock_diag::{Family, Message, Progress, SockDiag};
use crate::view::address::unix_text;

/// How often a family is asked for that changed too much while it was listed.
const TRIES: u32 = 3;

/// A socket, with its addresses as a row of a table has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What the kernel knows of it.
    pub socket: Socket,
    /// What it is.
    pub kind: Kind,
    /// Its own address; empty if it has none.
    pub local: String,
    /// Its peer's; empty if it has none, or that has no name.
    pub peer: String,
    /// Segments or probes sent one after another without an answer (TCP).
    pub unanswered: u8,
    /// When the peer last answered anything, CLOCK_MONOTONIC (TCP that is connected).
    pub last_ack_ns: Option<u64>,
}

impl Default for Listed {
    /// A file of which nothing is known.
    fn default() -> Self {
        Self {
            socket: Socket::default(),
            kind: Kind::Other,
            local: String::new(),
            peer: String::new(),
            unanswered: 0,
            last_ack_ns: None,
        }
    }
}

/// All of them, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// By inode.
    pub sockets: HashMap<u64, Listed>,
    /// When the kernel was asked, CLOCK_MONOTONIC.
    pub read_at_ns: u64,
    /// Why it did not tell all of it; empty if it did.
    pub errors: Vec<String>,
}

impl Listing {
    /// Asks the kernel for the sockets of the network namespace of this thread, about a microsecond
    /// each.
    pub fn read() -> Self {
        let mut listing = Self {
            read_at_ns: clock::now_ns(),
            ..Self::default()
        };
        // Of Unix sockets: whose peer is which. A client's peer has the name that it connected to.
        let mut peers = Vec::new();
        for family in Family::ALL {
            if let Err(error) = listing.read_family(family, &mut peers) {
                let of = family.name();
                let error = format!("the kernel does not list {of} sockets (sock_diag): {error}");
                listing.errors.push(error);
            }
        }
        for (inode, peer) in peers {
            let name = listing.sockets.get(&peer).map(|peer| peer.local.clone());
            if let (Some(socket), Some(name)) = (listing.sockets.get_mut(&inode), name) {
                socket.peer = name;
            }
        }
        listing
    }

    fn read_family(&mut self, family: Family, peers: &mut Vec<(u64, u64)>) -> io::Result<()> {
        for _ in 0..TRIES {
            let mut diag = SockDiag::new()?;
            diag.ask(family)?;
            let mut note = |message: Message<'_>| {
                let Some(listed) = listed(family, message, self.read_at_ns) else {
                    return;
                };
                let inode = listed.socket.inode;
                // One that has no file, or not yet, is nobody's.
                if inode != 0 {
                    let peer = message.names().1.filter(|peer| *peer != 0);
                    peers.extend(peer.map(|peer| (inode, peer)));
                    self.sockets.insert(inode, listed);
                }
            };
            loop {
                match diag.receive(family, &mut note)? {
                    Progress::More => {}
                    Progress::Done { interrupted: true } => break,
                    Progress::Done { interrupted: false } => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

fn listed(family: Family, message: Message<'_>, now_ns: u64) -> Option<Listed> {
    let diag = message.diag()?;
    let listens = diag.state == TcpInfo::LISTEN;
    let kind = match (family, message.unix_type()) {
        (Family::Tcp4 | Family::Tcp6, _) if listens => Kind::TcpListener,
        (Family::Tcp4 | Family::Tcp6, _) => Kind::Tcp,
        (Family::Udp4 | Family::Udp6, _) => Kind::Udp,
        (Family::Unix, Some(libc::SOCK_DGRAM)) => Kind::UnixDatagram,
        (Family::Unix, _) if listens => Kind::UnixListener,
        (Family::Unix, Some(libc::SOCK_SEQPACKET)) => Kind::UnixSeqpacket,
        (Family::Unix, _) => Kind::Unix,
    };
    let (local, peer) = match message.addresses() {
        Some((local, peer)) => {
            let peer = peer.map(|peer| peer.to_string());
            (local.to_string(), peer.unwrap_or_default())
        }
        None => (
            unix_text(message.names().0.unwrap_or_default()),
            String::new(),
        ),
    };
    let connected = diag.tcp.filter(|tcp| !listens && tcp.is_connected());
    let ago_ns = |ms: u32| now_ns.saturating_sub(u64::from(ms) * 1_000_000);
    Some(Listed {
        socket: Socket::of(&diag, family, now_ns),
        kind,
        local,
        peer,
        unanswered: connected.map_or(0, |tcp| tcp.unanswered),
        last_ack_ns: connected.map(|tcp| ago_ns(tcp.last_ack_ms)),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;
    use crate::sys::query;

    fn find(fd: &impl AsRawFd) -> Listed {
        let inode = query::file_id(fd.as_raw_fd()).unwrap().inode;
        let listing = Listing::read();
        assert_eq!(listing.errors, Vec::<String>::new());
        listing.sockets[&inode].clone()
    }

    #[track_caller]
    fn check(fd: &impl AsRawFd, kind: Kind, local: &str, peer: &str) {
        let it = find(fd);
        assert_eq!((it.kind, &*it.local, &*it.peer), (kind, local, peer));
    }

    #[test]
    fn sockets_of_ip_are_listed_with_the_addresses_that_they_have() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let at = listener.local_addr().unwrap().to_string();
            let client = TcpStream::connect(&at).unwrap();
            let from = client.local_addr().unwrap().to_string();
            check(&listener, Kind::TcpListener, &at, "");
            check(&client, Kind::Tcp, &from, &at);
            let (server, _) = listener.accept().unwrap();
            check(&server, Kind::Tcp, &at, &from);
            let socket = UdpSocket::bind(address).unwrap();
            let own = socket.local_addr().unwrap().to_string();
            check(&socket, Kind::Udp, &own, "");
            socket.connect(&own).unwrap();
            check(&socket, Kind::Udp, &own, &own);
        }
    }

    #[test]
    fn unix_sockets_are_listed_with_their_names_and_those_of_their_peers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let name = format!("unix:{}", path.display());
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        check(&listener, Kind::UnixListener, &name, "");
        let (server, _) = listener.accept().unwrap();
        check(&client, Kind::Unix, "", &name);
        check(&server, Kind::Unix, &name, "");
        let (datagram, _other) = UnixDatagram::pair().unwrap();
        check(&datagram, Kind::UnixDatagram, "", "");
    }
}
