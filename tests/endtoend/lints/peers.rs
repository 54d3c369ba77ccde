//! What the peers of connections do.

use std::future::Future;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller::driver::ThreadDriver;
use netpoller::view::lints::{Lint, Lints, Options};
use netpoller::{Direction, Poller, Sides};
use netpoller_tests::new_poller;
use socket2::{SockFilter, SockRef};

use super::{BRIEF, connection, evidence, found, rest, silent};

#[track_caller]
fn park(wait: Pin<&mut impl Future>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.poll(&mut cx).is_pending());
}

/// Writes until neither side has room.
fn fill(stream: &mut TcpStream) {
    let mut refused = 0;
    while refused < 50 {
        match stream.write(&[7; 65536]) {
            Ok(written) => {
                assert!(written > 0);
                refused = 0;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refused += 1;
                rest(1_000);
            }
        }
    }
}

/// Looks for what peers do until each lint has had its chance, and fails if one is found.
#[track_caller]
fn peers_are_well(poller: &Poller) {
    let lints = [Lint::PeerNotReading, Lint::PeerGone, Lint::CloseWaitHeld];
    let options = lints
        .into_iter()
        .fold(Options::new(), |options, lint| options.hold(lint, BRIEF));
    let mut look = Lints::new(options);
    for _ in 0..30 {
        for finding in look.look(poller) {
            assert!(!lints.contains(&finding.lint), "{finding:#?}");
        }
        std::thread::sleep(BRIEF / 5);
    }
}

#[test]
fn a_write_that_waits_for_a_peer_that_reads_nothing_names_who_waits_and_since_when() {
    let poller = new_poller();
    let (mut ours, _theirs, desc) = connection(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    fill(&mut ours);
    let _ = desc.reset(Direction::Write);
    let mut wait = pin!(desc.wait(Direction::Write));
    let line = line!() - 1;
    park(wait.as_mut());
    let parked_ns = netpoller::view::now_ns();

    let finding = found(&poller, Lint::PeerNotReading);
    assert_eq!(finding.direction, Some(Direction::Write));
    let row = finding.row.as_ref().unwrap();
    assert_eq!(row.id(), desc.id());
    assert!(row.write.waiter.is_some());
    assert_eq!(finding.location.unwrap().line(), line);
    assert!(finding.since_ns <= parked_ns && !finding.first_seen);
    assert!(evidence(&finding, "bytes unsent").parse::<u64>().unwrap() > 0);
    assert!(finding.advice.contains("set_write_deadline"));
}

#[test]
fn a_write_that_has_a_deadline_will_not_wait_for_ever() {
    let poller = new_poller();
    let (mut ours, _theirs, desc) = connection(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    fill(&mut ours);
    let _ = desc.reset(Direction::Write);
    desc.set_deadline(
        Some(Instant::now() + Duration::from_secs(600)),
        Sides::Write,
    );
    let mut wait = pin!(desc.wait(Direction::Write));
    park(wait.as_mut());
    peers_are_well(&poller);
}

#[test]
fn unread_input_is_no_fault_of_its_own_where_the_peer_takes_no_answer() {
    let poller = new_poller();
    let (mut ours, mut theirs, desc) = connection(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    theirs.write_all(b"the next request").unwrap();
    fill(&mut ours);
    let _ = desc.reset(Direction::Write);
    let mut wait = pin!(desc.wait(Direction::Write));
    park(wait.as_mut());
    let mut lints = Lints::new(
        Options::new()
            .hold(Lint::PeerNotReading, BRIEF)
            .hold(Lint::LeakedReadiness, BRIEF),
    );
    let mut looks = 0;
    while looks < 10 {
        let found: Vec<Lint> = lints.look(&poller).iter().map(|it| it.lint).collect();
        if found.contains(&Lint::PeerNotReading) {
            assert!(!found.contains(&Lint::LeakedReadiness), "{found:?}");
            looks += 1;
        }
        std::thread::sleep(BRIEF);
    }
}

#[test]
fn a_peer_to_which_nothing_comes_through_is_gone() {
    let poller = new_poller();
    let (mut ours, theirs, desc) = connection(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    // BPF_RET | BPF_K, and nothing of it: what comes is as if its machine were gone.
    let nothing = SockFilter::new(6, 0, 0, 0);
    SockRef::from(&theirs).attach_filter(&[nothing]).unwrap();
    ours.write_all(b"are you there?").unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    let line = line!() - 1;
    park(wait.as_mut());

    let finding = found(&poller, Lint::PeerGone);
    assert_eq!(finding.direction, Some(Direction::Read));
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert_eq!(finding.location.unwrap().line(), line);
    assert!(evidence(&finding, "tried in a row").parse::<u32>().unwrap() >= 3);
}

#[test]
fn a_connection_that_the_peer_has_closed_is_held() {
    let poller = new_poller();
    let (_ours, theirs, desc) = connection(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    drop(theirs);
    let finding = found(&poller, Lint::CloseWaitHeld);
    let row = finding.row.as_ref().unwrap();
    assert_eq!((row.id(), finding.direction), (desc.id(), None));
    assert_eq!(evidence(&finding, "TCP state"), "CLOSE_WAIT");
    let site = finding.location.unwrap();
    assert!(
        site.file().ends_with("main.rs"),
        "where it was opened: {site}"
    );
}

#[test]
fn peers_that_are_silent_and_ends_that_are_being_answered_are_well() {
    let poller = new_poller();
    let (_ours, _theirs, idle) = connection(&poller);
    let (mut ours, theirs, half) = connection(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    // A long poll: nobody says anything, and nobody has to.
    let mut long_poll = pin!(idle.wait(Direction::Read));
    park(long_poll.as_mut());
    // The peer has said all that it will, and is being answered.
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    fill(&mut ours);
    let _ = half.reset(Direction::Write);
    half.set_deadline(
        Some(Instant::now() + Duration::from_secs(600)),
        Sides::Write,
    );
    let mut answer = pin!(half.wait(Direction::Write));
    park(answer.as_mut());
    peers_are_well(&poller);
    silent(&poller);
}
