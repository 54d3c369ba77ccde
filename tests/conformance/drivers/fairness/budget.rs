//! What the budget of a task does to events, deadlines, timeouts and ends beside it.

use super::kinds::{KINDS, readable};
use super::*;
use crate::runtime::{current_thread, multi_thread};
use futures_lite::future::{poll_fn, zip};
use netpoller::driver::ThreadDriver;
use netpoller::net::UnixStream;
use netpoller::{Counter, Direction, Kind, Poller, Sides, Transition, block_on_poller, time};
use netpoller_tests::{Lane, new_poller, past, tcp_and_peer, tcp_pair};
use std::io::{Read, Write};
use std::os::unix::net as std_unix;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::coop;

/// Reads bytes of its own one by one, and now and then sends one to a task that waits for it; says
/// how many it has read at most before that task had it.
fn reads_before_an_event_is_seen(run: Run) -> usize {
    const READS: usize = 8_000;
    const EVERY: usize = 611;
    let poller = new_poller();
    let _entered = poller.enter();
    let adopt = |stream| UnixStream::from_std(stream).unwrap();
    let (busy, mut full) = std_unix::UnixStream::pair().unwrap();
    let (called, mut caller) = std_unix::UnixStream::pair().unwrap();
    let (busy, called) = (adopt(busy), adopt(called));
    full.write_all(&[7; READS]).unwrap();
    let (reads, sent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let worst = Arc::<AtomicUsize>::default();
    let reading = {
        let (reads, sent) = (reads.clone(), sent.clone());
        async move {
            // The other one waits by then.
            give_way().await;
            for read in 1..=READS {
                busy.read(&mut [0]).await.unwrap();
                reads.store(read, Ordering::Relaxed);
                if read % EVERY == 0 {
                    sent.store(read, Ordering::Relaxed);
                    caller.write_all(&[7]).unwrap();
                }
            }
        }
    };
    let waiting = {
        let worst = worst.clone();
        async move {
            while called.read(&mut [0]).await.unwrap() > 0 {
                let late = reads.load(Ordering::Relaxed) - sent.load(Ordering::Relaxed);
                worst.fetch_max(late, Ordering::Relaxed);
            }
        }
    };
    run(&poller, Box::pin(reading), Box::pin(waiting));
    worst.load(Ordering::Relaxed)
}

/// The budget of a task, and nothing more: whoever has used it up gives events to their tasks
/// before these have their turn, so that none waits for another round of its own.
#[test]
fn an_event_is_seen_before_a_task_that_is_always_ready_has_another_round() {
    let runs: [(&str, Run); 3] = [
        ("tokio", |_, work, other| {
            current_thread().block_on(async {
                let other = tokio::spawn(other);
                tokio::spawn(work).await.unwrap();
                other.await.unwrap();
            });
        }),
        ("block_on", |poller, work, other| {
            block_on_poller(poller, zip(work, other));
        }),
        ("an executor inside block_on", |poller, work, other| {
            let executor = async_executor::LocalExecutor::new();
            let both = [executor.spawn(other), executor.spawn(work)];
            let all = async {
                for task in both {
                    task.await;
                }
            };
            block_on_poller(poller, executor.run(all));
        }),
    ];
    for (name, run) in runs {
        let late = Lane::start(move || reads_before_an_event_is_seen(run)).join();
        assert!(late <= 128, "{name}: {late} reads");
        assert!(late > 0, "{name}: it was never kept waiting");
    }
}

/// One that never ends by itself must not keep its runtime from ending.
#[test]
fn issue_tokio_2160_a_runtime_ends_beside_a_task_that_is_always_ready() {
    for runtime in [current_thread, multi_thread] {
        for (name, start) in KINDS {
            let poller = new_poller();
            let runtime = runtime();
            runtime.spawn(start(poller, usize::MAX));
            runtime.block_on(async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
            let ending = Lane::start(move || drop(runtime));
            assert!(ending.ends(), "{name}");
        }
    }
}

/// As tokio's own: the future may have used the budget up, and its time is over all the same.
#[test]
fn a_timeout_ends_although_its_future_never_comes_to_an_end_and_always_has_something_to_do() {
    let busy = |poller: &Poller| {
        let (ours, peer) = readable(poller);
        async move {
            let _peer = peer;
            loop {
                ours.readable().await.unwrap();
            }
        }
    };
    Lane::start(move || {
        let poller = new_poller();
        let limit = Duration::from_millis(5);
        let timeout = || time::timeout(limit, busy(&poller));
        current_thread().block_on(async { timeout().await.unwrap_err() });
        block_on_poller(&poller, async { timeout().await.unwrap_err() });
        let _driver = ThreadDriver::start(Poller::global()).unwrap();
        futures_lite::future::block_on(async { timeout().await.unwrap_err() });
    })
    .join();
}

/// Who asks for it is not disturbed.
#[test]
fn a_task_without_constraints_never_yields_and_a_wait_costs_no_budget() {
    Lane::start(|| {
        let poller = new_poller();
        current_thread().block_on(async {
            let (ours, _peer) = readable(&poller);
            let reading = pin!(async {
                for _ in 0..OPERATIONS {
                    ours.readable().await.unwrap();
                }
            });
            let mut reading = pin!(tokio::task::unconstrained(reading));
            let poll = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
            assert!(poll.is_ready(), "it was made to yield");

            // Polled again and again without coming to anything.
            let (idle, _peer) = tcp_and_peer(&poller);
            poll_fn(|cx| {
                for _ in 0..OPERATIONS {
                    assert!(pin!(idle.readable()).poll(cx).is_pending());
                }
                assert!(tokio::task::coop::has_budget_remaining());
                Poll::Ready(())
            })
            .await;
        });
    })
    .join();
}

/// A thread that does one operation and waits for it has no other tasks.
#[test]
fn a_blocking_handle_is_not_disturbed() {
    let poller = new_poller();
    let (a, mut peer) = tcp_and_peer(&poller);
    for _ in 0..OPERATIONS {
        assert_eq!(a.blocking().write(&[7]).unwrap(), 1);
        peer.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(poller_polls(&poller), 0, "it never had to wait");
}

fn poller_polls(poller: &Poller) -> u64 {
    let stats = poller.stats();
    stats.counter(netpoller::Counter::PollsBlock) + stats.counter(netpoller::Counter::PollsNonblock)
}

/// In `block_on` the poll runs as well: without it no deadline is fired.
#[test]
fn issue_tokio_2160_deadlines_fire_beside_a_future_that_is_always_ready_in_block_on() {
    Lane::start(|| {
        let poller = new_poller();
        let (ours, _peer) = readable(&poller);
        let fired = AtomicUsize::new(0);
        let sleeping = async {
            for _ in 0..3 {
                time::sleep(Duration::from_micros(50)).await;
                fired.fetch_add(1, Ordering::Relaxed);
            }
        };
        let busy = async {
            for _ in 0..1_000_000 {
                if fired.load(Ordering::Relaxed) == 3 {
                    return true;
                }
                ours.readable().await.unwrap();
            }
            false
        };
        let (fired, ()) = block_on_poller(&poller, zip(busy, sleeping));
        assert!(fired, "no deadline in a million operations");
    })
    .join();
}

/// At the seam as well: a wait that ends at once because of its deadline.
#[test]
fn issue_tokio_2160_a_wait_at_the_seam_takes_part() {
    Lane::start(|| {
        let poller = new_poller();
        current_thread().block_on(async {
            use std::os::fd::AsFd;
            netpoller::driver::tokio::attach(&poller).unwrap();
            let (socket, _peer) = std_unix::UnixStream::pair().unwrap();
            let desc = poller.open(socket.as_fd(), Kind::Unix).unwrap();
            desc.set_deadline(past(), Sides::Both);
            let turns = Arc::<AtomicUsize>::default();
            tokio::spawn(count(turns.clone(), Arc::default()));
            for _ in 0..OPERATIONS {
                desc.wait(Direction::Read).await.unwrap_err();
            }
            assert!(turns.load(Ordering::Relaxed) >= TURNS);
        });
    })
    .join();
}

/// Of the kind of tokio#4941: the reader that was called lies in a slot of the worker that the loop
/// keeps busy.
#[test]
fn issue_tokio_4941_a_loop_of_polls_does_not_keep_the_bytes_from_the_reader_that_it_has_called() {
    Lane::start(|| {
        let poller = new_poller();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .build()
            .unwrap();
        let (ours, peer) = tcp_pair(&poller);
        let ours = Arc::new(ours);
        let spinning = runtime.spawn({
            let ours = ours.clone();
            async move {
                loop {
                    let _ = time::timeout(Duration::ZERO, ours.readable()).await;
                }
            }
        });
        let reading = runtime.spawn({
            let ours = ours.clone();
            async move { ours.read(&mut [0; 1]).await.unwrap() }
        });
        std::thread::sleep(Duration::from_millis(20));
        peer.blocking().write_all(b"x").unwrap();
        assert_eq!(runtime.block_on(reading).unwrap(), 1);
        spinning.abort();

        // The same with a loop that takes no breaks, and a reader on a thread.
        let stop = Arc::<AtomicBool>::default();
        let spinning = runtime.spawn(tokio::task::unconstrained({
            let (ours, stop) = (ours.clone(), stop.clone());
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let _ = time::timeout(Duration::ZERO, ours.readable()).await;
                }
            }
        }));
        let queued = runtime.spawn({
            let ours = ours.clone();
            async move { ours.readable().await.unwrap() }
        });
        std::thread::sleep(Duration::from_millis(20));
        peer.blocking().write_all(b"y").unwrap();
        let reader = Lane::start(move || ours.blocking().read(&mut [0; 1]).unwrap());
        assert_eq!(reader.join(), 1);
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            spinning.await.unwrap();
            queued.abort();
        });
    })
    .join();
}

/// Uses up what the task has left in this poll.
fn spend_budget(cx: &mut Context<'_>) {
    while let Poll::Ready(leave) = coop::poll_proceed(cx) {
        leave.made_progress();
    }
}

/// It need not ask for leave to wait; and when its wait is over and it has no leave to try, the
/// edge is used up, and the bytes are still there.
#[test]
fn a_read_that_is_refused_after_its_wait_and_dropped_leaves_its_bytes_to_the_next() {
    Lane::start(|| {
        let poller = new_poller();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, mut peer) = tcp_and_peer(&poller);
            let mut buffer = [0; 16];
            peer.write_all(b"1").unwrap();
            // A short one, so that the next begins with waiting.
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);

            let elided = || poller.stats().counter(Counter::ElidedReads);
            let consumed = || {
                let stats = poller.stats();
                stats.transition(Direction::Read, Transition::Consume)
            };
            let before = (elided(), consumed());
            let mut other = [0; 16];
            let mut refused = Box::pin(ours.read(&mut other));
            // Until its event was fetched and used up.
            while consumed() == before.1 {
                poll_fn(|cx| {
                    spend_budget(cx);
                    assert!(refused.as_mut().poll(cx).is_pending(), "it had leave");
                    Poll::Ready(())
                })
                .await;
                if elided() == before.0 + 1 && buffer[0] == b'1' {
                    buffer[0] = 0;
                    peer.write_all(b"2").unwrap();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(elided(), before.0 + 1);
            drop(refused);
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], b'2');
        });
    })
    .join();
}

/// What is written by one call stays together, although it is made to give way between its parts.
#[test]
fn a_write_that_is_refused_between_its_parts_lets_nobody_write_in_between() {
    Lane::start(|| {
        let poller = new_poller();
        current_thread().block_on(async {
            let (ours, mut peer) = tcp_and_peer(&poller);
            let big = vec![b'a'; 16 << 20];
            let mut first = Box::pin(ours.write_all(&big));
            let mut second = Box::pin(ours.write_all(b"b"));
            tokio::task::yield_now().await;
            poll_fn(|cx| {
                // All but one, which the first part takes.
                while let Poll::Ready(leave) = coop::poll_proceed(cx) {
                    if !coop::has_budget_remaining() {
                        break;
                    }
                    leave.made_progress();
                }
                assert!(coop::has_budget_remaining());
                assert!(first.as_mut().poll(cx).is_pending());
                assert!(!coop::has_budget_remaining(), "it has written a part");
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
            poll_fn(|cx| {
                assert!(second.as_mut().poll(cx).is_pending(), "the turn is taken");
                Poll::Ready(())
            })
            .await;
            let length = big.len();
            let reader = std::thread::spawn(move || {
                let mut all = vec![0; length + 1];
                peer.read_exact(&mut all).unwrap();
                all
            });
            let (one, other) = zip(first, second).await;
            one.and(other).unwrap();
            let all = reader.join().unwrap();
            assert_eq!(all.iter().position(|byte| *byte == b'b'), Some(length));
        });
    })
    .join();
}
