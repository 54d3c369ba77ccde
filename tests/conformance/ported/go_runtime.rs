//! Go's tests of the runtime itself: breaking a poll, counting waiters, who comes first, signals.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Barrier, LazyLock};
use std::time::{Duration, Instant};

use netpoller::net::{TcpListener, TcpStream};
use netpoller::pipe::pipe;
use netpoller::{Counter, Poller, ReadyList, block_on};
use netpoller_tests::{
    LIMIT, Lane, assert_timeout, loopback, new_poller, run, tcp_pair, unix_pair, until,
};

use super::support::{Storm, flags, in_a_process};

/// Go runtime/proc_test.go TestNetpollBreak: a poll of ten seconds ends when it is broken, though
/// somebody else polls all the time and could take the break for himself.
#[test]
fn netpoll_break() {
    let poller = new_poller();
    let began = Instant::now();
    let sleeper = Lane::start({
        let poller = poller.clone();
        move || {
            let mut ready = ReadyList::default();
            poller.poll(Some(Duration::from_secs(3600)), &mut ready)
        }
    });
    until("it sleeps", || poller.info().blocked);
    let mut ready = ReadyList::default();
    let mut look = || poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    assert_eq!(look(), 0);
    poller.wake().unwrap();
    poller.wake().unwrap();
    while !sleeper.is_finished() {
        assert_eq!(look(), 0);
        assert!(began.elapsed() < LIMIT, "hangs: the break was lost");
    }
    assert_eq!(sleeper.join().unwrap(), 0);
}

/// Go runtime/crash_test.go TestNetpollWaiters (golang/go#60782): after a listener, a dial and ten
/// lines, some of which are waited for, nobody is counted as waiting, and the books balance.
#[test]
fn netpoll_waiters() {
    let poller = new_poller();
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let address = listener.local_addr().unwrap();
    let server = Lane::block_on(&poller, move || async move {
        let (conn, _) = listener.accept().await.unwrap();
        let (mut buf, mut received) = ([0; 64], 0);
        loop {
            match conn.read(&mut buf).await.unwrap() {
                0 => return received,
                n => received += n,
            }
        }
    });
    until("it accepts", || poller.waiters() == 1);
    let client = Lane::block_on(&poller, {
        let poller = poller.clone();
        move || async move {
            let conn = TcpStream::connect(address).await.unwrap();
            for line in 0..10 {
                until("the reader has read", || poller.waiters() == 1);
                conn.write_all(format!("{line}\n").as_bytes())
                    .await
                    .unwrap();
            }
        }
    });
    client.join();
    assert_eq!(server.join(), 20);
    until("nobody is counted", || poller.waiters() == 0);
    let violated: Vec<_> = poller
        .audit_quiescent()
        .unwrap()
        .into_iter()
        .filter(|law| law.violated)
        .collect();
    assert!(violated.is_empty(), "{violated:?}");
}

/// Go runtime/crash_test.go TestNetpollDeadlock, golang/go#22606: the first use of the global
/// poller inside the making of something else, while other threads use it for the first time too.
#[test]
fn netpoll_deadlock() {
    const NAME: &str = "go_runtime::netpoll_deadlock";
    static DIALLED: LazyLock<std::io::ErrorKind> = LazyLock::new(|| {
        let nobody = std::net::TcpListener::bind(loopback()).unwrap();
        let address = nobody.local_addr().unwrap();
        drop(nobody);
        block_on(TcpStream::connect(address)).unwrap_err().kind()
    });
    let output = in_a_process(NAME, || {
        let barrier = Arc::new(Barrier::new(8));
        let lanes: Vec<_> = (0..8)
            .map(|thread| {
                let barrier = barrier.clone();
                Lane::start(move || {
                    barrier.wait();
                    if thread % 2 == 0 {
                        assert_eq!(*DIALLED, std::io::ErrorKind::ConnectionRefused);
                    } else {
                        let (reader, writer) = pipe().unwrap();
                        block_on(writer.write_all(b"x")).unwrap();
                        assert_eq!(block_on(reader.read(&mut [0])).unwrap(), 1);
                    }
                })
            })
            .collect();
        lanes.into_iter().for_each(Lane::join);
    });
    let Some(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Go runtime TestNonblockingPipe: both ends of a pipe are non-blocking and closed on exec, and so
/// is every socket, however it came about.
#[test]
fn nonblocking_pipe() {
    #[track_caller]
    fn check(fd: &impl AsRawFd) {
        let wanted = libc::O_NONBLOCK | libc::O_CLOEXEC;
        assert_eq!(flags(fd) & wanted, wanted, "{:o}", flags(fd));
    }
    run(async |poller: Poller| {
        let (reader, writer) = pipe().unwrap();
        check(&reader);
        check(&writer);
        check(&reader.duplicate().unwrap());
        let listener = TcpListener::bind(loopback()).unwrap();
        check(&listener);
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        check(&client);
        check(&listener.accept().await.unwrap().0);
        let (a, b) = unix_pair(&poller);
        check(&a);
        check(&b);
        check(&client.into_owned_fd().unwrap());
    });
}

/// Go runtime TestSpuriousWakeupsNeverHangSemasleep: signals without end, on the thread that polls
/// and on those that follow it. No sleep is cut short by one, and none hangs.
#[test]
fn spurious_wakeups_never_hang_a_thread_that_sleeps() {
    const THREADS: usize = 3;
    let poller = new_poller();
    let storm = Storm::over(THREADS);
    let lanes: Vec<_> = (0..THREADS)
        .map(|index| {
            let (poller, target) = (poller.clone(), storm.target(index));
            Lane::start(move || {
                let (a, b) = tcp_pair(&poller);
                target.enter(|| {
                    netpoller::block_on_poller(&poller, async {
                        for round in 0..100u8 {
                            let deadline = Instant::now() + Duration::from_micros(500);
                            a.set_read_deadline(Some(deadline)).unwrap();
                            assert_timeout(a.read(&mut [0]).await);
                            assert!(Instant::now() >= deadline, "early");
                            a.set_read_deadline(None).unwrap();
                            b.write_all(&[round; 3]).await.unwrap();
                            let mut buf = [0; 8];
                            assert_eq!(a.read(&mut buf).await.unwrap(), 3);
                            assert_eq!(buf[..3], [round; 3]);
                        }
                    });
                });
            })
        })
        .collect();
    lanes.into_iter().for_each(Lane::join);
    assert!(storm.end() > 0, "there was no storm");
    assert_eq!(poller.waiters(), 0);
    let interrupted = poller.stats().counter(Counter::PollsEintr);
    assert!(interrupted > 0, "no poll was interrupted");
}
