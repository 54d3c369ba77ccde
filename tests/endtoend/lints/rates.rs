//! How often: breaks, spurious wakes, full batches, slow wakers, descriptors that come and go.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_executor::LocalExecutor;
use netpoller::driver::ThreadDriver;
use netpoller::net::TcpStream;
use netpoller::view::lints::Lint;
use netpoller::{Direction, Kind, Poller, block_on_poller};
use netpoller_tests::{new_poller, std_tcp_pair};

use super::{beside, connection, evidence, found, found_among, kept, rest, silent};

#[test]
fn breaks_without_events_are_a_storm() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let storm = || {
        poller.wake().unwrap();
        rest(20);
    };
    beside(storm, || {
        let finding = found(&poller, Lint::WakeStorm);
        assert!(evidence(&finding, "breaks written").ends_with("/s"));
        assert!(finding.row.is_none());
    });
}

#[test]
fn breaks_now_and_then_are_no_storm() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let breaks = || {
        poller.wake().unwrap();
        rest(5_000);
    };
    beside(breaks, || silent(&poller));
}

/// Readers of as many duplicates of one connection, while its peer sends.
fn readers(poller: &Poller, duplicates: usize, look: impl FnOnce()) {
    let (ours, mut theirs) = std_tcp_pair();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nodelay(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let streams: Vec<_> = (0..duplicates)
        .map(|_| {
            poller
                .in_scope(|| TcpStream::from_std(ours.try_clone().unwrap()))
                .unwrap()
        })
        .collect();
    let reading = std::thread::spawn({
        let poller = poller.clone();
        move || {
            let executor = LocalExecutor::new();
            let tasks: Vec<_> = streams
                .iter()
                .map(|stream| {
                    executor.spawn(async {
                        let mut buf = [0; 64];
                        while stream.read(&mut buf).await.is_ok_and(|bytes| bytes > 0) {}
                    })
                })
                .collect();
            block_on_poller(
                &poller,
                executor.run(async {
                    for task in tasks {
                        task.await;
                    }
                }),
            );
        }
    });
    let sender = theirs.try_clone().unwrap();
    let send = || {
        let _ = (&sender).write(b"for one");
        rest(200);
    };
    beside(send, look);
    // The end of the stream ends the readers: all duplicates see it.
    theirs.flush().unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    reading.join().unwrap();
}

#[test]
fn waiters_that_are_woken_for_what_another_takes_are_spurious() {
    let poller = new_poller();
    readers(&poller, 4, || {
        let finding = found_among(&poller, Lint::SpuriousRatio, &[Lint::DuplicateRegistration]);
        assert!(evidence(&finding, "spurious wakes").ends_with("/s"));
    });
}

#[test]
fn a_reader_that_is_woken_for_what_it_takes_is_not_spurious() {
    let poller = new_poller();
    readers(&poller, 1, || silent(&poller));
}

/// Eight descriptors that become ready at once, again and again, and a thread that takes their
/// bytes.
fn bursts(poller: &Poller, look: impl FnOnce()) {
    let _driver = ThreadDriver::start(poller).unwrap();
    let connections: Vec<_> = (0..8).map(|_| kept(poller)).collect();
    let burst = || {
        for (desc, ours, theirs) in &connections {
            let _ = desc.reset(Direction::Read);
            let _ = { ours }.read(&mut [0; 64]);
            let _ = { theirs }.write(b"x");
        }
        rest(2_000);
    };
    beside(burst, look);
}

#[test]
fn batches_that_are_full_most_of_the_time_starve() {
    let poller = Poller::builder().batch(1).build().unwrap();
    bursts(&poller, || {
        // Where others want the processor too, the driver and the reader of the bytes may be kept
        // from it for a while.
        let others = [Lint::PollerAway, Lint::LeakedReadiness];
        let finding = found_among(&poller, Lint::StarvedBatch, &others);
        assert_eq!(evidence(&finding, "events in a batch"), "1");
    });
}

#[test]
fn batches_with_room_do_not_starve() {
    let poller = new_poller();
    bursts(&poller, || silent(&poller));
}

/// A waker that takes so long.
struct Waking {
    time: Duration,
    called: AtomicBool,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        if !self.time.is_zero() {
            std::thread::sleep(self.time);
        }
        self.called.store(true, Ordering::Release);
    }
}

/// Waits again and again with a waker that takes so long.
fn wakes(poller: &Poller, time: Duration, look: impl FnOnce()) {
    let _driver = ThreadDriver::start(poller).unwrap();
    let (ours, theirs, desc) = connection(poller);
    let wait_once = || {
        let waking = Arc::new(Waking {
            time,
            called: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&waking));
        let _ = desc.reset(Direction::Read);
        let _ = (&ours).read(&mut [0; 64]);
        let mut wait = pin!(desc.wait(Direction::Read));
        if wait.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
            (&theirs).write_all(b"x").unwrap();
            while !waking.called.load(Ordering::Acquire) {
                rest(500);
            }
        }
    };
    beside(wait_once, look);
}

#[test]
fn wakers_that_take_their_time_are_slow_dispatch() {
    let poller = new_poller();
    wakes(&poller, Duration::from_millis(5), || {
        let finding = found(&poller, Lint::SlowDispatch);
        assert!(
            finding.summary.contains(" % of the time"),
            "{}",
            finding.summary
        );
    });
}

#[test]
fn wakers_that_only_schedule_are_not_slow() {
    let poller = new_poller();
    wakes(&poller, Duration::ZERO, || silent(&poller));
}

#[test]
fn descriptors_that_are_closed_as_soon_as_they_are_opened_churn() {
    let poller = new_poller();
    let churn = || {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        poller.open(ours.as_fd(), Kind::Unix).unwrap().close();
    };
    beside(churn, || {
        let finding = found(&poller, Lint::GenerationChurn);
        assert!(evidence(&finding, "descriptors closed").ends_with("/s"));
    });
}

#[test]
fn descriptors_that_come_and_go_slowly_do_not_churn() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let come_and_go = || {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
        rest(2_000);
        desc.close();
    };
    // Also for the kernel's list, which is read all the while: none of them is a ghost.
    beside(come_and_go, || silent(&poller));
}
