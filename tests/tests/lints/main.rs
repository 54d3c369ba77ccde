//! Each lint on a real poller: a situation that provokes it, and a similar one in which it must stay silent.
//!
//! The silent ones run all lints, so what is healthy for one must be healthy for each other.

mod rates;
mod registrations;
mod waits;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netpoller::view::lints::{Doctor, Finding, Lint, Options};
use netpoller::{Desc, Kind, Poller};
use netpoller_tests::{LIMIT, loopback};

fn poller() -> Poller {
    Poller::builder().build().unwrap()
}

/// All lints, with so short a hold time that a test need not wait for it.
fn impatient() -> Options {
    let brief = Duration::from_millis(50);
    [
        Lint::PollerAway,
        Lint::StuckWaiter,
        Lint::LostEdge,
        Lint::LeakedReadiness,
    ]
    .into_iter()
    .fold(Options::new().kernel(true), |options, lint| {
        options.hold(lint, brief)
    })
}

/// Looks at `poller` until it has `lint`, and says what was found. Every other finding is a false alarm.
#[track_caller]
fn found(poller: &Poller, lint: Lint) -> Finding {
    found_among(poller, lint, &[])
}

/// The same where `others` may be found too.
#[track_caller]
fn found_among(poller: &Poller, lint: Lint, others: &[Lint]) -> Finding {
    let mut doctor = Doctor::new(impatient());
    let began = Instant::now();
    loop {
        for finding in doctor.look(poller) {
            if finding.lint == lint {
                assert_eq!(finding.poller, poller.name());
                assert!(!finding.summary.is_empty() && !finding.evidence.is_empty());
                return finding;
            }
            assert!(others.contains(&finding.lint), "{finding:#?}");
        }
        assert!(began.elapsed() < LIMIT, "{lint} was not found");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Looks at `poller` for longer than any lint needs, and fails at the first finding.
#[track_caller]
fn silent(poller: &Poller) {
    silent_but(poller, impatient());
}

/// The same with some lints left out.
#[track_caller]
fn silent_but(poller: &Poller, options: Options) {
    let mut doctor = Doctor::new(options);
    let began = Instant::now();
    // Rates are taken over a second; two windows, and all else many times.
    while began.elapsed() < Duration::from_millis(2_200) {
        let findings = doctor.look(poller);
        assert!(findings.is_empty(), "{findings:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
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
    let (ours, theirs) = pair().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
    (desc, ours, theirs)
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(loopback())?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (theirs, _) = listener.accept()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
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
