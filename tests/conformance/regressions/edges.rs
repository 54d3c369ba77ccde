//! Public reports about the edges of the kernel's interface: names that fill all their room, errors
//! that are none, options.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use netpoller::net::{
    TcpListener, TcpStream, UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener,
    UnixStream,
};
use netpoller::{Counter, block_on_poller};
use netpoller_tests::{new_poller, until};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::ends;

/// The address of a path, also one that fills all 108 bytes, which std and socket2 refuse to make.
#[allow(unsafe_code, reason = "an address as only C makes them")]
fn address(path: &Path) -> SockAddr {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    let start = std::mem::offset_of!(libc::sockaddr_un, sun_path);
    // SAFETY: the storage is larger than a `sockaddr_un`, which is filled up to the length that is
    // said.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = &mut *storage.cast::<libc::sockaddr_un>();
            address.sun_family = libc::AF_UNIX as libc::sa_family_t;
            assert!(bytes.len() <= address.sun_path.len());
            for (to, from) in address.sun_path.iter_mut().zip(bytes) {
                *to = *from as libc::c_char;
            }
            *length = (start + bytes.len()) as libc::socklen_t;
            Ok(())
        })
    }
    .unwrap();
    address
}

/// Two paths in `folder` that fill the room for them: with a NUL behind, and without.
fn long_names(folder: &Path) -> [PathBuf; 2] {
    [107, 108].map(|length| {
        let used = folder.as_os_str().len() + 1;
        folder.join("x".repeat(length - used))
    })
}

/// A socket of that type, bound to `path`.
fn bound(ty: Type, path: &Path) -> Socket {
    let socket = Socket::new(Domain::UNIX, ty, None).unwrap();
    socket.bind(&address(path)).unwrap();
    socket
}

#[test]
fn issue_mio_2008_a_peer_whose_name_fills_all_the_room_is_accepted_and_its_datagram_received() {
    let scratch = tempfile::tempdir().unwrap();
    let poller = new_poller();
    let _entered = poller.enter();
    let at = |name: &str| scratch.path().join(name);
    let listener = UnixListener::bind(at("listener")).unwrap();
    let packets = UnixSeqpacketListener::bind(at("packets")).unwrap();
    let datagrams = UnixDatagram::bind(at("datagrams")).unwrap();
    for (turn, name) in long_names(scratch.path()).iter().enumerate() {
        block_on_poller(&poller, async {
            let stream = bound(Type::STREAM, name);
            stream.connect(&address(&at("listener"))).unwrap();
            let (accepted, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.as_pathname(), Some(name.as_path()), "as Go has it");
            assert_eq!(
                accepted.peer_addr().unwrap().as_pathname(),
                Some(name.as_path())
            );
            std::fs::remove_file(name).unwrap();

            let stream = bound(Type::STREAM, name);
            stream.connect(&address(&at("listener"))).unwrap();
            let (_accepted, peer) = listener.incoming().accept().await.unwrap();
            assert_eq!(peer.as_pathname(), Some(name.as_path()));
            std::fs::remove_file(name).unwrap();

            let packet = bound(Type::SEQPACKET, name);
            packet.connect(&address(&at("packets"))).unwrap();
            let accepted = packets.accept().await.unwrap();
            assert_eq!(
                accepted.peer_addr().unwrap().as_pathname(),
                Some(name.as_path())
            );
            std::fs::remove_file(name).unwrap();

            let sender = bound(Type::DGRAM, name);
            sender
                .send_to(b"first", &address(&at("datagrams")))
                .unwrap();
            sender
                .send_to(b"second", &address(&at("datagrams")))
                .unwrap();
            let mut buf = [0; 16];
            for expected in [&b"first"[..], b"second"] {
                let (n, from) = datagrams.recv_from(&mut buf).await.unwrap();
                assert_eq!(&buf[..n], expected);
                // std makes no such address of a path, so the longest one comes without its name.
                let known = (turn == 0).then_some(name.as_path());
                assert_eq!(from.as_pathname(), known);
            }
            std::fs::remove_file(name).unwrap();
        });
    }
}

#[test]
fn a_name_of_its_own_that_fills_all_the_room_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let poller = new_poller();
    for name in &long_names(scratch.path()) {
        let (socket, _peer) = {
            let listener = bound(Type::STREAM, name);
            listener.listen(1).unwrap();
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.connect(&address(name)).unwrap();
            (listener.accept().unwrap().0, client)
        };
        let std_stream = std::os::unix::net::UnixStream::from(OwnedFd::from(socket));
        let stream = poller
            .in_scope(|| UnixStream::from_std(std_stream))
            .unwrap();
        assert_eq!(
            stream.local_addr().unwrap().as_pathname(),
            Some(name.as_path())
        );
    }
}

#[test]
fn issue_bun_37002_a_path_with_a_nul_within_is_refused_wherever_a_path_is_taken() {
    let scratch = tempfile::tempdir().unwrap();
    let poller = new_poller();
    let _entered = poller.enter();
    let cut = scratch.path().join("a");
    // Whoever cuts the path at the NUL finds this one.
    let _listener = UnixListener::bind(&cut).unwrap();
    let path = scratch.path().join("a\0.x");
    let (gram, _peer) = UnixDatagram::pair().unwrap();
    let errors = block_on_poller(&poller, async {
        [
            ("listen", UnixListener::bind(&path).map(drop)),
            ("packets", UnixSeqpacketListener::bind(&path).map(drop)),
            ("bind", UnixDatagram::bind(&path).map(drop)),
            ("connect", UnixStream::connect(&path).await.map(drop)),
            ("packet", UnixSeqpacket::connect(&path).await.map(drop)),
            ("datagram", gram.connect(&path)),
            ("send", gram.send_to(b"x", &path).await.map(drop)),
        ]
    });
    for (what, result) in errors {
        let error = result.expect_err(what);
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::InvalidInput,
            "{what}: {error}"
        );
        assert!(error.to_string().contains("NUL"), "{what}: {error}");
    }

    // A NUL in front makes an abstract name, in which others may follow.
    let name = format!(
        "\0netpoller-{}\0-{}",
        std::process::id(),
        scratch.path().display()
    );
    let listener = UnixListener::bind(&name).unwrap();
    block_on_poller(&poller, async {
        let client = UnixStream::connect(&name).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0; 2]).await.unwrap(), 1);
    });
}

/// Lets the kernel tell in the error queue when each write has left.
#[allow(unsafe_code, reason = "an option that no library sets")]
fn timestamps(socket: &impl AsRawFd) {
    let flags: libc::c_uint = libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    // SAFETY: the pointer is valid for the length that is said.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            (&raw const flags).cast(),
            size_of_val(&flags) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn issue_ntpd_rs_630_a_reader_gets_its_bytes_after_timestamps_came_and_no_room_to_send() {
    let poller = new_poller();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    timestamps(&client);
    let raw = client.try_clone().unwrap();
    let stream = poller.in_scope(|| TcpStream::from_std(client)).unwrap();
    let errors = || poller.stats().counter(Counter::EventsErr);
    let waiting = poller.clone();
    let reader = std::thread::spawn(move || {
        ends(move || {
            block_on_poller(&waiting, async {
                let first = stream.read(&mut [0; 16]).await;
                (first, stream.read(&mut [0; 16]).await)
            })
        })
    });
    until("the reader is parked", || poller.waiters() == 1);
    // As much as there is room for: nobody reads it.
    while (&raw).write(&[0; 65536]).is_ok() {}
    until("an error is told", || errors() > 0);
    peer.write_all(b"hello").unwrap();
    // The reader may be woken by the error, and must not take it for one.
    until("the first read is over", || {
        poller.stats().counter(Counter::OpReadOk) >= 1 || reader.is_finished()
    });
    peer.write_all(b"again").unwrap();
    let (first, second) = reader.join().unwrap();
    assert!(first.unwrap() > 0 && second.unwrap() > 0);
}

#[test]
fn connections_send_at_once_and_ask_a_silent_peer_as_in_go() {
    let poller = new_poller();
    let bound = poller
        .in_scope(|| TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let adopted = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let adopted = block_on_poller(&poller, async { TcpListener::from_std(adopted) });
    let adopted = adopted.unwrap();
    for listener in [bound, adopted] {
        block_on_poller(&poller, async {
            let address = listener.local_addr().unwrap();
            let dialled = TcpStream::connect(address).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            for stream in [&dialled, &accepted] {
                stream
                    .with_options(|socket: SockRef<'_>| {
                        assert!(socket.tcp_nodelay()?);
                        assert!(socket.keepalive()?);
                        let quarter = Duration::from_secs(15);
                        assert_eq!(socket.tcp_keepalive_time()?, quarter);
                        assert_eq!(socket.tcp_keepalive_interval()?, quarter);
                        assert_eq!(socket.tcp_keepalive_retries()?, 9);
                        Ok(())
                    })
                    .unwrap();
                stream.set_nodelay(false).unwrap();
                let nodelay = stream.with_options(|socket| socket.tcp_nodelay()).unwrap();
                assert!(!nodelay, "whoever asks for it gets the kernel's own way");
            }
        });
    }
}
