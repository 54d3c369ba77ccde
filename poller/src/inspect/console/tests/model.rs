//! What is shown of pollers that follow a script.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use console_api::instrument::Update;
use console_api::{PollStats, async_ops, resources, tasks};
use prost::Message;

use super::super::model::{Model, Sizes};
use super::super::update::Told;
use super::super::validate::{Client, Known};
use crate::inspect::service::MAX_MESSAGE;
use crate::{Desc, Direction, Kind, Poller, ReadyList, Sides, net, task};

/// A model and a client of it.
struct Script {
    poller: Poller,
    model: Model,
    told: Told,
    client: Client,
}

impl Script {
    fn new(name: &str) -> Self {
        Self::with(name, Sizes::default())
    }

    /// Of which no more is shown than this.
    fn with(name: &str, sizes: Sizes) -> Self {
        let model = Model::new(sizes);
        Self {
            poller: Poller::builder().name(name).build().unwrap(),
            told: Told::nothing(&model, false),
            model,
            client: Client::default(),
        }
    }

    /// Looks, and tells the client. Returns how many messages that took.
    #[track_caller]
    fn look(&mut self) -> usize {
        self.model.look(std::slice::from_ref(&self.poller));
        tell(&self.model, &mut self.told, &mut self.client)
    }

    fn live(&self, kind: &str) -> Vec<(u64, Known)> {
        let mut found: Vec<_> = Client::live(&self.client.resources)
            .filter(|(_, known)| known.kind == kind)
            .map(|(id, known)| (id, known.clone()))
            .collect();
        found.sort_by_key(|(id, _)| *id);
        found
    }

    fn ops(&self) -> Vec<Known> {
        Client::live(&self.client.ops)
            .map(|(_, known)| known.clone())
            .collect()
    }
}

#[track_caller]
fn tell(model: &Model, told: &mut Told, client: &mut Client) -> usize {
    let updates = told.updates(model);
    assert!(
        !updates.is_empty(),
        "the client counts time by the messages"
    );
    for update in &updates {
        client.take(update).unwrap();
    }
    updates.len()
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn open(poller: &Poller, socket: &UnixStream) -> Desc {
    poller.open(socket.as_fd(), Kind::Unix).unwrap()
}

#[track_caller]
fn park(wait: std::pin::Pin<&mut impl Future>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.poll(&mut cx).is_pending());
}

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
    assert_eq!(tcp.fields["fdseq"], desc.id());
    assert_eq!(tcp.fields["1rd"], "nil");

    let mut hidden = Client::default();
    tell(
        &script.model,
        &mut Told::nothing(&script.model, true),
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
    let listener = net::TcpListener::bind_on(&script.poller, "127.0.0.1:0").unwrap();
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
        let connect = net::TcpStream::connect_on(&script.poller, address, None);
        let mut connect = pin!(task::named("client", connect));
        // The kernel says EINPROGRESS on loopback too: the handshake is processed when the call is over.
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
}

#[test]
fn a_task_that_is_stuck_has_lost_its_waker_until_it_is_not_and_others_keep_theirs() {
    let mut script = Script::new("stuck");
    script.model.hooks.hold = Some(Duration::ZERO);
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

#[test]
fn when_nothing_changes_one_small_message_tells_the_time() {
    let mut script = Script::new("quiet");
    let (ours, _theirs) = pair();
    let _desc = open(&script.poller, &ours);
    script.look();
    script.look();
    let updates = {
        script.model.look(std::slice::from_ref(&script.poller));
        script.told.updates(&script.model)
    };
    assert_eq!(updates.len(), 1);
    assert!(updates[0].encoded_len() < 100, "{:?}", updates[0]);
}

#[test]
fn a_client_that_missed_samples_is_told_once_what_they_changed() {
    let mut script = Script::new("slow");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    let (other, _peer) = pair();
    for _ in 0..3 {
        let short = open(&script.poller, &other);
        script.model.look(std::slice::from_ref(&script.poller));
        short.close();
        script.model.look(std::slice::from_ref(&script.poller));
    }
    let _late = open(&script.poller, &other);
    script.look();
    assert_eq!(script.live("uds").len(), 2);
    desc.close();
    script.look();
    assert_eq!(script.live("uds").len(), 1);
}

#[test]
fn what_finds_no_number_is_dropped_once_and_told_to_each_client_that_was_there() {
    let sizes = Sizes {
        resources: 4,
        ops: 1,
        tasks: 1,
        ..Sizes::default()
    };
    let mut script = Script::with("too_many", sizes);
    let ((ours, _theirs), (other, _peer)) = (pair(), pair());
    let (first, second) = (open(&script.poller, &ours), open(&script.poller, &other));
    script.look();
    assert_eq!(script.client.dropped, [0; 3], "there is room for four");
    let mut wait = pin!(task::named("first", first.wait(Direction::Read)));
    park(wait.as_mut());
    script.look();
    assert_eq!(script.client.dropped, [0; 3], "and for one that waits");

    let mut second_wait = pin!(task::named("second", second.wait(Direction::Read)));
    park(second_wait.as_mut());
    for _ in 0..3 {
        script.look();
        assert_eq!(script.client.dropped, [1, 1, 0]);
    }
    let mut write = pin!(task::named("first", first.wait(Direction::Write)));
    first.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Read);
    park(write.as_mut());
    for _ in 0..3 {
        script.look();
    }
    assert_eq!(script.client.dropped[2], 1, "a deadline");
    assert_eq!(
        script.client.dropped[0], 2,
        "an op of whom there may be a task"
    );

    let mut late = Client::default();
    tell(
        &script.model,
        &mut Told::nothing(&script.model, false),
        &mut late,
    );
    assert_eq!(late.dropped, [0; 3], "it has lost nothing yet");
}

#[test]
fn a_row_that_cannot_be_read_is_dropped_and_shown_as_it_was_until_it_can() {
    let mut script = Script::new("torn");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    let mut wait = pin!(task::named("reader", desc.wait(Direction::Read)));
    park(wait.as_mut());
    script.model.hooks.torn = Some(0);
    script.model.look(std::slice::from_ref(&script.poller));
    let mut late = (Told::nothing(&script.model, false), Client::default());
    script.look();
    assert_eq!(script.client.dropped, [0, 0, 2], "each look has lost it");
    tell(&script.model, &mut late.0, &mut late.1);
    assert_eq!(late.1.dropped, [0, 0, 1], "the second one");
    assert_eq!(script.live("uds")[0].1.fields["1rd"], "nil");
    script.model.hooks.torn = None;
    script.look();
    assert_eq!(script.live("uds")[0].1.fields["1rd"], "parked");
    assert_eq!(script.client.dropped, [0, 0, 2]);
}

#[test]
fn what_the_flight_recorder_overwrote_is_told_of_the_poller_and_is_not_dropped() {
    let mut script = Script::new("overwritten");
    script.poller = Poller::builder()
        .name("overwritten")
        .flight_recorder(1024)
        .build()
        .unwrap();
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    for _ in 0..1000 {
        park(pin!(desc.wait(Direction::Read)));
    }
    script.look();
    script.look();
    let overwritten = &script.live("poller")[0].1.fields["overwritten"];
    assert!(overwritten.parse::<u64>().unwrap() > 1000, "{overwritten}");
    assert_eq!(script.client.dropped, [0; 3]);
}

/// The stats of the messages by which a new client is told of a model.
fn stats_told(model: &Model) -> (resources::Stats, async_ops::Stats, tasks::Stats) {
    let updates = Told::nothing(model, false).updates(model);
    let resource = |update: &Update| {
        let stats = update.resource_update.as_ref()?.stats_update.get(&ENDED);
        stats.cloned()
    };
    let op = |update: &Update| {
        let stats = update.async_op_update.as_ref()?.stats_update.get(&1);
        stats.cloned()
    };
    let task = |update: &Update| {
        let stats = update.task_update.as_ref()?.stats_update.get(&1);
        stats.cloned()
    };
    (
        updates.iter().find_map(resource).unwrap(),
        updates.iter().find_map(op).unwrap(),
        updates.iter().find_map(task).unwrap(),
    )
}

/// Number of the only descriptor's resource, after the poller and its eventfd; its op and its task are the first of their kind.
const ENDED: u64 = 3;

#[test]
fn who_subscribes_within_ten_minutes_is_told_of_what_has_ended_as_it_was_and_later_that_it_ended() {
    const SECOND: u64 = 1_000_000_000;
    let mut script = Script::new("tombstones");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    {
        let mut wait = pin!(task::named("gone", desc.wait(Direction::Read)));
        park(wait.as_mut());
        script.look();
    }
    assert!(!script.client.resources[&ENDED].dropped);
    let (alive, ..) = stats_told(&script.model);
    let last_seen = script.model.anchor.timestamp(script.model.sampled_ns);
    desc.close();
    script.model.look(std::slice::from_ref(&script.poller));
    let ended = script.model.anchor.timestamp(script.model.sampled_ns);
    script.model.hooks.ahead_ns = 590 * SECOND;
    script.model.look(std::slice::from_ref(&script.poller));

    let (resource, op, task) = stats_told(&script.model);
    assert_eq!(resource.created_at, alive.created_at);
    assert_eq!(resource.dropped_at, Some(ended));
    assert_eq!(resource.attributes.len(), alive.attributes.len());
    assert_eq!(
        (op.created_at, op.dropped_at),
        (alive.created_at, Some(ended))
    );
    assert_eq!(op.poll_stats.unwrap().polls, 1);
    assert_eq!(task.dropped_at, Some(last_seen));
    assert_eq!(task.poll_stats.unwrap().polls, 1);
    // The client that was away for the while takes the messages, and its ghosts are gone.
    tell(
        &script.model,
        &mut Told::nothing(&script.model, false),
        &mut script.client,
    );
    assert!(script.live("uds").is_empty() && script.ops().is_empty());
    assert_eq!(Client::live(&script.client.tasks).count(), 0);

    script.model.hooks.ahead_ns = 610 * SECOND;
    script.model.look(std::slice::from_ref(&script.poller));
    let (resource, op, task) = stats_told(&script.model);
    assert_eq!(resource.dropped_at, Some(ended));
    assert!(resource.attributes.is_empty());
    assert_eq!(op.poll_stats, Some(PollStats::default()));
    assert_eq!(task.poll_stats, Some(PollStats::default()));
    tell(
        &script.model,
        &mut Told::nothing(&script.model, false),
        &mut Client::default(),
    );
}

#[test]
fn a_number_that_is_used_again_within_ten_minutes_is_told_as_the_living_alone() {
    const SECOND: u64 = 1_000_000_000;
    let mut script = Script::new("used_again");
    let (ours, _theirs) = pair();
    open(&script.poller, &ours).close();
    let first = open(&script.poller, &ours);
    script.look();
    first.close();
    script.look();
    script.model.hooks.ahead_ns = 60 * SECOND;
    let second = open(&script.poller, &ours);
    script.look();
    let live = script.live("uds");
    assert_eq!((live.len(), live[0].0), (1, ENDED));
    let mut late = Client::default();
    tell(
        &script.model,
        &mut Told::nothing(&script.model, false),
        &mut late,
    );
    assert!(!late.resources[&ENDED].dropped);
    assert_eq!(late.resources[&ENDED].fields["fdseq"], second.id());
}

#[test]
fn a_client_that_comes_back_to_another_process_forgets_what_the_first_one_had() {
    let mut first = Script::new("first");
    let sockets: Vec<_> = (0..20).map(|_| pair()).collect();
    let descs: Vec<_> = sockets
        .iter()
        .map(|(ours, _)| open(&first.poller, ours))
        .collect();
    {
        let mut waits: Vec<_> = descs
            .iter()
            .map(|desc| Box::pin(desc.wait(Direction::Read)))
            .collect();
        waits.iter_mut().for_each(|wait| park(wait.as_mut()));
        first.look();
    }
    assert_eq!((first.live("uds").len(), first.ops().len()), (20, 20));

    let mut second = Script::new("second");
    second.client = first.client;
    let (ours, _theirs) = pair();
    let _desc = open(&second.poller, &ours);
    second.look();
    assert_eq!(second.live("poller").len(), 1);
    assert_eq!(second.live("poller")[0].1.fields["name"], "second");
    assert_eq!((second.live("uds").len(), second.ops().len()), (1, 0));
    assert_eq!(Client::live(&second.client.tasks).count(), 0);
}

#[test]
fn five_thousand_descriptors_are_listed_those_that_wait_first_and_the_rest_is_counted() {
    let mut script = Script::new("many");
    let most = Sizes::default().descriptors;
    let extra = 70;
    let (ours, _theirs) = pair();
    let descs: Vec<_> = (0..most + extra)
        .map(|_| {
            let socket = ours.try_clone().unwrap();
            (open(&script.poller, &socket), socket)
        })
        .collect();
    let last = &descs.last().unwrap().0;
    let mut wait = pin!(last.wait(Direction::Read));
    park(wait.as_mut());
    let messages = script.look();
    assert!(messages > 2, "{messages}");
    let listed = script.live("uds");
    assert_eq!(listed.len(), most);
    assert!(
        listed
            .iter()
            .any(|(_, known)| known.fields["fdseq"] == last.id())
    );
    let more = script.live("more");
    assert_eq!(more[0].1.fields["count"], extra.to_string());
    let mut told = Told::nothing(&script.model, false);
    let updates = told.updates(&script.model);
    assert!(
        updates
            .iter()
            .all(|update| update.encoded_len() <= MAX_MESSAGE)
    );
    assert!(updates.iter().map(Message::encoded_len).sum::<usize>() > MAX_MESSAGE);
}
