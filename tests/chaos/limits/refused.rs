//! System calls that the kernel refuses, on one thread.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use netpoller::net::{TcpStream, UdpSocket, UnixStream};
use netpoller::pollable::Pollable;
use netpoller::view::{Reader, Sockets};
use netpoller::{Poller, block_on_poller};
use netpoller_tests::{
    Lane, assert_errno, errno, loopback, new_poller, seccomp, tcp_pair, unix_pair,
};

#[test]
fn pitfall_18_no_watches_left_is_an_error_that_leaves_the_descriptor_to_the_caller() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        seccomp::refuse(libc::SYS_epoll_ctl, libc::ENOSPC).unwrap();
        let _entered = poller.enter();

        let netpoller::NotRegistered {
            inner: stream,
            error,
        } = TcpStream::from_std(stream).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let text = error.to_string();
        assert!(
            text.contains("fs.epoll.max_user_watches"),
            "says what to do: {text}"
        );
        stream.peer_addr().expect("still open and the caller's");

        let refused = Pollable::new(a).unwrap_err();
        assert!(
            refused.to_string().contains("max_user_watches"),
            "{refused}"
        );
        std::io::Write::write_all(&mut &refused.inner, b"x").unwrap();
        assert_eq!(std::io::Read::read(&mut &b, &mut [0; 8]).unwrap(), 1);

        for error in [
            UnixStream::pair().unwrap_err(),
            UdpSocket::bind(loopback()).unwrap_err(),
            netpoller::net::TcpListener::bind(loopback()).unwrap_err(),
        ] {
            assert!(error.to_string().contains("max_user_watches"), "{error}");
        }
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        assert!(block_on_poller(&poller, connecting).is_err());
    })
    .join();
}

#[test]
fn without_epoll_pwait2_deadlines_go_by_milliseconds_and_are_never_early() {
    Lane::start(|| {
        // As on a kernel before 5.11, and as under some container runtimes.
        seccomp::refuse(libc::SYS_epoll_pwait2, libc::EPERM).unwrap();
        let poller = new_poller();
        block_on_poller(&poller, async {
            let (a, _b) = unix_pair(&poller);
            for micros in [1, 200, 999, 1000, 1001, 1999, 2500, 10_000] {
                let deadline = Instant::now() + Duration::from_micros(micros);
                a.set_read_deadline(Some(deadline)).unwrap();
                netpoller_tests::assert_timeout(a.read(&mut [0]).await);
                assert!(Instant::now() >= deadline, "early: {micros} µs");
            }
        });
    })
    .join();
}

#[test]
fn a_poller_that_cannot_be_made_says_why() {
    Lane::start(|| {
        seccomp::refuse(libc::SYS_eventfd2, libc::EMFILE).unwrap();
        let error = Poller::builder().build().unwrap_err();
        assert_eq!(errno(&error), Some(libc::EMFILE));
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    })
    .join();
}

#[test]
fn errors_of_read_and_write_are_the_kernels_own() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, _b) = tcp_pair(&poller);
        seccomp::refuse(libc::SYS_recvfrom, libc::EIO).unwrap();
        seccomp::refuse(libc::SYS_sendto, libc::ENOBUFS).unwrap();
        assert_errno(block_on_poller(&poller, a.read(&mut [0])), libc::EIO);
        assert_errno(block_on_poller(&poller, a.write(b"x")), libc::ENOBUFS);
        // Others have their turn afterwards.
        assert_errno(block_on_poller(&poller, a.read(&mut [0])), libc::EIO);
        assert_eq!(poller.waiters(), 0);
    })
    .join();
}

#[test]
fn where_the_kernel_may_not_be_asked_about_sockets_rows_come_without_and_it_is_said_why() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, _b) = tcp_pair(&poller);
        let read = || Sockets::read(vec![poller.clone()]);
        let told = read();
        assert_eq!(told.error(), "");
        let row = |told: Sockets| {
            let mut reader = Reader::new();
            reader.sockets(Some(told.into()));
            let rows = reader.snapshot(&poller).rows;
            let local = a.local_addr().unwrap().to_string();
            rows.into_iter().find(|row| *row.local == *local).unwrap()
        };
        assert_eq!(row(told).socket.unwrap().tcp_state, "ESTABLISHED");

        // As under a container runtime that does not let netlink through.
        seccomp::refuse_first(libc::SYS_socket, libc::AF_NETLINK, libc::EPERM).unwrap();
        let refused = read();
        let error = refused.error();
        assert!(
            error.contains("TCP over IPv4") && error.contains("not permitted"),
            "{error}"
        );
        assert_eq!(row(refused).socket, None);
    })
    .join();
}
