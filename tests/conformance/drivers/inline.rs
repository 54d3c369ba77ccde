//! `block_on`, blocking handles on plain threads, and the thread driver.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use netpoller::driver::ThreadDriver;
use netpoller::net::TcpListener;
use netpoller::{Direction, Poller, block_on_poller};
use netpoller_tests::{Lane, full, loopback, new_poller, run, tcp_pair, unix_pair, until};

use crate::{echo, talk};

#[test]
fn an_executor_inside_block_on_serves_an_echo() {
    run(async |poller: Poller| {
        let executor = async_executor::LocalExecutor::new();
        executor
            .run(async {
                let tasks: Vec<_> = (0..20)
                    .flat_map(|_| {
                        let (a, b) = tcp_pair(&poller);
                        [executor.spawn(talk(a, 20)), executor.spawn(echo(b))]
                    })
                    .collect();
                for task in tasks {
                    task.await;
                }
            })
            .await;
    });
}

#[test]
fn sixty_four_threads_with_blocking_handles_share_one_poller() {
    let poller = new_poller();
    let lanes: Vec<_> = (0..32)
        .flat_map(|_| {
            let (a, b) = tcp_pair(&poller);
            let client = Lane::start(move || {
                let mut a = a.blocking();
                for round in 0..50u8 {
                    a.write_all(&[round; 100]).unwrap();
                    let mut back = [0; 100];
                    a.read_exact(&mut back).unwrap();
                    assert_eq!(back, [round; 100]);
                }
            });
            let server = Lane::start(move || {
                let mut b = b.blocking();
                let mut buf = [0; 100];
                while b.read_exact(&mut buf).is_ok() {
                    b.write_all(&buf).unwrap();
                }
            });
            [client, server]
        })
        .collect();
    lanes.into_iter().for_each(Lane::join);
    assert_eq!(poller.waiters(), 0);
}

#[test]
fn deadlines_hold_on_blocking_handles() {
    let poller = new_poller();
    let (a, b) = unix_pair(&poller);
    let deadline = Instant::now() + Duration::from_millis(10);
    a.set_read_deadline(Some(deadline)).unwrap();
    netpoller_tests::assert_timeout(a.blocking().read(&mut [0]));
    assert!(Instant::now() >= deadline, "early");
    a.set_read_deadline(None).unwrap();
    let reader = Lane::start(move || a.blocking().read(&mut [0]));
    until("the reader waits", || poller.waiters() == 1);
    b.close().unwrap();
    assert_eq!(reader.join().unwrap(), 0);
}

#[test]
fn when_the_thread_that_polls_leaves_another_one_takes_over() {
    let poller = new_poller();
    let pairs: Vec<_> = (0..8).map(|_| unix_pair(&poller)).collect();
    let (peers, lanes): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .map(|(a, b)| (b, Lane::start(move || a.blocking().read(&mut [0]))))
        .unzip();
    until("all of them wait", || poller.waiters() == 8);
    // Whichever of them polls, each leaves in its turn.
    for (peer, lane) in peers.iter().zip(lanes) {
        block_on_poller(&poller, peer.write_all(b"x")).unwrap();
        assert_eq!(lane.join().unwrap(), 1);
    }
}

#[test]
fn issue_tokio_4730_one_blocked_thread_does_not_stop_io() {
    let poller = new_poller();
    let (a, b) = unix_pair(&poller);
    let (c, d) = unix_pair(&poller);
    let (blocked, is_blocked) = channel();
    let (release, released) = channel::<()>();
    // A worker that runs a long task after its first read. It has polled for all until then.
    let worker = Lane::block_on(&poller, move || async move {
        a.read(&mut [0]).await.unwrap();
        blocked.send(()).unwrap();
        released.recv().unwrap();
    });
    until("the worker waits", || poller.waiters() == 1);
    let reader = Lane::start(move || c.blocking().read(&mut [0]));
    until("the reader waits as well", || poller.waiters() == 2);
    block_on_poller(&poller, b.write_all(b"x")).unwrap();
    is_blocked.recv_timeout(netpoller_tests::LIMIT).unwrap();
    block_on_poller(&poller, d.write_all(b"x")).unwrap();
    assert_eq!(
        reader.join().unwrap(),
        1,
        "I/O flows while the worker is blocked"
    );
    release.send(()).unwrap();
    worker.join();
}

#[test]
fn a_wake_from_outside_reaches_threads_that_poll_and_threads_that_follow() {
    let poller = new_poller();
    let lanes: Vec<_> = (0..6)
        .map(|_| {
            let (sender, receiver) = async_channel();
            let lane = Lane::block_on(&poller, move || receiver);
            (sender, lane)
        })
        .collect();
    for (sender, lane) in lanes {
        sender();
        lane.join();
    }
}

/// A future and the function that ends it, from any thread.
fn async_channel() -> (impl FnOnce() + Send, impl Future<Output = ()> + Send) {
    use std::sync::Mutex;
    use std::task::{Poll, Waker};
    let state = Arc::new(Mutex::new((false, None::<Waker>)));
    let end = {
        let state = state.clone();
        move || {
            let mut state = state.lock().unwrap();
            state.0 = true;
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        }
    };
    let future = std::future::poll_fn(move |cx| {
        let mut state = state.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    });
    (end, future)
}

#[test]
fn a_blocking_write_all_is_one_turn_and_tells_how_much_it_wrote() {
    let poller = new_poller();
    let (a, b) = unix_pair(&poller);
    let a = Arc::new(a);
    let all = full();
    let writer = |bytes: Vec<u8>| {
        let a = a.clone();
        Lane::start(move || a.blocking().try_write_all(&bytes))
    };
    // Given a writer who fills the socket, and one who waits behind it,
    let first = writer(all.clone());
    until("the first is parked", || poller.waiters() == 1);
    let second = writer(vec![1]);
    until("the second waits for its turn", || {
        a.queued(Direction::Write) == 1
    });
    // when the peer reads everything, then the second one's byte is the last.
    let mut read = vec![0; all.len() + 1];
    b.blocking().read_exact(&mut read).unwrap();
    first.join().unwrap();
    second.join().unwrap();
    assert!(read[..all.len()] == all[..], "somebody came in between");
    assert_eq!(read[all.len()], 1);

    // And one who does not come to the end says how far it came.
    let third = writer(all.clone());
    until("the third is parked", || poller.waiters() == 1);
    drop(b);
    let written = third.join().unwrap_err().written();
    assert!(written > 0 && written < all.len(), "{written}");
}

#[test]
fn block_on_inside_block_on_works() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let inner = block_on_poller(&poller, async {
            b.write_all(b"x").await.unwrap();
            a.read(&mut [0]).await.unwrap()
        });
        assert_eq!(inner, 1);
        let other = new_poller();
        let (c, d) = unix_pair(&other);
        d.blocking().write_all(b"x").unwrap();
        assert_eq!(c.blocking().read(&mut [0]).unwrap(), 1);
    });
}

#[test]
fn the_thread_driver_polls_for_an_executor_that_does_not() {
    let poller = Poller::builder().name("driven").build().unwrap();
    let driver = ThreadDriver::start(&poller).unwrap();
    let lane = Lane::start({
        let poller = poller.clone();
        move || {
            let (a, b) = tcp_pair(&poller);
            let server = std::thread::spawn(move || futures_lite::future::block_on(echo(b)));
            futures_lite::future::block_on(talk(a, 50));
            server.join().unwrap();
        }
    });
    lane.join();
    drop(driver);
    // From here on somebody else must poll, and can.
    run_after_driver(&poller);
}

#[track_caller]
fn run_after_driver(poller: &Poller) {
    let (a, b) = tcp_pair(poller);
    let server = Lane::block_on(poller, move || echo(b));
    block_on_poller(poller, talk(a, 5));
    server.join();
}

#[test]
fn a_thread_driver_ends_while_others_wait() {
    let poller = new_poller();
    let driver = ThreadDriver::start(&poller).unwrap();
    let (a, b) = unix_pair(&poller);
    let reader = Lane::start(move || a.blocking().read(&mut [0]));
    until("the reader waits", || poller.waiters() == 1);
    drop(driver);
    block_on_poller(&poller, b.write_all(b"x")).unwrap();
    assert_eq!(reader.join().unwrap(), 1);
}

#[test]
fn thread_drivers_start_and_stop_at_any_time() {
    let poller = new_poller();
    Lane::start(move || {
        for _ in 0..50 {
            drop(ThreadDriver::start(&poller).unwrap());
        }
    })
    .join();
}

#[test]
fn a_listener_serves_blocking_clients_and_tasks_alike() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let client = Lane::start(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        echo(listener.accept().await.unwrap().0).await;
        assert_eq!(client.join(), "hello");
    });
}
