//! Wrong use: the error names the descriptor or the address, and says what to do.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use netpoller::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use netpoller::pollable::Pollable;
use netpoller::{Direction, Error, Kind, Poller};
use netpoller_tests::{
    assert_closed, assert_errno, is_parked, loopback, new_poller, run, tcp_pair,
};
use socket2::SockRef;

#[test]
fn an_address_in_use_is_named_with_a_remedy() {
    let poller = new_poller();
    let _entered = poller.enter();
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let error = TcpListener::bind(address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("choose another port"),
        "{text}"
    );

    let socket = UdpSocket::bind(loopback()).unwrap();
    let address = socket.local_addr().unwrap();
    let text = UdpSocket::bind(address).unwrap_err().to_string();
    assert!(text.contains(&address.to_string()), "{text}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let text = UnixListener::bind(&path).unwrap_err().to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
}

#[test]
fn a_name_without_address_and_a_path_that_is_too_long_are_errors() {
    let poller = new_poller();
    let _entered = poller.enter();
    let none: &[std::net::SocketAddr] = &[];
    let error = TcpListener::bind(none).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let long = std::path::PathBuf::from("/tmp/".to_owned() + &"x".repeat(200));
    let error = UnixListener::bind(&long).unwrap_err();
    assert!(error.to_string().contains("xxx"), "{error}");
    run(async move |_| {
        let error = UnixStream::connect(&long).await.unwrap_err();
        assert!(error.to_string().contains("xxx"), "{error}");
    });
}

#[test]
fn a_path_that_nobody_listens_at_is_named() {
    run(async |_| {
        let error = UnixStream::connect("/nonexistent/socket")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent/socket"), "{error}");
    });
}

#[test]
fn a_second_registration_names_the_descriptor_and_a_remedy() {
    let poller = new_poller();
    let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
    let _desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    let error = poller.open(a.as_fd(), Kind::Unix).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    let text = error.to_string();
    assert!(
        text.contains(&format!("descriptor {}", a.as_raw_fd())),
        "{text}"
    );
    assert!(
        text.contains("registered already") && text.contains(poller.name()),
        "{text}"
    );
}

#[test]
fn pitfall_18_a_refused_descriptor_stays_the_callers_open_and_unchanged() {
    let poller = new_poller();
    let _entered = poller.enter();
    // A regular file dressed up as a socket: epoll refuses it, and so must everybody who takes
    // descriptors over.
    let file = tempfile::tempfile().unwrap();
    let number = file.as_raw_fd();
    let stream = std::net::TcpStream::from(OwnedFd::from(file));
    let netpoller::NotRegistered {
        inner: stream,
        error,
    } = TcpStream::from_std(stream).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    let text = error.to_string();
    assert!(text.contains(&format!("descriptor {number}")), "{text}");
    assert!(text.contains("regular file"), "{text}");
    assert_eq!(stream.as_raw_fd(), number);
    assert!(
        !SockRef::from(&stream).nonblocking().unwrap(),
        "its flags are as they were"
    );
    let file = std::fs::File::from(OwnedFd::from(stream));
    assert_eq!(file.metadata().unwrap().len(), 0, "it is open");

    let refused = Pollable::new(file).unwrap_err();
    assert!(refused.to_string().contains("never blocks"), "{refused}");
    assert!(!SockRef::from(&refused.inner).nonblocking().unwrap());

    let refused = netpoller::pipe::PipeReader::from_owned_fd(refused.inner.into()).unwrap_err();
    let fd = refused.inner;
    assert!(!SockRef::from(&fd).nonblocking().unwrap());
}

#[test]
fn everything_after_close_says_closed() {
    run(async |poller: Poller| {
        let (a, _b) = tcp_pair(&poller);
        a.close().unwrap().await;
        assert_closed(a.close().map(drop));
        assert_closed(a.read(&mut [0]).await);
        assert_closed(a.write(b"x").await);
        assert_closed(a.write_all(b"x").await.map_err(std::io::Error::from));
        assert_closed(a.readable().await);
        assert_closed(a.set_deadline(None));
        assert_closed(a.set_nodelay(true));
        assert_closed(a.shutdown(std::net::Shutdown::Both));
        assert_closed(a.local_addr());
        assert_closed(a.peer_addr());
        assert_closed(a.duplicate());
        assert!(a.into_owned_fd().is_none());
        let error = std::io::Error::from(Error::Closed);
        assert!(
            error.to_string().contains("closed by this program"),
            "{error}"
        );
    });
}

#[test]
fn semantics_22_two_waits_in_one_direction_of_a_pollable_are_refused_by_name() {
    use std::io::Read;
    run(async |poller: Poller| {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let a = Pollable::new(a).unwrap();
        let mut first = Box::pin(a.read_with(|mut a| a.read(&mut [0])));
        assert!(is_parked(&mut first).await);
        let error = a.read_with(|mut a| a.read(&mut [0])).await.unwrap_err();
        assert_eq!(Error::of(&error), Some(Error::Busy));
        assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
        // The first one waits on, and the place is free once it is gone.
        assert_eq!(poller.waiters(), 1);
        drop(first);
        let mut second = Box::pin(a.read_with(|mut a| a.read(&mut [0])));
        assert!(is_parked(&mut second).await);
    });
}

#[test]
fn a_poller_name_that_is_no_label_is_refused_with_the_rule() {
    for name in ["", "Upper", "with space", &"x".repeat(33)] {
        let error = Poller::builder().name(name).build().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("1 to 32 characters"), "{error}");
    }
}

#[test]
fn a_descriptor_of_the_wrong_kind_fails_in_the_call_not_in_the_poller() {
    run(async |_| {
        let (read, _write) = std::io::pipe().unwrap();
        let stream = std::net::TcpStream::from(OwnedFd::from(read));
        let stream = TcpStream::from_std(stream).unwrap();
        assert_errno(stream.read(&mut [0]).await, libc::ENOTSOCK);
        assert_eq!(stream.queued(Direction::Read), 0);
    });
}

#[test]
fn what_is_not_taken_over_is_an_io_error_for_who_has_no_use_for_it() {
    fn take(file: std::fs::File) -> std::io::Result<()> {
        let stream = std::net::TcpStream::from(OwnedFd::from(file));
        drop(TcpStream::from_std(stream)?);
        Ok(())
    }
    let error = take(tempfile::tempfile().unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("regular file"), "{error}");
}

#[test]
fn connect_takes_names_and_several_addresses_and_says_what_is_neither() {
    run(async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        for to in [addr.to_string(), format!("localhost:{}", addr.port())] {
            let stream = TcpStream::connect(&to).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addr, "{to}");
        }
        // The first that answers: nobody listens at port 1.
        let nobody = "127.0.0.1:1".parse().unwrap();
        let stream = TcpStream::connect(&[nobody, addr][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        let error = TcpStream::connect("there is no port").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("host:port"), "{error}");
        let none: [std::net::SocketAddr; 0] = [];
        assert!(TcpStream::connect(&none[..]).await.is_err());
        let by = std::time::Instant::now();
        let late = TcpStream::connect_by(("localhost", addr.port()), by).await;
        assert_eq!(late.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    });
}
