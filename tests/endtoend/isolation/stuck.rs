//! The endpoint answers whatever the threads of the service do.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use netpoller::{Poller, ReadyList};
use netpoller_tests::{LIMIT, Lane, unix_pair};

use crate::endpoint::Inspected;

fn named(name: &str) -> Poller {
    Poller::builder().name(name).build().expect("a poller")
}

#[test]
fn the_endpoint_answers_while_every_thread_of_the_service_is_blocked_in_a_lock() {
    let inspected = Inspected::start();
    let poller = named("blocked");
    let lock = Arc::new(Mutex::new(()));
    let passed = Arc::new(AtomicUsize::new(0));
    let held = lock.lock().expect("free");
    let (ready, blocked) = channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (lock, passed, ready) = (lock.clone(), passed.clone(), ready.clone());
            let (ours, theirs) = unix_pair(&poller);
            Lane::block_on(&poller, move || async move {
                // Each has been woken by the poller, and so has been one that polls, or could be.
                theirs.write_all(b"x").await.expect("room");
                ours.read(&mut [0]).await.expect("a byte");
                ready.send(()).expect("the test waits");
                drop(lock.lock().expect("not poisoned"));
                passed.fetch_add(1, Ordering::SeqCst);
                (ours, theirs)
            })
        })
        .collect();
    for _ in &threads {
        blocked.recv_timeout(LIMIT).expect("it comes to the lock");
    }
    inspected.assert_answers("blocked", 8);
    assert_eq!(passed.load(Ordering::SeqCst), 0, "all were blocked");
    drop(held);
    for thread in threads {
        thread.join();
    }
}

#[test]
fn the_endpoint_answers_while_the_threads_of_the_service_spin_on_every_core() {
    let inspected = Inspected::start();
    let poller = named("spinning");
    let (_ours, _theirs) = unix_pair(&poller);
    let stop = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().expect("a number");
    let threads: Vec<_> = (0..2 * cores.get())
        .map(|_| {
            let (stop, turns, poller) = (stop.clone(), turns.clone(), poller.clone());
            Lane::start(move || {
                let mut ready = ReadyList::with_capacity(16);
                while !stop.load(Ordering::Relaxed) {
                    // Each turn through the poller, so that its locks are as busy as can be.
                    poller
                        .poll(Some(std::time::Duration::ZERO), &mut ready)
                        .expect("a poll");
                    ready.wake_all();
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    netpoller_tests::until("they spin", || turns.load(Ordering::Relaxed) > 1000);
    let before = turns.load(Ordering::Relaxed);
    inspected.assert_answers("spinning", 2);
    assert!(
        turns.load(Ordering::Relaxed) > before,
        "they spun all along"
    );
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join();
    }
}

/// A waker that does not come back until it is told to.
struct Stubborn {
    entered: SyncSender<()>,
    release: Mutex<Receiver<()>>,
}

impl Wake for Stubborn {
    fn wake(self: Arc<Self>) {
        let _ = self.entered.send(());
        let _ = self.release.lock().expect("one waker").recv();
    }
}

#[test]
fn the_endpoint_answers_while_the_poller_is_inside_a_dispatch_that_does_not_end() {
    let inspected = Inspected::start();
    let poller = named("dispatching");
    let (ours, theirs) = unix_pair(&poller);
    let (entered, inside) = sync_channel(1);
    let (release, released) = channel();
    let waker = Waker::from(Arc::new(Stubborn {
        entered,
        release: Mutex::new(released),
    }));
    let mut buf = [0];
    let mut read = pin!(ours.read(&mut buf));
    assert!(
        read.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let stop = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicUsize::new(0));
    let loops = {
        let (poller, stop, turns) = (poller.clone(), stop.clone(), turns.clone());
        Lane::start(move || {
            let mut ready = ReadyList::with_capacity(16);
            while !stop.load(Ordering::SeqCst) {
                // The first events may be of the room to write that there is from the beginning.
                poller.poll(Some(LIMIT), &mut ready).expect("an event");
                ready.wake_all();
                turns.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let mut write = pin!(theirs.write_all(b"x"));
    assert!(
        write
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    inside.recv_timeout(LIMIT).expect("the waker was called");
    let before = turns.load(Ordering::SeqCst);
    inspected.assert_answers("dispatching", 2);
    assert_eq!(turns.load(Ordering::SeqCst), before, "it was inside of it");
    release.send(()).expect("the waker waits");
    stop.store(true, Ordering::SeqCst);
    poller.wake().expect("a break");
    loops.join();
    let read = futures_lite::future::block_on(poll_fn(|cx| read.as_mut().poll(cx)));
    assert_eq!(read.expect("the byte"), 1);
}
