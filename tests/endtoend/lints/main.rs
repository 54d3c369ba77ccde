//! Each lint on a real poller: a situation that provokes it, and a similar one in which it must
//! stay silent.
//!
//! The silent ones run all lints, so what is healthy for one must be healthy for each other.

mod accept;
mod blocked;
mod peers;
mod rates;
mod registrations;
mod stale;
mod waits;

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netpoller::view::lints::{Finding, Lint, Lints, Options};
use netpoller::{Desc, Kind, Poller};
use netpoller_tests::{LIMIT, std_tcp_pair};

/// The hold time that a test begins with: so short that it need not wait for long.
const BRIEF: Duration = Duration::from_millis(50);

/// All lints, held for as long as that.
fn held(brief: Duration) -> Options {
    HELD.into_iter()
        .fold(Options::new().kernel(true), |options, lint| {
            options.hold(lint, brief)
        })
}

const HELD: [Lint; 5] = [
    Lint::PollerAway,
    Lint::StuckWaiter,
    Lint::LostEdge,
    Lint::OverdueDeadline,
    Lint::LeakedReadiness,
];

/// How late this machine lets threads run that are due. A thread that is kept from running for
/// longer than a hold time does look as if it did not work, and that is then no false alarm.
struct Lateness {
    /// The worst case so far of a thread that only sleeps.
    worst_ns: Arc<AtomicU64>,
    /// What the threads of this process had waited for a processor when it began.
    waited_before: Duration,
}

impl Lateness {
    fn watch() -> Self {
        let worst_ns = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&worst_ns);
        // It ends when nobody wants to know any more.
        std::thread::spawn(move || {
            let pause = Duration::from_millis(1);
            while let Some(worst_ns) = watched.upgrade() {
                let began = Instant::now();
                std::thread::sleep(pause);
                let late = began.elapsed().saturating_sub(pause);
                worst_ns.fetch_max(late.as_nanos() as u64, Ordering::Relaxed);
            }
        });
        Self {
            worst_ns,
            waited_before: waited_for_a_processor(),
        }
    }

    /// Whether `finding` may come of it, where the hold time is this. Several delays may add up.
    fn explains(&self, finding: &Finding, brief: Duration) -> bool {
        let worst = Duration::from_nanos(self.worst_ns.load(Ordering::Relaxed));
        let timed = HELD.contains(&finding.lint) || finding.lint == Lint::SlowDispatch;
        // The scheduler is kinder to one that sleeps than to one that works, so those are asked
        // about too.
        let waited = waited_for_a_processor().saturating_sub(self.waited_before);
        timed && (worst > brief / 10 || waited > brief / 2)
    }
}

/// How long the threads of this process, which there are now, were runnable and did not run
/// (proc(5), `schedstat`). Zero where the kernel does not count it.
fn waited_for_a_processor() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    threads
        .filter_map(|thread| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            let waited = text.split_whitespace().nth(1)?.parse().ok()?;
            Some(Duration::from_nanos(waited))
        })
        .sum()
}

/// Looks at `poller` until it has `lint`, and says what was found. Every other finding is a false
/// alarm.
#[track_caller]
fn found(poller: &Poller, lint: Lint) -> Finding {
    found_among(poller, lint, &[])
}

/// The same where `others` may be found too.
#[track_caller]
fn found_among(poller: &Poller, lint: Lint, others: &[Lint]) -> Finding {
    let lateness = Lateness::watch();
    let mut lints = Lints::new(held(BRIEF).hold(lint, BRIEF));
    let began = Instant::now();
    loop {
        for finding in lints.look(poller) {
            if finding.lint == lint {
                assert_eq!(finding.poller, poller.name());
                assert!(!finding.summary.is_empty() && !finding.evidence.is_empty());
                return finding;
            }
            let excused = others.contains(&finding.lint) || lateness.explains(&finding, BRIEF);
            assert!(excused, "{finding:#?}");
        }
        assert!(began.elapsed() < LIMIT, "{lint} was not found");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Looks at `poller` for longer than any lint needs, and fails at the first finding.
#[track_caller]
fn silent(poller: &Poller) {
    silent_but(poller, &[]);
}

/// The same with some lints left out.
#[track_caller]
fn silent_but(poller: &Poller, allowed: &[Lint]) {
    let mut brief = BRIEF;
    while !is_silent(poller, allowed, brief) {
        // The machine is too slow to tell with so short a hold time. At the longest one it was late
        // by seconds.
        brief *= 2;
        assert!(brief < LIMIT, "what was found may be true of no machine");
    }
}

/// Whether there is nothing to be found; `false` if the machine may be to blame.
#[track_caller]
fn is_silent(poller: &Poller, allowed: &[Lint], brief: Duration) -> bool {
    let lateness = Lateness::watch();
    let options = allowed
        .iter()
        .fold(held(brief), |options, lint| options.allow(*lint));
    let mut lints = Lints::new(options);
    let began = Instant::now();
    // Rates are taken over a second; two windows, and all else many times.
    while began.elapsed() < Duration::from_millis(2_200).max(brief * 4) {
        let findings = lints.look(poller);
        if let Some(finding) = findings.first() {
            assert!(
                findings.iter().all(|it| lateness.explains(it, brief)),
                "{findings:#?}"
            );
            eprintln!("late, so again: {}", finding.summary);
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[track_caller]
fn evidence<'a>(finding: &'a Finding, name: &str) -> &'a str {
    let evidence = finding.evidence.iter().find(|(it, _)| *it == name);
    &evidence
        .unwrap_or_else(|| panic!("no {name} in {finding:#?}"))
        .1
}

/// A registered TCP connection of std's, which does not block, and its peer.
fn connection(poller: &Poller) -> (Desc, TcpStream, TcpStream) {
    let (ours, theirs) = std_tcp_pair();
    ours.set_nonblocking(true).unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
    (desc, ours, theirs)
}

/// Does `work` again and again, on a thread of its own, while `look` looks.
fn beside(work: impl FnMut() + Send, look: impl FnOnce()) {
    struct StopOnDrop<'a>(&'a AtomicBool);

    impl Drop for StopOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let stop = AtomicBool::new(false);
    let stopped = &stop;
    std::thread::scope(|scope| {
        // Also when an assertion fails: the scope waits for its threads.
        let _stop = StopOnDrop(stopped);
        let mut work = work;
        scope.spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                work();
            }
        });
        look();
    });
}

fn rest(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros));
}
