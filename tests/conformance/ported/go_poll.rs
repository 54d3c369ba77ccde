//! Go's internal/poll: ends, errors, special files, slices that are consumed.

use std::fs::File;
use std::io::{IoSlice, Read};
use std::time::Duration;

use netpoller::net::{UdpSocket, UnixDatagram, UnixSeqpacket};
use netpoller::pipe::pipe;
use netpoller::pollable::Pollable;
use netpoller::{Counter, Error, Poller, block_on};
use netpoller_tests::{
    Lane, assert_closed, assert_errno, errno, loopback, pause, run, tcp_pair, unix_pair,
};

use super::support::{broken, broken_pipe};

/// How often reads ended with bytes, with the end, and with an error.
fn ends(poller: &Poller) -> [u64; 3] {
    let stats = poller.stats();
    [Counter::OpReadOk, Counter::OpReadEof, Counter::OpReadError]
        .map(|counter| stats.counter(counter))
}

/// Go internal/poll/fd_posix_test.go TestEOFError: nothing read is the end of a stream and an empty
/// datagram elsewhere; bytes are never the end; and an error is the error that it is, not the end.
#[test]
fn eof_error() {
    run(async |poller: Poller| {
        let mut buf = [0; 100];
        let (a, b) = unix_pair(&poller);
        b.write_all(&[1; 100]).await.unwrap();
        assert_eq!(a.read(&mut buf).await.unwrap(), 100);
        assert_eq!(ends(&poller), [1, 0, 0]);
        drop(b);
        assert_eq!(a.read(&mut buf).await.unwrap(), 0);
        assert_eq!(ends(&poller), [1, 1, 0], "the end");
        a.close().unwrap().await;
        assert_closed(a.read(&mut buf).await);
        assert_eq!(ends(&poller), [1, 1, 0], "closed is counted on its own");

        let (reader, writer) = pipe().unwrap();
        drop(writer);
        assert_eq!(reader.read(&mut buf).await.unwrap(), 0);
        assert_eq!(ends(&poller), [1, 2, 0], "the end of a pipe");

        let (a, b) = UnixDatagram::pair().unwrap();
        for n in [0, 100] {
            b.send(&buf[..n]).await.unwrap();
            assert_eq!(a.recv(&mut buf).await.unwrap(), n);
        }
        assert_eq!(ends(&poller), [3, 2, 0], "datagrams have no end");

        let nobody = UdpSocket::bind(loopback()).unwrap();
        let a = UdpSocket::bind(loopback()).unwrap();
        a.connect(nobody.local_addr().unwrap()).unwrap();
        nobody.close().unwrap().await;
        a.send(b"x").await.unwrap();
        assert_errno(a.recv(&mut buf).await, libc::ECONNREFUSED);
        assert_eq!(ends(&poller), [3, 2, 1], "an error is no end");

        let (a, b) = UnixSeqpacket::pair().unwrap();
        drop(b);
        assert_eq!(a.recv(&mut buf).await.unwrap(), 0);
        let (a, _b) = tcp_pair(&poller);
        assert_eq!(a.read(&mut []).await.unwrap(), 0);
        assert_eq!(ends(&poller)[1], 2, "no bytes wanted is no end either");
    });
}

/// Go internal/poll/error_test.go TestReadError: to read what has nothing but an error to tell of
/// fails, with the kernel's error or as not pollable, and does not hang; whether its event has come
/// by then or not.
#[test]
fn read_error() {
    run(async |poller: Poller| {
        for make in [broken, broken_pipe] {
            for settled in [false, true] {
                let broken = make();
                let file = Pollable::new(broken.file).unwrap();
                if settled {
                    pause(&poller, Duration::from_millis(1)).await;
                }
                let result = file.read_with(|mut file| file.read(&mut [0; 1])).await;
                let error = result.expect_err(broken.what);
                let kernel = errno(&error);
                assert!(
                    Error::of(&error) == Some(Error::NotPollable)
                        || [Some(libc::EBADFD), Some(libc::EBADF)].contains(&kernel),
                    "{}: {error}",
                    broken.what
                );
            }
        }
    });
}

/// Go internal/poll/error_test.go TestReadError, with a call that finds nothing to read: the wait
/// behind it says not pollable, whichever of error and wait comes first (semantics 24, 25).
#[test]
fn read_error_of_a_wait() {
    run(async |_| {
        for make in [broken, broken_pipe] {
            let broken = make();
            let file = Pollable::new(broken.file).unwrap();
            for _ in 0..3 {
                let again = |_: &File| Err::<(), _>(std::io::ErrorKind::WouldBlock.into());
                let error = file.read_with(again).await.unwrap_err();
                assert_eq!(
                    Error::of(&error),
                    Some(Error::NotPollable),
                    "{}",
                    broken.what
                );
            }
        }
    });
}

/// Go internal/poll/read_test.go TestRead: special files, which epoll takes or not, are read to
/// their end by many at a time.
#[test]
fn read_of_special_files() {
    let paths = [
        "/dev/null",
        "/proc/stat",
        "/sys/devices/system/cpu/online",
        "/proc/self/mounts",
    ];
    let lanes: Vec<_> = paths
        .into_iter()
        .filter(|path| File::open(path).is_ok())
        .flat_map(|path| [path; 4])
        .map(|path| {
            Lane::start(move || {
                for _ in 0..100 {
                    let file = Pollable::new_or_plain(File::open(path).unwrap()).unwrap();
                    let mut bytes = 0;
                    loop {
                        let mut buf = [0; 4096];
                        let read = file.read_with(|mut file| file.read(&mut buf));
                        match block_on(read).unwrap_or_else(|e| panic!("{path}: {e}")) {
                            0 => break,
                            n => bytes += n,
                        }
                    }
                    assert_eq!(bytes == 0, path == "/dev/null", "{path}");
                }
            })
        })
        .collect();
    assert!(lanes.len() >= 12, "these files are everywhere");
    lanes.into_iter().for_each(Lane::join);
}

/// Go internal/poll/writev_test.go TestConsume: what a vectored write has taken is taken off the
/// front, in the middle of a slice as well, and the rest goes out with the next; empty slices do
/// not stop it.
#[test]
fn consume() {
    run(async |_| {
        let (reader, writer) = pipe().unwrap();
        let data: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let expected = data.clone();
        let reading = Lane::start(move || {
            block_on(async {
                let mut received = Vec::new();
                let mut buf = [0; 3001];
                loop {
                    match reader.read(&mut buf).await.unwrap() {
                        0 => return received,
                        n => received.extend_from_slice(&buf[..n]),
                    }
                }
            })
        });
        let mut slices: Vec<_> = data
            .chunks(777)
            .flat_map(|chunk| [IoSlice::new(&[]), IoSlice::new(chunk)])
            .collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let n = writer.write_vectored(rest).await.unwrap();
            assert!(n > 0);
            IoSlice::advance_slices(&mut rest, n);
        }
        drop(writer);
        assert_eq!(reading.join(), expected);
    });
}
