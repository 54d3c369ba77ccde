//! tokio, which polls the poller through its own epoll.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use netpoller::Poller;
use netpoller::driver::ThreadDriver;
use netpoller::net::{TcpListener, TcpStream, UnixStream};
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
pub(crate) async fn serve_and_talk(poller: Poller) {
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

/// And nothing would ever end it, unless somebody else polls.
#[test]
fn a_sleep_in_a_runtime_without_io_says_what_to_do() {
    let poller = new_poller();
    let sleep = |duration| {
        let runtime = Builder::new_current_thread().build().unwrap();
        let sleep = || netpoller::time::sleep(duration);
        runtime.block_on(poller.in_scope(sleep));
    };
    // One that is over when it is first looked at needs nobody.
    let long = std::panic::AssertUnwindSafe(|| sleep(Duration::from_secs(3600)));
    let panic = std::panic::catch_unwind(long).unwrap_err();
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("runtime.rs"), "{message}");
    assert!(message.contains("enable_io"), "{message}");
    let _driver = ThreadDriver::start(&poller).unwrap();
    sleep(Duration::from_millis(20));
}

/// In a process of its own, for the hook is the process's, and so are the epoll instances from
/// which it is known.
#[test]
fn a_runtime_without_io_is_refused_without_a_panic() {
    use std::sync::atomic::AtomicU32;
    static PANICS: AtomicU32 = AtomicU32::new(0);
    if !netpoller_tests::is_alone("runtime::a_runtime_without_io_is_refused_without_a_panic") {
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
