//! What may wait on a worker of a tokio runtime, and what is refused there.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller::net::UnixStream;
use netpoller_tests::{Lane, assert_timeout, new_poller, tcp_pair};

use crate::runtime::{current_thread, multi_thread};

/// A stream that has nothing to read, and one that has no room to write, on the poller of the
/// runtime.
fn stuck() -> (UnixStream, UnixStream, [UnixStream; 2]) {
    use std::io::Write;
    let ((a, b), (c, d)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let peer = std::os::unix::net::UnixStream::from(c.duplicate().unwrap());
    while (&peer).write(&[0; 4096]).is_ok() {}
    (a, c, [b, d])
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
