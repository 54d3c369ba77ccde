//! What is shown of messages that tell of a poller is what is shown of the poller.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use console_api::Attribute;
use console_api::field::Name;
use console_api::instrument::Update;
use netpoller_core::view::lints::Lint;
use netpoller_core::view::recorder::Cursor;
use netpoller_core::view::{self, EventKind, Reader};
use netpoller_core::{Direction, Kind, ReadyList, Sides, net, task, time};
use netpoller_proto::v1::{
    self, DiagnoseResponse, Finding, GetServerResponse, GetStatsResponse, Mode,
};
use tonic::Status;

use super::script::{Script, open, pair, park, tell};
use super::validate::Client;
use crate::console::ids::State;
use crate::console::model::{Model, Sizes};
use crate::console::told::{Moment, Teller, Told};
use crate::console::update::ClientView;
use crate::methods::encode;
use crate::methods::event::Encoder;
use crate::wall;

/// Nobody: the tests say themselves what there is to tell.
#[derive(Debug)]
struct Nobody;

#[tonic::async_trait]
impl Teller for Nobody {
    async fn tell(&self) -> Result<Moment, Status> {
        Err(Status::unavailable("nobody tells"))
    }
}

/// What is shown of a poller, and what of messages that tell of it.
struct Twice {
    script: Script,
    told: Model<Told>,
    view: ClientView,
    client: Client,
    recorded: Cursor,
    /// What a diagnosis would find.
    findings: Vec<Finding>,
}

impl Twice {
    fn new(name: &str) -> Self {
        let script = Script::new(name);
        let told = Model::new(Told::by(Nobody), Sizes::default());
        Self {
            view: ClientView::nothing(&told, false),
            told,
            client: Client::default(),
            recorded: Cursor::oldest(&script.poller),
            script,
            findings: Vec::new(),
        }
    }

    /// The messages of this moment.
    fn moment(&mut self, now_ns: u64) -> Moment {
        let poller = &self.script.poller;
        let name = poller.info().name;
        let rows = Reader::new().snapshot(poller).rows.into_iter();
        let rows = rows.map(|row| Arc::new(encode::descriptor(&name, row, false)));
        let mut recorded = Vec::new();
        let lost = self.recorded.read(poller, &mut recorded);
        let told = recorded
            .iter()
            .filter(|it| matches!(it.kind, EventKind::Run | EventKind::Park));
        let mut encoder = Encoder::new();
        let captured_at_ns = view::now_ns();
        Moment {
            at_ns: now_ns,
            server: GetServerResponse {
                captured_at_ns,
                wall_clock_ns: wall::Anchor::now().wall_ns(captured_at_ns),
                ..GetServerResponse::default()
            },
            rows: rows.collect(),
            stats: Some(Arc::new(GetStatsResponse {
                pollers: vec![encode::stats(poller, &poller.stats(), &[])],
                epoch: 7,
                ..GetStatsResponse::default()
            })),
            diagnosis: Some(DiagnoseResponse {
                findings: self.findings.clone(),
                ..DiagnoseResponse::default()
            }),
            events: told.map(|it| encoder.event(&name, it)).collect(),
            read: recorded.len() as u64,
            lost,
            is_cut: false,
        }
    }

    /// Looks at both, and compares all that the clients are told.
    #[track_caller]
    fn look(&mut self) {
        let now = self.script.now();
        let moment = self.moment(now.now_ns);
        self.script.model.look(now);
        self.told.look(moment);
        self.told.anchor = self.script.model.anchor;
        let updates = comparable(self.script.view.updates(&self.script.model));
        assert_eq!(comparable(self.view.updates(&self.told)), updates);
        for update in &updates {
            self.script.client.take(update).unwrap();
            self.client.take(update).unwrap();
        }
        for ((id, live), (_, told)) in (self.script.model.tasks.iter()).zip(self.told.tasks.iter())
        {
            if let (State::Live(live), State::Live(told)) = (&live.state, &told.state) {
                assert_eq!(live.stats, told.stats, "{id}");
                assert_eq!(live.wake_latency, told.wake_latency, "{id}");
                assert_eq!(live.run_time, told.run_time, "{id}");
            }
        }
    }

    fn poll(&self) {
        let mut ready = ReadyList::default();
        let long = Some(Duration::from_secs(5));
        self.script.poller.poll(long, &mut ready).unwrap();
        ready.wake_all();
    }
}

/// Without what messages do not tell: the columns of lines, and the number of the eventfd.
fn comparable(mut updates: Vec<Update>) -> Vec<Update> {
    for update in &mut updates {
        let tasks = update.task_update.iter_mut();
        let tasks = tasks.flat_map(|it| &mut it.new_tasks);
        let resources = update.resource_update.iter_mut();
        let locations = tasks.map(|it| &mut it.location).chain(
            resources
                .flat_map(|it| &mut it.new_resources)
                .map(|it| &mut it.location),
        );
        for location in locations.flatten() {
            location.column = None;
        }
        let stats = update.resource_update.iter_mut();
        // After the poller.
        let eventfd = stats.filter_map(|it| it.stats_update.get_mut(&2));
        for stats in eventfd {
            let fd = Some(Name::StrName("0fd".to_owned()));
            let name = |it: &Attribute| it.field.as_ref().and_then(|it| it.name.clone());
            stats.attributes.retain(|it| name(it) != fd);
        }
    }
    updates
}

#[test]
fn a_wait_is_the_same_from_its_beginning_to_the_end_of_its_descriptor() {
    let mut twice = Twice::new("told");
    let (mut ours, mut theirs) = pair();
    let desc = open(&twice.script.poller, &ours);
    desc.set_label("\u{1b}[31m labelled");
    twice.look();
    let mut reads = Box::pin(task::named("reader", async {
        for _ in 0..3 {
            desc.wait(Direction::Read).await.unwrap();
            ours.read_exact(&mut [0]).unwrap();
            desc.reset(Direction::Read).unwrap();
        }
    }));
    let mut cx = Context::from_waker(Waker::noop());
    park(reads.as_mut());
    twice.look();
    for _ in 0..2 {
        theirs.write_all(b"x").unwrap();
        twice.poll();
        twice.look();
        assert!(reads.as_mut().poll(&mut cx).is_pending());
        twice.look();
    }
    theirs.write_all(b"x").unwrap();
    twice.poll();
    assert!(reads.as_mut().poll(&mut cx).is_ready());
    drop(reads);
    // Nobody waits any more, and who did is known.
    twice.look();
    let op = &twice.script.ops()[0];
    let task = &twice.client.tasks[&op.task.unwrap()];
    assert_eq!((op.polls, task.fields["task.name"].as_str()), (3, "reader"));
    desc.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Both);
    twice.look();
    assert_eq!(twice.script.live("Timer").len(), 2);
    desc.close();
    twice.look();
    assert!(twice.script.live("uds").is_empty());
}

#[test]
fn threads_sockets_and_sleeps_are_the_same() {
    let mut twice = Twice::new("several");
    let poller = twice.script.poller.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let accepts = poller.open(listener.as_fd(), Kind::TcpListener);
    let accepts = accepts.unwrap();
    let writes = poller.open(stream.as_fd(), Kind::Tcp);
    let writes = writes.unwrap();
    let mut accepting = pin!(accepts.wait(Direction::Read));
    park(accepting.as_mut());
    let address = listener.local_addr().unwrap();
    let connect = poller.in_scope(|| net::TcpStream::connect(address));
    let mut connect = pin!(task::named("client", connect));
    park(connect.as_mut());
    let mut sleep = pin!(poller.in_scope(|| time::sleep(Duration::from_secs(3600))));
    park(sleep.as_mut());
    twice.look();
    twice.script.ahead_ns = 2_000_000_000;
    twice.look();
    let mut writing = pin!(writes.wait(Direction::Read));
    park(writing.as_mut());
    twice.look();
    assert_eq!(twice.script.live("tcp").len(), 3);
    assert_eq!(twice.script.live("Timer").len(), 1);
    let ops = twice.script.ops();
    for kind in ["accept", "connect", "sleep", "wait_read"] {
        assert!(ops.iter().any(|op| op.kind == kind), "{kind}: {ops:?}");
    }
}

#[test]
fn who_waits_for_nothing_is_told_by_the_last_diagnosis_while_it_is_the_same_wait() {
    let mut twice = Twice::new("told_stuck");
    let (ours, _theirs) = pair();
    let desc = open(&twice.script.poller, &ours);
    let lost = |twice: &Twice| Client::live(&twice.client.tasks).any(|(_, it)| it.has_lost_waker);
    let show = |twice: &mut Twice| {
        let now_ns = twice.script.now().now_ns;
        let moment = twice.moment(now_ns);
        twice.told.look(moment);
        tell(&twice.told, &mut twice.view, &mut twice.client);
    };
    for is_lost in [true, false] {
        let mut wait = pin!(task::named("stuck", desc.wait(Direction::Read)));
        park(wait.as_mut());
        if is_lost {
            show(&mut twice);
            let row = Reader::new().snapshot(&twice.script.poller).rows.remove(0);
            twice.findings.push(Finding {
                lint: Lint::StuckWaiter.name().to_owned(),
                poller: "told_stuck".to_owned(),
                descriptor: Some(encode::descriptor("told_stuck", row, false)),
                direction: Mode::Read.into(),
                ..Finding::default()
            });
        }
        show(&mut twice);
        assert_eq!(lost(&twice), is_lost);
    }
}

#[test]
fn what_was_never_told_is_not_shown() {
    let mut told = Model::new(Told::by(Nobody), Sizes::default());
    let (mut view, mut client) = (ClientView::nothing(&told, false), Client::default());
    let poller = v1::Poller {
        name: "outside".to_owned(),
        epoll_fd: -1,
        ..v1::Poller::default()
    };
    let row = v1::Descriptor {
        poller: "outside".to_owned(),
        generation: 1,
        fd: 7,
        kind: v1::DescriptorKind::Tcp.into(),
        label: "\u{1b}[31m".to_owned(),
        read: Some(v1::Direction {
            waiter: Some(v1::Waiter {
                task: "G21".to_owned(),
                task_id: 21,
                location: "main.go:42".to_owned(),
                ..v1::Waiter::default()
            }),
            since_ns: u64::MAX,
            ..v1::Direction::default()
        }),
        ..v1::Descriptor::default()
    };
    let elsewhere = v1::Descriptor {
        poller: "another".to_owned(),
        ..row.clone()
    };
    told.look(Moment {
        at_ns: u64::MAX,
        server: GetServerResponse {
            pollers: vec![poller],
            ..GetServerResponse::default()
        },
        rows: [row, elsewhere].map(Arc::new).into(),
        ..Moment::default()
    });
    tell(&told, &mut view, &mut client);
    let live = Client::live(&client.resources);
    let mut kinds: Vec<_> = live.map(|(_, known)| known.kind.clone()).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        ["poller", "tcp"],
        "no eventfd, as nobody counts breaks"
    );
    let shown = Client::live(&client.resources).find(|(_, known)| known.kind == "tcp");
    let mut fields: Vec<_> = shown.unwrap().1.fields.iter().collect();
    fields.sort();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, it)| format!("{name}={it}"))
        .collect();
    assert_eq!(fields, ["0fd=7", "fdseq=0.1", "label=\u{fffd}[31m"]);
    let ops: Vec<_> = Client::live(&client.ops).map(|(_, op)| op).collect();
    assert_eq!((ops.len(), ops[0].kind.as_str()), (1, "wait_read"));
    let task = &client.tasks[&ops[0].task.unwrap()];
    assert_eq!(
        (task.kind.as_str(), &*task.fields["task.name"]),
        ("task", "G21")
    );
}

/// A poller of this name, and rows of it: each with its slot, its generation and the number of the
/// task that waits to read.
fn rows(pollers: &[&str], rows: &[(u32, u32, u64)]) -> Moment {
    let poller = |name: &&str| v1::Poller {
        name: (*name).to_owned(),
        epoll_fd: -1,
        ..v1::Poller::default()
    };
    let row = |&(slot, generation, task): &(u32, u32, u64)| v1::Descriptor {
        poller: "p".to_owned(),
        slot,
        generation,
        fd: 7,
        kind: v1::DescriptorKind::Tcp.into(),
        read: Some(v1::Direction {
            waiter: Some(v1::Waiter {
                task: format!("task-{task}"),
                task_id: task,
                ..v1::Waiter::default()
            }),
            ..v1::Direction::default()
        }),
        ..v1::Descriptor::default()
    };
    Moment {
        at_ns: 1_000,
        server: GetServerResponse {
            pollers: pollers.iter().map(poller).collect(),
            ..GetServerResponse::default()
        },
        rows: rows.iter().map(row).map(Arc::new).collect(),
        ..Moment::default()
    }
}

#[test]
fn threads_of_one_name_make_no_task_busy_that_was_not() {
    let mut told = Model::new(Told::by(Nobody), Sizes::default());
    let table = [(1, 1, 11), (2, 1, 12)];
    told.look(rows(&["p"], &table));
    let event = |kind: v1::EventKind, slot: u32, at_ns: u64| v1::Event {
        at_ns,
        poller: "p".to_owned(),
        id: format!("{slot}.1"),
        direction: Mode::Read.into(),
        kind: kind.into(),
        thread: "tokio-rt-worker".to_owned(),
        ..v1::Event::default()
    };
    let (run, park) = (v1::EventKind::Run, v1::EventKind::Park);
    let mut busy = |events: &[(v1::EventKind, u32, u64)]| {
        let events = events.iter().map(|it| event(it.0, it.1, it.2));
        let events: Vec<v1::Event> = events.collect();
        told.look(Moment {
            read: events.len() as u64,
            events,
            ..rows(&["p"], &table)
        });
        let numbers = told.tasks.iter().map(|(number, _)| number);
        let tasks = numbers.filter_map(|number| told.tasks.get(number));
        tasks.map(|task| task.stats.busy_ns).sum::<u64>()
    };
    // Two workers of one name: whose park is whose, nobody knows.
    assert_eq!(
        busy(&[(run, 1, 100), (run, 2, 200), (park, 1, 300), (park, 2, 400)]),
        0
    );
    assert_eq!(busy(&[(run, 1, 500), (park, 1, 540)]), 40);
    // It parks on something that is not listed.
    assert_eq!(busy(&[(run, 2, 600), (park, 9, 610), (park, 2, 700)]), 40);
}

#[test]
fn what_cannot_be_told_apart_is_shown_once() {
    let mut told = Model::new(Told::by(Nobody), Sizes::default());
    let (mut view, mut client) = (ClientView::nothing(&told, false), Client::default());
    for _ in 0..3 {
        // Two lives of a slot, pollers of one name, and one that comes without any.
        let mut moment = rows(&["p", "p", "q"], &[(1, 1, 11), (1, 2, 12)]);
        let mut stats = GetStatsResponse {
            epoch: 1,
            ..GetStatsResponse::default()
        };
        stats.pollers.push(v1::PollerStats::default());
        stats
            .pollers
            .extend(moment.server.pollers.iter().map(|it| v1::PollerStats {
                poller: Some(it.clone()),
                ..v1::PollerStats::default()
            }));
        moment.stats = Some(Arc::new(stats));
        told.look(moment);
        tell(&told, &mut view, &mut client);
        let live = Client::live(&client.resources);
        let mut kinds: Vec<_> = live.map(|(_, known)| known.kind.clone()).collect();
        kinds.sort();
        assert_eq!(kinds, ["poller", "poller", "tcp"]);
        assert_eq!(Client::live(&client.ops).count(), 1);
    }
}
