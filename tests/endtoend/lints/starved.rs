//! A thread that polls and that the kernel keeps from running, and one that only works hard.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use netpoller::net::TcpStream;
use netpoller::view::PollingThread;
use netpoller::view::lints::{Lint, Lints, Options};
use netpoller::{Poller, block_on_poller};
use netpoller_tests::{new_poller, std_tcp_pair, until};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{beside, evidence, found_among, rest};

/// Those that may be found as well, of a thread that comes so late; but not that nobody polls.
const OTHERS: [Lint; 6] = [
    Lint::SlowDispatch,
    Lint::BlockedExecutor,
    Lint::WokenNotRun,
    Lint::StuckWaiter,
    Lint::LostEdge,
    Lint::LeakedReadiness,
];

/// Runs the calling thread on one processor, the same for all that call this.
fn share_one_processor() {
    let may = sched_getaffinity(None).unwrap();
    let cpu = (0..CpuSet::MAX_CPU).find(|cpu| may.is_set(*cpu)).unwrap();
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).unwrap();
}

/// A thread that reads on `poller` what comes, until `over`.
fn reads(poller: &Poller, ours: TcpStream, over: &Arc<AtomicBool>, nice: i32) -> JoinHandle<()> {
    let (poller, over) = (poller.clone(), over.clone());
    std::thread::spawn(move || {
        share_one_processor();
        if nice != 0 {
            setpriority_process(None, nice).unwrap();
        }
        block_on_poller(&poller, async {
            while !over.load(Ordering::Relaxed) {
                ours.read(&mut [0; 64]).await.unwrap();
            }
        });
    })
}

/// The only thread that polls, by the kernel's numbers.
fn polling(poller: &Poller) -> PollingThread {
    let mut threads = poller.polled_by();
    assert_eq!(threads.len(), 1, "{threads:?}");
    threads.remove(0)
}

fn delay(thread: &PollingThread) -> Duration {
    Duration::from_nanos(thread.run_delay_ns.expect("the kernel counts it"))
}

#[test]
fn a_thread_with_the_least_priority_on_a_processor_of_others_is_found_with_the_kernels_number() {
    let poller = new_poller();
    let (ours, mut peer) = std_tcp_pair();
    let ours = poller.in_scope(|| TcpStream::from_std(ours)).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let reader = reads(&poller, ours, &over, 19);
    until("it polls", || !poller.polled_by().is_empty());
    let spinners: Vec<_> = (0..3)
        .map(|_| {
            let over = over.clone();
            std::thread::spawn(move || {
                share_one_processor();
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let feed = || {
        let _ = peer.write_all(b"x");
        rest(1000);
    };
    beside(feed, || {
        let (before, began) = (delay(&polling(&poller)), Instant::now());
        let finding = found_among(&poller, Lint::ThreadStarved, &OTHERS);
        // What it waits for now is not in the kernel's number yet.
        until("the kernel's number says so", || {
            (delay(&polling(&poller)) - before) * 4 > began.elapsed()
        });
        assert_eq!(evidence(&finding, "nice"), "19");
        assert!(finding.first_seen && finding.summary.contains("waited for a processor"));
        over.store(true, Ordering::Relaxed);
    });
    for spinner in spinners {
        spinner.join().unwrap();
    }
    // It may wait for a byte, or be gone.
    let _ = peer.write_all(b"x");
    reader.join().unwrap();
}

#[test]
fn a_thread_that_works_hard_is_found_only_if_the_kernel_says_that_it_waited() {
    let poller = new_poller();
    let (ours, mut peer) = std_tcp_pair();
    let ours = poller.in_scope(|| TcpStream::from_std(ours)).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let reader = reads(&poller, ours, &over, 0);
    until("it polls", || !poller.polled_by().is_empty());
    beside(
        // Its reader may be gone by then.
        || {
            let _ = peer.write_all(&[b'x'; 16]);
        },
        || {
            let mut lints = Lints::new(Options::new());
            let (before, began) = (delay(&polling(&poller)), Instant::now());
            while began.elapsed() < Duration::from_secs(2) {
                let found = lints.look(&poller).into_iter();
                let mut found = found.filter(|finding| finding.lint == Lint::ThreadStarved);
                if let Some(finding) = found.next() {
                    let waited = delay(&polling(&poller)) - before;
                    assert!(waited > Duration::from_millis(200), "{finding:?}");
                    break;
                }
                rest(20_000);
            }
            over.store(true, Ordering::Relaxed);
        },
    );
    let _ = peer.write_all(b"x");
    reader.join().unwrap();
}
