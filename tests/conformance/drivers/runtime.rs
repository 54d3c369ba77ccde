//! tokio, which polls the poller through its own epoll.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller::net::{TcpListener, TcpStream, UnixStream};
use netpoller::{Poller, block_on_poller};
use netpoller_tests::{Lane, assert_timeout, loopback, new_poller, tcp_pair, unix_pair, until};
use tokio::runtime::{Builder, Runtime};

use crate::{echo, talk};

pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

pub(crate) fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_io()
        .build()
        .unwrap()
}

/// A listener with a task for each connection, and clients that talk to it.
async fn serve_and_talk(poller: Poller) {
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for _ in 0..8 {
            tokio::spawn(echo(listener.accept().await.unwrap().0));
        }
    });
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let poller = poller.clone();
            tokio::spawn(async move {
                talk(
                    poller
                        .in_scope(|| TcpStream::connect(address))
                        .await
                        .unwrap(),
                    20,
                )
                .await;
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    server.await.unwrap();
}

#[test]
fn both_kinds_of_runtime_serve_an_echo() {
    for runtime in [current_thread, multi_thread] {
        Lane::start(move || {
            let poller = new_poller();
            runtime().block_on(serve_and_talk(poller.clone()));
            until("nobody is counted as waiting", || poller.waiters() == 0);
        })
        .join();
    }
}

#[test]
fn deadlines_fire_in_a_runtime_without_timers_of_its_own_and_never_early() {
    Lane::start(|| {
        let poller = new_poller();
        current_thread().block_on(async {
            let (a, _b) = unix_pair(&poller);
            for step in 0..12 {
                let deadline = Instant::now() + Duration::from_micros(10 << step);
                a.set_read_deadline(Some(deadline)).unwrap();
                assert_timeout(a.read(&mut [0]).await);
                assert!(Instant::now() >= deadline, "early");
            }
        });
    })
    .join();
}

#[test]
fn a_deadline_set_from_outside_of_the_runtime_wakes_it() {
    let poller = new_poller();
    let (a, _b) = unix_pair(&poller);
    let a = Arc::new(a);
    let reader = Lane::start({
        let a = a.clone();
        move || current_thread().block_on(async { a.read(&mut [0]).await })
    });
    until("the task waits", || poller.waiters() == 1);
    a.set_read_deadline(netpoller_tests::soon()).unwrap();
    assert_timeout(reader.join());
}

#[test]
fn a_listener_bound_before_the_runtime_is_polled_by_it() {
    for runtime in [current_thread, multi_thread] {
        let poller = new_poller();
        let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting =
            Lane::start(move || runtime().block_on(async { listener.accept().await.map(drop) }));
        until("the task waits", || poller.waiters() == 1);
        let _client = std::net::TcpStream::connect(address).unwrap();
        accepting.join().unwrap();
    }
}

#[test]
fn a_pollable_made_before_the_runtime_is_polled_by_it() {
    use netpoller::pollable::Pollable;
    use std::io::{Read, Write};
    let poller = new_poller();
    let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
    let a = poller.in_scope(|| Pollable::new(a)).unwrap();
    let reading = Lane::start(move || {
        current_thread().block_on(async { a.read_with(|mut a| a.read(&mut [0])).await })
    });
    until("the task waits", || poller.waiters() == 1);
    b.write_all(b"x").unwrap();
    assert_eq!(reading.join().unwrap(), 1);
}

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
fn a_thread_and_a_runtime_poll_together_and_no_wake_is_lost() {
    // The runtime's poll may meet the break that was meant for the thread.
    let poller = new_poller();
    let (ours, theirs) = tcp_pair(&poller);
    let runtime = Lane::start(move || current_thread().block_on(echo(theirs)));
    let (to_thread, from_runtime) = tcp_pair(&poller);
    let thread = Lane::block_on(&poller, move || echo(to_thread));
    Lane::block_on(&poller, {
        let poller = poller.clone();
        move || async move {
            for _ in 0..500 {
                yield_through_thread(&poller).await;
            }
            talk(ours, 200).await;
            talk(from_runtime, 200).await;
        }
    })
    .join();
    runtime.join();
    thread.join();
}

/// Is woken by another thread, as by a channel, while this one sleeps in the poll.
async fn yield_through_thread(_poller: &Poller) {
    use std::task::Poll;
    let mut thread = None;
    std::future::poll_fn(|cx| match &thread {
        None => {
            let waker = cx.waker().clone();
            thread = Some(std::thread::spawn(move || waker.wake()));
            Poll::Pending
        }
        Some(thread) if thread.is_finished() => Poll::Ready(()),
        Some(_) => {
            std::thread::yield_now();
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
    thread.unwrap().join().unwrap();
}

#[test]
fn a_runtime_without_io_is_an_error_that_says_what_to_do() {
    let poller = new_poller();
    let runtime = Builder::new_current_thread().build().unwrap();
    let error = runtime
        .block_on(async { poller.in_scope(|| TcpListener::bind(loopback())) })
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("enable_io"), "{error}");
    // Nor does one hang that was bound before.
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let accepting = Lane::start(move || {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { listener.accept().await.map(drop) })
    });
    assert!(
        accepting
            .join()
            .unwrap_err()
            .to_string()
            .contains("enable_io")
    );
}

/// A stream that has nothing to read, and one that has no room to write, on the poller of the
/// runtime.
fn stuck() -> (UnixStream, UnixStream, [UnixStream; 2]) {
    use std::io::Write;
    let ((a, b), (c, d)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let peer = std::os::unix::net::UnixStream::from(c.duplicate().unwrap());
    while (&peer).write(&[0; 4096]).is_ok() {}
    (a, c, [b, d])
}

/// In a process of its own, for the hook is the process's, and so are the epoll instances from
/// which it is known.
#[test]
fn a_runtime_without_io_is_refused_without_a_panic() {
    use std::sync::atomic::AtomicU32;
    static PANICS: AtomicU32 = AtomicU32::new(0);
    const INSIDE: &str = "NETPOLLER_TEST_WITHOUT_IO";
    let name = "runtime::a_runtime_without_io_is_refused_without_a_panic";
    if std::env::var_os(INSIDE).is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{error}");
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        hook(info);
    }));
    let without = || Builder::new_current_thread().build().unwrap();
    let refused = |runtime: &Runtime| {
        let bound = runtime.block_on(async { TcpListener::bind(loopback()) });
        let error = bound.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("enable_io"), "{error}");
        let connected = runtime.block_on(TcpStream::connect(loopback()));
        assert!(connected.unwrap_err().to_string().contains("enable_io"));
    };
    let panics = || PANICS.load(Ordering::Relaxed);
    refused(&without());
    // Beside pollers, and a runtime that polls one.
    let poller = new_poller();
    let _listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let other = multi_thread();
    let _pair = other.block_on(async { UnixStream::pair().unwrap() });
    let one = without();
    refused(&one);
    refused(&one);
    assert_eq!(panics(), 0, "the hook has run");
    // A thread of it that polls itself needs no I/O of the runtime.
    let blocking = one.spawn(async {
        let done = tokio::task::spawn_blocking(|| {
            netpoller::block_on(async {
                let (a, b) = UnixStream::pair().unwrap();
                b.write_all(b"x").await.unwrap();
                a.read(&mut [0]).await.unwrap()
            })
        });
        done.await.unwrap()
    });
    assert_eq!(one.block_on(blocking).unwrap(), 1);
    // An epoll instance of somebody's: there is no telling but by trying, once.
    let _foreign = Builder::new_current_thread().enable_io().build().unwrap();
    let two = without();
    refused(&two);
    refused(&two);
    assert_eq!(panics(), 1);
}

#[test]
fn blocking_handles_that_would_wait_on_a_worker_fail_and_say_what_to_do() {
    use std::io::{ErrorKind, Read, Write};
    fn refused() {
        let (reader, writer, peers) = stuck();
        // What is there is had.
        peers[0].blocking().write_all(b"x").unwrap();
        assert_eq!(reader.blocking().read(&mut [0]).unwrap(), 1);
        for error in [
            reader.blocking().read(&mut [0]).unwrap_err(),
            reader.blocking().read_exact(&mut [0]).unwrap_err(),
            writer.blocking().write(b"x").unwrap_err(),
            writer.blocking().write_all(b"x").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Deadlock, "{error}");
            assert!(error.to_string().contains("spawn_blocking"), "{error}");
        }
        let rest = writer
            .blocking()
            .try_write_all(&netpoller_tests::full())
            .unwrap_err();
        assert_eq!(rest.written(), 0);
        let (a, _b) = UnixStream::pair().unwrap();
        let some = a
            .blocking()
            .try_write_all(&netpoller_tests::full())
            .unwrap_err();
        assert!(some.written() > 0);
        // The task has its budget back: it may go on with as many operations of tokio's.
        assert!(tokio::task::coop::has_budget_remaining());
    }
    fn allowed() {
        let (reader, _writer, peers) = stuck();
        let [peer, _] = peers;
        let writing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            peer.blocking().write_all(b"x").unwrap();
        });
        assert_eq!(reader.blocking().read(&mut [0]).unwrap(), 1);
        writing.join().unwrap();
    }
    for runtime in [current_thread, multi_thread] {
        Lane::start(move || {
            runtime().block_on(async {
                refused();
                tokio::spawn(async { refused() }).await.unwrap();
                tokio::task::LocalSet::new()
                    .run_until(async { refused() })
                    .await;
                tokio::task::spawn_blocking(allowed).await.unwrap();
            });
            // A thread that has merely entered it runs no tasks.
            let runtime = runtime();
            let _entered = runtime.enter();
            allowed();
        })
        .join();
    }
    Lane::start(|| {
        multi_thread().block_on(async {
            tokio::task::block_in_place(allowed);
            tokio::spawn(async { tokio::task::block_in_place(allowed) })
                .await
                .unwrap();
        });
    })
    .join();
}

/// A call that is refused, or a future that is dropped, has waited in the place of the poll
/// function and leaves without readiness.
#[test]
fn a_poll_function_whose_place_was_taken_by_what_ends_without_readiness_is_woken() {
    use std::io::Read;
    use tokio::io::AsyncRead;
    struct Woken(std::sync::atomic::AtomicU32);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn refused(stream: &UnixStream) {
        assert!(stream.blocking().read(&mut [0]).is_err());
    }
    fn dropped(stream: &UnixStream) {
        let mut buf = [0];
        let mut read = pin!(stream.read(&mut buf));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(cx).is_pending());
    }
    Lane::start(|| {
        current_thread().block_on(async {
            for takes_its_place in [refused, dropped] {
                let (mut a, _b) = UnixStream::pair().unwrap();
                let woken = Arc::new(Woken(0.into()));
                let waker = Waker::from(woken.clone());
                let mut buf = [0];
                let read = Pin::new(&mut a).poll_read(
                    &mut Context::from_waker(&waker),
                    &mut tokio::io::ReadBuf::new(&mut buf),
                );
                assert!(read.is_pending());
                assert_eq!(woken.0.load(Ordering::Relaxed), 0);
                takes_its_place(&a);
                assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            }
        });
    })
    .join();
}

#[test]
fn a_block_on_that_waits_on_a_worker_polls_also_for_the_runtime_it_stands_on() {
    use std::io::Write;
    Lane::start(|| {
        current_thread().block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            let writing = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                b.blocking().write_all(b"x").unwrap();
                b
            });
            // The one worker of the runtime that polls for it stands in here.
            assert_eq!(netpoller::block_on(a.read(&mut [0])).unwrap(), 1);
            a.set_read_deadline(netpoller_tests::soon()).unwrap();
            assert_timeout(netpoller::block_on(a.read(&mut [0])));
            writing.join().unwrap();
        });
    })
    .join();
}

#[test]
fn blocking_handles_work_on_the_threads_for_blocking_work() {
    Lane::start(|| {
        let poller = new_poller();
        current_thread().block_on(async {
            let (a, b) = tcp_pair(&poller);
            let server = tokio::task::spawn_blocking(move || {
                use std::io::{Read, Write};
                let mut b = b.blocking();
                let mut buf = [0; 4];
                b.read_exact(&mut buf).unwrap();
                b.write_all(&buf).unwrap();
            });
            a.write_all(b"ping").await.unwrap();
            assert_eq!(a.read(&mut [0; 4]).await.unwrap(), 4);
            server.await.unwrap();
        });
    })
    .join();
}

/// The duplicate that tokio watches is the poller's own as well, for as long as it is there.
#[test]
fn semantics_57_the_descriptor_that_a_runtime_watches_is_the_pollers_own() {
    let poller = new_poller();
    let own = |poller: &Poller| {
        (0..1024)
            .filter(|fd| poller.is_poll_descriptor(*fd))
            .count()
    };
    let before = own(&poller);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        netpoller::driver::tokio::attach(&poller).unwrap();
        // The timerfd of the nested poller, and the duplicate.
        assert_eq!(own(&poller), before + 2);
    });
    drop(runtime);
    assert_eq!(own(&poller), before + 1);
}
