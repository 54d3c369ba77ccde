//! Bugs that a review of this code has found, each in the way in which it showed.

mod edges;

use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use netpoller::net::UnixDatagram;
use netpoller::{Direction, Kind, block_on_poller, time};
use netpoller_tests::{LIMIT, new_poller, tcp_and_peer, until};

/// Runs `f` on a thread of its own; panics if it does not end.
#[track_caller]
fn ends<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(f()));
    receive.recv_timeout(LIMIT).expect("it ends")
}

#[test]
fn a_vectored_read_of_more_slices_than_a_call_takes_does_not_hide_the_rest() {
    let poller = new_poller();
    let (stream, mut peer) = tcp_and_peer(&poller);
    let waiting = poller.clone();
    let sender = std::thread::spawn(move || {
        until("the reader is parked", || waiting.waiters() == 1);
        peer.write_all(&[7; 2000]).unwrap();
        peer
    });
    let (first, second) = ends(move || {
        block_on_poller(&poller, async {
            let mut data = vec![0; 1500];
            let mut bufs: Vec<_> = data.chunks_mut(1).map(IoSliceMut::new).collect();
            let first = stream.read_vectored(&mut bufs).await.unwrap();
            (first, stream.read(&mut [0; 4096]).await.unwrap())
        })
    });
    drop(sender.join().unwrap());
    assert_eq!(first, 1024, "as many slices as one call takes");
    assert!(second > 0);
}

#[test]
fn a_message_of_too_many_slices_is_refused_not_cut() {
    let poller = new_poller();
    let (a, _b) = poller.in_scope(|| UnixDatagram::pair()).unwrap();
    let data = vec![1; 1500];
    let bufs: Vec<_> = data.chunks(1).map(IoSlice::new).collect();
    let error = block_on_poller(&poller, a.send_message(&bufs, &[])).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
}

#[test]
fn a_descriptor_cannot_be_registered_as_a_sleep() {
    let poller = new_poller();
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let error = poller.open(socket.as_fd(), Kind::Timer).unwrap_err();
    assert!(error.to_string().contains("Kind::Timer"), "{error}");
    poller
        .open(socket.as_fd(), Kind::Unix)
        .expect("nothing is left behind");
}

#[test]
fn a_waker_that_panics_on_the_leader_lets_a_follower_lead() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("this waker always panics");
        }
    }

    let poller = new_poller();
    let (trap, mut trap_peer) = tcp_and_peer(&poller);
    let mut waits = Box::pin(trap.readable());
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        waits
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );

    let (leads, _leads_peer) = tcp_and_peer(&poller);
    let mine = poller.clone();
    let leader =
        std::thread::spawn(move || block_on_poller(&mine, async { leads.read(&mut [0; 8]).await }));
    until("somebody leads", || poller.info().blocked);
    let (follows, mut follows_peer) = tcp_and_peer(&poller);
    let mine = poller.clone();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        send.send(block_on_poller(&mine, async {
            follows.read(&mut [0; 8]).await
        }))
    });
    until("three wait", || poller.waiters() == 3);

    trap_peer.write_all(b"x").unwrap();
    assert!(leader.join().is_err(), "the panic is the leader's");
    follows_peer.write_all(b"y").unwrap();
    assert_eq!(receive.recv_timeout(LIMIT).expect("it is led").unwrap(), 1);
}

#[test]
fn a_sleep_uses_the_poller_of_the_block_on_around_it() {
    let poller = new_poller();
    let opened = poller.clone();
    ends(move || {
        block_on_poller(&poller, async {
            time::sleep(Duration::from_millis(5)).await;
            let none = time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
            assert!(none.is_err());
        });
    });
    assert_eq!(opened.stats().counter(netpoller::Counter::OpenedTimer), 2);
}

#[test]
fn a_forgotten_wait_that_parked_after_the_eviction_is_released_by_the_end() {
    let poller = new_poller();
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = poller.open(socket.as_fd(), Kind::Unix).unwrap();
    assert!(desc.unblock());
    let mut wait = Box::pin(desc.wait_canceled(Direction::Read));
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    std::mem::forget(wait);
    drop(desc);
    assert_eq!(poller.waiters(), 0);
}

#[test]
fn polling_a_stuck_stream_again_does_not_make_its_wait_look_young() {
    use tokio::io::{AsyncRead, ReadBuf};

    struct Quiet;

    impl Wake for Quiet {
        fn wake(self: Arc<Self>) {}
    }

    let poller = new_poller();
    let (mut stream, _peer) = tcp_and_peer(&poller);
    let waker = Waker::from(Arc::new(Quiet));
    let mut since = || {
        let mut buf = [0; 8];
        let mut buf = ReadBuf::new(&mut buf);
        let mut cx = Context::from_waker(&waker);
        assert!(
            std::pin::Pin::new(&mut stream)
                .poll_read(&mut cx, &mut buf)
                .is_pending()
        );
        poller.rows()[0].read.since_ns
    };
    assert_eq!(since(), since());
}

#[test]
fn names_of_threads_leave_room_for_labels() {
    let poller = new_poller();
    let (stream, _peer) = tcp_and_peer(&poller);
    for _ in 0..66_000 {
        let poller = poller.clone();
        std::thread::spawn(move || poller.wake())
            .join()
            .unwrap()
            .unwrap();
    }
    stream.set_label("upstream");
    assert_eq!(&*poller.rows()[0].label, "upstream");
}

#[test]
fn two_readers_of_a_pollable_are_told_before_they_take_each_others_edge() {
    let poller = new_poller();
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let pollable = poller
        .in_scope(|| netpoller::pollable::Pollable::new(socket))
        .unwrap();
    let nested = block_on_poller(&poller, async {
        let inner = &pollable;
        pollable
            .read_with(|_| {
                // Inside of one call, so that it has not parked yet.
                let mut second = Box::pin(inner.read_with(|_| Ok(())));
                match second
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                {
                    std::task::Poll::Ready(result) => Ok(result),
                    std::task::Poll::Pending => panic!("it must not wait"),
                }
            })
            .await
    });
    let error = nested.unwrap().unwrap_err();
    assert_eq!(netpoller::Error::of(&error), Some(netpoller::Error::Busy));
}

/// golang/go#17249: the datagrams of others fill the queue of the receiver. Each try of ours then
/// says EAGAIN, gives its buffer back, and with that announces room: Go's sender spins, and so does
/// tokio's.
#[test]
fn issue_go_17249_a_sender_to_a_queue_that_others_fill_backs_off() {
    use netpoller::Counter;
    use netpoller::pollable::Pollable;
    use std::os::unix::net::UnixDatagram as StdDatagram;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("receiver");
    let receiver = StdDatagram::bind(&path).unwrap();
    let others = StdDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"x", &path).is_ok() {}

    let deadline = || Some(std::time::Instant::now() + Duration::from_millis(200));
    let poller = new_poller();
    let _entered = poller.enter();
    let sender = UnixDatagram::bind(dir.path().join("sender")).unwrap();
    let ours = StdDatagram::unbound().unwrap();
    let ours = Pollable::new(ours).unwrap();
    let tries = || poller.stats().counter(Counter::SysWriteEagain);
    let timed_out = |result: std::io::Result<usize>| {
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    };
    sender.set_write_deadline(deadline()).unwrap();
    timed_out(block_on_poller(&poller, sender.send_to(b"y", &path)));
    ours.set_deadline(deadline(), netpoller::Sides::Write)
        .unwrap();
    let send = ours.write_with(|socket| socket.send_to(b"y", &path));
    timed_out(block_on_poller(&poller, send));
    // Twice, and then after pauses of 1, 2, 4, 8, 16, 16, ... ms.
    let tries = tries();
    assert!((4..=60).contains(&tries), "{tries} tries in 400 ms");

    // It is sent once there is room.
    sender.set_write_deadline(None).unwrap();
    let mine = poller.clone();
    let to = path.clone();
    let sending = std::thread::spawn(move || block_on_poller(&mine, sender.send_to(b"z", &to)));
    until("it waits", || poller.waiters() > 0);
    let received = ends(move || {
        let mut buf = [0; 1];
        while buf != *b"z" {
            receiver.recv(&mut buf).unwrap();
        }
        buf
    });
    assert_eq!(received, *b"z");
    assert_eq!(sending.join().unwrap().unwrap(), 1);
}
