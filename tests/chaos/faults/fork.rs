//! Forks while everything goes on: a child has copies of all descriptors, and whatever it does with
//! them is its own business.

use std::collections::BTreeSet;
use std::fs::read_link;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use netpoller::driver::ThreadDriver;
use netpoller::net::UnixStream;
use netpoller::pipe::pipe;
use netpoller::view::dump::{self, Trigger};
use netpoller::{Error, Kind, Poller, ReadyList, inspect, prometheus};
use netpoller_tests::{LIMIT, is_parked, new_poller, run, unix_pair};

use super::process::{
    close_all, descriptors, every_descriptor, fork, ring_all, wait_at_most, wait_for,
};
use super::work::{Work, driven};

#[test]
fn a_forked_child_does_not_disturb_its_parent_whatever_it_does_with_its_copies() {
    let work = Work::start();
    let driver = driven(work.poller());
    work.goes_on(5);
    for turn in 0..20 {
        // What the parent closes meanwhile is not in the child either, or is something else; both
        // are the child's own copies.
        let child = if turn % 2 == 0 {
            fork(close_all, &every_descriptor())
        } else {
            // As if a break had been asked for that nobody has asked for.
            fork(ring_all, &descriptors("anon_inode:[eventfd]"))
        };
        work.goes_on(2);
        assert_eq!(wait_for(child), 0);
        work.goes_on(2);
    }
    drop(driver);
    work.finish();
}

#[test]
fn a_child_that_closes_its_copies_leaves_the_registrations_of_its_parent_alone() {
    run(async |poller| {
        let (a, b) = unix_pair(&poller);
        let mut buf = [0; 1];
        let mut read = Box::pin(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        let before = netpoller::view::kernel_registrations(&poller)
            .expect("a list")
            .len();
        assert_eq!(wait_for(fork(close_all, &every_descriptor())), 0);
        let after = netpoller::view::kernel_registrations(&poller)
            .expect("a list")
            .len();
        assert_eq!(after, before);
        b.write_all(b"x").await.expect("it is open");
        assert_eq!(read.await.expect("woken"), 1);
    });
}

#[test]
fn a_child_that_lives_on_does_not_keep_what_its_parent_closes_alive_in_the_poller() {
    run(async |poller| {
        let (a, b) = unix_pair(&poller);
        let (reader, writer) = std::os::unix::net::UnixStream::pair().expect("a pair");
        // It ends when its parent has closed `writer`, of which it closes its own copy first.
        let child = fork(wait_for_end, &[writer.as_raw_fd(), reader.as_raw_fd()]);
        a.close().expect("it is open").await;
        // The child's copy keeps the socket open, and its registration would still tell of what
        // comes: DEL came first.
        b.write_all(b"for nobody")
            .await
            .expect("the child has the other end");
        let (c, d) = unix_pair(&poller);
        d.write_all(b"x").await.expect("it is open");
        assert_eq!(c.read(&mut [0; 4]).await.expect("a byte"), 1);
        let stale = poller.stats().counter(netpoller::Counter::StaleEvents);
        assert_eq!(stale, 0, "events of what is closed");
        drop(writer);
        assert_eq!(wait_for(child), 0);
    });
}

/// For a forked child: closes the first and waits for the end of the second.
fn wait_for_end(numbers: &[i32]) -> i32 {
    close_all(&numbers[..1]) + super::process::read_to_end(numbers[1])
}

#[test]
fn a_program_that_is_started_inherits_nothing() {
    let others: BTreeSet<String> = every_descriptor()
        .into_iter()
        .filter_map(stands_for)
        .collect();
    let work = Work::start();
    let (reader, writer) = work.poller().in_scope(|| pipe()).expect("a pipe");
    let pipe = stands_for(reader.as_raw_fd()).expect("it is open");
    work.goes_on(5);
    for _ in 0..20 {
        let output = Command::new("sh")
            .args(["-c", "for fd in /proc/$$/fd/*; do readlink $fd; done; :"])
            .output()
            .expect("a shell");
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.lines().count() >= 3, "it has its own three: {text}");
        for file in text.lines().filter(|file| !others.contains(*file)) {
            let ours =
                file.starts_with("anon_inode:") || file.starts_with("socket:") || file == pipe;
            assert!(!ours, "{file} is inherited: {text}");
        }
    }
    drop((reader, writer));
    work.finish();
}

#[test]
fn issue_tokio_1541_a_child_makes_a_poller_of_its_own_whatever_lock_was_held_when_it_was_forked() {
    let over = Arc::new(AtomicBool::new(false));
    let busy: [fn(usize); 4] = [label_and_name, make_a_poller, start_a_thread, run_a_runtime];
    let threads = busy.map(|work| {
        let over = over.clone();
        std::thread::spawn(move || {
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                work(turn);
            }
        })
    });
    for turn in 0..300 {
        let ended = wait_at_most(fork(lives_on, &[]), Duration::from_secs(60));
        assert_eq!(ended, Some(0), "child {turn}");
    }
    over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("it does not panic");
    }
}

/// What has a thread in the parent of the next test's child.
type Handles = (ThreadDriver, Trigger, inspect::Server, prometheus::Server);

static HANDLES: Mutex<Option<Handles>> = Mutex::new(None);

#[test]
fn a_child_drops_what_has_a_thread_in_its_parent_and_leaves_that_thread_alone() {
    let directory = tempfile::tempdir().expect("a folder");
    let poller = new_poller();
    let socket = inspect::Listen::Unix(directory.path().join("s"));
    let never = |_: &Poller| false;
    *HANDLES.lock().expect("ours alone") = Some((
        ThreadDriver::start(&poller).expect("a thread"),
        dump::when(directory.path(), Duration::from_secs(3600), never).expect("a thread"),
        inspect::Server::builder()
            .listen(socket)
            .start()
            .expect("a thread"),
        prometheus::Server::builder(netpoller_tests::loopback())
            .start()
            .expect("a thread"),
    ));
    let drop_all = |_: &[i32]| {
        let drop_all = || drop(HANDLES.lock().expect("nobody has it").take());
        i32::from(std::panic::catch_unwind(drop_all).is_err())
    };
    assert_eq!(wait_at_most(fork(drop_all, &[]), LIMIT), Some(0));
    // The driver still polls, the endpoint and the metrics still answer.
    let (a, b) = unix_pair(&poller);
    let reading = std::thread::spawn(move || {
        futures_lite::future::block_on(async { a.read(&mut [0; 4]).await.expect("a byte") })
    });
    std::os::unix::net::UnixStream::from(b.duplicate().expect("it is open"))
        .write_all(b"x")
        .expect("it is open");
    assert_eq!(reading.join().expect("it does not panic"), 1);
    let handles = HANDLES.lock().expect("ours alone").take().expect("all");
    std::os::unix::net::UnixStream::connect(directory.path().join("s")).expect("it is there");
    let mut metrics = std::net::TcpStream::connect(handles.3.local_addr()).expect("it listens");
    metrics.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    assert!(metrics.read(&mut [0; 16]).expect("an answer") > 0);
    drop(handles);
}

fn label_and_name(turn: usize) {
    thread_local! {
        static PAIR: (UnixStream, UnixStream) = {
            let poller = new_poller();
            unix_pair(&poller)
        };
    }
    PAIR.with(|(ours, _)| ours.set_label(&format!("label {turn}")));
    drop(netpoller::task::named(&format!("task {turn}"), async {}));
}

fn make_a_poller(_: usize) {
    drop(new_poller());
}

fn start_a_thread(_: usize) {
    let thread = std::thread::spawn(|| drop(new_poller().wake()));
    thread.join().expect("it does not panic");
}

fn run_a_runtime(_: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let sleep = async { netpoller::time::sleep(Duration::from_micros(10)).await };
    runtime.expect("a runtime").block_on(sleep);
}

/// For a forked child: everything that takes a lock of the process, and a byte from one end of a
/// socket to the other.
///
/// It allocates and locks, which a child of a process with threads may do where the C library
/// allows for it, as glibc does.
fn lives_on(_: &[i32]) -> i32 {
    let lived = std::panic::catch_unwind(|| {
        let poller = Poller::builder().name("child").build().expect("a poller");
        let _entered = poller.enter();
        netpoller::block_on_poller(&poller, async {
            let (a, b) = unix_pair(&poller);
            a.set_label("of the child");
            let read = netpoller::task::named("reads", async { a.read(&mut [0; 4]).await });
            let write = async { b.write_all(b"x").await.expect("it is open") };
            assert_eq!(
                futures_lite::future::zip(read, write)
                    .await
                    .0
                    .expect("a byte"),
                1
            );
        });
        assert_eq!(poller.rows().len(), 0);
    });
    i32::from(lived.is_err())
}

fn stands_for(number: i32) -> Option<String> {
    let file = read_link(format!("/proc/self/fd/{number}")).ok()?;
    Some(file.to_string_lossy().into_owned())
}

/// What the child of the next test has of its parent's.
struct Scene {
    poller: Poller,
    stream: UnixStream,
    dropped: Mutex<Option<UnixStream>>,
}

static SCENE: OnceLock<Scene> = OnceLock::new();

/// In the child: the number of the first thing that is not as it should be, 0 if all are.
fn parents_poller_and_own(_: &[i32]) -> i32 {
    let Some(Scene {
        poller,
        stream,
        dropped,
    }) = SCENE.get()
    else {
        return 90;
    };
    let is = |error: &io::Error| {
        Error::of(error) == Some(Error::Forked) && error.to_string().contains("Poller::builder")
    };
    let once = |n: i32, ok: bool| if ok { Ok(()) } else { Err(n) };
    let checks = || {
        let mut buf = [0; 1];
        let read = futures_lite::future::block_on(stream.read(&mut buf));
        once(1, read.is_err_and(|e| is(&e)))?;
        let write = futures_lite::future::block_on(stream.write(b"x"));
        once(2, write.is_err_and(|e| is(&e)))?;
        let mut handle = stream.blocking();
        once(3, handle.read(&mut buf).is_err_and(|e| is(&e)))?;
        let (file, _peer) = std::os::unix::net::UnixStream::pair().map_err(|_| 91)?;
        let opened = poller.open(file.as_fd(), Kind::Unix);
        once(4, opened.is_err_and(|e| e.to_string().contains("forked")))?;
        once(
            5,
            poller
                .in_scope(|| UnixStream::pair())
                .is_err_and(|e| e.to_string().contains("forked")),
        )?;
        let mut ready = ReadyList::default();
        let poll = |delay, ready: &mut ReadyList| poller.poll(delay, ready).is_err_and(|e| is(&e));
        once(
            6,
            poll(Some(Duration::ZERO), &mut ready) && poll(None, &mut ready),
        )?;
        once(7, poller.wake().is_err_and(|e| is(&e)))?;
        once(11, poller.audit().is_err_and(|e| is(&e)))?;
        once(12, poller.audit_quiescent().is_err_and(|e| is(&e)))?;
        once(8, Poller::try_global().is_err_and(|e| is(&e)))?;
        once(9, UnixStream::pair().is_err_and(|e| is(&e)))?;
        stream
            .set_deadline(netpoller_tests::soon())
            .map_err(|_| 10)?;
        drop(dropped.lock().map_err(|_| 92)?.take());

        let own = Poller::builder().build().map_err(|_| 20)?;
        let _entered = own.enter();
        netpoller::block_on(async {
            let (a, b) = UnixStream::pair().map_err(|_| 21)?;
            b.write_all(b"x").await.map_err(|_| 22)?;
            once(23, a.read(&mut [0]).await.is_ok_and(|n| n == 1))?;
            netpoller::time::sleep(Duration::from_millis(1)).await;
            a.set_read_deadline(netpoller_tests::soon())
                .map_err(|_| 24)?;
            once(25, a.read(&mut [0]).await.is_err())
        })
    };
    // A panic must not leave through the test of the parent.
    match std::panic::catch_unwind(checks) {
        Ok(Ok(())) => 0,
        Ok(Err(n)) => n,
        Err(_) => 99,
    }
}

/// In a process with nothing else in it, whose child may then do what any program with one thread
/// may.
#[test]
fn a_forked_child_is_told_that_a_poller_is_its_parents_and_makes_its_own() {
    const INSIDE: &str = "NETPOLLER_TEST_FORKED";
    let name = "fork::a_forked_child_is_told_that_a_poller_is_its_parents_and_makes_its_own";
    if std::env::var_os(INSIDE).is_none() {
        let inside = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "--nocapture", name])
            .env(INSIDE, "1")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&inside.stdout);
        let error = String::from_utf8_lossy(&inside.stderr);
        assert!(inside.status.success(), "{text}\n{error}");
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    let poller = new_poller();
    Poller::global();
    let (stream, peer) = unix_pair(&poller);
    let (dropped, other) = unix_pair(&poller);
    let scene = Scene {
        poller: poller.clone(),
        stream,
        dropped: Mutex::new(Some(dropped)),
    };
    assert!(SCENE.set(scene).is_ok());
    let registered = || {
        netpoller::view::kernel_registrations(&poller)
            .expect("a list")
            .len()
    };
    let before = registered();
    assert_eq!(wait_for(fork(parents_poller_and_own, &[])), 0);
    // The parent has lost nothing of it.
    assert_eq!(registered(), before);
    let scene = SCENE.get().expect("it was set");
    netpoller::block_on_poller(&poller, async {
        peer.write_all(b"x").await.expect("it is open");
        assert_eq!(scene.stream.read(&mut [0]).await.expect("it is open"), 1);
        other.write_all(b"y").await.expect("it is open here");
    });
}
