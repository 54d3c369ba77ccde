//! Rows without their file: closed, replaced or deregistered behind the poller's back.
#![allow(unsafe_code)]

use std::future::Future;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Waker};

use netpoller::driver::ThreadDriver;
use netpoller::net::TcpStream;
use netpoller::view::Reader;
use netpoller::view::lints::{Finding, Lint, Lints, Options};
use netpoller::{Desc, Kind, Poller};
use netpoller_tests::{new_poller, until};

use super::{connection, evidence, found, kept, silent};

/// Puts `file` in the place of what `number` stands for.
fn replace(number: RawFd, file: &impl AsRawFd) {
    // SAFETY: two numbers that are open, and ours.
    let result = unsafe { libc::dup2(file.as_raw_fd(), number) };
    assert_eq!(result, number);
}

/// Looks until `lint` is found, without asking for the kernel's list.
#[track_caller]
fn found_without_the_list(poller: &Poller, lint: Lint) -> Finding {
    let mut lints = Lints::new(Options::new());
    let mut finding = None;
    until("it is found", || {
        finding = lints.look(poller).into_iter().find(|it| it.lint == lint);
        finding.is_some()
    });
    finding.unwrap()
}

#[test]
fn a_number_that_stands_for_another_kind_of_file_is_stale_and_shows_no_address_of_it() {
    let poller = new_poller();
    let (ours, _theirs, desc) = connection(&poller);
    let (unix, _peer) = UnixStream::pair().unwrap();
    // In blocking mode, of which the row must not be accused.
    replace(ours.as_raw_fd(), &unix);
    let row = &poller.rows()[0];
    assert!(row.stale, "{row:?}");
    assert_eq!((&*row.local, &*row.peer), ("", ""));
    let finding = found(&poller, Lint::StaleDescriptor);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert!(finding.row.as_ref().unwrap().stale && finding.first_seen);
    assert_eq!(evidence(&finding, "registered with the kernel"), "no");
    let without = found_without_the_list(&poller, Lint::StaleDescriptor);
    assert!(
        without.summary.contains("another file") || without.summary.contains("no registration")
    );
}

#[test]
fn what_the_other_file_has_to_read_is_not_left_by_the_row_that_is_stale() {
    let poller = new_poller();
    let (ours, mut theirs, desc) = connection(&poller);
    std::io::Write::write_all(&mut theirs, b"an edge").unwrap();
    let _driver = ThreadDriver::start(&poller).unwrap();
    until("it has come", || {
        poller.rows()[0].read.state == netpoller::view::State::Ready
    });
    let (other, mut peer, _) = connection(&new_poller());
    std::io::Write::write_all(&mut peer, b"not its own").unwrap();
    replace(ours.as_raw_fd(), &other);
    let brief = std::time::Duration::from_millis(50);
    let mut lints = Lints::new(
        Options::new()
            .hold(Lint::LeakedReadiness, brief)
            .kernel(true),
    );
    let mut looks = 0;
    while looks < 5 {
        let found = lints.look(&poller);
        if found.iter().any(|it| it.lint == Lint::StaleDescriptor) {
            let [finding] = &found[..] else {
                panic!("{found:#?}")
            };
            assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
            looks += 1;
        }
        std::thread::sleep(brief);
    }
}

/// What is said of the other file is not said of the row, and one cause is one finding.
#[test]
fn a_reader_whose_number_is_given_to_another_file_has_lost_its_edge_and_that_is_all() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (ours, _theirs, desc) = connection(&poller);
    let mut wait = std::pin::pin!(desc.wait(netpoller::Direction::Read));
    super::waits::park(wait.as_mut());
    // As old as a wait must be.
    std::thread::sleep(super::BRIEF * 2);
    replace(ours.as_raw_fd(), &std::fs::File::open("/dev/null").unwrap());
    let finding = found(&poller, Lint::LostEdge);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert!(finding.row.as_ref().unwrap().stale, "{finding:#?}");
}

#[test]
fn a_number_that_is_closed_is_stale() {
    let poller = new_poller();
    let (ours, _theirs, desc) = connection(&poller);
    // Another test may have the number at once, so nothing is said of what it stands for.
    drop(ours);
    let finding = found(&poller, Lint::StaleDescriptor);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
}

#[test]
fn a_file_of_the_same_kind_is_noticed_by_who_has_looked_before_and_by_the_kernels_list() {
    let poller = new_poller();
    let (ours, _theirs, _desc) = connection(&poller);
    let mut reader = Reader::new();
    let before = reader.snapshot(&poller).rows.remove(0);
    let (other, _peer, _) = connection(&new_poller());
    replace(ours.as_raw_fd(), &other);
    let after = reader.snapshot(&poller).rows.remove(0);
    assert!(!before.stale && after.stale);
    // Its own, and not the other's.
    assert_eq!((&after.local, &after.peer), (&before.local, &before.peer));
    let finding = found(&poller, Lint::StaleDescriptor);
    assert!(
        finding.summary.contains("no registration"),
        "{}",
        finding.summary
    );
}

#[test]
fn of_two_rows_with_one_number_the_older_one_is_stale() {
    let poller = new_poller();
    let (ours, _theirs, old) = connection(&poller);
    let (other, _peer, _) = connection(&new_poller());
    replace(ours.as_raw_fd(), &other);
    let new = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
    let rows = poller.rows();
    let row = |desc: &Desc| rows.iter().find(|row| row.id() == desc.id()).unwrap();
    assert!(row(&old).stale && !row(&new).stale, "{rows:?}");
    assert_eq!((&*row(&old).local, &*row(&old).peer), ("", ""));
    assert_eq!(*row(&new).local, *other.local_addr().unwrap().to_string());
    let finding = found_without_the_list(&poller, Lint::StaleDescriptor);
    assert_eq!(finding.row.as_ref().unwrap().id(), old.id());
    assert!(finding.summary.contains("younger"), "{}", finding.summary);
}

#[test]
fn what_the_program_calls_by_a_wrong_kind_is_not_stale() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let _desc = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
    assert!(!poller.rows()[0].stale);
    silent(&poller);
}

#[test]
fn a_registration_that_is_gone_is_found_although_nobody_waits() {
    let poller = new_poller();
    let (ours, _theirs, desc) = connection(&poller);
    super::waits::deregister(&poller, &ours);
    let finding = found(&poller, Lint::StaleDescriptor);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
}

#[test]
fn the_law_of_the_kernel_goes_by_each_descriptor_however_many_sleeps_there_are() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let kept: Vec<_> = (0..50).map(|_| kept(&poller)).collect();
    let (other, _peer, _ghost) = connection(&new_poller());
    let sleeps = || {
        netpoller::block_on_poller(
            &poller,
            netpoller::time::sleep(std::time::Duration::from_micros(100)),
        );
    };
    let kernel = || {
        let laws = poller.audit().unwrap();
        let broken: Vec<_> = laws.into_iter().filter(|law| law.violated).collect();
        broken
            .into_iter()
            .map(|law| (law.name, law.lhs, law.rhs))
            .collect::<Vec<_>>()
    };
    super::beside(sleeps, || {
        assert_eq!(kernel(), []);
        for (_, ours, _) in &kept {
            replace(ours.as_raw_fd(), &other);
        }
        assert_eq!(kernel(), [("kernel", 50, 0)]);
    });
}

#[test]
fn a_missing_registration_is_not_made_up_for_by_a_ghost() {
    let poller = new_poller();
    let (ours, _theirs, _lacks) = connection(&poller);
    let (file, _peer, ghost) = connection(&poller);
    let _duplicate = file.try_clone().unwrap();
    let (other, _other_peer, _) = connection(&new_poller());
    replace(ours.as_raw_fd(), &other);
    // Deregistered by a number that stands for something else by then.
    replace(file.as_raw_fd(), &other);
    ghost.close();
    let laws = poller.audit_quiescent().unwrap();
    let law = laws.iter().find(|law| law.name == "kernel").unwrap();
    assert!(law.violated && law.lhs == 1 && law.rhs == 1, "{law:?}");
}

#[test]
fn the_peer_of_a_connection_that_is_under_way_is_told_and_when_data_came_is_not() {
    let poller = new_poller();
    let tcp = || {
        let kind = socket2::Type::STREAM.nonblocking();
        socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap()
    };
    // A listener with a full queue: the kernel answers nobody else.
    let listener = tcp();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let filling = [tcp(), tcp(), tcp()];
    for socket in &filling {
        let _ = socket.connect(&address);
    }
    let address = address.as_socket().unwrap();
    let mut connecting = Box::pin(poller.in_scope(|| TcpStream::connect(address)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        poller
            .in_scope(|| connecting.as_mut().poll(&mut cx))
            .is_pending()
    );
    let row = poller.rows().remove(0);
    assert_eq!(*row.peer, *address.to_string());
    assert!(row.write.waiter.is_some());
    let view = netpoller::view::kernel_view(&poller, row.id());
    assert_eq!(
        (view.tcp_state, view.last_data_received_ns),
        ("SYN_SENT", None)
    );
}
