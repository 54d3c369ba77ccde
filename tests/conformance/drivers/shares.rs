//! Whose time it is that passes until a reader runs, as it is told with each driver.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use netpoller::driver::ThreadDriver;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::view::recorder::recorded;
use netpoller::view::{self, EventKind};
use netpoller::{Counter, DescId, Histogram, Poller, ReadyList, block_on_poller, task};
use netpoller_tests::{Lane, new_poller, tcp_and_peer, until};

use crate::runtime::current_thread;

/// The kernel tells by its tick, of ten milliseconds at most, and at both ends.
const TICKS: Duration = Duration::from_millis(20);

/// A runtime does nothing for `idle`, then a byte comes, and a task keeps the only thread for
/// `busy`. Returns for how long events waited in the kernel, at most, as it is told; and for how
/// long they have waited at least, and at most, by the clocks of both ends.
fn waited(idle: Duration, busy: Duration) -> (Duration, Duration, Duration) {
    Lane::start(move || {
        let poller = new_poller();
        let (least, most) = current_thread().block_on(async {
            let (ours, mut peer) = tcp_and_peer(&poller);
            let read = async |ours: &TcpStream| {
                assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
                Instant::now()
            };
            let sent = Instant::now();
            peer.write_all(b"1").unwrap();
            let first = read(&ours).await - sent;
            let reader = tokio::spawn(async move { read(&ours).await });
            let polls = || poller.stats().counter(Counter::PollsNonblock);
            while poller.waiters() == 0 || polls() == 0 {
                tokio::task::yield_now().await;
            }
            let sender = std::thread::spawn(move || {
                std::thread::sleep(idle);
                peer.write_all(b"2").unwrap();
                (Instant::now(), peer)
            });
            if !busy.is_zero() {
                std::thread::sleep(idle + busy);
            }
            let free = Instant::now();
            let ran = reader.await.unwrap();
            let (sent, _peer) = sender.join().unwrap();
            (free.saturating_duration_since(sent), first.max(ran - sent))
        });
        let stats = poller.stats();
        let told = stats.histogram(Histogram::KernelToPoller);
        assert!(told.count() > 0, "the kernel was not asked");
        assert_eq!(stats.histogram(Histogram::PollGap).count(), 0);
        (Duration::from_nanos(told.max()), least, most)
    })
    .join()
}

#[test]
fn an_idle_runtime_is_not_told_to_leave_its_events_in_the_kernel() {
    let (told, _, most) = waited(Duration::from_millis(400), Duration::ZERO);
    assert!(told <= most + TICKS, "{told:?}, and it was {most:?}");
}

#[test]
fn a_task_that_keeps_its_runtime_is_seen_by_the_time_that_events_wait_in_the_kernel() {
    let busy = Duration::from_millis(200);
    let (told, least, most) = waited(Duration::from_millis(20), busy);
    assert!(told <= most + TICKS, "{told:?}, and it was {most:?}");
    assert!(told + TICKS >= least, "{told:?}, and it was {least:?}");
}

/// From the accept of a connection to the first bytes of it, once; and each registration and
/// deregistration is timed.
#[test]
fn the_first_read_of_a_connection_that_was_accepted_is_timed_and_so_is_each_epoll_ctl() {
    let pause = Duration::from_millis(5);
    let poller = new_poller();
    let served = async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for is_silent in [false, true] {
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            if is_silent {
                drop(client);
                assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
                continue;
            }
            std::thread::sleep(pause);
            for stream in [&client, &server, &server] {
                let peer = if std::ptr::eq(stream, &client) {
                    &server
                } else {
                    &client
                };
                peer.write_all(b"1").await.unwrap();
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
            }
        }
    };
    block_on_poller(&poller, served);
    let stats = poller.stats();
    let first = stats.histogram(Histogram::AcceptToFirstRead);
    assert_eq!(first.count(), 1);
    assert!(Duration::from_nanos(first.max()) >= pause, "{first:?}");
    let count = |histogram| stats.histogram(histogram).count();
    assert_eq!(stats.counter(Counter::Opened), 5);
    assert_eq!(count(Histogram::EpollCtlAdd), 5);
    assert_eq!(count(Histogram::EpollCtlDel), 5);
}

/// For so long a task keeps the thread of others.
const HOG: Duration = Duration::from_millis(300);
/// The clock of a thread may be behind by as much.
const SKEW_NS: u64 = 20_000;

/// Moments by the clock of the stamps, 0 for one that has not come.
#[derive(Debug, Default)]
struct Moments {
    /// Before the byte for the reader was sent.
    sent: AtomicU64,
    /// The hog has let go of the thread.
    free: AtomicU64,
    /// The reader has run.
    ran: AtomicU64,
}

fn mark(moment: &AtomicU64) {
    moment.store(view::now_ns(), Ordering::SeqCst);
}

fn last_wake(poller: &Poller, id: DescId) -> Option<view::Wake> {
    let rows = poller.rows();
    rows.into_iter().find(|row| row.id() == id)?.read.last_wake
}

/// The reader beside a hog: what its last wake is told to have been, and when what happened.
struct Beside {
    poller: Poller,
    reader: TcpStream,
    moments: Arc<Moments>,
}

impl Beside {
    fn new(poller: Poller) -> (Self, TcpStream, [std::net::TcpStream; 2]) {
        let (reader, to_reader) = tcp_and_peer(&poller);
        let (hog, to_hog) = tcp_and_peer(&poller);
        let moments = Arc::default();
        let this = Self {
            poller,
            reader,
            moments,
        };
        (this, hog, [to_reader, to_hog])
    }

    async fn read(&self) {
        assert_eq!(self.reader.read(&mut [0; 8]).await.unwrap(), 1);
        mark(&self.moments.ran);
    }

    /// Waits for a byte, sends one to the reader, and keeps the thread: from the moment on in which
    /// the reader was `woken`, if it is woken meanwhile.
    async fn hog(&self, own: TcpStream, mut to_reader: std::net::TcpStream, woken: bool) {
        own.read(&mut [0; 8]).await.unwrap();
        mark(&self.moments.sent);
        to_reader.write_all(b"x").unwrap();
        if woken {
            until("the waker of the reader is called", || {
                last_wake(&self.poller, self.reader.id())
                    .is_some_and(|wake| wake.poller_to_waker_ns.is_some())
            });
        }
        std::thread::sleep(HOG);
        mark(&self.moments.free);
    }

    /// Both have run. The shares of the reader's wake are all that went by, and the last two end
    /// when it ran.
    fn wake(&self) -> (view::Wake, [u64; 3]) {
        let wake = last_wake(&self.poller, self.reader.id()).unwrap();
        let Moments { sent, free, ran } = &*self.moments;
        let moments = [sent, free, ran].map(|it| it.load(Ordering::SeqCst));
        let [_, free, ran] = moments;
        let (poller, scheduler) = (wake.poller_to_waker_ns, wake.waker_to_run_ns);
        let after = poller.unwrap() + scheduler.unwrap();
        assert_eq!(wake.total_ns(), Some(wake.before_poll_ns + after));
        let told_ran = wake.fetched_ns + after;
        assert!(
            told_ran + SKEW_NS >= free && told_ran <= ran + SKEW_NS,
            "{wake:?}, {moments:?}"
        );
        (wake, moments)
    }

    /// The hog had the thread that polls: the share before the poll is the hog's.
    fn is_charged_to_the_time_before_the_poll(&self) {
        let (wake, [sent, free, ran]) = self.wake();
        let (least, most) = (free - sent, ran - sent);
        assert!(wake.before_poll_ns + SKEW_NS >= least, "{wake:?}, {least}");
        let there = wake.fetched_ns - wake.before_poll_ns;
        assert!(there <= sent + SKEW_NS, "{wake:?}, {sent}");
        let told = wake.before_poll_told_ns.expect("the kernel was asked");
        let ticks = TICKS.as_nanos() as u64;
        assert!(
            told + ticks >= least && told <= most + ticks,
            "{wake:?}, {least} to {most}"
        );
        let waited = recorded(&self.poller)
            .into_iter()
            .find(|event| event.kind == EventKind::Waited && event.id() == Some(self.reader.id()));
        let argument = waited.unwrap().argument;
        assert!(argument + ticks >= least, "{argument}, {least}");
    }
}

#[test]
fn a_thread_that_polls_and_is_kept_by_a_task_is_told_not_to_have_polled() {
    let (beside, own, [to_reader, mut to_hog]) = Beside::new(new_poller());
    let beside = Lane::start(move || {
        let executor = LocalExecutor::new();
        let work = async {
            let reading = executor.spawn(beside.read());
            let hog = task::named("hog", beside.hog(own, to_reader, false));
            let hogging = executor.spawn(hog);
            while beside.poller.waiters() < 2 {
                futures_lite::future::yield_now().await;
            }
            to_hog.write_all(b"x").unwrap();
            hogging.await;
            reading.await;
        };
        block_on_poller(&beside.poller, executor.run(work));
        drop(executor);
        beside
    })
    .join();
    beside.is_charged_to_the_time_before_the_poll();
    assert!(!beside.wake().0.before_poll_idle);
}

#[test]
fn a_runtime_that_is_kept_by_a_task_is_told_not_to_have_polled() {
    let (beside, own, [to_reader, mut to_hog]) = Beside::new(new_poller());
    let beside = Lane::start(move || {
        let beside = Arc::new(beside);
        current_thread().block_on(async {
            let (reader, hog) = (beside.clone(), beside.clone());
            let reading = tokio::spawn(async move { reader.read().await });
            let hogging = async move { hog.hog(own, to_reader, false).await };
            let hogging = tokio::spawn(task::named("hog", hogging));
            while beside.poller.waiters() < 2 {
                tokio::task::yield_now().await;
            }
            to_hog.write_all(b"x").unwrap();
            hogging.await.unwrap();
            reading.await.unwrap();
        });
        beside
    })
    .join();
    beside.is_charged_to_the_time_before_the_poll();
    assert!(beside.wake().0.before_poll_idle);
}

#[test]
fn an_executor_beside_a_thread_that_polls_is_told_not_to_have_run() {
    let (beside, own, [to_reader, mut to_hog]) = Beside::new(new_poller());
    let _driver = ThreadDriver::start(&beside.poller).unwrap();
    let beside = Lane::start(move || {
        let executor = LocalExecutor::new();
        let work = async {
            let reading = executor.spawn(beside.read());
            let hogging = executor.spawn(beside.hog(own, to_reader, true));
            while beside.poller.waiters() < 2 {
                futures_lite::future::yield_now().await;
            }
            to_hog.write_all(b"x").unwrap();
            hogging.await;
            reading.await;
        };
        futures_lite::future::block_on(executor.run(work));
        drop(executor);
        beside
    })
    .join();
    let (wake, [sent, ..]) = beside.wake();
    let scheduler = wake.waker_to_run_ns.unwrap();
    assert!(scheduler >= HOG.as_nanos() as u64, "{wake:?}");
    assert!(wake.fetched_ns + SKEW_NS >= sent, "{wake:?}");
}

/// A waker that takes its time, or none.
struct Slow(Duration);

impl Wake for Slow {
    fn wake(self: Arc<Self>) {
        std::thread::sleep(self.0);
    }
}

#[test]
fn what_goes_by_in_the_wakers_before_ones_own_is_told_apart_from_the_pollers_own() {
    let poller = new_poller();
    let pause = Duration::from_millis(20);
    let mut pairs = [pause, Duration::ZERO].map(|pause| {
        let (ours, peer) = tcp_and_peer(&poller);
        (ours, peer, Waker::from(Arc::new(Slow(pause))))
    });
    let mut ready = ReadyList::with_capacity(8);
    // In the first round the clock is read for both at once; then it is known that one is slow.
    for _ in 0..2 {
        let mut bufs = [[0; 8]; 2];
        let mut waits = Vec::new();
        for ((ours, peer, waker), buf) in pairs.iter_mut().zip(&mut bufs) {
            let mut wait = Box::pin(ours.read(buf));
            let parked = wait.as_mut().poll(&mut Context::from_waker(waker));
            assert!(parked.is_pending());
            peer.write_all(b"x").unwrap();
            waits.push(wait);
        }
        assert_eq!(poller.poll(Some(Duration::ZERO), &mut ready).unwrap(), 2);
        ready.wake_all();
        for mut wait in waits {
            let ran = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(ran.is_ready());
        }
    }
    let [first, second] = pairs.map(|(ours, ..)| last_wake(&poller, ours.id()).unwrap());
    let (own, pause) = (second.poller_to_waker_ns.unwrap(), pause.as_nanos() as u64);
    assert_eq!(first.wakers_ns, 0, "{first:?}");
    assert!(
        second.wakers_ns + SKEW_NS >= pause && second.wakers_ns <= own,
        "{second:?}"
    );
}
