//! Open files against the limit of the process. The limit is the process's, so each test has one
//! for itself.

use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use netpoller::driver::ThreadDriver;
use netpoller::view::lints::{Lint, Lints, Options};
use netpoller::{Desc, Kind, Poller};
use netpoller_tests::{is_alone, new_poller};
use rlimit::Resource;

use super::{beside, evidence, found, rest, silent};

/// A descriptor and the socket that it stands for, given up in this order.
type Open = (Desc, UnixDatagram);

/// Opens one, at a line that is the caller's.
#[track_caller]
fn open(poller: &Poller) -> Open {
    let socket = UnixDatagram::unbound().unwrap();
    socket.set_nonblocking(true).unwrap();
    (
        poller.open(socket.as_fd(), Kind::UnixDatagram).unwrap(),
        socket,
    )
}

fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1
}

/// Lowers the limit, so that what is open is so many hundredths of it.
fn limit_to(percent: u64) -> u64 {
    let limit = open_files() * 100 / percent;
    let (_, hard) = Resource::NOFILE.get().unwrap();
    Resource::NOFILE.set(limit, hard).unwrap();
    limit
}

#[test]
fn a_line_that_leaks_is_named_with_its_growth_and_how_long_there_is_room() {
    if !is_alone("files::a_line_that_leaks_is_named_with_its_growth_and_how_long_there_is_room") {
        return;
    }
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let pool: Vec<_> = (0..600).map(|_| open(&poller)).collect();
    let limit = limit_to(60);
    let mut leaked = Vec::new();
    let line = line!() + 4;
    let leak = || {
        // It ends long before the last one.
        if leaked.len() < 200 {
            leaked.push(open(&poller));
        }
        rest(15_000);
    };
    beside(leak, || {
        let finding = found(&poller, Lint::DescriptorsRunOut);
        assert_eq!(finding.location.unwrap().line(), line);
        assert!(finding.first_seen && finding.row.is_none());
        assert!(evidence(&finding, "open files").ends_with(&format!(" of {limit}")));
        assert!(evidence(&finding, "growth").contains(" in "));
        assert!(!evidence(&finding, "none left in").is_empty());
        let most = evidence(&finding, "opened most at");
        assert!(
            most.contains(&format!("files.rs:{line}: ")) && most.contains(" more than "),
            "{most}"
        );
        let then = evidence(&finding, "then at");
        assert!(then.ends_with(": 600 open"), "{then}");
        assert!(
            finding.summary.contains("none is left in"),
            "{}",
            finding.summary
        );
    });
    drop(pool);
}

#[test]
fn nearly_all_are_open_and_nobody_opens_more() {
    if !is_alone("files::nearly_all_are_open_and_nobody_opens_more") {
        return;
    }
    let [poller, other] = [new_poller(), new_poller()];
    let _drivers = [&poller, &other].map(|poller| ThreadDriver::start(poller).unwrap());
    let _few = open(&other);
    let _pool: Vec<_> = (0..300).map(|_| open(&poller)).collect();
    limit_to(96);
    let finding = found(&poller, Lint::DescriptorsRunOut);
    let most = evidence(&finding, "opened most at");
    assert!(most.ends_with(": 300 open"), "{most}");
    assert!(
        !finding
            .evidence
            .iter()
            .any(|(name, _)| *name == "none left in")
    );
    // It is the process's, and told of once.
    let mut lints = Lints::new(Options::new().hold(Lint::DescriptorsRunOut, Duration::ZERO));
    let (mut told, began) = (0, Instant::now());
    while told < 3 {
        assert!(lints.look(&other).is_empty());
        told += lints.look(&poller).len();
        assert!(began.elapsed() < netpoller_tests::LIMIT);
    }
}

#[test]
fn a_pool_that_grew_and_rests_and_one_in_which_many_come_and_go_do_not_run_out() {
    if !is_alone(
        "files::a_pool_that_grew_and_rests_and_one_in_which_many_come_and_go_do_not_run_out",
    ) {
        return;
    }
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut lints = Lints::new(Options::new());
    lints.look(&poller);
    let _pool: Vec<_> = (0..600).map(|_| open(&poller)).collect();
    limit_to(70);
    // It was seen to grow, and then for longer than any window not to.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2_200) {
        let found = lints.look(&poller);
        assert!(found.iter().all(|it| it.lint != Lint::DescriptorsRunOut));
        rest(20_000);
    }
    let mut churned = Vec::new();
    let churn = || {
        if churned.len() == 8 {
            churned.clear();
        }
        churned.push(open(&poller));
        rest(2_000);
    };
    beside(churn, || silent(&poller));
}
