//! What the sanitizers have to see, and what ThreadSanitizer must not take for a race: the proof
//! that the set-up can fail.
//!
//! `canary clean` orders threads by each of std's means, and by nothing else; `canary KIND` makes
//! one mistake.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::Duration;

/// A number that several threads write, ordered by what is being tried and by nothing else.
#[derive(Default)]
struct Plain(UnsafeCell<u64>);

// SAFETY: whoever uses one orders its accesses. `race` does not, on purpose.
unsafe impl Sync for Plain {}

impl Plain {
    fn add(&self) -> u64 {
        let number = self.0.get();
        // SAFETY: as above.
        unsafe {
            *number += 1;
            *number
        }
    }
}

const THREADS: usize = 4;
const ROUNDS: usize = 500;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("clean") => clean(),
        Some("race") => race(),
        Some("relaxed") => relaxed(),
        Some("fence") => empty_fence(),
        Some("use-after-free") => use_after_free(),
        Some("leak") => leak(),
        Some("uninitialised") => uninitialised(),
        other => panic!("no such kind: {other:?}"),
    }
}

fn together(act: impl Fn(usize) + Sync) {
    // Joined one by one: the end of a scope is something to try of its own.
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                scope.spawn({
                    let act = &act;
                    move || act(n)
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

fn clean() {
    locks();
    condvars();
    once();
    parking();
    barriers();
    channels();
    for _ in 0..ROUNDS {
        ends_of_scopes();
        ends_of_arcs();
    }
}

fn locks() {
    let (mutex, plain) = (Mutex::new(()), Plain::default());
    let (rwlock, read) = (RwLock::new(()), Plain::default());
    together(|n| {
        for _ in 0..ROUNDS {
            let guard = mutex.lock().unwrap();
            plain.add();
            // Others have to wait for it now and then.
            thread::yield_now();
            drop(guard);
            if n == 0 {
                let _guard = rwlock.write().unwrap();
                read.add();
                thread::yield_now();
            } else {
                let _guard = rwlock.read().unwrap();
                thread::yield_now();
                // SAFETY: writers are shut out.
                std::hint::black_box(unsafe { *read.0.get() });
            }
        }
    });
}

fn condvars() {
    let (turn, changed, plain) = (Mutex::new(0), Condvar::new(), Plain::default());
    together(|n| {
        for _ in 0..ROUNDS {
            let mut guard = turn.lock().unwrap();
            while *guard % THREADS != n {
                guard = if n == 0 {
                    changed
                        .wait_timeout(guard, Duration::from_millis(1))
                        .unwrap()
                        .0
                } else {
                    changed.wait(guard).unwrap()
                };
            }
            plain.add();
            *guard += 1;
            changed.notify_all();
        }
    });
}

fn once() {
    for _ in 0..ROUNDS {
        let (once, plain) = (Once::new(), Plain::default());
        let cell = OnceLock::new();
        let lazy = LazyLock::new(|| vec![3]);
        together(|n| {
            once.call_once(|| {
                thread::yield_now();
                plain.add();
            });
            // SAFETY: nobody writes it any more.
            assert_eq!(unsafe { *plain.0.get() }, 1);
            match cell.get() {
                Some(vec) => assert_eq!(*vec, vec![2; 2]),
                None => assert_eq!(*cell.get_or_init(|| vec![2; 2]), vec![2; 2]),
            }
            assert_eq!(lazy[0], 3, "thread {n}");
        });
    }
}

fn parking() {
    for timeout in [None, Some(Duration::from_secs(1))] {
        for _ in 0..ROUNDS {
            // The flag alone orders nothing.
            let shared = Arc::new((AtomicBool::new(false), Plain::default()));
            let parked = thread::spawn({
                let shared = shared.clone();
                move || {
                    while !shared.0.load(Ordering::Relaxed) {
                        match timeout {
                            None => thread::park(),
                            Some(timeout) => thread::park_timeout(timeout),
                        }
                    }
                    // Unparked once, and the token may be there still.
                    thread::park_timeout(Duration::ZERO);
                    shared.1.add();
                }
            });
            shared.1.add();
            shared.0.store(true, Ordering::Relaxed);
            parked.thread().unpark();
            parked.join().unwrap();
        }
    }
}

fn barriers() {
    let (barrier, plain) = (Barrier::new(THREADS), Plain::default());
    together(|n| {
        for round in 0..ROUNDS {
            if round % THREADS == n {
                plain.add();
            }
            barrier.wait();
        }
    });
}

fn channels() {
    for bound in [None, Some(0), Some(3)] {
        let (send, receive): (Box<dyn Fn(Vec<usize>) + Send>, _) = match bound {
            None => {
                let (sender, receiver) = mpsc::channel();
                (Box::new(move |vec| sender.send(vec).unwrap()), receiver)
            }
            Some(bound) => {
                let (sender, receiver) = mpsc::sync_channel(bound);
                (Box::new(move |vec| sender.send(vec).unwrap()), receiver)
            }
        };
        let sending = thread::spawn(move || (0..ROUNDS).for_each(|n| send(vec![n])));
        for n in 0..ROUNDS {
            let vec = if n % 2 == 0 {
                receive.recv().unwrap()
            } else {
                receive.recv_timeout(Duration::from_secs(60)).unwrap()
            };
            assert_eq!(vec, [n]);
        }
        sending.join().unwrap();
    }
}

fn ends_of_scopes() {
    let plain = Plain::default();
    thread::scope(|scope| {
        scope.spawn(|| plain.add());
    });
    plain.add();
}

fn ends_of_arcs() {
    let shared = Arc::new(Mutex::new(vec![0]));
    let weak = Arc::downgrade(&shared);
    let threads: Vec<_> = (0..2)
        .map(|n| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.lock().unwrap().push(n);
                // The last of them frees it.
                drop(shared);
            })
        })
        .collect();
    drop(weak);
    if let Ok(mutex) = Arc::try_unwrap(shared) {
        mutex.into_inner().unwrap().push(1);
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

// ---- mistakes

/// Two threads write, and nothing orders them.
fn race() {
    let (mutex, plain) = (Mutex::new(()), Plain::default());
    together(|n| {
        for _ in 0..ROUNDS {
            // One of them forgets the lock.
            let _guard = (n != 0).then(|| mutex.lock().unwrap());
            plain.add();
            thread::yield_now();
        }
    });
}

/// What was written is published by an atomic that publishes nothing.
fn relaxed() {
    (0..ROUNDS).for_each(|_| published(|ready| while !ready.load(Ordering::Relaxed) {}));
}

/// A fence acquires what the thread's own atomics read before, and here that is nothing of the
/// other's.
fn empty_fence() {
    let count = AtomicUsize::new(ROUNDS);
    (0..ROUNDS).for_each(|_| {
        published(|ready| {
            while !ready.load(Ordering::Relaxed) {}
            count.fetch_sub(1, Ordering::Release);
            fence(Ordering::Acquire);
        });
    });
}

/// One thread writes and raises the flag, another waits for the flag and writes.
fn published(wait: impl Fn(&AtomicBool) + Sync) {
    let (ready, plain, both_run) = (AtomicBool::new(false), Plain::default(), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            both_run.wait();
            plain.add();
            ready.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            both_run.wait();
            wait(&ready);
            plain.add();
        });
    });
}

fn use_after_free() {
    let number = Box::into_raw(Box::new(1_u64));
    // SAFETY: none, that is the point.
    unsafe {
        drop(Box::from_raw(number));
        println!("{}", std::hint::black_box(number).read_volatile());
    }
}

fn leak() {
    std::mem::forget(std::hint::black_box(vec![1_u8; 1000]));
}

fn uninitialised() {
    let number = std::mem::MaybeUninit::<[u8; 64]>::uninit();
    // SAFETY: none, that is the point.
    let number = unsafe { std::hint::black_box(&number).assume_init_ref() };
    println!("{}", if number[7] > 3 { "large" } else { "small" });
}
