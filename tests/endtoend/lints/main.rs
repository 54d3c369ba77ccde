//! Each lint on a real poller: a situation that provokes it, and a similar one in which it must
//! stay silent.
//!
//! The silent ones run all lints, so what is healthy for one must be healthy for each other.

mod accept;
mod blocked;
mod files;
mod peers;
mod rates;
mod registrations;
mod stale;
mod starved;
mod waits;

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netpoller::view::lints::{Finding, Lint, Lints, Options};
use netpoller::{Desc, Kind, Poller};
use netpoller_tests::{LIMIT, Lateness, std_tcp_pair};

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

/// Takes out what is true of a machine that is short of processors, whatever the test does; the
/// tests of that lint hold it against the kernel's numbers.
fn without_starved(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.lint != Lint::ThreadStarved);
    findings
}

/// Whether the machine may be to blame for `finding`, where the hold time is this.
fn explains(lateness: &Lateness, finding: &Finding, brief: Duration) -> bool {
    let timed = HELD.contains(&finding.lint) || finding.lint == Lint::SlowDispatch;
    timed && lateness.explains(brief)
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
        let findings = lints.look(poller);
        let findings = match lint {
            Lint::ThreadStarved => findings,
            _ => without_starved(findings),
        };
        for finding in findings {
            if finding.lint == lint {
                assert_eq!(finding.poller, poller.name());
                assert!(!finding.summary.is_empty() && !finding.evidence.is_empty());
                return finding;
            }
            let excused = others.contains(&finding.lint) || explains(&lateness, &finding, BRIEF);
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
        let findings = without_starved(lints.look(poller));
        if let Some(finding) = findings.first() {
            assert!(
                findings.iter().all(|it| explains(&lateness, it, brief)),
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

/// A TCP connection of std's, which does not block, its peer, and its descriptor. A `let` that
/// takes them apart drops the last one first, and no socket is to go before its descriptor.
fn connection(poller: &Poller) -> (TcpStream, TcpStream, Desc) {
    let (ours, theirs) = std_tcp_pair();
    ours.set_nonblocking(true).unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
    (ours, theirs, desc)
}

/// The same to be kept in one piece, of which the first part is dropped first.
fn kept(poller: &Poller) -> (Desc, TcpStream, TcpStream) {
    let (ours, theirs, desc) = connection(poller);
    (desc, ours, theirs)
}

/// Tells the threads of a test to end, also when an assertion fails: a scope waits for its threads.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` again and again, on a thread of its own, while `look` looks.
fn beside(work: impl FnMut() + Send, look: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let stopped = &stop;
    std::thread::scope(|scope| {
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
