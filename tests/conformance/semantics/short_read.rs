//! A read that was short lets the next one wait without a try. None of these may hang.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use netpoller::Poller;
use netpoller::net::TcpStream;
use netpoller_tests::{assert_blocked, assert_errno, is_parked, pause, run, tcp_pair};
use tokio::io::{AsyncRead, ReadBuf};

/// Fetches what edges there are.
async fn settle(poller: &Poller) {
    pause(poller, Duration::from_micros(200)).await;
}

/// Reads once, short, so that the next read may wait first.
async fn read_short(a: &TcpStream, b: &TcpStream) {
    b.write_all(b"abc").await.unwrap();
    assert_eq!(a.read(&mut [0; 16]).await.unwrap(), 3);
}

#[test]
fn pitfall_15_data_and_end_in_one_edge_with_a_buffer_of_the_exact_size_and_a_larger_one() {
    run(async |poller: Poller| {
        for room in [3, 4, 16] {
            for settled in [false, true] {
                let (a, b) = tcp_pair(&poller);
                read_short(&a, &b).await;
                b.write_all(b"abc").await.unwrap();
                drop(b);
                if settled {
                    settle(&poller).await;
                }
                let mut buf = vec![0; room];
                assert_eq!(a.read(&mut buf).await.unwrap(), 3);
                assert_eq!(a.read(&mut buf).await.unwrap(), 0);
                assert_eq!(a.read(&mut buf).await.unwrap(), 0);
            }
        }
    });
}

#[test]
fn the_end_that_comes_after_a_short_read_is_found() {
    run(async |poller: Poller| {
        for settled in [false, true] {
            let (a, b) = tcp_pair(&poller);
            read_short(&a, &b).await;
            drop(b);
            if settled {
                settle(&poller).await;
            }
            assert_eq!(a.read(&mut [0; 16]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_reset_that_comes_after_a_short_read_is_found() {
    run(async |poller: Poller| {
        for settled in [false, true] {
            let (a, b) = tcp_pair(&poller);
            read_short(&a, &b).await;
            b.set_linger(Some(Duration::ZERO)).unwrap();
            drop(b);
            if settled {
                settle(&poller).await;
            }
            assert_errno(a.read(&mut [0; 16]).await, libc::ECONNRESET);
        }
    });
}

#[test]
fn an_urgent_byte_between_two_chunks_does_not_hide_the_second() {
    run(async |poller: Poller| {
        for settled in [false, true] {
            for before in [false, true] {
                let (a, b) = tcp_pair(&poller);
                if before {
                    read_short(&a, &b).await;
                }
                b.write_all(b"abc").await.unwrap();
                b.with_options(|socket| socket.send_out_of_band(b"!"))
                    .unwrap();
                b.write_all(b"def").await.unwrap();
                if settled {
                    settle(&poller).await;
                }
                let (mut text, mut buf) = (Vec::new(), [0; 16]);
                while text.len() < 6 {
                    let n = a.read(&mut buf).await.unwrap();
                    text.extend_from_slice(&buf[..n]);
                }
                // recv(2) stops at the mark and leaves the urgent byte out.
                assert_eq!(text, b"abcdef");
                read_short(&a, &b).await;
                drop(b);
                assert_eq!(a.read(&mut buf).await.unwrap(), 0);
            }
        }
    });
}

#[test]
fn an_urgent_byte_that_was_taken_before_its_event_was_fetched_does_not_hide_what_follows() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        b.write_all(b"12").await.unwrap();
        b.with_options(|socket| socket.send_out_of_band(b"!"))
            .unwrap();
        b.write_all(b"345").await.unwrap();
        let take = |socket: socket2::SockRef<'_>| {
            let mut byte = [std::mem::MaybeUninit::uninit()];
            socket.recv_out_of_band(&mut byte)
        };
        // On loopback everything is there when a write returns.
        assert_eq!(a.with_options(take).unwrap(), 1);
        // The event does not tell of the mark any more, but recv(2) stops there all the same.
        settle(&poller).await;
        assert_eq!(a.read(&mut [0; 8]).await.unwrap(), 2);
        a.set_read_deadline(netpoller_tests::soon()).unwrap();
        assert_eq!(a.read(&mut [0; 8]).await.unwrap(), 3);
    });
}

#[test]
fn an_edge_that_readable_has_used_up_is_not_waited_for() {
    run(async |poller: Poller| {
        for waits in [false, true] {
            let (a, b) = tcp_pair(&poller);
            read_short(&a, &b).await;
            if waits {
                let mut readable = pin!(a.readable());
                assert!(is_parked(&mut readable).await);
                b.write_all(b"abc").await.unwrap();
                readable.await.unwrap();
            } else {
                b.write_all(b"abc").await.unwrap();
                settle(&poller).await;
                a.readable().await.unwrap();
            }
            assert_eq!(a.read(&mut [0; 16]).await.unwrap(), 3);
        }
    });
}

#[test]
fn a_read_that_waited_first_and_was_dropped_leaves_the_data_to_the_next() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        for fetched in [false, true] {
            read_short(&a, &b).await;
            let mut buf = [0; 16];
            let mut read = Box::pin(a.read(&mut buf));
            assert!(is_parked(&mut read).await);
            b.write_all(b"abc").await.unwrap();
            if fetched {
                settle(&poller).await;
            }
            drop(read);
            assert_eq!(a.read(&mut buf).await.unwrap(), 3);
        }
    });
}

/// One poll of tokio's `AsyncRead` with a waker that does nothing.
fn poll_read(stream: &mut TcpStream, room: usize) -> Poll<std::io::Result<usize>> {
    let mut bytes = vec![0; room];
    let mut buf = ReadBuf::new(&mut bytes);
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream)
        .poll_read(&mut cx, &mut buf)
        .map_ok(|()| buf.filled().len())
}

#[test]
fn poll_read_and_read_take_turns_on_one_stream() {
    run(async |poller: Poller| {
        let (mut a, b) = tcp_pair(&poller);
        for fetched in [false, true] {
            assert!(poll_read(&mut a, 16).is_pending());
            b.write_all(b"abcdef").await.unwrap();
            if fetched {
                settle(&poller).await;
            }
            // The future takes the place of the poll function, and leaves bytes behind.
            assert_eq!(a.read(&mut [0; 2]).await.unwrap(), 2);
            assert!(matches!(poll_read(&mut a, 2), Poll::Ready(Ok(2))));
            assert_eq!(a.read(&mut [0; 16]).await.unwrap(), 2);
            let mut buf = [0; 16];
            {
                let mut read = pin!(a.read(&mut buf));
                assert!(is_parked(&mut read).await);
            }
            assert!(poll_read(&mut a, 16).is_pending());
            // Left by the poll function, consumed by `readable`.
            b.write_all(b"ab").await.unwrap();
            a.readable().await.unwrap();
            assert!(matches!(poll_read(&mut a, 16), Poll::Ready(Ok(2))));
            // Data for the poll function, which is asked again only after somebody else has looked.
            assert!(poll_read(&mut a, 16).is_pending());
            b.write_all(b"x").await.unwrap();
            settle(&poller).await;
            assert!(matches!(poll_read(&mut a, 16), Poll::Ready(Ok(1))));
        }
    });
}

#[test]
fn a_wait_left_by_poll_read_goes_with_the_stream() {
    run(async |poller: Poller| {
        for close in [false, true] {
            let (mut a, _b) = tcp_pair(&poller);
            assert!(poll_read(&mut a, 1).is_pending());
            assert_eq!(poller.waiters(), 1);
            if close {
                a.close().unwrap().await;
            }
            drop(a);
            assert_eq!(poller.waiters(), 0);
        }
        // A deadline ends it, and it can wait again.
        let (mut a, b) = tcp_pair(&poller);
        assert!(poll_read(&mut a, 1).is_pending());
        a.set_read_deadline(netpoller_tests::past()).unwrap();
        assert_eq!(poller.waiters(), 0);
        assert!(matches!(poll_read(&mut a, 1), Poll::Ready(Err(_))));
        a.set_read_deadline(None).unwrap();
        assert!(poll_read(&mut a, 1).is_pending());
        b.write_all(b"x").await.unwrap();
        settle(&poller).await;
        assert!(matches!(poll_read(&mut a, 1), Poll::Ready(Ok(1))));
    });
}

#[test]
fn a_stream_that_is_drained_waits() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        read_short(&a, &b).await;
        let mut buf = [0; 16];
        let mut read = pin!(a.read(&mut buf));
        assert_blocked(&poller, &mut read).await;
        b.write_all(b"abc").await.unwrap();
        assert_eq!(read.await.unwrap(), 3);
    });
}
