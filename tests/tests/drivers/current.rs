//! Which poller is the current one: entered, of a `block_on`, of the runtime, global.

use std::io::Write;
use std::time::Duration;

use futures_lite::future;
use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixListener, UnixSeqpacket, UnixSeqpacketListener,
    UnixStream,
};
use netpoller::pollable::Pollable;
use netpoller::{Poller, block_on, block_on_poller, pipe, time, view};
use netpoller_tests::{LIMIT, Lane, loopback, until};
use tokio::runtime::{Builder, Handle};
use tokio::task::LocalSet;

use crate::runtime::{current_thread, multi_thread};

fn poller(name: &str) -> Poller {
    Poller::builder().name(name).build().unwrap()
}

/// The name of the poller that something made here belongs to.
#[track_caller]
fn here() -> String {
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    name_of(&Pollable::new(stream).unwrap())
}

fn name_of<T: std::os::fd::AsFd>(pollable: &Pollable<T>) -> String {
    pollable.desc().unwrap().poller().name().to_owned()
}

/// The pollers that have a live descriptor with this number.
fn pollers_of(fd: i32) -> Vec<String> {
    let with_it = |poller: &&Poller| view::snapshot(poller).rows.iter().any(|row| row.fd == fd);
    let pollers = view::pollers();
    pollers
        .iter()
        .filter(with_it)
        .map(|p| p.name().to_owned())
        .collect()
}

/// The one poller of something with a descriptor.
#[track_caller]
fn poller_of(thing: &impl std::os::fd::AsRawFd) -> String {
    let pollers = pollers_of(thing.as_raw_fd());
    assert_eq!(pollers.len(), 1, "{pollers:?}");
    pollers[0].clone()
}

#[test]
fn everything_that_is_made_in_a_runtime_is_of_the_runtimes_one_poller() {
    Lane::start(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .name("Every Thing")
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let own = here();
            assert_eq!(own, "every_thing");
            let folder = tempfile::tempdir().unwrap();
            let listener = TcpListener::bind(loopback()).unwrap();
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let by = TcpStream::connect_by(address, netpoller_tests::soon().unwrap() + LIMIT);
            let by = by.await.unwrap();
            let unix = UnixListener::bind(folder.path().join("a")).unwrap();
            let unix_client = UnixStream::connect(folder.path().join("a")).await.unwrap();
            let (unix_server, _) = unix.accept().await.unwrap();
            let (a, b) = UnixStream::pair().unwrap();
            let (reader, writer) = pipe::pipe().unwrap();
            let udp = UdpSocket::bind(loopback()).unwrap();
            let std = std::net::TcpListener::bind(loopback()).unwrap();
            let from_std = TcpListener::from_std(std).unwrap();
            for poller in [
                poller_of(&listener),
                poller_of(&client),
                poller_of(&server),
                poller_of(&by),
                poller_of(&unix),
                poller_of(&unix_client),
                poller_of(&unix_server),
                poller_of(&a),
                poller_of(&b),
                poller_of(&reader),
                poller_of(&writer),
                poller_of(&udp),
                poller_of(&from_std),
                tokio::spawn(async { here() }).await.unwrap(),
                tokio::task::spawn_blocking(here).await.unwrap(),
                tokio::task::block_in_place(here),
                LocalSet::new().run_until(async { here() }).await,
            ] {
                assert_eq!(poller, own);
            }
            let timers = || {
                let pollers = view::pollers();
                let own = pollers.iter().find(|p| p.name() == own).unwrap();
                view::snapshot(own)
                    .rows
                    .iter()
                    .filter(|row| row.kind == netpoller::Kind::Timer)
                    .count()
            };
            let long = Duration::from_secs(3600);
            let tasks = [
                tokio::spawn(async move { time::sleep(long).await }),
                tokio::spawn(async move {
                    let _ = time::timeout(long, std::future::pending::<()>()).await;
                }),
                tokio::spawn(async move {
                    time::interval(long).tick().await;
                }),
            ];
            until("all three sleep", || timers() == 3);
            tasks.into_iter().for_each(|task| task.abort());
            assert_eq!(
                view::pollers()
                    .iter()
                    .filter(|p| p.name().starts_with("every"))
                    .count(),
                1
            );
        });
        drop(runtime);
        until("it goes with the runtime", || {
            view::pollers().iter().all(|p| p.name() != "every_thing")
        });
    })
    .join();
}

#[test]
fn a_future_that_is_made_outside_of_its_runtime_is_of_the_runtimes_poller_or_of_the_entered_one() {
    Lane::start(|| {
        let runtime = Builder::new_current_thread()
            .name("late")
            .enable_io()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let stream = runtime.block_on(TcpStream::connect(address)).unwrap();
        assert_eq!(poller_of(&stream), "late");
        let mine = poller("made_entered");
        let connecting = mine.in_scope(|| TcpStream::connect(address));
        let stream = runtime.block_on(connecting).unwrap();
        assert_eq!(poller_of(&stream), "made_entered");
        let soon = netpoller_tests::soon().unwrap() + LIMIT;
        let connecting = mine.in_scope(|| TcpStream::connect_by(address, soon));
        assert_eq!(poller_of(&block_on(connecting).unwrap()), "made_entered");
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let _streams = UnixListener::bind(&a).unwrap();
        let connecting = mine.in_scope(|| UnixStream::connect(&a));
        assert_eq!(poller_of(&block_on(connecting).unwrap()), "made_entered");
        let _packets = UnixSeqpacketListener::bind(&b).unwrap();
        let connecting = mine.in_scope(|| UnixSeqpacket::connect(&b));
        assert_eq!(poller_of(&block_on(connecting).unwrap()), "made_entered");
        runtime.block_on(mine.in_scope(|| time::sleep(Duration::from_millis(1))));
        let opened = netpoller::Counter::OpenedTimer;
        assert_eq!(view::stats(&mine).counter(opened), 1);
    })
    .join();
}

#[test]
fn entered_pollers_nest_and_leave_in_any_order() {
    Lane::start(|| {
        let (a, b, c) = (poller("enter_a"), poller("enter_b"), poller("enter_c"));
        assert_eq!(here(), "global");
        let first = a.enter();
        assert_eq!(here(), "enter_a");
        let second = b.enter();
        let third = c.enter();
        assert_eq!(here(), "enter_c");
        drop(second);
        assert_eq!(here(), "enter_c", "the innermost that is left");
        drop(third);
        assert_eq!(here(), "enter_a");
        drop(first);
        assert_eq!(here(), "global");

        // A block_on polls the entered one, and what is inside of another counts more.
        let _entered = a.enter();
        block_on(async {
            assert_eq!(here(), "enter_a");
            time::sleep(Duration::from_millis(1)).await;
            block_on_poller(&b, async {
                assert_eq!(here(), "enter_b");
                let _entered = c.enter();
                assert_eq!(here(), "enter_c");
                time::sleep(Duration::from_millis(1)).await;
            });
            assert_eq!(here(), "enter_a");
        });
        let sleeps = netpoller::Counter::OpenedTimer;
        assert_eq!(
            [&a, &b, &c].map(|p| view::stats(p).counter(sleeps)),
            [1, 0, 1]
        );
        // Another thread knows nothing of it.
        assert_eq!(std::thread::spawn(here).join().unwrap(), "global");
    })
    .join();
}

#[test]
fn a_scope_restores_what_was_before_also_when_it_panics() {
    Lane::start(|| {
        let (a, b) = (poller("scope_a"), poller("scope_b"));
        assert_eq!(a.in_scope(here), "scope_a");
        assert_eq!(here(), "global");
        let _entered = a.enter();
        let nested = b.in_scope(|| [here(), a.in_scope(here), here()]);
        assert_eq!(nested, ["scope_b", "scope_a", "scope_b"]);
        assert_eq!(here(), "scope_a");
        let panics = || b.in_scope(|| panic!("{}", here()));
        let message = std::panic::catch_unwind(panics).unwrap_err();
        assert_eq!(*message.downcast::<String>().unwrap(), "scope_b");
        assert_eq!(here(), "scope_a");
    })
    .join();
}

#[test]
fn an_entered_poller_is_that_of_a_runtime_on_this_thread_and_of_no_worker() {
    Lane::start(|| {
        let mine = poller("around");
        let _entered = mine.enter();
        let one = Builder::new_current_thread()
            .name("one")
            .enable_io()
            .build()
            .unwrap();
        one.block_on(async {
            assert_eq!(here(), "around");
            assert_eq!(tokio::spawn(async { here() }).await.unwrap(), "around");
            time::sleep(Duration::from_millis(1)).await;
        });
        let many = Builder::new_multi_thread()
            .worker_threads(1)
            .name("many")
            .enable_io()
            .build()
            .unwrap();
        many.block_on(async {
            assert_eq!(here(), "around");
            assert_eq!(tokio::spawn(async { here() }).await.unwrap(), "many");
        });
    })
    .join();
}

#[test]
fn a_block_on_in_a_runtime_polls_the_global_poller_and_the_runtime_does_not() {
    Lane::start(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .name("beside")
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            assert_eq!(here(), "beside");
            let mine = poller("inside");
            let inside = mine.clone();
            let done = tokio::task::spawn_blocking(move || {
                block_on(async { assert_eq!(here(), "global") });
                block_on_poller(&inside, async {
                    let (a, b) = UnixStream::pair().unwrap();
                    assert_eq!(poller_of(&a), "inside");
                    b.write_all(b"x").await.unwrap();
                    a.read(&mut [0]).await.unwrap();
                    time::sleep(Duration::from_millis(1)).await;
                });
            });
            done.await.unwrap();
            assert_eq!(view::stats(&mine).info().driver, "inline");
        });
        // The other way round: the thread of the block_on sees the poller of that, and the runtime
        // polls it meanwhile.
        let mine = poller("outside");
        block_on_poller(&mine, async {
            let handle = runtime.handle().clone();
            handle.block_on(async {
                assert_eq!(here(), "outside");
                time::sleep(Duration::from_millis(1)).await;
                assert_eq!(tokio::spawn(async { here() }).await.unwrap(), "beside");
            });
        });
        assert_eq!(view::stats(&mine).info().driver, "inline+tokio");
    })
    .join();
}

/// Accepts one connection in `runtime`, and says whose it is.
fn accepted_by(runtime: &Handle, listener: &TcpListener) -> String {
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = runtime
        .block_on(async { listener.accept().await })
        .unwrap()
        .0;
    drop(client);
    poller_of(&stream)
}

#[test]
fn connections_are_of_the_runtime_that_accepts_them_unless_the_listeners_poller_was_chosen() {
    Lane::start(|| {
        let runtime = |name| {
            let mut builder = Builder::new_multi_thread();
            builder
                .worker_threads(1)
                .name(name)
                .enable_io()
                .build()
                .unwrap()
        };
        let (first, second) = (runtime("accept_a"), runtime("accept_b"));
        let both = [first.handle(), second.handle()];
        let named = ["accept_a", "accept_b"].map(str::to_owned);
        // By default: bound outside of any runtime, in a block_on, in one of the runtimes.
        let outside = TcpListener::bind(loopback()).unwrap();
        let blocking = block_on(async { TcpListener::bind(loopback()).unwrap() });
        let inside = first.block_on(async { TcpListener::bind(loopback()).unwrap() });
        for listener in [outside, blocking, inside] {
            assert_eq!(both.map(|runtime| accepted_by(runtime, &listener)), named);
            let mut incoming = listener.into_incoming();
            let address = incoming.listener().local_addr().unwrap();
            let _client = std::net::TcpStream::connect(address).unwrap();
            let stream = second.block_on(incoming.accept()).unwrap().0;
            assert_eq!(poller_of(&stream), "accept_b");
        }
        // Chosen, in each of the three ways.
        let mine = poller("chosen");
        let by_scope = mine.in_scope(|| TcpListener::bind(loopback())).unwrap();
        let by_enter = {
            let _entered = mine.enter();
            TcpListener::bind(loopback()).unwrap()
        };
        let by_block_on = block_on_poller(&mine, async { TcpListener::bind(loopback()).unwrap() });
        for listener in [by_scope, by_enter, by_block_on] {
            assert_eq!(
                both.map(|r| accepted_by(r, &listener)),
                ["chosen", "chosen"]
            );
        }
        let global = Poller::global()
            .in_scope(|| TcpListener::bind(loopback()))
            .unwrap();
        assert_eq!(accepted_by(both[0], &global), "global");
    })
    .join();
}

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
                    view::stats(poller).counter(netpoller::Counter::PollsNonblock),
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
        let first = current_thread();
        let length = Duration::from_millis(30);
        let began = std::time::Instant::now();
        let mut sleep = Box::pin(time::sleep(length));
        assert!(first.block_on(netpoller_tests::is_parked(&mut sleep)));
        drop(first);
        current_thread().block_on(sleep);
        assert!(began.elapsed() >= length, "early");
    })
    .join();
}

/// In a process of its own, so that nobody else opens a descriptor.
#[test]
fn thousands_of_runtimes_one_after_the_other_leave_nothing_behind() {
    const INSIDE: &str = "NETPOLLER_TEST_MANY_RUNTIMES";
    if std::env::var_os(INSIDE).is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "current::thousands_of_runtimes_one_after_the_other_leave_nothing_behind",
            ])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{error}");
        assert!(text.contains("1 passed"), "{text}");
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
    assert!(
        resident() < pages + 256,
        "{pages} pages, now {}",
        resident()
    );
    assert!(view::pollers().iter().all(|p| p.name() == "global"));
}

#[test]
fn pollers_that_wait_for_each_other_are_an_error_and_no_hang() {
    let (one, other) = (poller("each"), poller("each_other"));
    let (a, _peer) = netpoller_tests::unix_pair(&one);
    let (b, to_b) = netpoller_tests::unix_pair(&other);
    let waiting = Lane::block_on(&one, move || async move { b.read(&mut [0]).await });
    until("it waits", || other.waiters() == 1 && one.waiters() == 1);
    let refused = Lane::block_on(&other, move || async move { a.read(&mut [0]).await });
    let error = refused.join().unwrap_err();
    assert!(error.to_string().contains("each_other"), "{error}");
    to_b.blocking().write_all(b"x").unwrap();
    assert_eq!(waiting.join().unwrap(), 1);
}
