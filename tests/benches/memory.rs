//! What an idle connection costs, counted at the allocator.
//!
//! A process of its own, with one test: every other thread that allocates would count as well.

#![allow(unsafe_code, reason = "an allocator cannot be had without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use netpoller::Poller;
use netpoller::net::{TcpStream, UnixStream};

/// Bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is done by `System`; the count beside it is an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// What a connection costs whose reader is parked, without the buffer into which it reads.
const MOST: usize = 1024;

/// Both ends of a connection take a descriptor, and there have to be some left.
const CONNECTIONS: usize = 10_000;
const DESCRIPTORS: u64 = 2 * CONNECTIONS as u64 + 100;

/// As many connections as there may be, if the limit of open files is lower than usual: what one
/// costs is the same.
fn connections() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls are given a limit that is there.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    usize::try_from((limit.rlim_max.min(DESCRIPTORS) - 100) / 2).unwrap()
}

#[test]
fn an_idle_connection_with_a_parked_reader_costs_no_more_than_a_kibibyte() {
    assert_eq!(size_of::<UnixStream>(), size_of::<TcpStream>());
    let count = connections();
    assert!(count >= 1000, "the limit of open files leaves too few");
    let poller = Poller::global();
    let (ours, _theirs): (Vec<_>, Vec<_>) = (0..count)
        .map(|_| std::os::unix::net::UnixStream::pair().unwrap())
        .unzip();
    // The buffers of the user, which count for the user.
    let mut buffers = vec![[0; 1]; count];
    let mut cx = Context::from_waker(Waker::noop());

    let before = live();
    let mut connections = Vec::with_capacity(count);
    for stream in ours {
        connections.push(UnixStream::from_std(stream).unwrap());
    }
    let open = live() - before;
    let mut reads = Vec::with_capacity(count);
    for (connection, buffer) in connections.iter().zip(&mut buffers) {
        let mut read = Box::pin(connection.read(buffer));
        assert!(read.as_mut().poll(&mut cx).is_pending());
        reads.push(read);
    }
    let all = live() - before;
    assert_eq!(poller.waiters(), count as i64, "all are parked");

    let (each, open) = (all.div_ceil(count), open / count);
    assert!(each <= MOST, "{each} bytes, {open} of them before it reads");
    // The slot alone is half of that: whatever counts less does not count everything.
    assert!(open >= 512, "{open} bytes");
}
