//! What is wrong with a registration: duplicates, ghosts, blocking mode.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use netpoller::driver::ThreadDriver;
use netpoller::view::lints::Lint;
use netpoller::{Kind, view};
use netpoller_tests::new_poller;

use super::{beside, evidence, found, silent, silent_but};

fn unix_pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn eventfd() -> OwnedFd {
    // SAFETY: no pointers; a descriptor that is returned is new and ours.
    unsafe {
        let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}

#[test]
fn a_socket_that_is_registered_twice_is_a_duplicate() {
    let poller = new_poller();
    let (ours, _theirs) = unix_pair();
    let duplicate = ours.try_clone().unwrap();
    let first = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let second = poller.open(duplicate.as_fd(), Kind::Unix).unwrap();
    let finding = found(&poller, Lint::DuplicateRegistration);
    for desc in [&first, &second] {
        let registrations = evidence(&finding, "registrations");
        assert!(
            registrations.contains(&desc.id().to_string()),
            "{registrations}"
        );
    }
    assert!(
        finding
            .location
            .unwrap()
            .file()
            .ends_with("registrations.rs")
    );
}

#[test]
fn both_ends_of_a_pipe_and_several_eventfds_share_an_inode_and_are_no_duplicates() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (read_end, write_end) = std::io::pipe().unwrap();
    for end in [read_end.as_fd(), write_end.as_fd()] {
        socket2::SockRef::from(&end).set_nonblocking(true).unwrap();
    }
    let events = [eventfd(), eventfd()];
    let (ours, theirs) = unix_pair();
    let _descs = [
        poller.open(read_end.as_fd(), Kind::Pipe).unwrap(),
        poller.open(write_end.as_fd(), Kind::Pipe).unwrap(),
        poller.open(events[0].as_fd(), Kind::Other).unwrap(),
        poller.open(events[1].as_fd(), Kind::Other).unwrap(),
        poller.open(ours.as_fd(), Kind::Unix).unwrap(),
        poller.open(theirs.as_fd(), Kind::Unix).unwrap(),
    ];
    let registrations = view::kernel_registrations(&poller).unwrap();
    let inode = |index: usize| {
        registrations
            .iter()
            .find(|it| it.id.slot == index as u32)
            .unwrap()
            .inode
    };
    assert_eq!((inode(0), inode(2)), (inode(1), inode(3)), "they share one");
    silent(&poller);
}

#[test]
fn a_registration_that_outlives_its_descriptor_is_a_ghost() {
    let poller = new_poller();
    let (ours, _theirs) = unix_pair();
    let duplicate = ours.try_clone().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let id = desc.id();
    drop(ours);
    desc.close();
    let finding = found(&poller, Lint::GhostRegistration);
    let registered = format!("{}/{id}", poller.name());
    assert_eq!(evidence(&finding, "registered as"), registered);
    let held = evidence(&finding, "held open by");
    let number = std::os::fd::AsRawFd::as_raw_fd(&duplicate);
    assert!(held.contains(&format!("descriptor {number}")), "{held}");
}

#[test]
fn a_descriptor_that_is_closed_after_its_registration_leaves_no_ghost() {
    let poller = new_poller();
    let (ours, _theirs) = unix_pair();
    let _duplicate = ours.try_clone().unwrap();
    poller.open(ours.as_fd(), Kind::Unix).unwrap().close();
    drop(ours);
    silent(&poller);
}

#[test]
fn descriptors_that_are_closed_while_the_list_is_read_are_no_ghosts() {
    let poller = new_poller();
    let churn = || {
        let (ours, _theirs) = unix_pair();
        poller.open(ours.as_fd(), Kind::Unix).unwrap().close();
    };
    beside(churn, || {
        silent_but(&poller, &[Lint::GenerationChurn]);
    });
}

#[test]
fn a_descriptor_in_blocking_mode_is_named() {
    let poller = new_poller();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let line = line!() - 1;
    let finding = found(&poller, Lint::BlockingMode);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert_eq!(finding.location.unwrap().line(), line);
}

#[test]
fn descriptors_that_do_not_block_and_sleeps_that_have_none_are_not_named() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (ours, _theirs) = unix_pair();
    let _desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let sleeper = std::thread::spawn({
        let poller = poller.clone();
        move || {
            netpoller::block_on_poller(
                &poller,
                netpoller::time::sleep(std::time::Duration::from_millis(2_500)),
            );
        }
    });
    silent(&poller);
    sleeper.join().unwrap();
}
