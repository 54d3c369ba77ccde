//! Runtimes beside each other and one after the other, each with a poller of its own: none is woken
//! for another, and what one leaves behind goes on.

use crate::current::here;
use crate::runtime::{current_thread, multi_thread};
use futures_lite::future;
use netpoller::net::{TcpListener, TcpStream, UnixStream};
use netpoller::{block_on, time, view};
use netpoller_tests::{LIMIT, Lane, loopback, until};
use std::io::Write;
use std::time::Duration;
use tokio::runtime::Builder;

#[test]
fn runtimes_have_names_of_their_own_which_are_given_again() {
    Lane::start(|| {
        let runtime = || {
            let runtime = Builder::new_current_thread()
                .name("again")
                .enable_io()
                .build()
                .unwrap();
            let name = runtime.block_on(async { here() });
            (runtime, name)
        };
        // Whoever lists the pollers, as other tests may, keeps them and their names meanwhile.
        let called = |expected: &str| loop {
            let (runtime, name) = runtime();
            if name == expected {
                return runtime;
            }
        };
        let (first, name) = runtime();
        assert_eq!(name, "again");
        let (second, name) = runtime();
        assert_eq!(name, "again_2");
        drop(first);
        let _third = called("again");
        // One that a socket outlives keeps its name.
        let kept = second.block_on(async { UnixStream::pair().unwrap() });
        drop(second);
        let (_fourth, name) = runtime();
        assert_eq!(name, "again_3");
        drop(kept);
        let _fifth = called("again_2");
        // Not all that a runtime may be called can a poller be.
        let odd = Builder::new_current_thread()
            .name("Zürich #7: a name that is longer than is allowed")
            .enable_io()
            .build()
            .unwrap();
        assert_eq!(odd.block_on(async { here() }), "z_rich__7__a_name_tha");
        let global = Builder::new_current_thread()
            .name("global")
            .enable_io()
            .build()
            .unwrap();
        assert_eq!(global.block_on(async { here() }), "global_2");
    })
    .join();
}

/// Voluntary context switches of a thread of this process: how often it was woken.
fn switches(tid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();
    let line = status
        .lines()
        .find(|l| l.starts_with("voluntary_ctxt_switches"))
        .unwrap();
    line.split_whitespace().last().unwrap().parse().unwrap()
}

fn tid() -> i32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn runtimes_that_idle_are_woken_by_nothing_that_another_does() {
    use std::sync::mpsc::channel;
    let (names, named) = channel();
    let (stop, _) = tokio::sync::broadcast::channel::<()>(1);
    let idle: Vec<_> = (0..6)
        .map(|n| {
            let (names, mut stopped) = (names.clone(), stop.subscribe());
            Lane::start(move || {
                let mut builder = Builder::new_current_thread();
                let runtime = builder.name("idle").enable_io().build().unwrap();
                runtime.block_on(async {
                    // Each has used everything, and waits for something of its own.
                    let (a, b) = UnixStream::pair().unwrap();
                    b.write_all(b"x").await.unwrap();
                    a.read(&mut [0]).await.unwrap();
                    time::sleep(Duration::from_millis(1)).await;
                    names.send((n, tid(), here())).unwrap();
                    let read = async {
                        let _ = a.read(&mut [0]).await;
                    };
                    let stopped = async {
                        let _ = stopped.recv().await;
                    };
                    future::or(read, stopped).await;
                });
            })
        })
        .collect();
    let mut idlers: Vec<_> = (0..6).map(|_| named.recv_timeout(LIMIT).unwrap()).collect();
    idlers.sort_unstable();
    // And one listener outside of all of them, as services of a thread for each core have it.
    let listener = TcpListener::bind(loopback()).unwrap();
    let counts = || -> Vec<_> {
        let all = view::pollers();
        idlers
            .iter()
            .map(|(_, tid, name)| {
                let poller = all.iter().find(|p| p.name() == name).unwrap();
                (
                    switches(*tid),
                    poller.stats().counter(netpoller::Counter::PollsNonblock),
                )
            })
            .collect()
    };
    until("all of them are parked", || {
        let all = view::pollers();
        idlers
            .iter()
            .all(|(_, _, name)| all.iter().any(|p| p.name() == name && p.waiters() == 1))
    });
    // The last switch, into their sleep, may be under way.
    until("they have come to rest", || {
        let before = counts();
        std::thread::sleep(Duration::from_millis(20));
        before == counts()
    });
    let before = counts();
    Lane::start(move || {
        let runtime = Builder::new_current_thread()
            .name("busy")
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            for _ in 0..200 {
                let mut buf = [0; 8];
                let read = time::timeout(LIMIT, server.read(&mut buf));
                let write = async { client.write_all(b"x").await.unwrap() };
                let ((), read) = future::zip(write, read).await;
                assert_eq!(read.unwrap().unwrap(), 1);
                time::sleep(Duration::from_micros(50)).await;
            }
            let mut ticks = time::interval(Duration::from_micros(50));
            for _ in 0..100 {
                ticks.tick().await;
            }
        });
    })
    .join();
    assert_eq!(counts(), before, "switches and polls of the idle ones");
    stop.send(()).unwrap();
    idle.into_iter().for_each(Lane::join);
}

#[test]
fn a_runtime_with_a_paused_clock_sees_nothing_of_another_ones_io() {
    Lane::start(|| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let busy = Lane::start(move || {
            current_thread().block_on(async {
                let (a, b) = UnixStream::pair().unwrap();
                let talk = async {
                    loop {
                        b.write_all(b"x").await.unwrap();
                        a.read(&mut [0]).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                };
                let stopped = async {
                    let _ = stopped.await;
                };
                future::or(talk, stopped).await;
            });
        });
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .start_paused(true)
            .name("paused")
            .build()
            .unwrap();
        runtime.block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            for _ in 0..200 {
                let began = tokio::time::Instant::now();
                b.write_all(b"x").await.unwrap();
                // What is there already is had without the clock going on by itself.
                let read = tokio::time::timeout(Duration::from_secs(60), a.read(&mut [0])).await;
                assert_eq!(read.unwrap().unwrap(), 1);
                assert_eq!(began.elapsed(), Duration::ZERO);
            }
        });
        stop.send(()).unwrap();
        busy.join();
    })
    .join();
}

#[test]
fn a_socket_of_a_runtime_that_is_gone_or_stands_still_is_polled_by_whoever_waits_for_it() {
    for runtime in [current_thread, multi_thread] {
        for gone in [true, false] {
            Lane::start(move || {
                let runtime = runtime();
                let pair = || UnixStream::pair().unwrap();
                let (a, b) = runtime.block_on(async { pair() });
                let kept = if gone {
                    drop(runtime);
                    None
                } else {
                    Some(runtime)
                };
                // In a block_on of another poller, of several at once.
                let (c, d) = current_thread().block_on(async { pair() });
                let peers = Lane::start(move || {
                    let mut peers = [b, d];
                    for peer in &mut peers {
                        std::thread::sleep(Duration::from_millis(5));
                        peer.blocking().write_all(b"x").unwrap();
                    }
                    peers
                });
                let reading = async { (a.read(&mut [0]).await, c.read(&mut [0]).await) };
                let (first, second) = block_on(reading);
                assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
                let [b, _d] = peers.join();
                // A deadline of it, and a timeout.
                a.set_read_deadline(netpoller_tests::soon()).unwrap();
                netpoller_tests::assert_timeout(block_on(a.read(&mut [0])));
                a.set_read_deadline(None).unwrap();
                let read =
                    async { time::timeout(Duration::from_millis(5), a.read(&mut [0])).await };
                assert!(block_on(read).is_err());
                // In another runtime.
                let writing = Lane::start(move || b.blocking().write_all(b"y"));
                assert_eq!(current_thread().block_on(a.read(&mut [0])).unwrap(), 1);
                writing.join().unwrap();
                drop(kept);
            })
            .join();
        }
    }
}

#[test]
fn a_sleep_of_a_runtime_that_is_gone_goes_on_in_another() {
    Lane::start(|| {
        let mut length = Duration::from_millis(30);
        loop {
            let first = current_thread();
            let began = std::time::Instant::now();
            let mut sleep = Box::pin(time::sleep(length));
            if !first.block_on(netpoller_tests::is_parked(&mut sleep)) {
                // It was over before it could park: the machine is busy.
                length *= 2;
                continue;
            }
            drop(first);
            current_thread().block_on(sleep);
            assert!(began.elapsed() >= length, "early");
            return;
        }
    })
    .join();
}

/// In a process of its own, so that nobody else opens a descriptor.
#[test]
fn thousands_of_runtimes_one_after_the_other_leave_nothing_behind() {
    if !netpoller_tests::is_alone(
        "apart::thousands_of_runtimes_one_after_the_other_leave_nothing_behind",
    ) {
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let one = || {
        let runtime = current_thread();
        let without = open();
        runtime.block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            b.write_all(b"x").await.unwrap();
            a.read(&mut [0]).await.unwrap();
            time::sleep(Duration::from_nanos(1)).await;
            assert_eq!(here(), "tokio");
            assert!(open() - without <= 2 + 4, "four descriptors for a runtime");
        });
    };
    (0..200).for_each(|_| one());
    let (files, pages) = (open(), resident());
    (0..2000).for_each(|_| one());
    assert_eq!(open(), files);
    // A sanitizer keeps what is freed, to see who uses it.
    if std::env::var_os("ASAN_OPTIONS").is_none() {
        let now = resident();
        assert!(now < pages + 256, "{pages} pages, now {now}");
    }
    assert!(view::pollers().iter().all(|p| p.name() == "global"));
}
