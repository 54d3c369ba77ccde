//! What the kernel knows of the sockets of a table (sock_diag), read for all of them at once.
//!
//! Which socket a row has is told by its inode, asked of the number while the row lives: if its
//! generation is live and not closing after the question, the number was its own. A number that was
//! closed behind the poller's back may stand for another file by then; so the kernel is asked too
//! whether that is the file which is registered. What cannot be vouched for is not shown.

use std::collections::HashMap;
use std::os::fd::AsRawFd;

use super::socket::Socket;
use crate::clock;
use crate::desc::{PollDesc, Transport};
use crate::observe::DescId;
use crate::poller::Poller;
use crate::sys::query;
use crate::sys::sock_diag::{Family, Progress, SockDiag};

/// Slots that are looked at in one step, some tenths of a millisecond.
const STEP: usize = 256;
/// How often a family is asked for that changed too much while it was listed.
const TRIES: u32 = 3;

/// The sockets of one or more pollers, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    read_at_ns: u64,
    took_ns: u64,
    /// By number of the poller and id.
    inodes: HashMap<(u32, DescId), u64>,
    /// By inode.
    known: HashMap<u64, Option<Socket>>,
    errors: Vec<String>,
}

impl Sockets {
    /// Asks the kernel about all sockets of `pollers`: it lists those of the network namespace,
    /// about a microsecond each.
    pub fn read(pollers: Vec<Poller>) -> Self {
        Reading::new(pollers).finish()
    }

    /// What it said of a descriptor; `None` if that is no socket, is none of this network
    /// namespace, or was not there.
    pub fn of(&self, poller: &Poller, id: DescId) -> Option<Socket> {
        let inode = self.inodes.get(&(poller.shared.id, id))?;
        self.known.get(inode).copied().flatten()
    }

    /// When the kernel was asked, CLOCK_MONOTONIC.
    pub fn read_at_ns(&self) -> u64 {
        self.read_at_ns
    }

    /// How long it took, without what else was done between the steps.
    pub fn took_ns(&self) -> u64 {
        self.took_ns
    }

    /// Why the kernel did not tell all of it; empty if it did.
    pub fn error(&self) -> String {
        self.errors.join("; ")
    }
}

/// A reading under way, for whoever has others to serve meanwhile.
#[derive(Debug)]
pub struct Reading {
    pollers: Vec<Poller>,
    /// The slot that is looked at next, of the last poller.
    slot: u32,
    families: Vec<Family>,
    /// Which are wanted.
    wanted: [bool; Family::ALL.len()],
    /// `None` before the first family.
    diag: Option<SockDiag>,
    /// How often the last of the families was asked for.
    tries: u32,
    sockets: Sockets,
}

impl Reading {
    /// Begins one for all descriptors of these pollers.
    pub fn new(pollers: Vec<Poller>) -> Self {
        Self {
            pollers,
            slot: 0,
            families: Vec::new(),
            wanted: [false; Family::ALL.len()],
            diag: None,
            tries: 0,
            sockets: Sockets::default(),
        }
    }

    /// Goes on for about a millisecond at most. Returns whether there is more to do.
    pub fn step(&mut self) -> bool {
        let began_ns = clock::now_ns();
        let more = self.go_on();
        self.sockets.took_ns += clock::now_ns().saturating_sub(began_ns);
        more
    }

    fn go_on(&mut self) -> bool {
        if let Some(poller) = self.pollers.last().cloned() {
            let mut slots = poller.shared.cache.iter_from(self.slot).take(STEP);
            let last = slots
                .by_ref()
                .inspect(|desc| self.want(&poller, desc))
                .last();
            match last {
                Some(last) => self.slot = last.slot() + 1,
                None => {
                    self.slot = 0;
                    self.pollers.pop();
                    self.want_families();
                }
            }
            return true;
        }
        let Some(family) = self.families.last().copied() else {
            return false;
        };
        match self.ask(family) {
            Ok(Progress::More) => {}
            Ok(Progress::Done { interrupted: true }) if self.tries < TRIES => self.diag = None,
            Ok(Progress::Done { .. }) => self.next_family(),
            Err(error) => {
                let of = family.name();
                let errors = &mut self.sockets.errors;
                errors.push(format!(
                    "the kernel does not list {of} sockets (sock_diag): {error}"
                ));
                self.next_family();
            }
        }
        true
    }

    /// Goes on to the end.
    pub fn finish(mut self) -> Sockets {
        while self.step() {}
        self.sockets
    }

    fn next_family(&mut self) {
        self.families.pop();
        self.diag = None;
        self.tries = 0;
    }

    fn want_families(&mut self) {
        let all = Family::ALL.into_iter().zip(self.wanted);
        self.families = all
            .filter_map(|(family, is_wanted)| is_wanted.then_some(family))
            .collect();
        // As a whole it is no older than its first part.
        self.sockets.read_at_ns = clock::now_ns();
    }

    /// Notes which socket a slot has.
    fn want(&mut self, poller: &Poller, desc: &PollDesc) {
        let families: &[Family] = match desc.kind().transport() {
            Transport::Timer | Transport::Pipe => return,
            Transport::Tcp => &[Family::Tcp4, Family::Tcp6],
            Transport::Udp => &[Family::Udp4, Family::Udp6],
            Transport::Unix => &[Family::Unix],
            Transport::Unknown => &Family::ALL,
        };
        let (Some(generation), fd) = (desc.live_generation(), desc.fd()) else {
            return;
        };
        let file = query::file_id(fd).ok().filter(|file| file.is_socket);
        let is_its_own = || {
            let epoll = poller.shared.backend.as_fd();
            let is_watched = epoll.and_then(|epoll| query::is_watched(epoll.as_raw_fd(), fd));
            is_watched.unwrap_or(true) && desc.is_live(generation) && !desc.info().closing()
        };
        if let Some(file) = file
            && is_its_own()
        {
            let id = DescId {
                slot: desc.slot(),
                generation,
            };
            self.sockets
                .inodes
                .insert((poller.shared.id, id), file.inode);
            self.sockets.known.insert(file.inode, None);
            for family in families {
                self.wanted[*family as usize] = true;
            }
        }
    }

    /// Takes one message of the list of a family, which it asks for first.
    fn ask(&mut self, family: Family) -> std::io::Result<Progress> {
        let now_ns = self.sockets.read_at_ns;
        let diag = match &mut self.diag {
            Some(diag) => diag,
            none => {
                self.tries += 1;
                let diag = none.insert(SockDiag::new()?);
                diag.ask(family)?;
                diag
            }
        };
        let known = &mut self.sockets.known;
        diag.receive(family, &mut |message| {
            if let Some(diag) = message.diag()
                && let Some(socket) = known.get_mut(&diag.inode)
            {
                *socket = Some(Socket::of(&diag, family, now_ns));
            }
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::desc::Kind;
    use crate::poller::Desc;
    use crate::sys::query::tcp_state_name;

    /// One poller, and what it watches.
    struct Watched {
        poller: Poller,
        descs: Vec<Desc>,
    }

    impl Watched {
        fn new() -> Self {
            Self {
                poller: Poller::builder().build().unwrap(),
                descs: Vec::new(),
            }
        }

        fn open(&mut self, socket: &impl AsFd, kind: Kind) -> DescId {
            self.descs
                .push(self.poller.open(socket.as_fd(), kind).unwrap());
            self.descs.last().unwrap().id()
        }

        fn told(&self, id: DescId) -> Option<Socket> {
            let sockets = Sockets::read(vec![self.poller.clone()]);
            assert_eq!(sockets.error(), "");
            sockets.of(&self.poller, id)
        }

        /// What is told of it once this is so.
        fn once(&self, id: DescId, so: impl Fn(&Socket) -> bool) -> Socket {
            loop {
                let socket = self.told(id).expect("a socket");
                if so(&socket) {
                    return socket;
                }
                std::thread::yield_now();
            }
        }
    }

    /// State, send queue and receive queue of each inode, as `/proc/net/tcp` and `tcp6` have them.
    fn proc_net(name: &str) -> HashMap<u64, (u8, u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/self/net/{name}")).unwrap();
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (tx, rx) = words[4].split_once(':').unwrap();
            let hex = |word| u64::from_str_radix(word, 16).unwrap();
            (
                words[9].parse().unwrap(),
                (hex(words[3]) as u8, hex(tx), hex(rx)),
            )
        };
        text.lines().skip(1).map(line).collect()
    }

    fn connection(address: &str) -> (TcpListener, TcpStream, TcpStream) {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (listener, client, server)
    }

    #[test]
    fn what_is_not_read_and_not_sent_is_told_to_the_byte_as_proc_has_it() {
        for (address, name) in [("127.0.0.1:0", "tcp"), ("[::1]:0", "tcp6")] {
            let (_listener, mut client, mut server) = connection(address);
            client.set_nonblocking(true).unwrap();
            let mut watched = Watched::new();
            let ours = watched.open(&client, Kind::Tcp);
            let theirs = watched.open(&server, Kind::Tcp);
            // Until neither side has room.
            let mut written = 0;
            loop {
                match client.write(&[7; 65536]) {
                    Ok(length) => written += length as u64,
                    Err(_) if watched.told(ours).unwrap().unsent.unwrap() > 0 => break,
                    Err(_) => std::thread::yield_now(),
                }
            }
            // Until all that was taken is acknowledged.
            let peer = watched.told(theirs).unwrap();
            let unread = |peer: &Socket| peer.recvq.unwrap();
            let socket = watched.once(ours, |it| {
                it.sendq.unwrap() + unread(&watched.told(theirs).unwrap()) == written
            });
            assert_eq!(socket.tcp_state, "ESTABLISHED");
            assert_eq!(
                socket.unacked.unwrap() + socket.unsent.unwrap(),
                socket.sendq.unwrap()
            );
            assert!(socket.unsent.unwrap() > 0 && socket.rtt_ns.unwrap() > 0);
            assert!(socket.last_send_ns.is_some() && socket.last_recv_ns.is_none());
            assert!(peer.last_recv_ns.is_some() && peer.last_send_ns.is_none());
            assert_eq!((socket.bytes_received, peer.bytes_sent), (Some(0), Some(0)));

            // Another reading of the same, between two that agree.
            loop {
                let queues = || {
                    let [ours, theirs] = [ours, theirs].map(|id| watched.told(id).unwrap());
                    (ours.sendq.unwrap(), theirs.recvq.unwrap())
                };
                let before = queues();
                let listed = proc_net(name);
                if queues() != before {
                    continue;
                }
                let (state, sending, _) = listed[&socket.inode];
                assert_eq!(tcp_state_name(state), "ESTABLISHED");
                assert_eq!((sending, listed[&peer.inode].2), before);
                break;
            }

            let mut some = [0; 1000];
            server.read_exact(&mut some).unwrap();
            let after = watched.told(theirs).unwrap();
            assert_eq!(after.bytes_received.unwrap() - after.recvq.unwrap(), 1000);
        }
    }

    #[test]
    fn who_waits_to_be_accepted_is_counted_and_who_is_not_let_in_has_never_received() {
        let listener =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(2).unwrap();
        let address = listener.local_addr().unwrap();
        let mut watched = Watched::new();
        let id = watched.open(&listener, Kind::TcpListener);
        let socket = watched.told(id).unwrap();
        assert_eq!((socket.tcp_state, socket.acceptq), ("LISTEN", Some(0)));
        assert_eq!(
            (socket.recvq, socket.sendq, socket.rtt_ns),
            (None, None, None)
        );

        // The kernel lets in one more than it was told.
        let connect = || {
            let client =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address);
            client
        };
        let mut clients: Vec<_> = (0..3).map(|_| connect()).collect();
        let full = watched.once(id, |it| it.acceptq == Some(3));
        assert_eq!(full.acceptq_limit, Some(2));
        clients.push(connect());
        let waits = watched.open(&clients[3], Kind::Tcp);
        let socket = watched.told(waits).unwrap();
        assert_eq!(socket.tcp_state, "SYN_SENT");
        assert_eq!(
            (
                socket.last_recv_ns,
                socket.last_send_ns,
                socket.bytes_received
            ),
            (None, None, None)
        );
        watched.once(id, |it| it.drops >= Some(1));
    }

    #[test]
    fn unix_and_udp_sockets_have_queues_and_no_state_of_tcp() {
        let mut watched = Watched::new();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"eleven byte").unwrap();
        let reader = watched.open(&theirs, Kind::Unix);
        let writer = watched.open(&ours, Kind::Unix);
        let socket = watched.told(reader).unwrap();
        assert_eq!(
            (socket.recvq, socket.tcp_state, socket.unsent),
            (Some(11), "", None)
        );
        assert!(watched.told(writer).unwrap().sendq >= Some(11));

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let id = watched.open(&listener, Kind::UnixListener);
        let _clients: Vec<_> = (0..4)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        let socket = watched.told(id).unwrap();
        assert_eq!((socket.acceptq, socket.recvq), (Some(4), None));
        assert!(socket.acceptq_limit >= Some(4));

        for address in ["127.0.0.1:0", "[::1]:0"] {
            let receiver = UdpSocket::bind(address).unwrap();
            let id = watched.open(&receiver, Kind::Udp);
            assert_eq!(watched.told(id).unwrap().recvq, Some(0));
            let sender = UdpSocket::bind(address).unwrap();
            sender
                .send_to(b"datagram", receiver.local_addr().unwrap())
                .unwrap();
            let socket = watched.once(id, |it| it.recvq >= Some(8));
            assert_eq!((socket.tcp_state, socket.drops), ("", Some(0)));
        }
    }

    #[test]
    fn a_number_that_stands_for_another_file_tells_nothing_of_it() {
        let (_listener, client, server) = connection("127.0.0.1:0");
        let mut watched = Watched::new();
        let mine = OwnedFd::from(client);
        let id = watched.open(&mine, Kind::Tcp);
        let inode = watched.told(id).unwrap().inode;
        // A duplicate keeps the registration, and the number is another socket's.
        let _duplicate = mine.try_clone().unwrap();
        crate::sys::replace(server.as_fd(), &mine).unwrap();
        assert_eq!(watched.told(id), None, "it was inode {inode}");
        // And what was closed as it should be has no row to be told of.
        let (other, _peer) = UnixStream::pair().unwrap();
        let other = watched.open(&other, Kind::Unix);
        assert!(watched.told(other).is_some());
        watched.descs.pop().unwrap().close();
        assert_eq!(watched.told(other), None);
    }

    #[test]
    fn what_is_no_socket_is_not_asked_about() {
        let mut watched = Watched::new();
        let (reader, _writer) = std::io::pipe().unwrap();
        let id = watched.open(&reader, Kind::Pipe);
        let mut reading = Reading::new(vec![watched.poller.clone()]);
        while reading.step() {}
        assert_eq!(reading.tries, 0);
        assert!(reading.diag.is_none());
        assert_eq!(reading.finish().of(&watched.poller, id), None);
    }
}
