//! No error path keeps a descriptor. In a process of its own, so that nobody else opens any.

use std::pin::pin;

use netpoller::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use netpoller::pipe::{PipeReader, PipeWriter, pipe};
use netpoller::pollable::Pollable;
use netpoller::{Poller, block_on};
use netpoller_tests::{is_parked, loopback, new_poller, past, tcp_pair};

/// Open descriptors of this process.
fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Runs `work` twice, the first time for whatever is made once, and fails if the second time leaves
/// a descriptor open.
#[track_caller]
fn keeps_none(what: &str, work: impl Fn()) {
    work();
    let before = open();
    work();
    assert_eq!(open(), before, "{what} keeps a descriptor");
}

#[test]
fn no_path_leaks_a_descriptor() {
    if !netpoller_tests::is_alone("leaks::no_path_leaks_a_descriptor") {
        return;
    }
    let poller = new_poller();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let refusing = std::net::TcpListener::bind(loopback())
        .unwrap()
        .local_addr()
        .unwrap();

    keeps_none("a poller", || drop(new_poller()));
    keeps_none("a nested poller", || new_poller().nest().unwrap());
    keeps_none("a name that is refused", || {
        drop(Poller::builder().name("NO").build().unwrap_err())
    });
    keeps_none("an address in use", || {
        drop(TcpListener::bind(address).unwrap_err())
    });
    keeps_none("a UDP address in use", || {
        let socket = poller.in_scope(|| UdpSocket::bind(loopback())).unwrap();
        poller
            .in_scope(|| UdpSocket::bind(socket.local_addr().unwrap()))
            .unwrap_err();
    });
    keeps_none("a path in use", || {
        let _listener = UnixListener::bind(&path).unwrap();
        UnixListener::bind(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
    });
    keeps_none("a refused connection", || {
        block_on(TcpStream::connect(refusing)).unwrap_err();
    });
    keeps_none("a path without listener", || {
        block_on(UnixStream::connect(&path)).unwrap_err();
    });
    keeps_none("a connection that came too late", || {
        block_on(TcpStream::connect_by(address, past().unwrap())).unwrap_err();
    });
    keeps_none("a connection that was given up", || {
        block_on(async {
            let mut connect = pin!(TcpStream::connect(address));
            let _ = is_parked(&mut connect).await;
        });
        block_on(async { drop(listener.accept().await.unwrap()) });
    });
    keeps_none("an accept loop", || {
        let _client = std::net::TcpStream::connect(address).unwrap();
        let mut incoming = listener.incoming();
        block_on(async { drop(incoming.accept().await.unwrap()) });
    });
    keeps_none("a close with a read under way", || {
        let (a, _b) = tcp_pair(&poller);
        netpoller::block_on_poller(&poller, async {
            let mut buf = [0];
            let mut read = Box::pin(a.read(&mut buf));
            assert!(is_parked(&mut read).await);
            let closed = a.close().unwrap();
            read.await.unwrap_err();
            closed.await;
        });
    });
    keeps_none("a close that is never awaited", || {
        let (a, _b) = tcp_pair(&poller);
        a.close().unwrap();
    });
    keeps_none("into_owned_fd", || {
        let (a, b) = tcp_pair(&poller);
        drop(a.into_owned_fd().unwrap());
        drop(b.duplicate().unwrap());
    });
    keeps_none("pipes", || drop(pipe().unwrap()));
    keeps_none("a FIFO that is none", || {
        PipeReader::open("/dev/null").unwrap_err();
        PipeWriter::open(dir.path()).unwrap_err();
    });
    keeps_none("a file that is refused", || {
        let file = tempfile::tempfile().unwrap();
        let refused = poller.in_scope(|| Pollable::new(file)).unwrap_err();
        drop(Pollable::new_or_plain(refused.inner).unwrap());
    });
    keeps_none("a runtime", || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async { tcp_pair(&poller) });
    });
    keeps_none("a runtime without I/O", || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(async { poller.in_scope(|| TcpListener::bind(loopback())) })
            .unwrap_err();
    });
    keeps_none("a thread driver", || {
        drop(netpoller::driver::ThreadDriver::start(&poller).unwrap());
    });
    keeps_none("sleeps", || {
        block_on(netpoller::time::sleep(std::time::Duration::from_micros(1)));
    });
}
