//! Which poller is the current one: entered, of a `block_on`, of the runtime, global.

use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixListener, UnixSeqpacket, UnixSeqpacketListener,
    UnixStream,
};
use netpoller::pollable::Pollable;
use netpoller::{Poller, block_on, block_on_poller, pipe, time, view};
use netpoller_tests::{LIMIT, Lane, loopback, until};
use std::io::Write;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::task::LocalSet;

fn poller(name: &str) -> Poller {
    Poller::builder().name(name).build().unwrap()
}

/// The name of the poller that something made here belongs to.
#[track_caller]
pub(crate) fn here() -> String {
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    name_of(&Pollable::new(stream).unwrap())
}

fn name_of<T: std::os::fd::AsFd>(pollable: &Pollable<T>) -> String {
    pollable.desc().unwrap().poller().name().to_owned()
}

/// The pollers that have a live descriptor with this number.
fn pollers_of(fd: i32) -> Vec<String> {
    let with_it = |poller: &&Poller| poller.rows().iter().any(|row| row.fd == fd);
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
                own.rows()
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
        assert_eq!(mine.stats().counter(opened), 1);
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
        assert_eq!([&a, &b, &c].map(|p| p.stats().counter(sleeps)), [1, 0, 1]);
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
            assert_eq!(mine.stats().info().driver, "inline");
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
        assert_eq!(mine.stats().info().driver, "inline+tokio");
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
