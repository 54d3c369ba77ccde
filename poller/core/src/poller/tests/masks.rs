//! What the real kernel reports under which condition, and what the poller makes of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use socket2::{Domain, SockRef, Socket, Type};

use super::*;

/// A descriptor on a poller of its own.
struct Watched {
    poller: Poller,
    desc: Desc,
}

impl Watched {
    #[track_caller]
    fn new(fd: impl AsFd, kind: Kind) -> Self {
        let poller = Poller::builder().build().unwrap();
        let desc = poller.open(fd.as_fd(), kind).unwrap();
        Self { poller, desc }
    }

    /// Past the edge that follows registration.
    #[track_caller]
    fn settled(fd: impl AsFd, kind: Kind) -> Self {
        let watched = Self::new(fd, kind);
        poll_now(&watched.poller);
        for direction in Direction::ALL {
            let _ = watched.desc.reset(direction);
        }
        watched
    }

    /// Polls until the last event is `mask`, and tells who became ready: reader, writer, and
    /// whether the descriptor is in the error state.
    #[track_caller]
    fn expect(&self, mask: i32) -> (bool, bool, bool) {
        let mut ready = ReadyList::default();
        let give_up = Instant::now() + Duration::from_secs(10);
        while self.desc.last_events() != mask as u32 {
            self.poller
                .poll(Some(Duration::from_millis(20)), &mut ready)
                .unwrap();
            let last = crate::sys::mask_names(self.desc.last_events());
            let wanted = crate::sys::mask_names(mask as u32);
            assert!(Instant::now() < give_up, "got {last}, want {wanted}");
        }
        let ready = |direction| state(&self.desc, direction) == State::Ready;
        (ready(Read), ready(Write), self.desc.info_has_error())
    }
}

impl Desc {
    fn info_has_error(&self) -> bool {
        self.slot.info().event_err()
    }
}

const BOTH: (bool, bool, bool) = (true, true, false);
const WRITER: (bool, bool, bool) = (false, true, false);

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

fn pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    std::io::pipe().unwrap()
}

fn fill(writer: &mut std::io::PipeWriter) {
    let fd = writer.as_fd().try_clone_to_owned().unwrap();
    Socket::from(fd).set_nonblocking(true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
}

#[test]
fn tcp_connected_then_data_then_half_close_then_both_shut() {
    let (a, mut b) = tcp_pair();
    let watched = Watched::new(&a, Kind::Tcp);
    assert_eq!(watched.expect(OUT), WRITER);
    b.write_all(b"x").unwrap();
    assert_eq!(watched.expect(IN | OUT), BOTH);
    b.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watched.expect(IN | OUT | RDHUP), BOTH);
    a.shutdown(Shutdown::Write).unwrap();
    assert_eq!(watched.expect(IN | OUT | HUP | RDHUP), BOTH);
}

#[test]
fn semantics_27_an_inbound_byte_tells_the_writer_too() {
    let (a, mut b) = tcp_pair();
    let watched = Watched::settled(&a, Kind::Tcp);
    let mut writer = Waiting::parked(&watched.desc, Write);
    b.write_all(b"x").unwrap();
    assert_eq!(watched.expect(IN | OUT), (true, true, false));
    assert_eq!(writer.poll(), OK, "woken for nothing, which it must bear");
}

#[test]
fn tcp_reset_is_no_error_state() {
    let (a, b) = tcp_pair();
    let watched = Watched::settled(&a, Kind::Tcp);
    SockRef::from(&b).set_linger(Some(Duration::ZERO)).unwrap();
    drop(b);
    assert_eq!(watched.expect(IN | OUT | ERR | HUP | RDHUP), BOTH);
}

#[test]
fn tcp_not_connected_says_so_once_and_a_refused_connect_is_no_error_state() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let watched = Watched::new(&socket, Kind::Tcp);
    assert_eq!(watched.expect(OUT | HUP), BOTH);
    for direction in Direction::ALL {
        assert_eq!(watched.desc.reset(direction), Ok(true));
    }
    poll_now(&watched.poller);
    assert_eq!(watched.desc.reset(Read), Ok(false), "once");
    // A port that was just given back, so that nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut ready = ReadyList::default();
    let refused = socket.connect(&nobody.into()).is_err();
    assert!(refused);
    while state(&watched.desc, Write) != State::Ready {
        watched
            .poller
            .poll(Some(Duration::from_secs(10)), &mut ready)
            .unwrap();
    }
    let mask = watched.desc.last_events() as i32;
    assert_eq!(mask & (IN | OUT | HUP), IN | OUT | HUP);
    assert!(!watched.desc.info_has_error());
}

#[test]
fn unix_stream_whose_peer_closed() {
    let (a, b) = UnixStream::pair().unwrap();
    let watched = Watched::settled(&a, Kind::Unix);
    drop(b);
    assert_eq!(watched.expect(IN | OUT | HUP | RDHUP), BOTH);
}

#[test]
fn pipe_whose_writer_closed_is_hung_up() {
    let (reader, writer) = pipe();
    let watched = Watched::settled(&reader, Kind::Pipe);
    drop(writer);
    assert_eq!(watched.expect(HUP), BOTH);
}

#[test]
fn pipe_whose_reader_closed_is_in_the_error_state_only_when_full() {
    let (reader, writer) = pipe();
    let watched = Watched::settled(&writer, Kind::Pipe);
    drop(reader);
    assert_eq!(watched.expect(OUT | ERR), (true, true, false));
    assert_eq!(watched.desc.check(Read), Ok(()));

    let (mut reader, mut writer) = pipe();
    fill(&mut writer);
    let watched = Watched::settled(&writer, Kind::Pipe);
    // A read that leaves it full enough changes nothing for the writer.
    reader.read_exact(&mut [0]).unwrap();
    drop(reader);
    assert_eq!(watched.expect(ERR), (true, true, true));
    assert_eq!(watched.desc.check(Read), Err(Error::NotPollable));
    assert_eq!(watched.desc.check(Write), Ok(()), "the write says EPIPE");
}

#[test]
fn what_epoll_does_not_take_is_refused_with_eperm() {
    let poller = Poller::builder().build().unwrap();
    let executable = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    for file in [executable, null] {
        let error = poller.open(file.as_fd(), Kind::Other).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }
    assert_eq!(count(&poller, Counter::RegisterEperm), 2);
}

#[test]
fn what_is_closed_is_refused_with_ebadf() {
    let poller = Poller::builder().build().unwrap();
    let error = poller
        .open_at(i32::MAX, Kind::Other, Location::caller())
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    assert_eq!(count(&poller, Counter::RegisterEbadf), 1);
}

#[test]
fn the_instance_reports_in_the_order_of_readiness() {
    let poller = Poller::builder().build().unwrap();
    let pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().unwrap()).collect();
    let descs: Vec<_> = pairs
        .iter()
        .map(|(a, _)| poller.open(a.as_fd(), Kind::Unix).unwrap())
        .collect();
    poll_now(&poller);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waits = Vec::new();
    for (index, desc) in descs.iter().enumerate() {
        let order = order.clone();
        let mut waiting = Waiting::new(desc, Read);
        let waker = waker(move || order.lock().unwrap().push(index));
        assert_eq!(waiting.poll_with(&waker), Poll::Pending);
        waits.push(waiting);
    }
    for index in [2, 0, 3, 1] {
        (&pairs[index].1).write_all(b"x").unwrap();
    }
    poll_now(&poller);
    assert_eq!(*order.lock().unwrap(), [2, 0, 3, 1]);
    let _: Vec<OwnedFd> = pairs.into_iter().map(|(a, _)| a.into()).collect();
}
