//! Futures that are dropped: they take nothing with them.

use std::pin::pin;
use std::time::Duration;

use futures_lite::future;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Direction, Poller};
use netpoller_tests::{Lane, is_parked, loopback, pause, run, tcp_pair, unix_pair};

#[test]
fn a_future_that_was_never_polled_does_nothing() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        drop(a.read(&mut [0; 1]));
        drop(b.write_all(b"x"));
        let mut buf = [0; 1];
        let mut read = pin!(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        assert_eq!(poller.waiters(), 1);
    });
}

#[test]
fn a_read_that_is_dropped_after_its_wake_leaves_the_data_to_the_next() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let mut buf = [0; 8];
        for round in 0..100 {
            let mut read = Box::pin(a.read(&mut buf));
            assert!(is_parked(&mut read).await);
            b.write_all(b"x").await.unwrap();
            if round % 2 == 0 {
                pause(&poller, Duration::from_micros(10)).await;
            }
            drop(read);
            assert_eq!(a.read(&mut buf).await.unwrap(), 1);
        }
    });
}

#[test]
fn an_accept_that_is_dropped_leaves_the_connection_to_the_next() {
    run(async |poller: Poller| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let mut incoming = listener.incoming();
        for _ in 0..20 {
            let mut accept = Box::pin(listener.accept());
            assert!(is_parked(&mut accept).await);
            let address = listener.local_addr().unwrap();
            let _client = std::net::TcpStream::connect(address).unwrap();
            drop(accept);
            listener.accept().await.unwrap();

            let mut next = Box::pin(incoming.accept());
            assert!(is_parked(&mut next).await);
            let _client = std::net::TcpStream::connect(address).unwrap();
            pause(&poller, Duration::from_micros(10)).await;
            drop(next);
            incoming.accept().await.unwrap();
        }
    });
}

#[test]
fn a_turn_that_was_handed_to_a_future_that_is_dropped_goes_to_the_next() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let mut bufs = [[0; 1]; 3];
        let mut reads: Vec<_> = bufs.iter_mut().map(|buf| Box::pin(a.read(buf))).collect();
        for read in &mut reads {
            assert!(is_parked(read).await);
        }
        b.write_all(b"12").await.unwrap();
        // The first one reads, and calls the second, which is dropped before it looks.
        assert_eq!(reads.remove(0).await.unwrap(), 1);
        drop(reads.remove(0));
        assert_eq!(
            a.queued(Direction::Read),
            0,
            "the third one has been called in its place, so it waits for nobody"
        );
        assert_eq!(reads.remove(0).await.unwrap(), 1);
        drop(reads);
        assert_eq!(bufs[2], *b"2");
    });
}

#[test]
fn a_close_future_that_is_dropped_closes_all_the_same() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let mut buf = [0; 1];
        let mut read = Box::pin(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        a.close().unwrap();
        // Closed for good once the read is gone, be it dropped.
        drop(read);
        assert_eq!(b.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn in_a_select_the_loser_loses_no_bytes() {
    run(async |poller: Poller| {
        let (a, a_peer) = tcp_pair(&poller);
        let (b, b_peer) = tcp_pair(&poller);
        let writer = Lane::block_on(&poller, move || async move {
            for byte in 0..=255 {
                a_peer.write_all(&[byte]).await.unwrap();
                b_peer.write_all(&[byte]).await.unwrap();
            }
        });
        let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
        while from_a.len() + from_b.len() < 512 {
            let (mut buf_a, mut buf_b) = ([0; 7], [0; 7]);
            let one = async { (true, a.read(&mut buf_a).await.unwrap()) };
            let other = async { (false, b.read(&mut buf_b).await.unwrap()) };
            match future::or(one, other).await {
                (true, n) => from_a.extend_from_slice(&buf_a[..n]),
                (false, n) => from_b.extend_from_slice(&buf_b[..n]),
            }
            if from_a.len() == 256 || from_b.len() == 256 {
                let (rest, into) = if from_a.len() == 256 {
                    (&b, &mut from_b)
                } else {
                    (&a, &mut from_a)
                };
                while into.len() < 256 {
                    let n = rest.read(&mut buf_a).await.unwrap();
                    into.extend_from_slice(&buf_a[..n]);
                }
            }
        }
        writer.join();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_a, all);
        assert_eq!(from_b, all);
    });
}

#[test]
fn reads_that_are_given_up_at_random_lose_nothing_under_threads() {
    run(async |poller: Poller| {
        const BYTES: usize = 20_000;
        let (a, b) = tcp_pair(&poller);
        let writer = Lane::block_on(&poller, move || async move {
            for round in 0..BYTES / 10 {
                b.write_all(&[round as u8; 10]).await.unwrap();
                if round % 16 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let mut received = Vec::new();
        let mut given_up = 0u32;
        while received.len() < BYTES {
            let mut buf = [0; 64];
            let mut read = Box::pin(a.read(&mut buf));
            let mut result = future::poll_once(&mut read).await;
            if result.is_none() && given_up.is_multiple_of(3) {
                result = Some((&mut read).await);
            }
            drop(read);
            match result {
                Some(n) => received.extend_from_slice(&buf[..n.unwrap()]),
                None => given_up += 1,
            }
            if given_up % 3 == 1 {
                given_up += 1;
            }
        }
        writer.join();
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(i, byte)| *byte == (i / 10) as u8)
        );
    });
}

#[test]
fn the_waker_that_counts_is_the_last_one_and_the_wait_counts_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let mut buf = [0; 1];
        let mut read = pin!(a.read(&mut buf));
        let counts: Vec<Arc<Count>> = (0..5).map(|_| Arc::default()).collect();
        for count in &counts {
            let waker = Waker::from(count.clone());
            assert!(
                read.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            assert_eq!(poller.waiters(), 1);
        }
        b.write_all(b"x").await.unwrap();
        // On a slow machine a pause may be over before anybody has polled.
        while counts[4].0.load(Ordering::SeqCst) == 0 {
            pause(&poller, Duration::from_micros(10)).await;
        }
        assert!(
            counts[..4]
                .iter()
                .all(|count| count.0.load(Ordering::SeqCst) == 0)
        );
        assert_eq!(read.await.unwrap(), 1);
    });
}

#[test]
fn a_panic_in_a_task_leaves_the_socket_and_the_poller_usable() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let a = std::sync::Arc::new(a);
        let thread = std::thread::spawn({
            let (poller, a) = (poller.clone(), a.clone());
            move || {
                netpoller::block_on_poller(&poller, async {
                    let mut buf = [0; 1];
                    let mut read = pin!(a.read(&mut buf));
                    assert!(is_parked(&mut read).await);
                    std::panic::resume_unwind(Box::new("on purpose"));
                });
            }
        });
        assert!(thread.join().is_err());
        assert_eq!(poller.waiters(), 0);
        b.write_all(b"x").await.unwrap();
        assert_eq!(a.read(&mut [0; 1]).await.unwrap(), 1);
    });
}

#[test]
fn connects_and_sockets_dropped_in_flight_leave_no_registration_behind() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..50 {
            let mut connect = Box::pin(TcpStream::connect(address));
            let _ = is_parked(&mut connect).await;
            drop(connect);
            drop(listener.accept().await.unwrap());
        }
    });
}
