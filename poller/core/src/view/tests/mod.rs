use std::future::Future;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

mod recorder;

use super::*;
use crate::{Desc, Direction, Kind, ReadyList, Sides, Transition};

fn poller(name: &str) -> Poller {
    Poller::builder().name(name).build().unwrap()
}

/// The socket of a registered descriptor, the other end, and the descriptor. A `let` that takes
/// them apart drops the last one first, and no socket is to go before its descriptor.
fn open(poller: &Poller) -> (UnixStream, UnixStream, Desc) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    (ours, theirs, desc)
}

/// The same to be kept in one piece, of which the first part is dropped first.
fn kept(poller: &Poller) -> (Desc, UnixStream, UnixStream) {
    let (ours, theirs, desc) = open(poller);
    (desc, ours, theirs)
}

#[track_caller]
fn park(wait: std::pin::Pin<&mut impl Future>) {
    assert!(
        wait.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

fn poll_now(poller: &Poller) {
    let mut ready = ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
}

#[track_caller]
fn assert_laws(laws: &[Law]) {
    assert_eq!(
        laws.iter().filter(|law| law.violated).collect::<Vec<_>>(),
        Vec::<&Law>::new()
    );
    assert!(laws.len() >= 10, "{} laws", laws.len());
}

#[test]
fn a_row_says_who_waits_where_since_when_and_until_when() {
    let poller = poller("rows");
    let (_ours, _theirs, desc) = open(&poller);
    desc.set_label("backend");
    desc.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Read);
    // The stamp of a wait may err by less than a microsecond.
    let before = now_ns() - 1000;
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());

    let Snapshot {
        captured_at_ns,
        rows,
    } = Reader::new().snapshot(&poller);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.id(), row.fd, row.kind, &*row.label, row.torn),
        (desc.id(), desc.fd(), Kind::Unix, "backend", false)
    );
    assert!(
        row.opened_location
            .unwrap()
            .file()
            .ends_with("tests/mod.rs")
    );
    assert_eq!(
        (row.read.state, row.write.state),
        (State::Parked, State::Nil)
    );
    assert!((before..=captured_at_ns).contains(&row.read.since_ns));
    assert!(row.read.deadline_ns > captured_at_ns && row.write.deadline_ns == 0);
    let waiter = row.read.waiter.as_ref().unwrap();
    assert_eq!(Some(&*waiter.thread), std::thread::current().name());
    assert!(waiter.location.unwrap().file().ends_with("tests/mod.rs"));
    assert!(row.write.waiter.is_none());
    assert_eq!(row.read.transitions[Transition::Park as usize], 1);
    assert_eq!(poller.stats().parked(Direction::Read), 1);
}

#[test]
fn labels_and_names_of_tasks_do_not_run_out_and_one_in_use_is_never_anothers() {
    let poller = poller("names");
    let (_ours, _theirs, lasting) = open(&poller);
    lasting.set_label("lasting");
    let mut reads = pin!(crate::task::named("reader", lasting.wait(Direction::Read)));
    park(reads.as_mut());
    let (_ours, _theirs, desc) = open(&poller);
    for i in 0..100_000 {
        desc.set_label(&format!("label {i}"));
        drop(crate::task::named(&format!("task {i}"), async {}));
    }
    let mut writes = pin!(crate::task::named("last", desc.wait(Direction::Read)));
    park(writes.as_mut());
    let rows = poller.rows();
    let task = |row: &Row| row.read.waiter.as_ref().unwrap().task.to_string();
    let all: Vec<_> = rows
        .iter()
        .map(|row| (row.label.to_string(), task(row)))
        .collect();
    assert_eq!(
        all,
        [("lasting", "reader"), ("label 99999", "last")].map(|(a, b)| (a.into(), b.into()))
    );
}

#[test]
fn a_row_has_the_addresses_of_its_socket_and_a_closed_one_has_no_row() {
    let poller = poller("addresses");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let listening = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let connected = poller.open(stream.as_fd(), Kind::Tcp).unwrap();

    let rows = poller.rows();
    assert_eq!(*rows[0].local, *listener.local_addr().unwrap().to_string());
    assert_eq!(*rows[0].peer, *"");
    assert_eq!(*rows[1].local, *stream.local_addr().unwrap().to_string());
    assert_eq!(*rows[1].peer, *listener.local_addr().unwrap().to_string());

    connected.unblock();
    let closing = &poller.rows()[1];
    assert!(closing.closing && closing.peer.is_empty());
    connected.close();
    listening.close();
    assert!(poller.rows().is_empty());
}

#[test]
fn a_connection_under_way_has_its_peer_and_a_waiter_and_no_age_of_data_that_never_came() {
    use socket2::{Domain, Socket, Type};
    let poller = poller("connecting");
    let _entered = poller.enter();
    // Its queue is full, so the kernel answers nobody else.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    deaf.bind(&any.into()).unwrap();
    deaf.listen(0).unwrap();
    let address = deaf.local_addr().unwrap();
    let _fill = [(); 4].map(|()| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let _ = socket.connect(&address);
        socket
    });
    let address = address.as_socket().unwrap();
    let mut connecting = pin!(crate::net::TcpStream::connect(address));
    park(connecting.as_mut());

    let rows = poller.rows();
    assert_eq!(*rows[0].peer, address.to_string());
    assert_eq!(rows[0].write.state, State::Parked);
    assert!(rows[0].write.waiter.is_some());
    let kernel = kernel_view(&poller, rows[0].id());
    assert_eq!(kernel.tcp_state, "SYN_SENT");
    assert_eq!(kernel.last_data_received_ns, None);
}

#[test]
fn pages_cover_the_table_once_and_skip_dead_slots() {
    let poller = poller("pages");
    let mut descs: Vec<_> = (0..10).map(|_| kept(&poller)).collect();
    drop(descs.remove(4));
    let mut seen = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = page(&poller, from, 3);
        assert!(page.rows.len() <= 3);
        seen.extend(page.rows.iter().map(Row::id));
        next = page.next_slot;
    }
    assert_eq!(
        seen,
        descs.iter().map(|(desc, ..)| desc.id()).collect::<Vec<_>>()
    );
}

#[test]
fn the_laws_hold_to_the_last_count_on_a_poller_at_rest() {
    let poller = poller("quiescent");
    let (_a, mut peer, woken) = open(&poller);
    let (_b, _peer_b, timed_out) = open(&poller);
    let (_c, _peer_c, cancelled) = open(&poller);
    let (_d, _peer_d, parked) = open(&poller);
    let (_e, _peer_e, closed) = open(&poller);
    // The edges of a new registration: each socket is writable.
    poll_now(&poller);

    let mut wait_woken = pin!(woken.wait(Direction::Read));
    park(wait_woken.as_mut());
    peer.write_all(b"x").unwrap();
    let mut wait_timed_out = pin!(timed_out.wait(Direction::Read));
    park(wait_timed_out.as_mut());
    timed_out.set_deadline(Some(Instant::now()), Sides::Both);
    {
        let mut wait = pin!(cancelled.wait(Direction::Read));
        park(wait.as_mut());
    }
    parked.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Read);
    let mut wait_parked = pin!(parked.wait(Direction::Read));
    park(wait_parked.as_mut());
    poller.wake().unwrap();
    poller.wake().unwrap();
    poll_now(&poller);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(wait_woken.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    closed.close();

    let laws = poller.audit_quiescent().unwrap();
    assert_laws(&laws);
    let law = |name| laws.iter().find(|law| law.name == name).unwrap();
    assert_eq!((law("waiters").lhs, law("waiters").rhs), (1, 1));
    assert_eq!((law("descriptors").lhs, law("descriptors").rhs), (4, 4));
    assert_eq!((law("kernel").lhs, law("kernel").rhs), (4, 4));
    assert_eq!((law("deadlines").lhs, law("deadlines").rhs), (1, 1));
    assert_eq!((law("slots").lhs, law("slots").rhs), (5, 5));
}

#[test]
fn a_count_of_waiters_that_has_drifted_is_reported() {
    let poller = poller("drifted");
    poller
        .shared
        .waiters
        .fetch_add(1, crate::sync::atomic::Ordering::Relaxed);
    let violated = |laws: Vec<Law>| {
        laws.into_iter()
            .filter(|law| law.violated)
            .map(|law| law.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(violated(poller.audit_quiescent().unwrap()), ["waiters"]);
    assert_eq!(violated(poller.audit().unwrap()), ["waiters"]);
}

#[test]
fn a_registration_that_the_table_does_not_know_is_reported() {
    let poller = poller("leaked");
    let (ours, _theirs, desc) = open(&poller);
    let duplicate = ours.try_clone().unwrap();
    // Closed behind the poller's back while a duplicate keeps the registration alive in the kernel
    // (semantics 10).
    drop(ours);
    drop(desc);
    let law = poller
        .audit_quiescent()
        .unwrap()
        .into_iter()
        .find(|law| law.name == "kernel")
        .unwrap();
    assert!(law.violated, "{law:?}");
    assert_eq!((law.lhs, law.rhs), (0, 1));
    drop(duplicate);
}

#[test]
fn a_busy_poller_is_not_accused_and_its_rows_are_whole() {
    let poller = poller("busy");
    let stop = AtomicBool::new(false);
    let rounds = [const { AtomicUsize::new(0) }; 2];
    std::thread::scope(|scope| {
        let workers = rounds.each_ref().map(|rounds| {
            let (poller, stop) = (&poller, &stop);
            scope.spawn(move || {
                let mut ready = ReadyList::default();
                while !stop.load(Ordering::Relaxed) {
                    let (_ours, theirs, desc) = open(poller);
                    wait_once(&desc, poller, &mut ready, &theirs);
                    // Before the socket is closed: its number may be the other thread's next socket
                    // (semantics 10).
                    desc.close();
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        // Also when an assertion fails: the scope waits for its threads.
        let _stop = StopOnDrop(&stop);
        let mut auditor = Auditor::new();
        for _ in 0..20 {
            // A thread that the machine keeps between what it does and what it counts, for three
            // reads, would be found: so each of them goes on between two reads.
            let before = rounds.each_ref().map(|it| it.load(Ordering::Relaxed));
            let went_on =
                |(it, before): (&AtomicUsize, &usize)| it.load(Ordering::Relaxed) > *before;
            while !rounds.iter().zip(&before).all(went_on) {
                assert!(!workers.iter().any(|it| it.is_finished()));
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_laws_running(&auditor.read(&poller));
            for row in poller.rows().iter().filter(|row| !row.torn) {
                assert_eq!(row.kind, Kind::Unix);
                if row.read.state == State::Parked {
                    assert!(row.read.waiter.as_ref().unwrap().location.is_some());
                    assert!(row.read.since_ns >= row.opened_at_ns, "{row:?}");
                }
            }
        }
    });
    assert_laws(&poller.audit_quiescent().unwrap());
}

fn wait_once(desc: &Desc, poller: &Poller, ready: &mut ReadyList, mut peer: &UnixStream) {
    let mut wait = pin!(desc.wait(Direction::Read));
    let mut cx = Context::from_waker(Waker::noop());
    // An event of the slot's life before may come late and be taken for ours (semantics 26).
    if wait.as_mut().poll(&mut cx).is_ready() {
        return;
    }
    peer.write_all(b"x").unwrap();
    while wait.as_mut().poll(&mut cx).is_pending() {
        poller.poll(Some(Duration::ZERO), ready).unwrap();
        ready.wake_all();
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_wait_that_changes_its_waker_is_one_waiter() {
    struct Quiet;
    impl std::task::Wake for Quiet {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    let poller = poller("rearmed");
    let (_ours, _theirs, desc) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    for _ in 0..3 {
        let waker = Waker::from(std::sync::Arc::new(Quiet));
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(
        poller
            .stats()
            .transition(Direction::Read, Transition::Rearm),
        3
    );
    assert_eq!(poller.waiters(), 1);
    assert_laws(&poller.audit_quiescent().unwrap());
}

#[track_caller]
fn assert_laws_running(laws: &[Law]) {
    assert_eq!(
        laws.iter().filter(|law| law.violated).collect::<Vec<_>>(),
        Vec::<&Law>::new()
    );
}

#[test]
fn reading_takes_no_lock_of_a_descriptor() {
    let poller = poller("locks");
    let (_ours, _theirs, desc) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let stuck = desc.slot.lock();
    assert_eq!(poller.rows().len(), 1);
    assert_eq!(poller.info().descriptors, 1);
    assert_eq!(poller.stats().info().waiters, 1);
    let laws = Auditor::new().read(&poller);
    assert!(laws.iter().all(|law| !law.violated), "{laws:?}");
    // Before the wait ends, which takes it.
    drop(stuck);
}
