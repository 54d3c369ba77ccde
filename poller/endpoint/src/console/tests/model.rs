//! What is shown of pollers that follow a script.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller_core::view::lints::Lint;
use netpoller_core::{Direction, Kind, ReadyList, Sides, net, task};

use super::script::{Script, open, pair, park, tell};
use super::validate::Client;
use crate::console::update::ClientView;

#[test]
fn a_tcp_descriptor_is_a_resource_below_its_poller_with_its_address_and_state() {
    let mut script = Script::new("tcp");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let desc = script.poller.open(stream.as_fd(), Kind::Tcp).unwrap();
    script.look();
    let pollers = script.live("poller");
    assert_eq!(pollers[0].1.fields["name"], "tcp");
    let found = script.live("tcp");
    let (_, tcp) = &found[0];
    assert_eq!(tcp.parent, Some(pollers[0].0));
    assert_eq!(
        tcp.fields["peer"],
        listener.local_addr().unwrap().to_string()
    );
    assert_eq!(tcp.fields["fdseq"], desc.id().to_string());
    assert_eq!(tcp.fields["1rd"], "nil");

    let mut hidden = Client::default();
    tell(
        &script.model,
        &mut ClientView::nothing(&script.model, true),
        &mut hidden,
    );
    let known = Client::live(&hidden.resources)
        .find(|(_, known)| known.kind == "tcp")
        .unwrap()
        .1;
    assert!(known.fields["peer"].starts_with('#'), "{known:?}");
}

#[test]
fn a_wait_is_an_async_op_of_the_task_that_waits_and_the_next_wait_is_the_same_op() {
    let mut script = Script::new("waits");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    assert!(script.ops().is_empty(), "nobody has waited");
    for polls in 1..=2 {
        let mut wait = pin!(task::named("reader", desc.wait(Direction::Read)));
        park(wait.as_mut());
        script.look();
        let [op] = &script.ops()[..] else {
            panic!("{:?}", script.ops())
        };
        assert_eq!((op.kind.as_str(), op.polls), ("wait_read", polls));
        assert_eq!(op.fields["state"], "parked");
        let task = &script.client.tasks[&op.task.unwrap()];
        assert_eq!(
            (task.kind.as_str(), task.fields["task.name"].as_str()),
            ("task", "reader")
        );
        assert_eq!(script.live("uds")[0].1.fields["1rd"], "parked");
    }
}

#[test]
fn the_eventfd_of_a_poller_is_an_internal_resource_below_it_that_counts_breaks() {
    let mut script = Script::new("breaks");
    script.look();
    let [(id, eventfd)] = &script.live("eventfd")[..] else {
        panic!("{:?}", script.client.resources)
    };
    assert_eq!(eventfd.parent, Some(script.live("poller")[0].0));
    assert!(eventfd.is_internal);
    let fd: i32 = eventfd.fields["0fd"].parse().unwrap();
    assert!(script.poller.is_poll_descriptor(fd), "{eventfd:?}");
    let counted = |script: &Script| {
        ["requested", "written", "coalesced", "drained"]
            .map(|name| script.client.resources[id].fields[name].clone())
    };
    assert_eq!(counted(&script), ["0", "0", "0", "0"]);
    script.poller.wake().unwrap();
    script.poller.wake().unwrap();
    script.look();
    assert_eq!(counted(&script), ["2", "1", "1", "0"]);
    // Of the same moment as its poller.
    assert_eq!(script.live("poller")[0].1.fields["breaks"], "2");
    script
        .poller
        .poll(Some(Duration::from_secs(5)), &mut ReadyList::default())
        .unwrap();
    script.look();
    assert_eq!(counted(&script), ["2", "1", "1", "1"]);
    assert!(
        Client::live(&script.client.resources)
            .all(|(_, known)| known.is_internal == (known.kind == "eventfd"))
    );
}

#[test]
fn rseq_and_wseq_number_the_waits_of_a_descriptor() {
    let mut script = Script::new("numbered");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    let numbers = |script: &mut Script| {
        script.look();
        let fields = &script.live("uds")[0].1.fields;
        (fields["rseq"].clone(), fields["wseq"].clone())
    };
    assert_eq!(numbers(&mut script), ("0".into(), "0".into()));
    for wait in ["1", "2"] {
        let mut waiting = pin!(desc.wait(Direction::Read));
        park(waiting.as_mut());
        assert_eq!(numbers(&mut script), (wait.into(), "0".into()));
        park(waiting.as_mut());
        assert_eq!(numbers(&mut script), (wait.into(), "0".into()), "the same");
    }
}

#[test]
fn who_accepts_is_seen_accepting() {
    let mut script = Script::new("accepts");
    let listener = script
        .poller
        .in_scope(|| net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let mut accept = pin!(listener.accept());
    park(accept.as_mut());
    script.look();
    assert_eq!(script.ops()[0].kind, "accept");
}

#[test]
fn who_connects_is_seen_connecting_and_then_waiting_for_room_as_another_op() {
    let mut script = Script::new("connects");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stream = {
        let connect = script.poller.in_scope(|| net::TcpStream::connect(address));
        let mut connect = pin!(task::named("client", connect));
        // The kernel says EINPROGRESS on loopback too: the handshake is processed when the call is
        // over.
        park(connect.as_mut());
        script.look();
        let [op] = &script.ops()[..] else {
            panic!("{:?}", script.ops())
        };
        assert_eq!((op.kind.as_str(), op.polls), ("connect", 1));
        let mut ready = ReadyList::default();
        script
            .poller
            .poll(Some(Duration::from_secs(5)), &mut ready)
            .unwrap();
        ready.wake_all();
        let mut cx = Context::from_waker(Waker::noop());
        match connect.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(stream) => stream.unwrap(),
            std::task::Poll::Pending => panic!("it is connected"),
        }
    };
    script.look();
    assert_eq!(script.ops()[0].kind, "connect", "nothing else yet");
    let bytes = vec![0; 64 << 20];
    let mut write = pin!(task::named("client", stream.write_all(&bytes)));
    park(write.as_mut());
    script.look();
    let [op] = &script.ops()[..] else {
        panic!("{:?}", script.ops())
    };
    assert_eq!((op.kind.as_str(), op.polls), ("wait_write", 1));
    // Whoever looks only now sees the same: the wait for the connection is none for room.
    let mut late = Script {
        poller: script.poller.clone(),
        ..Script::new("late")
    };
    late.look();
    let ops = late.ops();
    assert_eq!((ops[0].kind.as_str(), ops[0].polls), ("wait_write", 1));
}

#[test]
fn a_task_that_is_stuck_has_lost_its_waker_until_it_is_not_and_others_keep_theirs() {
    let mut script = Script::new("stuck");
    let options = &mut script.model.process.options;
    for lint in [Lint::StuckWaiter, Lint::LostEdge] {
        *options = options.clone().hold(lint, Duration::ZERO);
    }
    let ((ours, mut theirs), (other, _peer)) = (pair(), pair());
    let (desc, healthy) = (open(&script.poller, &ours), open(&script.poller, &other));
    let mut healthy = pin!(task::named("healthy", healthy.wait(Direction::Read)));
    park(healthy.as_mut());
    theirs.write_all(b"more than is read").unwrap();
    let mut ready = ReadyList::default();
    script
        .poller
        .poll(Some(Duration::ZERO), &mut ready)
        .unwrap();
    // Wrong: it waits twice for one edge, and reads nothing in between.
    let mut reader = pin!(task::named("reader", async {
        for _ in 0..2 {
            desc.wait(Direction::Read).await.unwrap();
        }
    }));
    park(reader.as_mut());
    let lost = |script: &Script| -> Vec<_> {
        Client::live(&script.client.tasks)
            .filter(|(_, task)| task.has_lost_waker)
            .map(|(_, task)| task.fields["task.name"].clone())
            .collect()
    };
    script.look();
    assert!(lost(&script).is_empty(), "one look proves nothing");
    let began = Instant::now();
    while lost(&script).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is not found");
        script
            .poller
            .poll(Some(Duration::ZERO), &mut ready)
            .unwrap();
        script.look();
    }
    assert_eq!(lost(&script), ["reader"]);
    // Another edge, and it goes on.
    theirs.write_all(b"x").unwrap();
    script
        .poller
        .poll(Some(Duration::from_secs(5)), &mut ready)
        .unwrap();
    ready.wake_all();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(reader.as_mut().poll(&mut cx).is_ready());
    script.look();
    assert!(lost(&script).is_empty());
}

#[test]
fn who_waits_outside_of_any_task_is_its_thread() {
    let mut script = Script::new("thread");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    script.look();
    let task = &script.client.tasks[&script.ops()[0].task.unwrap()];
    assert_eq!(task.kind, "thread");
    assert!(!task.fields.contains_key("task.id"));
}

#[test]
fn an_armed_deadline_is_a_timer_below_its_descriptor_until_it_is_cleared() {
    let mut script = Script::new("deadlines");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    desc.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Read);
    script.look();
    let timers = script.live("Timer");
    assert_eq!(timers[0].1.parent, Some(script.live("uds")[0].0));
    assert_eq!(timers[0].1.fields["of"], "read");
    let left: u64 = timers[0].1.fields["deadline"].parse().unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    desc.set_deadline(None, Sides::Read);
    script.look();
    assert!(script.live("Timer").is_empty());
}

#[test]
fn a_slot_that_is_used_again_is_another_resource_and_the_first_one_ends() {
    let mut script = Script::new("reuse");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    {
        let mut wait = pin!(desc.wait(Direction::Read));
        park(wait.as_mut());
        script.look();
    }
    let first = script.live("uds");
    let id = desc.id();
    desc.close();
    let again = open(&script.poller, &ours);
    assert_ne!(again.id(), id);
    script.look();
    let second = script.live("uds");
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].0, first[0].0, "its number rests");
    assert!(script.ops().is_empty(), "the op ended with its descriptor");
}
