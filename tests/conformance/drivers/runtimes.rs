//! Several runtimes on one poller, and what becomes of those who wait when one of them ends.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netpoller::{Poller, block_on_poller};
use netpoller_tests::{Lane, is_parked, new_poller, tcp_and_peer, tcp_pair, unix_pair, until};
use tokio::runtime::{Builder, Runtime};

use crate::runtime::{current_thread, multi_thread, serve_and_talk};
use crate::{echo, talk};

#[test]
fn a_connection_outlives_the_runtime_it_was_opened_in() {
    Lane::start(|| {
        let poller = new_poller();
        let first = current_thread();
        let (a, b) = first.block_on(async { tcp_pair(&poller) });
        drop(first);
        // In another runtime.
        let (a, b) = current_thread().block_on(async move {
            let read = tokio::spawn(async move {
                a.read(&mut [0]).await.unwrap();
                a
            });
            tokio::task::yield_now().await;
            b.write_all(b"x").await.unwrap();
            (read.await.unwrap(), b)
        });
        // And without one.
        let lane = Lane::block_on(&poller, move || echo(b));
        block_on_poller(&poller, talk(a, 3));
        lane.join();
    })
    .join();
}

#[test]
fn two_runtimes_share_a_poller_and_one_of_them_ends() {
    Lane::start(|| {
        let poller = new_poller();
        let (first, second) = (multi_thread(), multi_thread());
        for runtime in [&first, &second] {
            runtime.block_on(serve_and_talk(poller.clone()));
        }
        // A task of the second waits when the first one ends.
        let (a, b) = tcp_pair(&poller);
        let waiting = second.spawn(async move { a.read(&mut [0]).await });
        until("the task waits", || poller.waiters() == 1);
        drop(first);
        second.block_on(async { b.write_all(b"x").await.unwrap() });
        assert_eq!(second.block_on(waiting).unwrap().unwrap(), 1);
        second.block_on(serve_and_talk(poller.clone()));
    })
    .join();
}

#[test]
fn tasks_of_a_runtime_that_ends_leave_no_waiter_behind() {
    Lane::start(|| {
        let poller = new_poller();
        let runtime = multi_thread();
        let pairs: Vec<_> = (0..10).map(|_| tcp_pair(&poller)).collect();
        let mut peers = Vec::new();
        for (a, b) in pairs {
            runtime.spawn(async move { a.read(&mut [0]).await });
            peers.push(b);
        }
        until("all of them wait", || poller.waiters() == 10);
        drop(runtime);
        assert_eq!(poller.waiters(), 0);
        for peer in peers {
            assert_eq!(block_on_poller(&poller, peer.read(&mut [0])).unwrap(), 0);
        }
    })
    .join();
}

#[test]
fn a_wait_that_begins_while_its_runtime_shuts_down_fails_and_does_not_hold_it_up() {
    use std::sync::mpsc::channel;
    for polled_elsewhere in [false, true] {
        let poller = new_poller();
        let (a, _peer) = tcp_pair(&poller);
        let (elsewhere, to_elsewhere) = tcp_pair(&poller);
        let lane = polled_elsewhere.then(|| {
            Lane::block_on(&poller, move || async move {
                elsewhere.read(&mut [0]).await.unwrap()
            })
        });
        until("as many wait", || {
            poller.waiters() == i64::from(polled_elsewhere)
        });

        // Given a task in the middle of its poll, and a runtime that takes no others any more.
        let runtime = multi_thread();
        let handle = runtime.handle().clone();
        let (running, runs) = channel();
        let (go, may_go) = channel::<()>();
        let (over, outcome) = channel();
        runtime.spawn(async move {
            running.send(()).unwrap();
            may_go.recv().unwrap();
            over.send(a.read(&mut [0]).await).unwrap();
        });
        runs.recv().unwrap();
        runtime.shutdown_background();
        until("it takes no tasks", || {
            handle.spawn(std::future::pending::<()>()).is_finished()
        });

        // When it reads then, for the first time in this runtime.
        go.send(()).unwrap();
        let error = outcome
            .recv_timeout(Duration::from_secs(30))
            .expect("hangs: the read goes round in circles")
            .unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");

        if let Some(lane) = lane {
            block_on_poller(&poller, to_elsewhere.write_all(b"x")).unwrap();
            assert_eq!(lane.join(), 1);
        }
    }
}

#[test]
fn a_second_runtime_polls_for_itself_while_the_first_one_is_idle() {
    let poller = new_poller();
    let (a, mut peer) = tcp_and_peer(&poller);
    let (done, reads) = std::sync::mpsc::channel();
    let reading = Lane::start(move || {
        let (first, second) = (current_thread(), current_thread());
        for runtime in [&first, &second, &first] {
            runtime.block_on(async { a.read(&mut [0]).await }).unwrap();
            done.send(()).unwrap();
        }
    });
    for _ in 0..3 {
        until("the task waits", || poller.waiters() == 1);
        peer.write_all(b"x").unwrap();
        reads
            .recv_timeout(netpoller_tests::LIMIT)
            .expect("hangs: nobody polls");
    }
    reading.join();
}

#[test]
fn a_task_that_waits_in_a_second_runtime_outlives_the_first_one() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, mut peer) = tcp_and_peer(&poller);
        let a = Arc::new(a);
        let (first, second) = (multi_thread(), multi_thread());
        let read = |runtime: &Runtime| {
            let a = a.clone();
            let task = runtime.spawn(async move { a.read(&mut [0]).await });
            until("the task waits", || poller.waiters() == 1);
            task
        };
        let task = read(&first);
        peer.write_all(b"x").unwrap();
        first.block_on(task).unwrap().unwrap();
        let task = read(&second);
        drop(first);
        peer.write_all(b"y").unwrap();
        assert_eq!(second.block_on(task).unwrap().unwrap(), 1);
    })
    .join();
}

#[test]
fn a_wait_begun_in_a_runtime_that_ended_goes_on_in_another() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, mut peer) = tcp_and_peer(&poller);
        let mut buf = [0];
        let mut read = Box::pin(a.read(&mut buf));
        let first = current_thread();
        assert!(first.block_on(is_parked(&mut read)));
        drop(first);
        let writing = std::thread::spawn({
            let poller = poller.clone();
            move || {
                until("the task waits", || poller.waiters() == 1);
                peer.write_all(b"x").unwrap();
                peer
            }
        });
        assert_eq!(current_thread().block_on(read).unwrap(), 1);
        writing.join().unwrap();
    })
    .join();
}

#[test]
fn who_relies_on_the_runtime_of_another_is_told_when_it_ends() {
    Lane::start(|| {
        let poller = new_poller();
        let first = multi_thread();
        let (a, _b) = first.block_on(async { tcp_pair(&poller) });
        // It cannot poll, and need not as long as the first one does.
        let second = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let waiting = second.spawn(async move { a.read(&mut [0]).await });
        until("the task waits", || poller.waiters() == 1);
        drop(first);
        let error = second.block_on(waiting).unwrap().unwrap_err();
        assert!(error.to_string().contains("enable_io"), "{error}");
    })
    .join();
}

#[test]
fn a_sleep_is_neither_cut_short_nor_lost_when_another_runtime_ends() {
    use netpoller::time::sleep;
    Lane::start(|| {
        let (first, second) = (multi_thread(), multi_thread());
        first.block_on(sleep(Duration::from_millis(1)));
        let time = Duration::from_millis(50);
        let sleeping = second.spawn(async move {
            let began = Instant::now();
            sleep(time).await;
            began.elapsed()
        });
        drop(first);
        assert!(second.block_on(sleeping).unwrap() >= time);
    })
    .join();
}

#[test]
fn a_runtime_polls_again_after_a_batch_that_was_full() {
    Lane::start(|| {
        let poller = Poller::builder().batch(1).build().unwrap();
        current_thread().block_on(async {
            let mut peers = Vec::new();
            let mut readers = Vec::new();
            for _ in 0..8 {
                let (stream, peer) = tcp_and_peer(&poller);
                peers.push(peer);
                readers.push(tokio::spawn(async move { stream.read(&mut [0]).await }));
            }
            while poller.waiters() < 8 {
                tokio::task::yield_now().await;
            }
            // All of it is there before the one thread polls again.
            for peer in &mut peers {
                peer.write_all(b"x").unwrap();
            }
            for reader in readers {
                assert_eq!(reader.await.unwrap().unwrap(), 1);
            }
        });
    })
    .join();
}

#[test]
fn a_runtime_keeps_no_poller_alive() {
    // In a process of its own, so that nobody else opens a descriptor.
    if !netpoller_tests::is_alone("runtimes::a_runtime_keeps_no_poller_alive") {
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for runtime in [current_thread(), multi_thread()] {
        let before = open();
        runtime.block_on(async {
            for _ in 0..20 {
                let poller = new_poller();
                let (a, b) = unix_pair(&poller);
                let reading = tokio::spawn(async move { a.read(&mut [0]).await });
                while poller.waiters() == 0 {
                    tokio::task::yield_now().await;
                }
                b.write_all(b"x").await.unwrap();
                reading.await.unwrap().unwrap();
            }
            let began = Instant::now();
            while open() > before {
                assert!(
                    began.elapsed() < netpoller_tests::LIMIT,
                    "{before} descriptors were open, now {}",
                    open()
                );
                tokio::task::yield_now().await;
            }
        });
        assert!(netpoller::view::pollers().is_empty());
    }
}
