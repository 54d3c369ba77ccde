//! Random schedules of a whole poller: threads that block in the inline driver, on a kernel in
//! memory, with shuttle in place of the system's threads.
//!
//! ```text
//! RUSTFLAGS="--cfg loom --cfg shuttle" NETPOLLER_SCHEDULES=50000 cargo test -p netpoller-core --lib --release --target-dir target/shuttle shuttle_
//! ```
//!
//! Loom explores two or three threads to the last interleaving; here are up to six, which run
//! through many lives of their descriptors, so the interleavings can only be sampled: uniformly,
//! and by PCT, which finds what needs few but particular preemptions. Each life is ended for
//! certain by bytes, a deadline or an eviction, and anything else may happen beside it: so a wake
//! that is lost is a deadlock, which shuttle sees. Time is virtual. It jumps to the end of a sleep,
//! and must not jump past a deadline that was set before; a wait must not time out before one. At
//! the end all laws hold to the last count.
//!
//! What fails is told with its schedule, and `NETPOLLER_SCHEDULE=…` runs that one again
//! (tests/models/README.md).

use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::thread;

use crate::desc::Kind;
use crate::observe::Direction::{Read, Write};
use crate::sync::Mutex;
use crate::sys::Backend;
use crate::sys::fake::FakeKernel;
use crate::sys::virtual_time::{self, expect_alarm};
use crate::view::Auditor;
use crate::{Desc, Error, Poller, ReadyList, Sides, block_on_poller, clock};

/// Threads that own a descriptor each, one life after the other.
const OWNERS: usize = 2;
const LIVES: u64 = 2;
/// Bytes that a life reads if nothing else ends it.
const READS: u32 = 2;

/// One end of a connection: the bytes that have arrived, and whether it is still open.
struct Socket {
    kernel: Arc<FakeKernel>,
    fd: i32,
    /// Bytes; `None` once it is closed, for its number may be another socket's by then.
    bytes: Mutex<Option<u32>>,
}

impl Socket {
    /// A byte arrives.
    fn arrive(&self) {
        let mut bytes = self.bytes.lock();
        if let Some(bytes) = &mut *bytes {
            *bytes += 1;
            self.kernel.edge(self.fd, libc::EPOLLIN | libc::EPOLLOUT);
        }
    }

    fn take_byte(&self) -> bool {
        match &mut *self.bytes.lock() {
            Some(bytes) if *bytes > 0 => {
                *bytes -= 1;
                true
            }
            _ => false,
        }
    }
}

/// What ends a life for certain.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Bytes,
    Deadline,
    Eviction,
}

/// One life of a descriptor.
struct Life {
    number: u64,
    end: End,
    desc: Desc,
    socket: Socket,
    /// The earliest deadline that was ever set: nothing may time out before.
    earliest_ns: AtomicU64,
    evicted: AtomicBool,
}

impl Life {
    fn begin(poller: &Poller, kernel: &Arc<FakeKernel>, fd: i32, number: u64) -> Arc<Self> {
        let ends = [End::Bytes, End::Deadline, End::Eviction];
        Arc::new(Self {
            number,
            end: ends[thread_rng().gen_range(0..ends.len())],
            desc: poller
                .open_at(fd, Kind::Unix, Location::caller())
                .expect("the last life has gone"),
            socket: Socket {
                kernel: kernel.clone(),
                fd,
                bytes: Mutex::new(Some(0)),
            },
            earliest_ns: AtomicU64::new(u64::MAX),
            evicted: AtomicBool::new(false),
        })
    }

    // ---- the owner's side

    /// Until the end. Nothing else may end it, and nothing before its time.
    async fn run(&self) {
        let mut reads = 0;
        let mut timeouts = 0;
        loop {
            match self.read().await {
                Ok(()) => {
                    reads += 1;
                    if self.end == End::Bytes && reads == READS {
                        return;
                    }
                }
                Err(Error::DeadlineExceeded) => {
                    let (now, earliest) =
                        (clock::now_ns(), self.earliest_ns.load(Ordering::Relaxed));
                    assert!(
                        now >= earliest,
                        "at {now} it timed out, {earliest} was the earliest"
                    );
                    timeouts += 1;
                    if self.end == End::Deadline || timeouts == 3 {
                        return;
                    }
                }
                Err(Error::Closed) => {
                    assert!(
                        self.evicted.load(Ordering::Relaxed),
                        "nobody has evicted it"
                    );
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads a byte as the fd layer does, with the ways in which a caller may wait.
    async fn read(&self) -> Result<(), Error> {
        loop {
            self.desc.reset(Read)?;
            if self.socket.take_byte() {
                return Ok(());
            }
            match thread_rng().gen_range(0..4) {
                0 => {
                    // Readiness that it has consumed is its own, and the next wait may not count on
                    // it.
                    if let Some(outcome) = self.wait_in_passing().await {
                        outcome?;
                        continue;
                    }
                }
                1 => {
                    let mut resumed = false;
                    poll_fn(|cx| {
                        let poll = self.desc.poll_wait(Read, Location::caller(), resumed, cx);
                        resumed = true;
                        poll
                    })
                    .await?;
                    continue;
                }
                _ => {}
            }
            self.desc.wait(Read).await?;
        }
    }

    /// Waits, and drops the wait after its first poll.
    async fn wait_in_passing(&self) -> Option<Result<(), Error>> {
        poll_fn(|cx| {
            let wait = pin!(self.desc.wait(Read));
            Poll::Ready(match wait.poll(cx) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// Closes as the fd layer does: deregisters, then closes.
    fn close(&self) {
        self.forget_alarms(Sides::Both);
        self.desc.close_once();
        *self.socket.bytes.lock() = None;
    }

    // ---- the other side

    /// What happens to it: a few things that may, then the one that ends it.
    fn happen(&self, poller: &Poller) {
        for _ in 0..thread_rng().gen_range(0..3) {
            virtual_time::at_a_standstill(|| self.may_happen(poller));
            thread::yield_now();
        }
        virtual_time::at_a_standstill(|| self.will_happen());
    }

    fn may_happen(&self, poller: &Poller) {
        match thread_rng().gen_range(0..7) {
            0 => poller.wake().unwrap(),
            1 => {
                let mut ready = ReadyList::with_capacity(4);
                poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
                ready.wake_all();
            }
            2 => {
                self.set_deadline(Some(0), Sides::Read);
                self.set_deadline(None, Sides::Both);
            }
            3 => {
                self.set_deadline(Some(thread_rng().gen_range(1..9)), Sides::Both);
                self.set_deadline(None, Sides::Read);
            }
            4 => self.set_deadline(Some(thread_rng().gen_range(1..9)), Sides::Write),
            5 => {
                self.set_deadline(Some(thread_rng().gen_range(5..9)), Sides::Read);
                self.set_deadline(Some(thread_rng().gen_range(1..5)), Sides::Read);
                self.set_deadline(None, Sides::Read);
            }
            _ => self.socket.arrive(),
        }
    }

    fn will_happen(&self) {
        match self.end {
            End::Bytes => (0..READS).for_each(|_| self.socket.arrive()),
            End::Deadline => self.set_deadline(Some(thread_rng().gen_range(0..9)), Sides::Read),
            End::Eviction => {
                self.forget_alarms(Sides::Both);
                self.evicted.store(true, Ordering::Relaxed);
                assert!(self.desc.unblock());
            }
        }
    }

    /// Sets a deadline in so many nanoseconds; 0 is past.
    fn set_deadline(&self, after_ns: Option<u64>, sides: Sides) {
        self.forget_alarms(sides);
        let at = after_ns.map(|after| clock::now_ns() + after);
        if let Some(at) = at
            && sides != Sides::Write
        {
            self.earliest_ns.fetch_min(at, Ordering::Relaxed);
        }
        self.desc
            .set_deadline(at.and_then(clock::ns_instant), sides);
        // Its break may have been coalesced into one that another thread is about to write: the
        // sleeper knows when that is done. And when nothing is pending it has taken the break back,
        // and looks at the deadlines before it sleeps.
        while self.desc.shared.signal.is_pending() && !self.socket.kernel.is_signalled() {
            thread::yield_now();
        }
        for (side, key) in self.alarms() {
            if (sides == side || sides == Sides::Both) && after_ns != Some(0) {
                expect_alarm(key, at);
            }
        }
    }

    fn forget_alarms(&self, sides: Sides) {
        for (side, key) in self.alarms() {
            if sides == side || sides == Sides::Both {
                expect_alarm(key, None);
            }
        }
    }

    fn alarms(&self) -> [(Sides, (u64, usize)); 2] {
        [Read, Write].map(|direction| (direction.into(), (self.number, direction.index())))
    }
}

/// One schedule.
fn run() {
    virtual_time::reset();
    let kernel = Arc::new(FakeKernel::new());
    let poller = Poller::builder()
        .batch(4)
        .build_on(Backend::Fake(kernel.clone()));
    let owners: Vec<_> = (0..OWNERS)
        .map(|owner| {
            let (poller, kernel) = (poller.clone(), kernel.clone());
            thread::spawn(move || {
                for number in 0..LIVES {
                    let number = owner as u64 * LIVES + number;
                    let life = Life::begin(&poller, &kernel, 100 + owner as i32, number);
                    let happening = thread::spawn({
                        let (life, poller) = (life.clone(), poller.clone());
                        move || life.happen(&poller)
                    });
                    block_on_poller(&poller, life.run());
                    // Nobody uses it any more, as fdMutex sees to it.
                    happening.join().unwrap();
                    life.close();
                }
            })
        })
        .collect();
    for owner in owners {
        owner.join().unwrap();
    }
    assert_eq!(poller.waiters(), 0);
    assert_eq!(poller.shared.timers.len(), 0);
    assert_eq!(kernel.registered(), 0);
    for law in Auditor::new().read(&poller) {
        assert_eq!(law.lhs, law.rhs, "{}: {}", law.name, law.statement);
    }
}

/// How many schedules: enough to find what is grossly wrong, unless the environment asks for more.
fn schedules() -> usize {
    std::env::var("NETPOLLER_SCHEDULES").map_or(2_000, |number| number.parse().unwrap())
}

fn explore(name: &str, scheduler: impl FnOnce(u64, usize) -> Box<dyn Scheduler + Send>) {
    use std::hash::{BuildHasher, RandomState};

    // Taken before, so that the first schedule is like all others.
    clock::anchor();
    let seed = RandomState::new().hash_one(name);
    let (seed, scheduler): (_, Box<dyn Scheduler + Send>) =
        match std::env::var("NETPOLLER_SCHEDULE") {
            Ok(failed) => (
                None,
                Box::new(ReplayScheduler::new_from_encoded(failed.trim())),
            ),
            Err(_) => (Some(seed), scheduler(seed, schedules())),
        };
    let began = std::time::Instant::now();
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 18;
    let explored = shuttle::Runner::new(scheduler, config).run(run);
    match seed {
        Some(seed) => println!(
            "{name}: {explored} schedules in {:.1?}, seed {seed}",
            began.elapsed()
        ),
        None => println!("{name}: the schedule of NETPOLLER_SCHEDULE does not fail"),
    }
    assert!(explored > 0);
}

#[test]
fn shuttle_a_poller_loses_no_wake_and_no_count_at_random() {
    explore("random", |seed, schedules| {
        Box::new(RandomScheduler::new_from_seed(seed, schedules))
    });
}

#[test]
fn shuttle_a_poller_loses_no_wake_and_no_count_with_few_preemptions() {
    explore("PCT, depth 3", |seed, schedules| {
        Box::new(PctScheduler::new_from_seed(seed, 3, schedules))
    });
}
